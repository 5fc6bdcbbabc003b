"""One-hot sequences for the fused operation, which reads base codes: exact, and with a gradient."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from cisreg.contract import require
from cisreg.occupancy_checks import UNKNOWN

logger = logging.getLogger("cisreg.occupancy")

Sums = tuple[tf.Tensor, tf.Tensor | None]


def codes_if_known(soft: tf.Tensor) -> tf.Tensor | None:
    """Base codes of a sequence [N, L, 4] that is known to be exactly one-hot; otherwise None.

    Each base must be one 1 and three 0, or four 0 if it is unknown. The values of a tensor in a
    graph are not known.

    Example:
        >>> codes_if_known(tf.constant([[[0.0, 0, 1, 0], [0, 0, 0, 0]]])).numpy()
        array([[2, 4]], dtype=uint8)
    """
    if tf.executing_eagerly():
        exact = bool(tf.reduce_all(_is_exact(soft)))
    elif (known := tf.get_static_value(soft)) is None:
        _say_unknown()
        return None
    else:
        exact = bool(np.isin(known, (0, 1)).all() and known.sum(axis=-1).max(initial=0) <= 1)
    if not exact:
        return None
    _say_codes()
    return _codes(soft)


def codes_or_refusal(soft: tf.Tensor) -> tf.Tensor:
    """Base codes of a one-hot sequence; in a graph, it is checked when it runs.

    Raises:
        tf.errors.InvalidArgumentError: a base that is neither one-hot nor all zero.

    Example:
        >>> codes_or_refusal(tf.constant([[[0.0, 0, 1, 0], [0, 0, 0, 0]]])).numpy()
        array([[2, 4]], dtype=uint8)
    """
    exact = _is_exact(soft)
    message = (
        "sequence: the fused operation expects base codes, or bases that are exactly one-hot or "
        "all zero, got other numbers; soft sequences need the standard implementation"
    )
    with tf.control_dependencies(require(tf.reduce_all(exact), lambda: [message])):
        # Where XLA drops the check, 255 is no base code either.
        return tf.where(exact, _codes(soft), tf.constant(255, tf.uint8))


def with_gradient(sums: Sums, soft: tf.Tensor, standard: Callable[[tf.Tensor], Sums]) -> Sums:
    """The same sums, with a gradient with respect to the soft sequence that the codes came from.

    Args:
        sums: of the operation on codes.
        soft: the sequence [N, L, 4].
        standard: computes the sums of a soft sequence; called only if the gradient is asked for.

    Example:
        >>> soft = tf.one_hot([[0, 1]], 4)
        >>> with tf.GradientTape() as tape:
        ...     tape.watch(soft)
        ...     total, _ = with_gradient(
        ...         (tf.constant(0.0), None), soft, lambda x: (tf.reduce_sum(x), None)
        ...     )
        >>> float(tf.reduce_sum(tape.gradient(total, soft)))
        8.0
    """
    present = [each for each in sums if each is not None]

    @tf.custom_gradient
    def nothing(watched: tf.Tensor) -> tuple[list[tf.Tensor], Callable[..., tf.Tensor]]:
        def gradient(*upstream: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(watched)
                again = [each for each in standard(watched) if each is not None]
            return tape.gradient(again, watched, output_gradients=list(upstream))

        return [tf.zeros_like(each) for each in present], gradient

    added = [one + other for one, other in zip(present, nothing(soft), strict=True)]
    return added[0], added[1] if len(added) > 1 else None


def _is_exact(soft: tf.Tensor) -> tf.Tensor:
    """Whether each base is one 1 and three 0, or four 0, bool [N, L]."""
    whole = tf.reduce_all(tf.equal(soft, 0.0) | tf.equal(soft, 1.0), axis=-1)
    return whole & (tf.reduce_sum(soft, axis=-1) <= 1.0)


def _codes(soft: tf.Tensor) -> tf.Tensor:
    base = tf.argmax(soft, axis=-1, output_type=tf.int32)
    known = tf.reduce_any(tf.equal(soft, 1.0), axis=-1)
    return tf.cast(tf.where(known, base, UNKNOWN), tf.uint8)


@functools.cache
def _say_codes() -> None:
    logger.warning(
        "one-hot sequences are turned into base codes for the fused operation: base codes take a "
        "sixteenth of the memory, and no conversion"
    )


@functools.cache
def _say_unknown() -> None:
    logger.warning(
        "sequences of shape [N, L, 4] in a graph are computed by standard operations, which are "
        "slower: give base codes; or, if they are exactly one-hot, implementation='fused'"
    )
