"""How long sequences are, and whether one of them makes all the others too long."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow.compute as compute

from cisreg.data.formats.rows import Rows

logger = logging.getLogger("cisreg.data")

# The longest sequence is worth a word from so many medians on.
_FAR = 4
# Padding is refused where it takes most of this, and more than so many bytes for each base.
_MUCH_MEMORY, _BYTES_PER_BASE = 1 << 30, 20
_SHARE = 0.5
# Where Linux says what a container may use.
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def host_memory() -> int:
    """Bytes of memory of the machine, or fewer that a container may use.

    Example:
        >>> host_memory() > 1 << 20
        True
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in _LIMITS:
        # "max" or nothing where there is no limit.
        with suppress(OSError, ValueError):
            memory = min(memory, int(Path(path).read_text()))
    return memory


class Lengths:
    """Lengths of sequences, counted.

    Attributes:
        longest: bases of the longest one; 0 where there are none.
        place: of the first that is so long, as "file:line".
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

    @property
    def median(self) -> int:
        """Bases that half of the sequences do not exceed."""
        values = sorted(self._counts)
        total = np.cumsum([self._counts[value] for value in values])
        return values[int(np.searchsorted(total, (total[-1] + 1) // 2))]

    def check(self) -> None:
        """As `warn`, where all rows are to be in memory.

        Raises:
            ValueError: the rows would take far more memory than their bases, or more than there
                is; it names the longest one.
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
        """Warns where the longest sequence is far above the median, since all become as long."""
        if self._counts and self.longest >= _FAR * self.median:
            logger.warning(
                "%s: the longest of %s sequences has %s bases, and all are padded to it; the "
                "median is %s; give a length to trim to, or remove the row",
                *(self.place, f"{self.count:,}", f"{self.longest:,}", f"{self.median:,}"),
            )
