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
# At this scale even a gradient of 2^30 fits into float16 (at most 2^16): a gradient that is still
# not finite has another cause than the range of float16.
_SMALLEST_SCALE = 2.0**-14


def compute_dtype(precision: Precision) -> ComputeDtype:
    """What the occupancy operation computes its sites in.

    Example:
        >>> compute_dtype("mixed_bfloat16")
        'bfloat16'
    """
    return _COMPUTE_DTYPE[precision]


def with_loss_scale(
    optimizer: keras.optimizers.Optimizer, precision: Precision
) -> keras.optimizers.Optimizer:
    """The optimizer, for "mixed_float16" within Keras' dynamic loss scaling.

    Its scale begins at 2^15, is halved at each gradient that is not finite, which is not applied,
    and doubled after 2,000 others. Numbers of bfloat16 reach as far as those of float32: they want
    no scale.
    """
    if precision != "mixed_float16":
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)


def loss_scale(optimizer: keras.optimizers.Optimizer) -> float | None:
    """The scale at present, or None where there is none."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return float(optimizer.dynamic_scale.numpy())
    return None


def gradient_is_sound(optimizer: keras.optimizers.Optimizer, finite: tf.Tensor) -> tf.Tensor:
    """Whether training may go on after a gradient that is `finite` or not (bool scalars).

    Call it before the optimizer gets the gradient. A gradient that is not finite does not stop
    training while a smaller scale may help.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return finite | (tf.convert_to_tensor(optimizer.dynamic_scale) > _SMALLEST_SCALE)
    return finite
