"""The state of a training run, on disk as one file that is replaced as a whole."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cisreg.files import replace_file
from cisreg.training.state import Best, EpochRecord, TrainingState

_NAME = "checkpoint.npz"
_FORMAT_VERSION = 2
# All that NumPy, zipfile and json raise for a file that another program wrote, or that was damaged.
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)
_COUNTERS = ("stage", "epoch", "step", "loss_sum", "penalty_sum", "result_epoch")


class Checkpoints:
    """Where and how often a run is saved.

    Args:
        directory: folder, made where it is missing; None: the run is not saved.
        every: save within an epoch too, after so many steps at least; None: after epochs only.
        fingerprint: what the run was asked to do, part by part; it is saved too, and compared
            before a run goes on.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None,
        every: int | None,
        fingerprint: Mapping[str, str],
    ) -> None:
        self._path = None if directory is None else Path(directory) / _NAME
        self._every = every
        self._fingerprint = dict(fingerprint)
        self._saved_step = 0
        self._holds_this_run = False

    def due(self, step: int) -> bool:
        """Whether to save within an epoch, `step` steps of it done."""
        return self._every is not None and step - self._saved_step >= self._every

    def save(self, state: TrainingState) -> None:
        """Saves the state; the previous checkpoint stays until this one is whole.

        Raises:
            OSError: the folder cannot be written.
        """
        self._saved_step = state.step
        if self._path is None:
            return
        description, arrays = _pack(state)
        description |= {"format_version": _FORMAT_VERSION, "fingerprint": self._fingerprint}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(self._path) as file:
            np.savez(file, description=np.array(json.dumps(description)), **arrays)
        self._holds_this_run = True

    def load(self) -> TrainingState | None:
        """The state that was saved, or None where there is none.

        Raises:
            ValueError: the file is damaged, or another run wrote it; the message says what differs.
        """
        if self._path is None or not self._path.exists():
            return None
        saved, state = _read(self._path)
        changed = [part for part, value in self._fingerprint.items() if saved.get(part) != value]
        if changed:
            raise ValueError(
                f"{self._path}: expected a checkpoint of the same run in order to resume, but it "
                f"was made with another {', another '.join(changed)}; resume with the settings of "
                "that run, or train anew"
            )
        self._saved_step = state.step
        self._holds_this_run = True
        return state

    def advice(self) -> str:
        """One sentence for errors: where this run's last saved parameters are."""
        if self._path is None:
            return "No checkpoint was kept, since no checkpoint_directory was given"
        if not self._holds_this_run:
            return "There is no checkpoint of this run yet"
        return (
            f"The parameters saved last are in {self._path} (see checkpoint_parameters); they are "
            "finite, but may be diverging already"
        )


def checkpoint_parameters(directory: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The parameters of the last checkpoint in `directory`, whatever run wrote it.

    Returns:
        float32 arrays by name.

    Raises:
        FileNotFoundError: no checkpoint there.
        ValueError: the file is damaged.

    Example:
        >>> parameters = checkpoint_parameters("run/checkpoint")  # doctest: +SKIP
    """
    path = Path(directory) / _NAME
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such checkpoint; check the folder")
    return _read(path)[1].parameters


def _pack(state: TrainingState) -> tuple[dict[str, Any], dict[str, Any]]:
    description: dict[str, Any] = {name: getattr(state, name) for name in _COUNTERS}
    description["history"] = [asdict(record) for record in state.history]
    arrays: dict[str, Any] = {
        f"parameter/{name}": value for name, value in state.parameters.items()
    }
    arrays |= {f"optimizer/{index:03}": value for index, value in enumerate(state.optimizer)}
    if state.best is not None:
        arrays |= {f"best/{name}": value for name, value in state.best.parameters.items()}
        description["best_loss"] = state.best.validation_loss
        description["best_epoch"] = state.best.total_epoch
    return description, arrays


def _unpack(description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> TrainingState:
    best = None
    if "best_loss" in description:
        best = Best(description["best_loss"], description["best_epoch"], _group(arrays, "best/"))
    return TrainingState(
        parameters=_group(arrays, "parameter/"),
        optimizer=[value for _, value in sorted(_group(arrays, "optimizer/").items())],
        best=best,
        history=[EpochRecord(**record) for record in description["history"]],
        **{name: description[name] for name in _COUNTERS},
    )


def _read(path: Path) -> tuple[dict[str, str], TrainingState]:
    """The fingerprint and the state of a checkpoint."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        description = json.loads(str(arrays.pop("description")))
        version = description["format_version"]
        if version == _FORMAT_VERSION:
            return dict(description["fingerprint"]), _unpack(description, arrays)
    except _UNREADABLE as error:
        raise ValueError(
            f"{path}: expected a checkpoint, got a damaged or foreign file ({error}); delete it "
            "and train anew"
        ) from None
    raise ValueError(
        f"{path}: expected a checkpoint of format {_FORMAT_VERSION}, got format {version}; resume "
        "with the version of cisreg that wrote it"
    )


def _group(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): value
        for name, value in arrays.items()
        if name.startswith(prefix)
    }
