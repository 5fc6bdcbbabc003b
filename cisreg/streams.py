"""Binary streams: compression recognised by content, "-" for standard input and output."""

from __future__ import annotations

import bz2
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import zstandard
from isal import igzip, isal_zlib

from cisreg.file_checks import STANDARD
from cisreg.files import replace_file
from cisreg.limits import LONGEST_LINE, MOST_LINES

logger = logging.getLogger("cisreg.streams")

_BLOCK = 1 << 20
# Bytes that are looked at together: they stay in the cache of the processor.
_PART = 1 << 16
# A block of zstd may decompress to 32,000 times its length.
_ZSTD_BLOCK = 1 << 12


class _ZstdFile(io.RawIOBase):
    """Decompresses zstd frames; unlike the reader of `zstandard`, notices a truncated file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._frame: Any = None
        self._compressed = b""
        self._text = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads into the buffer what is decompressed, at least one byte before the end."""
        while not self._text and self._more():
            pass
        size = min(len(buffer), len(self._text))
        buffer[:size] = self._text[:size]
        self._text = self._text[size:]
        return size

    def _more(self) -> bool:
        """Decompresses another block; False at the end."""
        self._compressed = self._compressed or self._file.read(_ZSTD_BLOCK)
        if not self._compressed:
            if self._frame is not None:
                raise EOFError("the compressed stream ended before its end was reached")
            return False
        self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
        self._text = memoryview(self._frame.decompress(self._compressed))
        self._compressed = b""
        if self._frame.eof:
            self._compressed, self._frame = self._frame.unused_data, None
        return True


# The empty block that ends a BGZF file.
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")

_READERS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": lambda file: igzip.IGzipFile(fileobj=file, mode="rb"),
    b"\x28\xb5\x2f\xfd": _ZstdFile,
    b"BZh": bz2.BZ2File,
}
# Typed as Any because the stubs of isal do not declare its error as an exception.
_DAMAGE: Any = (OSError, EOFError, isal_zlib.error, zstandard.ZstdError)
_LONGEST_MAGIC = max(map(len, _READERS))


class _Tail(io.RawIOBase):
    """Notes the last bytes of a BGZF file, whose end has a mark of its own.

    gzip ends anywhere between its members: of BGZF (bgzip, samtools), which is made of small ones,
    a file that was cut between two would look whole.
    """

    def __init__(self, stream: Any, name: str, whole: bool) -> None:
        self._stream, self._name, self._whole = stream, name, whole
        self._last = b""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As of any stream; at its end, the mark must have been there."""
        size = self._stream.readinto(buffer)
        if size:
            self._last = (self._last + bytes(buffer[max(size - len(BGZF_END), 0) : size]))[
                -len(BGZF_END) :
            ]
        elif len(buffer) and self._last != BGZF_END:
            self._missing()
        return size

    def _missing(self) -> None:
        self._last = BGZF_END  # it is said once
        message = (
            f"{self._name}: expected the mark at the end of a BGZF file (bgzip), got none: the "
            "file was cut"
        )
        if self._whole:
            raise ValueError(
                f"{message}; copy it again, or, if it is whole, gzip -dc it and compress it anew"
            )
        logger.warning("%s, or written without one", message)


class _Named(io.RawIOBase):
    """A stream whose errors name the file and the step that failed."""

    def __init__(self, stream: Any, name: str, done: str = "decompressed") -> None:
        self._stream, self._name, self._done = stream, name, done

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads into the buffer."""
        try:
            return self._stream.readinto(buffer)
        except _DAMAGE as error:
            raise ValueError(
                f"{self._name}: cannot be {self._done} ({error}); is the file complete?"
            ) from None


class _Bounded(io.RawIOBase):
    """Refuses text without end: more bytes between two marks than `longest`.

    A compressed file of a few megabytes can hold a line of gigabytes.
    """

    def __init__(self, stream: Any, name: str, what: str, longest: int, mark: bytes) -> None:
        self._stream, self._name = stream, name
        self._what, self._longest, self._mark = what, longest, mark
        self._size = 0  # bytes since the last mark, up to the tail
        self._tail = b""  # the last bytes, in which a mark may begin
        self._line = self._begin = 1  # the line that goes on, and the one behind the last mark

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads a block; what is between two marks in it cannot be longer than the block.

        Raises:
            ValueError: text without end; the message names file and line.
        """
        part = memoryview(buffer)[: min(_PART, self._longest)]
        size = self._stream.readinto(part)
        new, mark = len(self._tail), self._mark
        block = b"".join((self._tail, part[:size]))
        first, last = block.find(mark), block.rfind(mark)
        # The last bytes may be the beginning of a mark.
        reach = first if first >= 0 else len(block) - len(mark) + 1
        if self._size + reach > self._longest:
            raise ValueError(
                f"{self._name}:{self._begin}: expected a {self._what} of {self._longest:,} bytes "
                "at most, got a longer one; is it the right file?"
            )
        self._line += _line_ends(block, new)
        if last >= 0:
            self._begin = self._line - block.count(b"\n", max(new, last + 1))
            self._size = -last - len(mark)
        self._tail = block[max(len(block) - len(mark) + 1, 0) :]
        self._size += len(block) - len(self._tail)
        return size


def _line_ends(block: bytes, start: int) -> int:
    """The number of line ends from `start` on; `bytes.count` takes longer than all else here."""
    letters = np.frombuffer(block, np.uint8)[start:]
    return int(np.count_nonzero(letters == ord("\n")))


def bounded(
    stream: Any, name: str, what: str = "line", longest: int = LONGEST_LINE, mark: bytes = b"\n"
) -> BinaryIO:
    r"""A buffered stream of the same bytes that refuses text without end.

    Args:
        stream: a binary stream with `readinto`.
        name: of the file, for errors.
        what: what is between two marks, for errors.
        longest: bytes that may be between two marks.
        mark: the bytes that end a line, or begin a record.

    Raises:
        ValueError: while reading: there are more; the message names file and line.

    Example:
        >>> bounded(io.BytesIO(b"ACGT\nAC\n"), "example", longest=4).read()
        b'ACGT\nAC\n'
    """
    return io.BufferedReader(_Bounded(stream, name, what, longest, mark), buffer_size=_BLOCK)


@contextmanager
def open_input(
    path: str | os.PathLike[str], *, longest_line: int | None = LONGEST_LINE
) -> Iterator[BinaryIO]:
    """Opens a file for reading, decompressed where its content is gzip, zstd or bzip2.

    The compression is recognised by the first bytes, not by the name. Longer lines
    are refused, since a compressed file of a few megabytes can hold a line without end.

    Args:
        path: the file; "-" is standard input.
        longest_line: bytes of a line, 16 MiB if it is not given; None for a reader that takes no
            more memory for a longer one.

    Yields:
        A buffered binary stream.

    Raises:
        FileNotFoundError: no such file.
        ValueError: while reading: the compressed file is truncated or damaged; a longer line,
            with file and line.

    Example:
        >>> with open_input("reads.fastq.gz") as stream:  # doctest: +SKIP
        ...     first = stream.readline()
    """
    standard = os.fspath(path) == STANDARD
    name = "standard input" if standard else os.fspath(path)
    with ExitStack() as stack:
        if standard:
            raw: Any = sys.stdin.buffer
        else:
            try:
                raw = stack.enter_context(Path(path).open("rb", buffering=_BLOCK))
            except FileNotFoundError:
                raise FileNotFoundError(f"{name}: no such file; check the path") from None
        yield _decompressed(raw, name, longest_line=longest_line)


def text_lines(path: str | os.PathLike[str]) -> Iterator[str]:
    r"""Yields the lines of a small text file; bytes that are not UTF-8 become U+FFFD.

    Args:
        path: the file, plain or compressed.

    Raises:
        OSError: it cannot be read.
        ValueError: as `open_input`, or it has more than 1,048,576 lines.

    Example:
        >>> for line in text_lines("motif_list.txt"):  # doctest: +SKIP
        ...     print(line.rstrip())
    """
    with open_input(path) as stream:
        lines = io.TextIOWrapper(stream, "utf-8-sig", errors="replace")
        for number, line in enumerate(lines, start=1):
            if number > MOST_LINES:
                raise ValueError(
                    f"{os.fspath(path)}: expected {MOST_LINES:,} lines at most, got more; is it "
                    "the right file?"
                )
            yield line


def decompressed(
    stream: Any, name: str, *, whole: bool = False, longest_line: int | None = LONGEST_LINE
) -> BinaryIO:
    """A buffered stream of the decompressed content of `stream`, see `open_input`.

    Args:
        stream: a binary stream with `readinto`; the caller closes it.
        name: of the file, for errors.
        whole: whether BGZF (bgzip) without the mark at its end is an error, not a warning.
        longest_line: bytes of a line, or None, see `open_input`.

    Raises:
        ValueError: while reading: it cannot be read or decompressed, or has a longer line.

    Example:
        >>> decompressed(io.BytesIO(b"ACGT"), "example").read()
        b'ACGT'
    """
    raw = io.BufferedReader(_Named(stream, name, "read"), buffer_size=_BLOCK)
    return _decompressed(raw, name, whole, longest_line)


def _decompressed(
    raw: Any, name: str, whole: bool = False, longest_line: int | None = LONGEST_LINE
) -> BinaryIO:
    start = raw.peek(_LONGEST_MAGIC)
    if start[:4] == BGZF_END[:4] and start[12:16] == BGZF_END[12:16]:
        raw = _Tail(raw, name, whole)
    for magic, reader in _READERS.items():
        if start.startswith(magic):
            raw = _Named(reader(raw), name)
    if longest_line is None:
        return io.BufferedReader(raw, buffer_size=_BLOCK)
    return bounded(raw, name, longest=longest_line)


@contextmanager
def open_output(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[BinaryIO]:
    r"""Opens a file for writing; it gets its name when it is complete (`replace_file`).

    Args:
        path: the file, compressed where its name ends in .gz or .zst; "-" is standard output.
        overwrite: whether it may replace a file that exists.

    Yields:
        A binary stream.

    Raises:
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: `path` is a folder, a pipe or a device.
        OSError: the file cannot be written.

    Example:
        >>> with open_output("sequences.txt.gz") as stream:  # doctest: +SKIP
        ...     _ = stream.write(b"ACGT\n")
    """
    if os.fspath(path) == STANDARD:
        yield cast(BinaryIO, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    name = os.fspath(path).lower()
    with replace_file(path, overwrite=overwrite) as file:
        if name.endswith(".gz"):
            # Without a name and a time, the same content gives the same bytes.
            with igzip.IGzipFile("", "wb", fileobj=file, mtime=0) as compressed:
                yield cast(BinaryIO, compressed)
        elif name.endswith(".zst"):
            with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as compressed:
                yield cast(BinaryIO, compressed)
        else:
            yield file
