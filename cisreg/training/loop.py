"""`fit`: one call that trains a model through all of its stages."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from cisreg.data import Dataset, DatasetFiles
from cisreg.data.feeding.feed import Feed
from cisreg.losses import Penalty, mean_squared_error
from cisreg.model import ModelSpec
from cisreg.occupancy import Implementation
from cisreg.training.checkpoint import Checkpoints
from cisreg.training.feeds import Cache, make_feed
from cisreg.training.monitor import Monitor
from cisreg.training.plan import TrainingPlan
from cisreg.training.precision import Precision
from cisreg.training.replicas import Replicas, name_lost_worker
from cisreg.training.run import TrainingRun
from cisreg.training.stages import Stage
from cisreg.training.state import EpochRecord, TrainingState
from cisreg.training.step import Loss


@dataclass(frozen=True)
class FitResult:
    """What training gave.

    Attributes:
        parameters: float32 arrays by name, as the last stage ended.
        history: one record for each epoch of all stages.
        best_epoch: epochs of the whole run (`EpochRecord.total_epoch`) that made the parameters:
            the last one, or with early stopping the best one of the last stage.
        seconds: time that the training steps took.
    """

    parameters: dict[str, np.ndarray]
    history: list[EpochRecord]
    best_epoch: int
    seconds: float


def fit(
    spec: ModelSpec,
    parameters: Mapping[str, np.ndarray | tf.Tensor],
    dataset: Dataset | DatasetFiles | Feed,
    stages: Sequence[Stage],
    *,
    validation: float | Dataset | None = None,
    loss: Loss = mean_squared_error,
    penalty: Penalty | None = None,
    column_range: np.ndarray | None = None,
    seed: int = 0,
    cache: Cache = "auto",
    strategy: tf.distribute.Strategy | None = None,
    checkpoint_directory: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    checkpoint_minutes: float | None = None,
    keep_checkpoints: int = 3,
    resume: bool = False,
    stop_signals: Sequence[signal.Signals] = (),
    metrics_path: str | os.PathLike[str] | None = None,
    log_directory: str | os.PathLike[str] | None = None,
    report_every: int | None = None,
    steps_path: str | os.PathLike[str] | None = None,
    profile_directory: str | os.PathLike[str] | None = None,
    steps_per_call: int = 64,
    progress: bool = True,
    precision: Precision = "float32",
    implementation: Implementation = "auto",
) -> FitResult:
    """Trains a model, stage by stage.

    The same arguments give the same bits on one machine's CPU, whether or not the run was killed
    and resumed in between, and whatever the arguments from `checkpoint_directory` to `progress`.
    Batches are the same for every number of replicas and workers; the parameters then differ by
    rounding alone. docs/scaling.md says how to start several workers, docs/reliability.md what
    happens when something fails.

    Args:
        spec: the model.
        parameters: where training begins, one float32 array for each of `spec.parameter_shapes`.
        dataset: sequences and expression in memory, or files of them (`cisreg.open_dataset`).
        stages: run one after the other, each from where the last one ended.
        validation: about this share of `dataset` is held out, chosen by a hash of each sequence and
            `seed`, so that equal sequences stay together (`cisreg.data.split`); or a Dataset; None:
            train on all of it and without validation.
        loss: (predicted [N], measured [N] or [N, K]) to a scalar, for example
            `cisreg.losses.mean_squared_error`; with a third argument, weight [N], where the
            sequences have weights. A mean over sequences, or see `cisreg.losses.is_sum`.
        penalty: weights of the penalties, added to the loss in training alone.
        column_range: int32 [2, M], columns outside of which motifs are held at zero and cost no
            time (`MotifSet.column_range`); None: all train.
        seed: of validation split and order of the sequences, 0 or more.
        cache: where the sequences are while training reads them, see `cisreg.training.feeds`:
            "none" (files alone: row groups are read as they are wanted, and batches drawn from a
            window), "host" (1 byte a base, in exactly random order), "device" (the same, on the GPU
            of each replica, so that a step needs nothing from the host), or "auto". The order is
            another with "none".
        strategy: `tf.distribute.MirroredStrategy` for the GPUs of one machine,
            `MultiWorkerMirroredStrategy` for several processes, each of which calls `fit` with the
            same arguments; None: one device. The batches of the stages are divided among all.
        checkpoint_directory: folder for checkpoints, written after each epoch; None: none.
        checkpoint_every: also write one within an epoch, after so many steps at least.
        checkpoint_minutes: also write one within an epoch, after so many minutes at least.
        keep_checkpoints: how many of the newest are kept.
        resume: go on from the newest checkpoint in `checkpoint_directory` that is sound; from the
            start where there is none yet. The number of workers may be another.
        stop_signals: signals, for example SIGTERM, upon which the run writes a checkpoint and ends
            with a StoppedError once the steps of a call are over.
        metrics_path: file for one JSON object per epoch (see `EpochRecord`); an old one is
            replaced.
        log_directory: folder for TensorBoard scalars and histograms; needs the package tensorboard.
        report_every: also tell the mean loss of so many steps whenever they are over: in the log,
            in `steps_path` and for TensorBoard.
        steps_path: file for one JSON object per report (see `cisreg.training.StepRecord`); an old
            one is replaced, but for what a resumed run keeps.
        profile_directory: folder for a trace of some steps, see `cisreg.training.reports.Trace`.
        steps_per_call: steps run by one call of the compiled function, at most.
        progress: draw a progress bar where standard error is a terminal.
        precision: "float32", or "mixed_bfloat16" or "mixed_float16", as Keras names them: the
            occupancy operation may compute its sites in 16 bits (see its `compute_dtype`; on a CPU
            the fused one does not, and is no faster), and all else is float32: parameters, sums,
            the other layers, loss, optimizer and validation.
            For "mixed_float16" the loss is scaled as Keras' LossScaleOptimizer does: a step whose
            gradient is not finite is skipped and the scale, 2^15 at first, halved; after 2,000
            steps without it is doubled. What can overflow is what the standard operations hold in
            float16, the gradients of sites and of motifs; the fused operation has no such numbers
            on a CPU, and the scale changes nothing there but rounding.
        implementation: of the occupancy operation: "auto", "fused" or "standard".

    Returns:
        A FitResult.

    Raises:
        ValueError: arguments that do not fit together, a checkpoint that cannot be resumed, or
            workers with other data or arguments than the first.
        NonFiniteLossError: a loss, gradient, parameter or prediction that is not finite; the last
            checkpoint stays.
        ImportError: `log_directory` without the package tensorboard.
        StoppedError: one of `stop_signals` came; the run can be resumed.
        WorkerLostError: another worker is gone; the run can be resumed.
        OSError: a file cannot be written; the last checkpoint stays.

    Example:
        >>> result = fit(spec, init_parameters(spec, log_kd, log_concentration), dataset, [
        ...     Stage(("activity", "potentiation"), epochs=20, learning_rate=0.04),
        ...     Stage(("activity", "potentiation", "log_kd"), epochs=20, learning_rate=0.001),
        ... ], validation=0.1)  # doctest: +SKIP
    """
    _check_numbers(seed, steps_per_call, checkpoint_every, report_every, checkpoint_minutes)
    _check_folder(checkpoint_directory, resume, checkpoint_every, checkpoint_minutes)
    feed, held_out = make_feed(dataset, validation, seed, cache)
    plan = TrainingPlan(
        spec=spec,
        initial={name: np.array(value, np.float32) for name, value in parameters.items()},
        training=feed,
        validation=held_out,
        stages=tuple(stages),
        loss=loss,
        penalty=penalty,
        column_range=None if column_range is None else np.asarray(column_range, np.int32),
        seed=seed,
        implementation=implementation,
        precision=precision,
    )
    replicas = Replicas(strategy)
    # Reading all of the data for its fingerprint takes time: only where it will be compared.
    compared = checkpoint_directory is not None or replicas.workers > 1
    fingerprint = plan.fingerprint() if compared else {}
    checkpoints = Checkpoints(
        *(checkpoint_directory, fingerprint),
        every=checkpoint_every,
        minutes=checkpoint_minutes,
        keep=keep_checkpoints,
    )
    with name_lost_worker(replicas, lambda: _advice(checkpoints, replicas)):
        _check_agreement(
            replicas,
            fingerprint
            | {"steps_per_call": str(steps_per_call), "report_every": str(report_every)},
        )
        state = _resumed(checkpoints, replicas) if resume else None
        state = state or TrainingState(dict(plan.initial))
        monitor = Monitor(
            plan.stages,
            feed.count,
            state.history,
            metrics_path=metrics_path if replicas.is_chief else None,
            log_directory=log_directory if replicas.is_chief else None,
            progress=progress and replicas.is_chief,
            steps_path=steps_path if replicas.is_chief else None,
            done_steps=state.total_steps,
        )
        with monitor:
            TrainingRun(
                *(plan, state, monitor, checkpoints, replicas),
                steps_per_call=steps_per_call,
                report_every=report_every,
                profile_directory=profile_directory if replicas.is_chief else None,
                stop_signals=stop_signals,
            ).run()
    seconds = sum(record.seconds for record in state.history)
    return FitResult(state.parameters, state.history, state.result_epoch, seconds)


def _check_numbers(
    seed: int,
    steps_per_call: int,
    checkpoint_every: int | None,
    report_every: int | None,
    checkpoint_minutes: float | None,
) -> None:
    _check_at_least(0, seed, "seed")
    _check_at_least(1, steps_per_call, "steps_per_call")
    for argument, steps in (("checkpoint_every", checkpoint_every), ("report_every", report_every)):
        if steps is not None:
            _check_at_least(1, steps, argument)
    if checkpoint_minutes is not None and not checkpoint_minutes > 0:
        raise ValueError(f"checkpoint_minutes: expected more than 0, got {checkpoint_minutes}")


def _check_folder(
    folder: str | os.PathLike[str] | None,
    resume: bool,
    every: int | None,
    minutes: float | None,
) -> None:
    wanting = {
        "resume": resume,
        "checkpoint_every": every is not None,
        "checkpoint_minutes": minutes is not None,
    }
    for argument, wants_folder in wanting.items():
        if wants_folder and folder is None:
            raise ValueError(f"checkpoint_directory: expected a folder with {argument}, got None")


def _advice(checkpoints: Checkpoints, replicas: Replicas) -> str:
    """Where the work is that was saved, as far as this process knows."""
    return checkpoints.advice() if replicas.is_chief else "The chief keeps the checkpoints"


def _resumed(checkpoints: Checkpoints, replicas: Replicas) -> TrainingState | None:
    """The state that the chief finds, for all workers: they need not see its folder."""
    state = checkpoints.load() if replicas.is_chief else None
    if replicas.workers == 1:
        return state
    content = replicas.share(None if state is None else checkpoints.pack(state))
    return None if content is None else checkpoints.unpack(content)


def _check_agreement(replicas: Replicas, own: Mapping[str, str]) -> None:
    """Raises in all workers where one has other data or arguments, by part, than the chief.

    They would wait for each other forever, or train on something that nobody asked for.
    """
    if replicas.workers == 1:
        return
    content = replicas.share(json.dumps(dict(own)).encode())
    assert content is not None  # the chief has one
    chief = json.loads(content)
    differs = replicas.total(np.array([own[part] != chief[part] for part in own], np.int32))
    parts = [part for part, count in zip(own, differs, strict=True) if count]
    if parts:
        raise ValueError(
            "strategy: expected workers with the same data and arguments, but some have another "
            f"{', another '.join(parts)} than the first; give all of them the same files and "
            'options, and a cache that is not "auto" where their memory differs'
        )


def _check_at_least(least: int, value: int, argument: str) -> None:
    if value < least:
        raise ValueError(f"{argument}: expected {least} or more, got {value}")
