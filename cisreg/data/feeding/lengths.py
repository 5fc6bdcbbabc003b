"""Lengths of sequences, and whether a single long one makes the padding of all others too long."""

from __future__ import annotations

import bisect
import logging
from collections.abc import Sequence

import numpy as np
import pyarrow.compute as compute

from cisreg.data.formats.rows import Rows
from cisreg.limits import host_memory

logger = logging.getLogger("cisreg.data")

# Warn if the longest sequence has at least this many times the median length.
_FAR = 4
# Padded rows are refused if they take more than this memory and more than this many bytes per base,
# or if they take more than this share of the machine's memory.
_MUCH_MEMORY, _BYTES_PER_BASE = 1 << 30, 20
_SHARE = 0.5


class Lengths:
    """Counts of sequences by length.

    Attributes:
        longest: bases of the longest sequence; 0 if there are none.
        place: where the first of the longest sequences is, as "file:line".
    """

    def __init__(self) -> None:
        self.longest, self.place = 0, ""
        self._counts: dict[int, int] = {}

    def add(self, rows: Rows) -> None:
        """Counts the lengths of more rows."""
        if not len(rows):
            return
        sizes = compute.binary_length(rows.sequence).to_numpy(zero_copy_only=False)
        values, counts = np.unique(sizes, return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            self._counts[value] = self._counts.get(value, 0) + count
        if values[-1] > self.longest:
            self.longest = int(values[-1])
            self.place = rows.place(int(np.argmax(sizes)))

    def add_all(self, later: Lengths) -> None:
        """Adds the counts of later rows."""
        for value, count in later._counts.items():
            self._counts[value] = self._counts.get(value, 0) + count
        if later.longest > self.longest:
            self.longest, self.place = later.longest, later.place

    @property
    def count(self) -> int:
        """Number of sequences."""
        return sum(self._counts.values())

    def by_bucket(self, lengths: Sequence[int]) -> list[int]:
        """Number of sequences for which each length is the first to hold them, or the last.

        Args:
            lengths: in increasing order.
        """
        counts = [0] * len(lengths)
        for value, count in self._counts.items():
            counts[min(bisect.bisect_left(lengths, value), len(lengths) - 1)] += count
        return counts

    @property
    def median(self) -> int:
        """The median length in bases."""
        values = sorted(self._counts)
        total = np.cumsum([self._counts[value] for value in values])
        return values[int(np.searchsorted(total, (total[-1] + 1) // 2))]

    def check(self) -> None:
        """Like `warn`, but for rows that will all be in memory.

        Raises:
            ValueError: the padded rows would take far more memory than their bases, or more than
                half of the machine's memory; the message names the longest row.
        """
        if not self._counts:
            return
        wanted = self.count * self.longest
        bases = sum(value * count for value, count in self._counts.items())
        wasted = wanted > _MUCH_MEMORY and wanted > _BYTES_PER_BASE * bases
        if wasted or wanted > _SHARE * host_memory():
            raise ValueError(
                f"{self.place}: expected {self.count:,} sequences that fit into memory at the "
                f"length of the longest, got one of {self.longest:,} bases, the median being "
                f"{self.median:,}: {wanted / 2**30:.1f} GB; give a length, remove the row, or "
                "convert and stream the rows"
            )
        self.warn()

    def warn(self) -> None:
        """Warns if the longest sequence is far above the median: all are padded to its length."""
        if self._counts and self.longest >= _FAR * self.median:
            logger.warning(
                "%s: the longest of %s sequences has %s bases, and all are padded to it; the "
                "median is %s; give a length to trim to, or remove the row",
                *(self.place, f"{self.count:,}", f"{self.longest:,}", f"{self.median:,}"),
            )
