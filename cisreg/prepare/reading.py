"""Reads sequences from lines, FASTA or FASTQ, and blocks of whole lines; errors name the line."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from cisreg.limits import LONGEST_LINE
from cisreg.streams import STANDARD, bounded, open_input

# The IUPAC codes of nucleotides.
NUCLEOTIDES = b"ACGTUNRYSWKMBDHV"
_EITHER_CASE = NUCLEOTIDES + NUCLEOTIDES.lower()
_UPPER = bytes.maketrans(NUCLEOTIDES.lower(), NUCLEOTIDES)
_BLOCK_BYTES = 1 << 22
_BLOCK_RECORDS = 1 << 15
_READ_BYTES = 1 << 18
_MOST_BLANKS = 1 << 18
_RECORD_LINES = 4  # of FASTQ
_BLANKS = b" \t\r\n"
_ENDINGS = (
    *(".gz", ".zst", ".bz2", ".txt", ".tsv", ".csv", ".seq", ".counts"),
    *(".fastq", ".fq", ".fasta", ".fa"),
)

_FORMATS = {b">": "fasta", b"@": "fastq"}


@dataclass
class ReadCounts:
    """How many sequences were read so far.

    Attributes:
        reads: sequences that were used.
        dropped: sequences left out because of a letter that is not a nucleotide code.
        empty: records of FASTA or FASTQ without a base, also left out.
    """

    reads: int = 0
    dropped: int = 0
    empty: int = 0


def input_name(path: str | os.PathLike[str]) -> str:
    """The name of an input in messages.

    Example:
        >>> input_name("-")
        'standard input'
    """
    return "standard input" if os.fspath(path) == STANDARD else os.fspath(path)


def name_of_file(path: str | os.PathLike[str]) -> str:
    """The name of an input: that of its file, without folder and the usual endings.

    Example:
        >>> name_of_file("run1/bin_1.txt.gz"), name_of_file("-")
        ('bin_1', 'stdin')
    """
    name = "stdin" if os.fspath(path) == STANDARD else Path(path).name
    while (ending := Path(name).suffix).lower() in _ENDINGS:
        name = name.removesuffix(ending)
    return name


def read_sequences(
    path: str | os.PathLike[str],
    counts: ReadCounts,
    *,
    keep_case: bool = False,
    drop_foreign: bool = False,
) -> Iterator[pa.Array]:
    """The sequences of a file, batch after batch.

    A file that begins with > is FASTA, one that begins with @ is FASTQ. Any other has one sequence
    per line; empty lines and comments (#) are skipped, and white space around a sequence is
    removed.

    Args:
        path: the file, plain or compressed; "-" is standard input.
        counts: is increased by what was read.
        keep_case: keep lower case instead of converting it to upper case.
        drop_foreign: leave out, and count, sequences with a letter that is not a nucleotide code.

    Yields:
        Arrow arrays of strings.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: "file:line: reason" (for FASTA "file: record: reason") for a letter that is not
            a nucleotide code, and for a damaged file.

    Example:
        >>> counts = ReadCounts()
        >>> for batch in read_sequences("reads.fastq.gz", counts):  # doctest: +SKIP
        ...     print(len(batch))
    """
    with open_input(path) as stream:
        kind = _FORMATS.get(_peek(stream))
        source = _lines(stream, input_name(path)) if kind is None else _records(stream, path, kind)
        for text, locate in source:
            clean = _clean(text, locate, counts, drop_foreign, has_comments=kind is None)
            if clean:
                lines = line_array(clean if keep_case else clean.translate(_UPPER))
                counts.reads += len(lines)
                yield lines


def without_blank_end(stream: BinaryIO) -> BinaryIO:
    r"""FASTQ text without the blank lines that may follow its last record.

    Blank lines are removed only if the four lines before them are a complete record, so that
    truncated records are still noticed.

    Args:
        stream: of bytes, as `open_input` yields.

    Example:
        >>> without_blank_end(io.BytesIO(b"@r\nAC\n+\nII\n\n\n")).read()
        b'@r\nAC\n+\nII\n'
    """
    return io.BufferedReader(_WithoutBlankEnd(stream), buffer_size=_READ_BYTES)


class _WithoutBlankEnd(io.RawIOBase):
    """See `without_blank_end`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._held = b""  # blanks and line ends that may be the last
        # Blocks of what came before them, with their line ends, four of each at most; the last four
        # lines at least.
        self._recent: deque[tuple[bytes, int]] = deque()
        self._text = memoryview(b"")
        self._is_done = False

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads into the buffer, at least one byte before the end."""
        while not self._text and not self._is_done:
            self._text = memoryview(self._next())
        size = min(len(buffer), len(self._text))
        buffer[:size] = self._text[:size]
        self._text = self._text[size:]
        return size

    def _next(self) -> bytes:
        block = self._stream.read(_READ_BYTES)
        if not block:
            self._is_done = True
            return self._end()
        text = block.rstrip(_BLANKS)
        if not text:
            # Of blank lines without end some are enough: if text follows, they are the damage.
            self._held = (self._held + block)[:_MOST_BLANKS]
            return b""
        passed = self._held + text if self._held else text
        self._held = block[len(text) :]
        self._recent.append((passed, _last_line_ends(passed)))
        while sum(ends for _, ends in self._recent) - self._recent[0][1] >= _RECORD_LINES:
            self._recent.popleft()
        return passed

    def _end(self) -> bytes:
        recent = b"".join(block for block, _ in self._recent)
        lines = recent.replace(b"\r\n", b"\n").rsplit(b"\n", _RECORD_LINES)
        if _is_record(lines[-_RECORD_LINES:]):
            return b"\n"
        # The quality of an empty read is a blank line too.
        return b"\n\n" if _is_record([*lines[1 - _RECORD_LINES :], b""]) else self._held


def _last_line_ends(block: bytes) -> int:
    """The number of line ends in a block, or four: more do not matter, and take time to count."""
    count, place = 0, len(block)
    while count < _RECORD_LINES and (place := block.rfind(b"\n", 0, place)) >= 0:
        count += 1
    return count


def _is_record(lines: list[bytes]) -> bool:
    if len(lines) != _RECORD_LINES:
        return False
    name, sequence, separator, quality = lines
    return name[:1] == b"@" and separator[:1] == b"+" and len(sequence) == len(quality)


def read_blocks(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines, each with the number of its first line.

    Every line ends in LF, also the last one; CR and a byte-order mark are removed.

    Args:
        stream: of bytes, as `open_input` yields.

    Yields:
        Number of the first line, from 1, and the lines.
    """
    line, pieces = 1, []
    start = b"\xef\xbb\xbf"
    while block := stream.read(_BLOCK_BYTES):
        block, start = block.removeprefix(start), b""
        end = block.rfind(b"\n") + 1
        if not end:
            pieces.append(block)
            continue
        lines = b"".join((*pieces, block[:end])).replace(b"\r\n", b"\n")
        yield line, lines
        line += lines.count(b"\n")
        pieces = [block[end:]]
    if rest := b"".join(pieces):
        yield line, rest.removesuffix(b"\r") + b"\n"


def line_array(lines: bytes) -> pa.Array:
    r"""Lines that end in LF as an Arrow array, without a Python string for each.

    Args:
        lines: text, at most 2 GiB.

    Returns:
        Strings, without the LF.

    Example:
        >>> line_array(b"AC\nGTT\n").to_pylist()
        ['AC', 'GTT']
    """
    ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == ord("\n"))
    offsets = np.zeros(len(ends) + 1, np.int32)
    offsets[1:] = ends - np.arange(len(ends))
    text = lines.translate(None, b"\n")
    return pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(text))


def first_foreign(sequence: bytes) -> str | None:
    """The first letter that is not a nucleotide code, as text for messages, or None.

    Example:
        >>> first_foreign(b"ACXT")
        "'X' at base 3"
    """
    foreign = sequence.translate(None, _EITHER_CASE)
    if not foreign:
        return None
    return f"{chr(foreign[0])!r} at base {sequence.index(foreign[:1]) + 1}"


def has_foreign(text: bytes) -> bool:
    """Whether text contains anything except nucleotide codes."""
    return bool(text.translate(None, _EITHER_CASE))


def _peek(stream: Any) -> bytes:
    return stream.peek(1)[:1]


Source = Iterator[tuple[bytes, Callable[[int], str]]]


def _lines(stream: BinaryIO, name: str) -> Source:
    """Blocks of lines, each with a function that names the place of a line by its index."""
    for first, lines in read_blocks(stream):
        yield lines, lambda index, first=first: f"{name}:{first + index}"  # type: ignore[misc]


def _records(stream: BinaryIO, path: str | os.PathLike[str], kind: str) -> Source:
    """Blocks of sequences as lines, each with a function that names the place of a sequence."""
    import dnaio

    name, first = input_name(path), 0

    def locate(index: int) -> str:
        record = first + index
        return f"{name}:{4 * record + 2}" if kind == "fastq" else f"{name}: record {record + 1}"

    if kind == "fastq":
        text = without_blank_end(stream)
    else:
        # Lines that are short can make a record without end.
        text = bounded(stream, name, "record", LONGEST_LINE, b"\n>")
    try:
        with dnaio.open(text, fileformat=kind) as reader:
            for block in _in_blocks(each.sequence for each in reader):
                yield ("\n".join(block) + "\n").encode(), locate
                first += len(block)
    except dnaio.FileFormatError as error:
        place = name if error.line is None else f"{name}:{error.line + 1}"
        raise ValueError(f"{place}: is not {kind.upper()}: {error.message}") from None


def _in_blocks(sequences: Iterable[str]) -> Iterator[list[str]]:
    """Blocks of a number of sequences, and of fewer if they are long."""
    block, size = list[str](), 0
    for sequence in sequences:
        block.append(sequence)
        size += len(sequence)
        if len(block) == _BLOCK_RECORDS or size >= _BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def _clean(
    text: bytes,
    locate: Callable[[int], str],
    counts: ReadCounts,
    drop_foreign: bool,
    *,
    has_comments: bool,
) -> bytes:
    """The lines of `text` that are sequences; raises ValueError at a line that is not allowed."""
    # Fast path: most blocks are clean, which three passes over the bytes show.
    if not (text.translate(None, _EITHER_CASE + b"\n") or text[:1] == b"\n" or b"\n\n" in text):
        return text
    if has_comments and not text.strip():
        return b""  # millions of empty lines
    kept = []
    for index, line in enumerate(text.split(b"\n")[:-1]):
        sequence = line.strip() if has_comments else line
        if has_comments and (not sequence or sequence[:1] == b"#"):
            continue
        if not sequence:
            counts.empty += 1
        elif not has_foreign(sequence):
            kept.append(sequence)
        elif drop_foreign:
            counts.dropped += 1
        else:
            raise ValueError(
                f"{locate(index)}: expected a sequence of nucleotide letters "
                f"({NUCLEOTIDES.decode()}), got {first_foreign(sequence)}; correct the line or "
                "drop such sequences"
            )
    return b"".join(sequence + b"\n" for sequence in kept)
