"""Progress bars: shown on terminals alone, and no reason to end a run."""

from __future__ import annotations

import errno
import importlib.machinery
import io
import sys
import threading
import types

import pytest
from rich.progress import BarColumn, SpinnerColumn, TextColumn

from cisreg.progress import SPINNER, is_terminal, progress_bar, terminal_width


class Terminal(io.StringIO):
    """A terminal; after so many writes it is gone, as when its window is closed."""

    encoding = "utf-8"

    def __init__(self, writes=10**9):
        super().__init__()
        self.left = writes

    def isatty(self):
        return True

    def write(self, text):
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.EIO, "Input/output error")
        return super().write(text)


def draw():
    """The whole life of a bar, with text that is printed meanwhile."""
    columns = (SpinnerColumn(SPINNER), TextColumn("{task.description}"), BarColumn(bar_width=None))
    with progress_bar(*columns, show=True) as bar:
        task = bar.add_task("reading", total=10)
        for _ in range(10):
            bar.advance(task)
            bar.refresh()
        print("a line of the log", file=sys.stderr)
    return bar


@pytest.fixture
def terminal(monkeypatch):
    def install(stream):
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return install


def test_a_bar_is_drawn_on_a_terminal(terminal):
    screen = terminal(Terminal())
    assert not draw().disable
    assert "reading" in screen.getvalue()
    assert "a line of the log" in screen.getvalue()


@pytest.mark.parametrize("writes", [0, 1, 3, 8])
def test_a_terminal_that_is_gone_ends_no_work(terminal, monkeypatch, writes):
    failed = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    screen = terminal(Terminal(writes))
    with progress_bar(show=True, transient=True) as bar:
        task = bar.add_task("reading", total=10)
        for _ in range(10):
            bar.advance(task)
            bar.refresh()
    assert screen.left < 0
    assert not failed


@pytest.mark.parametrize(
    ("name", "value"),
    [("TERM", "dumb"), ("TERM", "unknown"), ("COLUMNS", "1"), ("COLUMNS", "20")],
)
def test_terminals_that_cannot_show_a_bar_show_none(terminal, monkeypatch, name, value):
    screen = terminal(Terminal())
    monkeypatch.setenv(name, value)
    assert draw().disable
    assert screen.getvalue() == "a line of the log\n"


@pytest.mark.parametrize("name", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_variables_make_no_file_a_terminal(terminal, monkeypatch, name):
    file = terminal(io.StringIO())
    monkeypatch.setenv(name, "1")
    assert draw().disable
    assert file.getvalue() == "a line of the log\n"


@pytest.mark.parametrize("value", ["0", "-5", "wide", "", "²", "1e3", "9" * 5000, "1000000000"])
def test_columns_that_are_none_are_passed_over(terminal, monkeypatch, value):
    screen = terminal(Terminal())
    monkeypatch.setenv("COLUMNS", value)
    monkeypatch.setenv("LINES", value)
    assert terminal_width(screen) == 80
    assert not draw().disable
    assert max(map(len, screen.getvalue().splitlines())) < 1000


def test_without_a_standard_error_nothing_is_drawn(terminal):
    terminal(None)
    with progress_bar(show=True) as bar:
        bar.advance(bar.add_task("reading", total=1))
    closed = terminal(Terminal())
    closed.close()
    assert not is_terminal(None)
    with progress_bar(show=True) as bar:
        bar.advance(bar.add_task("reading", total=1))


@pytest.mark.parametrize("widgets", [True, False])
def test_a_notebook_shows_a_bar_where_it_has_widgets(monkeypatch, widgets):
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    package = types.ModuleType("ipywidgets")
    package.__spec__ = importlib.machinery.ModuleSpec("ipywidgets", None)
    monkeypatch.setitem(sys.modules, "ipywidgets", package if widgets else None)
    assert progress_bar(show=True, notebook=True).disable is not widgets
    assert progress_bar(show=True).disable
