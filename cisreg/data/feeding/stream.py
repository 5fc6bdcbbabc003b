"""Batches straight from Parquet files, in random order.

Row groups are visited in random order, several at a time, and the rows of each are shuffled.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np

from cisreg.ahead import read_ahead
from cisreg.data.dataset import Dataset, join
from cisreg.data.feeding.feed import Chunk, Steps
from cisreg.data.feeding.order import Lane, deal_lanes, epoch_order
from cisreg.limits import available_cores
from cisreg.sequences import Side

NO_ROWS = (
    "dataset: expected rows that can be used, got none; check its columns, or have --strict, or "
    "strict of open_dataset, say what is wrong with them"
)
_SAMPLE_ROWS = 1024
# Row groups read to estimate mean and standard deviation; enough for files with sorted rows too.
_MEASURED_GROUPS = 8
_READERS = 2


class RowGroups(Protocol):
    """Files whose row groups can be read in any order, by several threads."""

    @property
    def group_rows(self) -> np.ndarray:
        """Number of rows of each row group, int64 [G], unusable rows included."""

    @property
    def length(self) -> int:
        """L."""

    side: Side
    # Whether rows that lack some of several measurements are kept.
    partly_measured: bool

    def refuse_longer(self, why: str) -> None:
        """From now on, a sequence longer than L is an error that ends with `why`."""

    def read_group(self, index: int, order: np.ndarray | None = None) -> tuple[Dataset, np.ndarray]:
        """The usable rows of a group in this order, and which rows are usable, bool [n]."""

    def fingerprint(self) -> str:
        """Text that differs for different files."""

    def end_pass(self) -> None:
        """Logs how many of the rows that were read were left out."""


class RowChoice(Protocol):
    """Which rows of files to train on, in any order; used by several threads at once."""

    @property
    def count(self) -> int | None:
        """Number of rows that are chosen from all files; None: all of them."""

    def choose(self, rows: Dataset, group: int) -> np.ndarray:
        """Which of n rows of this row group are chosen, bool [n]."""

    def fingerprint(self) -> str:
        """Text that differs for a different choice of rows."""

    def end_pass(self) -> None:
        """Logs what was found in a pass over all rows."""


class FileFeed:
    """Sequences in files, visited in an order that is random as far as memory allows.

    An epoch shuffles the row groups and distributes them over lanes. Every batch draws from all
    lanes, from each in proportion to its rows, to within one row. The order of rows within a row
    group is exactly random. So a batch is drawn from a window of lanes x rows of a row group, and
    memory holds twice that window. Lanes are divided among workers in turn (lane number modulo
    number of workers), so batches are the same for any number of workers.

    A batch is counted in rows of the files; it is smaller if some are unusable or not chosen.

    Args:
        files: files with the row groups.
        groups: int64 [G], numbers of the row groups to visit.
        seed: seed of the order, 0 or more.
        lanes: number of lanes, see above.
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
        self.files = files
        self._groups = groups
        self._rows = files.group_rows[groups]
        self._seed = seed
        self._lanes = lanes
        self._choice = choice
        self._sample: Dataset | None = None

    @property
    def count(self) -> int:
        """Rows of an epoch, from which the number of steps is computed."""
        chosen = None if self._choice is None else self._choice.count
        return int(self._rows.sum()) if chosen is None else chosen

    @property
    def sequence_length(self) -> int:
        """L."""
        return self.files.length

    @property
    def group_count(self) -> int:
        """G."""
        return len(self._groups)

    def read_usable(self, group: int) -> Dataset:
        """The training rows of a row group, in the order of the file; groups count from 0."""
        index = int(self._groups[group])
        return self._chosen(index, *self.files.read_group(index))[0]

    def sample(self) -> Dataset:
        """The first rows of the first row group that has usable rows; they are read once."""
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
        read = [self.files.read_group(group)[0] for group in self._groups[places.astype(int)]]
        some = [rows for rows in read if len(rows)] or [self.sample()]
        expression = np.concatenate([each.expression for each in some])
        weights = [each.weight for each in some if each.weight is not None]
        return expression, np.concatenate(weights) if weights else None

    def fingerprint(self) -> str:
        """Text that differs for different files, row groups, lanes or choices of rows."""
        chosen = "" if self._choice is None else f", {self._choice.fingerprint()}"
        return f"{self.files.fingerprint()} {self._groups.tolist()} {self._lanes} lanes{chosen}"

    def chunks(self, wanted: Steps) -> Generator[Chunk, None, None]:
        """The batches of an epoch; threads read the files ahead of their use."""
        return read_ahead(self._chunks(wanted))

    def _chunks(self, wanted: Steps) -> Generator[Chunk, None, None]:
        lanes = deal_lanes(self._rows, self._lanes, self._seed, wanted.epoch)
        own = lanes[wanted.worker :: wanted.workers]
        if len(lanes) < wanted.workers:
            # All workers raise this, also those that would have a lane.
            raise ValueError(
                f"dataset: expected at least {wanted.workers} lanes, one for each worker, got "
                f"{len(lanes)}; train with fewer workers, with more lanes, or convert the dataset "
                "with smaller row groups"
            )
        with ThreadPoolExecutor(min(_READERS, available_cores())) as pool:
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
                    self.files.end_pass()
                    if self._choice is not None:
                        self._choice.end_pass()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def read(self, group: int, epoch: int) -> tuple[Dataset, np.ndarray]:
        """The group's usable rows in the epoch's order, and which rows are usable."""
        index = int(self._groups[group])
        order = epoch_order(int(self._rows[group]), self._seed, epoch, index + 1)
        return self._chosen(index, *self.files.read_group(index, order))

    def _chosen(self, group: int, rows: Dataset, kept: np.ndarray) -> tuple[Dataset, np.ndarray]:
        """The rows to train on, and which rows of the file these are."""
        if self._choice is None:
            return rows, kept
        chosen = self._choice.choose(rows, group)
        if chosen.all():
            return rows, kept
        kept = kept.copy()
        kept[kept] = chosen
        return rows.take(chosen), kept


class _LaneReader:
    """Reads the rows of a lane from a position on; the next row group is read in advance."""

    def __init__(
        self, feed: FileFeed, lane: Lane, epoch: int, pool: ThreadPoolExecutor, begin: int
    ) -> None:
        self._feed, self.lane, self._epoch, self._pool = feed, lane, epoch, pool
        # The last group that begins at or before the position; groups without rows are skipped.
        self._place = int(np.searchsorted(lane.begin[1:], begin, side="right"))
        self._next = self._submit(self._place)
        self._rows: Dataset | None = None

    def _submit(self, place: int) -> Future[tuple[Dataset, np.ndarray]] | None:
        if place >= len(self.lane.groups):
            return None
        return self._pool.submit(self._feed.read, int(self.lane.groups[place]), self._epoch)

    def _advance(self) -> None:
        assert self._next is not None  # the lane has a row that was not read yet
        self._rows, kept = self._next.result()
        self._usable = np.concatenate([[0], np.cumsum(kept)])
        self._begin = int(self.lane.begin[self._place])
        self._end = int(self.lane.begin[self._place + 1])
        self._place += 1
        self._next = self._submit(self._place)

    def nothing(self) -> Dataset:
        """A Dataset without rows, of the same shape as the others."""
        rows = self._rows
        if rows is None:
            # No row group was read yet, and none may be left: read one for its shape.
            rows, _ = self._feed.read(int(self.lane.groups[0]), self._epoch)
        return rows[:0]

    def take(self, begin: int, end: int) -> Iterator[Dataset]:
        """The usable rows between two positions of the lane; each call must begin further on."""
        while begin < end:
            while self._rows is None or begin >= self._end:
                self._advance()
            upto = min(end, self._end)
            first, stop = self._usable[[begin - self._begin, upto - self._begin]]
            yield self._rows[first:stop]
            begin = upto


def _draw(readers: list[_LaneReader], steps: int, first: int, stop: int) -> Chunk:
    """A chunk of the batches from `first` to before `stop`, each drawn from all lanes."""
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
