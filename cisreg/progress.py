"""Progress bars on standard error. They are a log: what cannot be written is lost, and no error."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from contextlib import suppress
from typing import IO, Any

from rich.console import Console, ConsoleDimensions
from rich.progress import Progress, ProgressColumn

# Narrower than this, tables and bars are illegible; wider, they are no terminal's.
NARROWEST, _WIDEST = 40, 1000
_LINES = 25
# A spinner of rich that every encoding has.
SPINNER = "line"
_NUMBER = re.compile(r"[0-9]{1,6}")


class LogStream:
    """Text stream that passes everything on to another one, except errors of writing.

    Args:
        stream: where the text goes; None, as `sys.stderr` is without a standard error: nowhere.

    Example:
        >>> log = LogStream(open("/dev/full", "w"))  # doctest: +SKIP
        >>> log.write("step 1")  # doctest: +SKIP
        6
    """

    def __init__(self, stream: IO[str] | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes the text, or loses it."""
        # ValueError: the stream was closed. UnicodeEncodeError is one too.
        with suppress(OSError, ValueError):
            if self._stream is not None:
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Writes what is buffered, or loses it."""
        with suppress(OSError, ValueError):
            if self._stream is not None:
                self._stream.flush()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        with suppress(OSError, ValueError):
            return self._stream is not None and self._stream.isatty()
        return False

    def fileno(self) -> int:
        """The file descriptor of the stream; OSError if it has none."""
        if self._stream is None:
            raise OSError("no stream")
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        """The encoding of the stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"


def is_terminal(stream: IO[str] | LogStream | None) -> bool:
    """Whether a stream is a terminal that can move its cursor and is wide enough for tables.

    Variables of the environment that ask for colours (FORCE_COLOR) make no file a terminal.

    Example:
        >>> is_terminal(None)
        False
    """
    if os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        return False
    log = stream if isinstance(stream, LogStream) else LogStream(stream)
    return log.isatty() and terminal_width(log) >= NARROWEST


def terminal_width(stream: IO[str] | LogStream | None) -> int:
    """Columns of a terminal: of the variable COLUMNS if it is a number of columns, or as it says.

    Example:
        >>> terminal_width(None)
        80
    """
    asked = os.environ.get("COLUMNS", "")
    if _NUMBER.fullmatch(asked) and 0 < int(asked) <= _WIDEST:
        return int(asked)
    with suppress(OSError, ValueError, AttributeError):
        return os.get_terminal_size(stream.fileno()).columns or 80  # type: ignore[union-attr]
    return 80


class TerminalConsole(Console):
    """A console of rich for a terminal, of a width that tables and bars can have.

    Args:
        stream: the terminal.
        options: as of `rich.console.Console`; its `file` may be another one.
    """

    def __init__(self, stream: IO[str] | LogStream | None, **options: Any) -> None:
        self._terminal = stream
        options.setdefault("file", stream)
        # With a size, rich does not read COLUMNS and LINES, which may be no numbers.
        super().__init__(width=NARROWEST, height=_LINES, **options)

    @property
    def size(self) -> ConsoleDimensions:
        """Columns, as many as the terminal has now, and lines, which matter to no output."""
        columns = min(max(terminal_width(self._terminal), NARROWEST), _WIDEST)
        return ConsoleDimensions(columns, _LINES)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        """Nothing: the terminal says how wide it is."""

    def on_broken_pipe(self) -> None:
        """Raises the error; rich would end the program."""
        raise


def progress_bar(
    *columns: str | ProgressColumn, show: bool, transient: bool = False, notebook: bool = False
) -> Progress:
    """A progress bar on standard error if that is a terminal; otherwise it does nothing.

    Args:
        columns: as of `rich.progress.Progress`.
        show: False: never.
        transient: whether the bar vanishes at its end.
        notebook: whether to show it in notebooks too, where rich draws it by ipywidgets; without
            that package nothing is shown.

    Returns:
        The bar, a context manager; its attribute `disable` says that nothing is shown.

    Example:
        >>> with progress_bar(show=True) as bar:
        ...     task = bar.add_task("reading", total=2)
        ...     bar.advance(task)
    """
    # While another bar is shown, rich has put a stream of its own into sys.stderr.
    log = LogStream(getattr(sys.stderr, "rich_proxied_file", sys.stderr))
    shown = is_terminal(log)
    console = TerminalConsole(log, force_terminal=shown)
    return Progress(
        *columns,
        console=console,
        transient=transient,
        # What is printed to another standard output must not go to the terminal.
        redirect_stdout=is_terminal(sys.stdout),
        disable=not (show and (shown or (notebook and console.is_jupyter and _has_widgets()))),
    )


def _has_widgets() -> bool:
    """Whether rich can draw in a notebook. Without the package it warns instead."""
    return importlib.util.find_spec("ipywidgets") is not None
