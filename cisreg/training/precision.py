"""Mixed precision: what is computed in 16 bits, and how the loss is scaled for it."""

from __future__ import annotations

from typing import Literal

import keras
import tensorflow as tf

from cisreg.choices import ComputeDtype

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]

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


def gradient_is_sound(optimizer: keras.optimizers.Optimizer, finite: tf.Tensor) -> tf.Tensor:
    """Whether training may continue after a gradient that is `finite` or not (bool scalars).

    Call it before the optimizer gets the gradient. A gradient that is not finite does not stop
    training as long as a smaller loss scale may help.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return finite | (tf.convert_to_tensor(optimizer.dynamic_scale) > _SMALLEST_SCALE)
    return finite
