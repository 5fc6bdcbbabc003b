"""Several processes of one command on this machine, that train together over loopback."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO, NamedTuple

logger = logging.getLogger("cisreg.workers")

# sysexits.h calls it EX_TEMPFAIL: the same command will succeed later.
RESUMABLE_STATUS = 75
_LOOPBACK = "127.0.0.1"
_VARIABLE = "TF_CONFIG"
_SLURM_VARIABLE = "SLURM_PROCID"
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


def this_worker(strategy: str = "auto") -> int:
    """The number of this process among those that train together; 0 is the chief.

    Args:
        strategy: "slurm": as Slurm numbers its tasks; "none" or "mirrored": this process trains
            alone, 0; otherwise as TF_CONFIG says, 0 without it.

    Raises:
        ValueError: TF_CONFIG that TensorFlow would not understand, or no task of Slurm.

    Example:
        >>> this_worker()
        0
    """
    if strategy == "slurm":
        task = os.environ.get(_SLURM_VARIABLE, "")
        if not task.isdecimal():
            raise ValueError(
                f"strategy: expected a task of Slurm with 'slurm', got {_SLURM_VARIABLE}={task!r}; "
                "start it with srun"
            )
        return int(task)
    if strategy in ("none", "mirrored"):
        return 0
    text = os.environ.get(_VARIABLE)
    if not text:
        return 0
    try:
        config = json.loads(text)
        cluster, task = config.get("cluster", {}), config.get("task", {})
        chiefs = len(cluster.get("chief", ()))
        return int(task.get("index", 0)) + (0 if task.get("type") == "chief" else chiefs)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{_VARIABLE}: expected JSON with cluster and task, got {text!r} ({error}); see "
            "docs/scaling.md"
        ) from None


def cluster_size() -> int:
    """Processes that TF_CONFIG names; 1 without it.

    Example:
        >>> cluster_size()
        1
    """
    text = os.environ.get(_VARIABLE)
    if not text:
        return 1
    this_worker()  # refuses what is no TF_CONFIG
    jobs = json.loads(text).get("cluster", {})
    return max(1, sum(len(addresses) for addresses in jobs.values()))


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
        with _PassSignals(processes) as signals:
            for index in range(count):
                processes.append(_start(command, cluster, index, logs[index]))
            first = _wait(processes)
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
        env=os.environ | {_VARIABLE: config},
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


class _PassSignals:
    """Hands signals on to processes as SIGTERM, upon which they stop with a checkpoint."""

    def __init__(self, processes: list[subprocess.Popen[bytes]]) -> None:
        self._processes = processes
        self.asked = False

    def __enter__(self) -> _PassSignals:
        self._before = {each: signal.signal(each, self._pass) for each in self._signals()}
        return self

    def _signals(self) -> Iterator[signal.Signals]:
        """Those that would end this process; nohup has a closed terminal's ignored."""
        yield from (signal.SIGTERM, signal.SIGINT)
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            yield signal.SIGHUP

    def __exit__(self, *exception: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)
        if exception[0] is not None:
            _end(self._processes)

    def _pass(self, number: int, frame: object) -> None:
        self.asked = True
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)


@contextmanager
def stop_at_once(signals: Sequence[signal.Signals]) -> Iterator[None]:
    """Has signals end this process with status 75 rather than as one that was killed.

    For what comes before and after training, which has a handler of its own meanwhile.

    Args:
        signals: for example SIGTERM; outside the main thread none can be handled.

    Example:
        >>> with stop_at_once([signal.SIGTERM]):  # doctest: +SKIP
        ...     dataset = open_dataset("shards").load()
    """

    def stop(number: int, frame: object) -> None:
        name = signal.Signals(number).name
        # Not through sys.stderr, in the middle of whose work the signal may have come.
        os.write(2, f"stopped: by {name}; what was saved is kept, --resume goes on\n".encode())
        sys.exit(RESUMABLE_STATUS)

    main = threading.current_thread() is threading.main_thread()
    before = {each: signal.signal(each, stop) for each in (signals if main else ())}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def own_command() -> list[str]:
    """The program and arguments of this process, to be run again.

    Example:
        >>> subprocess.run(own_command())  # doctest: +SKIP
    """
    return [sys.executable, *sys.orig_argv[1:]]
