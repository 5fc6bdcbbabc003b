"""Items prepared in a thread while earlier ones are in use."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

_Item = TypeVar("_Item")
_NAME = "cisreg-scan"


class _End(Generic[_Item]):
    """Behind the last item: the error that ended them, if any."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(make: Callable[[Callable[[], bool]], Iterator[_Item]]) -> Iterator[_Item]:
    """The items of an iterator that runs in a thread, one item ahead.

    Args:
        make: called in the thread; returns the iterator. What it is given returns True when nobody
            wants further items, so that long work can stop.

    Yields:
        The items. Errors of the thread are raised here. Closing this iterator ends the thread.

    Example:
        >>> list(ahead(lambda stopped: iter([1, 2])))
        [1, 2]
    """
    ready: queue.Queue[_Item | _End[_Item]] = queue.Queue(1)
    closed = threading.Event()

    def put(item: _Item | _End[_Item]) -> None:
        while not closed.is_set():
            with suppress(queue.Full):
                return ready.put(item, timeout=0.1)

    def work() -> None:
        try:
            for item in make(closed.is_set):
                put(item)
                if closed.is_set():
                    return
            put(_End())
        except BaseException as error:
            put(_End(error))

    thread = threading.Thread(target=work, name=_NAME, daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        closed.set()
        thread.join()
