"""External merge sort: rows in a temporary file as sorted runs, and any range of the sorted rows.

The merge can begin anywhere: for any rank, a search in all runs finds how many rows of each run
come before it. So several threads can gather ranges independently, each with the memory of one
range.
"""

from __future__ import annotations

import math
import mmap
import os
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute

from cisreg.data.formats.manifest import Order
from cisreg.data.formats.rows import Rows
from cisreg.files import open_own_file, open_regular_file

SEQUENCE = "sequence"
WEIGHT = "weight"
_KEY = "key"
# Keys of the shuffle come from a different random stream than the orders of epochs.
_STREAM = 0x636F6E76


class Run(NamedTuple):
    """A sorted run, as recorded in the journal.

    Attributes:
        rows: number of rows.
        start: where it begins in the file, in bytes.
        stop: where it ends.
        checksum: CRC-32 of its bytes.
        bases: sum of the lengths of its sequences.
        shortest: bases of the shortest sequence.
        longest: bases of the longest sequence.
    """

    rows: int
    start: int
    stop: int
    checksum: int
    bases: int
    shortest: int
    longest: int


def shuffle_keys(seed: int, first: int, count: int) -> np.ndarray:
    """Sort keys of shuffled rows; a key depends only on the seed and the row's number.

    Args:
        seed: 0 or more.
        first: number of the first row.
        count: number of rows.

    Returns:
        uint64 [count], raw numbers of the PCG64 generator, the same in all versions of NumPy.

    Example:
        >>> bool((shuffle_keys(0, 2, 3) == shuffle_keys(0, 0, 5)[2:]).all())
        True
    """
    generator = np.random.PCG64(np.random.SeedSequence([seed, _STREAM]))
    return generator.advance(first).random_raw(count)


def sorted_table(parts: Sequence[Rows], order: Order, seed: int, first: int) -> pa.Table:
    """Sorts rows for a run.

    Args:
        parts: rows in the order of the source.
        order: how to sort; equal rows stay in the order of the source.
        seed: seed of the shuffle.
        first: number of the first row.

    Returns:
        A table of one chunk: the sequence, the expression columns by number, the weight if there
        is one, and for a shuffle its key.
    """
    table = pa.concat_tables([_as_table(rows) for rows in parts])
    if order == "shuffled":
        table = table.append_column(_KEY, pa.array(shuffle_keys(seed, first, table.num_rows)))
    return in_order(table, order)


def in_order(table: pa.Table, order: Order) -> pa.Table:
    """Sorts the rows of one table of `sorted_table`, or of several that were concatenated."""
    table = table.combine_chunks()
    if order == "kept" or not table.num_rows:
        return table
    if order == "shuffled":
        return table.take(np.argsort(table[_KEY].to_numpy(), kind="stable"))
    # Arrow's sort is stable.
    keys = [(name, "ascending") for name in table.column_names if name != WEIGHT]
    return table.take(compute.sort_indices(table, keys))


def without_key(table: pa.Table) -> pa.Table:
    """The table without the sort key of the shuffle."""
    return table.drop_columns([_KEY]) if _KEY in table.column_names else table


def _as_table(rows: Rows) -> pa.Table:
    columns = {SEQUENCE: rows.sequence}
    for index, numbers in enumerate(rows.expression.T):
        columns[str(index)] = pa.array(np.ascontiguousarray(numbers))
    if rows.weight is not None:
        columns[WEIGHT] = pa.array(rows.weight)
    return pa.table(columns)


class _Summed:
    """A file that updates a checksum with all that is written; it has the methods Arrow needs."""

    closed = False

    def __init__(self, file: BinaryIO, update: Callable[[Any], None]) -> None:
        self._file, self._update, self._position = file, update, 0

    def write(self, data: Any) -> int:
        """Writes all of the data."""
        self._file.write(data)
        self._update(data)
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        """Number of bytes written so far."""
        return self._position

    def flush(self) -> None:
        """Does nothing: whoever opened the file closes it."""

    def close(self) -> None:
        """Does nothing, like `flush`."""


def summed(file: BinaryIO, update: Callable[[Any], None]) -> pa.PythonFile:
    """A file for Arrow that also passes all written data to `update`, for example of a digest."""
    return pa.PythonFile(_Summed(file, update), mode="w")


def write_run(path: Path, start: int, table: pa.Table) -> Run:
    """Writes a sorted run into the file at `start`; what was there from `start` on is deleted.

    Raises:
        OSError: the file cannot be written, or the disk is full; its `filename` is `path`.
        ValueError: `path` is a link, a pipe or another name of a file elsewhere.
    """
    checksum = 0

    def update(data: Any) -> None:
        nonlocal checksum
        checksum = zlib.crc32(data, checksum)

    try:
        with open_own_file(path) as file:
            file.truncate(start)
            file.seek(start)
            sink = summed(file, update)
            with pa.ipc.new_stream(sink, table.schema) as writer:
                # This writes one batch, since all columns have one chunk.
                writer.write_table(table)
            stop = file.tell()
    except OSError as error:
        error.filename = os.fspath(path)
        raise
    lengths = compute.binary_length(table[SEQUENCE])
    span = compute.min_max(lengths).as_py()
    bases = compute.sum(lengths).as_py()
    return Run(table.num_rows, start, stop, checksum, bases, span["min"], span["max"])


def sound_runs(path: Path, runs: Sequence[Run]) -> list[Run]:
    """The runs before the first one that is missing from the file or damaged.

    A crash of the machine, unlike one of the process, may lose data that was written.
    """
    sound: list[Run] = []
    if not path.exists():
        return sound
    with open_regular_file(path) as file:
        for run in runs:
            checksum, left = 0, run.stop - run.start
            file.seek(run.start)
            while left and (block := file.read(min(left, 1 << 20))):
                checksum, left = zlib.crc32(block, checksum), left - len(block)
            if left or checksum != run.checksum:
                break
            sound.append(run)
    return sound


class Spill:
    """Reads the runs of a file; several threads may use it at once.

    Args:
        path: the file.
        runs: all of its runs.
        order: order of the rows.

    Example:
        >>> spill = Spill(path, runs, "sorted")  # doctest: +SKIP
        >>> middle = spill.positions(spill.rows // 2)  # doctest: +SKIP
        >>> first_half = spill.gather(spill.positions(0), middle)  # doctest: +SKIP
    """

    def __init__(self, path: Path, runs: Sequence[Run], order: Order) -> None:
        self.order = order
        self.rows = sum(run.rows for run in runs)
        with open_regular_file(path) as file:
            self._memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        buffer = pa.py_buffer(self._memory)
        self._batches = [
            pa.ipc.open_stream(buffer.slice(run.start, run.stop - run.start)).read_next_batch()
            for run in runs
        ]
        self._keys = [_keys(batch, order) for batch in self._batches]
        self._sizes = np.array([run.rows for run in runs], np.int64)

    def positions(self, rank: int, lower: np.ndarray | None = None) -> np.ndarray:
        """How many rows of each run are among the first `rank` rows of all.

        Args:
            rank: 0 to `rows`.
            lower: positions of a lower rank, where the search begins.

        Returns:
            int64 [runs]; the sum is `rank`.
        """
        low = np.zeros_like(self._sizes) if lower is None else lower.copy()
        high = self._sizes.copy()
        step = 0
        while (needed := rank - int(low.sum())) > 0:
            remaining = int((high - low).sum())
            if needed == remaining:
                low = high
                break
            run, row = self._pivot(low, high, _share(needed, remaining, step))
            found = self._before(run, row, low, high)
            if int(found.sum()) > rank:
                high = found
            else:
                # If the rows before the pivot are fewer than `rank`, the pivot is included too.
                low = found
                low[run] += int(found.sum()) < rank
            step += 1
        self._forget_pages()
        return low

    def _pivot(self, low: np.ndarray, high: np.ndarray, share: float) -> tuple[int, int]:
        """A pivot row (run, row): about this share of the rows between low and high is before it.

        Each run proposes the row at this share of its own rows. The pivot is the proposal at this
        share of all proposals in sorted order, weighted by the sizes of the runs. This works both
        if the runs overlap completely and if they follow each other.
        """
        sizes = high - low
        open_runs = np.flatnonzero(sizes).tolist()
        rows = {run: int(low[run] + share * (sizes[run] - 1)) for run in open_runs}
        ranked = sorted(open_runs, key=lambda run: (self._keys[run][rows[run]], run))
        below = np.cumsum(sizes[ranked])
        run = ranked[int(np.searchsorted(below, share * below[-1]))]
        return run, rows[run]

    def _before(self, run: int, row: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """How many rows of each run come before this row: smaller rows, or equal earlier ones."""
        key, found = self._keys[run][row], low.copy()
        for other in np.flatnonzero(high - low).tolist():
            search = bisect_right if other < run else bisect_left
            found[other] = search(self._keys[other], key, int(low[other]), int(high[other]))
        found[run] = row
        return found

    def gather(self, start: np.ndarray, stop: np.ndarray) -> pa.Table:
        """The rows between two `positions`, sorted and copied."""
        slices = [
            batch.slice(first, last - first)
            for batch, first, last in zip(self._batches, start.tolist(), stop.tolist(), strict=True)
            if last > first
        ]
        table = in_order(pa.Table.from_batches(slices, self._batches[0].schema), self.order)
        self._forget_pages()
        return table

    def _forget_pages(self) -> None:
        """Releases mapped pages; otherwise all pages read so far count as this process's memory."""
        if hasattr(self._memory, "madvise"):
            self._memory.madvise(mmap.MADV_DONTNEED)


def _share(needed: int, remaining: int, step: int) -> float:
    """Share at which to put the next pivot: by turns slightly above and below the target.

    So the search interval shrinks from both sides. Every fourth pivot is in the middle, so that the
    search ends quickly for any runs.
    """
    if step % 4 == 3:
        return 0.5
    margin = remaining**-0.5 * (1 if step % 2 else -1)
    return min(max(needed / remaining + margin, 0.0), 1.0)


class _SortKeys(Sequence[Any]):
    """Sort keys of rows in sorted order, in a form that Python can compare."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        names = [name for name in batch.schema.names if name != WEIGHT]
        self._columns = [batch.column(name) for name in names]

    def __len__(self) -> int:
        return len(self._columns[0])

    def __getitem__(self, row: Any) -> Any:
        return tuple(_comparable(column[row].as_py()) for column in self._columns)


def _comparable(value: Any) -> Any:
    """Measurements that are missing (NaN) come last, as Arrow sorts them; others are finite."""
    return math.inf if value != value else value


def _keys(batch: pa.RecordBatch, order: Order) -> Any:
    """The sort keys of a batch; rows with equal keys are ordered by their position."""
    if order == "kept":
        return np.broadcast_to(np.uint64(0), batch.num_rows)
    return batch.column(_KEY).to_numpy() if order == "shuffled" else _SortKeys(batch)
