"""Batches straight from Parquet files: shuffled row groups, side by side, each one shuffled."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np

from cisreg.data.dataset import Dataset, join
from cisreg.data.feeding.feed import Chunk, Steps, read_ahead
from cisreg.data.feeding.order import Lane, deal_lanes, epoch_order

NO_ROWS = (
    "dataset: expected rows that can be used, got none; check its columns, or have --strict, or "
    "strict of open_dataset, say what is wrong with them"
)
_SAMPLE_ROWS = 1024
# So many tell mean and standard deviation, of files too whose rows are sorted.
_MEASURED_GROUPS = 8
_READERS = 2


class RowGroups(Protocol):
    """Files whose row groups can be read in any order, by several threads."""

    @property
    def group_rows(self) -> np.ndarray:
        """int64 [G], rows of each, unusable ones included."""

    @property
    def length(self) -> int:
        """L."""

    def read_group(self, index: int, order: np.ndarray | None = None) -> tuple[Dataset, np.ndarray]:
        """The usable rows of a group in this order, and bool [n] for each row: whether it is."""

    def fingerprint(self) -> str:
        """Text that other files do not have."""

    def end_pass(self) -> None:
        """Says in the log how many rows were left out of what was read."""


class RowChoice(Protocol):
    """Which rows of files to train on, whatever their order; used by several threads at once."""

    @property
    def count(self) -> int | None:
        """How many rows are chosen from all files; None: all of them."""

    def choose(self, rows: Dataset, group: int) -> np.ndarray:
        """Which of the n rows, all of them of this row group, are chosen, bool [n]."""

    def fingerprint(self) -> str:
        """Text that another choice does not have."""

    def end_pass(self) -> None:
        """Says in the log what was found in a pass over all rows."""


class FileFeed:
    """Sequences in files, visited in an order that is random as far as memory allows.

    An epoch shuffles the row groups and deals them out to lanes. Every batch draws from all lanes,
    from each in proportion to its rows, to within one; within a row group rows are in an order that
    is exactly random. So a batch is drawn from a window of lanes x rows of a row group, and memory
    holds twice that. A worker reads the lanes whose number gives its own when divided by the number
    of workers: batches are the same for any number of them.

    A batch is counted in rows of the files: where some are unusable or not chosen, it is smaller.

    Args:
        files: where the row groups are.
        groups: int64 [G], numbers of those to visit.
        seed: of the order, 0 or more.
        lanes: see above.
        choice: which rows to train on; None: all.
    """

    resident = None

    def __init__(
        self,
        files: RowGroups,
        groups: np.ndarray,
        seed: int,
        lanes: int,
        choice: RowChoice | None = None,
    ) -> None:
        self._files = files
        self._groups = groups
        self._rows = files.group_rows[groups]
        self._seed = seed
        self._lanes = lanes
        self._choice = choice
        self._sample: Dataset | None = None

    @property
    def count(self) -> int:
        """Rows of an epoch; a batch size divides these, not the rows of the files."""
        chosen = None if self._choice is None else self._choice.count
        return int(self._rows.sum()) if chosen is None else chosen

    @property
    def sequence_length(self) -> int:
        """L."""
        return self._files.length

    @property
    def group_count(self) -> int:
        """G."""
        return len(self._groups)

    def read_usable(self, group: int) -> Dataset:
        """The rows of a row group that are trained on, in their order; groups count from 0."""
        index = int(self._groups[group])
        return self._chosen(index, *self._files.read_group(index))[0]

    def sample(self) -> Dataset:
        """The first rows of the first row group that has any to use; they are read once."""
        if self._sample is None:
            self._sample = self._read_sample()
        return self._sample

    def _read_sample(self) -> Dataset:
        for group in range(self.group_count):
            rows = self.read_usable(group)
            if len(rows):
                return rows[:_SAMPLE_ROWS].copy()
        raise ValueError(NO_ROWS)

    def measurements(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Expression [n] or [n, K] and weight [n] of some row groups, evenly spread over all."""
        places = np.linspace(0, len(self._groups) - 1, min(len(self._groups), _MEASURED_GROUPS))
        read = [self._files.read_group(group)[0] for group in self._groups[places.astype(int)]]
        some = [rows for rows in read if len(rows)] or [self.sample()]
        expression = np.concatenate([each.expression for each in some])
        weights = [each.weight for each in some if each.weight is not None]
        return expression, np.concatenate(weights) if weights else None

    def fingerprint(self) -> str:
        """Of the files, the row groups, the lanes and the choice of rows."""
        chosen = "" if self._choice is None else f", {self._choice.fingerprint()}"
        return f"{self._files.fingerprint()} {self._groups.tolist()} {self._lanes} lanes{chosen}"

    def chunks(self, wanted: Steps) -> Generator[Chunk, None, None]:
        """The batches of an epoch; files are read by threads, ahead of their use."""
        return read_ahead(self._chunks(wanted))

    def _chunks(self, wanted: Steps) -> Generator[Chunk, None, None]:
        lanes = deal_lanes(self._rows, self._lanes, self._seed, wanted.epoch)
        own = lanes[wanted.worker :: wanted.workers]
        if len(lanes) < wanted.workers:
            # All workers say so, those too that would have one.
            raise ValueError(
                f"dataset: expected at least {wanted.workers} lanes, one for each worker, got "
                f"{len(lanes)}; train with fewer workers, with more lanes, or convert the dataset "
                "with smaller row groups"
            )
        with ThreadPoolExecutor(min(_READERS, os.cpu_count() or 1)) as pool:
            done = [int(lane.bounds(wanted.steps, wanted.first, wanted.first)[0]) for lane in own]
            readers = [
                _LaneReader(self, lane, wanted.epoch, pool, begin)
                for lane, begin in zip(own, done, strict=True)
            ]
            try:
                for first in range(wanted.first, wanted.steps, wanted.per_chunk):
                    stop = min(first + wanted.per_chunk, wanted.steps)
                    yield _draw(readers, wanted.steps, first, stop)
                if wanted.epoch == 1:
                    self._files.end_pass()
                    if self._choice is not None:
                        self._choice.end_pass()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def read(self, group: int, epoch: int) -> tuple[Dataset, np.ndarray]:
        """The group's usable rows in the epoch's order, and which rows those are."""
        index = int(self._groups[group])
        order = epoch_order(int(self._rows[group]), self._seed, epoch, index + 1)
        return self._chosen(index, *self._files.read_group(index, order))

    def _chosen(self, group: int, rows: Dataset, kept: np.ndarray) -> tuple[Dataset, np.ndarray]:
        """The rows to train on, and which rows of the file they are."""
        if self._choice is None:
            return rows, kept
        chosen = self._choice.choose(rows, group)
        if chosen.all():
            return rows, kept
        kept = kept.copy()
        kept[kept] = chosen
        return rows.take(chosen), kept


class _LaneReader:
    """Hands out the rows of a lane from where it stands; the next row group is read meanwhile."""

    def __init__(
        self, feed: FileFeed, lane: Lane, epoch: int, pool: ThreadPoolExecutor, begin: int
    ) -> None:
        self._feed, self.lane, self._epoch, self._pool = feed, lane, epoch, pool
        # The last group that begins at or before the place; groups without rows are passed over.
        self._place = int(np.searchsorted(lane.begin[1:], begin, side="right"))
        self._next = self._submit(self._place)
        self._rows: Dataset | None = None

    def _submit(self, place: int) -> Future[tuple[Dataset, np.ndarray]] | None:
        if place >= len(self.lane.groups):
            return None
        return self._pool.submit(self._feed.read, int(self.lane.groups[place]), self._epoch)

    def _advance(self) -> None:
        assert self._next is not None  # there is a row that was not handed out
        self._rows, kept = self._next.result()
        self._usable = np.concatenate([[0], np.cumsum(kept)])
        self._begin = int(self.lane.begin[self._place])
        self._end = int(self.lane.begin[self._place + 1])
        self._place += 1
        self._next = self._submit(self._place)

    def nothing(self) -> Dataset:
        """No row at all, of the shape of the others."""
        rows = self._rows
        if rows is None:
            # None was handed out yet; there may be no more.
            rows, _ = self._feed.read(int(self.lane.groups[0]), self._epoch)
        return rows[:0]

    def take(self, begin: int, end: int) -> Iterator[Dataset]:
        """The usable ones of these rows of the lane; calls go forward only."""
        while begin < end:
            while self._rows is None or begin >= self._end:
                self._advance()
            upto = min(end, self._end)
            first, stop = self._usable[[begin - self._begin, upto - self._begin]]
            yield self._rows[first:stop]
            begin = upto


def _draw(readers: list[_LaneReader], steps: int, first: int, stop: int) -> Chunk:
    """A chunk of the batches `first` to `stop`, each from all lanes."""
    bounds = [reader.lane.bounds(steps, first, stop) for reader in readers]
    parts: list[Dataset] = []
    sizes = [0]
    for step in range(stop - first):
        before = len(parts)
        for reader, bound in zip(readers, bounds, strict=True):
            parts.extend(reader.take(int(bound[step]), int(bound[step + 1])))
        sizes.append(sum(len(part) for part in parts[before:]))
    rows = join(parts or [readers[0].nothing()])
    return Chunk(
        rows.sequence,
        rows.expression,
        np.empty(0, np.float32) if rows.weight is None else rows.weight,
        np.empty(0, np.int64),
        np.cumsum(sizes),
        first,
    )
