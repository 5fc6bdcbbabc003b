"""Completion in shells: commands, options and values."""

from __future__ import annotations

import typing
from typing import Literal

import pytest
import typer
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.cli.completion import motif_sources, recipe_names
from cisreg.recipes.reading import RECIPES

RUNNER = CliRunner()


def completed(line):
    words = line.split(" ")
    variables = {
        "_CISREG_COMPLETE": "complete_bash",
        "COMP_WORDS": f"cisreg {line}",
        "COMP_CWORD": str(len(words)),
    }
    result = RUNNER.invoke(app, [], env=variables, prog_name="cisreg")
    assert result.exit_code == 0, result.output
    return result.output.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ch", ["check"]),
        ("train t.tsv --recipe ", list(RECIPES)),
        ("train t.tsv --recipe q", ["quick"]),
        ("train t.tsv --recipe ./mine", []),
        ("train t.tsv --motifs d", ["demo"]),
        ("check t.tsv --motifs jaspar:f", ["jaspar:fungi"]),
        ("train t.tsv --constant-ends ", ["context", "trim", "keep"]),
        ("motifs info de", ["demo"]),
        ("train t.tsv --constant-l", ["--constant-left"]),
        ("evaluate m t.tsv --js", ["--json"]),
    ],
)
def test_words_are_completed(line, expected):
    assert completed(line) == expected


def commands(command):
    for inner in getattr(command, "commands", {}).values():
        yield from commands(inner)
    yield command


def test_all_options_with_fixed_choices_are_completed():
    looked_at = 0
    for command in commands(typer.main.get_command(app)):
        hints = typing.get_type_hints(command.callback) if command.callback else {}
        for parameter in command.params:
            hint = hints.get(parameter.name)
            literals = [hint, *typing.get_args(hint)]
            choices = [
                choice
                for each in literals
                if typing.get_origin(each) is Literal
                for choice in typing.get_args(each)
            ]
            if choices:
                looked_at += 1
                context = command.make_context(command.name, [], resilient_parsing=True)
                found = [item.value for item in parameter.shell_complete(context, "")]
                assert found == choices, (command.name, parameter.name)
    assert looked_at > 20


def test_names_that_are_completed_are_those_that_are_read():
    database = pytest.importorskip("pyjaspar")
    assert recipe_names("") == list(RECIPES)
    connection = database.jaspardb(release="JASPAR2024").conn
    query = "SELECT DISTINCT VAL FROM MATRIX_ANNOTATION WHERE TAG = 'tax_group'"
    groups = {f"jaspar:{row[0]}" for row in connection.execute(query)}
    assert set(motif_sources("jaspar:")) == groups


def test_the_script_calls_the_program_by_its_name(monkeypatch):
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    result = RUNNER.invoke(app, ["--show-completion"], prog_name="cisreg")
    assert result.exit_code == 0, result.output
    assert "_CISREG_COMPLETE=complete_bash" in result.output
    assert result.output.rstrip().endswith("cisreg")
