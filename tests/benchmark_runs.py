"""Scripts of benchmarks/ as processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def benchmark_rows(script: str, folder: Path, *words: str) -> list[dict]:
    """The rows that a script writes; it must succeed."""
    command = [sys.executable, str(BENCHMARKS / script), "--json", str(folder / "rows"), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "rows").read_text())["rows"]
