"""The file that `--log` names."""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from cisreg.display import printable
from cisreg.files import append_to_file, open_regular_file
from cisreg.progress import LogStream

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# How a log begins: as _FORMAT says.
_BEGIN = re.compile(rb"\n?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ cisreg[\w.]*: ")
# A disk that is full may cut the first line of a log after its date.
_CUT_BEGIN = re.compile(rb"\d{4}-\d\d-\d\d [^\n]{0,60}")
_BEGIN_LENGTH = 100
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class LogFile(logging.Handler):
    """Appends to a log of cisreg; what cannot be written is lost, which is said once.

    The file is opened for every line, so that one that is moved away (log rotation) is followed by
    a new one. A file that is no log of cisreg is never changed.

    Args:
        path: the file; it is made at the first line, or by `begin`.

    Attributes:
        path: the same.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(_FORMAT))
        self.path = path
        self._whole = True
        self._said = False

    def begin(self) -> None:
        """Makes the file and its folder.

        Raises:
            ValueError: it exists and is no log of cisreg, or a link, a pipe or a device.
            OSError: it cannot be written, for another reason than a full disk.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._append(b"")
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            self._say(error)

    def emit(self, record: logging.LogRecord) -> None:
        """Appends one message, as one line whatever names are in it."""
        try:
            text = printable(self.format(record))
        except Exception:
            self.handleError(record)
            return
        try:
            # After an error, the last line may have been cut.
            start = "" if self._whole else "\n"
            self._append(f"{start}{text}\n".encode(errors="backslashreplace"))
            self._whole = True
        except (OSError, ValueError) as error:
            self._whole = False
            self._say(error)

    def _append(self, content: bytes) -> None:
        # Each time: the name may belong to another file now, even to one of the same number.
        _check_is_log(self.path)
        append_to_file(self.path, content)

    def _say(self, error: Exception) -> None:
        if self._said:
            return
        self._said = True
        why = f"{self.path}: {error.strerror}" if isinstance(error, OSError) else str(error)
        LogStream(sys.stderr).write(
            f"warning: --log: {printable(why)}; the command goes on, and what cannot be logged "
            "is lost\n"
        )


def _check_is_log(path: Path) -> None:
    """Raises ValueError if there is a file that is neither empty nor a log of cisreg."""
    if path.is_symlink():
        raise ValueError(f"{path}: expected a regular file, got a link")
    try:
        with open_regular_file(path) as file:
            start = file.read(_BEGIN_LENGTH)
    except FileNotFoundError:
        return
    if start and not _BEGIN.match(start) and not _CUT_BEGIN.fullmatch(start):
        raise ValueError(
            f"{path}: expected a new file, or a log of cisreg to continue, got a file with other "
            "content; name another file"
        )


def check_log(path: Path, given: Mapping[str, Any]) -> None:
    """Checks that `--log` is none of the files that a command reads or writes.

    Args:
        path: the log.
        given: the values of the arguments and options that may be names of files, by what the
            user calls them.

    Raises:
        ValueError: it is one of them, by whatever name, or one of a pattern of files.
    """
    if str(path) == "-":
        raise ValueError(
            "--log: expected a file, got -; without --log, the log is written to standard error"
        )
    for name, value in given.items():
        for each in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(each, (str, Path)) and _are_same(path, each):
                raise ValueError(
                    f"--log: expected a file of its own, got {path}, which the command has as "
                    f"{name} too; name another file"
                )


def _are_same(log: Path, other: str | Path) -> bool:
    """Whether they are one file, by whatever names, or the other is a pattern that the log fits."""
    try:
        if log.samefile(other):
            return True
    except (OSError, ValueError):
        pass
    return fnmatch(os.path.realpath(log), os.path.realpath(other))
