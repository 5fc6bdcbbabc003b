"""What repeated measurements say about the noise: the highest r that any model can reach.

A measurement is a true value and noise that is independent of it. Its reliability is the share of
its variance that is not noise, and no prediction has a higher r with it than the root of that
(Spearman 1904, The proof and measurement of association between two things).
"""

from __future__ import annotations

import numpy as np

from cisreg.data.splitting import sequence_hashes

# With fewer degrees of freedom, repeated rows say too little about the noise; so do fewer rows that
# have all of several columns.
FEWEST_REPEATS = 20


def reliability_of_mean(correlation: np.ndarray, measured: float | None = None) -> float:
    """The reliability of the mean of K replicates, 0 to 1.

    It is K r / (1 + (K - 1) r), with r the mean of their correlations (Spearman 1910, Brown 1910).

    Args:
        correlation: float [K, K], finite.
        measured: how many of the replicates the rows have, where some are missing: the harmonic
            mean, since the noise of a mean of k is 1 / k; None: K.

    Example:
        >>> round(reliability_of_mean(np.array([[1.0, 0.8], [0.8, 1.0]])), 4)
        0.8889
    """
    count = len(correlation) if measured is None else measured
    mean = float(correlation[np.triu_indices(len(correlation), 1)].mean())
    return max(count * mean / (1 + (count - 1) * mean), 0.0) if mean > 0 else 0.0


def variances_of_groups(
    values: np.ndarray, group: np.ndarray, size: np.ndarray
) -> tuple[float, int, float]:
    """The variance within groups of rows, its degrees of freedom, and the variance of all rows.

    Args:
        values: float [N].
        group: int [N], the group of each row.
        size: int [G], rows of each group.

    Returns:
        NaN for a variance without degrees of freedom, or of values that are not finite.

    Example:
        >>> variances_of_groups(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 1]), np.array([2, 1]))
        (2.0, 1, 4.0)
    """
    values = values.astype(np.float64)
    if len(values) < 2 or not np.isfinite(values).all():
        return float("nan"), 0, float("nan")
    values -= values.mean()
    mean = np.bincount(group, values, len(size)) / size
    freedom = len(values) - len(size)
    within = float(((values - mean[group]) ** 2).sum())
    return within / freedom if freedom else float("nan"), freedom, float(values.var(ddof=1))


def reliability_of_rows(noise: float, variance: float) -> float:
    """The reliability of single rows, 0 to 1, by their variance within sequences and in all.

    Example:
        >>> reliability_of_rows(1.0, 4.0)
        0.75
    """
    return float(np.clip(1 - noise / variance, 0.0, 1.0)) if variance > 0 else float("nan")


def highest_r(sequence: np.ndarray, measured: np.ndarray) -> float:
    """The highest Pearson's r with these measurements that any model can reach.

    With K columns, these are taken for replicates, and r is that with the mean of those that a row
    has; rows that have all of them say how they agree, of which 20 are needed. With one
    column, it follows from rows of the same sequence (a reverse complement is the same one).

    Args:
        sequence: uint8 [N, L], base codes.
        measured: float [N] or [N, K], NaN where nothing was measured.

    Returns:
        NaN with fewer than 20 rows that have all replicates, or 20 degrees of freedom of repeated
        rows, or where measurements do not vary.

    Example:
        >>> sequence, measured = np.zeros((20, 4), np.uint8), np.arange(20.0)
        >>> round(highest_r(sequence, np.stack([measured, measured], axis=1)), 6)
        1.0
    """
    known = np.isfinite(measured.reshape(len(measured), -1)).sum(axis=1)
    there = known == np.prod(measured.shape[1:])
    measured, sequence, known = measured[there], sequence[there], known[known > 0]
    if len(measured) < 2:
        return float("nan")
    if measured.ndim == 2 and measured.shape[1] > 1:
        if len(measured) < FEWEST_REPEATS or (np.ptp(measured, axis=0) == 0).any():
            return float("nan")
        correlation = np.corrcoef(measured.astype(np.float64).T)
        return reliability_of_mean(correlation, len(known) / float((1 / known).sum())) ** 0.5
    _, group, size = np.unique(sequence_hashes(sequence), return_inverse=True, return_counts=True)
    noise, freedom, variance = variances_of_groups(measured.reshape(len(measured)), group, size)
    if freedom < FEWEST_REPEATS:
        return float("nan")
    return reliability_of_rows(noise, variance) ** 0.5
