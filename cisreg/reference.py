"""The occupancy law in standard TensorFlow operations.

Used where the fused operation cannot be loaded, as the reference in benchmarks, and for second
derivatives and soft sequences.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from cisreg.arguments import as_integers, is_soft
from cisreg.autograph import as_written
from cisreg.choices import ComputeDtype, Padding, Reduction, check_choice
from cisreg.contract import Inputs, as_inputs, checked, column_range_check, require
from cisreg.occupancy_checks import UNKNOWN
from cisreg.products import convolution


@as_written
def site_occupancy_standard(
    sequence: tf.Tensor,
    log_kd: tf.Tensor,
    log_concentration: tf.Tensor,
    *,
    padding: Padding = "same",
    compute_dtype: ComputeDtype = "float32",
) -> tf.Tensor:
    """Occupancy of every site, in standard TensorFlow operations.

    Args:
        sequence: uint8 [N, L] base codes, or float32 [N, L, 4] soft sequences (weights of A, C, G,
            T).
        log_kd: float32 [W, 4, M], nats.
        log_concentration: float32 [M], nats.
        padding: "same" or "valid".
        compute_dtype: dtype in which log Kd and occupancy of the sites are computed.

    Returns:
        float32 [N, 2, P, M], probability that the factor is bound to the site; strand 1 is the
        reverse complement of the same window.

    Raises:
        ValueError: unknown padding or compute_dtype, or inputs as `cisreg.occupancy` refuses them.
        tf.errors.InvalidArgumentError: as for `cisreg.occupancy`.

    Example:
        >>> site = site_occupancy_standard(
        ...     tf.zeros([1, 3], tf.uint8), tf.zeros([2, 4, 5]), tf.zeros([5])
        ... )
        >>> site.shape, float(site[0, 0, 0, 0])
        (TensorShape([1, 2, 3, 5]), 0.5)
    """
    inputs = as_inputs(sequence, log_kd, log_concentration, padding=padding)
    logit = _site_logit(checked(inputs, padding), padding, compute_dtype)
    return tf.cast(tf.sigmoid(logit), tf.float32)


@as_written
def occupancy_standard(
    sequence: tf.Tensor,
    log_kd: tf.Tensor,
    log_concentration: tf.Tensor,
    *,
    position_weight: tf.Tensor | None = None,
    column_range: tf.Tensor | None = None,
    span: tf.Tensor | None = None,
    length: tf.Tensor | None = None,
    condition: tf.Tensor | None = None,
    reduction: Reduction = "expected",
    padding: Padding = "same",
    compute_dtype: ComputeDtype = "float32",
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Occupancy summed over the windows, in standard TensorFlow operations.

    Args:
        sequence: uint8 [N, L] base codes, or float32 [N, L, 4] soft sequences.
        log_kd: float32 [W, 4, M], nats.
        log_concentration: float32 [M], nats, or [C, M], a row for each condition.
        position_weight: float32 [2, P, M], or [K, 2, P, M], sets of weights; or None.
        column_range: int32 [2, M], or None; the other columns are held at zero.
        span: int32 [2] or [N, 2], or None; as for `cisreg.occupancy`.
        length: int32 [N], or None; as for `cisreg.occupancy`.
        condition: int32 [N], or None; as for `cisreg.occupancy`.
        reduction: "expected" is the sum of p over windows, "log_unbound" the sum of log(1 - p),
            both separately for each strand; "probability" is the probability of being bound at
            least once on either strand.
        padding: "same" or "valid".
        compute_dtype: dtype of the sites and, in the gradient, of their derivatives and the sums
            over them. Sums over windows, results and gradients are always float32.

    Returns:
        (bound, weighted): bound is float32 [N, 2, M], or [N, M] for "probability"; weighted is the
        sum of position_weight times p, float32 [N, 2, M], or None without position weights. With
        conditions or sets of weights they have axes of these, as those of `cisreg.occupancy`.

    Raises:
        ValueError: unknown reduction, padding or compute_dtype, or inputs as `cisreg.occupancy`
            refuses them.
        tf.errors.InvalidArgumentError: as for `cisreg.occupancy`.

    Example:
        >>> bound, _ = occupancy_standard(
        ...     tf.zeros([1, 3], tf.uint8), tf.zeros([2, 4, 5]), tf.zeros([5])
        ... )
        >>> bound.shape, float(bound[0, 0, 0])
        (TensorShape([1, 2, 5]), 1.5)
    """
    inputs = as_inputs(
        *(sequence, log_kd, log_concentration),
        position_weight=position_weight,
        column_range=column_range,
        span=span,
        length=length,
        condition=condition,
        padding=padding,
    )
    return standard_sums(inputs, reduction, padding, compute_dtype)


def standard_sums(
    inputs: Inputs, reduction: Reduction, padding: Padding, compute_dtype: ComputeDtype
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """`occupancy_standard` of inputs that the contract has converted.

    Example:
        >>> inputs = as_inputs([[0, 1, 4]], np.zeros((2, 4, 5)), np.zeros(5))
        >>> standard_sums(inputs, "probability", "same", "float32")[0].shape
        TensorShape([1, 5])
    """
    check_choice("reduction", reduction, Reduction)
    inputs = checked(inputs, padding)
    logit, counted = site_log_odds(inputs, padding, compute_dtype)
    weighted = None
    if inputs.position_weight is not None:
        bound = _of_counted(counted, tf.sigmoid(logit))
        if inputs.has_sets:
            bound = tf.expand_dims(bound, -4)
        weighted = tf.reduce_sum(bound * inputs.position_weight, axis=-2)
    if reduction == "expected":
        return tf.reduce_sum(_of_counted(counted, tf.sigmoid(logit)), axis=-2), weighted
    log_unbound = -tf.reduce_sum(_of_counted(counted, tf.math.softplus(logit)), axis=-2)
    if reduction == "log_unbound":
        return log_unbound, weighted
    return bound_probability(tf.reduce_sum(log_unbound, axis=-2)), weighted


def site_log_odds(
    inputs: Inputs, padding: Padding, compute_dtype: ComputeDtype = "float32"
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Log odds of every site, of inputs that `contract.checked` has checked.

    Returns:
        (log odds [N, 2, P, M] of `compute_dtype`; whether a site's window counts, bool
        [N or 1, 2 or 1, P, M or 1], None if all do). With an axis of conditions behind N, both
        have it.

    Example:
        >>> inputs = as_inputs([[0, 1, 4]], np.zeros((2, 4, 5)), np.zeros(5))
        >>> site_log_odds(inputs, "same")[0].shape
        TensorShape([1, 2, 3, 5])
    """
    if inputs.column_range is not None:
        inputs = inputs._replace(log_kd=_held(inputs.log_kd, inputs.column_range))
    if inputs.length is not None:
        inputs = inputs._replace(sequence=_cut(inputs.sequence, inputs.length))
    counted = _counted(inputs, padding)
    if counted is not None and inputs.has_conditions:
        counted = counted[:, tf.newaxis]
    return _site_logit(inputs, padding, compute_dtype), counted


def bound_probability(log_unbound: tf.Tensor) -> tf.Tensor:
    """1 - exp(log_unbound), to float32's precision also where it is close to 0.

    TFLite and ONNX have no `expm1`: TFLite's converter makes exp(x) - 1 of it, which loses small
    probabilities. So this is tanh(-x / 2) * (1 + exp(x)) for all x above -1.

    Example:
        >>> bound_probability(tf.constant([-1e-9, -50.0])).numpy()
        array([1.e-09, 1.e+00], dtype=float32)
    """
    near = tf.maximum(log_unbound, -1.0)
    small = tf.tanh(-0.5 * near) * (1.0 + tf.exp(near))
    return tf.where(log_unbound > -1.0, small, 1.0 - tf.exp(log_unbound))


def hold_columns(log_kd: tf.Tensor, column_range: tf.Tensor) -> tf.Tensor:
    """Motifs with zeros, and without a gradient, outside their columns.

    Args:
        log_kd: float32 [W, 4, M], nats.
        column_range: int32 [2, M], first column of each motif, and one past its last.

    Returns:
        float32 [W, 4, M].

    Raises:
        tf.errors.InvalidArgumentError: not 0 <= first <= end <= W.

    Example:
        >>> hold_columns(tf.ones([3, 4, 1]), tf.constant([[1], [2]]))[:, 0, 0].numpy()
        array([0., 1., 0.], dtype=float32)
    """
    column_range = as_integers("column_range", column_range)
    waited = require(*column_range_check(column_range, tf.shape(log_kd)[0]))
    with tf.control_dependencies(waited):
        return _held(log_kd, tf.identity(column_range))


def _held(log_kd: tf.Tensor, column_range: tf.Tensor) -> tf.Tensor:
    column = tf.range(tf.shape(log_kd)[0])[:, tf.newaxis]
    inside = (column >= column_range[0]) & (column < column_range[1])
    return tf.where(inside[:, tf.newaxis], log_kd, 0.0)


def _of_counted(counted: tf.Tensor | None, values: tf.Tensor) -> tf.Tensor:
    """float32 values of the sites, zero and without a gradient where a window does not count."""
    values = tf.cast(values, tf.float32)
    return values if counted is None else tf.where(counted, values, 0.0)


def _cut(sequence: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """The sequence with unknown bases behind each row's own."""
    own = tf.range(tf.shape(sequence)[1]) < length[:, tf.newaxis]
    if is_soft(sequence):
        return tf.where(own[:, :, tf.newaxis], sequence, 0.0)
    return tf.where(own, sequence, tf.constant(UNKNOWN, sequence.dtype))


def _counted(inputs: Inputs, padding: Padding) -> tf.Tensor | None:
    """Whether a window counts, bool [N or 1, 2 or 1, P, M or 1]; None: every window counts."""
    longest, width = tf.shape(inputs.sequence)[1], tf.shape(inputs.log_kd)[0]
    span, exists = inputs.span, None
    if inputs.length is not None:
        windows = inputs.length if padding == "same" else inputs.length - width + 1
        window = tf.range(longest if padding == "same" else longest - width + 1)
        exists = (window < windows[:, tf.newaxis])[:, tf.newaxis, :, tf.newaxis]
    if span is None:
        return exists
    if inputs.length is not None:
        # What lies behind a row's own bases is on no span.
        begin, end = tf.unstack(tf.reshape(span, [-1, 2]), axis=1)
        end = tf.minimum(end, inputs.length)
        span = tf.stack([begin + tf.zeros_like(end), end], axis=1)
    counted = counted_windows(span, inputs.column_range, longest, inputs.log_kd, padding)
    return counted if exists is None else counted & exists


def counted_windows(
    span: tf.Tensor,
    column_range: tf.Tensor | None,
    length: tf.Tensor,
    log_kd: tf.Tensor,
    padding: Padding,
) -> tf.Tensor:
    """Whether a motif's own columns overlap the bases of the span, bool [N or 1, 2, P, M].

    The arguments are those of `cisreg.occupancy`, which checks them.

    Example:
        >>> log_kd = tf.zeros([1, 4, 1])
        >>> counted_windows(tf.constant([1, 2]), None, 3, log_kd, "same")[0, 0, :, 0].numpy()
        array([False,  True, False])
    """
    width, motifs = tf.shape(log_kd)[0], tf.shape(log_kd)[2]
    if column_range is None:
        column_range = tf.stack([tf.zeros([motifs], tf.int32), tf.fill([motifs], width)])
    first, end = tf.unstack(column_range)
    # [2, 1, M]: where each strand's columns begin and end in the window.
    first, end = (
        tf.stack([forward, width - reverse])[:, tf.newaxis]
        for forward, reverse in ((first, end), (end, first))
    )
    windows = length if padding == "same" else length - width + 1
    start = tf.range(windows)[:, tf.newaxis] - ((width - 1) // 2 if padding == "same" else 0)
    begin, stop = tf.unstack(tf.reshape(span, [-1, 1, 1, 1, 2]), axis=-1)
    return tf.minimum(start + end, stop) > tf.maximum(start + first, begin)


def _site_logit(inputs: Inputs, padding: Padding, compute_dtype: ComputeDtype) -> tf.Tensor:
    """log_concentration - log Kd of every site, of compute_dtype.

    [N, 2, P, M]; [N, C, 2, P, M] where there are conditions and no sequence has one of its own.
    """
    check_choice("compute_dtype", compute_dtype, ComputeDtype)
    if inputs.log_concentration.shape.rank == 2:
        return _logit_of_conditions(inputs, padding, compute_dtype)
    # Sums of large log Kd may overflow, and an infinity less an infinity is NaN.
    absent = tf.equal(inputs.log_concentration, -np.inf) & tf.math.is_finite(inputs.log_kd)
    inputs = inputs._replace(log_kd=tf.where(absent, 0.0, inputs.log_kd))
    by_strand = _site_log_kd(inputs, padding, compute_dtype)
    logit = tf.cast(inputs.log_concentration, compute_dtype) - by_strand
    return tf.transpose(logit, [0, 2, 1, 3])


def _logit_of_conditions(
    inputs: Inputs, padding: Padding, compute_dtype: ComputeDtype
) -> tf.Tensor:
    by_strand = tf.transpose(_site_log_kd(inputs, padding, compute_dtype), [0, 2, 1, 3])
    concentration = inputs.log_concentration
    absent = tf.equal(concentration, -np.inf)
    absent &= tf.reduce_all(tf.math.is_finite(inputs.log_kd), axis=[0, 1])
    if inputs.condition is None:
        by_strand = by_strand[:, tf.newaxis]
    else:
        # Behind a reshape, which makes its gradient a tensor; that of a gather is slices of one.
        concentration = tf.reshape(concentration, tf.shape(concentration))
        concentration = tf.gather(concentration, inputs.condition)
        absent = tf.gather(absent, inputs.condition)
    # [C, 1, 1, M], or [N, 1, 1, M].
    concentration, absent = (
        concentration[:, tf.newaxis, tf.newaxis],
        absent[:, tf.newaxis, tf.newaxis],
    )
    logit = tf.cast(concentration, compute_dtype) - by_strand
    # As above: where a sum has overflowed, minus infinity less it would be NaN.
    return tf.where(absent, tf.constant(-np.inf, logit.dtype), logit)


def _site_log_kd(inputs: Inputs, padding: Padding, compute_dtype: ComputeDtype) -> tf.Tensor:
    """Log Kd of every site, [N, P, 2, M] of compute_dtype."""
    log_kd = tf.cast(inputs.log_kd, compute_dtype)
    soft = inputs.sequence if is_soft(inputs.sequence) else _one_hot(inputs.sequence)
    both_strands = tf.concat([log_kd, tf.reverse(log_kd, axis=[0, 1])], axis=2)
    # Not as conv1d says: its "valid" has too many windows where there are no sequences.
    sequences, windows = tf.unstack(tf.shape(soft)[:2])
    if not soft.shape[1]:
        # XLA has no convolution of sequences without a base; this adds one, only to these.
        soft = tf.pad(soft, [[0, 0], [0, tf.maximum(1 - windows, 0)], [0, 0]])
    if padding == "valid":
        windows = windows - tf.shape(log_kd)[0] + 1
    site_log_kd = convolution(
        tf.cast(soft, compute_dtype),
        both_strands,
        "SAME" if padding == "same" else "VALID",
        one_hot=not is_soft(inputs.sequence),
    )[:, :windows]
    return tf.reshape(site_log_kd, [sequences, windows, 2, tf.shape(log_kd)[2]])


def _one_hot(sequence: tf.Tensor) -> tf.Tensor:
    """float32 [N, L, 4]; unknown bases are rows of zeros and so add nothing to log Kd."""
    # TFLite and ONNX Runtime have few operations on uint8.
    codes = tf.cast(sequence, tf.int32)
    one_hot = tf.one_hot(codes, 4)
    if tf.executing_eagerly():
        return one_hot
    # Other codes remain only where checks are dropped, as by XLA: their sites become NaN.
    no_code = tf.where(codes > UNKNOWN, np.nan, 0.0)
    return one_hot + no_code[:, :, tf.newaxis]
