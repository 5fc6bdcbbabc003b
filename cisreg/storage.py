"""A trained model as one object, and its folder: model.json and one npz file of arrays."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata as package_metadata
from pathlib import Path
from typing import Any

import numpy as np

from cisreg.arrays import pack_arrays, unpack_arrays
from cisreg.files import replace_file
from cisreg.model import ModelSpec, check_parameters
from cisreg.motifs import MotifSet

_NAME = "model.json"
_FORMAT_VERSION = 2
_ARRAY_FILE = re.compile(r"parameters-[0-9a-f]{12}\.npz")
# Arrays that lie in the file beside the parameters.
_COLUMN_RANGE = "column_range"
_INITIAL = {name: f"initial_{name}" for name in ("log_kd", "first_column", "widths")}


@dataclass(frozen=True, eq=False)
class Model:
    """A trained model: layers, parameters, motifs, and where they come from.

    Attributes:
        spec: the layers.
        parameters: float32 arrays by name, as `spec.parameter_shapes` lists them.
        motif_names: M distinct names, in the order of the parameters.
        metadata: where the model comes from (table, recipe, seed, ...), anything JSON can hold.
        initial_motifs: the motifs as training began; None where that is not known, as for an
            imported model.
        column_range: int32 [2, M], first column of each motif and the one behind its last that
            training could change, all others being zero; None: all could change.
        table_columns: the columns of the training table by role, such as {"sequence": "seq",
            "expression": ["log2_ratio"], "weight": None}; empty where that is not known.
        unit: what expression is measured in, as text; empty where nobody said so.

    Raises:
        ValueError: parts that do not fit together, such as parameters of another shape than the
            spec's.

    Example:
        >>> from cisreg.model import init_parameters
        >>> spec = ModelSpec(motif_count=1, motif_width=3, sequence_length=10)
        >>> parameters = init_parameters(spec, np.full((3, 4, 1), 0.5), np.zeros(1))
        >>> Model(spec, parameters, ("ABF1",)).motifs.names
        ('ABF1',)
    """

    spec: ModelSpec
    parameters: Mapping[str, np.ndarray]
    motif_names: tuple[str, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    initial_motifs: MotifSet | None = None
    column_range: np.ndarray | None = None
    table_columns: Mapping[str, Any] = field(default_factory=dict)
    unit: str = ""

    def __post_init__(self) -> None:
        check_parameters(self.spec, self.parameters)
        foreign = sorted(set(self.parameters) - set(self.spec.parameter_shapes))
        if foreign:
            raise ValueError(
                f"parameters: expected {', '.join(self.spec.parameter_shapes)}, got "
                f"{', '.join(foreign)} as well"
            )
        for name, value in self.parameters.items():
            if value.dtype != np.float32:
                raise ValueError(f"parameters: expected {name} of float32, got {value.dtype}")
        object.__setattr__(self, "motif_names", tuple(self.motif_names))
        self._check_names()
        if self.column_range is not None:
            object.__setattr__(self, "column_range", np.array(self.column_range, np.int32))
            self._check_column_range()
        if self.initial_motifs is not None:
            self._check_initial_motifs(self.initial_motifs)

    def _check_names(self) -> None:
        names = self.motif_names
        if len(names) != self.spec.motif_count:
            raise ValueError(
                f"motif_names: expected {self.spec.motif_count} names (the model's motif_count), "
                f"got {len(names)}"
            )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"motif_names: expected distinct names, got {twice[0]!r} twice")

    def _check_column_range(self) -> None:
        assert self.column_range is not None
        width, count = self.spec.motif_width, self.spec.motif_count
        if self.column_range.shape != (2, count):
            raise ValueError(
                f"column_range: expected shape (2, {count}), got {self.column_range.shape}"
            )
        first, end = self.column_range
        if not ((first >= 0) & (first < end) & (end <= width)).all():
            raise ValueError(
                f"column_range: expected a first column below the end, both within 0..{width}, "
                f"got {self.column_range.tolist()}"
            )
        column = np.arange(width)[:, np.newaxis, np.newaxis]
        outside = (column < first) | (column >= end)
        wrong = (outside & (self.parameters["log_kd"] != 0)).any(axis=(0, 1))
        if wrong.any():
            name = self.motif_names[int(np.argmax(wrong))]
            raise ValueError(
                f"column_range: expected log_kd of zero outside of it, got other numbers in "
                f"motif {name!r}"
            )

    def _check_initial_motifs(self, motifs: MotifSet) -> None:
        if motifs.names != self.motif_names or motifs.width != self.spec.motif_width:
            raise ValueError(
                f"initial_motifs: expected the {self.spec.motif_count} motifs of motif_names in "
                f"{self.spec.motif_width} columns, got {len(motifs)} in {motifs.width}, or other "
                "names"
            )

    @cached_property
    def motifs(self) -> MotifSet:
        """The motifs as they are now, for `cisreg.scan` and all that takes a MotifSet.

        A motif's own columns are those of `column_range` or, without one, reach from the first
        column that is not zero to the last.

        Example:
            >>> cisreg.scan(["ACGTACGT"], model.motifs, threshold=-5.0)  # doctest: +SKIP
        """
        log_kd = self.parameters["log_kd"]
        first, end = _used_columns(log_kd) if self.column_range is None else self.column_range
        return MotifSet(self.motif_names, log_kd, first, end - first)


def _used_columns(log_kd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first column of each motif that is not zero and the one behind the last such, int [M].

    A motif that is zero everywhere has all W columns.
    """
    used = (log_kd != 0).any(axis=1)
    used |= ~used.any(axis=0)
    return used.argmax(axis=0), len(used) - used[::-1].argmax(axis=0)


def save_model(directory: str | os.PathLike[str], model: Model) -> None:
    """Saves a model in a folder, made where it is missing; other files there stay.

    At any moment the folder holds either the model it held before or the new one: all arrays go
    to a file named after their content, and model.json, which names that file, is replaced last.

    Raises:
        ValueError: metadata or table_columns that JSON cannot hold.
        OSError: the folder cannot be written.

    Example:
        >>> save_model("model", Model(spec, result.parameters, motifs.names))  # doctest: +SKIP
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    content = pack_arrays(_arrays(model))
    digest = hashlib.sha256(content).hexdigest()
    array_file = f"parameters-{digest[:12]}.npz"
    description = {
        "format_version": _FORMAT_VERSION,
        "cisreg_version": _cisreg_version(),
        "spec": model.spec.to_dict(),
        "motif_names": list(model.motif_names),
        "parameters": {"file": array_file, "sha256": digest},
        "table_columns": dict(model.table_columns),
        "unit": model.unit,
        "metadata": dict(model.metadata),
    }
    try:
        text = json.dumps(description, indent=2, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"metadata, table_columns: expected values that JSON can hold: {error}"
        ) from None
    with replace_file(directory / array_file) as file:
        file.write(content)
    with replace_file(directory / _NAME) as file:
        file.write(text.encode() + b"\n")
    for old in directory.glob("parameters-*.npz*"):
        if old.name != array_file:
            old.unlink(missing_ok=True)


def load_model(directory: str | os.PathLike[str]) -> Model:
    """Loads a model that `save_model` wrote.

    Raises:
        FileNotFoundError: no model in this folder.
        ValueError: the folder's files are damaged, foreign or of another format version; the
            message names the file.

    Example:
        >>> model = load_model("model")  # doctest: +SKIP
        >>> model.spec.motif_count  # doctest: +SKIP
        245
    """
    path = Path(directory) / _NAME
    if not path.is_file():
        raise FileNotFoundError(
            f"{directory}: expected a folder with {_NAME} as save_model writes it, found none"
        )
    description = _read_description(path)
    version = description["format_version"]
    if version != _FORMAT_VERSION:
        raise ValueError(
            f"{path}: expected format version {_FORMAT_VERSION}, got {version!r}; load it with the "
            f"version of cisreg that wrote it ({description.get('cisreg_version', 'not known')})"
        )
    try:
        return _described_model(path.parent, description)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: expected the description of a model: {error!r}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _arrays(model: Model) -> dict[str, np.ndarray]:
    """All arrays of a model by the names they have in its file."""
    arrays = dict(model.parameters)
    if model.column_range is not None:
        arrays[_COLUMN_RANGE] = model.column_range
    if model.initial_motifs is not None:
        arrays |= {stored: getattr(model.initial_motifs, own) for own, stored in _INITIAL.items()}
    return arrays


def _described_model(folder: Path, description: Mapping[str, Any]) -> Model:
    stored = description["parameters"]
    arrays = _read_arrays(folder, stored["file"], stored["sha256"])
    names = _motif_names(description["motif_names"])
    initial = {own: arrays.pop(name) for own, name in _INITIAL.items() if name in arrays}
    if initial and len(initial) < len(_INITIAL):
        raise ValueError(f"{stored['file']}: expected all of {', '.join(_INITIAL.values())}")
    unit = description["unit"]
    if not isinstance(unit, str):
        raise ValueError(f"unit: expected a text, got {unit!r}")
    return Model(
        ModelSpec.from_dict(description["spec"]),
        column_range=arrays.pop(_COLUMN_RANGE, None),
        parameters=arrays,
        motif_names=names,
        metadata=dict(description["metadata"]),
        initial_motifs=MotifSet(names, **initial) if initial else None,
        table_columns=dict(description["table_columns"]),
        unit=unit,
    )


def _read_description(path: Path) -> dict[str, Any]:
    """What model.json holds; it has a format version."""
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(description, dict) or "format_version" not in description:
            raise ValueError("there is no format_version")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected the description of a model: {error!r}") from None
    return description


def _motif_names(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("motif_names: expected a list of texts, got something else")
    return tuple(names)


def _cisreg_version() -> str:
    try:
        return package_metadata.version("cisreg")
    except package_metadata.PackageNotFoundError:
        return "not installed"


def _read_arrays(folder: Path, name: str, digest: str) -> dict[str, np.ndarray]:
    # A description from elsewhere must not make anything but its own folder's files be read.
    if not isinstance(name, str) or not _ARRAY_FILE.fullmatch(name):
        raise ValueError(
            f"expected a file of this folder such as parameters-0123456789ab.npz, got {name!r}"
        )
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise ValueError(
            f"expected the parameters in {name}, cannot read them ({error}); save or copy the "
            "whole folder again"
        ) from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(
            f"the parameters in {name} are damaged (another checksum); save or copy the whole "
            "folder again"
        )
    try:
        return unpack_arrays(content)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
