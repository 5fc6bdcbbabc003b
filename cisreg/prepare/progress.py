"""Progress of long runs, on standard error if it is a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pyarrow as pa
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cisreg.display import printable
from cisreg.progress import SPINNER, progress_bar


class RowCounter:
    """Counts the rows of batches as they pass, and shows them in the bar."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar

    def count(self, what: str, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yields the batches, and shows the number of rows so far, as in "reads: 1,000,000"."""
        task = self._bar.add_task(printable(what), total=None)
        for batch in batches:
            yield batch
            self._bar.advance(task, batch.num_rows)
        self._bar.update(task, total=self._bar.tasks[task].completed)


@contextmanager
def count_rows(show: bool) -> Iterator[RowCounter]:
    """A counter of rows, with a line per task on standard error while the block runs.

    The number of rows in a compressed file or a pipe is not known in advance, so a count is shown
    instead of a percentage.

    Args:
        show: whether to show it; never if standard error is not a terminal.

    Yields:
        The counter.
    """
    with progress_bar(
        SpinnerColumn(SPINNER),
        TextColumn("{task.description}: {task.completed:,.0f}", markup=False),
        TimeElapsedColumn(),
        show=show,
    ) as bar:
        yield RowCounter(bar)
