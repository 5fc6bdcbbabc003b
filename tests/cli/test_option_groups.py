"""Options that are written once, in a dataclass, and are options of several commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from cisreg.cli.commands import Command
from cisreg.cli.option_groups import spread


@dataclass(frozen=True)
class Numbers:
    table: Annotated[str, typer.Argument(metavar="TABLE")]
    count: Annotated[int, typer.Option(help="How many.", min=1)] = 3
    names: Annotated[list[str] | None, typer.Option("--name")] = None


@pytest.fixture
def told():
    """The values that a command got, and the command."""
    got = []

    @spread
    def command(*, context: typer.Context, seed: int = 0, numbers: Numbers) -> None:
        """Says what it got."""
        got.append((context.params["count"], seed, numbers))

    app = typer.Typer()
    app.command(cls=Command)(command)
    return got, app


def test_fields_are_options_and_come_as_one_value(told):
    got, app = told
    result = CliRunner().invoke(app, ["t.tsv", "--name", "a", "--name", "b", "--seed", "5"])
    assert result.exit_code == 0, result.output
    assert got == [(3, 5, Numbers("t.tsv", 3, ["a", "b"]))]
    shown = CliRunner().invoke(app, ["--help"]).output
    assert "How many." in shown and "[default: 3; x>=1]" in shown
    assert shown.index("--seed") < shown.index("--count")


def test_fields_are_checked_as_options_are(told):
    got, app = told
    for words in (["t.tsv", "--count", "0"], ["t.tsv", "--count", "1_0"], []):
        assert CliRunner().invoke(app, words).exit_code == 2
    assert not got
