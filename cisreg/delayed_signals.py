"""Signals that wait until a temporary file or folder is made and noted, or removed."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_NUMBERS = tuple(
    number for name in ("SIGTERM", "SIGINT", "SIGHUP") if (number := getattr(signal, name, None))
)


@contextmanager
def delayed_signals() -> Iterator[None]:
    """Lets SIGTERM, SIGINT and SIGHUP act when the block has ended; for blocks of milliseconds.

    Without it, an exception of a handler can come between the moment at which a file exists and
    the one at which it is noted, and the file stays. A mask of signals is not enough: a thread of
    a library takes the signal, and its handler runs here. Outside the main thread, where handlers
    never run, and for signals whose handler is not Python's, nothing is changed.

    Example:
        >>> with delayed_signals():
        ...     folder = tempfile.mkdtemp()
        >>> os.rmdir(folder)
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {each: signal.getsignal(each) for each in _NUMBERS}
    before = {each: handler for each, handler in handlers.items() if handler is not None}
    came: list[int] = []
    try:
        for each in before:
            signal.signal(each, lambda number, frame: came.append(number))
        yield
    finally:
        restore_handlers(before)
        if came:
            handler = before[came[0]]
            if callable(handler):
                # Raised again, it would look like a second one to who listens for signals.
                handler(came[0], sys._getframe())
            else:
                signal.raise_signal(came[0])


def restore_handlers(before: Mapping[int, Any]) -> None:
    """Sets the handlers of signals, all of them: also where one that is back already raises.

    Example:
        >>> restore_handlers({signal.SIGINT: signal.getsignal(signal.SIGINT)})
    """
    try:
        for each, handler in before.items():
            signal.signal(each, handler)
    except BaseException:
        for each, handler in before.items():
            signal.signal(each, handler)
        raise


@contextmanager
def temporary_folder(
    prefix: str, parent: str | os.PathLike[str] | None = None, suffix: str = ""
) -> Iterator[str]:
    """A new folder that is removed at the end of the block, whenever a signal comes.

    Args:
        prefix: how its name begins.
        parent: where it is; None: the system's folder for temporary files.
        suffix: how its name ends.

    Yields:
        Its path.

    Raises:
        OSError: the folder cannot be made.

    Example:
        >>> with temporary_folder("cisreg-") as folder:
        ...     os.path.isdir(folder)
        True
    """
    folder = None
    try:
        with delayed_signals():
            folder = tempfile.TemporaryDirectory(suffix, prefix, parent)
        yield folder.name
    finally:
        if folder is not None:
            with delayed_signals():
                folder.cleanup()
