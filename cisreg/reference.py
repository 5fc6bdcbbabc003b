"""The occupancy law written plainly, twice.

`occupancy_standard` uses TensorFlow's own operations: it is the fallback of the fused operation,
its comparison in the benchmarks, and the way to second derivatives and to soft sequences.
`occupancy_oracle` is NumPy in float64, looks every window up base by base, and is what the tests
trust.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import tensorflow as tf

Reduction = Literal["expected", "probability", "log_unbound"]
Padding = Literal["same", "valid"]
ComputeDtype = Literal["float32", "bfloat16", "float16"]
UNKNOWN = 4  # the code of padding and of every letter but A, C, G and T


def window_count(length: int, width: int, padding: Padding = "same") -> int:
    """Number P of windows of `width` bases scanned in a sequence of `length` bases.

    "same" gives a window for every base, reaching over the ends; "valid" only windows that fit.

    Raises:
        ValueError: unknown padding, or "valid" with windows wider than the sequence.

    Example:
        >>> window_count(110, 30), window_count(110, 30, "valid")
        (110, 81)
    """
    check_choice("padding", padding, Padding)
    if padding == "same":
        return length
    if width > length:
        raise ValueError(
            f'padding="valid" needs windows that fit: expected width <= length, got width {width} '
            f'and length {length}; use padding="same" or longer sequences'
        )
    return length - width + 1


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
        compute_dtype: what log Kd and occupancy of the sites are computed in.

    Returns:
        float32 [N, 2, P, M], probability that the factor sits on the site; strand 1 is the reverse
        complement of the same window.

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
        reduction: "expected" is the sum of p over windows, "log_unbound" the sum of log(1 - p),
            both for each strand apart; "probability" is that of being bound at least once on either
            strand.
        padding: "same" or "valid".
        compute_dtype: what the sites, and in the gradient their slopes and the sums over them, are
            computed in; sums over windows, results and gradients are float32 whatever it is.

    Returns:
        (bound, weighted): bound is float32 [N, 2, M], or [N, M] for "probability"; weighted is the
        sum of position_weight times p, float32 [N, 2, M], or None without position weights.

    Raises:
        ValueError: unknown reduction, padding or compute_dtype.
        tf.errors.InvalidArgumentError: a code above 4.

    Example:
        >>> bound, _ = occupancy_standard(
        ...     tf.zeros([1, 3], tf.uint8), tf.zeros([2, 4, 5]), tf.zeros([5])
        ... )
        >>> bound.shape, float(bound[0, 0, 0])
        (TensorShape([1, 2, 5]), 1.5)
    """
    check_choice("reduction", reduction, Reduction)
    logit = _site_logit(sequence, log_kd, log_concentration, padding, compute_dtype)
    weighted = None
    if position_weight is not None:
        bound = tf.cast(tf.sigmoid(logit), tf.float32)
        weighted = tf.einsum("nspm,spm->nsm", bound, position_weight)
    if reduction == "expected":
        return tf.reduce_sum(tf.cast(tf.sigmoid(logit), tf.float32), axis=2), weighted
    log_unbound = -tf.reduce_sum(tf.cast(tf.math.softplus(logit), tf.float32), axis=2)
    if reduction == "log_unbound":
        return log_unbound, weighted
    return -tf.math.expm1(tf.reduce_sum(log_unbound, axis=1)), weighted


def hold_columns(log_kd: tf.Tensor, column_range: tf.Tensor) -> tf.Tensor:
    """Motifs with zeros, and without a gradient, outside their columns.

    Args:
        log_kd: float32 [W, 4, M], nats.
        column_range: int32 [2, M], first column of each motif and the one behind its last.

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


def occupancy_oracle(
    sequence: np.ndarray,
    log_kd: np.ndarray,
    log_concentration: np.ndarray,
    *,
    position_weight: np.ndarray | None = None,
    reduction: Reduction = "expected",
    padding: Padding = "same",
) -> tuple[np.ndarray, np.ndarray | None]:
    """The same law in NumPy float64, one table look-up for each base of each window.

    Slow, with memory for N * P * W bases and N * P * M sites: for tests.

    Args:
        sequence: [N, L] base codes.
        log_kd: [W, 4, M], nats.
        log_concentration: [M], nats.
        position_weight: [2, P, M], or None.
        reduction: as for `occupancy_standard`.
        padding: "same" or "valid".

    Returns:
        (bound, weighted) as float64 arrays, weighted None without position weights.

    Raises:
        ValueError: unknown reduction or padding, or "valid" with windows wider than the sequence.

    Example:
        >>> sequence, log_kd = np.zeros((1, 3), np.uint8), np.zeros((2, 4, 5))
        >>> bound, _ = occupancy_oracle(sequence, log_kd, np.zeros(5))
        >>> bound.shape, float(bound[0, 0, 0])
        ((1, 2, 5), 1.5)
    """
    check_choice("reduction", reduction, Reduction)
    logit = _oracle_logit(
        _oracle_windows(sequence, len(log_kd), padding), log_kd, log_concentration
    )
    weighted = None
    if position_weight is not None:
        weighted = (_logistic(logit) * position_weight).sum(axis=2)
    if reduction == "expected":
        return _logistic(logit).sum(axis=2), weighted
    log_unbound = -np.logaddexp(0.0, logit).sum(axis=2)
    if reduction == "log_unbound":
        return log_unbound, weighted
    return -np.expm1(log_unbound.sum(axis=1)), weighted


def occupancy_oracle_gradient(
    sequence: np.ndarray,
    log_kd: np.ndarray,
    log_concentration: np.ndarray,
    *,
    grad_bound: np.ndarray,
    grad_weighted: np.ndarray | None = None,
    position_weight: np.ndarray | None = None,
    reduction: Reduction = "expected",
    padding: Padding = "same",
) -> dict[str, np.ndarray]:
    """Gradient of `sum(grad_bound * bound) + sum(grad_weighted * weighted)`, derived by hand.

    Args:
        sequence: [N, L] base codes.
        log_kd: [W, 4, M], nats.
        log_concentration: [M], nats.
        grad_bound: shape of bound ([N, 2, M], or [N, M] for "probability").
        grad_weighted: [N, 2, M]; given exactly when position_weight is.
        position_weight: [2, P, M], or None.
        reduction: as for `occupancy_standard`.
        padding: "same" or "valid".

    Returns:
        float64 arrays "log_kd" [W, 4, M], "log_concentration" [M] and, with position weights,
        "position_weight" [2, P, M].

    Raises:
        ValueError: unknown reduction or padding, or only one of position_weight and grad_weighted
            given.

    Example:
        >>> sequence, log_kd = np.zeros((1, 1), np.uint8), np.zeros((1, 4, 1))
        >>> gradient = occupancy_oracle_gradient(
        ...     sequence, log_kd, np.zeros(1), grad_bound=np.ones((1, 2, 1))
        ... )
        >>> gradient["log_concentration"], gradient["log_kd"][0, :, 0]
        (array([0.5]), array([-0.25, -0.  , -0.  , -0.25]))
    """
    check_choice("reduction", reduction, Reduction)
    if (position_weight is None) != (grad_weighted is None):
        raise ValueError(
            "position_weight, grad_weighted: expected both or neither, got one; pass the other too"
        )
    windows = _oracle_windows(sequence, len(log_kd), padding)
    logit = _oracle_logit(windows, log_kd, log_concentration)
    bound = _logistic(logit)
    slope = bound * _logistic(-logit)
    if reduction == "expected":
        grad_logit = grad_bound[:, :, None] * slope
    elif reduction == "log_unbound":
        grad_logit = -grad_bound[:, :, None] * bound
    else:
        unbound = np.exp(-np.logaddexp(0.0, logit).sum(axis=(1, 2)))
        grad_logit = (grad_bound * unbound)[:, None, None] * bound
    gradient = {}
    if position_weight is not None and grad_weighted is not None:
        grad_logit = grad_logit + grad_weighted[:, :, None] * position_weight * slope
        gradient["position_weight"] = (grad_weighted[:, :, None] * bound).sum(axis=0)
    gradient["log_concentration"] = grad_logit.sum(axis=(0, 1, 2))
    # [W, 4, M]: for each column and base, the windows that show this base there.
    gradient["log_kd"] = np.stack(
        [
            np.stack([-grad_logit[windows[..., column] == base].sum(axis=0) for base in range(4)])
            for column in range(len(log_kd))
        ]
    )
    return gradient


def _oracle_windows(sequence: np.ndarray, width: int, padding: Padding) -> np.ndarray:
    """Base codes under each window as each strand reads them, [N, 2, P, W]."""
    sequence = np.asarray(sequence)
    windows = window_count(sequence.shape[1], width, padding)
    first = -((width - 1) // 2) if padding == "same" else 0
    position = first + np.arange(windows)[:, None] + np.arange(width)
    inside = (position >= 0) & (position < sequence.shape[1])
    forward = np.full((len(sequence), windows, width), UNKNOWN, np.int64)
    forward[:, inside] = sequence[:, position[inside]]
    reverse = np.where(forward == UNKNOWN, UNKNOWN, 3 - forward)[:, :, ::-1]
    return np.stack([forward, reverse], axis=1)


def _oracle_logit(
    windows: np.ndarray, log_kd: np.ndarray, log_concentration: np.ndarray
) -> np.ndarray:
    """log_concentration - log Kd of every site, float64 [N, 2, P, M]."""
    unknown_row = np.zeros((len(log_kd), 1, log_kd.shape[2]))
    table = np.concatenate([np.asarray(log_kd, np.float64), unknown_row], axis=1)
    logit = np.zeros((*windows.shape[:3], log_kd.shape[2])) + np.asarray(
        log_concentration, np.float64
    )
    for column, of_base in enumerate(table):
        logit -= of_base[windows[..., column]]
    return logit


def _logistic(logit: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-logit)) without overflow and with full relative accuracy for weak sites."""
    return np.exp(-np.logaddexp(0.0, -logit))


def check_choice(argument: str, value: object, choices: object) -> None:
    """Makes sure that an option is one of those that a `Literal` type lists.

    Raises:
        ValueError: it is not; the message names the argument and the choices.
    """
    allowed = get_args(choices)
    if value not in allowed:
        raise ValueError(
            f"{argument}: expected one of {', '.join(map(repr, allowed))}, got {value!r}"
        )
