"""The squared error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cisreg.losses.arguments import known_number, loss_tensors, where_measured

if TYPE_CHECKING:
    import tensorflow as tf


def mean_squared_error(
    predicted: tf.Tensor, measured: tf.Tensor, weight: tf.Tensor | None = None
) -> tf.Tensor:
    """Mean over sequences of weight (predicted - measured)^2.

    Where a sequence has several measurements, replicates or outputs, its loss is their sum divided
    by their number, in which missing ones count and add 0. So every measurement counts alike, and
    the loss of a batch is the mean of those of its parts. Sums are divided by N, not by the sum of
    weights.

    Args:
        predicted: float32 [N]; or [N, T], of T outputs.
        measured: float32 [N], same unit; [N, K]: K measurements of each sequence; [N, T] with
            predictions [N, T]: one of each output. NaN among several: it is missing.
        weight: float32 [N]; None: 1 for all.

    Returns:
        float32 scalar.

    Raises:
        ValueError: other shapes. TensorFlow would broadcast some of them, such as predictions
            [N, 1] to [N, N].

    Example:
        >>> float(mean_squared_error(tf.constant([1.0, 2.0]), tf.constant([1.0, 4.0])))
        2.0
    """
    import tensorflow as tf

    predicted, measured, weight = loss_tensors(predicted, measured, weight, several=True)
    if measured.shape.rank == 1 and weight is None:
        return _mean_of_squares(predicted, measured)
    if measured.shape.rank == 2:
        there, known = where_measured(measured)
        each = predicted if predicted.shape.rank == 2 else predicted[:, None]
        difference = tf.math.squared_difference(each, known)
        difference = tf.where(there, difference, tf.zeros_like(difference))
        # The gradient of a mean that drops its axis computes shapes on a GPU, for which the host
        # waits.
        squared = tf.squeeze(tf.reduce_mean(difference, axis=1, keepdims=True), axis=1)
    else:
        squared = tf.math.squared_difference(predicted, measured)
    return tf.reduce_mean(squared if weight is None else weight * squared)


mean_squared_error.unit_exponent = 2  # type: ignore[attr-defined]
mean_squared_error.takes_missing = True  # type: ignore[attr-defined]


def _mean_of_squares(predicted: tf.Tensor, measured: tf.Tensor) -> tf.Tensor:
    """Mean of (predicted - measured)^2, [N] both, with a gradient that stays on the device.

    TensorFlow's own gradient of a mean takes the number of values from a shape, which lies in the
    memory of the host even if the values are on a GPU; this one counts them where they are.
    """
    import tensorflow as tf

    @tf.custom_gradient
    def mean(
        predicted: tf.Tensor, measured: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        difference = predicted - measured

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            half_count = tf.reduce_sum(tf.fill(tf.shape(difference), 0.5))
            half_count = tf.cast(half_count, difference.dtype)
            if known_number(upstream) == 1.0:
                of_predicted = difference / half_count
            else:
                of_predicted = difference * (upstream / half_count)
            return of_predicted, -of_predicted

        return tf.reduce_mean(tf.square(difference)), gradient

    return mean(predicted, measured)
