"""The only writer of files: whole or not at all, and never through a link.

Every file that cisreg writes is made by `replace_file`, or grows by `append_to_file`. Only
temporary files that this process made are removed.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cisreg.locks import check_locks, hold_for_a_moment, holds_folder, identity_of

PathLike = str | os.PathLike[str]

STANDARD = "-"
_PARTIAL = re.compile(r"(.*)\.[0-9a-f]{16}\.partial", re.DOTALL)
_LONGEST_NAME = 255 - len(".0123456789abcdef.partial")
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISLNK, "a link"),
    (stat.S_ISREG, "a file"),
)


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
# Where names are links to open files: /dev/stdout, and what a shell makes of >(command).
_SYSTEM_FOLDERS, _SHARED_MEMORY = ("/dev/", "/proc/"), "/dev/shm/"
_ADVICE = "a pipe or the terminal gets it with - as the name, standard output"


@contextmanager
def replace_file(path: PathLike, *, overwrite: bool = True) -> Iterator[BinaryIO]:
    """Writes a file beside `path`, which becomes `path` when it is complete and on disk.

    If the block raises or the process dies, the old file at `path` is unchanged. Processes that
    write the same path at the same time do not meet: each has a temporary file of its own, named
    `<name>.<16 hex digits>.partial`, and one of them wins whole. A link at `path` is replaced
    itself; the file that it leads to stays as it is.

    Args:
        path: the file; its folder must exist.
        overwrite: whether a file that exists may be replaced.

    Yields:
        The new file, open for writing and reading.

    Raises:
        FileExistsError: there is such a file, and `overwrite` is False. If it was made while this
            one was written, the new content is kept under its temporary name, which the message
            says.
        ValueError: `path` is a folder, a pipe or a device; or a folder that this process has locked
            was moved or replaced.
        OSError: the folder is not writable, or the disk is full; its `filename` is `path`.

    Example:
        >>> with replace_file("table.txt") as file:  # doctest: +SKIP
        ...     file.write(b"all of it")
    """
    path = Path(path)
    _check_target(path, overwrite)
    partial = path.with_name(f"{_short(path.name)}.{secrets.token_hex(8)}.partial")
    identity: tuple[int, int] | None = None
    try:
        handle = os.open(partial, _NEW, _MODE)
        with os.fdopen(handle, "w+b") as file:
            identity = identity_of(os.fstat(handle))
            yield file
            file.flush()
            os.fsync(handle)
        finished = _Finished(partial, identity, path, overwrite)
        if (waiting := _waiting.get()) is not None:
            waiting.finished.append(finished)
            return
        _publish(finished)
    except BaseException as error:
        if isinstance(error, _MadeMeanwhileError):
            # What was finished in vain is kept: it may be the work of hours.
            raise _MadeMeanwhileError(f"{error}; what was written is in {partial}") from None
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
    the same folder waits meanwhile. Files that are replaced are removed first, when all new ones
    are on disk. A process that is killed between two names leaves a part of the new files, and the
    others under their temporary names, but never old and new files beside each other.

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
        kind = type(error) if isinstance(error, OSError) else ValueError
        kept = ", ".join(str(each.partial) for each in finished)
        raise kind(f"{error}; what was written is in {kept}") from None


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
    if (before := _status(path, follow=False)) is not None:
        _check_regular(path, before)
    try:
        with os.fdopen(os.open(path, _APPEND, _MODE), "ab", buffering=0) as file:
            _check_regular(path, os.fstat(file.fileno()))
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
    _check_regular(path, os.stat(path))  # noqa: PTH116
    file = os.fdopen(os.open(path, _READ), "rb")
    try:
        _check_regular(path, os.fstat(file.fileno()))
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
    if (before := _status(path, follow=False)) is not None:
        _check_regular(path, before)
    file = os.fdopen(os.open(path, _CHANGE, _MODE), "r+b", buffering=0)
    try:
        status = os.fstat(file.fileno())
        _check_regular(path, status)
        if status.st_nlink > 1:
            raise ValueError(f"{path}: expected a file with one name, got one that has others too")
    except ValueError:
        file.close()
        raise
    return file


def check_own_folder(path: PathLike) -> None:
    """Checks a folder that a run makes within its own: nothing else may have its name.

    Raises:
        ValueError: it is a link, also one to a folder, since nothing is written elsewhere; or
            something else.

    Example:
        >>> check_own_folder("a new folder")
    """
    path = Path(path)
    status = _status(path, follow=False)
    if status is not None and not stat.S_ISDIR(status.st_mode):
        raise ValueError(
            f"{path}: expected a folder, or nothing, of this name, got {_kind(status)}; move it "
            "away, or choose another folder"
        )


def check_own_file(path: PathLike) -> None:
    """Checks a file that a run makes in its folder: it may be there, or a link to a file.

    Raises:
        ValueError: it is, or leads to, a pipe, a device, a folder or something else.

    Example:
        >>> check_own_file("a new file")
    """
    if (status := _status(path)) is not None:
        _check_regular(Path(path), status, "move it away, or choose another folder")


def check_output(
    path: PathLike, *, inputs: Iterable[PathLike] = (), overwrite: bool = False
) -> None:
    """Checks the output file of a command, before the work begins.

    Args:
        path: the file; "-", standard output, is passed over.
        inputs: the files that the command reads; those that are not local are passed over.
        overwrite: whether an output that exists may be replaced; never if it is an input.

    Raises:
        FileNotFoundError: its folder is missing.
        FileExistsError: it exists, and `overwrite` is False.
        ValueError: it is an input of the command, by whatever name; or a folder, a pipe or a
            device.

    Example:
        >>> check_output("-", inputs=["train.tsv"])
    """
    if (existing := _status(path, standard=1)) is not None and stat.S_ISREG(existing.st_mode):
        for each in inputs:
            status = _status(each, standard=0)
            if status is not None and os.path.samestat(status, existing):
                raise ValueError(
                    f"{path}: expected an output that is none of the inputs, but it is the same "
                    f"file as the input {os.fspath(each)}; give another name"
                )
    if os.fspath(path) == STANDARD:
        return
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"{path}: expected an existing folder {path.parent}, found none; make it first"
        )
    _check_target(path, overwrite)


def check_outputs(
    paths: Iterable[PathLike], *, inputs: Iterable[PathLike] = (), overwrite: bool = False
) -> None:
    """Checks several output files of a command, see `check_output`; they must be different files.

    Raises:
        FileNotFoundError, FileExistsError, ValueError: as `check_output`; or two are one file.

    Example:
        >>> check_outputs(["-", "merged.tsv"])
    """
    paths, inputs = list(paths), list(inputs)
    for place, path in enumerate(paths):
        check_output(path, inputs=inputs, overwrite=overwrite)
        for other in paths[:place]:
            if _is_same(path, other):
                raise ValueError(
                    f"{os.fspath(path)}: expected outputs that are different files, but it is the "
                    f"same as {os.fspath(other)}; give another name"
                )


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


class _MadeMeanwhileError(FileExistsError):
    """Somebody else made the output while this process wrote it."""


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
    published = []
    with ExitStack() as stack:
        for folder in folders:
            stack.enter_context(hold_for_a_moment(folder))
        for each in finished:
            check_locks(each.path.parent)
            _check_target(each.path, each.overwrite)
        if len(finished) + len(stale) > 1:
            for path in [*stale, *(each.path for each in finished if each.overwrite)]:
                path.unlink(missing_ok=True)
            for folder in folders:
                _sync_folder(Path(folder))
        try:
            for each in finished:
                _publish(each)
                published.append(each)
        except BaseException:
            for each in published:
                if identity_of(os.lstat(each.path)) == each.identity:
                    each.path.rename(each.partial)
            raise
    for folder in folders:
        _sync_folder(Path(folder))


def _publish(finished: _Finished) -> None:
    """Gives the finished file its name."""
    partial, identity, path, overwrite = finished
    check_locks(path.parent)
    if identity_of(os.lstat(partial)) != identity:
        raise ValueError(f"{partial}: expected the temporary file of {path}, but it was replaced")
    if overwrite:
        _check_target(path, overwrite)
        partial.replace(path)
        return
    try:
        os.link(partial, path)
    except OSError:
        # Some network file systems report a link that they made as one that was there before.
        made = _status(path, follow=False)
        if made is None:
            # A file system without hard links.
            partial.rename(path)
            return
        if identity_of(made) != identity:
            raise _MadeMeanwhileError(
                f"{path}: expected the name of a new file, but another process made it meanwhile; "
                "it stays as it is"
            ) from None
    partial.unlink()


def _is_same(one: PathLike, other: PathLike) -> bool:
    """Whether two names are of one file, which may not exist yet."""
    if STANDARD in (os.fspath(one), os.fspath(other)):
        return os.fspath(one) == os.fspath(other)
    first, second = _status(one), _status(other)
    if first is not None and second is not None:
        return os.path.samestat(first, second)
    one, other = Path(one), Path(other)
    return one.name == other.name and one.parent.samefile(other.parent)


def _check_target(path: Path, overwrite: bool) -> None:
    """Raises an error if `path` cannot become a file of ours."""
    folder = os.path.realpath(path.parent) + "/"
    if folder.startswith(_SYSTEM_FOLDERS) and not folder.startswith(_SHARED_MEMORY):
        raise ValueError(f"{path}: expected a regular file, got a name of the system; {_ADVICE}")
    if _status(path, follow=False) is None:
        return
    # A link that leads nowhere is as good as one to a file.
    if (status := _status(path)) is not None:
        _check_regular(path, status, _ADVICE)
    if not overwrite:
        raise FileExistsError(
            f"{path}: expected a new file, but it exists; give --overwrite (in Python "
            "overwrite=True) to replace it, or another name"
        )


def _check_regular(path: Path, status: os.stat_result, advice: str = "") -> None:
    """Raises an error if this is the status of something else than a regular file."""
    if stat.S_ISREG(status.st_mode):
        return
    raise ValueError(
        f"{path}: expected a regular file, got {_kind(status)}{advice and f'; {advice}'}"
    )


def _kind(status: os.stat_result) -> str:
    return next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), "something else")


def _status(
    path: PathLike, *, follow: bool = True, standard: int | None = None
) -> os.stat_result | None:
    """The status of a file; None if there is none, or a link that leads nowhere.

    With `standard`, the number of a standard stream, "-" is that stream.
    """
    if standard is not None and os.fspath(path) == STANDARD:
        try:
            return os.fstat(standard)
        except OSError:
            return None  # it is closed
    try:
        return os.stat(path, follow_symlinks=follow)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return None


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
