"""Measurements in fresh processes: time of repeated calls, and the peak memory of one.

A server imports a library once and forks a process for every measurement, so that each starts from
the same state and none waits seconds for the import. Nothing but the import has happened before
the fork: thread pools, devices and compilers start in the process that is measured.

Run as `python -m benchmarks.shared.measure tensorflow`; reads requests and prints results as lines
of JSON.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from benchmarks.shared.problem import Point, make_problem
from benchmarks.shared.rivals import ALL, Functions, installed, make_functions

ROOT = Path(__file__).parents[2]
MEBIBYTE = 2**20
# Memory limit of one process; a rival that needs more is reported as out of memory.
MEMORY_LIMIT = 24 * 2**30
# Time limit of one measurement, including compilation; longer ones are reported as too slow.
TIME_LIMIT = 60.0
_FEWEST_CALLS = 2
FORWARD, FORWARD_BACKWARD, TRAIN_STEP = "forward", "forward_backward", "train_step"

Result = dict[str, Any]


def _memory(field: str) -> int:
    """VmRSS or VmHWM of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status: no {field}; this benchmark needs Linux")


class _Peak:
    """Bytes that the process needs above what it has now."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")
        self._before = _memory("VmRSS")

    def mebibytes(self) -> float:
        return max(0, _memory("VmHWM") - self._before) / MEBIBYTE


def _measure_calls(
    make: Callable[[Point], Functions], point: Point, task: str, seconds: float
) -> Result:
    """Peak memory of the first call, times of the later ones.

    The same work on three sequences comes before: libraries load and compile on their first use,
    and that is neither time nor memory of the work.
    """
    getattr(make(point._replace(sequence_count=3)), task)()
    call = getattr(make(point), task)
    peak = _Peak()
    call()
    mebibytes = peak.mebibytes()
    times: list[float] = []
    start = time.perf_counter()
    while time.perf_counter() - start < seconds or len(times) < _FEWEST_CALLS:
        before = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - before))
    return {"milliseconds": times, "peak_mebibytes": mebibytes}


def _measure_training(make: Callable[[Point], Functions], point: Point, seconds: float) -> Result:
    """Peak memory of a first epoch, and times of the later ones.

    `milliseconds` are those of a step, epoch by epoch; `epoch_seconds` those of whole epochs, from
    the end of one to the end of the next, with all that is done between the steps. The first epoch
    of a run compiles, so that it counts for the memory alone.
    """
    make(point._replace(sequence_count=3, steps=1)).train(1, lambda: None)
    functions = make(point)
    ends: list[float] = []
    peak = _Peak()
    seconds_of_epochs = functions.train(2, lambda: ends.append(time.perf_counter()))
    mebibytes = peak.mebibytes()
    # The duration of the second epoch tells how many epochs fill the time.
    epochs = min(100, round(seconds / max(seconds_of_epochs[1], 1e-3)))
    seconds_of_epochs = seconds_of_epochs[1:]
    epoch_seconds = [ends[1] - ends[0]]
    if epochs > 1:
        del ends[:]
        seconds_of_epochs += functions.train(epochs, lambda: ends.append(time.perf_counter()))[1:]
        epoch_seconds += [end - start for start, end in itertools.pairwise(ends)]
    return {
        "milliseconds": [1e3 * epoch / point.steps for epoch in seconds_of_epochs],
        "epoch_seconds": epoch_seconds,
        "peak_mebibytes": mebibytes,
    }


def measure(point: Point, task: str, seconds: float, time_limit: float) -> Result:
    """One task of a point, in this process."""
    cores = sorted(os.sched_getaffinity(0))[: point.threads]
    os.sched_setaffinity(0, cores)
    signal.setitimer(signal.ITIMER_REAL, time_limit)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))

    def make(of: Point) -> Functions:
        return make_functions(of.implementation, make_problem(of, training=task == TRAIN_STEP))

    if task == TRAIN_STEP:
        return _measure_training(make, point, seconds)
    return _measure_calls(make, point, task, seconds)


def _in_child(request: dict[str, Any]) -> Result:
    """Forks, measures in the child, and returns what it sent."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            result = measure(Point(**request.pop("point")), **request)
        except Exception as error:
            lines = str(error).splitlines() or [""]
            result = {"missing": f"{type(error).__name__}: {lines[0]}"[:300]}
        os.write(writable, json.dumps(result).encode())
        os._exit(0)
    os.close(writable)
    with os.fdopen(readable, "rb") as pipe:
        sent = pipe.read()
    _, status = os.waitpid(child, 0)
    if sent:
        return json.loads(sent)
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if number == signal.SIGALRM:
        return {"missing": f"took longer than {request['time_limit']:g} s"}
    return {"missing": f"ended by {signal.Signals(number).name if number else status}"}


class Servers:
    """Starts one server per library and number of threads, as they are asked for.

    Example:
        >>> with Servers() as servers:  # doctest: +SKIP
        ...     servers.measure(Point("fused"), "forward", seconds=1.0)["peak_mebibytes"]
    """

    def __init__(self) -> None:
        self._running: dict[tuple[str, int], subprocess.Popen[str]] = {}

    def __enter__(self) -> Servers:
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._running.values():
            _pipe(server.stdin).close()
            server.wait()

    def measure(
        self, point: Point, task: str, *, seconds: float, time_limit: float = TIME_LIMIT
    ) -> Result:
        """Measures in a separate process.

        Returns:
            `milliseconds` of each call and `peak_mebibytes`, or `missing`: why there are none.

        Raises:
            RuntimeError: a server ended, which only a broken installation does.
        """
        if not installed(point.implementation):
            return {"missing": "not installed"}
        server = self._server(ALL[point.implementation].package, point.threads)
        request = {"point": point._asdict(), "task": task, "seconds": seconds}
        request["time_limit"] = time_limit
        _pipe(server.stdin).write(json.dumps(request) + "\n")
        _pipe(server.stdin).flush()
        line = _pipe(server.stdout).readline()
        if not line:
            raise RuntimeError(
                f"the server of {point} ended; run python -m benchmarks.shared.measure by hand"
            )
        return json.loads(line)

    def _server(self, package: str, threads: int) -> subprocess.Popen[str]:
        if (package, threads) not in self._running:
            environment = {
                **os.environ,
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "OMP_NUM_THREADS": str(threads),
                "OPENBLAS_NUM_THREADS": "1",
            }
            self._running[package, threads] = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.shared.measure", package],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=None if os.environ.get("CISREG_BENCHMARK_ERRORS") else subprocess.DEVNULL,
                text=True,
            )
        return self._running[package, threads]


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def main() -> None:
    """Serves requests for the library that the first argument names."""
    package = sys.argv[1]
    # Output of a library must not be mixed with the results.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    importlib.import_module(package)
    for module in {entry.module for entry in ALL.values() if entry.package == package}:
        importlib.import_module(f".{module}", __package__)
    for line in sys.stdin:
        answers.write(json.dumps(_in_child(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
