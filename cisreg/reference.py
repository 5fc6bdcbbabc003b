"""The occupancy law in standard TensorFlow operations.

Used where the fused operation cannot be loaded, as the reference in benchmarks, and for second
derivatives and soft sequences.
"""

from __future__ import annotations

import tensorflow as tf

from cisreg.choices import ComputeDtype, Padding, Reduction, check_choice

UNKNOWN = 4  # the code of padding and of every letter except A, C, G and T


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
        ValueError: unknown padding or compute_dtype.
        tf.errors.InvalidArgumentError: a code above 4.

    Example:
        >>> site = site_occupancy_standard(
        ...     tf.zeros([1, 3], tf.uint8), tf.zeros([2, 4, 5]), tf.zeros([5])
        ... )
        >>> site.shape, float(site[0, 0, 0, 0])
        (TensorShape([1, 2, 3, 5]), 0.5)
    """
    logit = _site_logit(sequence, log_kd, log_concentration, padding, compute_dtype)
    return tf.cast(tf.sigmoid(logit), tf.float32)


def occupancy_standard(
    sequence: tf.Tensor,
    log_kd: tf.Tensor,
    log_concentration: tf.Tensor,
    *,
    position_weight: tf.Tensor | None = None,
    column_range: tf.Tensor | None = None,
    span: tf.Tensor | None = None,
    reduction: Reduction = "expected",
    padding: Padding = "same",
    compute_dtype: ComputeDtype = "float32",
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Occupancy summed over the windows, in standard TensorFlow operations.

    Args:
        sequence: uint8 [N, L] base codes, or float32 [N, L, 4] soft sequences.
        log_kd: float32 [W, 4, M], nats.
        log_concentration: float32 [M], nats.
        position_weight: float32 [2, P, M], or None.
        column_range: int32 [2, M], or None; the other columns are held at zero.
        span: int32 [2] or [N, 2], or None; as for `cisreg.occupancy`.
        reduction: "expected" is the sum of p over windows, "log_unbound" the sum of log(1 - p),
            both separately for each strand; "probability" is the probability of being bound at
            least once on either strand.
        padding: "same" or "valid".
        compute_dtype: dtype of the sites and, in the gradient, of their derivatives and the sums
            over them. Sums over windows, results and gradients are always float32.

    Returns:
        (bound, weighted): bound is float32 [N, 2, M], or [N, M] for "probability"; weighted is the
        sum of position_weight times p, float32 [N, 2, M], or None without position weights.

    Raises:
        ValueError: unknown reduction, padding or compute_dtype.
        tf.errors.InvalidArgumentError: a code above 4, or a column range or span out of bounds.

    Example:
        >>> bound, _ = occupancy_standard(
        ...     tf.zeros([1, 3], tf.uint8), tf.zeros([2, 4, 5]), tf.zeros([5])
        ... )
        >>> bound.shape, float(bound[0, 0, 0])
        (TensorShape([1, 2, 5]), 1.5)
    """
    check_choice("reduction", reduction, Reduction)
    if column_range is not None:
        log_kd = hold_columns(log_kd, column_range)
    logit = _site_logit(sequence, log_kd, log_concentration, padding, compute_dtype)
    counted = None
    if span is not None:
        counted = counted_windows(span, column_range, tf.shape(sequence)[1], log_kd, padding)
    weighted = None
    if position_weight is not None:
        bound = _of_counted(counted, tf.sigmoid(logit))
        weighted = tf.einsum("nspm,spm->nsm", bound, position_weight)
    if reduction == "expected":
        return tf.reduce_sum(_of_counted(counted, tf.sigmoid(logit)), axis=2), weighted
    log_unbound = -tf.reduce_sum(_of_counted(counted, tf.math.softplus(logit)), axis=2)
    if reduction == "log_unbound":
        return log_unbound, weighted
    return -tf.math.expm1(tf.reduce_sum(log_unbound, axis=1)), weighted


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
    width = tf.shape(log_kd)[0]
    edges = tf.concat(
        [[tf.zeros_like(column_range[0])], column_range, [0 * column_range[0] + width]], 0
    )
    tf.debugging.assert_non_negative(
        edges[1:] - edges[:-1], "column_range: expected 0 <= first <= end <= W for every motif"
    )
    column = tf.range(width)[:, tf.newaxis]
    inside = (column >= column_range[0]) & (column < column_range[1])
    return tf.where(inside[:, tf.newaxis], log_kd, 0.0)


def _of_counted(counted: tf.Tensor | None, values: tf.Tensor) -> tf.Tensor:
    """float32 values of the sites, zero and without a gradient where a window does not count."""
    values = tf.cast(values, tf.float32)
    return values if counted is None else tf.where(counted, values, 0.0)


def counted_windows(
    span: tf.Tensor,
    column_range: tf.Tensor | None,
    length: tf.Tensor,
    log_kd: tf.Tensor,
    padding: Padding,
) -> tf.Tensor:
    """Whether a motif's own columns overlap the bases of the span, bool [N or 1, 2, P, M]."""
    check = "span: expected begin and end between 0 and L for every sequence"
    tf.debugging.assert_non_negative(span, check)
    tf.debugging.assert_less_equal(span, length, check)
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


def _site_logit(
    sequence: tf.Tensor,
    log_kd: tf.Tensor,
    log_concentration: tf.Tensor,
    padding: Padding,
    compute_dtype: ComputeDtype,
) -> tf.Tensor:
    """log_concentration - log Kd of every site, [N, 2, P, M] of compute_dtype."""
    check_choice("padding", padding, Padding)
    check_choice("compute_dtype", compute_dtype, ComputeDtype)
    sequence = tf.convert_to_tensor(sequence)
    log_kd = tf.cast(log_kd, compute_dtype)
    log_concentration = tf.cast(log_concentration, compute_dtype)
    one_hot = sequence if sequence.dtype.is_floating else _one_hot(sequence)
    one_hot = tf.cast(one_hot, compute_dtype)
    if padding == "valid":
        tf.debugging.assert_greater_equal(
            tf.shape(sequence)[1],
            tf.shape(log_kd)[0],
            "padding: 'valid' expects sequences at least as long as the motifs; use 'same'",
        )
    both_strands = tf.concat([log_kd, tf.reverse(log_kd, axis=[0, 1])], axis=2)
    site_log_kd = tf.nn.conv1d(one_hot, both_strands, stride=1, padding=padding.upper())
    sequences, windows = tf.unstack(tf.shape(site_log_kd)[:2])
    by_strand = tf.reshape(site_log_kd, [sequences, windows, 2, tf.shape(log_kd)[2]])
    return tf.transpose(log_concentration - by_strand, [0, 2, 1, 3])


def _one_hot(sequence: tf.Tensor) -> tf.Tensor:
    """float32 [N, L, 4]; unknown bases are rows of zeros and so add nothing to log Kd."""
    tf.debugging.assert_less_equal(
        sequence,
        tf.constant(UNKNOWN, sequence.dtype),
        "sequence: expected base codes 0 to 4; encode text with cisreg.sequences.encode",
    )
    return tf.one_hot(sequence, 4)
