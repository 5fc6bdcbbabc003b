"""`fit`: one call that trains a model through all of its stages."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from cisreg.data import Dataset, split
from cisreg.losses import Penalty, mean_squared_error
from cisreg.model import ModelSpec
from cisreg.occupancy import Implementation
from cisreg.training.checkpoint import Checkpoints
from cisreg.training.monitor import Monitor
from cisreg.training.plan import TrainingPlan
from cisreg.training.precision import Precision
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
    dataset: Dataset,
    stages: Sequence[Stage],
    *,
    validation: float | Dataset | None = None,
    loss: Loss = mean_squared_error,
    penalty: Penalty | None = None,
    column_range: np.ndarray | None = None,
    seed: int = 0,
    checkpoint_directory: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
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

    Args:
        spec: the model.
        parameters: where training begins, one float32 array for each of `spec.parameter_shapes`.
        dataset: sequences and expression.
        stages: run one after the other, each from where the last one ended.
        validation: share of `dataset` to hold out, chosen by `seed`, or a Dataset; None: train on
            all of it and without validation.
        loss: (predicted [N], measured [N]) to a scalar, for example
            `cisreg.losses.mean_squared_error`.
        penalty: weights of the penalties, added to the loss in training alone.
        column_range: int32 [2, M], columns outside of which motifs are held at zero and cost no
            time (`MotifSet.column_range`); None: all train.
        seed: of validation split and order of the sequences, 0 or more.
        checkpoint_directory: folder for the checkpoint, written after each epoch; None: none.
        checkpoint_every: also write it within an epoch, after so many steps at least.
        resume: go on from the checkpoint in `checkpoint_directory`; from the start where there is
            none yet.
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
        ValueError: arguments that do not fit together, or a checkpoint that cannot be resumed.
        NonFiniteLossError: a loss, gradient, parameter or prediction that is not finite; the last
            checkpoint stays.
        ImportError: `log_directory` without the package tensorboard.
        OSError: a file cannot be written.

    Example:
        >>> result = fit(spec, init_parameters(spec, log_kd, log_concentration), dataset, [
        ...     Stage(("activity", "potentiation"), epochs=20, learning_rate=0.04),
        ...     Stage(("activity", "potentiation", "log_kd"), epochs=20, learning_rate=0.001),
        ... ], validation=0.1)  # doctest: +SKIP
    """
    _check_at_least(0, seed, "seed")
    _check_at_least(1, steps_per_call, "steps_per_call")
    for argument, steps in (("checkpoint_every", checkpoint_every), ("report_every", report_every)):
        if steps is not None:
            _check_at_least(1, steps, argument)
    if checkpoint_directory is None and (resume or checkpoint_every is not None):
        argument = "resume" if resume else "checkpoint_every"
        raise ValueError(f"checkpoint_directory: expected a folder with {argument}, got None")
    training, held_out = _divide(dataset, validation, seed)
    plan = TrainingPlan(
        spec=spec,
        initial={name: np.array(value, np.float32) for name, value in parameters.items()},
        training=training,
        validation=held_out,
        stages=tuple(stages),
        loss=loss,
        penalty=penalty,
        column_range=None if column_range is None else np.asarray(column_range, np.int32),
        seed=seed,
        implementation=implementation,
        precision=precision,
    )
    # Reading all of the data for its fingerprint takes time: only where it will be compared.
    fingerprint = {} if checkpoint_directory is None else plan.fingerprint()
    checkpoints = Checkpoints(checkpoint_directory, fingerprint, every=checkpoint_every)
    state = checkpoints.load() if resume else None
    if state is None:
        state = TrainingState(dict(plan.initial))
    monitor = Monitor(
        plan.stages,
        len(training),
        state.history,
        metrics_path=metrics_path,
        log_directory=log_directory,
        progress=progress,
        steps_path=steps_path,
        done_steps=(state.history[-1].step if state.history else 0) + state.step,
    )
    with monitor:
        TrainingRun(
            plan, state, monitor, checkpoints, steps_per_call, report_every, profile_directory
        ).run()
    seconds = sum(record.seconds for record in state.history)
    return FitResult(state.parameters, state.history, state.result_epoch, seconds)


def _check_at_least(least: int, value: int, argument: str) -> None:
    if value < least:
        raise ValueError(f"{argument}: expected {least} or more, got {value}")


def _divide(
    dataset: Dataset, validation: float | Dataset | None, seed: int
) -> tuple[Dataset, Dataset | None]:
    if validation is None or isinstance(validation, Dataset):
        return dataset, validation
    if not 0 < validation < 1:
        raise ValueError(
            f"validation: expected a share between 0 and 1, a Dataset or None, got {validation}"
        )
    return split(dataset, validation, seed)
