"""Output of the commands: text for scripts and files, styles and tables for terminals.

Text from files and names is escaped, so that it has no effect on a terminal.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, cast

from rich import box
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from cisreg.cli.json_output import current
from cisreg.cli.standard_streams import log_to
from cisreg.display import printable
from cisreg.number_text import is_float, is_integer
from cisreg.progress import TerminalConsole, is_terminal, terminal_width

_WORDS = re.compile(r"[^0-9a-z]+")
_STATE_STYLES = {"ok": "green", "warning": "yellow", "error": "bold red"}


@dataclass(frozen=True)
class TextTable:
    """A table whose first column is text and whose other columns are numbers or text.

    Attributes:
        title: a line above the table; "": none.
        columns: names of the columns; (): they have none.
        numbers: whether the other columns are numbers.
        name: the name of the table in JSON; tables of one name are one.
        wraps: whether long text may go on in the next line of a terminal.
        records: the rows as JSON has them.
    """

    title: str
    columns: Sequence[str] = ()
    numbers: bool = True
    name: str = "rows"
    wraps: bool = False
    rows: list[tuple[str, ...]] = field(default_factory=list)
    records: list[Mapping[str, Any]] = field(default_factory=list)

    def add_row(self, *cells: str, record: Mapping[str, Any] | None = None) -> None:
        """Adds a row.

        Args:
            cells: as many as there are columns, as they are shown.
            record: what JSON has instead, with all digits; None: the cells by the names of the
                columns, as numbers where the table has numbers.

        Example:
            >>> table = TextTable("", ("stage", "validation r"))
            >>> table.add_row("1", "0.912")
            >>> table.records
            [{'stage': '1', 'validation_r': 0.912}]
        """
        self.rows.append(tuple(printable(cell) for cell in cells))
        self.records.append(self._record(cells) if record is None else record)

    def _record(self, cells: Sequence[str]) -> dict[str, Any]:
        names = [_WORDS.sub("_", each.lower()).strip("_") for each in self.columns]
        names = names or [f"column_{number}" for number in range(1, len(cells) + 1)]
        values = [
            _value(cell) if place and self.numbers else cell for place, cell in enumerate(cells)
        ]
        return dict(zip(names, values, strict=True))

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
        if not self._stderr and (document := current()) is not None:
            if isinstance(shown, TextTable):
                document.add_rows(shown.name, shown.records)
            else:
                document.add_message(shown + end)
            return
        stream = sys.stderr if self._stderr else sys.stdout
        text = _as_text(shown, style, end, stream)
        if self._results:
            stream.write(text)
            stream.flush()
            return
        with log_to(stream) as log:
            log.write(text)

    def add_rows(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds rows that only JSON has; without `--json` nothing happens."""
        if not self._stderr and (document := current()) is not None:
            document.add_rows(name, rows)


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


def _value(cell: str) -> int | float | str | None:
    """The number that a cell shows, or its text; None if it is empty."""
    text = cell.replace(",", "")
    if is_integer(text):
        return int(text)
    if is_float(text):
        return float(text)
    return cell or None


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
    fits = table.wraps or width <= terminal_width(stream)
    return _rendered(drawn, stream) if fits else ""


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
