"""Adds up the occupancy of sites on the bases of a sequence, as runs of bases with one value.

Of the sites s that count at a base, with occupancy p = sigmoid(log concentration - log Kd), the
value is the probability that at least one is bound, 1 - product of (1 - p), or the expected number
of bound ones, the sum of p: the reductions "probability" and "expected" of `cisreg.occupancy`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Reduction = Literal["probability", "expected"]
Position = Literal["covered", "centre", "start"]

# -log(1 - p) of a site counts up to here: 1 - exp(-32) is 1 in float32.
_LARGEST = 32.0
_BITS = 62
# As the end of a sequence whose sites all came.
END = np.iinfo(np.int64).max

Runs = tuple[np.ndarray, np.ndarray, np.ndarray]


class SiteSums:
    """One track of one sequence, to which sites are added from its beginning to its end.

    Sums are of whole numbers. So they are exact, depend on no order, and what is added before a
    strong site is there after it: the same values however the sequence was divided.

    Args:
        reduction: "probability" or "expected".
        most_sites: the largest number of sites that count at one base.

    Example:
        >>> sums = SiteSums("expected", most_sites=2)
        >>> logit = np.array([0.0, 0.0])
        >>> runs = sums.add(np.array([3, 5]), np.array([7, 9]), logit, complete=END)
        >>> [each.tolist() for each in runs]
        [[3, 5, 7], [5, 7, 9], [0.5, 1.0, 0.5]]
    """

    def __init__(self, reduction: Reduction, *, most_sites: int) -> None:
        self._is_probability = reduction == "probability"
        # The largest power of two with which the sums stay whole numbers of 64 bits.
        self._unit = 2.0 ** np.floor(_BITS - np.log2(_LARGEST * most_sites))
        self._open = (np.zeros(0, np.int64),) * 3
        self._held = _no_runs()

    def add(self, start: np.ndarray, end: np.ndarray, logit: np.ndarray, *, complete: int) -> Runs:
        """Adds sites; gives the runs that no later site can change.

        Args:
            start: int64 [n], the first base at which each site counts.
            end: int64 [n], the base after the last.
            logit: float64 [n], log concentration - log Kd.
            complete: all sites that count at a base below this one have come; `END` at the end of
                the sequence.

        Returns:
            First base of each run, the base after its last, and its value in float32, in ascending
            order; bases without a site, or with a value of 0, are in none.
        """
        # Both forms stay finite whatever the logit.
        term = np.logaddexp(0, logit) if self._is_probability else np.exp(-np.logaddexp(0, -logit))
        whole = np.rint(np.minimum(term, _LARGEST) * self._unit).astype(np.int64)
        start, end, whole = (
            np.concatenate(pair) for pair in zip(self._open, (start, end, whole), strict=True)
        )
        goes_on = end > complete
        self._open = (np.maximum(start, complete)[goes_on], end[goes_on], whole[goes_on])
        begun = start < complete
        runs = _summed(start[begun], np.minimum(end, complete)[begun], whole[begun])
        return self._joined(*runs, last=complete == END)

    def _joined(self, start: np.ndarray, end: np.ndarray, sums: np.ndarray, *, last: bool) -> Runs:
        """Runs with their values, neighbours of one value being one run."""
        value = sums / self._unit
        if self._is_probability:
            value = -np.expm1(-value)
        here = (start, end, value.astype(np.float32))
        there = here[2] > 0
        parts = [
            np.concatenate([held, each[there]]) for held, each in zip(self._held, here, strict=True)
        ]
        start, end, value = parts
        new = np.ones(len(start), bool)
        new[1:] = (start[1:] != end[:-1]) | (value[1:] != value[:-1])
        first = np.flatnonzero(new)
        ends = end[np.append(first[1:] - 1, len(end) - 1)] if len(end) else end
        runs = (start[first], ends, value[first])
        if last:
            self._held = _no_runs()
            return runs
        # The next run may go on with the same value.
        self._held = tuple(each[-1:] for each in runs)  # type: ignore[assignment]
        return tuple(each[:-1] for each in runs)  # type: ignore[return-value]


def bases_of_sites(
    start: np.ndarray, width: np.ndarray | int, position: Position
) -> tuple[np.ndarray, np.ndarray]:
    """The bases at which sites count, int64 [n] each: the first one, and the one after the last.

    Args:
        start: the leftmost base of each site.
        width: of each site, bases.
        position: "covered", all bases of the site; "centre", its base (width - 1) // 2, counted
            from 0 on the forward strand for both strands; or "start", its leftmost base.

    Example:
        >>> bases_of_sites(np.array([10]), 6, "centre")
        (array([12]), array([13]))
    """
    if position == "covered":
        return start, start + width
    first = start if position == "start" else start + (width - 1) // 2
    return first, first + 1


def _summed(start: np.ndarray, end: np.ndarray, term: np.ndarray) -> Runs:
    """Runs between the edges of sites, and the sum of the terms of the sites there."""
    edge = np.concatenate([start, end])
    order = np.argsort(edge, kind="stable")
    edge, change = edge[order], np.concatenate([term, -term])[order]
    first = np.flatnonzero(np.diff(edge, prepend=-1))
    if not len(first):
        return edge, edge, change
    sums = np.cumsum(np.add.reduceat(change, first))
    edges = edge[first]
    return edges[:-1], edges[1:], sums[:-1]


def _no_runs() -> Runs:
    return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
