"""What a run shows while it goes on: progress, metrics.jsonl and TensorBoard."""

from __future__ import annotations

import importlib.util
import json
import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from cisreg.files import replace_file
from cisreg.training.reports import StepRecord
from cisreg.training.stages import Stage
from cisreg.training.state import EpochRecord

logger = logging.getLogger("cisreg.training")


class Monitor:
    """Tells of each epoch wherever it was asked to; a context manager.

    On a terminal it draws a bar; elsewhere it logs one line per epoch.

    Args:
        stages: the run's stages.
        count: sequences per epoch.
        history: records of the epochs done before, when a run is resumed.
        metrics_path: file with one JSON object per epoch, begun anew with `history`; None: no file.
        log_directory: folder for TensorBoard; None: no such log.
        steps_path: file that gets one JSON object per step record; None: no file.
        done_steps: steps done before, when a run is resumed; records of later ones are dropped.
        progress: whether to draw a bar where there is a terminal.

    Raises:
        ImportError: `log_directory` without the package tensorboard.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        count: int,
        history: Sequence[EpochRecord],
        *,
        metrics_path: str | os.PathLike[str] | None,
        log_directory: str | os.PathLike[str] | None,
        progress: bool,
        steps_path: str | os.PathLike[str] | None = None,
        done_steps: int = 0,
    ) -> None:
        console = Console(stderr=True)
        self._bar = _Bar(stages, count, console) if progress and console.is_terminal else None
        self._board = None if log_directory is None else _TensorBoard(log_directory)
        self._metrics = None if metrics_path is None else _MetricsFile(metrics_path, history)
        self._steps_path = None if steps_path is None else Path(steps_path)
        if self._steps_path is not None:
            _drop_steps_after(self._steps_path, done_steps)

    def __enter__(self) -> Monitor:
        if self._bar is not None:
            self._bar.progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.progress.stop()
        if self._board is not None:
            self._board.close()

    def begin_epoch(self, stage: int, epoch: int, done: int) -> None:
        """Epoch `epoch` of stage `stage`, from 1, begins where `done` sequences are through."""
        if self._bar is not None:
            self._bar.begin_epoch(stage, epoch, done)

    def advance(self, done: int, loss: float) -> None:
        """`done` sequences of the epoch are through, with this mean loss."""
        if self._bar is not None:
            self._bar.advance(done, loss)

    def report(self, record: StepRecord) -> None:
        """Some steps of an epoch are over: writes their record."""
        if self._steps_path is not None:
            self._steps_path.parent.mkdir(parents=True, exist_ok=True)
            _append(self._steps_path, record)
        if self._board is not None:
            self._board.write_steps(record)
        if self._bar is None:
            logger.info("step %d: loss %.5g of the last %d", record.step, record.loss, record.steps)

    def end_epoch(
        self,
        record: EpochRecord,
        parameters: Mapping[str, np.ndarray],
        accessibility: np.ndarray | None,
    ) -> None:
        """The epoch is over: writes its record, and histograms of parameters and accessibility."""
        if self._metrics is not None:
            self._metrics.append(record)
        if self._board is not None:
            self._board.write(record, parameters, accessibility)
        if self._bar is not None:
            self._bar.end_epoch(record)
        else:
            logger.info("%s", _line(record))


def _line(record: EpochRecord) -> str:
    parts = [f"stage {record.stage}, epoch {record.epoch}: loss {record.loss:.5g}"]
    if record.validation_loss is not None:
        parts.append(f"validation loss {record.validation_loss:.5g}")
    if record.validation_r is not None:
        parts.append(f"validation r {record.validation_r:.4f}")
    parts.append(f"{record.sequences_per_second:,.0f} sequences/s")
    return ", ".join(parts)


class _Bar:
    """One line: stage, epoch, bar, loss, validation r, sequences per second, time left."""

    def __init__(self, stages: Sequence[Stage], count: int, console: Console) -> None:
        self._stages = stages
        self._count = count
        self._validation_r: float | None = None
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self.progress.add_task("", total=None, state="")

    def begin_epoch(self, stage: int, epoch: int, done: int) -> None:
        epochs = self._stages[stage - 1].epochs
        self._earlier_epochs = (epoch - 1) * self._count
        self._began = time.perf_counter()
        self._began_at = done
        self.progress.update(
            self._task,
            description=f"stage {stage}/{len(self._stages)} epoch {epoch}/{epochs}",
            completed=self._earlier_epochs + done,
            total=epochs * self._count,
        )

    def advance(self, done: int, loss: float) -> None:
        rate = (done - self._began_at) / max(time.perf_counter() - self._began, 1e-9)
        r = "" if self._validation_r is None else f" r {self._validation_r:.4f}"
        self.progress.update(
            self._task,
            completed=self._earlier_epochs + done,
            state=f"loss {loss:.4g}{r} {rate:,.0f} sequences/s",
        )

    def end_epoch(self, record: EpochRecord) -> None:
        self._validation_r = record.validation_r


class _MetricsFile:
    def __init__(self, path: str | os.PathLike[str], history: Sequence[EpochRecord]) -> None:
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # A run that was killed may have left an epoch here that its checkpoint does not know.
        with replace_file(self._path) as file:
            file.writelines(_json_line(record) for record in history)

    def append(self, record: EpochRecord) -> None:
        _append(self._path, record)


def _append(path: Path, record: EpochRecord | StepRecord) -> None:
    try:
        with path.open("ab") as file:
            file.write(_json_line(record))
    except OSError as error:
        # A disk that is full does not say for which file.
        error.filename = str(path)
        raise


def _drop_steps_after(path: Path, done: int) -> None:
    """Takes out what a run that was killed wrote after its checkpoint."""
    if not path.exists():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    with replace_file(path) as file:
        file.writelines(line for line in lines if _step_of(line) <= done)


def _step_of(line: bytes) -> float:
    """The step of a record; of what is none, as a machine that lost its power leaves it, no end."""
    try:
        # The last line of a run that was killed may be cut.
        return json.loads(line.decode())["step"] if line.endswith(b"\n") else math.inf
    except (ValueError, KeyError, TypeError):
        return math.inf


def _json_line(record: EpochRecord | StepRecord) -> bytes:
    return json.dumps(asdict(record), allow_nan=False).encode() + b"\n"


class _TensorBoard:
    def __init__(self, directory: str | os.PathLike[str]) -> None:
        # TensorFlow itself would only complain at the first summary, an epoch later.
        if importlib.util.find_spec("tensorboard") is None:
            raise ImportError(
                "log_directory: expected the package tensorboard to be installed, got none; run "
                "pip install tensorboard, or leave log_directory out"
            )
        self._writer = tf.summary.create_file_writer(os.fspath(directory))

    def write(
        self,
        record: EpochRecord,
        parameters: Mapping[str, np.ndarray],
        accessibility: np.ndarray | None,
    ) -> None:
        step = record.total_epoch
        with self._writer.as_default():
            for name, value in asdict(record).items():
                if isinstance(value, float):
                    tf.summary.scalar(name, value, step=step)
            for name, value in parameters.items():
                tf.summary.histogram(f"parameters/{name}", value, step=step)
            if accessibility is not None:
                tf.summary.histogram("accessibility", accessibility, step=step)
        self._writer.flush()

    def write_steps(self, record: StepRecord) -> None:
        with self._writer.as_default():
            tf.summary.scalar("steps/loss", record.loss, step=record.step)
            tf.summary.scalar("steps/learning_rate", record.learning_rate, step=record.step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
