"""Runs one command in several processes on this machine that train together over loopback."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, BinaryIO, NamedTuple

from cisreg.processes.cluster import TF_CONFIG
from cisreg.processes.signals import RESUMABLE_STATUS, PassSignals

_LOOPBACK = "127.0.0.1"
# Time for the other workers to notice that one is gone and to end.
_PATIENCE_SECONDS = 60.0
_TERMINATION_SECONDS = 10.0
_POLL_SECONDS = 0.1
_SHOWN_LINES = 20
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl


class WorkersResult(NamedTuple):
    """How the processes ended.

    Attributes:
        status: 0 if all succeeded, otherwise the exit status of the first that failed, or 128 + the
            signal number if a signal ended it.
        worker: number of that process, from 0.
        message: the end of its output, if that was not shown.
        asked: whether this process received a signal to stop.
    """

    status: int
    worker: int
    message: str
    asked: bool


def run_workers(command: Sequence[str], count: int) -> WorkersResult:
    """Runs a command in `count` processes, each with its own TF_CONFIG.

    The first process writes to the standard streams of this one; the output of the others is kept
    for error messages. SIGTERM, SIGINT and SIGHUP are forwarded to all as SIGTERM; on Linux they
    also get a SIGTERM if this process is killed. If one fails, the others get time to end before
    they are terminated.

    Args:
        command: program and arguments.
        count: processes, 1 or more.

    Example:
        >>> run_workers([sys.executable, "-c", "print('hello')"], 2)  # doctest: +SKIP
        WorkersResult(status=0, worker=0, message='', asked=False)
    """
    cluster = {"worker": [f"{_LOOPBACK}:{port}" for port in _free_ports(count)]}
    with ExitStack() as stack:
        logs = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(count)]
        processes: list[subprocess.Popen[bytes]] = []
        with PassSignals(processes) as signals:
            try:
                for index in range(count):
                    processes.append(_start(command, cluster, index, logs[index]))
                first = _wait(processes)
            except BaseException:
                _end(processes)
                raise
        status = processes[first].returncode
        message = "" if first == 0 or status == 0 else _end_of(logs[first])
        return WorkersResult(status if status >= 0 else 128 - status, first, message, signals.asked)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server((_LOOPBACK, 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def _start(
    command: Sequence[str], cluster: dict[str, list[str]], index: int, log: BinaryIO
) -> subprocess.Popen[bytes]:
    config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
    streams: dict[str, Any] = {} if index == 0 else {"stdout": log, "stderr": log}
    return subprocess.Popen(
        command,
        env=os.environ | {TF_CONFIG: config},
        stdin=subprocess.DEVNULL,
        # Ctrl-C reaches only this process, which forwards it once.
        start_new_session=True,
        preexec_fn=_end_with_parent(),
        **streams,
    )


def _end_with_parent() -> Callable[[], object] | None:
    """A function for the child process that makes it get SIGTERM when its parent dies (Linux)."""
    if sys.platform != "linux":
        return None
    # Loaded before the fork: as little as possible should run between fork and exec.
    set_option = ctypes.CDLL(None).prctl
    return lambda: set_option(_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> int:
    """Waits until all have ended; returns the number of the first that failed, or 0."""
    first: int | None = None
    deadline = float("inf")
    while any(process.poll() is None for process in processes):
        first = _cause(first, processes)
        if first is not None:
            deadline = min(deadline, time.monotonic() + _PATIENCE_SECONDS)
        if time.monotonic() > deadline:
            _end(processes)
            return first or 0
        time.sleep(_POLL_SECONDS)
    return _cause(first, processes) or 0


def _cause(first: int | None, processes: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """The process that caused the failure, ignoring those that only report a lost worker."""
    if first is None or processes[first].returncode == RESUMABLE_STATUS:
        return _failed(processes)
    return first


def _failed(processes: Sequence[subprocess.Popen[bytes]]) -> int | None:
    ended = [(index, each.poll()) for index, each in enumerate(processes)]
    # Ended by a signal or with an error: the cause. Status 75: a consequence.
    bad = sorted(
        (status > 0, status == RESUMABLE_STATUS, index) for index, status in ended if status
    )
    return bad[0][-1] if bad else None


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Terminates the running processes; kills those that do not end."""
    running = [process for process in processes if process.poll() is None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + _TERMINATION_SECONDS
    for process in running:
        try:
            process.wait(max(deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _end_of(log: BinaryIO) -> str:
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").splitlines()
    return "\n".join(lines[-_SHOWN_LINES:])


def own_command() -> list[str]:
    """The program and arguments of this process, for running it again.

    Example:
        >>> subprocess.run(own_command())  # doctest: +SKIP
    """
    return [sys.executable, *sys.orig_argv[1:]]
