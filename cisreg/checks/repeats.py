"""Rows that repeat a sequence, and what their measurements say about the noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cisreg.data.folds import HELD_OUT, TRAINING
from cisreg.data.replicates import reliability_of_rows, variances_of_groups

# What is kept of each row: the hash of its sequence, which is also that of the reverse complement;
# a hash that tells the two apart; the mean of its measurements; and the side of a split.
ROW = np.dtype([("hash", "u8"), ("strand", "u4"), ("expression", "f4"), ("side", "u1")])


class Repeats(NamedTuple):
    """How often sequences are repeated among the rows that were kept.

    Attributes:
        rows: number of rows.
        sequences: number of different sequences; a reverse complement is the same one.
        repeated: number of sequences that several rows have.
        repeating: number of rows that these have.
        reversed: number of sequences that are there in both orientations.
        across: number of training rows whose sequence is held out, too.
        noise: variance of one measurement around the mean of its sequence, pooled over repeated
            sequences; NaN without any.
        freedom: degrees of freedom of this variance.
        variance: of the measurements of all rows.
    """

    rows: int
    sequences: int
    repeated: int
    repeating: int
    reversed: int
    across: int
    noise: float
    freedom: int
    variance: float

    @property
    def reliability(self) -> float:
        """Share of the variance of single measurements that is not noise, 0 to 1; or NaN."""
        return reliability_of_rows(self.noise, self.variance) if self.freedom else float("nan")


def find_repeats(rows: np.ndarray) -> Repeats:
    """Counts repeats.

    Args:
        rows: of the type `ROW`, sorted by their hashes.

    Example:
        >>> rows = np.array([(5, 1, 2.0, 0), (5, 1, 4.0, 0), (9, 1, 8.0, 0)], ROW)
        >>> found = find_repeats(rows)
        >>> found.sequences, found.repeating, found.noise
        (2, 2, 2.0)
    """
    count = len(rows)
    first = np.flatnonzero(np.diff(rows["hash"], prepend=~rows["hash"][:1]) != 0)
    size = np.diff(first, append=count)
    group = np.repeat(np.arange(len(first)), size)
    repeating = size[group] > 1
    both = np.bincount(group, rows["strand"] != rows["strand"][first][group], len(first)) > 0
    held_out = np.bincount(group, rows["side"] == HELD_OUT, len(first)) > 0
    across = int((held_out[group] & (rows["side"] == TRAINING)).sum())
    noise, freedom, variance = variances_of_groups(rows["expression"], group, size)
    return Repeats(
        rows=count,
        sequences=len(first),
        repeated=int((size > 1).sum()),
        repeating=int(repeating.sum()),
        reversed=int(both.sum()),
        across=across,
        noise=noise,
        freedom=freedom,
        variance=variance,
    )
