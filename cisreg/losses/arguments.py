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


def function_of(loss: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """The function that a `functools.partial` is of; any other loss itself."""
    while isinstance(loss, functools.partial):
        loss = loss.func
    return loss


def loss_tensors(
    predicted: tf.Tensor, measured: tf.Tensor, weight: tf.Tensor | None, *, several: bool
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """The arguments of a loss, all [N]; `measured` may be [N, K] with `several`.

    Raises:
        ValueError: other shapes, so that nothing is broadcast along the sequences.
    """
    import tensorflow as tf

    given = {"predicted": predicted, "measured": measured, "weight": weight}
    tensors = {name: tf.convert_to_tensor(each) for name, each in given.items() if each is not None}
    for name, tensor in tensors.items():
        ranks = (1, 2) if several and name == "measured" else (1,)
        shape, count = tensor.shape, tensors["predicted"].shape[:1]
        if shape.rank is None or (shape.rank in ranks and shape[:1].is_compatible_with(count)):
            continue
        expected = "[N] or [N, K]" if len(ranks) > 1 else "[N]"
        raise ValueError(
            f"{name}: expected shape {expected} with predictions [N], got {shape} with predictions "
            f"{tensors['predicted'].shape}"
        )
    return tensors["predicted"], tensors["measured"], tensors.get("weight")


def known_number(upstream: tf.Tensor) -> np.ndarray | None:
    """The number that an upstream gradient always is, as a graph knows it; else None.

    Outside of graphs every number is known, but may be one that something else is differentiated
    by, such as a weight of the loss.
    """
    import tensorflow as tf

    return None if tf.executing_eagerly() else tf.get_static_value(upstream)
