"""A thread that ends this process upon a signal while C++ code waits.

Python runs the handler of a signal only when C++ code returns. TensorFlow, for example, waits for
other workers for as long as it takes.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Collection

# From a signal that ends the process at once to its end.
_STRICT_SECONDS = 5.0
# A run that was asked to stop computes until then, or other workers do. What computes nothing for
# so long waits for a worker that does not answer.
_IDLE_SECONDS = 30.0
_IDLE_CPU_SECONDS = 1.0
_POLL_SECONDS = 0.5


class SignalWatch:
    """Ends the process if it has not ended by itself some seconds after a signal.

    A context manager, for the main thread. Python's handlers of the signals must be set. Where
    another part of the program listens for signals already, as asyncio does, nothing is watched.

    Args:
        signals: numbers of signals.
        end: called with the number of a signal in a thread; ends the process.
    """

    def __init__(self, signals: Collection[int], end: Callable[[int], None]) -> None:
        self._signals = frozenset(signals)
        self._end = end
        self._came: list[int] = []
        self._patient = self._others = False
        self._began = self._cpu = 0.0

    def __enter__(self) -> SignalWatch:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        if self._before != -1:
            signal.set_wakeup_fd(self._before)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._before == -1:
            signal.set_wakeup_fd(-1)
        os.close(self._writer)
        self._thread.join()
        os.close(self._reader)

    def be_patient(self, *, others: bool) -> None:
        """From now on the first signal lets the process go on as long as something is computed.

        Args:
            others: whether it waits for other workers; otherwise it may go on anyway.
        """
        self._patient, self._others = True, others

    def be_strict(self) -> None:
        """From now on any signal ends the process; those that came are forgotten."""
        self._came = []
        self._patient = False

    def _watch(self) -> None:
        while True:
            wait = _POLL_SECONDS if self._came else None
            if select.select([self._reader], [], [], wait)[0]:
                numbers = os.read(self._reader, 512)
                if not numbers:
                    return
                self._note([number for number in numbers if number in self._signals])
            came = self._came
            if came and self._is_too_late(came):
                self._end(came[-1])

    def _note(self, numbers: list[int]) -> None:
        if numbers:
            self._came = [*self._came, *numbers]
            self._begin_again()

    def _begin_again(self) -> None:
        self._began, self._cpu = time.monotonic(), time.process_time()

    def _is_too_late(self, came: list[int]) -> bool:
        seconds = time.monotonic() - self._began
        if not self._patient or len(came) > 1:
            return seconds > _STRICT_SECONDS
        if time.process_time() - self._cpu > _IDLE_CPU_SECONDS:
            self._begin_again()
        return self._others and seconds > _IDLE_SECONDS
