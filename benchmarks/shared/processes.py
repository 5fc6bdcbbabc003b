"""Commands as whole processes: how long they take, and how much memory at most."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

MEBIBYTE = 2**20
_SECONDS_BETWEEN_LOOKS = 0.02


def run(command: Sequence[str]) -> tuple[float, float]:
    """Seconds and MiB of a process with all that it starts.

    Raises:
        RuntimeError: it failed.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**os.environ, "LC_ALL": "C"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, _memory(process.pid))
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    seconds = time.perf_counter() - start
    _, said = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {said}")
    return seconds, peak / MEBIBYTE


def _memory(process: int) -> int:
    """Bytes of a process and its descendants; 0 where it is gone."""
    folder = Path("/proc") / str(process)
    try:
        children = (folder / "task" / str(process) / "children").read_text().split()
        pages = int((folder / "statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    own = pages * os.sysconf("SC_PAGE_SIZE")
    return own + sum(_memory(int(child)) for child in children)
