"""What losses have in common: their arguments, how they add up, and how they scale."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf


def is_sum(loss: Callable[..., tf.Tensor]) -> bool:
    """Whether a loss is a sum over sequences (its attribute `is_sum` is True) or a mean.

    Training needs this to combine the losses of replicas that share a batch.

    Args:
        loss: a function, or a `functools.partial` of one.

    Example:
        >>> is_sum(mean_squared_error), is_sum(negative_log_likelihood)
        (False, True)
    """
    return bool(getattr(function_of(loss), "is_sum", False))


def unit_exponent(loss: Callable[..., tf.Tensor]) -> int | None:
    """How a loss scales with the unit of expression: its attribute `unit_exponent`, or None.

    A loss with exponent k depends only on predicted - measured, and is multiplied by s^k if both
    are multiplied by s. Training then computes it in the standard unit, like the penalties. Without
    the attribute (None) it is computed in the unit of the measurements.

    Args:
        loss: a function, or a `functools.partial` of one.

    Example:
        >>> unit_exponent(mean_squared_error), unit_exponent(negative_log_likelihood)
        (2, None)
    """
    return getattr(function_of(loss), "unit_exponent", None)


def takes_missing(loss: Callable[..., tf.Tensor]) -> bool:
    """Whether a loss takes NaN for those of several measurements of a sequence that are missing.

    Noise models do, and functions whose attribute `takes_missing` is True. For the others, rows of
    files that lack one of several replicates are left out.

    Args:
        loss: a function, a `functools.partial` of one, or a noise model.

    Example:
        >>> takes_missing(mean_squared_error), takes_missing(negative_log_likelihood)
        (True, False)
    """
    return bool(getattr(function_of(loss), "takes_missing", False))


def function_of(loss: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """The function that a `functools.partial` is of; any other loss itself."""
    while isinstance(loss, functools.partial):
        loss = loss.func
    return loss


def loss_tensors(
    predicted: tf.Tensor, measured: tf.Tensor, weight: tf.Tensor | None, *, several: bool
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """The arguments of a loss, all [N]; `measured` may be [N, K] with `several`.

    Of T outputs, predictions and measurements are [N, T], and weights [N].

    Raises:
        ValueError: other shapes, so that nothing is broadcast along the sequences.
    """
    import tensorflow as tf

    given = {"predicted": predicted, "measured": measured, "weight": weight}
    tensors = {name: tf.convert_to_tensor(each) for name, each in given.items() if each is not None}
    predictions = tensors["predicted"].shape
    one = "[N] or [N, K]" if several else "[N]"
    expected = {
        "predicted": "[N] of one output, or [N, T] of T outputs,",
        "measured": f"{one} with predictions [N], or [N, T] with predictions [N, T],",
        "weight": "[N] for all predictions,",
    }
    for name, tensor in tensors.items():
        if not _fits(name, tensor.shape, predictions, several):
            raise ValueError(
                f"{name}: expected shape {expected[name]} got {tensor.shape} with predictions "
                f"{predictions}"
            )
    return tensors["predicted"], tensors["measured"], tensors.get("weight")


def _fits(name: str, shape: tf.TensorShape, predictions: tf.TensorShape, several: bool) -> bool:
    """Whether an argument of a loss has a shape for predictions of this shape."""
    if shape.rank is None or predictions.rank is None:
        return True
    if name == "predicted":
        # A column [N, 1] is a mistake: a model of one output predicts [N].
        return shape.rank == 1 or (shape.rank == 2 and shape[1] != 1)
    if name == "measured" and predictions.rank == 2:
        return shape.is_compatible_with(predictions)
    ranks = (1, 2) if several and name == "measured" else (1,)
    return shape.rank in ranks and shape[:1].is_compatible_with(predictions[:1])


def where_measured(measured: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where measurements are there (bool), and the measurements with 0 in place of NaN.

    What is computed of a NaN would have a NaN gradient even where it is not chosen.
    """
    import tensorflow as tf

    there = tf.math.is_finite(measured)
    return there, tf.where(there, measured, tf.zeros_like(measured))


def known_number(upstream: tf.Tensor) -> np.ndarray | None:
    """The number that an upstream gradient always is, as a graph knows it; else None.

    Outside of graphs every number is known, but may be one that something else is differentiated
    by, such as a weight of the loss.
    """
    import tensorflow as tf

    return None if tf.executing_eagerly() else tf.get_static_value(upstream)
