"""Runs that end before their time with nothing lost: what asks them to, and what they raise."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Collection
from types import FrameType
from typing import TYPE_CHECKING, Any

from cisreg.workers import RESUMABLE_STATUS

if TYPE_CHECKING:
    from cisreg.training.result import FitResult


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


class FitInterrupt(KeyboardInterrupt):
    """An interrupt (Ctrl-C) ended training in a program that is not interactive.

    Attributes:
        result: a `FitResult` with the parameters so far.
    """

    def __init__(self, result: FitResult) -> None:
        super().__init__("training was interrupted; `result` of this exception holds what it has")
        self.result = result


def is_interactive() -> bool:
    """Whether a person types the commands: a notebook, IPython, or Python's own prompt."""
    return hasattr(sys, "ps1") or _ipython() is not None


def in_notebook() -> bool:
    """Whether this runs in the kernel of a notebook, which is not a terminal."""
    return getattr(_ipython(), "kernel", None) is not None


def _ipython() -> object | None:
    """The IPython shell that this runs in, or None."""
    # Whoever runs within one has it imported.
    module = sys.modules.get("IPython")
    return None if module is None else module.get_ipython()


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
