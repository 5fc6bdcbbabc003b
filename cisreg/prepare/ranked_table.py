"""Tables of sequences and how often each was read: `sequence<TAB>count`, or a count per bin."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv

from cisreg.streams import STANDARD, open_input, open_output

TOTAL = "total"  # as cisreg prepare collapse names it
_BLOCK_BYTES = 1 << 24
_ROWS_AT_ONCE = 1 << 17
_SEQUENCE = re.compile(rb"[ACGTN]+")
_COUNT = re.compile(rb"\d+")
_IS_LETTER = np.isin(np.arange(256), np.frombuffer(b"ACGTN", np.uint8))


@dataclass(frozen=True, eq=False)
class RankedTable:
    """Sequences and their counts, in the order of the file.

    Attributes:
        sequence: Arrow array of N strings, letters A, C, G, T and N.
        counts: int64 [N, C], a column per bin.
        names: names of the 1 + C columns, or None where the file has no line of names.
    """

    sequence: pa.Array
    counts: np.ndarray
    names: tuple[str, ...] | None

    def __len__(self) -> int:
        """N."""
        return len(self.sequence)

    def totals(self) -> np.ndarray:
        """Reads of each sequence, int64 [N]: the last column where it is named so, else the sum."""
        if self.names is not None and self.names[-1] == TOTAL:
            return self.counts[:, -1]
        return self.counts.sum(axis=1)

    def line(self, row: int) -> int:
        """The line of the file, from 1, that a row is on."""
        return row + 1 + (self.names is not None)


def read_ranked_table(path: str | os.PathLike[str]) -> RankedTable:
    """Reads a table of a sequence and one count or more per line, separated by tabs.

    The first line is taken for the names of the columns where its first field is no sequence and
    its others are no counts. Takes twice the text in memory while it is read, once later.

    Args:
        path: the file, plain, .gz, .bz2 or .zst; "-" is standard input.

    Returns:
        A RankedTable, possibly of no rows.

    Raises:
        FileNotFoundError: no such file.
        ValueError: "file:line: reason" for another number of columns than in line 1, a sequence
            that is empty or has other letters than A, C, G, T and N, or a count that is no whole
            number of 0 or more.

    Example:
        >>> table = read_ranked_table("counts.txt.gz")  # doctest: +SKIP
        >>> table.counts.sum(axis=0)  # doctest: +SKIP
        array([1203441])
    """
    name = "standard input" if os.fspath(path) == STANDARD else os.fspath(path)
    names: tuple[str, ...] | None = None
    columns, line = 0, 1
    sequences: list[pa.Array] = []
    counts: list[np.ndarray] = []
    with open_input(path) as stream:
        for block in _blocks(stream):
            if columns == 0:
                fields = block[: block.index(b"\n")].rstrip(b"\r").split(b"\t")
                columns = _column_count(name, fields)
                names = _column_names(name, fields)
                if names is not None:
                    line, block = 2, block[block.index(b"\n") + 1 :]
            if block:
                table = _parse(name, line, block, columns)
                sequences.append(_checked_sequences(name, line, table[0]))
                counts.append(_checked_counts(name, line, table[1:]))
                line += len(table[0])
    if not sequences:
        return RankedTable(
            pa.array([], pa.large_string()), np.zeros((0, max(columns - 1, 1)), np.int64), names
        )
    return RankedTable(pa.concat_arrays(sequences), np.concatenate(counts), names)


@contextmanager
def open_text_table(
    path: str | os.PathLike[str], names: Sequence[str] | None, columns: int
) -> Iterator[Any]:
    r"""Opens a tab-separated table for writing, whole or not at all.

    Args:
        path: the file, compressed where its name ends in .gz or .zst; "-" is standard output.
        names: the columns' names for a first line, or None for a table without.
        columns: how many columns there are; the first is text.

    Yields:
        A function of a row count and a function of (start, stop), which gives the columns of those
        rows; it writes the rows some at a time.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> with open_text_table("map.txt", None, 2) as write:  # doctest: +SKIP
        ...     write(len(a), lambda start, stop: [a[start:stop], b[start:stop]])
    """
    options = pa.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    labels = [str(column) for column in range(columns)]
    with open_output(path) as stream:
        if names is not None:
            stream.write(("\t".join(names) + "\n").encode())

        def write(rows: int, part: Any) -> None:
            for start in range(0, rows, _ROWS_AT_ONCE):
                fields = part(start, min(start + _ROWS_AT_ONCE, rows))
                pa.csv.write_csv(pa.table(fields, labels), stream, options)

        yield write


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Whole lines, each with its end."""
    rest = b""
    while block := stream.read(_BLOCK_BYTES):
        block = rest + block
        end = block.rfind(b"\n") + 1
        rest = block[end:]
        if end:
            yield block[:end]
    if rest:
        yield rest + b"\n"


def _column_count(name: str, fields: list[bytes]) -> int:
    if len(fields) < 2:
        raise ValueError(
            f"{name}:1: expected a sequence and at least one count, separated by tabs, got "
            f"{fields[0][:40].decode(errors='replace')!r}"
        )
    return len(fields)


def _column_names(name: str, fields: list[bytes]) -> tuple[str, ...] | None:
    # A mistyped number in line 1 is an error, not a name.
    if _SEQUENCE.fullmatch(fields[0]) or any(map(_COUNT.fullmatch, fields[1:])):
        return None
    try:
        return tuple(field.decode() for field in fields)
    except UnicodeDecodeError:
        raise ValueError(
            f"{name}:1: expected the columns' names as UTF-8 text; save the file as UTF-8"
        ) from None


def _parse(name: str, line: int, block: bytes, columns: int) -> list[pa.Array]:
    """The columns of some lines, of which the first is `line`, as text."""
    labels = [str(column) for column in range(columns)]
    invalid: list[pyarrow.csv.InvalidRow] = []

    def stop_at(row: pyarrow.csv.InvalidRow) -> str:
        invalid.append(row)
        return "error"

    try:
        table = pa.csv.read_csv(
            pa.BufferReader(block),
            # With threads, Arrow does not know the number of a row that it cannot parse.
            pa.csv.ReadOptions(use_threads=False, block_size=len(block), column_names=labels),
            pa.csv.ParseOptions(
                delimiter="\t",
                quote_char=False,
                ignore_empty_lines=False,
                invalid_row_handler=stop_at,
            ),
            pa.csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(labels, pa.large_binary()),
                null_values=[],
            ),
        )
    except pa.ArrowInvalid as error:
        if not invalid:
            raise ValueError(f"{name}: cannot be parsed: {error}") from None
        row = invalid[0]
        raise ValueError(
            f"{name}:{line + row.number - 1}: expected {columns} columns as in line 1, got "
            f"{row.actual_columns}; correct or remove the line"
        ) from None
    return [pa.concat_arrays(table[label].chunks) for label in labels]


def _checked_sequences(name: str, line: int, column: pa.Array) -> pa.Array:
    _, offset_buffer, text_buffer = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[column.offset :][: len(column) + 1]
    empty = np.flatnonzero(np.diff(offsets) == 0)
    if empty.size:
        raise ValueError(f"{name}:{line + empty[0]}: expected a sequence, got an empty field")
    text = np.frombuffer(text_buffer, np.uint8)[offsets[0] : offsets[-1]]
    foreign = np.flatnonzero(~_IS_LETTER[text])
    if foreign.size:
        place = int(offsets[0] + foreign[0])
        row = int(np.searchsorted(offsets, place, side="right")) - 1
        raise ValueError(
            f"{name}:{line + row}: expected a sequence of the letters A, C, G, T and N, got "
            f"{bytes(text[foreign[:1]])!r} at base {place - offsets[row] + 1}"
        )
    return column.cast(pa.large_string())


def _checked_counts(name: str, line: int, columns: list[pa.Array]) -> np.ndarray:
    """int64 [rows, C]."""
    numbers = np.empty((len(columns[0]), len(columns)), np.int64)
    for index, column in enumerate(columns):
        try:
            numbers[:, index] = column.cast(pa.large_string()).cast(pa.int64())
        except pa.ArrowInvalid:
            wrong = next(row for row, text in enumerate(column) if not _is_count(text.as_py()))
        else:
            negative = np.flatnonzero(numbers[:, index] < 0)
            if negative.size == 0:
                continue
            wrong = int(negative[0])
        raise ValueError(
            f"{name}:{line + wrong}: expected a whole number of 0 or more as count in column "
            f"{index + 2}, got {column[wrong].as_py().decode(errors='replace')!r}"
        )
    return numbers


def _is_count(text: bytes) -> bool:
    return _COUNT.fullmatch(text) is not None and int(text) <= np.iinfo(np.int64).max
