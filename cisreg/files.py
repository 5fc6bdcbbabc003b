"""The only writer of files: whole or not at all, and never through a link.

Every file that cisreg writes is made by `replace_file`, or grows by `append_to_file`. Only
temporary files that this process made are removed.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cisreg.delayed_signals import delayed_signals
from cisreg.file_checks import PathLike, check_regular, check_target, status_of
from cisreg.locks import check_locks, hold_for_a_moment, holds_folder, identity_of

_PARTIAL = re.compile(r"(.*)\.[0-9a-f]{16}\.partial", re.DOTALL)
_LONGEST_NAME = 255 - len(".0123456789abcdef.partial")


def _flags(*names: str) -> int:
    """Flags of `os.open`; those that a system does not have are left out."""
    value = 0
    for name in (*names, "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
        value |= getattr(os, name, 0)
    return value


# The name must be new, and is not followed if it is a link. The system applies the umask.
_NEW = _flags("O_RDWR", "O_CREAT", "O_EXCL", "O_NOFOLLOW")
_APPEND = _flags("O_WRONLY", "O_CREAT", "O_APPEND", "O_NOFOLLOW", "O_NONBLOCK")
_CHANGE = _flags("O_RDWR", "O_CREAT", "O_NOFOLLOW", "O_NONBLOCK")
# Without O_NONBLOCK, a named pipe would wait for somebody who writes to it.
_READ = _flags("O_RDONLY", "O_NONBLOCK")
_MODE = 0o666
# Errors of a name that a finished file does not get.
_NAME_REFUSED = (FileExistsError, PermissionError, IsADirectoryError, ValueError)


@contextmanager
def replace_file(
    path: PathLike, *, overwrite: bool = True, instead: Callable[[], PathLike | None] | None = None
) -> Iterator[BinaryIO]:
    """Writes a file beside `path`, which becomes `path` when it is complete and on disk.

    If the block raises or the process dies, the old file at `path` is unchanged. Processes that
    write the same path at the same time do not meet: each has a temporary file of its own, named
    `<name>.<16 hex digits>.partial`, and one of them wins whole. A link at `path` is replaced
    itself; the file that it leads to stays as it is.

    Args:
        path: the file; its folder must exist.
        overwrite: whether a file that exists may be replaced.
        instead: called when the block has ended: another name in the same folder, which must be new
            and which the file gets instead of `path`, or None. For files that did not become whole.

    Yields:
        The new file, open for writing and reading.

    Raises:
        FileExistsError: there is such a file, and `overwrite` is False.
        ValueError: `path` is a folder, a pipe or a device; or a folder that this process has locked
            was moved or replaced.
        OSError: the folder is not writable, or the disk is full; its `filename` is `path`. If the
            file is complete and cannot get its name, since somebody made `path` meanwhile or may
            not replace it, it is kept under its temporary name, which the message says.

    Example:
        >>> with replace_file("table.txt") as file:  # doctest: +SKIP
        ...     file.write(b"all of it")
    """
    path = Path(path)
    check_target(path, overwrite)
    partial = path.with_name(f"{_short(path.name)}.{secrets.token_hex(8)}.partial")
    identity: tuple[int, int] | None = None
    try:
        with delayed_signals():
            handle = os.open(partial, _NEW, _MODE)
            identity = identity_of(os.fstat(handle))
            file = os.fdopen(handle, "w+b")
        with file:
            yield file
            file.flush()
            os.fsync(handle)
        if (other := instead and instead()) is not None:
            path, overwrite = Path(other), False
        finished = _Finished(partial, identity, path, overwrite)
        if (waiting := _waiting.get()) is not None:
            waiting.finished.append(finished)
            return
        _check_finished(finished)
        try:
            _publish(finished)
        except _NAME_REFUSED as error:
            # What was finished in vain is kept: it may be the work of hours.
            identity = None
            raise _with_places(error, [finished]) from None
    except BaseException as error:
        _remove_own(partial, identity)
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(partial)):
            error.filename = str(path)
            error.filename2 = None
        raise
    _sync_folder(path.parent)


@contextmanager
def publish_together(stale: Iterable[PathLike] = ()) -> Iterator[None]:
    """Files that `replace_file` completes in the block get their names at its end: all or none.

    So files that belong together are never those of two commands: who else publishes together in
    the same folder waits meanwhile. When all new files are on disk, those that they replace are
    moved to names that end in 16 digits and .old, and are removed when all new ones have their
    names; if one cannot be moved, all get their names back. A process that is killed between two
    names leaves a part of the new files, and the others under these names, but never old and new
    files beside each other.

    Args:
        stale: further files of an older set, which are removed when the new one gets its names.

    Raises:
        FileExistsError: somebody made one of the files meanwhile, and it may not be replaced. None
            has got its name; the message says where the finished files are.
        ValueError: another process has locked a folder (`cisreg.locks.hold_folder`).
        OSError: a file cannot be removed or renamed.

    Example:
        >>> with publish_together():  # doctest: +SKIP
        ...     write_table("train.tsv")
        ...     write_table("test.tsv")
    """
    removed = [Path(each) for each in stale]
    if (outer := _waiting.get()) is not None:
        outer.stale.extend(removed)
        yield
        return
    finished: list[_Finished] = []
    token = _waiting.set(_Set(finished, removed))
    try:
        yield
    except BaseException:
        for each in finished:
            _remove_own(each.partial, each.identity)
        raise
    finally:
        _waiting.reset(token)
    try:
        _publish_all(finished, removed)
    except (OSError, ValueError) as error:
        raise _with_places(error, finished) from None


def append_to_file(path: PathLike, content: bytes) -> None:
    """Writes at the end of a file, which is made if it is missing.

    Raises:
        ValueError: `path` is a link, a folder, a pipe or a device; or a folder that this process
            has locked was moved or replaced.
        OSError: the file cannot be written, or the disk is full; its `filename` is `path`.

    Example:
        >>> append_to_file("metrics.jsonl", b"{}")  # doctest: +SKIP
    """
    path = Path(path)
    check_locks(path.parent)
    if (before := status_of(path, follow=False)) is not None:
        check_regular(path, before)
    try:
        with os.fdopen(os.open(path, _APPEND, _MODE), "ab", buffering=0) as file:
            check_regular(path, os.fstat(file.fileno()))
            left = memoryview(content)
            while left:
                left = left[file.write(left) :]
    except OSError as error:
        # The error for a full disk does not name the file.
        error.filename = str(path)
        raise


def open_regular_file(path: PathLike) -> BinaryIO:
    """Opens a file for reading; links are followed.

    Raises:
        ValueError: `path` is a folder, a pipe or a device, which could make the reader wait for
            ever.
        OSError: the file cannot be opened.

    Example:
        >>> with open_regular_file("model/model.json") as file:  # doctest: +SKIP
        ...     text = file.read()
    """
    path = Path(path)
    # Opening a device may already do something.
    check_regular(path, os.stat(path))  # noqa: PTH116
    file = os.fdopen(os.open(path, _READ), "rb")
    try:
        check_regular(path, os.fstat(file.fileno()))
    except ValueError:
        file.close()
        raise
    return file


def read_regular_file(path: PathLike) -> bytes:
    """The content of a file; as `open_regular_file`.

    Example:
        >>> text = read_regular_file("model/model.json")  # doctest: +SKIP
    """
    with open_regular_file(path) as file:
        return file.read()


def open_own_file(path: PathLike) -> BinaryIO:
    """Opens a file of a run for reading and writing anywhere in it; it is made if it is missing.

    Raises:
        ValueError: `path` is a link, a folder, a pipe or a device, or another name of a file that
            has a second one.
        OSError: the file cannot be opened.

    Example:
        >>> with open_own_file("rows") as file:  # doctest: +SKIP
        ...     file.truncate(100)
    """
    path = Path(path)
    check_locks(path.parent)
    if (before := status_of(path, follow=False)) is not None:
        check_regular(path, before)
    file = os.fdopen(os.open(path, _CHANGE, _MODE), "r+b", buffering=0)
    try:
        status = os.fstat(file.fileno())
        check_regular(path, status)
        if status.st_nlink > 1:
            raise ValueError(f"{path}: expected a file with one name, got one that has others too")
    except ValueError:
        file.close()
        raise
    return file


def give_new_name(made: PathLike, path: PathLike) -> bool:
    """Moves a file to a name in the same file system that nothing has.

    It may be done again if the process died in between.

    Returns:
        Whether the file has that name now; False if something else has it.

    Raises:
        OSError: the folder is not writable.

    Example:
        >>> give_new_name("a file", "another name")  # doctest: +SKIP
        True
    """
    made, path = Path(made), Path(path)
    try:
        os.link(made, path)
    except OSError:
        # Some network file systems report a link that they made as one that was there before.
        there = status_of(path, follow=False)
        if there is None:
            # A file system without hard links.
            made.rename(path)
            return True
        if not os.path.samestat(there, made.lstat()):
            return False
    made.unlink()
    return True


def remove_leftovers(folder: PathLike, names: re.Pattern[str]) -> None:
    """Removes the temporary files that killed processes left of some files in a folder.

    Nothing is removed unless this process has locked the folder (`hold_folder`): others may still
    be writing.

    Args:
        folder: where they are.
        names: the whole name of the files that would have been written.

    Example:
        >>> remove_leftovers("model", re.compile("model.json"))
    """
    if not holds_folder(folder):
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            match = _PARTIAL.fullmatch(entry.name)
            if match and names.fullmatch(match[1]) and entry.is_file(follow_symlinks=False):
                with suppress(OSError):
                    Path(entry.path).unlink()


class _Finished(NamedTuple):
    """A file that is complete and on disk, under its temporary name.

    Attributes:
        partial: the temporary name.
        identity: device and inode.
        path: the name that it will get.
        overwrite: whether it may replace another file.
    """

    partial: Path
    identity: tuple[int, int]
    path: Path
    overwrite: bool


class _Set(NamedTuple):
    """Files that get their names together, and those that are removed then."""

    finished: list[_Finished]
    stale: list[Path]


_waiting: ContextVar[_Set | None] = ContextVar("waiting", default=None)


def _publish_all(finished: list[_Finished], stale: list[Path]) -> None:
    """Gives all finished files their names, or none."""
    folders = sorted({os.path.realpath(each.path.parent) for each in finished})
    aside: list[tuple[Path, Path]] = []
    published: list[_Finished] = []
    with ExitStack() as stack:
        for folder in folders:
            stack.enter_context(hold_for_a_moment(folder))
        for each in finished:
            _check_finished(each)
            check_target(each.path, each.overwrite)
        try:
            if len(finished) + len(stale) > 1:
                for path in [*stale, *(each.path for each in finished if each.overwrite)]:
                    _move_aside(path, aside)
                for folder in folders:
                    _sync_folder(Path(folder))
            for each in finished:
                _publish(each)
                published.append(each)
        except BaseException:
            for each in published:
                with suppress(OSError):
                    if identity_of(os.lstat(each.path)) == each.identity:
                        each.path.rename(each.partial)
            for path, old in aside:
                with suppress(OSError):
                    give_new_name(old, path)
            raise
        for folder in folders:
            _sync_folder(Path(folder))
    for _, old in aside:
        with suppress(OSError):
            old.unlink()


def _move_aside(path: Path, aside: list[tuple[Path, Path]]) -> None:
    """Moves a file that is replaced to a name of its own, which `aside` gets."""
    old = path.with_name(f"{_short(path.name)}.{secrets.token_hex(8)}.old")
    with suppress(FileNotFoundError):
        path.rename(old)
        aside.append((path, old))


def _check_finished(finished: _Finished) -> None:
    """Checks that the finished file is still where it was written."""
    check_locks(finished.path.parent)
    if identity_of(os.lstat(finished.partial)) != finished.identity:
        raise ValueError(
            f"{finished.partial}: expected the temporary file of {finished.path}, but it was "
            "replaced"
        )


def _publish(finished: _Finished) -> None:
    """Gives the finished file its name."""
    partial, _, path, overwrite = finished
    if overwrite:
        check_target(path, overwrite)
        partial.replace(path)
    elif not give_new_name(partial, path):
        raise FileExistsError(
            f"{path}: expected the name of a new file, but another process made it meanwhile; it "
            "stays as it is"
        )


def _with_places(error: OSError | ValueError, finished: list[_Finished]) -> Exception:
    """The error with the names under which the finished files are kept."""
    places = f"what was written is in {', '.join(str(each.partial) for each in finished)}"
    if isinstance(error, OSError) and error.errno:
        names = {str(each.partial): str(each.path) for each in finished}
        name = names.get(str(error.filename), error.filename)
        return type(error)(error.errno, f"{error.strerror}; {places}", name)
    kind = type(error) if isinstance(error, OSError) else ValueError
    return kind(f"{error}; {places}")


def _remove_own(partial: Path, identity: tuple[int, int] | None) -> None:
    """Removes the temporary file, unless it was not made or another one has its name now."""
    # What cannot be removed stays: the first error says why.
    with suppress(OSError):
        if identity is not None and identity_of(os.lstat(partial)) == identity:
            partial.unlink()


def _short(name: str) -> str:
    """The name without what is too long, so that something can be added to it."""
    while len(os.fsencode(name)) > _LONGEST_NAME:
        name = name[:-1]
    return name


def _sync_folder(folder: Path) -> None:
    # On POSIX the new name is on disk only after this; Windows cannot open a folder.
    if os.name != "posix":
        return
    # The file is whole and in its place: a folder that cannot be opened is no reason to say else.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
