"""A training run in progress: stages, epochs, validation, early stopping, checkpoints."""

from __future__ import annotations

import logging
import os
import time
from typing import NamedTuple, NoReturn

import numpy as np
import tensorflow as tf

from cisreg.data import Dataset, epoch_order
from cisreg.metrics import pearson_correlation, r_squared
from cisreg.training.checkpoint import Checkpoints
from cisreg.training.health import HealthCheck
from cisreg.training.monitor import Monitor
from cisreg.training.plan import TrainingPlan
from cisreg.training.precision import compute_dtype, loss_scale
from cisreg.training.reports import StepRecord, StepWindow, Trace
from cisreg.training.schedules import StageLearningRate
from cisreg.training.stages import Stage, make_optimizer
from cisreg.training.state import Best, EpochRecord, TrainingState
from cisreg.training.step import (
    EpochData,
    Objective,
    StepTotals,
    make_predict_batches,
    make_train_steps,
    steps_per_epoch,
)
from cisreg.training.vector import ParameterVector

logger = logging.getLogger("cisreg.training")

# Without a validation set, this many training sequences stand in for it in the health checks.
_PROBE_SEQUENCES = 1024


class NonFiniteLossError(ArithmeticError):
    """Training met a loss, gradient, parameter or prediction that is infinite or not a number."""


class _Evaluation(NamedTuple):
    loss: float
    r: float
    r_squared: float
    accessibility: np.ndarray | None


class TrainingRun:
    """Carries a plan out from where a state stands.

    Args:
        plan: what to do.
        state: where to begin; kept up to date while the run goes on.
        monitor: told of each epoch.
        checkpoints: where the state is saved.
        steps_per_call: steps run by one call of the compiled function, at most.
        report_every: see `fit`.
        profile_directory: see `fit`.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        state: TrainingState,
        monitor: Monitor,
        checkpoints: Checkpoints,
        steps_per_call: int,
        report_every: int | None = None,
        profile_directory: str | os.PathLike[str] | None = None,
    ) -> None:
        self._plan = plan
        self._state = state
        self._monitor = monitor
        self._checkpoints = checkpoints
        self._steps_per_call = steps_per_call
        self._count = len(plan.training)
        self._window = StepWindow(report_every)
        self._trace = Trace(profile_directory, self._calls())
        self._variables = {
            name: tf.Variable(value, name=name) for name, value in state.parameters.items()
        }
        self._predict = make_predict_batches(plan.spec, self._variables, plan.implementation)
        self._health = HealthCheck(plan.training.expression)
        self._sequence = tf.constant(plan.training.sequence)
        self._expression = tf.constant(plan.training.expression)

    def _calls(self) -> int:
        """Calls of the compiled function in a whole run, at most."""
        steps = [steps_per_epoch(self._count, stage.batch_size) for stage in self._plan.stages]
        return sum(
            stage.epochs * -(-each // self._steps_per_call)
            for stage, each in zip(self._plan.stages, steps, strict=True)
        )

    def run(self) -> None:
        """Runs all stages that the state has not finished.

        Raises:
            NonFiniteLossError: a loss, gradient, parameter or prediction that is not finite.
        """
        while self._state.stage < len(self._plan.stages):
            index = self._state.stage
            self._begin_stage(self._plan.stages[index])
            while self._state.stage == index:
                self._run_epoch()

    def _begin_stage(self, stage: Stage) -> None:
        self._stage = stage
        logger.debug("stage %d: %s", self._state.stage + 1, stage)
        self._steps = steps_per_epoch(self._count, stage.batch_size)
        self._vector = ParameterVector(self._variables, stage.trainable)
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
            self._optimizer,
            self._objective(),
            implementation=self._plan.implementation,
            compute_dtype=compute_dtype(self._plan.precision),
        )
        if stage.patience is not None and self._state.best is None:
            assert self._plan.validation is not None  # the plan checked it
            loss = self._evaluate(self._plan.validation).loss
            self._state.best = Best(loss, len(self._state.history), self._values())

    def _objective(self) -> Objective:
        return Objective(
            loss=self._plan.loss,
            penalty=self._stage.penalty or self._plan.penalty,
            initial={name: tf.constant(value) for name, value in self._plan.initial.items()},
            column_range=self._plan.column_range,
        )

    def _run_epoch(self) -> None:
        state = self._state
        total_epoch = len(state.history) + 1
        order = tf.constant(epoch_order(self._count, self._plan.seed, total_epoch))
        data = EpochData(self._sequence, self._expression, order)
        first_step, began = state.step, time.perf_counter()
        self._monitor.begin_epoch(state.stage + 1, state.epoch + 1, self._rows(first_step))
        while state.step < self._steps:
            self._run_steps(data)
            self._monitor.advance(self._rows(state.step), state.loss_sum / self._rows(state.step))
            if state.step < self._steps and self._checkpoints.due(state.step):
                self._keep()
                self._checkpoints.save(state)
        seconds = time.perf_counter() - began
        self._finish_epoch(seconds, self._count - self._rows(first_step))

    def _rows(self, step: int) -> int:
        """Sequences in the first `step` batches of an epoch."""
        return step * self._count // self._steps

    def _run_steps(self, data: EpochData) -> None:
        state = self._state
        before = StepTotals(
            tf.constant(state.step, tf.int64),
            tf.constant(state.loss_sum, tf.float64),
            tf.constant(state.penalty_sum, tf.float64),
            tf.constant(True),
        )
        steps = min(self._steps_per_call, self._window.room or self._steps_per_call)
        stop = min(state.step + steps, self._steps)
        with self._trace.watch():
            after = self._train_steps(
                data, before, tf.constant(stop, tf.int64), tf.constant(self._steps, tf.int64)
            )
        if not after.finite:
            self._stop(
                f"step {int(after.step)}: the loss, its gradient or a parameter is not finite"
            )
        self._report(stop, float(after.loss) - state.loss_sum)
        state.step = stop
        state.loss_sum = float(after.loss)
        state.penalty_sum = float(after.penalty)

    def _report(self, stop: int, loss_sum: float) -> None:
        """Takes the steps up to `stop` into the window, and tells of it where it is full."""
        state, steps = self._state, self._window.steps
        sequences = self._rows(stop) - self._rows(state.step)
        mean = self._window.add(stop - state.step, sequences, loss_sum)
        if mean is not None:
            before = state.history[-1].step if state.history else 0
            self._monitor.report(
                StepRecord(
                    stage=state.stage + 1,
                    epoch=state.epoch + 1,
                    step=before + stop,
                    steps=steps + stop - state.step,
                    loss=mean,
                    learning_rate=self._last_learning_rate(),
                )
            )

    def _last_learning_rate(self) -> float:
        # Steps that a loss scale skips do not count; it may have skipped all.
        return float(self._learning_rate(tf.maximum(self._optimizer.iterations.value - 1, 0)))

    def _stop(self, what: str) -> NoReturn:
        state, stage = self._state, self._stage
        raise NonFiniteLossError(
            f"stage {state.stage + 1}, epoch {state.epoch + 1}, {what}; train anew with a lower "
            f"learning_rate (now {stage.learning_rate:g} at most) or start from other parameters. "
            f"{self._checkpoints.advice()}"
        )

    def _finish_epoch(self, seconds: float, trained_on: int) -> None:
        state = self._state
        raw = self._values()
        # Where the stage averages, the average stands for the parameters from here on.
        self._optimizer.finalize_variable_values([self._vector.variable])
        self._vector.write()
        values = self._values()
        validation = self._plan.validation
        evaluation = self._evaluate(self._probe() if validation is None else validation)
        record = self._record(evaluation, seconds, trained_on / seconds)
        state.history.append(record)
        state.epoch, state.step, state.loss_sum, state.penalty_sum = state.epoch + 1, 0, 0.0, 0.0
        if state.best is not None and evaluation.loss < state.best.validation_loss:
            state.best = Best(evaluation.loss, record.total_epoch, values)
        self._monitor.end_epoch(record, values, evaluation.accessibility)
        self._health.check(record.stage, values, evaluation.accessibility, evaluation.r_squared)
        if self._stage_is_over():
            self._finish_stage(values)
        else:
            self._assign(raw)
            self._keep()
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

    def _probe(self) -> Dataset:
        return self._plan.training.take(np.arange(min(self._count, _PROBE_SEQUENCES)))

    def _evaluate(self, dataset: Dataset) -> _Evaluation:
        prediction = self._predict(dataset.sequence)
        loss = float(
            self._plan.loss(tf.constant(prediction.expression), tf.constant(dataset.expression))
        )
        if not (np.isfinite(prediction.expression).all() and np.isfinite(loss)):
            self._stop("validation: predictions or loss are not finite")
        return _Evaluation(
            loss,
            pearson_correlation(prediction.expression, dataset.expression),
            r_squared(prediction.expression, dataset.expression),
            prediction.accessibility,
        )

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
            loss=state.loss_sum / self._count,
            penalty=state.penalty_sum / self._count,
            validation_loss=evaluation.loss if validated else None,
            validation_r=_defined(evaluation.r) if validated else None,
            validation_r_squared=_defined(evaluation.r_squared) if validated else None,
            loss_scale=loss_scale(self._optimizer),
            seconds=seconds,
            sequences_per_second=sequences_per_second,
        )

    def _values(self) -> dict[str, np.ndarray]:
        # A scalar variable's numpy() is no array.
        return {name: np.asarray(value.numpy()) for name, value in self._variables.items()}

    def _assign(self, values: dict[str, np.ndarray]) -> None:
        for name, value in values.items():
            self._variables[name].assign(value)

    def _keep(self) -> None:
        """Takes the variables into the state."""
        self._state.parameters = self._values()
        self._state.optimizer = [variable.numpy() for variable in self._optimizer.variables]


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else value
