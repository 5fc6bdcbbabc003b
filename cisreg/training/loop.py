"""`run` trains according to a plan; `fit` makes plan and options from keyword arguments."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import numpy as np
import tensorflow as tf

from cisreg.choices import Precision
from cisreg.data import Dataset, DatasetFiles
from cisreg.data.ends import warn_of_ends
from cisreg.data.feeding.feed import Feed
from cisreg.forking import check_not_forked
from cisreg.locks import hold_folder
from cisreg.losses import Noise, Penalty, mean_squared_error
from cisreg.losses.noise import split_noise
from cisreg.model import ModelSpec
from cisreg.occupancy import Implementation
from cisreg.processes.session import is_interactive
from cisreg.training.checkpoint import Checkpoints
from cisreg.training.errors import FitInterrupt
from cisreg.training.feeds import Cache, Validation, make_feed, some_sequences
from cisreg.training.monitor import Monitor
from cisreg.training.options import RunOptions
from cisreg.training.pictures import Plots
from cisreg.training.plan import TrainingPlan, check_seed
from cisreg.training.replicas import Replicas, name_lost_worker
from cisreg.training.result import FitResult
from cisreg.training.stages import Stage
from cisreg.training.state import TrainingState
from cisreg.training.step import Loss
from cisreg.training.training_run import TrainingRun
from cisreg.training.unit import Unit

logger = logging.getLogger("cisreg.training")


def run(plan: TrainingPlan, options: RunOptions | None = None) -> FitResult:
    """Trains according to a plan.

    Args:
        plan: what to compute.
        options: how to run it; None: in memory, without files.

    Returns:
        A FitResult. In a notebook or an interactive session an interrupt (Ctrl-C) ends the run
        after the steps in progress; the result then has `interrupted` set and the current
        parameters: the best ones of a stage with early stopping, otherwise those of the last step.
        A second interrupt raises KeyboardInterrupt at once.

    Raises:
        The same exceptions as `fit`.

    Example:
        >>> result = run(plan, RunOptions(checkpoint_directory="checkpoint"))  # doctest: +SKIP
    """
    check_not_forked()
    options = options or RunOptions()
    replicas = Replicas(options.strategy)
    # The fingerprint reads all of the data: compute it only if it will be compared.
    compared = options.checkpoint_directory is not None or replicas.workers > 1
    fingerprint = plan.fingerprint() if compared else {}
    checkpoints = Checkpoints(
        *(options.checkpoint_directory, fingerprint),
        every=options.checkpoint_every,
        minutes=options.checkpoint_minutes,
        keep=options.keep_checkpoints,
    )
    # One process saves there, and deletes what it saved before.
    saves = options.checkpoint_directory if replicas.is_chief else None
    with (
        name_lost_worker(replicas, lambda: _advice(checkpoints, replicas)),
        nullcontext() if saves is None else hold_folder(saves),
    ):
        if replicas.is_chief and not options.resume:
            checkpoints.check_unused()
        _check_agreement(
            replicas,
            fingerprint
            | {
                "steps_per_call": str(options.steps_per_call),
                "report_every": str(options.report_every),
            },
        )
        state = _resumed(checkpoints, replicas) if options.resume else None
        state = state or _begin(plan, replicas)
        if replicas.is_chief:
            plan.warn_of_untrained()
            plan.warn_of_table()
            plan.warn_of_link()
        told = options if replicas.is_chief else RunOptions(progress=False)
        with Monitor(plan.stages, plan.training.count, told, state) as monitor:
            training = TrainingRun(plan, options, state, monitor, checkpoints, replicas)
            interrupted = training.run()
    parameters, numbers = split_noise(state.parameters)
    result = FitResult(
        parameters=state.unit.from_standard(parameters),
        history=state.history,
        best_epoch=state.result_epoch,
        seconds=sum(record.seconds for record in state.history),
        unit=state.unit,
        interrupted=interrupted,
        noise=plan.loss.fitted(numbers) if isinstance(plan.loss, Noise) else None,
    )
    if not interrupted:
        return result
    if not is_interactive():
        raise FitInterrupt.with_result(result)
    logger.warning(
        "interrupted after %d steps (%d whole epochs): the result holds the parameters so far",
        *(state.total_steps, len(state.history)),
    )
    return result


def fit(
    spec: ModelSpec,
    parameters: Mapping[str, np.ndarray | tf.Tensor],
    dataset: Dataset | DatasetFiles | Feed,
    stages: Sequence[Stage],
    *,
    validation: Validation = None,
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
    plots: Plots | None = None,
    progress: bool = True,
    precision: Precision = "float32",
    standardize: bool = True,
    implementation: Implementation = "auto",
) -> FitResult:
    """Trains a model, stage by stage.

    On the CPU of one machine the same arguments give the same bits, also if the run was killed and
    resumed. The arguments from `checkpoint_directory` to `progress` do not change the result.
    Batches are the same for every number of replicas and workers; the parameters then differ only
    by rounding. docs/howto/several_machines.md says how to start several workers,
    docs/howto/interrupted_runs.md what happens when something fails.

    Args:
        spec: the model.
        parameters: where training starts, one float32 array for each of `spec.parameter_shapes`, in
            the unit of the measurements. `fit` converts values that `cisreg.init_parameters` chose
            to that unit.
        dataset: sequences and expression in memory, or files of them (`cisreg.open_dataset`).
        stages: run one after the other, each from the parameters of the stage before.
        validation: a share: about this share of `dataset` is held out, chosen by a hash of each
            sequence and `seed`, so that equal sequences stay together (`cisreg.data.split`). Or
            rows marked in a column of `dataset` (`cisreg.data.HoldOut`), or a separate data set.
            None: train on all data, without validation.
        loss: (predicted [N], measured [N] or [N, K]) to a scalar, for example
            `cisreg.losses.mean_squared_error`; with a third argument, weight [N], if the sequences
            have weights. It is a mean over sequences, unless `cisreg.losses.is_sum` says it is a
            sum. Missing measurements are NaN, which `cisreg.losses.takes_missing` says it takes.
            Or a noise model (`cisreg.losses.Noise`), such as `cisreg.losses.StudentT()`: its
            numbers train with the parameters in every stage, and the loss is in nats.
        penalty: weights of the penalties, which are added to the loss in training only.
        column_range: int32 [2, M], columns outside of which motifs are held at zero and cost no
            time (`MotifSet.column_range`); None: all columns train.
        seed: of validation split and order of the sequences, 0 or more.
        cache: where the sequences are kept during training, see `cisreg.training.feeds`. "none":
            only in files; row groups are read when needed, and batches are drawn from a window.
            "host": in memory, 1 byte per base, in fully random order. "device": in the same order,
            on the GPU of each replica, so that a step needs no data from the host. "auto" chooses.
            With "none" the order of the sequences differs from that of the others.
        strategy: how several devices or processes train together. This and the arguments down to
            `progress` are fields of `cisreg.training.RunOptions`, which describes them in detail.
        checkpoint_directory: folder for checkpoints of this run alone; None: no checkpoints.
        checkpoint_every: steps between checkpoints within an epoch.
        checkpoint_minutes: minutes between checkpoints within an epoch.
        keep_checkpoints: how many of the newest checkpoints are kept.
        resume: continue from the newest undamaged checkpoint.
        stop_signals: signals after which the run writes a checkpoint and ends.
        metrics_path: file for one line per epoch.
        log_directory: folder for TensorBoard.
        report_every: steps between reports of the mean loss.
        steps_path: file for these reports.
        profile_directory: folder for a trace of some steps.
        steps_per_call: maximum number of steps in one call of the compiled function.
        plots: what draws the run in notebooks and for TensorBoard: the module `cisreg.report`; it
            needs matplotlib. None: there are no plots.
        progress: draw a progress bar.
        precision: "float32", "mixed_bfloat16" or "mixed_float16", as Keras names them. With mixed
            precision the occupancy operation may compute its sites in 16 bits (see its
            `compute_dtype`; on a CPU the fused operation does not, and is not faster). All else is
            float32: parameters, sums, the other layers, loss, optimizer and validation.
            For "mixed_float16" the loss is scaled as by Keras' LossScaleOptimizer. The scale starts
            at 2^15; it is halved at each gradient that is not finite, whose step is skipped, and
            doubled after 2,000 finite ones in a row. The standard operations compute the gradients
            of sites and motifs in float16, where they can overflow. The fused operation has no
            float16 values on a CPU; there the scale changes only the rounding.
        standardize: compute in the standard unit, in which the measurements have the mean 8.93 and
            the standard deviation 4.37: learning rates and penalties then mean the same for
            measurements in any unit (docs/explanation/training.md). False: compute in the
            unit of the measurements, as CisRegModels does. Inputs and results are always in the
            unit of the measurements.
        implementation: of the occupancy operation: "auto", "fused" or "standard".

    Returns:
        A FitResult; see `run` for the result after an interrupt.

    Raises:
        ValueError: arguments that do not fit together, a checkpoint that cannot be resumed, a
            `checkpoint_directory` that another process uses or that holds checkpoints without
            `resume`, or workers whose data or arguments differ from those of the first.
        NonFiniteLossError: a loss, gradient, parameter or prediction is not finite; the last
            checkpoint is kept.
        ImportError: `log_directory` is given, but the package tensorboard is not installed.
        StoppedError: one of `stop_signals` came; the run can be resumed.
        WorkerLostError: another worker was lost; the run can be resumed.
        OSError: a file cannot be written; the last checkpoint is kept.

    Example:
        >>> result = fit(spec, init_parameters(spec, log_kd, log_concentration), dataset, [
        ...     Stage(("activity", "potentiation"), epochs=20, learning_rate=0.04),
        ...     Stage(("activity", "potentiation", "log_kd"), epochs=20, learning_rate=0.001),
        ... ], validation=0.1)  # doctest: +SKIP
    """
    options = RunOptions(
        strategy=strategy,
        checkpoint_directory=checkpoint_directory,
        checkpoint_every=checkpoint_every,
        checkpoint_minutes=checkpoint_minutes,
        keep_checkpoints=keep_checkpoints,
        resume=resume,
        stop_signals=stop_signals,
        metrics_path=metrics_path,
        log_directory=log_directory,
        report_every=report_every,
        steps_path=steps_path,
        profile_directory=profile_directory,
        steps_per_call=steps_per_call,
        plots=plots,
        progress=progress,
    )
    check_seed(seed)
    feed, held_out = make_feed(dataset, validation, seed, cache, progress=progress)
    if spec.ends_unsaid:
        warn_of_ends(some_sequences(feed))
    plan = TrainingPlan(
        spec=spec,
        initial=parameters,
        training=feed,
        validation=held_out,
        stages=tuple(stages),
        loss=loss,
        penalty=penalty,
        column_range=column_range,
        seed=seed,
        implementation=implementation,
        precision=precision,
        standardize=standardize,
    )
    return run(plan, options)


def _begin(plan: TrainingPlan, replicas: Replicas) -> TrainingState:
    """The state at the start, in the unit that the chief computes: others may round differently."""
    unit = plan.unit()
    noise = {name: value.tolist() for name, value in plan.noise_start().items()}
    content = replicas.share(json.dumps([unit.scale, unit.shift, noise]).encode())
    assert content is not None  # the chief has one
    *numbers, noise = json.loads(content)
    unit = Unit(*numbers)
    parameters = plan.start(unit) | {name: np.array(each, "f4") for name, each in noise.items()}
    return TrainingState(parameters, scale=unit.scale, shift=unit.shift)


def _advice(checkpoints: Checkpoints, replicas: Replicas) -> str:
    """Where the last checkpoint is, as far as this process knows."""
    return checkpoints.advice() if replicas.is_chief else "The chief keeps the checkpoints"


def _resumed(checkpoints: Checkpoints, replicas: Replicas) -> TrainingState | None:
    """The state that the chief loads, for all workers: they need no access to its folder."""
    state = checkpoints.load() if replicas.is_chief else None
    if replicas.workers == 1:
        return state
    content = replicas.share(None if state is None else checkpoints.pack(state))
    return None if content is None else checkpoints.unpack(content)


def _check_agreement(replicas: Replicas, own: Mapping[str, str]) -> None:
    """Raises ValueError in all workers if data or arguments of one differ from the chief's.

    Otherwise the workers could wait for each other forever, or train on the wrong data.
    """
    if replicas.workers == 1:
        return
    content = replicas.share(json.dumps(dict(own)).encode())
    assert content is not None  # the chief has one
    chief = json.loads(content)
    differs = replicas.total(np.array([own[part] != chief[part] for part in own], np.int32))
    parts = [part for part, count in zip(own, differs, strict=True) if count]
    if parts:
        replicas.wait_for_all()
        raise ValueError(
            "strategy: expected workers with the same data and arguments, but some have another "
            f"{', another '.join(parts)} than the first; give all of them the same files and "
            'options, and a cache that is not "auto" where their memory differs'
        )
