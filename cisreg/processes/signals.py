"""Signals that ask a run to stop: with a checkpoint, or at once."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from cisreg.delayed_signals import restore_handlers
from cisreg.processes.watch import SignalWatch

# EX_TEMPFAIL of sysexits.h: a temporary failure, the command can be run again.
RESUMABLE_STATUS = 75
_MOST_BYTES = 4000  # of a message; a pipe that is ready takes as many without waiting

# What this process waits for, for the message of `stop_at_once`; and what watches it meanwhile.
_state: dict[str, Any] = {"waiting": None, "watch": None}


def stop_signals() -> tuple[signal.Signals, ...]:
    """SIGTERM, and SIGINT and SIGHUP unless this process was started with these ignored.

    SIGINT is ignored by background processes of scripts, SIGHUP under nohup.

    Example:
        >>> signal.SIGTERM in stop_signals()
        True
    """
    usual = (signal.SIGINT, getattr(signal, "SIGHUP", None))
    heard = (each for each in usual if each and signal.getsignal(each) != signal.SIG_IGN)
    return (signal.SIGTERM, *heard)


def signal_name(number: int) -> str:
    """The name of a signal, also of those between SIGRTMIN and SIGRTMAX, which Python cannot name.

    Example:
        >>> signal_name(15)
        'SIGTERM'
    """
    with suppress(ValueError):
        return signal.Signals(number).name
    first = getattr(signal, "SIGRTMIN", number)
    return f"SIGRTMIN+{number - first}" if number > first else f"signal {number}"


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
        others: whether the process waits for other workers, which may never come back.

    Attributes:
        received: number of the signal that was received, or None.

    Example:
        >>> with StopRequest([signal.SIGTERM]) as request:
        ...     signal.raise_signal(signal.SIGTERM)
        ...     print(signal_name(request.received))
        SIGTERM
    """

    def __init__(self, signals: Collection[int], *, others: bool = False) -> None:
        self._signals = signals if _in_main_thread() else ()
        self._others = others
        self._before: dict[int, Any] = {}
        self.received: int | None = None

    def __enter__(self) -> StopRequest:
        for each in self._signals:
            self._before[each] = signal.signal(each, self._note)
        if _state["watch"] is not None:
            _state["watch"].be_patient(others=self._others)
        return self

    def __exit__(self, *exception: object) -> None:
        self._restore()
        if _state["watch"] is not None:
            _state["watch"].be_strict()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        self._restore()

    def _restore(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())


@contextmanager
def stop_at_once(
    signals: Collection[int], advice: str = "checkpoints are kept, --resume continues"
) -> Iterator[None]:
    """Makes signals end this process with status 75, also while C++ code waits.

    For the time before and after training; during training `StopRequest` is active.

    Args:
        signals: for example SIGTERM; outside the main thread they are not handled.
        advice: what the message says about going on.

    Example:
        >>> with stop_at_once([signal.SIGTERM]):  # doctest: +SKIP
        ...     dataset = open_dataset("shards").load()
    """

    def stop(number: int, frame: object) -> None:
        _say_stopped(number, advice)
        sys.exit(RESUMABLE_STATUS)

    def end(number: int) -> None:
        _say_stopped(number, advice)
        os._exit(RESUMABLE_STATUS)

    if not _in_main_thread():
        yield
        return
    with _handled(signals, stop), SignalWatch(signals, end) as watch:
        _state["watch"] = watch
        try:
            yield
        finally:
            _state["watch"] = None


@contextmanager
def end_by_signals() -> Iterator[None]:
    """Lets a command remove its temporary files before SIGTERM or SIGHUP ends it.

    The block ends with an exception in Python code, and so do the programs that it started. Then
    the process is ended by the same signal, as if nobody had heard it. In C++ code it ends with
    the same status 5 seconds later. A second signal ends it at once. Outside the main thread, and
    where a signal is ignored, nothing is changed.

    Example:
        >>> with end_by_signals():  # doctest: +SKIP
        ...     write_table("predictions.tsv")
    """
    heard = [each for each in stop_signals() if each != signal.SIGINT]
    came: list[int] = []

    def stop(number: int, frame: object) -> None:
        came.append(number)
        for each in heard:
            signal.signal(each, signal.SIG_DFL)
        sys.exit(128 + number)

    def end(number: int) -> None:
        os._exit(128 + number)

    if not _in_main_thread():
        yield
        return
    try:
        with _handled(heard, stop), SignalWatch(heard, end):
            yield
    except BaseException as error:
        if not came:
            raise
        # Temporary files that variables hold are removed with them.
        traceback.clear_frames(error.__traceback__)
    # Whatever came of the exception: a library may have made an error of its own of it.
    if came:
        signal.signal(came[0], signal.SIG_DFL)
        signal.raise_signal(came[0])


@contextmanager
def waiting_for(what: Callable[[], str]) -> Iterator[None]:
    """Says what this process waits for, if a signal ends it meanwhile.

    Args:
        what: returns for example "worker 2 of 2".
    """
    before, _state["waiting"] = _state["waiting"], what
    try:
        yield
    finally:
        _state["waiting"] = before


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Restores the handler of SIGTERM afterwards: TensorFlow replaces it while it connects workers.

    Its own handler records the signal and does nothing else.
    """
    try:
        yield
    finally:
        handler = signal.getsignal(signal.SIGTERM)
        if _in_main_thread() and handler is not None:
            signal.signal(signal.SIGTERM, handler)


class PassSignals:
    """Calls a function at each signal that asks to stop; a context manager.

    Args:
        tell: called with the number of signals so far, in the main thread, between any two
            operations of Python.

    Attributes:
        count: number of signals so far.
        name: of the first one.
    """

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._tell = tell
        self.count = 0
        self.name = ""

    def __enter__(self) -> PassSignals:
        self._handlers = _handled(stop_signals(), self._note)
        self._handlers.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._handlers.__exit__(None, None, None)

    def _note(self, number: int, frame: object) -> None:
        self.count += 1
        self.name = self.name or signal_name(number)
        self._tell(self.count)


@contextmanager
def _handled(signals: Collection[int], handler: Callable[[int, Any], None]) -> Iterator[None]:
    before = {each: signal.getsignal(each) for each in signals}
    try:
        for each in signals:
            signal.signal(each, handler)
        yield
    finally:
        restore_handlers(before)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _say_stopped(number: int, advice: str) -> None:
    """Writes a line to standard error, if somebody takes it."""
    while_waiting = f" while waiting for {_state['waiting']()}" if _state["waiting"] else ""
    text = f"stopped: by {signal_name(number)}{while_waiting}; {advice}\n"
    # Not sys.stderr: the signal may have interrupted a write to it. Nor may it wait for a reader.
    with suppress(OSError, ValueError):
        if select.select([], [2], [], 1.0)[1]:
            os.write(2, text.encode(errors="backslashreplace")[:_MOST_BYTES])
