"""Locks on folders: one process writes to a folder at a time."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:
    # Windows.
    fcntl = None

LOCK_FILE = ".lock"
# A lock file holds the number of a process, and nothing else.
_LONGEST_LOCK = 32


class _Held(NamedTuple):
    """A folder that this process has locked.

    Attributes:
        folder: its path, absolute.
        real: its path without links.
        identity: device and inode of the folder.
        lock_identity: device and inode of the lock file; None where the folder itself is locked,
            so that nothing depends on that file.
    """

    folder: str
    real: str
    identity: tuple[int, int]
    lock_identity: tuple[int, int] | None


_held: list[_Held] = []


@contextmanager
def hold_folder(directory: str | os.PathLike[str]) -> Iterator[None]:
    """Locks a folder for this process; creates it if it is missing.

    The folder itself is locked, which no deleted file can undo, and its file `.lock`, for file
    systems that lock files alone; that file says which process it is. The operating system releases
    both when the process ends, also when it is killed. Where there are no locks at all (Windows,
    some network file systems) nothing is locked. `cisreg.files` asks `check_locks` before it
    publishes a file.

    Raises:
        ValueError: another process has locked the folder, or its `.lock` is no lock file: a link, a
            pipe, a device, or a file with other content.
        OSError: the folder cannot be created, or is no folder.

    Example:
        >>> with hold_folder("model"):  # doctest: +SKIP
        ...     train()
    """
    folder = Path(directory)
    if folder.is_symlink() and not folder.exists():
        raise FileExistsError(
            f"{folder}: expected a folder, or a new name for one, got a link that leads nowhere"
        )
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    with ExitStack() as stack:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, handle)
        locked = _lock(handle, folder)
        lock = _open_lock_file(folder / LOCK_FILE)
        stack.callback(os.close, lock)
        lock_locked = _lock(lock, folder)
        _write_number(lock, folder / LOCK_FILE)
        held = _Held(
            os.path.abspath(folder),  # noqa: PTH100 (resolve would follow links)
            os.path.realpath(folder),
            identity_of(os.fstat(handle)),
            None if locked or not lock_locked else identity_of(os.fstat(lock)),
        )
        _held.append(held)
        stack.callback(_held.remove, held)
        # The names may have changed since they were opened.
        _check(held)
        yield


@contextmanager
def hold_result_folder(directory: str | os.PathLike[str]) -> Iterator[None]:
    """As `hold_folder`, for a folder that is a result: no lock file is left in it.

    Example:
        >>> with hold_result_folder("data"):  # doctest: +SKIP
        ...     simulate()
    """
    with hold_folder(directory):
        try:
            yield
        finally:
            Path(directory, LOCK_FILE).unlink(missing_ok=True)


@contextmanager
def hold_for_a_moment(
    directory: str | os.PathLike[str],
    *,
    seconds: float = 5,
    waiting: Callable[[], None] | None = None,
) -> Iterator[None]:
    """Locks a folder while some files get their names; waits for others who do the same.

    Nothing is left in the folder. Where this process has locked it already, nothing is done.

    Args:
        directory: the folder, which exists.
        seconds: how long to wait.
        waiting: is called once if another process has locked the folder; None: nothing is.

    Raises:
        ValueError: another process holds the folder (`hold_folder`).

    Example:
        >>> with hold_for_a_moment("."):  # doctest: +SKIP
        ...     publish()
    """
    folder = Path(directory)
    if fcntl is None or holds_folder(folder):
        yield
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        end = time.monotonic() + seconds
        while True:
            try:
                _lock(handle, folder)
                break
            except ValueError:
                if time.monotonic() > end:
                    raise
            if waiting is not None:
                waiting()
                waiting = None
            time.sleep(0.01)
        yield
    finally:
        os.close(handle)


def check_lock_file(directory: str | os.PathLike[str]) -> None:
    """Checks the lock file of a folder, if there is one, before the work for which it is held.

    Raises:
        ValueError: it is no lock file.
        PermissionError: it may not be written, since it is of another user.

    Example:
        >>> check_lock_file("model")
    """
    if fcntl is None:
        return
    with suppress(FileNotFoundError, NotADirectoryError):
        os.close(_open_lock_file(Path(directory) / LOCK_FILE, os.O_RDWR))


def holds_folder(folder: str | os.PathLike[str]) -> bool:
    """Whether this process has locked the folder, or one that contains it.

    Example:
        >>> holds_folder("model")
        False
    """
    return next(_holders(folder), None) is not None


def check_locks(folder: str | os.PathLike[str]) -> None:
    """Checks the locks of this process on the folder and on those that contain it.

    Raises:
        ValueError: a locked folder was moved, deleted or replaced, or its lock file was where it is
            all that there is: another process may write there now.

    Example:
        >>> check_locks("model")
    """
    for held in _holders(folder):
        _check(held)


def _check(held: _Held) -> None:
    if _identity_at(held.folder, follow=True) != held.identity:
        raise ValueError(
            f"{held.folder}: expected the folder that this process has locked, but it was moved, "
            "deleted or replaced meanwhile; nothing more was written"
        )
    lock = os.path.join(held.folder, LOCK_FILE)  # noqa: PTH118
    if held.lock_identity not in (None, _identity_at(lock, follow=False)):
        raise ValueError(
            f"{lock}: expected the lock of this process, but it was deleted or replaced meanwhile, "
            "so that another process may write here too; nothing more was written"
        )


def identity_of(status: os.stat_result) -> tuple[int, int]:
    """Device and inode, which are the same for all names of one file.

    Example:
        >>> identity_of(os.stat(".")) == identity_of(os.stat("../" + os.path.basename(os.getcwd())))
        True
    """
    return status.st_dev, status.st_ino


def _holders(folder: str | os.PathLike[str]) -> Iterator[_Held]:
    """The locks of this process that the folder lies in, by its path or without links."""
    path, real = os.path.abspath(folder), os.path.realpath(folder)  # noqa: PTH100
    for held in tuple(_held):
        if _within(path, held.folder) or _within(real, held.real):
            yield held


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _lock(handle: int, folder: Path) -> bool:
    """Locks an open file or folder; False where the file system has no such locks."""
    assert fcntl is not None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(
            f"{folder}: expected a folder that no other process writes to, but process "
            f"{_holder_number(folder)} does; wait until it ends, or end it"
        ) from None
    except OSError:
        return False
    return True


def _holder_number(folder: Path) -> str:
    """The number of the process in the lock file."""
    try:
        handle = _open_lock_file(folder / LOCK_FILE, os.O_RDONLY)
    except (OSError, ValueError):
        return "of unknown number"
    try:
        return _number_in(handle) or "of unknown number"
    finally:
        os.close(handle)


def _write_number(handle: int, path: Path) -> None:
    """Writes the number of this process into the lock file."""
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        # The error for a full disk does not name the file.
        error.filename = str(path)
        raise


def _open_lock_file(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> int:
    """Opens the lock file, made if it is missing; whatever else has its name is refused."""
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        handle = os.open(path, flags, 0o666)
    except OSError as error:
        if path.is_symlink() or path.is_dir():
            raise ValueError(_no_lock_file(path)) from None
        if isinstance(error, PermissionError) and path.exists():
            error.strerror = (
                "expected a lock file that may be written, got one of another user; delete it if "
                "no run of theirs goes on in the folder, or choose another folder"
            )
        raise error from None
    status = os.fstat(handle)
    regular = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
    if not regular or status.st_size > _LONGEST_LOCK or _number_in(handle) is None:
        os.close(handle)
        raise ValueError(_no_lock_file(path))
    return handle


def _no_lock_file(path: Path) -> str:
    return (
        f"{path}: expected a lock file of cisreg, which holds the number of a process, got "
        "something else; move it away"
    )


def _number_in(handle: int) -> str | None:
    """The number in a lock file; "" in a new one, None if it holds something else."""
    number = os.pread(handle, _LONGEST_LOCK, 0).removesuffix(b"\n")
    return number.decode() if not number or number.isdigit() else None


def _identity_at(path: str, *, follow: bool) -> tuple[int, int] | None:
    try:
        return identity_of(Path(path).stat(follow_symlinks=follow))
    except OSError:
        return None
