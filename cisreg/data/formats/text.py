"""Tables as text and one-hot text, read a block at a time whatever some of the lines hold.

A block without anything unusual is parsed by Arrow or native code. Any other is parsed again line
by line, so that a line is a row or a fault by itself, not by what stands around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv

from cisreg.data.formats.columns import Places, default_columns, find_places, has_usual_names
from cisreg.data.formats.one_hot import OneHotRows, decode_padded, parse_lines, whole_lines
from cisreg.data.formats.rows import Columns
from cisreg.data.formats.usable import FOREIGN_LETTER, FOREIGN_TO_MOST, Fault, RawRows, to_float32

_BLOCK = 1 << 22
_OTHER_COLUMNS = "another number of columns"
_NO_ONE_HOT = "something else than one-hot text"
_LONGEST_NAME = 6
_MISSING = ("", "-", ".", "na", "n/a", "nan", "null", "none", "inf", "+inf", "-inf")
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class TextLayout:
    """How a table is written down.

    Attributes:
        delimiter: between the fields of a line.
        first_line: number of the first line that is not blank.
        count: fields of every line.
        has_header: whether the first line names the columns.
        columns: that are read: by name, where they were found or asked for so.
        places: where they are.
        names: of all columns, or None.
    """

    delimiter: str
    first_line: int
    count: int
    has_header: bool
    columns: Columns
    places: Places
    names: tuple[str, ...] | None


def find_layout(
    name: str, start: bytes, columns: Columns | None, *, key: str = "sequence"
) -> TextLayout:
    r"""Finds how a table is written down by its first line.

    Args:
        name: of the file, for errors.
        start: the beginning of the text with all of its first line.
        columns: which are wanted; None: `default_columns`.
        key: name of the first column where it has one; "sequence" is checked to be one.

    Raises:
        ValueError: an empty file, UTF-16, line ends of CR alone, or columns that are not there.

    Example:
        >>> find_layout("x.tsv", b"level\tsequence\n1\tACGT\n", None).places.all
        (1, 0)
    """
    if start.startswith(_UTF16_MARKS):
        raise ValueError(f"{name}:1: expected UTF-8 text, got UTF-16; save the file as UTF-8")
    text = start.removeprefix(_UTF8_MARK)
    content = text.lstrip(b"\r\n")
    first_line = 1 + text.count(b"\n", 0, len(text) - len(content))
    place = f"{name}:{first_line}"
    line = content.partition(b"\n")[0].removesuffix(b"\r")
    if not content:
        raise ValueError(f"{name}: expected lines with columns, got an empty file")
    if b"\r" in line:
        raise ValueError(
            f"{place}: expected lines that end in LF or CR LF, got a CR alone; convert the line "
            "ends"
        )
    decoded = line.decode("utf-8", "replace")
    delimiter = "\t" if "\t" in decoded else ","
    fields = [field.strip() for field in split_fields(decoded, delimiter)]
    header = _has_header(fields, columns, key)
    if columns is None:
        columns = _default(place, fields, key, header=header)
    names = tuple(fields) if header else None
    places = find_places(place, columns, names, len(fields))
    return TextLayout(delimiter, first_line, len(fields), header, columns, places, names)


def _default(place: str, fields: list[str], key: str, *, header: bool) -> Columns:
    if header:
        return default_columns(place, fields, key=key)
    # Data may be any text; names that are like no data give the positions.
    return default_columns(place, [""] * len(fields), key=key)


def _has_header(fields: list[str], columns: Columns | None, key: str) -> bool:
    if columns is None and has_usual_names(fields, key=key):
        return True
    columns = columns or _default("", fields, key, header=False)
    positions = [column for column in columns.all if isinstance(column, int)]
    if len(positions) < len(columns.all):
        return True
    if any(position >= len(fields) for position in positions):
        return False
    # All fields must be foreign: a mistyped number in line 1 is an error, not a header.
    numbers = [fields[position] for position in positions[1:]]
    if not np.isnan(to_float32(pa.array(numbers, pa.string()))).all():
        return False
    first = fields[positions[0]]
    if key != "sequence" or FOREIGN_LETTER.search(first):
        return True
    # Names such as "dna" are spelled with letters of nucleotides too; beside one, the name of a
    # measurement stands, and not the mark of a missing one.
    named = not any(number.lower() in _MISSING for number in numbers)
    # With nothing beside it, it is a name where it is shorter than any sequence.
    named = named and (bool(numbers) or len(first) <= _LONGEST_NAME)
    return named and FOREIGN_TO_MOST.search(first) is not None


def split_fields(line: str, delimiter: str) -> list[str]:
    """The fields of a line; one that begins with a quotation mark ends with the next one.

    Example:
        >>> split_fields('"a,b",c,"d ""e"" f"', ",")
        ['a,b', 'c', 'd "e" f']
    """
    if '"' not in line:
        return line.split(delimiter)
    fields: list[str] = []
    position = 0
    while True:
        text = ""
        if line.startswith('"', position):
            text, position = _quoted(line, position + 1)
        stop = line.find(delimiter, position)
        if stop < 0:
            return [*fields, text + line[position:]]
        fields.append(text + line[position:stop])
        position = stop + 1


def _quoted(line: str, position: int) -> tuple[str, int]:
    """What a quotation mark opens, two of them being one, and where it has ended."""
    text = ""
    while True:
        stop = line.find('"', position)
        if stop < 0:
            return text + line[position:], len(line)
        text += line[position:stop]
        position = stop + 1
        if not line.startswith('"', position):
            return text, position
        text += '"'
        position += 1


def iterate_table(
    stream: BinaryIO, name: str, layout: TextLayout, *, block_size: int = _BLOCK
) -> Iterator[RawRows]:
    """Reads the columns of a table a block at a time; blank lines are skipped.

    Args:
        stream: the text.
        name: of the file, for errors.
        layout: how it is written down.
        block_size: bytes that are in memory at once; a line may be longer.

    Yields:
        Rows in the order of the file. Where there are faults among them, those of the lines before
        the first fault come by themselves.
    """
    line = 1
    for block in whole_lines(stream, block_size, name):
        first = line
        line += block.count(b"\n")
        if first == 1:
            block = block.removeprefix(_UTF8_MARK)
        if layout.has_header and first <= layout.first_line:
            # Lines before the header are blank.
            lines = layout.first_line - first + 1
            block = b"".join(block.split(b"\n", lines)[lines:])
            first = layout.first_line + 1
        if not block:
            continue
        columns = _parse_block(block if block.endswith(b"\n") else block + b"\n", layout)
        if columns is None:
            yield from _parse_lines(block, name, layout, first)
        else:
            yield _rows(name, layout, columns, np.arange(first, first + len(columns[0])))


def _parse_block(block: bytes, layout: TextLayout) -> list[pa.Array] | None:
    """The columns of lines that are all good and plain, or None; Arrow parses them."""
    lone = block.count(b"\r") != block.count(b"\r\n")
    if lone or block[:1] in b"\r\n" or b"\n\n" in block or b"\n\r\n" in block:
        return None
    names = [str(position) for position in range(layout.count)]
    wanted = [str(position) for position in layout.places.all]
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(block),
            pyarrow.csv.ReadOptions(
                use_threads=False, block_size=len(block) + 1, column_names=names
            ),
            pyarrow.csv.ParseOptions(
                delimiter=layout.delimiter, quote_char='"' if b'"' in block else False
            ),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(wanted, pa.large_string()),
                include_columns=wanted,
                null_values=[],
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return None
    # A quotation mark that is not closed in its line has taken others in.
    if table.num_rows != block.count(b"\n"):
        return None
    return [compute.ascii_trim_whitespace(table[each].combine_chunks()) for each in wanted]


def _parse_lines(block: bytes, name: str, layout: TextLayout, first_line: int) -> Iterator[RawRows]:
    """The same, line by line: what is no row is a fault."""
    rows: list[list[str]] = []
    lines: list[int] = []
    faults: list[Fault] = []
    wanted = layout.places.all
    for number, content in enumerate(block.split(b"\n"), start=first_line):
        text = content.removesuffix(b"\r").decode("utf-8", "replace")
        if not text:
            continue
        fields = split_fields(text, layout.delimiter)
        if len(fields) == layout.count:
            rows.append([fields[position].strip(" \t\n\v\f\r") for position in wanted])
            lines.append(number)
            continue
        if not faults:
            yield _rows(name, layout, _columns(rows, len(wanted)), np.array(lines, np.int64))
            rows, lines = [], []
        faults.append(_other_columns(f"{name}:{number}", layout, len(fields)))
    yield _rows(name, layout, _columns(rows, len(wanted)), np.array(lines, np.int64), faults)


def _columns(rows: list[list[str]], count: int) -> list[pa.Array]:
    return [pa.array([row[column] for row in rows], pa.large_string()) for column in range(count)]


def _other_columns(place: str, layout: TextLayout, got: int) -> Fault:
    message = (
        f"expected {layout.count} columns as in line {layout.first_line}, got {got}; correct or "
        "remove the line"
    )
    return Fault(place, _OTHER_COLUMNS, message)


def _rows(
    name: str,
    layout: TextLayout,
    columns: list[pa.Array],
    lines: np.ndarray,
    faults: list[Fault] | None = None,
) -> RawRows:
    count = len(layout.places.expression)
    return RawRows(
        columns[0],
        columns[1 : 1 + count],
        None if layout.places.weight is None else columns[-1],
        lambda row: f"{name}:{lines[row]}",
        faults or [],
    )


def iterate_one_hot_text(
    stream: BinaryIO, name: str, length: int, *, labels: bool, block_size: int = _BLOCK
) -> Iterator[RawRows]:
    """Reads one-hot text a block at a time; blank lines and those that begin with # are skipped.

    Args:
        stream: the text.
        name: of the file, for errors.
        length: L, of every line.
        labels: whether to read the labels as the expression.
        block_size: bytes that are in memory at once; a line may be longer.

    Yields:
        Rows as `iterate_table` does; the text of a sequence has N for its unknown bases.
    """
    line = 1
    for block in whole_lines(stream, block_size, name):
        rows, fault = parse_lines(block, length, line)
        if len(rows.codes):
            yield _one_hot_rows(name, rows, labels=labels)
        if fault is not None:
            yield from _one_hot_lines(block, name, length, line, fault.line, labels=labels)
        line += block.count(b"\n")


def _one_hot_lines(
    block: bytes, name: str, length: int, first_line: int, start: int, *, labels: bool
) -> Iterator[RawRows]:
    """The lines from number `start` on, one by one."""
    parts, faults = [], []
    lines = block.split(b"\n")
    for number in range(start, first_line + len(lines)):
        rows, fault = parse_lines(lines[number - first_line] + b"\n", length, number)
        if fault is not None:
            faults.append(Fault(f"{name}:{number}", _NO_ONE_HOT, fault.message))
        elif len(rows.codes):
            parts.append(rows)
    empty = np.empty((0, length), np.uint8)
    codes = np.concatenate([empty, *(part.codes for part in parts)])
    label = pa.concat_arrays([pa.array([], pa.large_string()), *(part.label for part in parts)])
    line = np.concatenate([np.empty(0, np.int64), *(part.line for part in parts)])
    yield _one_hot_rows(name, OneHotRows(codes, label, line), faults, labels=labels)


def _one_hot_rows(
    name: str, rows: OneHotRows, faults: list[Fault] | None = None, *, labels: bool
) -> RawRows:
    return RawRows(
        decode_padded(rows.codes),
        [rows.label] if labels else [],
        None,
        lambda row: f"{name}:{rows.line[row]}",
        faults or [],
    )
