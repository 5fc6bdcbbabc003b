"""How a training run is carried out: nothing here changes what it computes."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from cisreg.training.pictures import Plots

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where a run writes, when it saves and stops, and on which devices it trains.

    The same plan gives the same bits with any options; only `strategy` changes the rounding.

    Attributes:
        strategy: `tf.distribute.MirroredStrategy` for the GPUs of one machine,
            `MultiWorkerMirroredStrategy` for several processes, each of which runs the same plan;
            None: one device. Each batch is divided among all devices.
        checkpoint_directory: folder for checkpoints of this run alone, written after each epoch;
            without `resume` it must hold none. None: no checkpoints.
        checkpoint_every: also write one within an epoch, when at least this many steps have passed.
        checkpoint_minutes: also write one within an epoch, when at least this many minutes have
            passed.
        keep_checkpoints: how many of the newest checkpoints are kept.
        resume: continue from the newest undamaged checkpoint in `checkpoint_directory`; if there is
            no checkpoint, start from the beginning. The number of workers may be different.
        stop_signals: signals, for example SIGTERM, after which the run finishes the current call of
            the compiled function, writes a checkpoint and ends with a StoppedError.
        metrics_path: file for one JSON object per epoch (see `EpochRecord`); that of an earlier run
            is replaced.
        log_directory: folder for TensorBoard scalars and histograms, and with `plots` pictures at
            the end of each stage; needs the package tensorboard.
        report_every: also report the mean loss after each this many steps: in the log, in
            `steps_path` and for TensorBoard.
        steps_path: file for one JSON object per report (see `cisreg.training.StepRecord`); that of
            an earlier run is replaced, except that a resumed run keeps its earlier reports.
        profile_directory: folder for a trace of some steps, see `cisreg.training.reports.Trace`.
        steps_per_call: maximum number of steps in one call of the compiled function.
        plots: what draws the run, the module `cisreg.report`, in a notebook with `progress` and for
            TensorBoard; needs matplotlib. None: there are no plots. If drawing fails, that is
            logged, and the run goes on without plots.
        progress: draw a progress bar if standard error is a terminal; in a notebook, a bar and a
            plot of all epochs, which is drawn again at the end of an epoch, or without `plots` one
            line per epoch.

    Raises:
        ValueError: a number is too low, or checkpoint options are given without a folder.

    Example:
        >>> RunOptions(checkpoint_directory="run/checkpoint", resume=True).keep_checkpoints
        3
    """

    strategy: tf.distribute.Strategy | None = None
    checkpoint_directory: PathLike | None = None
    checkpoint_every: int | None = None
    checkpoint_minutes: float | None = None
    keep_checkpoints: int = 3
    resume: bool = False
    stop_signals: Sequence[signal.Signals] = ()
    metrics_path: PathLike | None = None
    log_directory: PathLike | None = None
    report_every: int | None = None
    steps_path: PathLike | None = None
    profile_directory: PathLike | None = None
    steps_per_call: int = 64
    plots: Plots | None = None
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("steps_per_call", "checkpoint_every", "report_every", "keep_checkpoints"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"{name}: expected 1 or more, got {number}")
        minutes = self.checkpoint_minutes
        if minutes is not None and not minutes > 0:
            raise ValueError(f"checkpoint_minutes: expected more than 0, got {minutes}")
        needs_folder = {
            "resume": self.resume,
            "checkpoint_every": self.checkpoint_every is not None,
            "checkpoint_minutes": minutes is not None,
        }
        for name, needed in needs_folder.items():
            if needed and self.checkpoint_directory is None:
                raise ValueError(f"checkpoint_directory: expected a folder with {name}, got None")
