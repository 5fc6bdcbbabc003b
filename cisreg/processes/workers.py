"""Several processes of one command on this machine, that train together over loopback."""

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
# How long the others may take to notice that a worker is gone, and to end by themselves.
_PATIENCE_SECONDS = 60.0
_TERMINATION_SECONDS = 10.0
_POLL_SECONDS = 0.1
_SHOWN_LINES = 20
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl


class WorkersResult(NamedTuple):
    """How the processes ended.

    Attributes:
        status: 0 where all succeeded, else the exit status of the first that ended otherwise;
            128 + the signal's number where a signal ended it.
        worker: which one that was, from 0.
        message: what it wrote last, where that was not shown.
        asked: whether a signal asked them to stop.
    """

    status: int
    worker: int
    message: str
    asked: bool


def run_workers(command: Sequence[str], count: int) -> WorkersResult:
    """Runs a command `count` times, each with a TF_CONFIG that says which of them it is.

    The first one writes to this process' standard streams, what the others write is kept for
    errors. SIGTERM, SIGINT and SIGHUP are passed on to all as SIGTERM; on Linux they get one too
    where this process is killed. Where one ends with an error, the others are given time to end by
    themselves, and are ended then.

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
        # A terminal's interrupt goes to this process alone, which passes it on once.
        start_new_session=True,
        preexec_fn=_end_with_parent(),
        **streams,
    )


def _end_with_parent() -> Callable[[], object] | None:
    """What has a new process get SIGTERM once its parent is gone, however that ended."""
    if sys.platform != "linux":
        return None
    # Loaded here: between fork and exec as little as possible should be done.
    set_option = ctypes.CDLL(None).prctl
    return lambda: set_option(_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> int:
    """Waits until all have ended; the first that did not succeed, or 0."""
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
    """Who is to blame: who failed first, but nobody who only says that another one is gone."""
    if first is None or processes[first].returncode == RESUMABLE_STATUS:
        return _failed(processes)
    return first


def _failed(processes: Sequence[subprocess.Popen[bytes]]) -> int | None:
    ended = [(index, each.poll()) for index, each in enumerate(processes)]
    # What a signal ended is the cause, or an error; the others end because of it.
    bad = sorted(
        (status > 0, status == RESUMABLE_STATUS, index) for index, status in ended if status
    )
    return bad[0][-1] if bad else None


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ends those that still run: first as a request, then by force."""
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
    """The program and arguments of this process, to be run again.

    Example:
        >>> subprocess.run(own_command())  # doctest: +SKIP
    """
    return [sys.executable, *sys.orig_argv[1:]]
