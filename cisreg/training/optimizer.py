"""The Keras optimizer of a stage, with its learning rate."""

from __future__ import annotations

import keras
import tensorflow as tf

from cisreg.choices import Precision
from cisreg.training.precision import with_loss_scale
from cisreg.training.schedules import (
    Constant,
    CosineWarmup,
    ExponentialDecay,
    Schedule,
    TriangularCycle,
)
from cisreg.training.stages import OPTIMIZER_OPTIONS, Stage

_OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}

# Their factors may be computed for many steps at once; those of a user's schedule, which takes a
# scalar, may not.
_ELEMENTWISE = (Constant, CosineWarmup, ExponentialDecay, TriangularCycle)


class StageLearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate for a Keras optimizer: the stage's rate times its schedule's factor.

    Args:
        learning_rate: the rate where the factor is 1.
        schedule: the factor.
        epochs: epochs of the stage.
        steps_per_epoch: optimizer steps in one epoch.
    """

    def __init__(
        self, learning_rate: float, schedule: Schedule, epochs: int, steps_per_epoch: int
    ) -> None:
        self._learning_rate = learning_rate
        self._schedule = schedule
        self._epochs = epochs
        self._steps_per_epoch = steps_per_epoch

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The learning rate, float32 scalar, of the next step after `step` finished steps."""
        passed = tf.cast(tf.cast(step, tf.float64) / self._steps_per_epoch, tf.float32)
        return self._learning_rate * self._schedule.factor(passed, self._epochs)

    def of_each(self, steps: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
        """The learning rate after each of these numbers of finished steps, float64 [n].

        Only the first `wanted` (int32 scalar) rates matter: a schedule may have no others.
        """
        if type(self._schedule) in _ELEMENTWISE:
            return self(steps)
        rates = tf.map_fn(
            lambda step: tf.cast(self(step), tf.float32),
            steps[:wanted],
            fn_output_signature=tf.float32,
        )
        return tf.pad(rates, [[0, tf.size(steps) - wanted]])


def make_optimizer(
    stage: Stage, learning_rate: StageLearningRate, precision: Precision = "float32"
) -> keras.optimizers.Optimizer:
    """The stage's Keras optimizer at this learning rate, with the stage's moving average if any.

    For "mixed_float16" the loss is scaled, see `cisreg.training.precision.with_loss_scale`.
    """
    options = {name: getattr(stage, name) for name in OPTIMIZER_OPTIONS[stage.optimizer]}
    if stage.average_decay is not None:
        options |= {"use_ema": True, "ema_momentum": stage.average_decay}
    optimizer = _OPTIMIZERS[stage.optimizer](learning_rate=learning_rate, **options)
    return with_loss_scale(optimizer, precision)
