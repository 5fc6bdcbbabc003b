"""The effect of pairs of factors in TensorFlow; `cisreg.pairs` says what it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from cisreg.choices import ComputeDtype
from cisreg.contract import Inputs, as_inputs, checked
from cisreg.implementation import Implementation
from cisreg.pair_operation import PairSizes, pair_effects, takes_fused_pairs
from cisreg.pairs import pair_bases, pair_motifs
from cisreg.products import products_of_stack
from cisreg.reference import site_log_odds
from cisreg.spec import ModelSpec

# Longer sequences are cut into blocks of windows, so that no table has a number for every two.
_LONGEST = 256
_BLOCK = 128


def pair_score(
    spec: ModelSpec,
    parameters: Mapping[str, tf.Tensor],
    sequence: tf.Tensor,
    span: tf.Tensor | None,
    column_range: np.ndarray | tf.Tensor | None,
    compute_dtype: ComputeDtype,
    implementation: Implementation,
) -> tf.Tensor:
    """What all pairs add to the score where all chromatin is accessible, float32 [N].

    The fused operation computes it where it can, in float32 whatever the `compute_dtype`; else
    standard operations do.

    Args:
        spec: a model with pairs.
        parameters: by name.
        sequence: as `cisreg.layers.between_ends` gives it, like `span`.
        span: int32 [N, 2], or None.
        column_range: int32 [2, M], or None.
        compute_dtype: dtype in which standard operations compute sites.
        implementation: of the occupancy; "fused" too takes standard operations for pairs where
            there is no fused one.
    """
    chosen = pair_motifs(spec)
    effect = tf.convert_to_tensor(parameters["pair_effect"])
    sizes = PairSizes(
        spec.sequence_length,
        spec.motif_width,
        len(chosen.motifs),
        len(spec.pairs),
        spec.pair_knots,
        spec.pair_distance,
        spec.padding,
    )
    if takes_fused_pairs(sizes, sequence, implementation):
        inputs = _inputs(spec, parameters, sequence, span, column_range, chosen.motifs)
        pair = tf.constant(np.stack([chosen.first, chosen.second], axis=1), tf.int32)
        return pair_effects(inputs, effect, pair, distance=spec.pair_distance, padding=spec.padding)
    site = _sites(spec, parameters, sequence, span, column_range, compute_dtype, chosen.motifs)
    # By motif and strand, [N, P]; all products at once take half the time of one by one.
    of_motif = [tf.unstack(each) for each in tf.unstack(tf.transpose(site, [3, 1, 0, 2]))]
    left, right = [], []
    for a, b in zip(chosen.first, chosen.second, strict=True):
        (forward, reverse), (other_forward, other_reverse) = of_motif[a], of_motif[b]
        # Where the first site is on the reverse strand, the roles of both are exchanged.
        left += [forward, other_reverse, forward, other_forward]
        right += [other_forward, reverse, other_reverse, reverse]
    return _together(spec, _kernels(spec, effect), tf.stack(left), tf.stack(right))


def _inputs(
    spec: ModelSpec,
    parameters: Mapping[str, tf.Tensor],
    sequence: tf.Tensor,
    span: tf.Tensor | None,
    column_range: np.ndarray | tf.Tensor | None,
    motifs: np.ndarray,
    spare: int = 0,
) -> Inputs:
    """What a scan of some motifs takes; `spare` columns on each side are left out."""
    log_kd, log_concentration = (
        tf.gather(tf.convert_to_tensor(parameters[name]), motifs, axis=axis)
        for name, axis in (("log_kd", 2), ("log_concentration", 0))
    )
    log_kd = log_kd[spare : spec.motif_width - spare]
    if column_range is not None:
        column_range = tf.gather(column_range, motifs, axis=1) - spare
    return as_inputs(
        *(sequence, log_kd, log_concentration),
        column_range=column_range,
        span=span,
        padding=spec.padding,
    )


def _sites(
    spec: ModelSpec,
    parameters: Mapping[str, tf.Tensor],
    sequence: tf.Tensor,
    span: tf.Tensor | None,
    column_range: np.ndarray | tf.Tensor | None,
    compute_dtype: ComputeDtype,
    motifs: np.ndarray,
) -> tf.Tensor:
    """The occupancies of the sites of some motifs, float32 [N, 2, P, C]."""
    spare = _spare_columns(spec, column_range, motifs)
    inputs = _inputs(spec, parameters, sequence, span, column_range, motifs, spare)
    logit, counted = site_log_odds(checked(inputs, spec.padding), spec.padding, compute_dtype)
    site = tf.cast(tf.sigmoid(logit), tf.float32)
    return site if counted is None else tf.where(counted, site, 0.0)


def _spare_columns(
    spec: ModelSpec, column_range: np.ndarray | tf.Tensor | None, motifs: np.ndarray
) -> int:
    """Columns on each side that no motif has, which need no scan; 0 where that is not known.

    With the padding "same", windows that are shorter by as much on both sides have the same middle.
    """
    if column_range is None or spec.padding != "same":
        return 0
    known = tf.get_static_value(tf.convert_to_tensor(column_range))
    if known is None:
        return 0
    first, end = known[:, motifs]
    return int(min(first.min(), spec.motif_width - end.max()))


def _blocks(spec: ModelSpec) -> tuple[int, int]:
    """The windows of a block, and how many on each side of it may be near enough."""
    windows = spec.window_count
    return (windows, 0) if windows <= _LONGEST else (_BLOCK, spec.pair_distance)


def _kernels(spec: ModelSpec, effect: tf.Tensor) -> tf.Tensor:
    """The effect f of every two windows, the first in a block, [Q, 2, B, B + 2 * side].

    Each row is the one before, shifted by one: a repeated vector, cut into rows that are one
    shorter.
    """
    block, side = _blocks(spec)
    near = block + 2 * side
    size = block + near
    shift = np.arange(size)
    shift = np.where(shift < near, shift, shift - size)
    bases = pair_bases(spec, shift - side)
    vector = tf.reduce_sum(effect[:, :, tf.newaxis] * bases[:, np.newaxis], axis=-1)
    rows = tf.tile(vector, [1, 1, block])[..., : block * (size - 1)]
    rows = tf.reshape(rows, [len(spec.pairs), 2, block, size - 1])
    return rows[..., :near]


def _together(spec: ModelSpec, kernels: tf.Tensor, left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Sums of left * kernel * right over windows and pairs, [N].

    Args:
        spec: a model with pairs.
        kernels: from `_kernels`.
        left: [4 * Q, N, P], two for each kernel.
        right: the same.
    """
    block, side = _blocks(spec)
    if side:
        more = -spec.window_count % block
        left = tf.pad(left, [[0, 0], [0, 0], [0, more]])
        right = tf.pad(right, [[0, 0], [0, 0], [side, side + more]])
        right = tf.signal.frame(right, block + 2 * side, block)
    stack, near = 2 * len(spec.pairs), block + 2 * side
    blocks = (spec.window_count + block - 1) // block
    kernels = tf.reshape(kernels, [stack, block, near])
    products = products_of_stack(tf.reshape(left, [stack, -1, block]), kernels)
    both = tf.reduce_sum(products * tf.reshape(right, [stack, -1, near]), axis=2)
    return tf.reduce_sum(tf.reshape(both, [2 * stack, -1, blocks]), axis=[0, 2])
