"""The scan of models whose sites exclude each other."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from cisreg.choices import ComputeDtype
from cisreg.exclusive import exclusive_occupancy

logger = logging.getLogger("cisreg.model")


def exclusive_occupancies(
    *arguments: tf.Tensor,
    position_weights: Sequence[tf.Tensor],
    compute_dtype: ComputeDtype,
    **options: Any,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Occupancy with any number of sets of position weights, one scan for each.

    Args:
        arguments: sequence, log_kd and log_concentration of `cisreg.exclusive_occupancy`.
        position_weights: [2, P, M] each.
        compute_dtype: of the model; another one than float32 is not used, and the log says so.
        options: more arguments of `cisreg.exclusive_occupancy`.

    Returns:
        (bound [N, 2, M], the sums with each set of weights [N, 2, M]).

    Example:
        >>> codes, log_kd = tf.zeros([1, 2], tf.uint8), np.zeros((2, 4, 1))
        >>> options = {"padding": "valid", "compute_dtype": "float32"}
        >>> bound, _ = exclusive_occupancies(
        ...     codes, log_kd, np.zeros(1), position_weights=[], **options
        ... )
        >>> bound.numpy().round(3).tolist()
        [[[0.333], [0.333]]]
    """
    if compute_dtype != "float32":
        _say_float32(compute_dtype)
    scans = [
        exclusive_occupancy(*arguments, position_weight=each, **options)
        for each in (position_weights or [None])
    ]
    return scans[0].bound, [each.weighted for each in scans if each.weighted is not None]


@functools.cache
def _say_float32(compute_dtype: str) -> None:
    logger.warning(
        "sites that exclude each other are computed in float32, not in %s: precision changes "
        "nothing",
        compute_dtype,
    )
