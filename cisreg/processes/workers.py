"""Runs one command in several processes on this machine that train together over loopback."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
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
# After a second signal.
_HURRY_SECONDS = 3.0
_POLL_SECONDS = 0.1
_SHOWN_LINES = 20
_KEPT_BYTES = 65_536  # of the output of each worker but the first
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl


class WorkersResult(NamedTuple):
    """How the processes ended.

    Attributes:
        status: 0 if all succeeded, otherwise the exit status of the first that failed, or minus the
            number of the signal that ended it.
        worker: number of that process, from 0; -1 if none was started, as a signal came before.
        message: the end of its output, if that was not shown.
    """

    status: int
    worker: int
    message: str

    @property
    def is_lost(self) -> bool:
        """Whether the run may go on from its last checkpoint."""
        return self.status < 0 or self.status == RESUMABLE_STATUS


class Workers:
    """Runs commands in several processes; a context manager that passes signals on to them.

    SIGTERM, SIGINT and SIGHUP (these two unless they are ignored, as SIGHUP is under nohup) reach
    all processes as SIGTERM, whenever they come. After the second one, processes that do not end
    within seconds are killed.

    Args:
        count: number of processes, 1 or more.
        output: where the standard output of the first process goes; None: to that of this one.

    Example:
        >>> with Workers(2) as workers:  # doctest: +SKIP
        ...     workers.run([sys.executable, "-c", "print('hello')"])
        WorkersResult(status=0, worker=0, message='')
    """

    def __init__(self, count: int, output: BinaryIO | None = None) -> None:
        self._count, self._output = count, output
        self._processes: list[subprocess.Popen[bytes]] = []
        self._tails: list[_Tail] = []
        self._signals = PassSignals(self._pass)

    @property
    def asked(self) -> str:
        """The name of the first signal that came, or ""."""
        return self._signals.name

    def __enter__(self) -> Workers:
        self._signals.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._signals.__exit__()

    def run(self, command: Sequence[str]) -> WorkersResult:
        """Runs a command in all processes, each with its own TF_CONFIG, until all have ended.

        The first process writes to the standard streams of this one; the end of the output of the
        others is kept for error messages, in memory. On Linux all get SIGTERM if this process is
        killed. If one fails, the others get time to end before they are terminated.

        Args:
            command: program and arguments.
        """
        if self._signals.count:
            return WorkersResult(RESUMABLE_STATUS, -1, "")
        self._processes, self._tails = [], []
        try:
            self._start_all(command)
            first = self._wait()
        except BaseException:
            self._end()
            raise
        status = self._processes[first].returncode
        shown = status != 0 and first > 0
        return WorkersResult(status, first, self._tails[first - 1].text() if shown else "")

    def _start_all(self, command: Sequence[str]) -> None:
        cluster = {"worker": [f"{_LOOPBACK}:{port}" for port in _free_ports(self._count)]}
        for index in range(self._count):
            process = _start(command, cluster, index, self._output)
            self._processes.append(process)
            if self._signals.count:
                # It may have come before this process was on the list.
                _terminate(process)
        # Not before, as processes with threads should not fork.
        outputs = [process.stdout for process in self._processes[1:]]
        self._tails = [_Tail(output) for output in outputs if output is not None]

    def _pass(self, count: int) -> None:
        for process in self._processes:
            _terminate(process)

    def _wait(self) -> int:
        """Waits until all have ended; returns the number of the first that failed, or 0."""
        first: int | None = None
        deadline = hurry = float("inf")
        while any(process.poll() is None for process in self._processes):
            now = time.monotonic()
            first = _cause(first, self._processes)
            if first is not None:
                deadline = min(deadline, now + _PATIENCE_SECONDS)
            if self._signals.count > 1:
                hurry = min(hurry, now + _HURRY_SECONDS)
            if now > hurry:
                _kill(self._processes)
            elif now > deadline:
                self._end()
            time.sleep(_POLL_SECONDS)
        return _cause(first, self._processes) or 0

    def _end(self) -> None:
        """Terminates the running processes; kills those that do not end."""
        for process in self._processes:
            _terminate(process)
        deadline = time.monotonic() + _TERMINATION_SECONDS
        while any(process.poll() is None for process in self._processes):
            if time.monotonic() > deadline or self._signals.count > 1:
                _kill(self._processes)
            time.sleep(_POLL_SECONDS)


class _Tail(threading.Thread):
    """Reads the output of a process to its end and keeps the last of it."""

    def __init__(self, output: BinaryIO | Any) -> None:
        super().__init__(daemon=True)
        self._output = output
        self._kept = b""
        self.start()

    def run(self) -> None:
        with self._output:
            while block := os.read(self._output.fileno(), _KEPT_BYTES):
                self._kept = (self._kept + block)[-_KEPT_BYTES:]

    def text(self) -> str:
        # A process that the worker started may still hold the pipe.
        self.join(timeout=1.0)
        lines = self._kept.decode("utf-8", "replace").splitlines()
        return "\n".join(lines[-_SHOWN_LINES:])


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server((_LOOPBACK, 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def _start(
    command: Sequence[str],
    cluster: dict[str, list[str]],
    index: int,
    output: BinaryIO | None,
) -> subprocess.Popen[bytes]:
    config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(
        command,
        env=os.environ | {TF_CONFIG: config},
        stdin=subprocess.DEVNULL,
        # Ctrl-C reaches only this process, which forwards it once.
        start_new_session=True,
        preexec_fn=_end_with_parent(),
        **(streams if index else {"stdout": output}),
    )


def end_with_parent(parent: int) -> None:
    """Makes this process get SIGTERM when its parent dies (Linux), or end if that is dead already.

    Args:
        parent: the process number of the parent.

    Example:
        >>> end_with_parent(os.getppid())  # doctest: +SKIP
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(RESUMABLE_STATUS)


def _end_with_parent() -> Callable[[], object] | None:
    """A function for the child process that makes it get SIGTERM when its parent dies (Linux)."""
    if sys.platform != "linux":
        return None
    # Loaded before the fork: as little as possible should run between fork and exec.
    set_option, parent = ctypes.CDLL(None).prctl, os.getpid()

    def end_with_parent() -> None:
        set_option(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(RESUMABLE_STATUS)

    return end_with_parent


def _terminate(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        if hasattr(signal, "SIGCONT"):
            # A process that was stopped, for example by a debugger, ends too.
            process.send_signal(signal.SIGCONT)


def _kill(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()


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


def own_command() -> list[str]:
    """The program and arguments of this process, for running it again.

    Example:
        >>> subprocess.run(own_command())  # doctest: +SKIP
    """
    return [sys.executable, *sys.orig_argv[1:]]
