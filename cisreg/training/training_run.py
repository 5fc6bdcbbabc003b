"""A training run in progress: stages, epochs, validation, early stopping, checkpoints."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import NamedTuple, NoReturn

import numpy as np
import tensorflow as tf

from cisreg.data import Dataset
from cisreg.data.feeding.feed import Chunk, Steps, steps_per_chunk
from cisreg.losses import Noise
from cisreg.losses.table import beyond_table
from cisreg.metrics import pearson_correlation, r_squared
from cisreg.prediction import predict_all
from cisreg.processes.signals import StopRequest, interrupt_signals, signal_name
from cisreg.training.batch import BatchChunk, as_batches, put_on_devices
from cisreg.training.checkpoint import Checkpoints
from cisreg.training.errors import NonFiniteLossError, StoppedError
from cisreg.training.health import HealthCheck
from cisreg.training.monitor import Monitor
from cisreg.training.optimizer import StageLearningRate, make_optimizer
from cisreg.training.options import RunOptions
from cisreg.training.plan import TrainingPlan
from cisreg.training.precision import compute_dtype, loss_scale
from cisreg.training.replicas import Replicas
from cisreg.training.reports import StepRecord, StepWindow, Trace
from cisreg.training.stages import Stage, steps_per_epoch
from cisreg.training.state import Best, EpochRecord, TrainingState
from cisreg.training.step import Objective, StepTotals, make_train_steps
from cisreg.training.unit import standard_loss
from cisreg.training.update import StepUpdate
from cisreg.training.vector import ParameterVector

logger = logging.getLogger("cisreg.training")


class _InterruptedError(Exception):
    """An interrupt came; the run ends with its current parameters."""


class _Evaluation(NamedTuple):
    """How well a model predicts.

    The loss is in the standard unit, `predicted` in the unit of the measurements.
    """

    loss: float
    r: float
    r_squared: float
    accessibility: np.ndarray | None
    predicted: np.ndarray
    beyond_table: str


class TrainingRun:
    """Runs a plan, from a given state on.

    Args:
        plan: what to compute.
        options: how to run it, see `RunOptions`.
        state: where to start; updated during the run.
        monitor: reports each epoch.
        checkpoints: save the state.
        replicas: the devices and processes that train.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        options: RunOptions,
        state: TrainingState,
        monitor: Monitor,
        checkpoints: Checkpoints,
        replicas: Replicas,
    ) -> None:
        self._plan = plan
        self._options = options
        self._state = state
        self._monitor = monitor
        self._checkpoints = checkpoints
        self._replicas = replicas
        self._count = plan.training.count
        self._window = StepWindow(
            options.report_every, state.window_steps, state.window_sequences, state.window_loss
        )
        profile = options.profile_directory if replicas.is_chief else None
        self._trace = Trace(profile, self._calls())
        # Several workers must stop together: they stop only at `stop_signals`.
        interrupts = interrupt_signals() if replicas.workers == 1 else ()
        self._stop_request = StopRequest(
            {*options.stop_signals, *interrupts}, others=replicas.workers > 1
        )
        self._stopping = False
        with replicas.scope():
            self._variables = {
                name: tf.Variable(value, name=name) for name, value in state.parameters.items()
            }
        self._sample = plan.training.sample()
        self._noise = plan.loss if isinstance(plan.loss, Noise) else None
        self._levels = plan.levels(state.parameters)
        levels = self._levels(self._sample.expression)
        self._health = HealthCheck(levels[np.isfinite(levels)], self._sample.weight)
        self._unit = state.unit
        self._loss = standard_loss(plan.loss, self._unit)
        resident = plan.training.resident
        self._residents = [] if resident is None else put_on_devices(resident, replicas)

    def _calls(self) -> int:
        """Maximum number of calls of the compiled function in the whole run."""
        steps = [steps_per_epoch(self._count, stage.batch_size) for stage in self._plan.stages]
        return sum(
            stage.epochs * -(-each // self._steps_per_chunk(stage))
            for stage, each in zip(self._plan.stages, steps, strict=True)
        )

    def _steps_per_chunk(self, stage: Stage) -> int:
        length = self._plan.training.sequence_length
        return steps_per_chunk(stage.batch_size, length, self._options.steps_per_call)

    def run(self) -> bool:
        """Runs all unfinished stages, or until an interrupt.

        Returns:
            Whether an interrupt came; the state then has the current parameters.

        Raises:
            NonFiniteLossError: a loss, gradient, parameter or prediction is not finite.
            StoppedError: a signal came; the checkpoint includes all finished steps.
        """
        with self._replicas.scope(), self._stop_request:
            try:
                while self._state.stage < len(self._plan.stages):
                    index = self._state.stage
                    self._begin_stage(self._plan.stages[index])
                    while self._state.stage == index:
                        self._run_epoch()
            except _InterruptedError:
                self._keep_so_far()
        return self._interrupted

    @property
    def _interrupted(self) -> bool:
        received = self._stop_request.received
        return received is not None and received not in self._options.stop_signals

    def _keep_so_far(self) -> None:
        """Copies the parameters that an interrupted run returns to the state."""
        state = self._state
        state.result_epoch = len(state.history)
        if state.best is not None:
            state.parameters, state.result_epoch = state.best.parameters, state.best.total_epoch
            return
        # As at the end of an epoch.
        self._optimizer.finalize_variable_values([self._vector.variable])
        self._vector.write()
        state.parameters = self._values()

    def _begin_stage(self, stage: Stage) -> None:
        self._stage = stage
        logger.debug("stage %d: %s", self._state.stage + 1, stage)
        self._steps = steps_per_epoch(self._count, stage.batch_size)
        of_noise = () if self._noise is None else self._noise.trained
        self._vector = ParameterVector(self._variables, (*stage.trainable, *of_noise))
        self._learning_rate = StageLearningRate(
            stage.learning_rate, stage.schedule, stage.epochs, self._steps
        )
        self._optimizer = make_optimizer(stage, self._learning_rate, self._plan.precision)
        self._optimizer.build([self._vector.variable])
        if self._state.optimizer:
            for variable, value in zip(
                self._optimizer.variables, self._state.optimizer, strict=True
            ):
                variable.assign(value)
        self._train_steps = make_train_steps(
            self._plan.spec,
            self._variables,
            self._vector,
            StepUpdate(self._optimizer, self._learning_rate, self._vector.variable),
            self._objective(),
            implementation=self._plan.implementation,
            compute_dtype=compute_dtype(self._plan.precision),
            replicas=self._replicas,
            residents=self._residents,
        )
        # Those of the parameters that the stage would end with; unknown after resuming.
        self._predicted: np.ndarray | None = None
        if stage.patience is not None and self._state.best is None:
            assert self._plan.validation is not None  # checked by the plan
            start = self._evaluate(self._plan.validation)
            self._predicted = start.predicted
            self._state.best = Best(start.loss, len(self._state.history), self._values())

    def _objective(self) -> Objective:
        expression = self._sample.expression
        return Objective(
            loss=self._loss.of_prepared,
            penalty=self._stage.penalty or self._plan.penalty,
            # Only the motifs, which do not depend on the unit of expression.
            initial={"log_kd": tf.constant(self._plan.initial["log_kd"])},
            column_range=self._plan.column_range,
            measurements=None if expression.ndim == 1 else expression.shape[1],
            weighted=self._sample.weight is not None,
            prepare=self._loss.prepare,
            noise=self._noise is not None,
        )

    def _run_epoch(self) -> None:
        state = self._state
        first_rows, began = state.sequences, time.perf_counter()
        self._monitor.begin_epoch(state.stage + 1, state.epoch + 1, self._rows(state.step))
        wanted = Steps(
            epoch=len(state.history) + 1,
            steps=self._steps,
            first=state.step,
            per_chunk=self._steps_per_chunk(self._stage),
            worker=self._replicas.worker,
            workers=self._replicas.workers,
        )
        with closing(self._plan.training.chunks(wanted)) as chunks:
            for chunk in chunks:
                self._run_chunk(chunk)
        seconds = time.perf_counter() - began
        self._finish_epoch(seconds, state.sequences - first_rows)
        if self._stopping and state.stage < len(self._plan.stages):
            self._stop_here()

    def _rows(self, step: int) -> int:
        """Rows in the first `step` batches of an epoch."""
        return step * self._count // self._steps

    def _run_chunk(self, chunk: Chunk) -> None:
        state = self._state
        batches = as_batches(chunk, self._replicas)
        while state.step < chunk.stop:
            self._stopping = self._run_steps(batches, chunk.stop)
            mean = state.loss_sum / state.sequences * self._loss.factor
            self._monitor.advance(self._rows(state.step), mean)
            if state.step < self._steps:
                if self._stopping:
                    self._save()
                    self._stop_here()
                if self._checkpoints.due(state.step):
                    self._save()

    def _run_steps(self, batches: BatchChunk, last: int) -> bool:
        """Runs steps up to `last` at most; returns whether a signal asked any worker to stop."""
        state = self._state
        before = StepTotals(state.step, state.loss_sum, state.penalty_sum, state.sequences)
        most = self._options.steps_per_call
        steps = min(most, self._window.room or most)
        stop = min(state.step + steps, last)
        with self._trace.watch():
            after = self._train_steps(batches, before, stop)
        if not (after.finite and np.isfinite(after.loss)):
            self._stop(f"step {after.step}: the loss, its gradient or a parameter is not finite")
        self._report(stop, after.sequences - state.sequences, after.loss - state.loss_sum)
        state.step, state.sequences = stop, after.sequences
        state.loss_sum, state.penalty_sum = after.loss, after.penalty
        asked = self._stop_request.received is not None
        return bool(self._replicas.total(np.array([asked], np.int32))[0])

    def _stop_here(self) -> NoReturn:
        if self._interrupted:
            raise _InterruptedError
        received = self._stop_request.received
        name = "another worker" if received is None else signal_name(received)
        advice = f" {self._checkpoints.advice()}" if self._replicas.is_chief else ""
        raise StoppedError(f"stopped by {name} after step {self._state.total_steps}.{advice}")

    def _report(self, stop: int, sequences: int, loss_sum: float) -> None:
        """Adds the steps up to `stop` to the window, and reports it when it is full."""
        state, steps = self._state, self._window.steps
        window = self._window
        mean = window.add(stop - state.step, sequences, loss_sum)
        state.window_steps, state.window_sequences = window.steps, window.sequences
        state.window_loss = window.loss_sum
        if mean is not None:
            before = state.history[-1].step if state.history else 0
            self._monitor.report(
                StepRecord(
                    stage=state.stage + 1,
                    epoch=state.epoch + 1,
                    step=before + stop,
                    steps=steps + stop - state.step,
                    loss=mean * self._loss.factor,
                    learning_rate=self._last_learning_rate(),
                )
            )

    def _last_learning_rate(self) -> float:
        # Steps that a loss scale skipped do not count; it may have skipped all steps.
        return float(self._learning_rate(tf.maximum(self._optimizer.iterations.value - 1, 0)))

    def _stop(self, what: str) -> NoReturn:
        state, stage = self._state, self._stage
        raise NonFiniteLossError(
            f"stage {state.stage + 1}, epoch {state.epoch + 1}, {what}; train anew with a lower "
            f"learning_rate (now {stage.learning_rate:g} at most) or start from other parameters. "
            f"{self._checkpoints.advice(diverged=True)}"
        )

    def _finish_epoch(self, seconds: float, trained_on: int) -> None:
        state = self._state
        raw = self._values()
        # If the stage averages its parameters, the average replaces them here.
        self._optimizer.finalize_variable_values([self._vector.variable])
        self._vector.write()
        values = self._values()
        validation = self._plan.validation
        evaluation = self._evaluate(self._sample if validation is None else validation)
        record = self._record(evaluation, seconds, trained_on / seconds)
        state.history.append(record)
        state.epoch, state.step, state.sequences = state.epoch + 1, 0, 0
        state.loss_sum, state.penalty_sum = 0.0, 0.0
        if state.best is None:
            self._predicted = evaluation.predicted
        elif evaluation.loss < state.best.validation_loss:
            state.best = Best(evaluation.loss, record.total_epoch, values)
            self._predicted = evaluation.predicted
        shown = self._unit.from_standard(values)
        self._monitor.end_epoch(record, shown, evaluation.accessibility)
        self._health.check(
            *(record.stage, shown, evaluation.accessibility, evaluation.r_squared),
            beyond_table=evaluation.beyond_table,
        )
        if self._stage_is_over():
            self._finish_stage(values)
            measured = None if validation is None else self._levels(validation.expression)
            self._monitor.end_stage(record.stage, self._predicted, measured)
        else:
            self._assign(raw)
            self._keep()
        if self._replicas.is_chief:
            self._checkpoints.save(state)

    def _stage_is_over(self) -> bool:
        state, stage = self._state, self._stage
        if state.epoch == stage.epochs:
            return True
        if state.best is None or stage.patience is None:
            return False
        return len(state.history) - state.best.total_epoch >= stage.patience

    def _finish_stage(self, values: dict[str, np.ndarray]) -> None:
        state = self._state
        state.result_epoch = len(state.history)
        if state.best is not None:
            values, state.result_epoch = state.best.parameters, state.best.total_epoch
        self._assign(values)
        state.parameters, state.optimizer, state.best = values, [], None
        state.stage, state.epoch = state.stage + 1, 0

    def _evaluate(self, dataset: Dataset) -> _Evaluation:
        """How well the model predicts these sequences; they are divided among the workers."""
        predicted, accessibility = self._predict_all(dataset.sequence)
        measured = dataset.expression
        weight = () if dataset.weight is None else (tf.constant(dataset.weight),)
        numbers = {} if self._noise is None else {"parameters": self._variables}
        loss = float(self._loss(tf.constant(predicted), tf.constant(measured), *weight, **numbers))
        if not (np.isfinite(predicted).all() and np.isfinite(loss)):
            self._stop("validation: predictions or loss are not finite")
        measured = self._unit.measured(self._levels(measured))
        in_unit = predicted * self._unit.scale + self._unit.shift
        return _Evaluation(
            loss,
            *_mean_agreement(predicted, measured),
            accessibility,
            in_unit,
            beyond_table(self._plan.loss, in_unit),
        )

    def _predict_all(self, sequence: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        worker, workers = self._replicas.worker, self._replicas.workers
        count = len(sequence)
        begin, end = count * worker // workers, count * (worker + 1) // workers
        own = predict_all(
            *(self._plan.spec, self._variables, sequence[begin:end]),
            column_range=self._plan.column_range,
            implementation=self._plan.implementation,
        )

        def gathered(values: np.ndarray) -> np.ndarray:
            whole = np.zeros((count, *values.shape[1:]), np.float32)
            whole[begin:end] = values
            return self._replicas.total(whole.ravel()).reshape(whole.shape)

        accessibility = None if own.accessibility is None else gathered(own.accessibility)
        return gathered(own.expression), accessibility

    def _record(
        self, evaluation: _Evaluation, seconds: float, sequences_per_second: float
    ) -> EpochRecord:
        state = self._state
        validated = self._plan.validation is not None
        steps_before = state.history[-1].step if state.history else 0
        return EpochRecord(
            stage=state.stage + 1,
            epoch=state.epoch + 1,
            total_epoch=len(state.history) + 1,
            step=steps_before + self._steps,
            learning_rate=self._last_learning_rate(),
            loss=state.loss_sum / state.sequences * self._loss.factor,
            penalty=state.penalty_sum / state.sequences * self._loss.factor,
            validation_loss=evaluation.loss * self._loss.factor if validated else None,
            validation_r=_defined(evaluation.r) if validated else None,
            validation_r_squared=_defined(evaluation.r_squared) if validated else None,
            loss_scale=loss_scale(self._optimizer),
            seconds=seconds,
            sequences_per_second=sequences_per_second,
        )

    def _values(self) -> dict[str, np.ndarray]:
        # A scalar variable's numpy() is not an array.
        return {name: np.asarray(value.numpy()) for name, value in self._variables.items()}

    def _assign(self, values: dict[str, np.ndarray]) -> None:
        for name, value in values.items():
            self._variables[name].assign(value)

    def _save(self) -> None:
        """Writes a checkpoint within an epoch."""
        if self._replicas.is_chief:
            self._keep()
            self._checkpoints.save(self._state)

    def _keep(self) -> None:
        """Copies the variables to the state."""
        self._state.parameters = self._values()
        self._state.optimizer = [variable.numpy() for variable in self._optimizer.variables]


def _mean_agreement(predicted: np.ndarray, measured: np.ndarray) -> tuple[float, float]:
    """Pearson's r and R² of predictions [N]; of outputs [N, T], the means of those of each.

    Measurements that are missing are left out.
    """
    columns = [each.reshape(len(predicted), -1).T for each in (predicted, measured)]
    known = [
        (one[there], other[there])
        for one, other in zip(*columns, strict=True)
        if (there := np.isfinite(other)).any()
    ]
    r = [pearson_correlation(*each) for each in known]
    explained = [r_squared(*each) for each in known]
    if not known:
        return np.nan, np.nan
    return float(np.mean(r)), float(np.mean(explained))


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else value
