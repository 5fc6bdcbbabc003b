"""Completion in shells: commands, options and values."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
import typing
from typing import Literal

import pytest
import typer
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.cli.completion import join_split_words, motif_sources, recipe_names
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


@pytest.mark.parametrize(
    ("line", "joined", "before"),
    [
        ("motifs info jaspar : f", "motifs info f", "jaspar:"),
        ("motifs info jaspar :", "motifs info ", "jaspar:"),
        (
            "train t.tsv --motifs jaspar : fungi --out",
            "train t.tsv --motifs jaspar:fungi --out",
            "",
        ),
        ("train t.tsv --motifs = d", "train t.tsv --motifs d", ""),
        ("train t.tsv --motifs =", "train t.tsv --motifs ", ""),
        ("train t.tsv --motifs = jaspar : 2024 : f", "train t.tsv --motifs f", "jaspar:2024:"),
        ("train t.tsv --recipe ", "train t.tsv --recipe ", ""),
    ],
)
@pytest.mark.parametrize("separator", [" ", "\n"])
def test_words_that_bash_split_are_joined(line, joined, before, separator):
    given = f"cisreg {line}".replace(" ", separator)
    asked = {"_CISREG_COMPLETE": "complete_bash", "COMP_WORDS": given}
    asked["COMP_CWORD"] = str(len(line.split(" ")))
    join_split_words(asked)
    expected = f"cisreg {joined}".split(" ")
    assert asked["COMP_WORDS"].split(separator) == expected
    assert asked["COMP_CWORD"] == str(len(expected) - 1)
    assert asked["_CISREG_BEFORE_WORD"] == before


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("cisreg motifs info jaspar:fun", "cisreg motifs info jaspar:fungi "),
        ("cisreg check t.tsv --motifs=jaspar:fun", "cisreg check t.tsv --motifs=jaspar:fungi "),
        ("cisreg train t.tsv --recipe qui", "cisreg train t.tsv --recipe quick "),
    ],
)
def test_a_real_bash_completes(tmp_path, typed, shown):
    program = tmp_path / "cisreg"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m cisreg "$@"\n')
    program.chmod(0o755)
    script = RUNNER.invoke(
        app, [], env={"_CISREG_COMPLETE": "source_bash"}, prog_name="cisreg"
    ).output
    (tmp_path / "script.sh").write_text(script)
    assert "complete -o default -F" in script
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TERM": "dumb"}
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)
    try:
        os.write(terminal, f"PS1=; source {tmp_path}/script.sh; echo rea''dy\n".encode())
        read_until(terminal, "ready")
        os.write(terminal, f"{typed}\t".encode())
        read_until(terminal, shown)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)


def read_until(terminal, text):
    """Reads what a terminal shows until it has shown this text."""
    shown, end = "", time.monotonic() + 120
    while text not in shown:
        assert time.monotonic() < end, shown
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 4096).decode()


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
