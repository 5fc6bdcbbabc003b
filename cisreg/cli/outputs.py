"""Checks of the files that commands write, before slow work begins."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cisreg.file_checks import STANDARD, check_outputs
from cisreg.locks import check_lock_file, hold_for_a_moment, hold_result_folder

_LOCAL_URL = "file://"


def check_files(
    outputs: Iterable[str | Path | None],
    *,
    inputs: Iterable[str | Path | None] = (),
    overwrite: bool,
    together: bool = False,
) -> None:
    """Checks the output files of a command; see `cisreg.files.check_outputs`.

    Args:
        outputs: files, or "-"; None is passed over.
        inputs: whatever the command reads: files, folders, patterns, the beginning of the names of
            several files; URLs and None are passed over.
        overwrite: whether an output that exists may be replaced.
        together: whether the files get their names together (`cisreg.files.publish_together`), for
            which no other process may hold their folders.

    Raises:
        ValueError, OSError: see `check_outputs`; or another process holds a folder, such as a run
            that trains in it.
    """
    files = [path for path in outputs if path is not None]
    is_new = all(str(path) != STANDARD and not os.path.lexists(path) for path in files)
    read = () if is_new else _files(inputs)
    check_outputs(files, inputs=read, overwrite=overwrite)
    if together:
        for folder in sorted({Path(path).parent for path in files if str(path) != STANDARD}):
            with hold_for_a_moment(folder):
                pass


def check_folder(
    folder: Path,
    names: Iterable[str],
    *,
    inputs: Iterable[str | Path | None] = (),
    overwrite: bool,
) -> None:
    """Checks the output folder of a command, which need not exist.

    Args:
        folder: the folder.
        names: files that the command writes into it, by their paths there; without `overwrite` none
            of them may exist.
        inputs: see `check_files`.
        overwrite: whether they may be replaced.

    Raises:
        ValueError: one of the files exists, or is an input; another process writes to the folder.
    """
    refuse_used_folder(folder, names, overwrite)
    there = [folder / name for name in names if os.path.lexists(folder / name)]
    check_files(there, inputs=inputs, overwrite=True)
    if folder.is_dir():
        with hold_for_a_moment(folder, seconds=0):
            check_lock_file(folder)


@contextmanager
def fill_folder(folder: Path, names: Iterable[str], overwrite: bool) -> Iterator[None]:
    """Holds the output folder of a command, created if missing, while files are written into it.

    Raises:
        ValueError: one of the files exists now, or another process writes to the folder.
        OSError: the folder cannot be made.
    """
    with hold_result_folder(folder):
        refuse_used_folder(folder, names, overwrite)
        yield


def refuse_used_folder(
    folder: Path, names: Iterable[str], overwrite: bool, others: str = ""
) -> None:
    """Raises ValueError if the folder holds one of the files, unless they may be replaced.

    Args:
        folder: the folder.
        names: the files.
        overwrite: whether they may be replaced.
        others: further advice.
    """
    there = [name for name in names if os.path.lexists(folder / name)]
    if there and not overwrite:
        raise ValueError(
            f"{folder}: expected a new folder, but it holds {there[0]}; give {others}--overwrite "
            "to replace it, or another --output"
        )


def _files(inputs: Iterable[str | Path | None]) -> Iterator[str]:
    """The local files that a command reads, among other names that may be none."""
    for source in inputs:
        if source is None:
            continue
        name = os.fspath(source).removeprefix(_LOCAL_URL)
        yield name
        for folder, _, names in os.walk(name):
            yield from (f"{folder}/{each}" for each in names)
        if not Path(name).exists():
            for pattern in (name, f"{glob.escape(name)}.*"):
                yield from glob.iglob(pattern, recursive=True)  # noqa: PTH207 (Path has none such)
