"""Models in folders: model.json for people and programs, an npz file for the parameters."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata as package_metadata
from pathlib import Path
from typing import Any

import numpy as np

from cisreg.arrays import pack_arrays, unpack_arrays
from cisreg.files import replace_file
from cisreg.model import ModelSpec, check_parameters

_NAME = "model.json"
_FORMAT_VERSION = 1
_PARAMETER_FILE = re.compile(r"parameters-[0-9a-f]{12}\.npz")


@dataclass(frozen=True, eq=False)
class Model:
    """A model with its parameters.

    Attributes:
        spec: the layers.
        parameters: float32 arrays by name, as `spec.parameter_shapes` lists them.
        motif_names: one for each of the M motifs, in the order of the parameters.
        metadata: anything else worth keeping that JSON can hold.

    Raises:
        ValueError: parameters or names that do not fit the spec.

    Example:
        >>> from cisreg.model import init_parameters
        >>> spec = ModelSpec(motif_count=1, motif_width=3, sequence_length=10)
        >>> parameters = init_parameters(spec, np.zeros((3, 4, 1)), np.zeros(1))
        >>> Model(spec, parameters, ("ABF1",)).motif_names
        ('ABF1',)
    """

    spec: ModelSpec
    parameters: Mapping[str, np.ndarray]
    motif_names: tuple[str, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

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
        if len(self.motif_names) != self.spec.motif_count:
            raise ValueError(
                f"motif_names: expected {self.spec.motif_count} names (the model's motif_count), "
                f"got {len(self.motif_names)}"
            )


def save_model(directory: str | os.PathLike[str], model: Model) -> None:
    """Saves a model in a folder, made where it is missing; other files there stay.

    At any moment the folder holds either the model it held before or the new one: the parameters
    go to a file named after their content, and model.json, which names that file, is replaced last.

    Raises:
        ValueError: metadata that JSON cannot hold.
        OSError: the folder cannot be written.

    Example:
        >>> save_model("model", Model(spec, result.parameters, names))  # doctest: +SKIP
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    content = pack_arrays(model.parameters)
    digest = hashlib.sha256(content).hexdigest()
    parameter_file = f"parameters-{digest[:12]}.npz"
    description = {
        "format_version": _FORMAT_VERSION,
        "cisreg_version": _cisreg_version(),
        "spec": model.spec.to_dict(),
        "motif_names": list(model.motif_names),
        "parameters": {"file": parameter_file, "sha256": digest},
        "metadata": dict(model.metadata),
    }
    try:
        text = json.dumps(description, indent=2, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"metadata: expected values that JSON can hold: {error}") from None
    with replace_file(directory / parameter_file) as file:
        file.write(content)
    with replace_file(directory / _NAME) as file:
        file.write(text.encode() + b"\n")
    for old in directory.glob("parameters-*.npz*"):
        if old.name != parameter_file:
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
        stored = description["parameters"]
        parameters = _read_parameters(path.parent, stored["file"], stored["sha256"])
        return Model(
            ModelSpec.from_dict(description["spec"]),
            parameters,
            _motif_names(description["motif_names"]),
            dict(description["metadata"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: expected the description of a model: {error!r}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


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


def _read_parameters(folder: Path, name: str, digest: str) -> dict[str, np.ndarray]:
    # A description from elsewhere must not make anything but its own folder's files be read.
    if not isinstance(name, str) or not _PARAMETER_FILE.fullmatch(name):
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
