"""Runs scripts of benchmarks/ in separate processes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from forked import Forked


def run_benchmark(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs `python -m benchmarks.room.script words`; `script` is "room.script"."""
    process = Forked(f"benchmarks.{script}", *words)
    output, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def run_successfully(script: str, *words: str) -> str:
    """Runs the script, which must succeed; returns its standard output."""
    done = run_benchmark(script, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def benchmark_rows(script: str, folder: Path, *words: str) -> list[dict]:
    """Runs a script, which must succeed; returns the rows that it writes."""
    run_successfully(script, "--json", str(folder / "rows"), *words)
    return json.loads((folder / "rows").read_text())["rows"]
