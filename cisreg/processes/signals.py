"""Signal handlers: stop with a checkpoint, stop at once, forward to other processes."""

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

# EX_TEMPFAIL of sysexits.h: a temporary failure, the command can be run again.
RESUMABLE_STATUS = 75


def interrupt_signals() -> tuple[signal.Signals, ...]:
    """SIGINT, if its handler is Python's default, which raises KeyboardInterrupt."""
    raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return (signal.SIGINT,) if raises else ()


class StopRequest:
    """Records the first of some signals instead of ending the process; a context manager.

    After the first signal the previous handlers are restored, so that a second one acts as usual.
    Outside the main thread signals are not handled.

    Args:
        signals: for example SIGTERM.

    Attributes:
        received: the signal that was received, or None.

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
    """Forwards signals to child processes as SIGTERM; a context manager.

    Args:
        processes: the child processes; the caller may add more.

    Attributes:
        asked: whether a signal was received.
    """

    def __init__(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        self._processes = processes
        self.asked = False

    def __enter__(self) -> PassSignals:
        self._before = {each: signal.signal(each, self._pass) for each in self._signals()}
        return self

    def _signals(self) -> Iterator[signal.Signals]:
        """The signals to forward; SIGHUP only if it is not ignored, as it is under nohup."""
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
    """Makes signals end this process with status 75.

    For the time before and after training; during training another handler is active.

    Args:
        signals: for example SIGTERM; outside the main thread they are not handled.

    Example:
        >>> with stop_at_once([signal.SIGTERM]):  # doctest: +SKIP
        ...     dataset = open_dataset("shards").load()
    """

    def stop(number: int, frame: object) -> None:
        name = signal.Signals(number).name
        # Not sys.stderr: the signal may have interrupted a write to it.
        os.write(2, f"stopped: by {name}; checkpoints are kept, --resume continues\n".encode())
        sys.exit(RESUMABLE_STATUS)

    main = threading.current_thread() is threading.main_thread()
    before = {each: signal.signal(each, stop) for each in (signals if main else ())}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
