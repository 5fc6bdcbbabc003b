"""Mixed precision: what is computed in 16 bits, and how the loss is scaled for it."""

from __future__ import annotations

import keras
import tensorflow as tf

from cisreg.choices import ComputeDtype, Precision
from cisreg.training.variables import assign, read

_COMPUTE_DTYPE: dict[Precision, ComputeDtype] = {
    "float32": "float32",
    "mixed_bfloat16": "bfloat16",
    "mixed_float16": "float16",
}
# At this scale even a gradient of 2^30 fits into float16 (at most 2^16). If it is still not finite,
# the range of float16 is not the cause.
_SMALLEST_SCALE = 2.0**-14


def compute_dtype(precision: Precision) -> ComputeDtype:
    """The dtype in which the occupancy operation computes its sites.

    Example:
        >>> compute_dtype("mixed_bfloat16")
        'bfloat16'
    """
    return _COMPUTE_DTYPE[precision]


def with_loss_scale(
    optimizer: keras.optimizers.Optimizer, precision: Precision
) -> keras.optimizers.Optimizer:
    """The optimizer; for "mixed_float16" with Keras' dynamic loss scaling around it.

    The scale starts at 2^15. It is halved at each gradient that is not finite, whose step is
    skipped, and doubled after 2,000 finite ones in a row. bfloat16 has the range of float32 and
    needs no loss scale.
    """
    if precision != "mixed_float16":
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)


def loss_scale(optimizer: keras.optimizers.Optimizer) -> float | None:
    """The current loss scale, or None if the optimizer has none."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return float(optimizer.dynamic_scale.numpy())
    return None


class LossScale:
    """The dynamic loss scale of a Keras optimizer, adapted without asking the host.

    Keras decides by a condition, for which the host waits for the device in every step. Here both
    branches are computed and one is chosen.

    Args:
        optimizer: built; its variables hold the state, so that checkpoints contain it.
    """

    def __init__(self, optimizer: keras.optimizers.LossScaleOptimizer) -> None:
        self._scale = optimizer.dynamic_scale
        self._counter = optimizer.step_counter
        self._growth_steps = optimizer.dynamic_growth_steps

    def value(self) -> tf.Tensor:
        """The scale, float32 scalar."""
        return read(self._scale)

    def complaint(self, size: tf.Tensor) -> tf.Tensor:
        """`size` of a gradient, but 0 as long as a smaller scale may help if it is not finite."""
        return tf.where(self.value() > _SMALLEST_SCALE, 0.0, size)

    def adapt(self, finite: tf.Tensor) -> None:
        """Halves the scale after a gradient that is not finite; doubles it after many that are."""
        count = read(self._counter) + 1
        full = tf.equal(count, self._growth_steps)
        factor = tf.where(finite, tf.where(full, 2.0, 1.0), 0.5)
        assign(self._scale, self.value() * factor)
        goes_on = finite & ~full
        assign(self._counter, tf.where(goes_on, count, tf.zeros_like(count)))
