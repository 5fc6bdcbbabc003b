"""Names from files are escaped on a terminal and in a page."""

from __future__ import annotations

import logging

import pytest
import typer
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.cli.app import _Commands, _StandardErrorHandler
from cisreg.cli.terminal import new_console
from cisreg.display import html_table, printable

RED = "\x1b[31m"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("model[b] :smile: [/red]", "model[b] :smile: [/red]"),
        (f"Reb1{RED}", r"Reb1\x1b[31m"),
        ("a\rb\x08c\x7f\x9b", r"a\rb\x08c\x7f\x9b"),
        ("turned\u202eround", r"turned\u202eround"),
        ("two\nlines\tand é", "two\nlines\tand é"),
    ],
)
def test_text_is_shown_as_it_is(capsys, text, shown):
    assert printable(text) == shown
    new_console().print(text, soft_wrap=True)
    # A terminal expands tabs.
    assert capsys.readouterr().out.rstrip("\n").split() == shown.split()


def test_errors_and_logs_show_control_characters(tmp_path, capsys):
    name = f"{RED}table[b].tsv"
    words = ["prepare", "collapse", str(tmp_path / name), "--output", str(tmp_path / "out.tsv")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert r"\x1b[31mtable[b].tsv" in result.output.replace("\n", "")
    assert RED not in result.output
    record = logging.LogRecord("cisreg", logging.WARNING, "", 0, "motif %s", (name,), None)
    _StandardErrorHandler().emit(record)
    assert capsys.readouterr().err == "warning: motif \\x1b[31mtable[b].tsv\n"


def test_pages_show_names_as_text():
    page = html_table("<i>", {f"{RED}&": ['<a href="x">', 0.123456]}, 1)
    assert page == (
        "<p>&lt;i&gt;</p><table><tr><th>\\x1b[31m&amp;</th></tr>"
        "<tr><td>&lt;a href=&quot;x&quot;&gt;</td></tr><tr><td>0.1235</td></tr></table>"
    )


def test_a_reader_that_has_enough_is_no_error():
    commands = typer.Typer(cls=_Commands)

    @commands.command()
    def write() -> None:
        raise BrokenPipeError(32, "Broken pipe")

    @commands.command()
    def fill() -> None:
        raise OSError(28, "No space left on device")

    result = CliRunner().invoke(commands, ["write"])
    assert (result.exit_code, result.output) == (141, "")
    result = CliRunner().invoke(commands, ["fill"])
    assert result.exit_code == 1
    assert "No space left on device" in result.output
