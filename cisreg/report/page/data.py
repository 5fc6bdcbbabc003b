"""Finds the rows that a model was trained on and those that were held out, and checks them."""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from cisreg.data import Columns, Dataset, DatasetFiles, HoldOut, open_dataset
from cisreg.data.splitting import sequence_hashes
from cisreg.datasets.named import dataset_files
from cisreg.display import counted
from cisreg.outputs import check_one_output, output_index
from cisreg.report.page.run import Run
from cisreg.trained_model import Model

logger = logging.getLogger("cisreg.report")

Role = Literal["training", "held out", "other"]

# More rows than these are not read: a report is to take seconds, and needs no more.
MOST_ROWS = 1 << 21
# Columns that say where something was measured, and how many of them are looked at.
_PLACES = re.compile(
    "(plate|well|batch|row|col|column|lane|chip|array|run|replicate|date|library|pool|bin)"
    "([ _-]?(id|name|number|no|[0-9]+))?",
    re.IGNORECASE,
)
_MOST_PLACES = 4
# The number of each row among those that were read: an extra column, which is not shown.
_ROW = "row among those read"
# Parts of the rows in the metadata of a model.
_ROLES = ("training", "validation")


@dataclass(frozen=True, eq=False)
class Part:
    """Sequences with measurements that a report looks at together.

    Attributes:
        name: "training", "held out", or the name of a table.
        role: "other" are rows that are neither those of training nor of validation.
        data: the sequences, encoded for the model, and their measurements.
        places: by name, what says where a row was measured: its line or row, columns of the table.
        highest: the highest r that replicates leave to a model; NaN without any.
    """

    name: str
    role: Role
    data: Dataset
    places: Mapping[str, pa.Array] = field(default_factory=dict)
    highest: float = math.nan


@dataclass(frozen=True, eq=False)
class Found:
    """The parts that were found, best evidence first, and what is to be said about them."""

    parts: tuple[Part, ...]
    notes: tuple[str, ...]

    @property
    def judged(self) -> Part | None:
        """The part that a model is judged by: held out, else other rows, else training."""
        order: tuple[Role, ...] = ("held out", "other", "training")
        ranked = sorted(self.parts, key=lambda part: order.index(part.role))
        return ranked[0] if ranked else None

    def of(self, role: Role) -> Part | None:
        """The first part with a role."""
        return next((part for part in self.parts if part.role == role), None)


def find_parts(run: Run, tables: Sequence[str | os.PathLike[str]] = ()) -> Found:
    """Finds the data of a run: in memory, where its metadata say, and in other tables.

    The rows of a table are split as in training. Only if number and fingerprint of the rows are
    those that model.json knows, they are called training and held out.

    Args:
        run: the run.
        tables: further tables, read like that of training.

    Raises:
        FileNotFoundError, ValueError: one of `tables` cannot be read.
        ValueError: the model says of its rows what no training writes.

    Example:
        >>> find_parts(open_run("model")).judged.name  # doctest: +SKIP
        'held out'
    """
    notes: list[str] = []
    _record(run.model)
    parts = [Part(name, _role(name), data) for name, data in run.given.items()]
    if not parts:
        parts = _own_parts(run, notes)
    for table in tables:
        parts += _parts_of_table(run, table, parts, notes)
    if not parts:
        notes.append(
            "There are no measured sequences: predictions, residuals, example sequences and what "
            "factors do in sequences are left out. Give a table with --data, in Python data=."
        )
    named = [
        replace(part, places=_places(part.data)) if not part.places else part for part in parts
    ]
    return Found(tuple(named), tuple(notes))


def check_output_of(run: Run, output: str | None) -> None:
    """Refuses an output that a run has not, or none where it has several.

    Raises:
        ValueError: there is none of that name, or the model has several and none is named.

    Example:
        >>> check_output_of(open_run("model"), None)  # doctest: +SKIP
    """
    if output is None:
        check_one_output(run.model)
    else:
        output_index(run.model.output_names, output)


def of_output(run: Run, found: Found, output: str | None) -> tuple[Run, Found]:
    """A run and its data as if it were one of this output alone; those of one output as they are.

    Args:
        run: the run.
        found: its data.
        output: name of an output; None: the model has one.

    Raises:
        ValueError: the model has several outputs and none is named, or none of that name.

    Example:
        >>> run, found = of_output(run, found, "galactose")  # doctest: +SKIP
    """
    check_output_of(run, output)
    if output is None:
        return run, found
    index = output_index(run.model.output_names, output)
    parts = []
    for part in found.parts:
        there = np.isfinite(part.data.expression[:, index])
        rows = part.data.take(there)
        data = replace(rows, expression=rows.expression[:, index])
        places = {name: each.filter(pa.array(there)) for name, each in part.places.items()}
        parts.append(replace(part, data=data, places=places))
    one = replace(run, name=f"{run.name}, {output}", model=run.model.output(output))
    return one, replace(found, parts=tuple(parts))


def _role(name: str) -> Role:
    return "training" if name == "training" else "held out" if name == "held out" else "other"


def _own_parts(run: Run, notes: list[str]) -> list[Part]:
    """Training and validation rows from the files that the metadata of the model name."""
    metadata = run.model.metadata
    source = metadata.get("table")
    if not isinstance(source, (str, list)) or not source or source == "-":
        notes.append("The model does not say which table it was trained on.")
        return []
    paths = _resolved(source, metadata.get("working_folder"))
    try:
        data, whole = _read(run.model, paths)
    except (OSError, ValueError) as error:
        # The reason may quote the file, which need not be a table: the page is sent to others.
        notes.append(f"The table of training, {_shown(source)}, cannot be read; the log says why.")
        logger.warning("the table of training cannot be read: %s", error)
        return []
    if whole is not None:
        notes.append(
            f"Of {whole:,} rows of {_shown(source)}, {len(data):,} are looked at, evenly spaced. "
            "They are split as in training, and not compared with it by a checksum."
        )
    parts = _split_as_in_training(run.model, data, notes, check=whole is None)
    if parts is None:
        notes.append(
            f"{_shown(source)} does not hold the rows that the model was trained on (their number "
            "or checksum differs), so it is left out; --data takes it as it is."
        )
        return []
    validation = metadata.get("validation_table")
    known = (_record(run.model) or {}).get("validation")
    if isinstance(validation, (str, list)) and known and len(parts) == 1:
        try:
            held_out, _ = _read(run.model, _resolved(validation, metadata.get("working_folder")))
        except (OSError, ValueError) as error:
            notes.append(
                f"The table of validation, {_shown(validation)}, cannot be read; the log says why."
            )
            logger.warning("the table of validation cannot be read: %s", error)
            return parts
        if _is(held_out, known):
            parts.insert(0, Part("held out", "held out", held_out))
        else:
            notes.append(f"{_shown(validation)} is not what validation was: it is left out.")
    return parts


def _resolved(source: str | list[Any], folder: Any) -> list[str]:
    """The files of a table, by their names from the folder in which training began."""
    names = [str(each) for each in (source if isinstance(source, list) else [source])]
    if len(names) == 1:
        named = dataset_files(names[0])
        if isinstance(named, list):
            # Not a path, but the name of a data set.
            return [os.fspath(each) for each in named]
    if not isinstance(folder, str):
        return names
    return [name if "://" in name else os.path.join(folder, name) for name in names]  # noqa: PTH118


def _shown(source: str | list[Any]) -> str:
    return source if isinstance(source, str) else ", ".join(map(str, source))


def _parts_of_table(
    run: Run, table: str | os.PathLike[str], known: Sequence[Part], notes: list[str]
) -> list[Part]:
    data, whole = _read(run.model, _resolved(os.fspath(table), None))
    if not known:
        parts = _split_as_in_training(run.model, data, [], check=whole is None)
        if parts is not None:
            return parts
    seen = [part for part in known if part.role == "training"]
    name = Path(os.fspath(table)).name
    if seen:
        hashes = sequence_hashes(data.sequence)
        shared = np.isin(hashes, sequence_hashes(seen[0].data.sequence))
        if shared.any():
            notes.append(
                f"{name}: {counted(int(shared.sum()), 'sequence')} of {len(data):,} are also among "
                "those of training, and were left out."
            )
            data = data.take(~shared)
    else:
        notes.append(
            f"{name}: whether its sequences were among those of training is not known, since these "
            "were not found."
        )
    return [Part(name, "other", data)] if len(data) else []


def _read(model: Model, paths: list[str]) -> tuple[Dataset, int | None]:
    """The rows of tables as those of training were read, numbered, with columns of places.

    Beside them is the number of all rows if only some were read, else None.
    """
    metadata = model.metadata
    columns = Columns(**model.table_columns) if model.table_columns else Columns()
    # Names are not needed to train, and a report shows them where the table has some.
    counted_by = None if model.noise is None else model.noise.counted
    columns = replace(
        columns, name=columns.name or True, weight=columns.weight or False, counted=counted_by
    )
    how: dict[str, Any] = {
        "length": model.spec.sequence_length,
        "side": model.padding_side,
        "decimal_comma": bool(metadata.get("decimal_comma", False)),
        "partly_measured": True,
    }
    if metadata.get("measurements"):
        how["measurements"] = _resolved(metadata["measurements"], metadata.get("working_folder"))[0]
    split_by = _held_out(model)
    names = _column_names(paths, columns, how)
    column = None if split_by is None else split_by.column
    # A table of other sequences need not have the column that split those of training.
    own = () if column is None or (names and column not in names) else (column,)
    places = [name for name in names if _PLACES.fullmatch(name)][:_MOST_PLACES]
    wanted = (*own, *(each for each in places if each not in own))
    files = open_dataset(paths, columns=replace(columns, extra=wanted), **how)
    data = _load(files)
    partly = files.has_groups and files.group_rows.sum() > MOST_ROWS
    return _numbered(data), int(files.group_rows.sum()) if partly else None


def _column_names(paths: list[str], columns: Columns, how: Mapping[str, Any]) -> list[str]:
    """Names of the columns, those without a role first; none where they are not known."""
    try:
        files = open_dataset(paths, columns=replace(columns, extra=True), **how)
    except (ValueError, OSError):
        # FASTA and tables without names; whatever else is wrong is said where they are read.
        return []
    of = files.columns
    roles = (of.sequence, *files.expression_names, of.weight, of.name)
    return [*files.extra_names, *(each for each in roles if isinstance(each, str))]


def _load(files: DatasetFiles) -> Dataset:
    if not files.has_groups or files.group_rows.sum() <= MOST_ROWS:
        return files.load(progress=True)
    # Evenly spaced row groups.
    rows = files.group_rows
    count = max(1, int(MOST_ROWS // rows.max()))
    groups = np.unique(np.linspace(0, len(rows) - 1, count).astype(np.int64))
    logger.info("read %d of %d row groups of %s", len(groups), len(rows), files.files[0])
    return files.load(groups=groups, progress=True)


def _numbered(data: Dataset) -> Dataset:
    if _ROW in data.extra:
        return data
    numbers = pa.array(np.arange(1, len(data) + 1))
    copied = data.take(np.arange(len(data)))
    copied.__dict__["extra"] = {**data.extra, _ROW: numbers}
    return copied


def _places(data: Dataset) -> dict[str, pa.Array]:
    """What says where rows were measured; first the lines of text, or rows, that they are."""
    found = {}
    if data.places is not None:
        found[f"{data.places.unit} of the table"] = pa.array(data.places.along())
    return found | {
        name: column for name, column in data.extra.items() if _PLACES.fullmatch(str(name))
    }


def _record(model: Model) -> Mapping[str, Any] | None:
    """What the model says of the rows of its training; None if it says nothing.

    Raises:
        ValueError: it says something else, such as in a model.json that was edited.
    """
    record, seed = model.metadata.get("data"), model.metadata.get("seed", 0)
    if record is None:
        return None
    parts = [record.get(name) for name in _ROLES] if isinstance(record, dict) else [record]
    sound = type(seed) is int and parts[0] is not None and all(map(_is_part_record, parts))
    try:
        if sound and record.get("held_out") is not None:
            HoldOut(**record["held_out"])
    except (TypeError, ValueError):
        sound = False
    if not sound:
        raise ValueError(
            'model.json: expected the "seed", and as "data" of "training" and "validation" the '
            'number of "rows" and their "fingerprint", and which rows were "held_out", as cisreg '
            f"train writes them, got {record!r:.200} and the seed {seed!r:.20}"
        )
    return record


def _is_part_record(part: Any) -> bool:
    if part is None:
        return True
    return (
        isinstance(part, dict)
        and type(part.get("rows")) is int
        and isinstance(part.get("fingerprint"), (str, type(None)))
    )


def _held_out(model: Model) -> HoldOut | None:
    how = (_record(model) or {}).get("held_out")
    return None if how is None else HoldOut(**how)


def _split_as_in_training(
    model: Model, data: Dataset, notes: list[str], *, check: bool
) -> list[Part] | None:
    """The parts of the table as training had them; None if these are other rows.

    Args:
        model: the model.
        data: the rows.
        notes: gets what is to be said.
        check: whether the rows must be those that model.json describes.
    """
    record = _record(model)
    if record is None:
        notes.append(
            "The model does not say which rows were held out: it was made by an earlier version."
        )
        return None
    how = _held_out(model)
    training, held_out = data, None
    if how is not None:
        try:
            training, held_out = how.split(data, int(model.metadata.get("seed", 0)))
        except ValueError as error:
            logger.info("the rows cannot be split as in training: %s", error)
            return None
    if check and held_out is not None and not _is(held_out, record.get("validation")):
        return None
    if check and not _is(training, record["training"]):
        return None
    parts = [Part("training", "training", training)]
    if held_out is not None:
        parts.insert(0, Part("held out", "held out", held_out))
    # Folds may name a third part, which neither trained nor validated.
    used = np.concatenate([part.data.extra[_ROW].to_numpy() for part in parts])
    left = ~np.isin(data.extra[_ROW].to_numpy(), used)
    if left.any():
        parts.insert(1, Part("not used in training", "other", data.take(left)))
    return parts


def _is(data: Dataset, record: Mapping[str, Any] | None) -> bool:
    """Whether these are the rows that a record of model.json describes."""
    if record is None or record["rows"] != len(data):
        return False
    # The checksum of rows that were streamed is not known; their number is.
    return record.get("fingerprint") in (None, data.fingerprint())
