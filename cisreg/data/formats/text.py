"""Tables as text and one-hot text, read a block at a time.

Arrow or native code parses a block in which all lines are plain. Any other block is parsed line by
line, so that a faulty line does not affect the lines around it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv

from cisreg.data.formats.columns import (
    MISSING,
    Key,
    Kind,
    Places,
    TableStart,
    count_bases,
    find_columns,
    has_decimal_comma,
    is_number,
    is_usual,
    kind_of,
    resolved,
)
from cisreg.data.formats.one_hot import OneHotRows, decode_padded, parse_lines, whole_lines
from cisreg.data.formats.recognition import UTF8_MARK
from cisreg.data.formats.rows import Columns
from cisreg.data.formats.usable import FOREIGN_TO_MOST, Fault, RawRows
from cisreg.limits import check_columns
from cisreg.names import split_fields

# Lines that begin with this are skipped, in the tables of every command.
COMMENT = b"#"
_BLOCK = 1 << 22
_OTHER_COLUMNS = "another number of columns"
_NO_ONE_HOT = "something else than one-hot text"
_LONGEST_NAME = 6
_SAMPLE_LINES = 200
# A problem is reported for the table as a whole if it affects at least this share of its lines.
_MOST = 0.5
_REGION = re.compile(r"chr\w+")


@dataclass(frozen=True)
class TextLayout:
    """The layout of a table as text.

    Attributes:
        delimiter: separates the fields of a line.
        first_line: number of the first line that is neither blank nor a comment.
        count: number of fields of every line.
        has_header: whether the first line names the columns.
        decimal_comma: whether numbers have a decimal comma.
        columns: the columns that are read, by name if names are unique.
        places: positions of these columns.
        start: all columns, for errors.
    """

    delimiter: str
    first_line: int
    count: int
    has_header: bool
    decimal_comma: bool
    columns: Columns
    places: Places
    start: TableStart


def find_layout(
    name: str,
    head: bytes,
    asked: Columns | None = None,
    *,
    key: Key = "sequence",
    decimal_comma: bool = False,
) -> TextLayout:
    r"""Finds the layout of a table from its first lines.

    Args:
        name: name of the file, for errors.
        head: the beginning of the text up to the end of a line.
        asked: which columns to read; None: those with usual names.
        key: what identifies a row: its "sequence", or the "name" of a record that was measured.
        decimal_comma: whether numbers have a decimal comma.

    Raises:
        ValueError: an empty file, line ends of only CR, columns that are missing or not clear, row
            names in a column without a header, or numbers that seem to have decimal commas.

    Example:
        >>> find_layout("x.tsv", b"level\tsequence\n1\tACGT\n").places.all
        (1, 0)
    """
    asked = asked or Columns()
    first_line, line, more = _first_lines(name, head)
    place = f"{name}:{first_line}"
    if "\r" in line:
        raise ValueError(
            f"{place}: expected lines that end in LF or CR LF, got a CR alone; convert the line "
            "ends"
        )
    delimiter = _delimiter(line, more, key)
    fields = _fields(line, delimiter)
    check_columns(place, len(fields))
    rows = [_fields(each, delimiter) for each in more]
    _check_widths(place, fields, rows, delimiter)
    rows = [row for row in rows if len(row) == len(fields)]
    header = _has_header(fields, rows, asked, key)
    names = tuple(fields) if header else None
    body = rows if header else [fields, *rows]
    start = TableStart(
        *(place, names, len(fields)),
        lambda column: [row[column] for row in body],
        "" if header else _hint(body, delimiter),
    )
    places = find_columns(start, asked, key)
    if not decimal_comma:
        _check_decimals(start, places, delimiter)
    columns = resolved(start, places, key)
    return TextLayout(
        delimiter, first_line, len(fields), header, decimal_comma, columns, places, start
    )


def _first_lines(name: str, head: bytes) -> tuple[int, str, list[str]]:
    """Number and text of the first line that is not blank or a comment, and some lines after it."""
    first, found = 0, list[str]()
    for number, line in enumerate(head.removeprefix(UTF8_MARK).split(b"\n"), start=1):
        line = line.removesuffix(b"\r")
        if line and not line.startswith(COMMENT):
            found.append(line.decode("utf-8", "replace"))
            first = first or number
            if len(found) > _SAMPLE_LINES:
                break
    if not found:
        raise ValueError(f"{name}: expected lines with columns, got an empty file")
    return first, found[0], found[1:]


def _fields(line: str, delimiter: str) -> list[str]:
    return [field.strip() for field in split_fields(line, delimiter, strict=False)]


def _delimiter(line: str, more: list[str], key: Key) -> str:
    """Tab if the line has one; else comma or semicolon, whichever gives equal numbers of fields."""
    if "\t" in line:
        return "\t"
    if ";" not in line:
        return ","

    def merit(delimiter: str) -> tuple[bool, bool]:
        rows = [_fields(each, delimiter) for each in (line, *more)]
        # In tables of R, all lines except the first have one field more.
        more_fields = {len(row) - len(rows[0]) for row in rows[1:]} or {0}
        even = len(rows[0]) > 1 and more_fields in ({0}, {1})
        bases = any(count_bases(field) for row in rows for field in row)
        return even, even and (bases or key == "name")

    return max((",", ";"), key=merit)


def _check_widths(place: str, fields: list[str], rows: list[list[str]], delimiter: str) -> None:
    """Raises ValueError if most lines have one field more than the first, for a known reason."""
    longer = [row for row in rows if len(row) == len(fields) + 1]
    if not longer or len(longer) < _MOST * len(rows):
        return
    got = f"expected {len(fields)} columns in every line as in the first, got {len(longer[0])}"
    if delimiter == "," and all(_has_split_number(row) for row in longer):
        raise ValueError(
            f"{place}: {got} in {','.join(longer[0])[:60]!r}, which looks like a decimal comma; "
            "write numbers with a decimal point, or columns with tabs or semicolons between them"
        )
    if any(map(is_number, fields)):
        return  # the first line is a row itself
    raise ValueError(
        f"{place}: {got}, such as {longer[0][0][:60]!r} before the others, which looks like the "
        "row names of R; write the table with row.names = FALSE, or with col.names = NA"
    )


def _has_split_number(row: list[str]) -> bool:
    return any(is_number(a) and b.isdecimal() for a, b in itertools.pairwise(row))


def _check_decimals(start: TableStart, places: Places, delimiter: str) -> None:
    """Raises ValueError if most numbers of a column that is read have a decimal comma."""
    weight = () if places.weight is None else (places.weight,)
    for column in (*places.expression, *weight):
        given = [each for each in start.values(column) if is_number(each)]
        commas = [each for each in given if has_decimal_comma(each)]
        if commas and len(commas) >= _MOST * len(given):
            what = "decimal commas" + (" and semicolons" if delimiter == ";" else "")
            raise ValueError(
                f"{start.place}: expected numbers with a decimal point, got {commas[0]!r}: the "
                f"table has {what}; read it with --decimal-comma, in Python decimal_comma=True"
            )


def _hint(rows: list[list[str]], delimiter: str) -> str:
    """A guess, for errors, of what a table with unclear columns is."""
    if not rows:
        return ""
    first = rows[0]
    if len(first) > 2 and _REGION.fullmatch(first[0]) and first[1].isdecimal():
        return "; it looks like regions of a genome (BED), whose sequences bedtools getfasta writes"
    whole = [row for row in rows if _has_split_number(row)]
    if delimiter == "," and len(whole) == len(rows):
        return "; numbers with a decimal comma must be in quotes, or have a decimal point"
    return ""


def _has_header(fields: list[str], rows: list[list[str]], asked: Columns, key: Key) -> bool:
    """Whether the first line names the columns."""
    named = [column for column in (*asked.roles, *_listed(asked.extra)) if isinstance(column, str)]
    if named or any(map(is_usual, fields)):
        return True
    if any(column >= len(fields) for column in asked.roles if isinstance(column, int)):
        return False
    kinds = [kind_of(row[column] for row in rows) for column in range(len(fields))]
    if "sequence" in kinds and fields == [str(number) for number in range(len(fields))]:
        # A header by pandas, which numbers columns without names; a row would have a sequence.
        return True
    # A mistyped number in the first line is an error, not a header.
    if any(is_number(field) or field.lower() in MISSING for field in fields):
        return False
    if key == "name":
        return "number" in kinds or not rows
    position = asked.sequence if isinstance(asked.sequence, int) else None
    return not _may_be_data(fields, kinds, position)


def _may_be_data(fields: list[str], kinds: list[Kind], sequence: int | None) -> bool:
    """Whether the first line, which contains no number, may be a row with a sequence."""
    columns = [i for i, kind in enumerate(kinds) if kind == "sequence"]
    if sequence is not None:
        columns = [sequence]
    elif not columns:
        columns = list(range(len(fields)))
    # Short names such as "dna" consist of nucleotide letters too.
    return any(
        count_bases(text) and (len(text) > _LONGEST_NAME or not FOREIGN_TO_MOST.search(text))
        for text in (fields[column] for column in columns)
    )


def _listed(extra: tuple[int | str, ...] | bool) -> tuple[int | str, ...]:
    return () if isinstance(extra, bool) else extra


def iterate_table(
    stream: BinaryIO, name: str, layout: TextLayout, *, block_size: int = _BLOCK
) -> Iterator[RawRows]:
    """Reads the columns of a table a block at a time; blank lines and comments (#) are skipped.

    Args:
        stream: the text.
        name: name of the file, for errors.
        layout: layout of the table.
        block_size: bytes that are in memory at a time; a line may be longer.

    Yields:
        Rows in the order of the file. If a block has faults, the rows before the first fault are
        yielded separately.
    """
    line = 1
    # The lines before `first_line` are blank or comments.
    skipped = layout.first_line if layout.has_header else layout.first_line - 1
    for block in whole_lines(stream, block_size):
        first = line
        line += block.count(b"\n")
        if first == 1:
            block = block.removeprefix(UTF8_MARK)
        if first <= skipped:
            lines = skipped - first + 1
            block = b"".join(block.split(b"\n", lines)[lines:])
            first = skipped + 1
        if not block:
            continue
        columns = _parse_block(block if block.endswith(b"\n") else block + b"\n", layout)
        if columns is None:
            yield from _parse_lines(block, name, layout, first)
        else:
            yield _rows(name, layout, columns, np.arange(first, first + len(columns[0])))


def _parse_block(block: bytes, layout: TextLayout) -> list[pa.Array] | None:
    """Parses a block with Arrow; None if a line is faulty or not plain."""
    lone = block.count(b"\r") != block.count(b"\r\n")
    if lone or block[:1] in b"\r\n" or b"\n\n" in block or b"\n\r\n" in block:
        return None
    if block.startswith(COMMENT) or b"\n" + COMMENT in block:
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
    # Fewer rows than lines: a quotation mark that is not closed has joined lines.
    if table.num_rows != block.count(b"\n"):
        return None
    return [compute.ascii_trim_whitespace(table[each].combine_chunks()) for each in wanted]


def _parse_lines(block: bytes, name: str, layout: TextLayout, first_line: int) -> Iterator[RawRows]:
    """Parses a block line by line; a line that is not a row becomes a Fault."""
    rows: list[list[str]] = []
    lines: list[int] = []
    faults: list[Fault] = []
    wanted = layout.places.all
    for number, content in enumerate(block.split(b"\n"), start=first_line):
        text = content.removesuffix(b"\r").decode("utf-8", "replace")
        if not text or content.startswith(COMMENT):
            continue
        fields = split_fields(text, layout.delimiter, strict=False)
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
    places = layout.places
    found = dict(zip(places.all, columns, strict=True))
    number = _with_point if layout.decimal_comma else lambda column: column
    return RawRows(
        found[places.key],
        [number(found[each]) for each in places.expression],
        None if places.weight is None else number(found[places.weight]),
        lambda row: f"{name}:{lines[row]}",
        faults or [],
        None if places.name is None else found[places.name],
        {each: found[at] for each, at in zip(places.extra_names, places.extra, strict=True)},
        lines,
    )


def _with_point(column: pa.Array) -> pa.Array:
    """Replaces decimal commas by points; numbers that have a point become invalid."""
    return compute.replace_substring(compute.replace_substring(column, ".", "?"), ",", ".")


def iterate_one_hot_text(
    stream: BinaryIO, name: str, length: int, places: Places, *, block_size: int = _BLOCK
) -> Iterator[RawRows]:
    """Reads one-hot text a block at a time; blank lines and comments (#) are skipped.

    Args:
        stream: the text.
        name: name of the file, for errors.
        length: L, the same for every line.
        places: whether the label is read as the expression, as a further column, or not at all.
        block_size: bytes that are in memory at a time; a line may be longer.

    Yields:
        Rows like `iterate_table`; sequences are text with N for unknown bases.
    """
    line = 1
    for block in whole_lines(stream, block_size):
        rows, fault = parse_lines(block, length, line)
        if len(rows.codes):
            yield _one_hot_rows(name, rows, places)
        if fault is not None:
            yield from _one_hot_lines(block, name, length, line, fault.line, places)
        line += block.count(b"\n")


def _one_hot_lines(
    block: bytes, name: str, length: int, first_line: int, start: int, places: Places
) -> Iterator[RawRows]:
    """Parses the lines from number `start` on, one by one."""
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
    yield _one_hot_rows(name, OneHotRows(codes, label, line), places, faults)


def _one_hot_rows(
    name: str, rows: OneHotRows, places: Places, faults: list[Fault] | None = None
) -> RawRows:
    return RawRows(
        decode_padded(rows.codes),
        [rows.label] if places.expression else [],
        None,
        lambda row: f"{name}:{rows.line[row]}",
        faults or [],
        extra=dict.fromkeys(places.extra_names, rows.label),
        number=rows.line,
    )
