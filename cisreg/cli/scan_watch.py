"""The portions of a scan on their way: counted, shown, and ended when a signal asks for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from cisreg.display import printable
from cisreg.processes.signals import StopRequest
from cisreg.progress import SPINNER, progress_bar

if TYPE_CHECKING:
    from cisreg.genome import Portion, SequenceSource


class Watch:
    """Passes portions on, until a signal comes.

    Args:
        bar: shows how many bases there were.
        request: the signal.
        total: bases in all, if that is known.

    Attributes:
        bases: own bases of the portions so far.
        stretches: number of sequences, or intervals, that are whole.
        missing: the first portion that was not passed on.
    """

    def __init__(self, bar: Progress, request: StopRequest, total: int | None) -> None:
        self._bar, self._request = bar, request
        self._task = bar.add_task("bases", total=total)
        self.bases = self.stretches = 0
        self.missing: Portion | None = None

    def pass_on(self, portions: Iterator[Portion]) -> Iterator[Portion]:
        """The portions, as long as no signal came before the next one."""
        for portion in portions:
            if self._request.received is not None:
                self.missing = portion
                return
            self._bar.update(self._task, description=printable(portion.sequence))
            yield portion
            self.bases += portion.own
            self.stretches += portion.last
            self._bar.update(self._task, completed=self.bases)

    def where(self) -> str:
        """Where the hits end, if a signal came: "chr3 from start 33,554,432 on, ..."."""
        assert self.missing is not None
        begin, name = self.missing.start, printable(self.missing.sequence)
        region = "" if self.missing.region is None else f" (interval {self.missing.region})"
        return (
            f"{name}{printable(region)} from start {begin:,} on, and what follows it in the "
            "genome, are missing"
        )


@contextmanager
def watch_scan(source: SequenceSource, request: StopRequest) -> Iterator[Watch]:
    """A watch whose bar is on standard error while the block runs, if that is a terminal.

    Args:
        source: the sequences.
        request: the signal.
    """
    total = getattr(source, "total", None)
    columns: list[ProgressColumn] = [
        SpinnerColumn(SPINNER),
        TextColumn("{task.description}", markup=False),
        *([] if total is None else [BarColumn()]),
        _Speed(),
        TimeElapsedColumn(),
        *([] if total is None else [TimeRemainingColumn()]),
    ]
    with progress_bar(*columns, show=True, transient=True) as bar:
        yield Watch(bar, request, total)


class _Speed(ProgressColumn):
    """Megabases so far, and in a second."""

    def render(self, task: Task) -> Text:
        """As in "12.5 Mb, 3.1 Mb/s"."""
        seconds = max(task.elapsed or 0.0, 1e-9)
        return Text(f"{task.completed / 1e6:,.1f} Mb, {task.completed / 1e6 / seconds:,.1f} Mb/s")


class Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def speed(self, bases: int) -> str:
        """Time and speed, as in "2.1 s, 5.8 Mb/s"."""
        seconds = time.monotonic() - self._began
        return f"{seconds:,.1f} s, {bases / 1e6 / max(seconds, 1e-9):,.1f} Mb/s"
