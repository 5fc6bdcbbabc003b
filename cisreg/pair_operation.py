"""The operation of pairs of factors: what they do together on each sequence, and its gradient."""

from __future__ import annotations

import functools
import logging
from typing import Any

import tensorflow as tf

from cisreg.arguments import is_soft
from cisreg.choices import Padding
from cisreg.contract import Inputs
from cisreg.devices import gpu_here, traces_for_any_device
from cisreg.implementation import Implementation, fused_available
from cisreg.library import load_ops
from cisreg.once import once
from cisreg.xla import traces_for_xla

logger = logging.getLogger("cisreg.occupancy")


def takes_fused_pairs(sequence: tf.Tensor, implementation: Implementation) -> bool:
    """Whether the fused operation computes pairs here: on a CPU, unless "standard" is asked for.

    Not on a GPU or under `jit_compile=True`, which the log says once; nor for soft sequences, or
    where the library does not load.

    Example:
        >>> takes_fused_pairs(tf.zeros([1, 5, 4]), "auto")
        False
    """
    if implementation == "standard" or is_soft(sequence):
        return False
    if traces_for_xla():
        _say_standard("XLA cannot compile the fused operation of pairs of factors")
        return False
    if not traces_for_any_device() and gpu_here():
        _say_standard("the fused operation of pairs of factors computes on CPUs only")
        return False
    return fused_available()


@functools.cache
def _say_standard(reason: str) -> None:
    logger.info("%s: standard operations are used, which take longer", reason)


def pair_effects(
    inputs: Inputs, effect: tf.Tensor, pair: tf.Tensor, *, distance: int, padding: Padding
) -> tf.Tensor:
    """The effects of all pairs on each sequence, by the fused operation, float32 [N].

    It scans the motifs, sums over the pairs, and keeps no site; its gradient scans again. It
    computes in float32, and gives the same bits on every run and for every number of threads.

    Args:
        inputs: from `cisreg.contract.as_inputs`, of base codes, without position weights, lengths
            and conditions.
        effect: float32 [Q, 2, K], the effects at the knots for both orientations, see
            `cisreg.pairs`.
        pair: int32 [Q, 2], the places of both motifs among those of the inputs.
        distance: where the effects end, bases; 2 * distance / (K + 1) is a whole number.
        padding: "same" or "valid".

    Raises:
        tf.errors.InvalidArgumentError: numbers that are not allowed, as for `cisreg.occupancy`; a
            place that no motif has.
        LibraryError: the compiled library does not load.

    Example:
        >>> inputs = as_inputs([[0, 0]], np.zeros((1, 4, 2)), np.zeros(2))
        >>> effect, pair = tf.ones([1, 2, 1]), tf.constant([[0, 1]])
        >>> pair_effects(inputs, effect, pair, distance=2, padding="same").numpy().tolist()
        [3.0]
    """
    return load_ops().cisreg_pair_effects(
        sequence=inputs.sequence,
        log_kd=inputs.log_kd,
        log_concentration=inputs.log_concentration,
        effect=effect,
        pair=pair,
        column_range=[] if inputs.column_range is None else [inputs.column_range],
        span=[] if inputs.span is None else [inputs.span],
        distance=distance,
        padding=padding,
    )


@once(tf.RegisterGradient("Cisreg>PairEffects"))
def _gradient(op: tf.Operation, upstream: tf.Tensor) -> list[tf.Tensor | None]:
    """Recomputes the scan; all integers have no gradient."""
    sequence, log_kd, log_concentration, effect, pair, *optional = op.inputs
    ranges = op.get_attr("range_count")
    gradients: Any = load_ops().cisreg_pair_effects_grad(
        sequence=sequence,
        log_kd=log_kd,
        log_concentration=log_concentration,
        effect=effect,
        pair=pair,
        column_range=optional[:ranges],
        span=optional[ranges:],
        score_gradient=upstream,
        distance=op.get_attr("distance"),
        padding=op.get_attr("padding"),
    )
    return [None, *gradients, None, *[None for _ in optional]]


@once(tf.RegisterGradient("Cisreg>PairEffectsGrad"))
def _second_derivative(op: tf.Operation, *upstream: tf.Tensor) -> None:
    raise LookupError(
        "the fused operation of pairs of factors supports first derivatives in reverse mode only; "
        'use implementation="standard" for second derivatives or forward mode'
    )


# Registers the operation on import, so that a SavedModel that contains it can be loaded.
fused_available()
