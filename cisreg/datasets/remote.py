"""Downloads of files of known size and checksum, from any filesystem of fsspec."""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from cisreg.datasets.entries import RemoteFile
from cisreg.display import printable
from cisreg.files import give_new_name, open_own_file

logger = logging.getLogger("cisreg.datasets")

_BLOCK = 1 << 20
# Attempts at one URL without a new byte, and the seconds before the second of them.
_ATTEMPTS, _PAUSE = 3, 1.0
_CONNECT_SECONDS, _SILENT_SECONDS = 30, 60


class _OtherFileError(Exception):
    """The server has another file than the registry says: another attempt is in vain."""


class _DiskError(Exception):
    """What came cannot be written: every other attempt is in vain."""


def download(file: RemoteFile, folder: Path, tell: Callable[[int], None]) -> None:
    """Downloads a file into a folder that this process holds; it gets its name when it is right.

    What has come so far is kept in `<sha256>.partial`, and the next call goes on from there where
    the filesystem reads from any place; where it does not, it begins again. Not more than the
    stated size is written.

    Args:
        file: what to download.
        folder: where to; it exists.
        tell: is called with the number of bytes that are there.

    Raises:
        ValueError: no URL has a file of that size and checksum.
        OSError: no URL can be reached; the disk is full; the folder cannot be written.
        ImportError: fsspec, or its package for this kind of URL, is not installed.
    """
    partial = folder / f"{file.sha256}.partial"
    problems: list[str] = []
    wrong = False
    with open_own_file(partial) as target:
        _check_space(folder, file, target)
        for url in file.urls:
            try:
                _from_url(url, file, target, tell)
                break
            except _OtherFileError as error:
                wrong = True
                problems.append(f"{printable(url)}: {error}")
            except ConnectionError as error:
                problems.append(f"{printable(url)}: {error}")
            except _DiskError as error:
                raise OSError(*error.args, str(folder / file.name)) from None
        else:
            raise _failure(file, partial, problems, wrong)
        target.flush()
        os.fsync(target.fileno())
    if not give_new_name(partial, folder / file.name):
        raise ValueError(
            f"{folder / file.name}: expected no file of that name, got one that is not as the "
            "registry says; move it away"
        )


def _failure(file: RemoteFile, partial: Path, problems: list[str], wrong: bool) -> Exception:
    said = "; ".join(problems)
    if wrong:
        return ValueError(
            f"{file.name}: expected {file.size:,} bytes with the sha256 {file.sha256}, got {said}; "
            "the file or the registry has changed: load the registry again, or tell its publisher"
        )
    kept = partial.stat().st_size
    return OSError(
        f"{file.name}: cannot be downloaded: {said}; try again"
        + (f", which goes on from {kept:,} of {file.size:,} bytes" if kept else "")
    )


def _check_space(folder: Path, file: RemoteFile, target: BinaryIO) -> None:
    there = target.seek(0, os.SEEK_END)
    free = shutil.disk_usage(folder).free
    if free < file.size - there:
        raise OSError(
            f"{folder}: expected space for {file.size - there:,} bytes of {file.name}, got "
            f"{free:,}; make space, or set CISREG_CACHE to a folder on another disk"
        )


def _from_url(url: str, file: RemoteFile, target: BinaryIO, tell: Callable[[int], None]) -> None:
    """Downloads what is missing from one URL, with some attempts."""
    attempt = 0
    resumed = target.seek(0, os.SEEK_END) > 0
    while True:
        before = target.seek(0, os.SEEK_END)
        if before < file.size:
            try:
                _append(url, file, target, tell)
            except (_OtherFileError, ImportError):
                target.truncate(0)
                raise
            except _DiskError:
                raise
            except FileNotFoundError:
                raise ConnectionError("no such file") from None
            except Exception as error:  # every filesystem has errors of its own
                there = target.seek(0, os.SEEK_END)
                attempt = 1 if there > before else attempt + 1
                if attempt >= _ATTEMPTS:
                    raise ConnectionError(_first_line(error)) from None
                logger.info("%s: the connection broke, trying again", printable(url))
                time.sleep(_PAUSE * 2 ** (attempt - 1))
                continue
        found = _sha256(target)
        if found == file.sha256:
            return
        target.truncate(0)
        if not resumed:
            raise _OtherFileError(f"the sha256 {found}")
        # The beginning may be of another file; once more from the start.
        resumed = False


def _append(url: str, file: RemoteFile, target: BinaryIO, tell: Callable[[int], None]) -> None:
    """Adds to the target what the URL has behind it.

    Raises:
        _OtherFileError: the file has more bytes than it should.
        _DiskError: the target cannot be written.
        ConnectionError: it ended too early.
        Exception: whatever the filesystem raises.
    """
    with open_url(url) as source:
        there = target.seek(0, os.SEEK_END)
        if there and not _seek(source, there):
            there = target.truncate(0)
            target.seek(0)
        while block := source.read(_BLOCK):
            there += len(block)
            if there > file.size:
                raise _OtherFileError(f"more than {file.size:,} bytes")
            left = memoryview(block)
            try:
                while left:
                    left = left[target.write(left) :]
            except OSError as error:
                raise _DiskError(error.errno, error.strerror) from None
            tell(there)
    if there < file.size:
        raise ConnectionError(f"it ended after {there:,} of {file.size:,} bytes")


def _seek(source: Any, place: int) -> bool:
    """Whether the source could go to that place."""
    try:
        return source.seek(place) == place
    except (OSError, ValueError, NotImplementedError):
        return False


def open_url(url: str) -> Any:
    """Opens a URL, or a path of this machine, for reading bytes.

    Raises:
        ImportError: fsspec, or its package for this kind of URL, is not installed.
        Exception: whatever the filesystem raises.

    Example:
        >>> with open_url("https://example.org/registry.toml") as file:  # doctest: +SKIP
        ...     text = file.read()
    """
    if "://" not in url:
        return Path(url).open("rb")
    options: dict[str, Any] = {}
    try:
        core = importlib.import_module("fsspec.core")
        if url.lower().startswith(("http://", "https://")):
            aiohttp = importlib.import_module("aiohttp")
            # Without a limit on the whole: large files take hours.
            limits = {"sock_connect": _CONNECT_SECONDS, "sock_read": _SILENT_SECONDS}
            timeout = aiohttp.ClientTimeout(total=None, **limits)
            options = {"client_kwargs": {"timeout": timeout}}
        filesystem, path = core.url_to_fs(url, **options)
    except ImportError as error:
        raise ImportError(
            f"{printable(url)}: expected fsspec, and its package for this kind of URL, to be "
            f"installed, got none ({error}); run pip install 'cisreg[remote]'"
        ) from None
    return filesystem.open(path, "rb")


def _sha256(target: BinaryIO) -> str:
    digest = hashlib.sha256()
    target.seek(0)
    while block := target.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def _first_line(error: BaseException) -> str:
    return printable(str(error).partition("\n")[0]) or type(error).__name__
