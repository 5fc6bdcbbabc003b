"""One measurement in a fresh process: time of repeated calls, and peak memory of one call.

Run as `python measure.py '{"implementation": "fused", "task": "forward", ...}'`; prints JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FOLDER = Path(__file__).parent
MEBIBYTE = 2**20


class Point(NamedTuple):
    """What is measured."""

    implementation: str
    task: str  # "forward" or "forward_backward"
    sequence_count: int
    length: int
    width: int
    motif_count: int
    threads: int


def make_problem(point: Point, sequence_count: int) -> Any:
    """Random sequences, and motifs whose sites are as strong and as weak as real ones."""
    from rivals import Problem

    random = np.random.default_rng(0)
    return Problem(
        random.integers(0, 4, (sequence_count, point.length)).astype(np.uint8),
        random.normal(0, 1.5, (point.width, 4, point.motif_count)).astype(np.float32),
        random.normal(-5, 2, point.motif_count).astype(np.float32),
    )


def _memory(field: str) -> int:
    """VmRSS or VmHWM of this process in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status: no {field}; this benchmark wants Linux")


def _peak_of(call: Any) -> int:
    """Bytes that one call needs above what the process had before it."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmRSS")
    call()
    return max(0, _memory("VmHWM") - before)


def measure(point: Point, seconds: float) -> dict[str, Any]:
    """Times in milliseconds and peak memory in MiB, in this process."""
    import tensorflow as tf
    from rivals import IMPLEMENTATIONS

    tf.config.threading.set_intra_op_parallelism_threads(point.threads)
    make = IMPLEMENTATIONS[point.implementation]
    # Libraries load and compile on their first use; that is neither time nor memory of the work.
    getattr(make(make_problem(point, 2)), point.task)()
    call = getattr(make(make_problem(point, point.sequence_count)), point.task)
    peak = _peak_of(call)
    times: list[float] = []
    start = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - before))
    return {"milliseconds": times, "peak_mebibytes": peak / MEBIBYTE}


def measure_in_fresh_process(point: Point, seconds: float) -> dict[str, Any]:
    """`measure` where nothing else has run.

    Raises:
        RuntimeError: the process failed; the message holds the end of what it printed.
    """
    request = json.dumps({**point._asdict(), "seconds": seconds})
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": str(point.threads)}
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), request],
        cwd=FOLDER,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{point} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measures what the first argument asks for."""
    request = json.loads(sys.argv[1])
    seconds = request.pop("seconds")
    print(json.dumps(measure(Point(**request), seconds)))


if __name__ == "__main__":
    main()
