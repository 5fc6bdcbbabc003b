"""Runs that end before their time with nothing lost: what asks them to, and what they raise."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

from cisreg.workers import RESUMABLE_STATUS


class StoppedError(RuntimeError):
    """Training was asked to stop, and has written a checkpoint to go on from.

    Attributes:
        exit_status: 75, what a command ends with.
    """

    exit_status = RESUMABLE_STATUS


class WorkerLostError(RuntimeError):
    """Another worker of the run is gone; its last checkpoint is there to go on from.

    Attributes:
        exit_status: 75, what a command ends with.
    """

    exit_status = RESUMABLE_STATUS


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

    def __init__(self, signals: Sequence[signal.Signals]) -> None:
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
