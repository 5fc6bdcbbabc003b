"""The operation of pairs of factors: what they do together on each sequence, and its gradient."""

from __future__ import annotations

import functools
import logging
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from cisreg.arguments import is_soft
from cisreg.choices import Padding
from cisreg.contract import Inputs
from cisreg.devices import gpu_here, traces_for_any_device
from cisreg.implementation import Implementation, examine, fused_available, gpu_limits
from cisreg.library import load_ops, native_module, registered_devices
from cisreg.once import once
from cisreg.self_test import why_unlike_cpu
from cisreg.xla import traces_for_xla

logger = logging.getLogger("cisreg.occupancy")

OPERATIONS = ("Cisreg>PairEffects", "Cisreg>PairEffectsGrad")
# No number of sequences needs more than this one, as they come one after the other.
_ANY_COUNT = 1024


class PairSizes(NamedTuple):
    """Sizes of the operation of pairs, by which a GPU may refuse it.

    Attributes:
        length: bases of a sequence.
        width: columns of the motifs.
        motifs: of the factors in pairs.
        pairs: how many.
        knots: of a curve.
        distance: where effects end, bases.
        padding: "same" or "valid".
    """

    length: int
    width: int
    motifs: int
    pairs: int
    knots: int
    distance: int
    padding: Padding


def takes_fused_pairs(
    sizes: PairSizes, sequence: tf.Tensor, implementation: Implementation
) -> bool:
    """Whether the fused operation computes pairs here: where it can, unless told not to.

    Not under `jit_compile=True`, nor on a GPU that it has no kernels for, which the log says once;
    nor for soft sequences, or where the library does not load.

    Example:
        >>> sizes = PairSizes(5, 3, 2, pairs=1, knots=1, distance=2, padding="same")
        >>> takes_fused_pairs(sizes, tf.zeros([1, 5, 4]), "auto")
        False
    """
    if implementation == "standard" or is_soft(sequence):
        return False
    if traces_for_xla():
        _say_standard("XLA cannot compile the fused operation of pairs of factors")
        return False
    if not fused_available():
        return False
    if not traces_for_any_device() and (gpu := gpu_here()):
        reason = _why_not_on(gpu, sizes)
        if reason:
            _say_standard(f"the fused operation of pairs of factors: {reason}")
        return not reason
    return True


def _why_not_on(gpu: str, sizes: PairSizes) -> str:
    """Why the fused operation cannot be used on a GPU; "" where it can."""
    if not all("GPU" in registered_devices(operation) for operation in OPERATIONS):
        return "this build of cisreg has no CUDA kernels"
    # Where the operation of occupancies is not right, nothing is.
    if reason := examine(gpu, "float32").reason or why_wrong_on(gpu):
        return reason
    limits = gpu_limits(gpu)
    return "" if limits is None else _refusal(limits, sizes)


@functools.cache
def why_wrong_on(device: str) -> str:
    """What is wrong with the operation on a device; "" where its numbers are those of the CPU.

    A small problem is computed, forward and backward, on both.

    Example:
        >>> why_wrong_on("CPU:0")
        ''
    """
    return why_unlike_cpu(device, _small_problem)


def _small_problem(device: str) -> dict[str, np.ndarray]:
    """Score and gradients; there are two of every piece that the kernels cut a problem into."""
    random = np.random.default_rng(1)
    width, motifs, distance, knots = 35, 3, 70, 13
    with tf.device(device):
        arguments = {
            "sequence": tf.constant(random.integers(0, 5, (3, 150)), tf.uint8),
            "log_kd": tf.constant(random.normal(0, 0.5, (width, 4, motifs)), tf.float32),
            "log_concentration": tf.zeros(motifs),
            "effect": tf.constant(random.normal(0, 1, (2, 2, knots)), tf.float32),
            "pair": tf.constant([[0, 1], [2, 2]]),
            "column_range": [tf.constant([[0, 3, 9], [width, 33, 20]])],
            "span": [],
            "distance": distance,
            "padding": "same",
        }
        upstream = tf.constant([0.5, -1.0, 2.0])
        gradients = load_ops().cisreg_pair_effects_grad(**arguments, score_gradient=upstream)
        names = ("the gradient of log_kd", "that of log_concentration", "that of pair_effect")
        score = load_ops().cisreg_pair_effects(**arguments)
    found = {"the score": score, **dict(zip(names, gradients, strict=True))}
    return {name: value.numpy() for name, value in found.items()}


@functools.lru_cache(maxsize=64)
def _refusal(limits: tuple[int, int, int], sizes: PairSizes) -> str:
    """Why a GPU with these limits cannot compute pairs of these sizes; "" where it can."""
    return native_module().cuda_pair_refusal(
        limits,
        (_ANY_COUNT, sizes.length, sizes.width, sizes.motifs),
        (sizes.pairs, sizes.knots),
        distance=sizes.distance,
        padding=sizes.padding,
    )


@functools.cache
def _say_standard(reason: str) -> None:
    logger.info("%s: standard operations are used, which take longer", reason)


def pair_effects(
    inputs: Inputs, effect: tf.Tensor, pair: tf.Tensor, *, distance: int, padding: Padding
) -> tf.Tensor:
    """The effects of all pairs on each sequence, by the fused operation, float32 [N].

    It scans the motifs, sums over the pairs, and keeps no site; its gradient scans again. It
    computes in float32, on a CPU or a GPU, and gives the same bits on every run and for every
    number of threads.

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
