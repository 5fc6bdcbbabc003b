"""Names from files are escaped on a terminal and in a page."""

from __future__ import annotations

import io
import logging
import sys

import pytest
import typer
from rich.console import Console
from rich.progress import Progress, TextColumn
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.cli.app import StandardErrorHandler
from cisreg.cli.commands import Commands
from cisreg.cli.terminal import new_console
from cisreg.display import html_table, printable
from cisreg.prepare.progress import RowCounter

RED = "\x1b[31m"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("model[b] :smile: [/red]", "model[b] :smile: [/red]"),
        (f"Reb1{RED}", r"Reb1\x1b[31m"),
        ("a\rb\x08c\x7f\x9b", r"a\rb\x08c\x7f\x9b"),
        ("turned\u202eround", r"turned\u202eround"),
        ("two\nlines\tand é\u2028", r"two\nlines\tand é\u2028"),
        ("half of a character: \udcff", r"half of a character: \udcff"),
    ],
)
def test_text_is_shown_as_it_is(capsys, text, shown):
    assert printable(text) == shown
    new_console().print(text)
    assert capsys.readouterr().out == shown + "\n"


def test_errors_and_logs_show_control_characters(tmp_path, capsys):
    name = f"{RED}table[b].tsv"
    words = ["prepare", "collapse", str(tmp_path / name), "--output", str(tmp_path / "out.tsv")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert r"\x1b[31mtable[b].tsv" in result.output.replace("\n", "")
    assert RED not in result.output
    record = logging.LogRecord("cisreg", logging.WARNING, "", 0, "motif %s", (name,), None)
    StandardErrorHandler().emit(record)
    assert capsys.readouterr().err == "warning: motif \\x1b[31mtable[b].tsv\n"


@pytest.mark.parametrize(
    ("variables", "shown"),
    [
        ({}, "\x1b[31mstopped:\x1b[0m why\n"),
        ({"NO_COLOR": "1"}, "stopped: why\n"),
        ({"TERM": "dumb"}, "stopped: why\n"),
        ({"COLUMNS": "20"}, "stopped: why\n"),
    ],
    ids=["colours", "none wanted", "none known", "narrow"],
)
def test_colours_are_for_terminals_that_have_them(monkeypatch, capsys, variables, shown):
    for name in ("NO_COLOR", "COLUMNS", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"TERM": "xterm"} | variables).items():
        monkeypatch.setenv(name, value)
    new_console(stderr=True).print("stopped:", style="red", end=" ")
    assert capsys.readouterr().err == "stopped: "
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    new_console(stderr=True).print("stopped:", style="red", end=" ")
    new_console(stderr=True).print("why")
    assert capsys.readouterr().err == shown


def test_pages_show_names_as_text():
    page = html_table("<i>", {f"{RED}&": ['<a href="x">', 0.123456]}, 1)
    assert page == (
        "<p>&lt;i&gt;</p><table><tr><th>\\x1b[31m&amp;</th></tr>"
        "<tr><td>&lt;a href=&quot;x&quot;&gt;</td></tr><tr><td>0.1235</td></tr></table>"
    )


def test_a_reader_that_has_enough_is_no_error():
    commands = typer.Typer(cls=Commands)

    @commands.command()
    def write() -> None:
        raise BrokenPipeError(32, "Broken pipe", "standard output")

    @commands.command()
    def lose() -> None:
        raise BrokenPipeError(32, "Broken pipe")

    @commands.command()
    def fill() -> None:
        raise OSError(28, "No space left on device")

    result = CliRunner().invoke(commands, ["write"])
    assert (result.exit_code, result.output) == (141, "")
    # Of another program that ended, not of standard output.
    result = CliRunner().invoke(commands, ["lose"])
    assert (result.exit_code, result.output) == (1, "error: [Errno 32] Broken pipe\n")
    result = CliRunner().invoke(commands, ["fill"])
    assert result.exit_code == 1
    assert "No space left on device" in result.output


class FullOutput(io.StringIO):
    """Standard output on a full disk, which is noticed when its buffer is written."""

    def flush(self):
        if self.getvalue():
            raise OSError(28, "No space left on device", "standard output")


@pytest.mark.parametrize("word", ["say", "leave", "fail"])
def test_what_is_written_last_is_not_lost_without_a_word(monkeypatch, capsys, word):
    commands = typer.Typer(cls=Commands)

    @commands.command()
    def say() -> None:
        print("a result")

    @commands.command()
    def leave() -> None:
        print("a result")
        raise typer.Exit

    @commands.command()
    def fail() -> None:
        print("a result")
        raise ValueError("table.tsv:3: expected a number")

    monkeypatch.setattr(sys, "stdout", FullOutput())
    status = typer.main.get_command(commands).main([word], standalone_mode=False)
    expected = {"fail": "table.tsv:3: expected a number"}
    said = expected.get(word, "standard output: No space left on device")
    assert (status, capsys.readouterr().err) == (1, f"error: {said}\n")


def test_a_name_begins_no_line_of_its_own(tmp_path, capsys):
    table = tmp_path / "x\nerror: all is well.tsv"
    table.write_text("ACGT!\n")
    log = tmp_path / "log.txt"
    words = ["prepare", "collapse", str(table), "--output", str(tmp_path / "out.tsv")]
    result = CliRunner().invoke(app, ["--log", str(log), *words])
    assert result.exit_code == 1
    assert r"x\nerror: all is well.tsv:1: " in result.output
    assert result.output.count("\n") == 1
    record = logging.LogRecord("cisreg", logging.WARNING, "", 0, "%s", ("a\nb\x1b",), None)
    logging.getLogger("cisreg").handle(record)
    assert log.read_text().endswith("WARNING cisreg: a\\nb\\x1b\n")
    StandardErrorHandler().emit(record)
    assert capsys.readouterr().err == "warning: a\\nb\\x1b\n"


@pytest.mark.parametrize("name", [f"{RED}bin1", "bin\u202e1", "bin1\x9b"], ids=ascii)
def test_columns_whose_names_act_do_not_reach_tables(tmp_path, name):
    counts = tmp_path / "counts.tsv"
    counts.write_text(f"sequence\t{name}\tbin2\nACGT\t1\t2\nACGA\t3\t4\n")
    plain = tmp_path / f"{name}.txt"
    plain.write_text("ACGT\n")
    (tmp_path / "bin2.txt").write_text("ACGT\n")
    output = tmp_path / "output.tsv"
    for words in (
        ("expression", counts),
        ("cluster", counts),
        ("collapse", plain, tmp_path / "bin2.txt"),
    ):
        asked = ["prepare", *map(str, words), "--output", str(output)]
        result = CliRunner().invoke(app, asked)
        assert result.exit_code == 1
        assert "expected names without line ends" in result.output
        assert not set(result.output) & set(name) - set(f"{RED}bin1"[1:])
        assert not output.exists()


def test_a_count_shows_the_name_of_its_file_as_it_is():
    shown = io.StringIO()
    bar = Progress(TextColumn("{task.description}", markup=False), console=Console(file=shown))
    with bar:
        list(RowCounter(bar).count(rf"lines of \[b]x[/b]{RED}", []))
    assert r"lines of \[b]x[/b]\x1b[31m" in shown.getvalue()
