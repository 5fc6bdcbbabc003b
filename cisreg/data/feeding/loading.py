"""All rows of files into host memory, several parts at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Literal, Protocol

import numpy as np
from rich.console import Console
from rich.progress import Progress

from cisreg.data.dataset import Dataset
from cisreg.data.formats.rows import Rows
from cisreg.library import native_module
from cisreg.sequences import text_buffers

_UNKNOWN = 4


class Files(Protocol):
    """What loading asks of files; see `cisreg.data.files.DatasetFiles`."""

    files: tuple[str, ...]
    side: Literal["left", "right"]
    expression_names: tuple[str, ...]
    weighted: bool

    @property
    def group_rows(self) -> np.ndarray:
        """int64 [G], rows of every row group."""

    @property
    def length(self) -> int:
        """L."""

    @property
    def known_length(self) -> int | None:
        """L, or None where it takes a pass over the files to know it."""

    @property
    def part_count(self) -> int:
        """Number of parts that can be read by themselves."""

    def part_blocks(self, part: int) -> Iterator[Rows]:
        """The usable rows of a part, a few megabytes at once."""

    def note_fit(self, part: int, padded: int, trimmed: int) -> None:
        """So many more sequences of a part were padded and trimmed."""

    def read_group(
        self, index: int, order: np.ndarray | None = None, *, out: np.ndarray | None = None
    ) -> tuple[Dataset, np.ndarray]:
        """The usable rows of a row group, and bool [n] for each row: whether it is one."""


def core_count() -> int:
    """Threads that reading is worth: of the cores at hand, at least 2 and at most 8.

    Example:
        >>> 2 <= core_count() <= 8
        True
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    return min(max(cores, 2), 8)


def load_groups(data: Files, groups: np.ndarray, *, progress: bool) -> Dataset:
    """These row groups, each of which is written to its place by the thread that reads it.

    Memory: the result, and for each thread the group that it reads.
    """
    starts = np.concatenate([[0], np.cumsum(data.group_rows[groups])]).tolist()
    length, count = data.length, starts[-1]
    _check_memory(data.files[0], count, length)
    codes = np.empty((count, length), np.uint8)
    expression = _empty_expression(data, count)
    weight = np.empty(count, np.float32) if data.weighted else None

    def fill(part: int) -> int:
        start, stop = starts[part], starts[part + 1]
        rows, _ = data.read_group(int(groups[part]), out=codes[start:stop])
        expression[start : start + len(rows)] = rows.expression
        if weight is not None:
            weight[start : start + len(rows)] = rows.weight
        return len(rows)

    kept = _in_threads(fill, len(groups), progress)
    # What was left out leaves gaps, over which the rows behind them move.
    end = 0
    for start, rows in zip(starts, kept, strict=False):
        if end != start:
            for array in (codes, expression, weight):
                if array is not None:
                    array[end : end + rows] = array[start : start + rows]
        end += rows
    return Dataset.unchecked(codes, expression, weight)[:end]


def load_text(data: Files, *, progress: bool) -> Dataset:
    """Files of text, each of which is read once.

    Memory: the result as it is gathered block by block, each of the length of its own longest
    sequence where none was given, and then moved to its place.
    """
    length, pad_left = data.known_length, data.side == "left"

    def read(part: int) -> list[Dataset]:
        blocks = []
        for rows in data.part_blocks(part):
            text, offsets = text_buffers(rows.sequence)
            wide = int(np.diff(offsets).max()) if length is None else length
            codes, padded, trimmed = native_module().encode(text, offsets, wide, pad_left)
            data.note_fit(part, padded, trimmed)
            blocks.append(Dataset.unchecked(codes, rows.expression, rows.weight))
        return blocks

    blocks = deque(block for part in _in_threads(read, data.part_count, progress) for block in part)
    count = sum(map(len, blocks))
    if length is None:
        length = max((block.sequence.shape[1] for block in blocks), default=0)
    codes = np.empty((count, length), np.uint8)
    expression = _empty_expression(data, count)
    weight = np.empty(count, np.float32) if data.weighted else None
    start = 0
    while blocks:
        block = blocks.popleft()
        stop = start + len(block)
        _place(block.sequence, codes[start:stop], pad_left=pad_left)
        expression[start:stop] = block.expression
        if weight is not None:
            weight[start:stop] = block.weight
        start = stop
    return Dataset.unchecked(codes, expression, weight)


def _empty_expression(data: Files, count: int) -> np.ndarray:
    """Memory for measurements: [N] where there is one, else [N, K]."""
    columns = len(data.expression_names)
    return np.empty(count if columns == 1 else (count, columns), np.float32)


def _place(block: np.ndarray, codes: np.ndarray, *, pad_left: bool) -> None:
    """Copies codes to rows that may be longer, and pads them."""
    missing = codes.shape[1] - block.shape[1]
    begin = missing if pad_left else 0
    codes[:, begin : begin + block.shape[1]] = block
    padding = codes[:, :missing] if pad_left else codes[:, block.shape[1] :]
    padding[:] = _UNKNOWN


def _check_memory(name: str, rows: int, length: int) -> None:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if rows * length > memory:
        raise ValueError(
            f"{name}: expected rows that fit into {memory / 2**30:.1f} GB of memory, got {rows} of "
            f"{length} bases, or {rows * length / 2**30:.1f} GB; stream them with batches"
        )


def _in_threads(work: Callable[[int], object], count: int, progress: bool) -> list:
    """What `work` gives for 0 to count - 1; where it raises, no more of it begins."""
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
    with Progress(console=Console(stderr=True), disable=not show, transient=True) as bar:
        task = bar.add_task("reading", total=count)
        yield lambda: bar.advance(task)
