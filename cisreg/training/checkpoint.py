"""Checkpoints: the states of a training run on disk, each a file with its own checksum."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cisreg.arrays import pack_arrays, unpack_arrays
from cisreg.files import read_regular_file, remove_leftovers, replace_file
from cisreg.locks import check_locks
from cisreg.losses.noise import split_noise
from cisreg.run_folder import CHECKPOINT
from cisreg.spec import check_finite
from cisreg.training.packing import pack_state, unpack_state
from cisreg.training.state import TrainingState

logger = logging.getLogger("cisreg.training")

_FORMAT, _VERSION = "cisreg checkpoint", 4
# The checkpoint file of format versions before 3.
_OLD_NAME = "checkpoint.npz"
_LONGEST_HEADER = 200
_DESCRIPTION = "description"


class _Saved(NamedTuple):
    """An undamaged checkpoint.

    Attributes:
        path: its file.
        fingerprint: of the run that saved it.
        state: the state in it.
        damaged: the files of later steps that are damaged.
    """

    path: Path
    fingerprint: Mapping[str, str]
    state: TrainingState
    damaged: tuple[Path, ...]


class _FormatVersionError(ValueError):
    """An undamaged checkpoint in the format of a different version of cisreg."""


class Checkpoints:
    """Saves and loads the checkpoints of a run.

    A folder holds the checkpoints of one run. Each is a file whose name contains the number of
    steps since the start of the run. Several processes may load them at the same time, but only
    one process may save, which also deletes old ones of the same run, and nothing else.

    Args:
        directory: folder, created if missing; None: the run is not saved.
        fingerprint: describes the plan of the run, part by part. It is saved with the state and
            compared before a run is resumed.
        every: also save within an epoch, when at least this many steps have passed.
        minutes: also save within an epoch, when at least this many minutes have passed. With both
            `every` and `minutes`, whichever comes first; with neither, only after each epoch.
        keep: how many of the newest checkpoints are kept.
        clock: returns seconds, from a monotonic clock.

    Raises:
        ValueError: a number is too low.

    Example:
        >>> checkpoints = Checkpoints("run/checkpoint", plan.fingerprint(), minutes=10)
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None,
        fingerprint: Mapping[str, str],
        *,
        every: int | None = None,
        minutes: float | None = None,
        keep: int = 3,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for argument, number in (("every", every), ("keep", keep)):
            if number is not None and number < 1:
                raise ValueError(f"{argument}: expected 1 or more, got {number}")
        if minutes is not None and not minutes > 0:
            raise ValueError(f"minutes: expected a number above 0, got {minutes}")
        self._directory = None if directory is None else Path(directory)
        self._fingerprint = dict(fingerprint)
        self._every, self._minutes, self._keep = every, minutes, keep
        self._clock = clock
        self._saved_step, self._saved_time = 0, clock()
        # Checkpoints that are kept, oldest first.
        self._own: list[Path] = []
        # Those that this object wrote, or found damaged after one of the same run.
        self._removable: set[Path] = set()

    def due(self, step: int) -> bool:
        """Whether to save now, within an epoch, after `step` of its steps."""
        if self._every is not None and step - self._saved_step >= self._every:
            return True
        if self._minutes is None:
            return False
        return self._clock() - self._saved_time >= 60 * self._minutes

    def save(self, state: TrainingState) -> None:
        """Saves the state; earlier checkpoints are kept until this one is complete.

        It then deletes the oldest checkpoints of this run beyond `keep`, temporary files that a
        killed process left of them, and those that `load` found damaged. A checkpoint of the same
        number of steps is replaced.

        Raises:
            OSError: the folder cannot be written, or the disk is full; earlier checkpoints stay.
        """
        if self._directory is not None:
            path = self._directory / f"checkpoint-{_total_steps(state):012}.ckpt"
            check_locks(self._directory)
            self._directory.mkdir(parents=True, exist_ok=True)
            content = self.pack(state)
            with replace_file(path) as file:
                file.write(content)
            self._removable.add(path)
            self._own = [*(each for each in self._own if each != path), path][-self._keep :]
            self._delete_others(self._directory)
        self._saved_step, self._saved_time = state.step, self._clock()

    def load(self) -> TrainingState | None:
        """The state that was saved last, or None if there is no checkpoint.

        If a checkpoint is damaged, this is logged and the one before it is loaded.

        Raises:
            ValueError: all checkpoints are damaged, or a different run or version of cisreg wrote
                them; the message says what differs.
            OSError: the folder or a file cannot be read.
        """
        saved = None if self._directory is None else _newest(self._directory)
        if saved is None:
            return None
        self._check_fingerprint(str(saved.path), saved.fingerprint)
        paths = _checkpoints(saved.path.parent)
        self._own = [path for path in paths if _step(path) <= _step(saved.path)]
        self._removable.update(saved.damaged)
        self._saved_step, self._saved_time = saved.state.step, self._clock()
        return saved.state

    def pack(self, state: TrainingState) -> bytes:
        """The state as the bytes of a checkpoint, to send to the other workers of a run.

        Example:
            >>> checkpoints.unpack(checkpoints.pack(state)).step == state.step
            True
        """
        description, arrays = pack_state(state)
        description = {"fingerprint": self._fingerprint, "state": description}
        body = pack_arrays({_DESCRIPTION: np.array(json.dumps(description)), **arrays})
        return _header(_VERSION, body) + body

    def unpack(self, content: bytes) -> TrainingState:
        """The state from the bytes that `pack` returned.

        Raises:
            ValueError: the bytes are damaged, or belong to a different run.
        """
        try:
            fingerprint, state = _unpack(content)
        except ValueError as error:
            raise ValueError(f"content: {error}") from None
        self._check_fingerprint("content", fingerprint)
        return state

    def advice(self, *, diverged: bool = False) -> str:
        """One sentence for error messages: where the last saved parameters of this run are.

        Args:
            diverged: whether the run ends since a number is not finite.
        """
        if self._directory is None:
            return "No checkpoint was kept, since no checkpoint_directory was given"
        if not self._own:
            return "There is no checkpoint of this run yet"
        doubt = "; they are finite, but may be diverging already" if diverged else ""
        return (
            f"The parameters saved last are in {self._own[-1]} (see checkpoint_parameters){doubt}"
        )

    def _check_fingerprint(self, source: str, saved: Mapping[str, str]) -> None:
        changed = [part for part, value in self._fingerprint.items() if saved.get(part) != value]
        if changed:
            raise ValueError(
                f"{source}: expected a checkpoint of the same run in order to resume, but it "
                f"was made with another {', another '.join(changed)}; resume with the settings of "
                "that run, or train anew"
            )

    def check_unused(self) -> None:
        """Raises ValueError if the folder holds checkpoints, which a run from the start would mix.

        Example:
            >>> Checkpoints("a new folder", {}).check_unused()
        """
        if self._directory is not None and (paths := _checkpoints(self._directory)):
            raise ValueError(
                f"{self._directory}: expected a folder without checkpoints, but it holds "
                f"{paths[-1].name}; give resume to go on with that run, or another folder"
            )

    def _delete_others(self, directory: Path) -> None:
        for path in _checkpoints(directory):
            if path not in self._own and self._is_removable(path):
                path.unlink(missing_ok=True)
        remove_leftovers(directory, CHECKPOINT)

    def _is_removable(self, path: Path) -> bool:
        """Whether it is of this run; an earlier process may have written it."""
        if path.is_symlink() or not path.is_file():
            return False
        if path in self._removable:
            return True
        try:
            fingerprint, _ = _unpack(read_regular_file(path))
        except (OSError, ValueError):
            return False
        return fingerprint == self._fingerprint


def checkpoint_parameters(directory: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The parameters of the newest undamaged checkpoint in `directory`, of any run.

    Returns:
        float32 arrays by name, in the unit of the measurements, without the numbers of a noise
        model.

    Raises:
        FileNotFoundError: there is no checkpoint.
        ValueError: all checkpoints are damaged, or a different version of cisreg wrote them.
        OSError: the folder or a file cannot be read.

    Example:
        >>> parameters = checkpoint_parameters("run/checkpoint")  # doctest: +SKIP
    """
    saved = _newest(Path(directory))
    if saved is None:
        raise FileNotFoundError(
            f"{os.fspath(directory)}: expected a folder with checkpoints, found none; check the "
            "path"
        )
    parameters, _ = split_noise(saved.state.parameters)
    return saved.state.unit.from_standard(parameters)


def _total_steps(state: TrainingState) -> int:
    """Steps since the start of the run."""
    return state.total_steps


def _checkpoints(directory: Path) -> list[Path]:
    """Files with the name of a checkpoint, oldest first; empty if the folder does not exist."""
    try:
        paths = [path for path in directory.iterdir() if CHECKPOINT.fullmatch(path.name)]
    except FileNotFoundError:
        return []
    return sorted(paths, key=_step)


def _step(path: Path) -> int:
    match = CHECKPOINT.fullmatch(path.name)
    assert match is not None  # _checkpoints lists only matching names
    return int(match[1])


def _newest(directory: Path) -> _Saved | None:
    """The newest undamaged checkpoint, or None if there are no checkpoints at all."""
    damaged: dict[Path, str] = {}
    for path in reversed(_checkpoints(directory)):
        try:
            fingerprint, state = _unpack(read_regular_file(path))
        except _FormatVersionError as error:
            raise ValueError(f"{path}: {error}") from None
        # The process that saves may have deleted the file since it was listed.
        except (ValueError, FileNotFoundError) as error:
            damaged[path] = _named(path, error)
            continue
        for each in damaged.values():
            logger.warning("%s; the checkpoint before it is used", each)
        return _Saved(path, fingerprint, state, tuple(damaged))
    if damaged:
        raise ValueError(
            "; ".join(damaged.values())
            + f"; no checkpoint before is whole: copy one back to {directory} "
            "if there is a copy, or delete them and train anew"
        )
    if (directory / _OLD_NAME).exists():
        raise ValueError(f"{directory / _OLD_NAME}: {_other_version('2 or earlier')}")
    return None


def _named(path: Path, error: Exception) -> str:
    """The message of an error, which begins with the path of the file."""
    text = str(error)
    return text if text.startswith(f"{path}: ") else f"{path}: {text}"


def _header(version: int, body: bytes) -> bytes:
    """The first line of a checkpoint; its checksum covers version and body."""
    digest = hashlib.sha256(f"{_FORMAT} {version}\n".encode())
    digest.update(body)
    fields = {
        "format": _FORMAT,
        "version": version,
        "bytes": len(body),
        "sha256": digest.hexdigest(),
    }
    return json.dumps(fields).encode() + b"\n"


def _unpack(content: bytes) -> tuple[dict[str, str], TrainingState]:
    """The fingerprint and the state of a checkpoint.

    Raises:
        ValueError: it is damaged, or not a checkpoint.
    """
    try:
        arrays = unpack_arrays(_body(content))
        description = json.loads(str(arrays.pop(_DESCRIPTION)))
        state = unpack_state(description["state"], arrays)
        check_finite(state.parameters)
        check_finite({} if state.best is None else state.best.parameters)
        return dict(description["fingerprint"]), state
    except _FormatVersionError:
        raise
    # The checksum is right, but the content is not: a different program wrote the file.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"expected a checkpoint, got a damaged or foreign file ({error})"
        ) from None


def _body(content: bytes) -> bytes:
    """All but the first line, after a check of the checksum in that line."""
    line = content[: content.find(b"\n", 0, _LONGEST_HEADER) + 1]
    fields = json.loads(line)
    if fields["format"] != _FORMAT:
        raise ValueError(f"it is of the format {fields['format']!r}")
    version, body = fields["version"], content[len(line) :]
    if len(body) != fields["bytes"]:
        raise ValueError(f"it has {len(body)} bytes instead of {fields['bytes']}")
    if type(version) is not int or line != _header(version, body):
        raise ValueError("its checksum differs")
    if version != _VERSION:
        raise _FormatVersionError(_other_version(version))
    return body


def _other_version(version: int | str) -> str:
    return (
        f"expected a checkpoint of format {_VERSION}, got format {version}; resume with the "
        "version of cisreg that wrote it"
    )
