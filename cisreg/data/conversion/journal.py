"""The journal of a long run: what it was asked for, and what is done so far.

Every line is a checksum and JSON. If the process dies while writing, the last line is incomplete
and has no line end; it is ignored. Any other damage is an error.
"""

from __future__ import annotations

import json
import threading
import zlib
from pathlib import Path
from typing import Any

from cisreg.files import append_to_file, open_regular_file, replace_file

_CHECKSUM_DIGITS = 8
_LARGEST = 1 << 28


class Journal:
    r"""Appends lines to a journal file; several threads may use it at once.

    Args:
        path: the file; it is rewritten with `entries` first.
        entries: the lines so far.

    Raises:
        OSError: the file cannot be written, or the disk is full; its `filename` is `path`.

    Example:
        >>> Journal(Path("journal"), [{"order": "sorted"}]).append({"part": 0})  # doctest: +SKIP
    """

    def __init__(self, path: Path, entries: list[dict[str, Any]]) -> None:
        with replace_file(path) as file:
            file.write(b"".join(map(_line, entries)))
        self._path = path
        self._lock = threading.Lock()

    def append(self, entry: dict[str, Any]) -> None:
        """Appends a line. After this call the line stays even if the process dies."""
        with self._lock:
            append_to_file(self._path, _line(entry))


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The lines of a journal.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a damaged line; the message names file and line.

    Example:
        >>> read_journal(Path("journal"))  # doctest: +SKIP
        [{'order': 'sorted'}, {'part': 0}]
    """
    with open_regular_file(path) as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"{path}: expected at most {_LARGEST} bytes of journal, got more")
    whole, _, _ = content.rpartition(b"\n")
    lines = whole.split(b"\n") if whole else []
    return [_entry(path, number, line) for number, line in enumerate(lines, start=1)]


def _line(entry: dict[str, Any]) -> bytes:
    text = json.dumps(entry).encode()
    return f"{zlib.crc32(text):0{_CHECKSUM_DIGITS}x} ".encode() + text + b"\n"


def _entry(path: Path, number: int, line: bytes) -> dict[str, Any]:
    checksum, _, text = line.partition(b" ")
    if checksum != f"{zlib.crc32(text):0{_CHECKSUM_DIGITS}x}".encode():
        raise ValueError(
            f"{path}:{number}: expected a line as it was written, got a damaged one; overwrite to "
            "start anew"
        )
    # The checksum matches, so this is valid JSON from `_line`.
    return json.loads(text)
