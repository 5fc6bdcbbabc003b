"""The folder of what was downloaded or made, and the files of an entry in it."""

from __future__ import annotations

import hashlib
import logging
import os
from functools import partial
from pathlib import Path

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)

from cisreg.datasets.entries import Entry, RemoteFile
from cisreg.datasets.remote import download
from cisreg.display import printable
from cisreg.file_checks import check_regular, status_of
from cisreg.files import open_regular_file
from cisreg.locks import hold_for_a_moment
from cisreg.progress import progress_bar

logger = logging.getLogger("cisreg.datasets")

VARIABLE = "CISREG_CACHE"
# How long to wait for another process that downloads the same entry.
_PATIENCE = 24 * 3600.0


def cache_folder() -> Path:
    """The folder: CISREG_CACHE, else cisreg in XDG_CACHE_HOME, else in ~/.cache.

    Example:
        >>> cache_folder().is_absolute()
        True
    """
    if given := os.environ.get(VARIABLE):
        return Path(given).absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")
    # A relative path is to be ignored, as the XDG specification says.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "cisreg"


def entry_folder(entry: Entry) -> Path:
    """The folder of an entry of a registry, which the content of its files names."""
    return cache_folder() / f"{entry.kind}s" / f"{entry.name}-{entry.digest}"


def fetch_files(
    entry: Entry, files: tuple[RemoteFile, ...], *, check: bool = False, progress: bool = True
) -> tuple[Path, ...]:
    """The files of an entry in the cache; those that are missing are downloaded first.

    Processes that want the same entry wait for the one that downloads it.

    Args:
        entry: of a registry.
        files: those of its files that are wanted.
        check: compare the checksums of files that are there, not only their sizes.
        progress: show a bar on standard error if that is a terminal.

    Raises:
        ValueError: a file that is there, or that came, is not as the registry says.
        OSError, ImportError: as `cisreg.datasets.remote.download`.
    """
    folder = entry_folder(entry)
    folder.mkdir(parents=True, exist_ok=True)
    if not all(_is_there(folder / file.name, file) for file in files):
        with hold_for_a_moment(folder, seconds=_PATIENCE, waiting=partial(_tell_waiting, entry)):
            _download_missing(folder, files, progress)
    if check:
        for file in files:
            _check_content(folder / file.name, file)
    return tuple(folder / file.name for file in files)


def _tell_waiting(entry: Entry) -> None:
    logger.info(
        "another process downloads %s: waiting until it is done (Ctrl-C ends the wait)", entry.name
    )


def _is_there(path: Path, file: RemoteFile) -> bool:
    """Whether a complete file of that name is there.

    Raises:
        ValueError: something else has the name.
    """
    status = status_of(path, follow=False)
    if status is None:
        return False
    check_regular(path, status, "move it away")
    if status.st_size != file.size:
        raise ValueError(
            f"{path}: expected {file.size:,} bytes as the registry says, got {status.st_size:,}; "
            "delete it, so that it is downloaded again"
        )
    return True


def _download_missing(folder: Path, files: tuple[RemoteFile, ...], progress: bool) -> None:
    # Looked at again: another process may have downloaded them meanwhile.
    missing = [file for file in files if not _is_there(folder / file.name, file)]
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with progress_bar(*columns, TransferSpeedColumn(), show=progress) as bar:
        for file in missing:
            task = bar.add_task(printable(file.name), total=file.size)
            download(file, folder, partial(_update, bar, task))


def _update(bar: Progress, task: TaskID, there: int) -> None:
    bar.update(task, completed=there)


def _check_content(path: Path, file: RemoteFile) -> None:
    digest = hashlib.sha256()
    with open_regular_file(path) as content:
        while block := content.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != file.sha256:
        raise ValueError(
            f"{path}: expected the sha256 {file.sha256}, got {digest.hexdigest()}; delete it, so "
            "that it is downloaded again"
        )
