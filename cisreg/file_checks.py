"""Checks of names before they become files: of outputs, and of the files and folders of a run."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

PathLike = str | os.PathLike[str]

STANDARD = "-"
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISLNK, "a link"),
    (stat.S_ISREG, "a file"),
)
# Where names are links to open files: /dev/stdout, and what a shell makes of >(command).
_SYSTEM_FOLDERS, _SHARED_MEMORY = ("/dev/", "/proc/"), "/dev/shm/"
_ADVICE = "a pipe or the terminal gets it with - as the name, standard output"


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
    if (existing := status_of(path, standard=1)) is not None and stat.S_ISREG(existing.st_mode):
        for each in inputs:
            status = status_of(each, standard=0)
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
    check_target(path, overwrite)


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


def check_own_folder(path: PathLike) -> None:
    """Checks a folder that a run makes within its own: nothing else may have its name.

    Raises:
        ValueError: it is a link, also one to a folder, since nothing is written elsewhere; or
            something else.

    Example:
        >>> check_own_folder("a new folder")
    """
    path = Path(path)
    status = status_of(path, follow=False)
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
    if (status := status_of(path)) is not None:
        check_regular(Path(path), status, "move it away, or choose another folder")


def check_target(path: Path, overwrite: bool) -> None:
    """Checks a name before a file is written beside it and takes it.

    Raises:
        FileExistsError: it exists, and `overwrite` is False.
        ValueError: it is, or leads to, a folder, a pipe or a device, or is a name of the system.

    Example:
        >>> check_target(Path("a new file"), overwrite=False)
    """
    folder = os.path.realpath(path.parent) + "/"
    if folder.startswith(_SYSTEM_FOLDERS) and not folder.startswith(_SHARED_MEMORY):
        raise ValueError(f"{path}: expected a regular file, got a name of the system; {_ADVICE}")
    if status_of(path, follow=False) is None:
        return
    # A link that leads nowhere is as good as one to a file.
    if (status := status_of(path)) is not None:
        is_folder = stat.S_ISDIR(status.st_mode)
        check_regular(path, status, "name a file in it" if is_folder else _ADVICE)
    if not overwrite:
        raise FileExistsError(
            f"{path}: expected a new file, but it exists; give --overwrite (in Python "
            "overwrite=True) to replace it, or another name"
        )


def check_regular(path: Path, status: os.stat_result, advice: str = "") -> None:
    """Checks that this is the status of a regular file.

    Raises:
        ValueError: it is that of something else; the message names `path` and ends with `advice`.

    Example:
        >>> check_regular(Path("setup.py"), os.stat(__file__))
    """
    if stat.S_ISREG(status.st_mode):
        return
    raise ValueError(
        f"{path}: expected a regular file, got {_kind(status)}{advice and f'; {advice}'}"
    )


def status_of(
    path: PathLike, *, follow: bool = True, standard: int | None = None
) -> os.stat_result | None:
    """The status of a file; None if there is none, or a link that leads nowhere.

    With `standard`, the number of a standard stream, "-" is that stream.

    Example:
        >>> status_of("a new file")
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


def _kind(status: os.stat_result) -> str:
    return next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), "something else")


def _is_same(one: PathLike, other: PathLike) -> bool:
    """Whether two names are of one file, which may not exist yet."""
    if STANDARD in (os.fspath(one), os.fspath(other)):
        return os.fspath(one) == os.fspath(other)
    first, second = status_of(one), status_of(other)
    if first is not None and second is not None:
        return os.path.samestat(first, second)
    one, other = Path(one), Path(other)
    return one.name == other.name and one.parent.samefile(other.parent)
