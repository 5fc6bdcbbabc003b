"""Exit statuses: the table in code is that of the page, and what commands end with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.cli.commands import Command, Commands
from cisreg.cli.exit_status import ExitStatus
from cisreg.training.errors import StoppedError, WorkerLostError

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "scripts.md"
RUNNER = CliRunner()


def test_the_page_has_the_table():
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(str(each.value), each.meaning) for each in ExitStatus]


def test_the_help_says_what_scripts_tell_apart():
    shown = " ".join(RUNNER.invoke(app, ["--help"]).output.split())
    for each in (ExitStatus.DONE, ExitStatus.FAILED, ExitStatus.USAGE, ExitStatus.RESUMABLE):
        assert f"{each.value} {each.meaning.partition(';')[0]}" in shown


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["motifs", "info", "demo"], ExitStatus.DONE),
        (["motifs", "info", "none.meme"], ExitStatus.FAILED),
        (["motifs", "info"], ExitStatus.USAGE),
        (["motifs", "info", "demo", "--kind", "none"], ExitStatus.USAGE),
        (["none"], ExitStatus.USAGE),
    ],
)
def test_commands_end_with_them(words, status):
    assert RUNNER.invoke(app, words).exit_code == status


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoppedError("by SIGTERM"), ExitStatus.RESUMABLE),
        (WorkerLostError("worker 2"), ExitStatus.RESUMABLE),
        (KeyboardInterrupt(), ExitStatus.INTERRUPTED),
        (BrokenPipeError(32, "Broken pipe", "standard output"), ExitStatus.NO_READER),
        (OSError(28, "No space left on device"), ExitStatus.FAILED),
    ],
)
def test_what_ends_a_command_early(error, status):
    commands = typer.Typer(cls=Commands)

    @commands.command(cls=Command)
    def end() -> None:
        raise error

    @commands.command(cls=Command)
    def other() -> None:
        pass

    assert RUNNER.invoke(commands, ["end"]).exit_code == status
