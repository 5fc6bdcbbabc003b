"""Items that a thread prepares while earlier ones are in use."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from contextlib import closing
from typing import NamedTuple, TypeVar

_ITEMS_AHEAD = 2
_Item = TypeVar("_Item")


class _Failure(NamedTuple):
    error: BaseException


def read_ahead(
    items: Generator[_Item, None, None], *, count: int = _ITEMS_AHEAD
) -> Generator[_Item, None, None]:
    """The same items, prepared in a thread while earlier ones are in use.

    Errors of the thread are raised here. Closing this iterator ends the thread.

    Args:
        items: what the thread prepares.
        count: how many may wait to be taken.

    Example:
        >>> list(read_ahead(item for item in "abc"))
        ['a', 'b', 'c']
    """
    ready: queue.Queue[_Item | _Failure | None] = queue.Queue(count)
    closed = threading.Event()

    def put(item: _Item | _Failure | None) -> None:
        while not closed.is_set():
            try:
                return ready.put(item, timeout=0.1)
            except queue.Full:
                continue

    def work() -> None:
        try:
            with closing(items):
                for item in items:
                    put(item)
                    if closed.is_set():
                        return
            put(None)
        except BaseException as error:
            put(_Failure(error))

    thread = threading.Thread(target=work, name="cisreg-feed", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        closed.set()
        thread.join()
