"""What a report is about: a trained model, how its training went, and what is left of the run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cisreg.data import Dataset
from cisreg.files import open_regular_file
from cisreg.limits import read_description
from cisreg.run_folder import METRICS_FILE, RECIPE_FILE
from cisreg.storage import load_model
from cisreg.strict_json import parse_json
from cisreg.trained_model import Model

_COLUMNS = ("stage", "epoch", "total_epoch", "loss", "validation_loss", "validation_r", "seconds")


@dataclass(frozen=True, eq=False)
class Run:
    """A model and the run that made it.

    Attributes:
        name: what the report calls it, such as the name of its folder.
        model: the model.
        history: columns by name, as of `cisreg.training.FitResult.to_table`; None: not known.
        recipe: the content of recipe.toml; None: not known.
        given: data in memory, by "training" and "held out".
        notes: sentences about what could not be read.
        folder: where it is, or None.
    """

    name: str
    model: Model
    history: Mapping[str, Any] | Any = None
    recipe: str | None = None
    given: Mapping[str, Dataset] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    folder: Path | None = None


def open_run(source: str | os.PathLike[str] | Model | Run) -> Run:
    """The run in a folder, or one of a model alone.

    Args:
        source: the folder of a run or a model, a model, or a Run, which stays as it is.

    Raises:
        FileNotFoundError: there is no model in the folder.
        ValueError: the model is damaged.

    Example:
        >>> open_run("model").history["loss"]  # doctest: +SKIP
        [22.99, 9.68, 8.74]
    """
    if isinstance(source, Run):
        return source
    if isinstance(source, Model):
        return Run("model", source)
    folder = Path(source)
    model = load_model(folder)
    notes: list[str] = []
    history = _read_history(folder / METRICS_FILE, notes)
    recipe = _read_text(folder / RECIPE_FILE, notes)
    return Run(folder.resolve().name, model, history, recipe, notes=tuple(notes), folder=folder)


def _read_text(path: Path, notes: list[str]) -> str | None:
    """The text of a file of the run; None, with a note, if it cannot be read."""
    try:
        with open_regular_file(path) as file:
            return read_description(file, path).decode()
    except FileNotFoundError:
        notes.append(f"{path.name} is not in the folder: it is left out.")
    except (OSError, ValueError) as error:
        notes.append(f"{path.name} cannot be read ({error}): it is left out.")
    return None


def _check_record(record: Mapping[str, Any]) -> None:
    """Checks the numbers of an epoch; what is not finite, and validation, may be missing.

    Raises:
        ValueError: other values.
    """
    for name, value in record.items():
        counts = name in ("stage", "epoch", "total_epoch")
        if value is None and not counts and name != "seconds":
            continue
        kinds = (int,) if counts else (int, float)
        if type(value) not in kinds or not abs(value) <= sys.float_info.max:
            raise ValueError(f"expected a number as {name}")


def _read_history(path: Path, notes: list[str]) -> dict[str, list[Any]] | None:
    text = _read_text(path, notes)
    if text is None:
        return None
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for number, line in enumerate(text.splitlines(), 1):
        try:
            record = parse_json(line)
            values = [record[name] for name in _COLUMNS]
            _check_record(dict(zip(_COLUMNS, values, strict=True)))
        except (ValueError, KeyError, TypeError, RecursionError):
            notes.append(
                f"{path.name}, line {number}: expected the record of an epoch, got something else: "
                "the course of training is left out."
            )
            return None
        for name, value in zip(_COLUMNS, values, strict=True):
            columns[name].append(value)
    return columns if columns["stage"] else None
