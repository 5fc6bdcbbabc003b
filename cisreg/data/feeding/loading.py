"""Loading of all rows of files into host memory, several parts at a time."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Literal, Protocol

import numpy as np

from cisreg.data.dataset import Dataset, join
from cisreg.data.feeding.batching import encode_rows
from cisreg.data.feeding.lengths import Lengths
from cisreg.data.formats.rows import Rows
from cisreg.data.row_places import RowPlaces
from cisreg.limits import available_cores, host_memory
from cisreg.progress import progress_bar


class Files(Protocol):
    """The interface of files that loading uses; see `cisreg.data.files.DatasetFiles`."""

    files: tuple[str, ...]
    side: Literal["left", "right"]

    @property
    def group_rows(self) -> np.ndarray:
        """int64 [G], rows of every row group."""

    @property
    def length(self) -> int:
        """L."""

    @property
    def known_length(self) -> int | None:
        """L, or None if finding it takes a pass over the files."""

    @property
    def part_count(self) -> int:
        """Number of parts that can be read separately."""

    def part_blocks(self, part: int) -> Iterator[Rows]:
        """The usable rows of a part, a few megabytes at a time."""

    def note_fit(self, part: int, padded: int, trimmed: int) -> None:
        """Adds to the counts of sequences of a part that were padded and trimmed."""

    def places(self, part: int, number: np.ndarray) -> RowPlaces:
        """The places of rows of a part, by their numbers in its file."""

    def read_group(
        self, index: int, order: np.ndarray | None = None, *, out: np.ndarray | None = None
    ) -> tuple[Dataset, np.ndarray]:
        """The usable rows of a row group, and which rows are usable, bool [n]."""


def core_count() -> int:
    """Number of threads for reading: the available cores, but at least 2 and at most 8.

    Example:
        >>> 2 <= core_count() <= 8
        True
    """
    return min(max(available_cores(), 2), 8)


def load_groups(data: Files, groups: np.ndarray, *, progress: bool) -> Dataset:
    """Loads these row groups; each thread writes the sequences of its group into the result.

    Memory: the result, a second copy of its numbers, and one row group for each thread.
    """
    starts = np.concatenate([[0], np.cumsum(data.group_rows[groups])]).tolist()
    length, count = data.length, starts[-1]
    _check_memory(data.files[0], count, length)
    codes = np.empty((count, length), np.uint8)

    def fill(part: int) -> Dataset:
        rows, _ = data.read_group(int(groups[part]), out=codes[starts[part] : starts[part + 1]])
        return rows

    parts = _in_threads(fill, len(groups), progress)
    # Rows that were left out leave gaps; move the following rows forward to close them.
    end = 0
    for start, part in zip(starts, parts, strict=False):
        if end != start:
            codes[end : end + len(part)] = codes[start : start + len(part)]
        end += len(part)
    return _with_codes(codes[:end], parts)


def load_text(data: Files, *, progress: bool) -> Dataset:
    """Loads files of text; each file is read once.

    Memory: the result, and the text of the sequences until they are encoded.
    """

    def read(part: int) -> list[Rows]:
        return list(data.part_blocks(part))

    parts = _in_threads(read, data.part_count, progress)
    length = data.known_length
    if length is None:
        lengths = Lengths()
        for rows in itertools.chain.from_iterable(parts):
            lengths.add(rows)
        lengths.check()
        length = lengths.longest
    count = sum(len(rows) for blocks in parts for rows in blocks)
    _check_memory(data.files[0], count, length)
    codes = np.empty((count, length), np.uint8)
    found: list[Dataset] = []
    start = 0
    for part, blocks in enumerate(parts):
        waiting = deque(blocks)
        blocks.clear()
        while waiting:
            rows = waiting.popleft()
            stop = start + len(rows)
            encoded, padded, trimmed = encode_rows(
                *(rows, length),
                pad_left=data.side == "left",
                out=codes[start:stop],
                placed=partial(data.places, part),
            )
            data.note_fit(part, padded, trimmed)
            found.append(encoded)
            start = stop
    return _with_codes(codes, found)


def _with_codes(codes: np.ndarray, parts: Sequence[Dataset]) -> Dataset:
    """Joins the parts; `codes` holds the sequences of all of them already."""
    if not parts:
        return Dataset.unchecked(codes, np.empty(0, np.float32))
    rest = join([part.without_sequences() for part in parts])
    own = (rest.expression, rest.weight, rest.name, rest.extra, rest.places)
    return Dataset.unchecked(codes, *own)


def _check_memory(name: str, rows: int, length: int) -> None:
    memory = host_memory()
    if rows * length > memory:
        raise ValueError(
            f"{name}: expected rows that fit into {memory / 2**30:.1f} GB of memory, got {rows:,} "
            f"of {length:,} bases, or {rows * length / 2**30:.1f} GB; stream them: cisreg convert, "
            "then batches"
        )


def _in_threads(work: Callable[[int], object], count: int, progress: bool) -> list:
    """The results of `work` for 0 to count - 1; after an error no further call is started."""
    with ThreadPoolExecutor(core_count()) as threads, _bar(count, progress) as advance:
        results = []
        futures = [threads.submit(work, part) for part in range(count)]
        try:
            for future in futures:
                results.append(future.result())
                advance()
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
        return results


@contextmanager
def _bar(count: int, show: bool) -> Iterator[Callable[[], None]]:
    with progress_bar(show=show, transient=True, notebook=True) as bar:
        task = bar.add_task("reading", total=count)
        yield lambda: bar.advance(task)
