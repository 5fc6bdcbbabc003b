"""What a run reports while it trains: progress bar, metrics.jsonl, TensorBoard."""

from __future__ import annotations

import importlib.util
import json
import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from cisreg.files import append_to_file, open_regular_file, read_regular_file, replace_file
from cisreg.processes.session import in_notebook
from cisreg.progress import progress_bar
from cisreg.training.options import RunOptions
from cisreg.training.pictures import LivePlot, Pictures
from cisreg.training.reports import StepRecord
from cisreg.training.stages import Stage
from cisreg.training.state import EpochRecord, TrainingState

logger = logging.getLogger("cisreg.training")

# Seconds between updates in a notebook, so that the browser is not flooded.
_NOTEBOOK_SECONDS = 0.25
_NOTEBOOK_WIDTH = 30
# How each line of metrics and steps begins.
_BEGIN = b'{"stage": '


class Monitor:
    """Reports each epoch to the places that the options name; a context manager.

    On a terminal it draws a progress bar, in a notebook a bar and a plot of all epochs or, without
    plots, one line per epoch; elsewhere it logs one line per epoch.

    Args:
        stages: the run's stages.
        count: sequences per epoch.
        options: files to write to, and whether to draw a bar.
        state: where the run starts or resumes; records of later epochs and steps are removed.

    Raises:
        ValueError: there is a file of metrics or steps that no run wrote.
        ImportError: `log_directory` is given, but the package tensorboard is not installed.
    """

    def __init__(
        self, stages: Sequence[Stage], count: int, options: RunOptions, state: TrainingState
    ) -> None:
        self._history = list(state.history)
        self._pictures = Pictures(options.plots, self._history)
        self._bar = _make_bar(stages, count, self._pictures) if options.progress else None
        log, metrics, steps = options.log_directory, options.metrics_path, options.steps_path
        for path in (metrics, steps):
            if path is not None:
                _check_is_of_runs(Path(path))
        self._board = None if log is None else _TensorBoard(log)
        self._metrics = None if metrics is None else _MetricsFile(metrics, state.history)
        self._steps_path = None if steps is None else Path(steps)
        if self._steps_path is not None:
            _drop_steps_after(self._steps_path, state.total_steps)

    def __enter__(self) -> Monitor:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._board is not None:
            self._board.close()

    def begin_epoch(self, stage: int, epoch: int, done: int) -> None:
        """Starts epoch `epoch` of stage `stage`, both from 1, after `done` of its sequences."""
        if self._bar is not None:
            self._bar.begin_epoch(stage, epoch, done)

    def advance(self, done: int, loss: float) -> None:
        """Shows that `done` sequences of the epoch are finished, with this mean loss."""
        if self._bar is not None:
            self._bar.advance(done, loss)

    def report(self, record: StepRecord) -> None:
        """Writes the record of some steps of an epoch."""
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
        """Writes the record of an epoch, and histograms of parameters and accessibility."""
        self._history.append(record)
        if self._metrics is not None:
            self._metrics.append(record)
        if self._board is not None:
            self._board.write(record, parameters, accessibility)
        if self._bar is not None:
            self._bar.end_epoch(record)
        else:
            logger.info("%s", _line(record))

    def end_stage(
        self, stage: int, predicted: np.ndarray | None, measured: np.ndarray | None
    ) -> None:
        """Draws the epochs so far, and the validation of a stage, for TensorBoard.

        Args:
            stage: its number, from 1.
            predicted: float [N] or [N, T], expression as the model at the end of the stage predicts
                it, in the unit of the measurements; None: unknown.
            measured: float of the same shape, NaN where it is missing; None: nothing is held out.
        """
        if self._board is None:
            return
        pictures = {"plots/training": self._pictures.training()}
        if predicted is not None and measured is not None:
            title, there = f"Validation after stage {stage}", np.isfinite(measured)
            pictures["plots/validation"] = self._pictures.evaluation(
                predicted[there], measured[there], title
            )
        self._board.write_pictures(pictures, len(self._history))


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

    def __init__(self, stages: Sequence[Stage], count: int) -> None:
        self._steps = _StageProgress(stages, count)
        self._progress = progress_bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(),
            show=True,
        )
        self.shown = not self._progress.disable
        self._task = self._progress.add_task("", total=None, state="")

    def start(self) -> None:
        self._progress.start()

    def stop(self) -> None:
        self._progress.stop()

    def begin_epoch(self, stage: int, epoch: int, done: int) -> None:
        steps = self._steps
        steps.begin_epoch(stage, epoch, done)
        self._progress.update(
            self._task, description=steps.title, completed=steps.done, total=steps.total
        )

    def advance(self, done: int, loss: float) -> None:
        state = self._steps.advance(done, loss)
        self._progress.update(self._task, completed=self._steps.done, state=state)

    def end_epoch(self, record: EpochRecord) -> None:
        self._steps.validation_r = record.validation_r


class _NotebookBar:
    """A line of text that is replaced during an epoch; a plot, or lines, of finished epochs."""

    def __init__(self, stages: Sequence[Stage], count: int, pictures: Pictures) -> None:
        self._steps = _StageProgress(stages, count)
        self._plot = LivePlot(pictures)
        self._shown_at = -math.inf
        self._display: Any = None

    def start(self) -> None:
        from IPython.display import display

        self._display = display({"text/plain": ""}, raw=True, display_id=True)

    def stop(self) -> None:
        self._plot.finish()
        self._show("")

    def begin_epoch(self, stage: int, epoch: int, done: int) -> None:
        self._steps.begin_epoch(stage, epoch, done)

    def advance(self, done: int, loss: float) -> None:
        state = self._steps.advance(done, loss)
        if time.monotonic() - self._shown_at > _NOTEBOOK_SECONDS:
            filled = round(_NOTEBOOK_WIDTH * self._steps.done / self._steps.total)
            bar = "█" * filled + "░" * (_NOTEBOOK_WIDTH - filled)
            self._show(f"{self._steps.title} {bar} {state}")

    def end_epoch(self, record: EpochRecord) -> None:
        self._steps.validation_r = record.validation_r
        line = _line(record)
        if not self._plot.show(line):
            with suppress(OSError):  # a log: the run goes on without it
                print(line)

    def _show(self, text: str) -> None:
        self._shown_at = time.monotonic()
        self._display.update({"text/plain": text}, raw=True)


class _StageProgress:
    """The progress of a stage, as numbers and text.

    Attributes:
        title: stage and epoch.
        done: finished sequences of the stage.
        total: sequences of all its epochs.
        validation_r: of the previous epoch, or None.
    """

    def __init__(self, stages: Sequence[Stage], count: int) -> None:
        self._stages, self._count = stages, count
        self.title, self.done, self.total = "", 0, count
        self.validation_r: float | None = None

    def begin_epoch(self, stage: int, epoch: int, done: int) -> None:
        epochs = self._stages[stage - 1].epochs
        self.title = f"stage {stage}/{len(self._stages)} epoch {epoch}/{epochs}"
        self.total = epochs * self._count
        self._earlier = (epoch - 1) * self._count
        self._began, self._began_at = time.perf_counter(), done
        self.done = self._earlier + done

    def advance(self, done: int, loss: float) -> str:
        """Sets the finished sequences of the epoch and their mean loss; returns them as text."""
        self.done = self._earlier + done
        rate = (done - self._began_at) / max(time.perf_counter() - self._began, 1e-9)
        r = "" if self.validation_r is None else f" r {self.validation_r:.4f}"
        return f"loss {loss:.4g}{r} {rate:,.0f} sequences/s"


def _make_bar(
    stages: Sequence[Stage], count: int, pictures: Pictures
) -> _Bar | _NotebookBar | None:
    if in_notebook():
        return _NotebookBar(stages, count, pictures)
    bar = _Bar(stages, count)
    return bar if bar.shown else None


class _MetricsFile:
    def __init__(self, path: str | os.PathLike[str], history: Sequence[EpochRecord]) -> None:
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Drops epochs that a killed run wrote after its last checkpoint.
        with replace_file(self._path) as file:
            file.writelines(_json_line(record) for record in history)

    def append(self, record: EpochRecord) -> None:
        _append(self._path, record)


def _check_is_of_runs(path: Path) -> None:
    """Raises ValueError if there is a file, not a link, that no run wrote."""
    if path.is_symlink() or not path.exists():
        return
    with open_regular_file(path) as file:
        start = file.read(len(_BEGIN))
    # A power cut may leave zeros.
    if not _BEGIN.startswith(start) and start.strip(b"\0"):
        raise ValueError(
            f"{path}: expected a new file, or one that a run wrote, got a file with other content; "
            "move it away, or name another file"
        )


def _append(path: Path, record: EpochRecord | StepRecord) -> None:
    append_to_file(path, _json_line(record))


def _drop_steps_after(path: Path, done: int) -> None:
    """Removes the lines that a killed run wrote after its last checkpoint."""
    if not os.path.lexists(path):
        return
    # A link may lead nowhere.
    lines = read_regular_file(path).splitlines(keepends=True) if path.exists() else []
    with replace_file(path) as file:
        file.writelines(line for line in lines if _step_of(line) <= done)


def _step_of(line: bytes) -> float:
    """The step of a line; infinity for a line that is damaged, for example by a power cut."""
    try:
        # The last line of a killed run may be incomplete.
        return json.loads(line.decode())["step"] if line.endswith(b"\n") else math.inf
    except (ValueError, KeyError, TypeError):
        return math.inf


def _json_line(record: EpochRecord | StepRecord) -> bytes:
    return json.dumps(asdict(record), allow_nan=False).encode() + b"\n"


class _TensorBoard:
    def __init__(self, directory: str | os.PathLike[str]) -> None:
        # TensorFlow itself would raise an error only at the first summary, an epoch later.
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

    def write_pictures(self, pictures: Mapping[str, bytes | None], step: int) -> None:
        with self._writer.as_default():
            for name, content in pictures.items():
                if content is not None:
                    pixels = tf.io.decode_png(content, channels=3)
                    tf.summary.image(name, pixels[tf.newaxis], step=step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
