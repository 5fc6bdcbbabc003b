"""Rows held out of files that are streamed: found in one pass, and left out of every batch."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from cisreg.data.dataset import Dataset, join
from cisreg.data.feeding.loading import core_count
from cisreg.data.feeding.stream import NO_ROWS, RowGroups
from cisreg.data.splitting import (
    MOST_HASH,
    at_least_one,
    count_shared,
    hash_threshold,
    say_shared,
    sequence_hashes,
)

logger = logging.getLogger("cisreg.data")

# What validation reads of the rows that are held out, at most. These are no shares of the memory,
# which may be another one where a run is resumed.
_MOST_ROWS = 1 << 20
_MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Unseen:
    """Trains on the rows whose sequences have a hash of at least a threshold.

    Attributes:
        threshold: rows of lower hashes are held out.
        seed: of the hashes.
        count: usable rows of all files that are trained on.
    """

    threshold: int
    seed: int
    count: int

    def choose(self, rows: Dataset, group: int) -> np.ndarray:
        """Which of n rows to train on, bool [n]."""
        return sequence_hashes(rows.sequence, self.seed) >= np.uint64(self.threshold)

    def fingerprint(self) -> str:
        """Text that another choice does not have."""
        return f"hashes from {self.threshold} with seed {self.seed}"

    def end_pass(self) -> None:
        """Everything was said when the rows were counted."""


class NotShared:
    """Trains on all rows, and warns where a validation set has sequences of theirs.

    Args:
        validation: of other rows.
    """

    count = None

    def __init__(self, validation: Dataset) -> None:
        self._hashes = np.unique(sequence_hashes(validation.sequence))
        # By row group: some are read more than once.
        self._shared: dict[int, int] = {}

    def choose(self, rows: Dataset, group: int) -> np.ndarray:
        """All rows; those whose sequence is in the validation set are counted."""
        shared = np.isin(sequence_hashes(rows.sequence), self._hashes)
        self._shared[group] = int(shared.sum())
        return np.ones(len(rows), bool)

    def fingerprint(self) -> str:
        """Text that another choice does not have."""
        return "all rows"

    def end_pass(self) -> None:
        """Warns where there are any."""
        say_shared(sum(self._shared.values()))


def hold_out_rows(files: RowGroups, fraction: float, seed: int) -> tuple[Unseen, Dataset]:
    """Chooses rows by a hash of their sequences and reads those that are held out, in one pass.

    Where these are more than validation needs (1,048,576 rows or 1 GiB of bases), those with the
    lowest hashes are read, at least half of that; the others are held out all the same. Memory
    holds twice that, and the row groups that are being read.

    Args:
        files: of Parquet.
        fraction: of the rows to hold out.
        seed: of the hashes.

    Returns:
        (which rows to train on, rows to validate with).

    Raises:
        ValueError: `fraction` outside (0, 1), or fewer than two different sequences.
    """
    threshold = hash_threshold(fraction)
    found = _Found(files, threshold, seed)
    exact = at_least_one(threshold, found.lowest, found.highest, "sequence")
    if exact != threshold:
        # All rows were on one side: there are few sequences, and another pass takes no time.
        found = _Found(files, exact, seed)
    held_out, usable = found.held_out, found.usable
    logger.info(
        "held out: %d of %d rows (%.1f %%), chosen by a hash of the sequence and seed %d; "
        "validation reads %d of them, of which %d share their sequence with another one",
        *(held_out, usable, 100 * held_out / usable, seed, len(found.hashes)),
        count_shared(found.hashes),
    )
    return Unseen(exact, seed, usable - held_out), found.rows


class _Found:
    """The rows of files below a threshold, or as many of the lowest hashes as memory is for.

    Args:
        files: of Parquet.
        threshold: of the hashes.
        seed: of the hashes.

    Attributes:
        usable: rows of the files that can be used.
        held_out: how many of them have a hash below the threshold.
        lowest: hash of all usable rows.
        highest: likewise.
    """

    def __init__(self, files: RowGroups, threshold: int, seed: int) -> None:
        self.usable, self.held_out = 0, 0
        self.lowest, self.highest = MOST_HASH, 0
        self._threshold, self._seed, self._limit = threshold, seed, threshold
        self._parts: list[tuple[np.ndarray, Dataset]] = []
        self._count = 0
        self._most = max(min(_MOST_ROWS, _MOST_BYTES // files.length), 1)
        for hashes, rows in self._read(files):
            self._add(hashes, rows)
        if not self.usable:
            raise ValueError(NO_ROWS)

    @property
    def hashes(self) -> np.ndarray:
        """uint64 [n], of `rows`."""
        return np.concatenate([hashes for hashes, _ in self._parts])

    @property
    def rows(self) -> Dataset:
        """Those below the threshold, or fewer, in the order of the files."""
        return join([rows for _, rows in self._parts])

    def _read(self, files: RowGroups) -> Iterator[tuple[np.ndarray, Dataset]]:
        """For each row group the hashes of its rows, and those of its rows that may be kept."""

        def read(group: int) -> tuple[np.ndarray, Dataset]:
            rows, _ = files.read_group(group)
            hashes = sequence_hashes(rows.sequence, self._seed)
            # Rows that are not kept leave the memory here. The limit only falls.
            return hashes, rows.take(hashes < np.uint64(self._limit))

        groups = iter(range(len(files.group_rows)))
        with ThreadPoolExecutor(core_count()) as threads:
            first = itertools.islice(groups, 2 * core_count())
            waiting = deque(threads.submit(read, group) for group in first)
            while waiting:
                part = waiting.popleft().result()
                waiting.extend(threads.submit(read, each) for each in itertools.islice(groups, 1))
                yield part

    def _add(self, hashes: np.ndarray, rows: Dataset) -> None:
        if not len(hashes):
            return
        self.usable += len(hashes)
        self.held_out += int((hashes < np.uint64(self._threshold)).sum())
        self.lowest = min(self.lowest, int(hashes.min()))
        self.highest = max(self.highest, int(hashes.max()))
        # The row group may have been read before the limit fell.
        self._parts.append(_below(self._limit, sequence_hashes(rows.sequence, self._seed), rows))
        self._count += len(self._parts[-1][0])
        while self._count > self._most and self._limit > 1:
            self._limit //= 2
            self._parts = [_below(self._limit, *part) for part in self._parts]
            self._count = sum(len(part[0]) for part in self._parts)


def _below(limit: int, hashes: np.ndarray, rows: Dataset) -> tuple[np.ndarray, Dataset]:
    kept = hashes < np.uint64(limit)
    return (hashes, rows) if kept.all() else (hashes[kept], rows.take(kept))
