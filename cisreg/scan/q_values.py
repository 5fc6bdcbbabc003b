"""Q-values of hits: Benjamini and Hochberg's false discovery rate, in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

_UNKNOWN = 4


class QValues:
    """Counts windows and the p-values of hits, then gives q-values.

    The q-value of a hit is the smallest false discovery rate at which it would be listed: the
    minimum of windows * p / rank over the hits of its motif with its p-value or a larger one, where
    the rank counts the hits with this p-value or a smaller one (Benjamini and Hochberg, 1995), and
    at most 1. `windows` is the number of all windows of the motif's width that are sites, on all
    strands that are scanned. Only hits are known, not the weaker windows: so a q-value is never
    below the one of all windows, and nearly always equal.

    Each motif keeps its distinct p-values, of which there are at most as many as scores.

    Args:
        motif_count: M.

    Example:
        >>> counts = QValues(len(motifs))
        >>> tables = list(scan_portions("genome.fa", motifs, p_value=1e-4, q_values=counts))
        >>> q = counts.of_table(tables[0])
    """

    def __init__(self, motif_count: int) -> None:
        self.windows = np.zeros(motif_count, np.int64)
        self._values = [np.empty(0)] * motif_count
        self._counts = [np.empty(0, np.int64)] * motif_count
        self._rates: list[np.ndarray | None] = [None] * motif_count

    def add_windows(self, windows: np.ndarray) -> None:
        """Further windows of each motif, int64 [M]."""
        self.windows += windows
        self._rates = [None] * len(self.windows)

    def add(self, motif: np.ndarray, p_value: np.ndarray) -> None:
        """Further hits: index of the motif and p-value of each."""
        for index, rows in _by_motif(motif):
            value, count = np.unique(p_value[rows], return_counts=True)
            joined = np.concatenate([self._values[index], value])
            self._values[index], place = np.unique(joined, return_inverse=True)
            counts = np.concatenate([self._counts[index], count])
            self._counts[index] = np.bincount(place, counts).astype(np.int64)
            self._rates[index] = None

    def of(self, motif: np.ndarray, p_value: np.ndarray) -> np.ndarray:
        """The q-values of hits that were all added, float64 [hits]."""
        q_value = np.empty(len(motif))
        for index, rows in _by_motif(motif):
            place = np.searchsorted(self._values[index], p_value[rows])
            q_value[rows] = self._rate(index)[place]
        return q_value

    def of_table(self, table: pa.Table) -> np.ndarray:
        """The q-values of a table of `scan_portions`, float64 [hits]."""
        motif = table["motif"].combine_chunks()
        return self.of(motif.indices.to_numpy(), table["p_value"].to_numpy())

    def _rate(self, index: int) -> np.ndarray:
        rate = self._rates[index]
        if rate is None:
            rank = np.cumsum(self._counts[index])
            rates = np.minimum(self.windows[index] * self._values[index] / rank, 1)
            rate = np.minimum.accumulate(rates[::-1])[::-1]
            self._rates[index] = rate
        return rate


def count_windows(
    codes: np.ndarray,
    bounds: np.ndarray,
    widths: np.ndarray,
    *,
    own: int | None = None,
    skip_unknown: bool = True,
) -> np.ndarray:
    """The number of windows of each width that are sites, on one strand.

    Args:
        codes: uint8 [T], base codes.
        bounds: int64 [2, N], the first code of each sequence, and the one behind its last.
        widths: [M], widths of the windows.
        own: only windows that begin at codes [0, own) count.
        skip_unknown: whether windows with an unknown base are no sites.

    Returns:
        int64 [M].

    Example:
        >>> count_windows(np.uint8([0, 1, 4, 2]), np.array([[0], [4]]), np.array([1, 2]))
        array([3, 1])
    """
    begin, end = _runs(codes, bounds) if skip_unknown else (bounds[0], bounds[1])
    limit = len(codes) if own is None else own
    distinct, place = np.unique(widths, return_inverse=True)
    counts: list[Any] = [
        np.maximum(np.minimum(end - width + 1, limit) - begin, 0).sum() for width in distinct
    ]
    return np.asarray(counts, np.int64)[place]


def _runs(codes: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stretches of known bases within sequences: their beginnings, and ends."""
    edge = np.zeros(len(codes) + 1, bool)
    edge[bounds] = True
    inside = np.zeros(len(codes) + 1, np.int64)
    np.add.at(inside, bounds, np.array([[1], [-1]]))
    known = (np.cumsum(inside)[:-1] > 0) & (codes < _UNKNOWN)
    before, after = np.append(False, known), np.append(known, False)
    return np.flatnonzero(after & (edge | ~before)), np.flatnonzero(before & (edge | ~after))


def _by_motif(motif: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """The rows of each motif that has any."""
    order = np.argsort(motif, kind="stable")
    first = np.flatnonzero(np.diff(motif[order], prepend=-1))
    parts = np.split(order, first[1:])
    return [(int(motif[part[0]]), part) for part in parts if len(part)]
