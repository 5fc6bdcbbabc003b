"""Saves models in folders: model.json, which people can read, and an npz file of all arrays."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata as package_metadata
from pathlib import Path
from typing import Any

import numpy as np

from cisreg.arrays import pack_arrays, unpack_arrays
from cisreg.datasets.named import Registries, model_folder
from cisreg.datasets.simulated import DEMO_MODEL
from cisreg.files import open_regular_file, read_regular_file, replace_file
from cisreg.limits import read_description
from cisreg.locks import hold_for_a_moment
from cisreg.losses.named import noise_from_dict
from cisreg.motifs import MotifDetails, MotifSet
from cisreg.pairs import pair_names
from cisreg.run_folder import MODEL_FILE, PARAMETERS, warn_of_earlier_model
from cisreg.spec import ModelSpec, check_finite
from cisreg.strict_json import parse_json
from cisreg.trained_model import Model

logger = logging.getLogger("cisreg.storage")

_FORMAT_VERSION = 2
# Names of the arrays in the npz file that are not parameters.
_COLUMN_RANGE = "column_range"
_DETAILS = "motif_details"
_NOISE = "noise"
_OUTPUTS = "output_names"
_INITIAL = {name: f"initial_{name}" for name in ("log_kd", "first_column", "widths")}


def save_model(directory: str | os.PathLike[str], model: Model) -> None:
    """Saves a model in a folder, created if missing; other files in it are kept.

    At any moment the folder contains either the previous model or the new one, complete: the arrays
    are written to a file named after their content, and model.json, which names that file, is
    replaced last. Then the file of the previous model's arrays is removed, and no other. Whoever
    else saves a model there waits meanwhile.

    Raises:
        ValueError: metadata or table_columns are not JSON values, or a parameter is not finite; or
            another process has locked the folder, such as a training run.
        OSError: the folder cannot be written.

    Example:
        >>> save_model("model", Model(spec, result.parameters, motifs.names))  # doctest: +SKIP
    """
    # The arrays of a model can be changed after it was made.
    check_finite(model.parameters, model.motif_names)
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    content = pack_arrays(_arrays(model))
    digest = hashlib.sha256(content).hexdigest()
    array_file = f"parameters-{digest[:12]}.npz"
    description = {**model_description(model), "parameters": {"file": array_file, "sha256": digest}}
    text = description_text(description)
    with hold_for_a_moment(directory):
        previous = _saved_arrays(directory)
        _write_parts(directory, array_file, content, text)
        if previous not in (None, array_file):
            (directory / str(previous)).unlink(missing_ok=True)


def model_description(model: Model) -> dict[str, Any]:
    """What model.json says of a model, apart from its parameters.

    Example:
        >>> model_description(model)["spec"]["motif_count"]  # doctest: +SKIP
        245
    """
    description = {
        "format_version": _FORMAT_VERSION,
        "cisreg_version": _cisreg_version(),
        "spec": model.spec.to_dict(),
        "motif_names": list(model.motif_names),
        "table_columns": dict(model.table_columns),
        "unit": model.unit,
        "metadata": dict(model.metadata),
    }
    if model.output_names:
        description[_OUTPUTS] = list(model.output_names)
    if model.spec.pairs:
        # For readers; the spec has their places.
        description["pairs"] = list(map(list, pair_names(model.spec, model.motif_names)))
    if model.noise is not None:
        description[_NOISE] = model.noise.to_dict()
    # The numbers of the files are left out: log Kd at the start of training is among the arrays.
    motifs = () if model.initial_motifs is None else model.initial_motifs.details
    details = [replace(each, matrix=None, kind=None).to_dict() for each in motifs]
    return description | ({_DETAILS: details} if any(details) else {})


def description_text(description: Mapping[str, Any]) -> bytes:
    r"""The content of model.json.

    Raises:
        ValueError: metadata or table_columns are not JSON values.

    Example:
        >>> description_text({"unit": "log2"})
        b'{\n  "unit": "log2"\n}\n'
    """
    try:
        return json.dumps(description, indent=2, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"metadata, table_columns: expected values that JSON can hold: {error}"
        ) from None


def load_model(directory: str | os.PathLike[str], *, registry: Registries = None) -> Model:
    """Loads a model that `save_model` wrote; while another one is saved, either of them.

    Args:
        directory: its folder; or, where no folder of that name holds a model, the name of one:
            "demo" comes with cisreg, trained on simulated data, others are in registries
            (`cisreg.datasets`).
        registry: path or URL of a registry, or several, which list the model of that name.

    Raises:
        FileNotFoundError: there is no model in this folder, and no model of that name.
        ValueError: the files are damaged, not from cisreg, or of a different format version, or a
            parameter is not finite; the message names the file.
        OSError, ImportError: a model of a registry cannot be downloaded.

    Example:
        >>> load_model("demo").spec.motif_count
        16
    """
    path = _model_folder(directory, registry) / MODEL_FILE
    if not os.path.lexists(path):
        raise FileNotFoundError(
            f"{directory}: expected a folder with {MODEL_FILE} as save_model writes it, found "
            "none; nor is it the name of a model (cisreg datasets list)"
        )
    while True:
        description = _read_description(path)
        try:
            return _loaded(path, description)
        except ValueError:
            # Another process may have replaced the model while it was read.
            if _read_description(path) == description:
                raise


def _model_folder(directory: str | os.PathLike[str], registry: Registries) -> Path:
    """The folder of a model that is given by its folder or name."""
    name, path = os.fspath(directory), Path(directory)
    # A folder of that name with other things in it, such as demo of `make demo`, is no model.
    if registry is not None or not os.path.lexists(path / MODEL_FILE):
        return model_folder(name, registry) or path
    if name == DEMO_MODEL.name:
        logger.warning("the folder %s is read, not the model of that name", name)
    return path


def saved_files(directory: str | os.PathLike[str]) -> list[Path]:
    """The files of the model in a folder, model.json first, whether or not they exist.

    Example:
        >>> saved_files("no model there")
        [PosixPath('no model there/model.json')]
    """
    directory = Path(directory)
    arrays = _saved_arrays(directory)
    return [directory / MODEL_FILE, *([] if arrays is None else [directory / arrays])]


def _loaded(path: Path, description: Mapping[str, Any]) -> Model:
    """The model with this description, which is the content of `path`."""
    version = description["format_version"]
    if version != _FORMAT_VERSION:
        raise ValueError(
            f"{path}: expected format version {_FORMAT_VERSION}, got {version!r}; load it with the "
            f"version of cisreg that wrote it ({description.get('cisreg_version', 'not known')!r})"
        )
    try:
        model = _described_model(path.parent, description)
        warn_of_earlier_model(path.parent, description["parameters"]["sha256"])
        return model
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: expected the description of a model: {error!r}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _write_parts(directory: Path, array_file: str, arrays: bytes, description: bytes) -> None:
    """Writes the two files of a model; if that fails, no arrays without a description stay."""
    made = not os.path.lexists(directory / array_file)
    try:
        with replace_file(directory / array_file) as file:
            file.write(arrays)
        with replace_file(directory / MODEL_FILE) as file:
            file.write(description)
    except BaseException:
        if made and _saved_arrays(directory) != array_file:
            (directory / array_file).unlink(missing_ok=True)
        raise


def _saved_arrays(directory: Path) -> str | None:
    """The file of arrays that model.json in the folder names; None if there is no sound one."""
    path = directory / MODEL_FILE
    try:
        with open_regular_file(path) as file:
            name = json.loads(read_description(file, path))["parameters"]["file"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return name if isinstance(name, str) and PARAMETERS.fullmatch(name) else None


def _arrays(model: Model) -> dict[str, np.ndarray]:
    """All arrays of a model, by their names in the npz file."""
    arrays = dict(model.parameters)
    if model.column_range is not None:
        arrays[_COLUMN_RANGE] = model.column_range
    if model.initial_motifs is not None:
        arrays |= {stored: getattr(model.initial_motifs, own) for own, stored in _INITIAL.items()}
    return arrays


def _described_model(folder: Path, description: Mapping[str, Any]) -> Model:
    stored = description["parameters"]
    arrays = _read_arrays(folder, stored["file"], stored["sha256"])
    names = _names(description, "motif_names")
    initial: dict[str, Any] = {
        own: arrays.pop(name) for own, name in _INITIAL.items() if name in arrays
    }
    if initial and len(initial) < len(_INITIAL):
        raise ValueError(f"{stored['file']}: expected all of {', '.join(_INITIAL.values())}")
    details = tuple(map(MotifDetails.from_dict, description.get(_DETAILS, [])))
    unit = description["unit"]
    if not isinstance(unit, str):
        raise ValueError(f"unit: expected a string, got {unit!r}")
    return Model(
        ModelSpec.from_dict(description["spec"]),
        column_range=arrays.pop(_COLUMN_RANGE, None),
        parameters=arrays,
        motif_names=names,
        metadata=dict(description["metadata"]),
        initial_motifs=MotifSet(names, **initial, details=details) if initial else None,
        table_columns=dict(description["table_columns"]),
        unit=unit,
        noise=noise_from_dict(description[_NOISE]) if _NOISE in description else None,
        output_names=_names(description, _OUTPUTS) if _OUTPUTS in description else (),
    )


def _read_description(path: Path) -> dict[str, Any]:
    """The content of model.json, after a check of its format version."""
    with open_regular_file(path) as file:
        content = read_description(file, path)
    try:
        description = parse_json(content.decode())
        if not isinstance(description, dict) or "format_version" not in description:
            raise ValueError("there is no format_version")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected the description of a model: {error!r}") from None
    return description


def _names(description: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = description[key]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{key}: expected a list of strings, got something else")
    return tuple(names)


def _cisreg_version() -> str:
    try:
        return package_metadata.version("cisreg")
    except package_metadata.PackageNotFoundError:
        return "not installed"


def _read_arrays(folder: Path, name: str, digest: str) -> dict[str, np.ndarray]:
    # A model.json from elsewhere must not make us read files outside its folder.
    if not isinstance(name, str) or not PARAMETERS.fullmatch(name):
        raise ValueError(
            f"expected a file of this folder such as parameters-0123456789ab.npz, got {name!r}"
        )
    try:
        content = read_regular_file(folder / name)
    except OSError as error:
        raise ValueError(
            f"expected the parameters in {name}, cannot read them ({error}); save or copy the "
            "whole folder again"
        ) from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(
            f"the parameters in {name} are damaged (the checksum differs); save or copy the "
            "whole folder again"
        )
    try:
        return unpack_arrays(content)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
