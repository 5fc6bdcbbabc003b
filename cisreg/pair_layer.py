"""The effect of pairs of factors in TensorFlow; `cisreg.pairs` says what it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from cisreg.choices import ComputeDtype
from cisreg.contract import as_inputs, checked
from cisreg.pairs import pair_bases, pair_motifs
from cisreg.products import convolution
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
) -> tf.Tensor:
    """What all pairs add to the score where all chromatin is accessible, float32 [N].

    Args:
        spec: a model with pairs.
        parameters: by name.
        sequence: as `cisreg.layers.between_ends` gives it, like `span`.
        span: int32 [N, 2], or None.
        column_range: int32 [2, M], or None.
        compute_dtype: dtype in which sites are computed.
    """
    chosen = pair_motifs(spec)
    site = _sites(spec, parameters, sequence, span, column_range, compute_dtype, chosen.motifs)
    # By motif and strand: [N, P].
    of_motif = [tf.unstack(each, axis=1) for each in tf.unstack(site, axis=3)]
    kernels = _kernels(spec, tf.convert_to_tensor(parameters["pair_effect"]))
    total = []
    for (same, opposite), a, b in zip(
        map(tf.unstack, tf.unstack(kernels)), chosen.first, chosen.second, strict=True
    ):
        (forward, reverse), (other_forward, other_reverse) = of_motif[a], of_motif[b]
        # Where the first site is on the reverse strand, the roles of both are exchanged.
        left = tf.concat([forward, other_reverse, forward, other_forward], axis=0)
        right = tf.concat([other_forward, reverse, other_reverse, reverse], axis=0)
        halves = zip(
            (same, opposite),
            *(tf.split(each, 2, axis=0) for each in (left, right)),
            strict=True,
        )
        total += [_together(spec, *each) for each in halves]
    return tf.add_n(total)


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
    log_kd, log_concentration = (
        tf.gather(tf.convert_to_tensor(parameters[name]), motifs, axis=axis)
        for name, axis in (("log_kd", 2), ("log_concentration", 0))
    )
    if column_range is not None:
        column_range = tf.gather(column_range, motifs, axis=1)
    inputs = as_inputs(
        *(sequence, log_kd, log_concentration),
        column_range=column_range,
        span=span,
        padding=spec.padding,
    )
    logit, counted = site_log_odds(checked(inputs, spec.padding), spec.padding, compute_dtype)
    site = tf.cast(tf.sigmoid(logit), tf.float32)
    return site if counted is None else tf.where(counted, site, 0.0)


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


def _together(spec: ModelSpec, kernel: tf.Tensor, left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Sums of left * kernel * right over windows [2 * N, P], added up for both halves: [N]."""
    block, side = _blocks(spec)
    if side:
        more = -spec.window_count % block
        left = tf.pad(left, [[0, 0], [0, more]])
        right = tf.pad(right, [[0, 0], [side, side + more]])
        right = tf.signal.frame(right, block + 2 * side, block)
    left = tf.reshape(left, [-1, (spec.window_count + block - 1) // block, block])
    right = tf.reshape(right, [-1, left.shape[1], block + 2 * side])
    near = convolution(left, kernel[tf.newaxis], "VALID", one_hot=False)
    both = tf.reduce_sum(near * right, axis=[1, 2])
    return tf.reduce_sum(tf.reshape(both, [2, -1]), axis=0)
