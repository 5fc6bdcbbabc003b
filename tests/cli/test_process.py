"""The command as a separate process: what it imports, writes and returns."""

from __future__ import annotations

import subprocess
import sys


def run(*arguments: str, code: str = "from cisreg.cli import main; main()"):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


def test_help_does_not_wait_for_tensorflow():
    imported = "import sys, cisreg.cli; print('tensorflow' in sys.modules)"
    assert run(code=imported).stdout == "False\n"
    process = run("--help")
    assert process.returncode == 0
    for command in ("train", "predict", "evaluate", "simulate", "doctor"):
        assert command in process.stdout


def test_tensorflow_starts_quietly_and_errors_have_status_1(tmp_path):
    folder = str(tmp_path / "data")
    small = ("--motifs", "demo", "--train", "5", "--test", "5", "--output", folder)
    process = run("simulate", *small)
    assert (process.returncode, process.stderr) == (0, "")
    process = run("simulate", *small)
    assert process.returncode == 1
    assert process.stderr.startswith(f"error: {folder}: ")
    assert process.stderr.count("\n") == 1


def test_errors_in_usage_have_status_2():
    process = run("simulate", "--motifs", "demo")
    assert process.returncode == 2
    assert "--output" in process.stderr
