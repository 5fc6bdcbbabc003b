"""Signals: to stop with a checkpoint, to stop at once, to pass on to other processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

# sysexits.h calls it EX_TEMPFAIL: the same command will succeed later.
RESUMABLE_STATUS = 75


def interrupt_signals() -> tuple[signal.Signals, ...]:
    """SIGINT, where it would raise KeyboardInterrupt."""
    raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return (signal.SIGINT,) if raises else ()


class StopRequest:
    """Notes the first of some signals instead of ending the process; a context manager.

    A second one acts as it does without this. Signals can be noted in the main thread alone;
    elsewhere none is.

    Args:
        signals: for example SIGTERM.

    Attributes:
        received: the signal that came, or None.

    Example:
        >>> with StopRequest([signal.SIGTERM]) as request:
        ...     signal.raise_signal(signal.SIGTERM)
        ...     print(request.received.name)
        SIGTERM
    """

    def __init__(self, signals: Collection[signal.Signals]) -> None:
        self._signals = signals if threading.current_thread() is threading.main_thread() else ()
        self._before: dict[signal.Signals, Any] = {}
        self.received: signal.Signals | None = None

    def __enter__(self) -> StopRequest:
        for each in self._signals:
            self._before[each] = signal.signal(each, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        self._restore()

    def _restore(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())


class PassSignals:
    """Passes signals on to processes as SIGTERM; a context manager.

    Args:
        processes: those that run; may be added to.

    Attributes:
        asked: whether a signal came.
    """

    def __init__(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        self._processes = processes
        self.asked = False

    def __enter__(self) -> PassSignals:
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
