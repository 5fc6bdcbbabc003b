"""`--json`: one document on standard output, whatever a command prints and however it ends."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from cisreg.cli import app, train_workers
from cisreg.cli.commands import Command, Commands
from cisreg.cli.json_output import Document, asks_for_json, collected, plain
from cisreg.cli.terminal import TextTable, new_console
from cisreg.processes.workers import Workers
from cisreg.version import __version__

RUNNER = CliRunner()
KEYS = ["command", "cisreg", "exit_status", "results", "messages", "error"]


def document(*words, status=0, commands=app):
    """The document that a command prints, and its standard error."""
    result = RUNNER.invoke(commands, [*map(str, words), "--json"])
    assert result.exit_code == status, result.output
    content = json.loads(result.stdout, parse_constant=pytest.fail)
    assert list(content) == KEYS
    assert content["exit_status"] == status
    assert content["cisreg"] == __version__
    return content, result.stderr


@pytest.fixture
def made_up():
    """Commands that know nothing of JSON."""
    commands = typer.Typer(cls=Commands)

    @commands.command(cls=Command)
    def show(output: str | None = None) -> None:
        console = new_console(results=True)
        table = TextTable("Stages of 3", ("stage", "validation r", "what"))
        table.add_row("first", "0.91", "1,200")
        table.add_row("second\x1b[31m", "", "12 %")
        console.print(table)
        console.print("part one,", end=" ")
        console.print("part two")
        console.add_rows("more", [{"values": np.array([1.0, np.nan])}])
        new_console(stderr=True).print("a log")
        print("stray text of a library")
        if output == "-":
            sys.stdout.buffer.write(b"rows")

    @commands.command(cls=Command)
    def fail(kind: str) -> None:
        new_console().print("before")
        errors = {
            "value": ValueError("t.tsv:3: expected a number"),
            "interrupt": KeyboardInterrupt(),
            "found": typer.Exit(1),
            "stop": SystemExit(75),
            "bug": KeyError("surprise"),
        }
        raise errors[kind]

    return commands


def test_a_new_command_has_it_without_a_line_of_code(made_up):
    content, errors = document("show", commands=made_up)
    assert content["command"] == "show"
    assert content["results"] == {
        "rows": [
            {"stage": "first", "validation_r": 0.91, "what": 1200},
            {"stage": "second\x1b[31m", "validation_r": None, "what": "12 %"},
        ],
        "more": [{"values": [1.0, None]}],
    }
    assert content["messages"] == ["part one, part two"]
    assert content["error"] is None
    assert "a log" in errors and "stray text of a library" in errors
    plain_output = RUNNER.invoke(made_up, ["show"]).stdout
    assert plain_output.startswith("# Stages of 3\nstage\tvalidation r\twhat\nfirst\t0.91\t1,200\n")


@pytest.mark.parametrize(
    ("kind", "status", "message"),
    [
        ("value", 1, "t.tsv:3: expected a number"),
        ("interrupt", 130, "Ctrl-C ended the command"),
        ("found", 1, None),
        ("stop", 75, "train was stopped, or lost a worker; the same command with --resume goes on"),
    ],
)
def test_errors_are_in_the_document_with_the_exit_status(made_up, kind, status, message):
    content, errors = document("fail", kind, status=status, commands=made_up)
    assert content["error"] == (None if message is None else {"message": message})
    assert content["messages"] == ["before"]
    assert ("error: " in errors) == (kind == "value")


def test_a_bug_leaves_a_document_beside_its_traceback(made_up):
    result = RUNNER.invoke(made_up, ["fail", "bug", "--json"])
    assert isinstance(result.exception, KeyError)
    assert json.loads(result.stdout)["error"] == {"message": "KeyError: 'surprise'"}


def test_a_wrong_command_line_is_an_error_of_status_2(made_up):
    content, errors = document("show", "--none", status=2, commands=made_up)
    assert content["command"] == "show"
    assert "--none" in content["error"]["message"]
    assert "--none" in errors
    content, _ = document("explain", "factors", status=2)
    assert content["command"] == "explain factors"
    content, _ = document(status=2)
    assert content["command"] == ""


def test_tables_are_not_written_into_the_document(made_up):
    content, _ = document("show", "--output", "-", status=1, commands=made_up)
    assert "--output: expected a file with --json" in content["error"]["message"]
    assert content["results"]["more"]


def test_a_full_disk_is_an_error(made_up, monkeypatch, capsys):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device", "standard output")

    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(SystemExit) as ended:
        typer.main.get_command(made_up).main(["show", "--json"])
    assert ended.value.code == 1
    assert "standard output: No space left on device" in capsys.readouterr().err


def test_help_and_version_stay_text():
    assert RUNNER.invoke(app, ["check", "--json", "--help"]).stdout.startswith("Usage: ")
    assert not asks_for_json(["--version", "--json"])
    assert not asks_for_json(["predict", "model", "--", "--json"])


def walk(command, name=""):
    for each, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, f"{name} {each}".strip())
    if not getattr(command, "commands", None):
        yield name, command


def test_every_command_has_the_option():
    found = dict(walk(typer.main.get_command(app)))
    assert len(found) > 25
    lacking = [
        name
        for name, command in found.items()
        if [option for each in command.params for option in each.opts].count("--json") != 1
    ]
    assert not lacking, "register it with cls=Command"


def test_numbers_have_all_digits():
    content, _ = document("motifs", "info", "demo")
    from cisreg.motifs import demo_motifs

    expected = demo_motifs().lowest_log_kd()
    assert [each["lowest_log_kd"] for each in content["results"]["motifs"]] == pytest.approx(
        expected, rel=1e-7
    )
    assert content["results"]["motifs"][0]["width"] == int(demo_motifs().widths[0])


def test_files_that_were_written_are_said(tmp_path):
    output = tmp_path / "motifs.meme"
    content, _ = document("motifs", "convert", "demo", output, "--format", "meme")
    assert content["results"] == {}
    assert content["messages"] == [f"16 motifs written to {output} (meme)"]


def test_the_example_of_the_page_runs(tmp_path, monkeypatch, capsys):
    text = (Path(__file__).parents[2] / "docs/howto/scripts.md").read_text(encoding="utf-8")
    shell, python = re.findall(r"```(?:bash|python)\n(.*?)```", text, re.DOTALL)[:2]
    monkeypatch.chdir(tmp_path)
    for line in shell.splitlines():
        words, _, file = line.removeprefix("cisreg ").partition(" > ")
        result = RUNNER.invoke(app, words.split())
        assert result.exit_code == 0, result.output
        if file:
            Path(file).write_text(result.stdout)
    capsys.readouterr()
    exec(python)
    findings = json.loads(Path("found.json").read_text())["results"]["findings"]
    shown = [each["check"] for each in findings if each["state"] in ("error", "warning")]
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        check.split()[0] for check in shown
    ]


def test_values_of_other_types():
    given = {"path": Path("a"), 3: (np.int64(4), np.True_), "inf": float("inf"), "none": None}
    assert plain(given) == {"path": "a", "3": [4, True], "inf": None, "none": None}


def test_several_processes_print_one_document(made_up):
    """The document of the first process is part of that of the command that started them."""
    first = Document("train")
    first.add_rows("stages", [{"stage": 1}])
    first.add_message("Model written to model\n")
    printed = first.text(0)
    command = [sys.executable, "-S", "-c", f"print({printed!r})"]
    with (
        collected("train") as whole,
        train_workers._first_output() as output,
        Workers(2, output) as workers,
    ):
        result = workers.run(command)
        train_workers._add_document(output)
    assert result.status == 0
    assert json.loads(whole.text(0))["results"] == {"stages": [{"stage": 1}]}
    assert json.loads(whole.text(0))["messages"] == ["Model written to model"]
    with train_workers._first_output() as output:
        assert output is None
    whole.add_document("no document")
    assert json.loads(whole.text(0))["error"] is None
