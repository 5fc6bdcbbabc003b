"""The occupancy law in NumPy float64, every window looked up base by base: what the tests trust.

It shares nothing with the package and needs only NumPy, so that kernels can be checked where
TensorFlow is not installed.
"""

from __future__ import annotations

import numpy as np

REDUCTIONS = ("expected", "probability", "log_unbound")
PADDINGS = ("same", "valid")
UNKNOWN = 4  # the code of padding and of every letter but A, C, G and T


def window_count(length: int, width: int, padding: str = "same") -> int:
    """Number P of windows of `width` bases scanned in a sequence of `length` bases.

    "same" gives a window for every base, reaching over the ends; "valid" only windows that fit.

    Raises:
        ValueError: unknown padding, or "valid" with windows wider than the sequence.

    Example:
        >>> window_count(110, 30), window_count(110, 30, "valid")
        (110, 81)
    """
    _check("padding", padding, PADDINGS)
    if padding == "same":
        return length
    if width > length:
        raise ValueError(
            f'padding="valid" needs windows that fit: expected width <= length, got width {width} '
            f'and length {length}; use padding="same" or longer sequences'
        )
    return length - width + 1


def occupancy_oracle(
    sequence: np.ndarray,
    log_kd: np.ndarray,
    log_concentration: np.ndarray,
    *,
    position_weight: np.ndarray | None = None,
    column_range: np.ndarray | None = None,
    span: np.ndarray | tuple[int, int] | None = None,
    length: np.ndarray | None = None,
    condition: np.ndarray | None = None,
    reduction: str = "expected",
    padding: str = "same",
) -> tuple[np.ndarray, np.ndarray | None]:
    """The same law in NumPy float64, one table look-up for each base of each window.

    Slow, with memory for N * P * W bases and N * P * M sites: for tests.

    Args:
        sequence: [N, L] base codes.
        log_kd: [W, 4, M], nats.
        log_concentration: [M], nats, or [C, M], a row for each condition; minus infinity where
            there is no such factor.
        position_weight: [2, P, M], or [K, 2, P, M], sets of weights; or None.
        column_range: [2, M], or None; the other columns are zero and have no gradient.
        span: [2] or [N, 2], or None; as for `cisreg.occupancy`.
        length: [N], or None; row n is its first length[n] bases: what lies behind is unknown and on
            no span, and windows that these bases alone would not have do not exist.
        condition: [N], the row of log_concentration that each sequence has, or None: each has all.
        reduction: as for `occupancy_standard`.
        padding: "same" or "valid".

    Returns:
        (bound, weighted) as float64 arrays, of the shapes of `cisreg.occupancy`; weighted None
        without position weights.

    Raises:
        ValueError: unknown reduction or padding, or "valid" with windows wider than the sequence.

    Example:
        >>> sequence, log_kd = np.zeros((1, 3), np.uint8), np.zeros((2, 4, 5))
        >>> bound, _ = occupancy_oracle(sequence, log_kd, np.zeros(5))
        >>> bound.shape, float(bound[0, 0, 0])
        ((1, 2, 5), 1.5)
    """
    _check("reduction", reduction, REDUCTIONS)
    own = own_columns(log_kd, column_range)
    log_kd = np.where(own[:, None], log_kd, 0.0)
    sequence, exists = _cut(sequence, length, len(log_kd), padding)
    windows = _oracle_windows(sequence, len(log_kd), padding)
    counts = exists & _counts(sequence, own, span, length, padding)

    def of(concentration: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        logit = np.where(counts, _oracle_logit(windows, log_kd, concentration), -np.inf)
        return _sums(logit, position_weight, reduction)

    log_concentration = np.asarray(log_concentration, np.float64)
    if condition is not None:
        return of(log_concentration[condition][:, None, None])
    if log_concentration.ndim == 1:
        return of(log_concentration)
    bound, weighted = zip(*map(of, log_concentration), strict=True)
    return np.stack(bound, 1), None if position_weight is None else np.stack(weighted, 1)


def site_log_odds(
    sequence: np.ndarray,
    log_kd: np.ndarray,
    log_concentration: np.ndarray,
    *,
    column_range: np.ndarray | None = None,
    span: np.ndarray | tuple[int, int] | None = None,
    length: np.ndarray | None = None,
    padding: str = "same",
) -> tuple[np.ndarray, np.ndarray]:
    """Log odds of every site, minus infinity where its window does not count.

    The arguments are those of `occupancy_oracle`, log_concentration [M].

    Returns:
        (log odds [N, 2, P, M]; base codes under each window as each strand reads them,
        [N, 2, P, W]).

    Example:
        >>> site_log_odds(np.zeros((1, 3), np.uint8), np.zeros((2, 4, 5)), np.zeros(5))[0].shape
        (1, 2, 3, 5)
    """
    own = own_columns(log_kd, column_range)
    sequence, exists = _cut(sequence, length, len(log_kd), padding)
    windows = _oracle_windows(sequence, len(log_kd), padding)
    logit = _oracle_logit(windows, np.where(own[:, None], log_kd, 0.0), log_concentration)
    counts = exists & _counts(sequence, own, span, length, padding)
    return np.where(counts, logit, -np.inf), windows


def _sums(
    logit: np.ndarray, position_weight: np.ndarray | None, reduction: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Sums of sites [N, 2, P, M] over the windows."""
    weighted = None
    if position_weight is not None:
        several = np.ndim(position_weight) == 4
        sets = position_weight if several else [position_weight]
        by_set = [(_logistic(logit) * weight).sum(axis=2) for weight in sets]
        weighted = np.stack(by_set, 1) if several else by_set[0]
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
    column_range: np.ndarray | None = None,
    span: np.ndarray | tuple[int, int] | None = None,
    length: np.ndarray | None = None,
    condition: np.ndarray | None = None,
    reduction: str = "expected",
    padding: str = "same",
) -> dict[str, np.ndarray]:
    """Gradient of `sum(grad_bound * bound) + sum(grad_weighted * weighted)`, derived by hand.

    Args:
        sequence: [N, L] base codes.
        log_kd: [W, 4, M], nats.
        log_concentration: [M] or [C, M], nats; minus infinity where there is no such factor.
        grad_bound: of the shape of bound.
        grad_weighted: of the shape of weighted; given exactly when position_weight is.
        position_weight: [2, P, M] or [K, 2, P, M], or None.
        column_range: [2, M], or None; the other columns are zero and have no gradient.
        span: [2] or [N, 2], or None; as for `cisreg.occupancy`.
        length: [N], or None; row n is its first length[n] bases: what lies behind is unknown and on
            no span, and windows that these bases alone would not have do not exist.
        condition: [N], the row of log_concentration that each sequence has, or None: each has all.
        reduction: as for `occupancy_standard`.
        padding: "same" or "valid".

    Returns:
        float64 arrays "log_kd", "log_concentration" and, with position weights, "position_weight",
        each of the shape of what it is the gradient of.

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
    _check("reduction", reduction, REDUCTIONS)
    if (position_weight is None) != (grad_weighted is None):
        raise ValueError(
            "position_weight, grad_weighted: expected both or neither, got one; pass the other too"
        )
    own = own_columns(log_kd, column_range)
    log_kd = np.where(own[:, None], log_kd, 0.0)
    sequence, exists = _cut(sequence, length, len(log_kd), padding)
    windows = _oracle_windows(sequence, len(log_kd), padding)
    counts = exists & _counts(sequence, own, span, length, padding)
    log_concentration = np.asarray(log_concentration, np.float64)
    has_axis = log_concentration.ndim == 2 and condition is None
    of_log_kd, of_concentration, of_weights = np.zeros(log_kd.shape), [], []
    for row, concentration in enumerate(np.atleast_2d(log_concentration)):
        chosen = slice(None) if condition is None else np.asarray(condition) == row
        upstream = (slice(None), row) if has_axis else chosen
        bound, weighted = grad_bound[upstream], None
        if grad_weighted is not None:
            weighted = grad_weighted[upstream]
        logit = _oracle_logit(windows[chosen], log_kd, concentration)
        # A window that does not exist is one that is never bound.
        logit = np.where(counts[chosen], logit, -np.inf)
        of_logit = _site_gradient(logit, bound, weighted, position_weight, reduction)
        of_concentration.append(of_logit.sum(axis=(0, 1, 2)))
        of_log_kd += by_base(windows[chosen], of_logit)
        if position_weight is not None and weighted is not None:
            of_weights.append(_weight_gradient(logit, weighted, position_weight.shape))
    gradient = {
        "log_kd": np.where(own[:, None], of_log_kd, 0.0),
        "log_concentration": np.reshape(of_concentration, log_concentration.shape),
    }
    return gradient | ({"position_weight": np.sum(of_weights, axis=0)} if of_weights else {})


def _site_gradient(
    logit: np.ndarray,
    grad_bound: np.ndarray,
    grad_weighted: np.ndarray | None,
    position_weight: np.ndarray | None,
    reduction: str,
) -> np.ndarray:
    """Gradient of the logits [N, 2, P, M]."""
    bound = _logistic(logit)
    slope = bound * _logistic(-logit)
    if reduction == "expected":
        of_logit = grad_bound[:, :, None] * slope
    elif reduction == "log_unbound":
        of_logit = -grad_bound[:, :, None] * bound
    else:
        unbound = np.exp(-np.logaddexp(0.0, logit).sum(axis=(1, 2)))
        of_logit = (grad_bound * unbound)[:, None, None] * bound
    if position_weight is None or grad_weighted is None:
        return of_logit
    if np.ndim(position_weight) == 3:
        return of_logit + grad_weighted[:, :, None] * position_weight * slope
    for at, weight in enumerate(position_weight):
        of_logit = of_logit + grad_weighted[:, at, :, None] * weight * slope
    return of_logit


def _weight_gradient(
    logit: np.ndarray, grad_weighted: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Gradient of position weights of this shape."""
    bound = _logistic(logit)
    if len(shape) == 3:
        return (grad_weighted[:, :, None] * bound).sum(axis=0)
    by_set = [(grad_weighted[:, at, :, None] * bound).sum(axis=0) for at in range(shape[0])]
    return np.stack(by_set)


def by_base(windows: np.ndarray, of_logit: np.ndarray) -> np.ndarray:
    """Gradient of log Kd [W, 4, M]: for each column and base, the windows that show it there.

    Args:
        windows: [N, 2, P, W] base codes.
        of_logit: [N, 2, P, M], gradient of the log odds.

    Example:
        >>> by_base(np.zeros((1, 2, 3, 4)), np.ones((1, 2, 3, 1)))[0, :, 0].tolist()
        [-6.0, -0.0, -0.0, -0.0]
    """
    return np.stack(
        [
            np.stack([-of_logit[windows[..., column] == base].sum(axis=0) for base in range(4)])
            for column in range(windows.shape[-1])
        ]
    )


def own_columns(log_kd: np.ndarray, column_range: np.ndarray | None) -> np.ndarray:
    """Whether a column is the motif's own, [W, M].

    Example:
        >>> own_columns(np.zeros((3, 4, 1)), np.array([[1], [2]]))[:, 0].tolist()
        [False, True, False]
    """
    width, _, motifs = log_kd.shape
    first, end = ([0] * motifs, [width] * motifs) if column_range is None else column_range
    return np.array([(first <= column) & (column < end) for column in np.arange(width)[:, None]])


def _cut(
    sequence: np.ndarray, length: np.ndarray | None, width: int, padding: str
) -> tuple[np.ndarray, np.ndarray]:
    """Codes with those behind each sequence unknown, and whether a window exists, [N, 1, P, 1]."""
    sequence = np.asarray(sequence)
    count, most = sequence.shape
    lengths = np.full(count, most) if length is None else np.asarray(length)
    behind = np.arange(most) >= lengths[:, None]
    windows = lengths if padding == "same" else lengths - width + 1
    exists = np.arange(window_count(most, width, padding)) < windows[:, None]
    return np.where(behind, UNKNOWN, sequence), exists[:, None, :, None]


def _counts(
    sequence: np.ndarray,
    own: np.ndarray,
    span: np.ndarray | tuple[int, int] | None,
    length: np.ndarray | None,
    padding: str,
) -> np.ndarray | bool:
    """Whether one of a motif's own columns lies on a base of the span, [N, 2, P, M]."""
    if span is None:
        return True
    count, most = np.shape(sequence)
    base = np.arange(most)
    spans = np.broadcast_to(span, (count, 2))
    ends = spans[:, 1] if length is None else np.minimum(spans[:, 1], length)
    # Code 0 stands for a base of the span here, 3 for that base on the reverse strand.
    inside = (spans[:, :1] <= base) & (base < ends[:, None])
    marked = _oracle_windows(np.where(inside, 0, UNKNOWN), len(own), padding)
    return ((marked != UNKNOWN)[..., None] & own).any(axis=3)


def _oracle_windows(sequence: np.ndarray, width: int, padding: str) -> np.ndarray:
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


def _check(argument: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{argument}: expected one of {choices}, got {value!r}")
