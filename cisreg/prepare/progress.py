"""How far a long run is, on standard error where that is a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pyarrow as pa
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class RowCounter:
    """Counts the rows of batches as they pass; shows nothing unless it was given a bar."""

    def __init__(self, bar: Progress | None) -> None:
        self._bar = bar

    def count(self, what: str, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Passes batches on, and shows how many rows there were, as in "reads: 1,000,000"."""
        if self._bar is None:
            yield from batches
            return
        # Not text of rich: the name of a file may have brackets.
        task = self._bar.add_task(what.replace("[", r"\["), total=None)
        for batch in batches:
            yield batch
            self._bar.advance(task, batch.num_rows)
        self._bar.update(task, total=self._bar.tasks[task].completed)


@contextmanager
def count_rows(show: bool) -> Iterator[RowCounter]:
    """A counter of rows, with a line per task on standard error while the block runs.

    How many rows a compressed file or a pipe will have is not known before its end, so there is a
    count and no share of the whole.

    Args:
        show: whether to; nothing is shown where standard error is no terminal.

    Yields:
        The counter.
    """
    console = Console(stderr=True)
    if not (show and console.is_terminal):
        yield RowCounter(None)
        return
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}: {task.completed:,.0f}"),
        TimeElapsedColumn(),
        console=console,
    ) as bar:
        yield RowCounter(bar)
