"""One optimizer step in a few operations, none of which waits for the host."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from cisreg import devices
from cisreg.training.optimizer import StageLearningRate
from cisreg.training.precision import LossScale
from cisreg.training.variables import assign, handle, read

# TensorFlow computes functions of a vector in registers of up to 16 numbers, and of what is left
# over one by one, with another rounding. So tables have a multiple of this many numbers, and none
# depends on the step at which a call begins.
_TABLE_ROWS = 64


class StepTable(NamedTuple):
    """What the updates of one call need, computed once at its start.

    Attributes:
        before: int64 scalar, updates before the call.
        size: float32 [n], the size of each update: the learning rate, for Adam with the correction
            of its moments.
        share: float32 [n], the share of the new parameters in their moving average.
    """

    before: tf.Tensor
    size: tf.Tensor
    share: tf.Tensor


class StepUpdate:
    """Updates the trained variable as a Keras optimizer does, except for rounding.

    The state is in the variables of the Keras optimizer. Keras starts a dozen operations for an
    update, more for the learning rate, and with a loss scale a condition for which the host waits;
    TensorFlow has a single operation for each of these optimizers.

    Args:
        optimizer: built for `variable` only.
        rate: its learning rate.
        variable: float32 [K], the trained parameters.
    """

    def __init__(
        self, optimizer: keras.optimizers.Optimizer, rate: StageLearningRate, variable: tf.Variable
    ) -> None:
        self.scale: LossScale | None = None
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            self.scale = LossScale(optimizer)
            optimizer = optimizer.inner_optimizer
        self._optimizer = optimizer
        self._rate = rate
        self._variable = variable
        # Keras' names: iteration, then trained_<slot> for each slot.
        slots = {each.name.rpartition("_")[2]: each for each in optimizer.variables}
        self._iterations = slots.pop("iteration")
        self._average = slots.pop("average", None)
        self._slots = slots

    def table(self, steps: tf.Tensor) -> StepTable:
        """The table for the next `steps` (int32 scalar) updates."""
        rows = (steps + _TABLE_ROWS - 1) // _TABLE_ROWS * _TABLE_ROWS
        before = read(self._iterations)
        # Counted up on the device: the host's integers would have to be copied there.
        after = tf.cumsum(tf.ones([rows], tf.float64))
        numbers = tf.cast(before, tf.float64) + after
        size = self._rate.of_each(numbers - 1, steps)
        if isinstance(self._optimizer, keras.optimizers.Adam):
            size *= tf.cast(self._bias_correction(numbers), tf.float32)
        share = tf.zeros_like(size)
        if self._average is not None:
            # The average begins with the first parameters.
            share = tf.where(numbers > 1, 1.0 - self._optimizer.ema_momentum, 1.0)
        if self.scale is None:
            # No step will be skipped.
            count = tf.cast(tf.reduce_sum(tf.ones([steps], tf.float64)), tf.int64)
            self._count(count)
        return StepTable(before, size, share)

    def _count(self, updates: tf.Tensor) -> None:
        tf.raw_ops.AssignAddVariableOp(resource=handle(self._iterations), value=updates)

    def _bias_correction(self, numbers: tf.Tensor) -> tf.Tensor:
        # In float64, since 1 - 0.999 has few digits left in float32.
        first, second = (
            1.0 - tf.pow(tf.constant(decay, tf.float64), numbers)
            for decay in (self._optimizer.beta_1, self._optimizer.beta_2)
        )
        return tf.sqrt(second) / first

    def apply(self, gradient: tf.Tensor, table: StepTable, index: tf.Tensor) -> tf.Tensor:
        """Updates the variable.

        Args:
            gradient: float32 [K], multiplied by the loss scale if there is one.
            table: of this call.
            index: int32, steps of this call before this one.

        Returns:
            float32 scalar that is not finite if the step was skipped, since the gradient was not
            finite, and no smaller loss scale may help.
        """
        if self.scale is None:
            self._update(gradient, table.size[index], lambda: table.share[index])
            return tf.constant(0.0)
        size = tf.nn.l2_loss(gradient)
        finite, complaint = tf.math.is_finite(size), self.scale.complaint(size)
        done = read(self._iterations) - table.before
        changed = [each for each in (self._variable, self._average) if each is not None]
        changed += self._slots.values()
        kept = [read(each) for each in changed]
        self._update(
            gradient / self.scale.value(),
            tf.gather(table.size, done),
            lambda: tf.gather(table.share, done),
        )
        for variable, value in zip(changed, kept, strict=True):
            assign(variable, tf.where(finite, read(variable), value))
        self._count(tf.cast(finite, tf.int64))
        self.scale.adapt(finite)
        return complaint

    def _update(self, gradient: tf.Tensor, size: tf.Tensor, share: Any) -> None:
        _UPDATES[type(self._optimizer)](
            self._optimizer, handle(self._variable), self._slots, gradient, size
        )
        if self._average is not None:
            difference = read(self._average) - read(self._variable)
            tf.raw_ops.ResourceApplyGradientDescent(
                var=handle(self._average), alpha=share(), delta=difference
            )


def _adam(
    optimizer: Any, variable: tf.Tensor, slots: dict[str, Any], gradient: tf.Tensor, size: tf.Tensor
) -> None:
    if not devices.listed_gpus():
        _adam_on_cpu(optimizer, variable, slots, gradient, size)
        return
    # The powers correct for the bias of the moments, which `size` has done already.
    tf.raw_ops.ResourceApplyAdam(
        var=variable,
        m=handle(slots["momentum"]),
        v=handle(slots["velocity"]),
        beta1_power=0.0,
        beta2_power=0.0,
        lr=size,
        beta1=optimizer.beta_1,
        beta2=optimizer.beta_2,
        epsilon=optimizer.epsilon,
        grad=gradient,
    )


def _adam_on_cpu(
    optimizer: Any, variable: tf.Tensor, slots: dict[str, Any], gradient: tf.Tensor, size: tf.Tensor
) -> None:
    """The same in operations that stay on one thread for as few numbers as a model has.

    TensorFlow's single one always shares its work among the threads, and waits for them.
    """
    momentum, velocity = slots["momentum"], slots["velocity"]
    change = (gradient - read(momentum)) * (1.0 - optimizer.beta_1)
    tf.raw_ops.AssignAddVariableOp(resource=handle(momentum), value=change)
    change = (tf.square(gradient) - read(velocity)) * (1.0 - optimizer.beta_2)
    tf.raw_ops.AssignAddVariableOp(resource=handle(velocity), value=change)
    change = read(momentum) * size / (tf.sqrt(read(velocity)) + optimizer.epsilon)
    tf.raw_ops.AssignSubVariableOp(resource=variable, value=change)


def _rmsprop(
    optimizer: Any, variable: tf.Tensor, slots: dict[str, Any], gradient: tf.Tensor, size: tf.Tensor
) -> None:
    velocity = handle(slots["velocity"])
    if "momentum" in slots:
        tf.raw_ops.ResourceApplyRMSProp(
            var=variable,
            ms=velocity,
            mom=handle(slots["momentum"]),
            lr=size,
            rho=optimizer.rho,
            momentum=optimizer.momentum,
            epsilon=optimizer.epsilon,
            grad=gradient,
        )
        return
    change = read(slots["velocity"]) - tf.square(gradient)
    tf.raw_ops.ResourceApplyGradientDescent(var=velocity, alpha=1.0 - optimizer.rho, delta=change)
    direction = gradient * tf.math.rsqrt(read(slots["velocity"]) + optimizer.epsilon)
    tf.raw_ops.ResourceApplyGradientDescent(var=variable, alpha=size, delta=direction)


def _sgd(
    optimizer: Any, variable: tf.Tensor, slots: dict[str, Any], gradient: tf.Tensor, size: tf.Tensor
) -> None:
    if "momentum" not in slots:
        tf.raw_ops.ResourceApplyGradientDescent(var=variable, alpha=size, delta=gradient)
        return
    tf.raw_ops.ResourceApplyKerasMomentum(
        var=variable,
        accum=handle(slots["momentum"]),
        lr=size,
        grad=gradient,
        momentum=optimizer.momentum,
        use_nesterov=optimizer.nesterov,
    )


_UPDATES = {
    keras.optimizers.Adam: _adam,
    keras.optimizers.RMSprop: _rmsprop,
    keras.optimizers.SGD: _sgd,
}
