"""What is kept of the rows in one pass: some numbers of each, and the sequences of a sample.

Both are chosen by a hash of the sequence. So all rows of a sequence are kept or none of them, the
sample is uniform over the different sequences, and it does not depend on the order of the rows.
"""

from __future__ import annotations

import numpy as np

from cisreg.data.ends import from_first_base

# Beyond so many rows, the numbers of half of the sequences are kept, then of a quarter, and so on.
MOST_ROWS = 1 << 23
# The sample has at most so many sequences, and so many bases.
MOST_SEQUENCES, _MOST_BASES = 1 << 14, 1 << 25
_ALL = np.uint64((1 << 64) - 1)


class KeptRows:
    """Numbers of each row, of all rows or of those with the lowest hashes.

    Args:
        most: how many rows are kept.

    Attributes:
        share: share of the sequences that is kept.
    """

    def __init__(self, most: int = MOST_ROWS) -> None:
        self._most, self._limit = most, _ALL
        self._parts: list[np.ndarray] = []
        self._count = 0

    @property
    def share(self) -> float:
        """Share of the sequences whose rows are kept."""
        return (int(self._limit) + 1) / 2**64

    def add(self, rows: np.ndarray) -> None:
        """Adds rows, a structured array with the field `hash`, uint64 [n]."""
        self._parts.append(rows[rows["hash"] <= self._limit])
        self._count += len(self._parts[-1])
        while self._count > self._most and self._limit > 1:
            self._limit = self._limit >> np.uint64(1)
            self._parts = [part[part["hash"] <= self._limit] for part in self._parts]
            self._count = sum(map(len, self._parts))

    def sorted(self, kind: np.dtype) -> np.ndarray:
        """The rows in the order of their hashes; rows of one sequence in the order of the data."""
        if not self._parts:
            return np.empty(0, kind)
        rows = np.concatenate(self._parts)
        self._parts = []
        return rows[np.argsort(rows["hash"], kind="stable")]


class SequenceSample:
    """Sequences with the lowest hashes, each once, with the expression of their first row.

    Args:
        most: number of sequences.
    """

    def __init__(self, most: int = MOST_SEQUENCES) -> None:
        self._most, self._limit = most, _ALL
        self._hash = np.empty(0, np.uint64)
        self._expression = np.empty(0, np.float32)
        self._codes: list[np.ndarray] = []

    def add(self, hashes: np.ndarray, codes: np.ndarray, expression: np.ndarray) -> None:
        """Adds rows: uint64 [n], uint8 [n, L] as in `Block`, float32 [n]."""
        chosen = np.flatnonzero(hashes <= self._limit)
        _, first = np.unique(hashes[chosen], return_index=True)
        chosen = chosen[first]
        chosen = chosen[~np.isin(hashes[chosen], self._hash)][: self._most]
        if not len(chosen):
            return
        every = np.concatenate([self._hash, hashes[chosen]])
        values = np.concatenate([self._expression, expression[chosen]])
        rows = self._codes + [codes[row].copy() for row in chosen.tolist()]
        lowest = np.argsort(every, kind="stable")[: self._most]
        total = np.cumsum([len(rows[row]) for row in lowest.tolist()])
        lowest = lowest[: max(int(np.searchsorted(total, _MOST_BASES, "right")), 1)]
        if len(lowest) < len(every):
            self._limit = every[lowest[-1]]
        self._hash, self._expression = every[lowest], values[lowest]
        self._codes = [rows[row] for row in lowest.tolist()]

    def sequences(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Codes, uint8 [S, L] as in `Block`, lengths, int64 [S], and expression, float32 [S]."""
        width = max(map(len, self._codes), default=1)
        codes = np.full((len(self._codes), width), 4, np.uint8)
        for row, each in enumerate(self._codes):
            codes[row, : len(each)] = each
        return *from_first_base(codes), self._expression
