"""Reading of TSV and CSV tables with one sequence and one measurement per line."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv

from cisreg.data.formats.one_hot import (
    decode_padded,
    iterate_one_hot,
    starts_one_hot,
    whole_lines,
)
from cisreg.data.formats.usable import FOREIGN_LETTER, FOREIGN_TO_MOST, LARGEST, NUCLEOTIDES

logger = logging.getLogger("cisreg.data")

_BLOCK_SIZE = 1 << 20


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of one file, in its order.

    Attributes:
        sequence: Arrow array of N strings.
        expression: float32 [N], or None where the file was read without a measurement.
    """

    sequence: pa.Array
    expression: np.ndarray | None

    def __len__(self) -> int:
        return len(self.sequence)


@dataclass(frozen=True)
class _Layout:
    """Where the columns are: delimiter, number of columns, rows before the data, positions."""

    delimiter: str
    columns: int
    header_lines: int
    sequence: int
    expression: int | None


def read_table(
    path: str | os.PathLike[str],
    *,
    sequence_column: int | str = 0,
    expression_column: int | str | None = 1,
    header: bool | None = None,
) -> Table:
    """Reads a TSV or CSV file, plain or compressed (.gz, .bz2, .zst), one row a line.

    One-hot text, as CisRegModels wants it, is recognised by its first line and read as well (see
    `cisreg.data.formats.one_hot`): its labels are the expression, N stands for its unknown bases.

    The delimiter is the tab where the first line has one, else the comma. Blank lines at the end
    are skipped; gzip is recognised under any name.

    Args:
        path: the file.
        sequence_column: position (from 0) or name of the column with the sequence.
        expression_column: position or name of the measurement; None: do not read any.
        header: whether the first line names the columns; None: it does where a column is asked
            for by name, or where its sequence field has other letters than A, C, G, T, U, N and
            its expression field is no number.

    Returns:
        A Table of N rows.

    Raises:
        FileNotFoundError: no such file.
        ValueError: "file:line: reason" for the first line that has another number of columns than
            the first one, an empty sequence, a letter that is no nucleotide code, or an
            expression that is no finite number, and for text that is not UTF-8, other line ends
            than LF and CR LF, and columns that are missing, ambiguous or the same;
            "file: reason" for a file without rows or one that cannot be decompressed.

    Example:
        >>> table = read_table("train.tsv.gz")  # doctest: +SKIP
        >>> len(table), table.expression.dtype  # doctest: +SKIP
        (8982, dtype('float32'))
    """
    path = Path(path)
    content = _read_bytes(path)
    if starts_one_hot(content[:_BLOCK_SIZE]):
        return _one_hot_table(path, expression_column is not None)
    layout = _find_layout(path, content, sequence_column, expression_column, header)
    columns = _parse(path, content, layout)
    first_line = layout.header_lines + 1
    sequence = _checked_sequence(path, columns[layout.sequence], first_line)
    if layout.expression is None:
        return Table(sequence, None)
    return Table(sequence, _checked_numbers(path, columns[layout.expression], first_line))


def iterate_table(
    stream: BinaryIO,
    name: str,
    *,
    sequence_column: int | str = 0,
    label_column: int | str = 1,
    block_size: int = 1 << 21,
) -> Iterator[tuple[pa.Array, pa.Array]]:
    """Reads two columns of a table a block at a time, the second one as text.

    Args:
        stream: the text of a TSV or CSV file as for `read_table`; lines that begin with # are
            skipped.
        name: of the file, for errors.
        sequence_column: position or name of the column with the sequence.
        label_column: position or name of the other one.
        block_size: bytes that are in memory at once; a line may be longer.

    Yields:
        (sequences, labels), Arrow strings of equal number.

    Raises:
        ValueError: as `read_table`.

    Example:
        >>> with open_input("train.tsv.gz") as stream:  # doctest: +SKIP
        ...     for sequence, label in iterate_table(stream, "train.tsv.gz"):
        ...         print(len(sequence))
    """
    path, layout, line = Path(name), None, 1
    for block in whole_lines(stream, block_size, name):
        for part in _between_comments(block if block.endswith(b"\n") else block + b"\n"):
            if part.strip() and not part.startswith(b"#"):
                header = 0
                if layout is None:
                    layout = _find_layout(path, part, sequence_column, label_column, None)
                    header = layout.header_lines
                if part.count(b"\n") > header:
                    yield _text_columns(path, part, replace(layout, header_lines=header), line)
            line += part.count(b"\n")
    if layout is None:
        raise ValueError(f"{name}: expected lines with two columns, got none")


def _text_columns(
    path: Path, part: bytes, layout: _Layout, first_line: int
) -> tuple[pa.Array, pa.Array]:
    assert layout.expression is not None  # a column was asked for
    columns = _parse(path, part, layout, first_line)
    sequence = columns[layout.sequence]
    return (
        _checked_sequence(path, sequence, first_line + layout.header_lines),
        columns[layout.expression],
    )


def _between_comments(content: bytes) -> Iterator[bytes]:
    """Lines that begin with # one by one, and what is between them as a whole."""
    if not content.startswith(b"#") and b"\n#" not in content:
        yield content
        return
    yield from (match.group() for match in re.finditer(rb"#.*\n|(?:(?!#).*\n)+", content))


def _one_hot_table(path: Path, with_expression: bool) -> Table:
    parts = list(iterate_one_hot(path))
    sequence = decode_padded(np.concatenate([part.codes for part in parts]))
    if not with_expression:
        return Table(sequence, None)
    label = pa.chunked_array([part.label for part in parts]).combine_chunks()
    return Table(
        sequence, _checked_numbers(path, label, np.concatenate([part.line for part in parts]))
    )


def _read_bytes(path: Path) -> bytes:
    """The decompressed file without byte-order mark, ending in a newline (Arrow wants one)."""
    try:
        with path.open("rb") as file:
            gzipped = file.read(2) == b"\x1f\x8b"
        with pa.input_stream(str(path), "gzip" if gzipped else "detect") as stream:
            content = stream.read()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error}); is the file complete?") from None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(f"{path}:1: expected UTF-8 text, got UTF-16; save the file as UTF-8")
    content = content.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
    if not content:
        raise ValueError(f"{path}: expected lines with sequence and expression, got an empty file")
    if content.count(b"\r") != content.count(b"\r\n"):
        match = re.search(rb"\r(?!\n)", content)
        assert match is not None  # one of those that were counted
        raise ValueError(
            f"{path}:{_line_number(content, match.start())}: expected lines that end in LF or "
            "CR LF, got a CR alone; convert the line ends"
        )
    return content + b"\n"


def _line_number(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1


def _find_layout(
    path: Path,
    content: bytes,
    sequence_column: int | str,
    expression_column: int | str | None,
    header: bool | None,
) -> _Layout:
    line = content[: content.index(b"\n") + 1]
    delimiter = "\t" if b"\t" in line else ","
    fields = _first_fields(path, line, delimiter)
    sequence = _column_index(path, fields, sequence_column, "sequence_column")
    expression = None
    if expression_column is not None:
        expression = _column_index(path, fields, expression_column, "expression_column")
    if expression == sequence:
        raise ValueError(
            f"{path}:1: expected two columns, got {sequence_column!r} as sequence_column and "
            f"{expression_column!r} as expression_column, which are the same"
        )
    if header is None:
        named = isinstance(sequence_column, str) or isinstance(expression_column, str)
        header = named or _looks_like_header(fields, sequence, expression)
        if header:
            logger.debug("%s: the first line is taken as the names of the columns", path)
    return _Layout(delimiter, len(fields), int(header), sequence, expression)


def _first_fields(path: Path, line: bytes, delimiter: str) -> list[str]:
    if not line.strip():
        return [""]
    try:
        fields = pyarrow.csv.read_csv(
            pa.BufferReader(line),
            pyarrow.csv.ReadOptions(use_threads=False, block_size=_block_size(line)),
            pyarrow.csv.ParseOptions(delimiter=delimiter),
        ).column_names
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise _parse_error(path, line, error) from None
    return [field.strip() for field in fields]


def _block_size(content: bytes) -> int:
    """Bytes that Arrow reads at once: no line may be longer."""
    line_ends = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n"))
    return max(_BLOCK_SIZE, int(np.diff(line_ends, prepend=-1).max()))


def _parse_error(path: Path, content: bytes, error: Exception) -> ValueError:
    try:
        content.decode()
    except UnicodeDecodeError as wrong:
        return ValueError(
            f"{path}:{_line_number(content, wrong.start)}: expected UTF-8 text, got the byte "
            f"0x{content[wrong.start]:02x}; save the file as UTF-8"
        )
    return ValueError(f"{path}: cannot be parsed: {error}")


def _column_index(path: Path, fields: list[str], column: int | str, argument: str) -> int:
    if isinstance(column, str):
        if column not in fields:
            raise ValueError(
                f"{path}:1: expected a column named {column!r} ({argument}), got "
                f"{', '.join(map(repr, fields))}"
            )
        if fields.count(column) > 1:
            raise ValueError(
                f"{path}:1: expected one column named {column!r} ({argument}), got "
                f"{fields.count(column)}; give its position"
            )
        return fields.index(column)
    if not 0 <= column < len(fields):
        raise ValueError(
            f"{path}:1: expected a column at position {column}, counted from 0 ({argument}), got "
            f"{len(fields)} column(s); columns are separated by tabs or commas"
        )
    return column


def _looks_like_header(fields: list[str], sequence: int, expression: int | None) -> bool:
    # Both fields must be foreign: a mistyped number in line 1 is an error, not a header.
    foreign = FOREIGN_TO_MOST.search(fields[sequence]) is not None
    return foreign and (expression is None or not _is_number(fields[expression]))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parse(path: Path, content: bytes, layout: _Layout, first_line: int = 1) -> dict[int, pa.Array]:
    """The wanted columns as trimmed text, by position."""
    names = [str(position) for position in range(layout.columns)]
    wanted = [column for column in (layout.sequence, layout.expression) if column is not None]
    invalid_rows: list[pyarrow.csv.InvalidRow] = []

    def stop_at(row: pyarrow.csv.InvalidRow) -> str:
        invalid_rows.append(row)
        return "error"

    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(content),
            # With threads, Arrow does not know the number of a row that it cannot parse.
            pyarrow.csv.ReadOptions(
                use_threads=False,
                block_size=_block_size(content),
                column_names=names,
                skip_rows=layout.header_lines,
            ),
            pyarrow.csv.ParseOptions(
                delimiter=layout.delimiter, ignore_empty_lines=False, invalid_row_handler=stop_at
            ),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.large_string()),
                include_columns=[str(column) for column in wanted],
                null_values=[],
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        if invalid_rows:
            row = invalid_rows[0]
            raise ValueError(
                f"{path}:{first_line - 1 + row.number}: expected {row.expected_columns} columns "
                f"as in line 1, got {row.actual_columns}; correct or remove the line"
            ) from None
        raise _parse_error(path, content, error) from None
    if table.num_rows == 0:
        raise ValueError(f"{path}: expected rows after the names of the columns, got none")
    return {
        column: compute.utf8_trim_whitespace(table[str(column)].combine_chunks())
        for column in wanted
    }


def _checked_sequence(path: Path, sequence: pa.Array, first_line: int) -> pa.Array:
    empty = compute.index(compute.binary_length(sequence), 0).as_py()
    if empty >= 0:
        raise ValueError(f"{path}:{first_line + empty}: expected a sequence, got an empty field")
    foreign = compute.match_substring_regex(sequence, FOREIGN_LETTER.pattern)
    row = compute.index(foreign, True).as_py()
    if row >= 0:
        text = sequence[row].as_py()
        match = FOREIGN_LETTER.search(text)
        assert match is not None  # Arrow found this pattern in this text
        raise ValueError(
            f"{path}:{first_line + row}: expected a sequence of nucleotide letters "
            f"({NUCLEOTIDES}), got {match.group()!r} at base {match.start() + 1}"
        )
    return sequence


def _checked_numbers(path: Path, column: pa.Array, line: int | np.ndarray) -> np.ndarray:
    """The column as float32; `line` is that of its first row, which others follow, or of each."""
    try:
        numbers = compute.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        row = _first_unparsed(column)
    else:
        wrong = np.flatnonzero(~(np.abs(numbers) <= LARGEST))
        if wrong.size == 0:
            return numbers.astype(np.float32)
        row = int(wrong[0])
    raise ValueError(
        f"{path}:{line + row if isinstance(line, int) else line[row]}: expected a finite number as "
        f"expression, got {column[row].as_py()!r}; correct or remove the line"
    )


def _first_unparsed(column: pa.Array) -> int:
    """Row of the first field that is no number, found by halving."""
    start, stop = 0, len(column)
    while stop - start > 1:
        middle = (start + stop) // 2
        try:
            compute.cast(column.slice(start, middle - start), pa.float64())
        except pa.ArrowInvalid:
            stop = middle
        else:
            start = middle
    return start
