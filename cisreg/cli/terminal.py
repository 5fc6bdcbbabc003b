"""Output of the commands: text for scripts and files, styles and tables for terminals.

Text from files and names is escaped, so that it has no effect on a terminal.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, cast

from rich import box
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from cisreg.cli.standard_streams import log_to
from cisreg.display import printable
from cisreg.progress import TerminalConsole, is_terminal, terminal_width

_STATE_STYLES = {"ok": "green", "warning": "yellow", "error": "bold red"}


@dataclass(frozen=True)
class TextTable:
    """A table whose first column is text and whose other columns are numbers or text.

    Attributes:
        title: a line above the table; "": none.
        columns: names of the columns; (): they have none.
        numbers: whether the other columns are numbers.
    """

    title: str
    columns: Sequence[str] = ()
    numbers: bool = True
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add_row(self, *cells: str) -> None:
        """Adds a row of as many cells as there are columns."""
        self.rows.append(tuple(printable(cell) for cell in cells))

    def as_text(self) -> str:
        r"""Lines of cells that tabs separate, below a line # with the title.

        Example:
            >>> table = TextTable("Stages", ("stage", "loss"))
            >>> table.add_row("1", "0.5")
            >>> table.as_text()
            '# Stages\nstage\tloss\n1\t0.5\n'
        """
        title = [f"# {self.title}"] if self.title else []
        header = [tuple(self.columns)] if self.columns else []
        lines = ["\t".join(" ".join(cell.split()) for cell in row) for row in header + self.rows]
        return "".join(line + "\n" for line in title + lines)

    def as_box(self) -> Table:
        """The table that rich draws on a terminal."""
        table = Table(
            title=self.title or None,
            title_justify="left",
            title_style="bold",
            min_width=len(self.title),
            show_header=bool(self.columns),
            box=box.SIMPLE_HEAD if self.columns else box.SIMPLE,
            pad_edge=False,
        )
        for place, name in enumerate(self.columns):
            right = place and self.numbers
            table.add_column(name, justify="right" if right else "left")
        for row in self.rows:
            table.add_row(*(Text(cell, _STATE_STYLES.get(cell, "")) for cell in row))
        return table


class Output:
    """Writes text and tables, with styles if the stream is a terminal.

    Args:
        stderr: to standard error instead of standard output.
        results: whether it writes what the command was asked for. Otherwise it says what the
            command did, and what cannot be written is lost without an error.
    """

    def __init__(self, *, stderr: bool, results: bool) -> None:
        self._stderr, self._results = stderr, results

    def print(self, shown: str | TextTable, *, style: str = "", end: str = "\n") -> None:
        """Writes text, or a table, in the order of the calls."""
        stream = sys.stderr if self._stderr else sys.stdout
        text = _as_text(shown, style, end, stream)
        if self._results:
            stream.write(text)
            stream.flush()
            return
        with log_to(stream) as log:
            log.write(text)


def new_console(*, stderr: bool = False, results: bool = False) -> Output:
    r"""Where commands write; names such as [b] or with colour codes are plain text.

    Args:
        stderr: standard error instead of standard output.
        results: whether it writes what the command was asked for: what cannot be written is an
            error. Otherwise it is lost.

    Example:
        >>> new_console().print("model[b]\x1b[31m written")
        model[b]\x1b[31m written
    """
    return Output(stderr=stderr, results=results)


def _as_text(shown: str | TextTable, style: str, end: str, stream: IO[str] | None) -> str:
    if isinstance(shown, TextTable):
        return _drawn(shown, stream) or shown.as_text() + "\n" * bool(shown.title)
    text = printable(shown)
    if style and is_terminal(stream):
        return _rendered(Text(text, style), stream) + end
    return text + end


def _drawn(table: TextTable, stream: IO[str] | None) -> str:
    """The table with its lines, or "" where the stream is no terminal or not wide enough."""
    if not is_terminal(stream):
        return ""
    drawn = table.as_box()
    console = _console(stream)
    width = Measurement.get(console, console.options.update(max_width=10**6), drawn).maximum
    return _rendered(drawn, stream) if width <= terminal_width(stream) else ""


class _Screen(io.StringIO):
    """Text in memory, for a stream of this encoding."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._of = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return self._of


def _console(stream: IO[str] | None) -> TerminalConsole:
    screen = _Screen(getattr(stream, "encoding", None) or "utf-8")
    options = {"highlight": False, "markup": False, "emoji": False}
    return TerminalConsole(stream, file=screen, force_terminal=True, **options)


def _rendered(shown: Text | Table, stream: IO[str] | None) -> str:
    console = _console(stream)
    console.print(shown, end="", soft_wrap=isinstance(shown, Text))
    return cast(_Screen, console.file).getvalue()
