"""Atomic replacement of files, and locks on folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:
    # Windows.
    fcntl = None

LOCK_FILE = ".lock"


@contextmanager
def replace_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Opens a new file beside `path` and renames it to `path` when it is complete and on disk.

    If the block raises or the process dies, the old file at `path` is unchanged. Two processes must
    not write the same path at the same time.

    Raises:
        OSError: the folder is not writable, or the disk is full; its `filename` is `path`.

    Example:
        >>> with replace_file("table.txt") as file:  # doctest: +SKIP
        ...     file.write(b"all of it")
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException as error:
        # What cannot be made cannot be removed: the first error says why.
        with suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(partial)):
            error.filename = str(path)
        raise
    _sync_folder(path.parent)


@contextmanager
def hold_folder(directory: str | os.PathLike[str]) -> Iterator[None]:
    """Locks a folder for this process; creates it if it is missing.

    The operating system releases the lock when the process ends, also when it is killed. Where
    there are no such locks (Windows, some network file systems) nothing is locked.

    Raises:
        ValueError: another process has locked the folder.
        OSError: the folder cannot be created.

    Example:
        >>> with hold_folder("model"):  # doctest: +SKIP
        ...     train()
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    with (folder / LOCK_FILE).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ValueError(
                f"{folder}: expected a folder that no other process writes to, but process "
                f"{file.read().strip() or 'of unknown number'} does; wait until it ends, or end it"
            ) from None
        except OSError:
            # A file system without locks.
            pass
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _sync_folder(folder: Path) -> None:
    # On POSIX the rename is on disk only after this; Windows cannot open a folder.
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
