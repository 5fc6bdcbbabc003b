"""Rows of numbers as matrices: bases as rows or as columns, labelled or not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from cisreg.motifs.bases import BASES
from cisreg.motifs.consensus import IUPAC
from cisreg.motifs.formats.found import Line, MotifText, NoMotifError
from cisreg.motifs.text import parse_number

Orientation = Literal["rows", "columns"]

# A, A:, A |, A [ and the like before the numbers of a base.
_LABELLED = re.compile(r"([A-Za-z])\s*(?:[:=|]\s*)?(?:\[\s*)?((?<=[\s:=|\[]).*|$)")
# What begins a row of numbers, mistakes included: 0,5 for 0.5, and other signs than a minus.
_NUMBER = re.compile(
    r"[+\u2212\u2013-]?[0-9.,]*[0-9][0-9.,]*([eE][+-]?[0-9]+)?|[+-]?(nan|na|inf)", re.IGNORECASE
)
_CORNER = re.compile(r"(pos(ition)?|p0|po|p|base|nt|motif|\.|-|)", re.IGNORECASE)


class Row(NamedTuple):
    """A line with numbers, and the letter before them."""

    line: Line
    label: str
    fields: list[str]


def split_row(text: str) -> list[str]:
    r"""The fields of a line: between blanks and tabs, or between commas; quotes are dropped.

    Example:
        >>> split_row('"1"  0.5\t0.5'), split_row("1, 2,3")
        (['1', '0.5', '0.5'], ['1', '2', '3'])
    """
    by_comma = re.fullmatch(r"[^\s,]+(\s*,\s*[^\s,]+)+", text)
    return [
        field.strip("\"'") for field in (re.split(r"\s*,\s*", text) if by_comma else text.split())
    ]


def base_letters(labels: Sequence[str]) -> str | None:
    """The labels as bases, U as T, if they are A, C, G and T in any order.

    Example:
        >>> base_letters(["a", "c", "g", "u"]), base_letters(["A", "C", "G", "N"])
        ('ACGT', None)
    """
    letters = "".join(labels).upper().replace("U", "T")
    return letters if len(labels) == 4 and sorted(letters) == list(BASES) else None


def header_bases(text: str) -> str | None:
    """The order of the bases, if a line is the head of a table with a column for each.

    Example:
        >>> header_bases("Pos A C G T"), header_bases("T A G C"), header_bases("A 1 2 3")
        ('ACGT', 'TAGC', None)
    """
    fields = split_row(text)
    if len(fields) == 5 and _CORNER.fullmatch(fields[0]):
        fields = fields[1:]
    return base_letters(fields) if len(fields) == 4 else None


def parse_row(line: Line) -> Row | None:
    """The row of a line: numbers, with a letter before them or not; None if it is none.

    Only the first field is looked at, and may be mistaken: mistakes are the errors of that line.

    Example:
        >>> parse_row(Line(1, "A | 1 2 3")).label, parse_row(Line(1, "1 2 3")).fields
        ('A', ['1', '2', '3'])
        >>> parse_row(Line(1, "A new motif")) is None
        True
    """
    text = line.text.replace('"', "")
    found = _LABELLED.fullmatch(re.sub(r"^([A-Za-z])\s*,", r"\1 ", text))
    if found is not None:
        label, rest = found[1].upper().replace("U", "T"), found[2].strip()
        fields = split_row(rest.removesuffix("]").strip())
        bracket = "[" in text or ":" in text[:3] or "|" in text[:4]
        if label in BASES + "N" and (bracket or (bool(fields) and is_number(fields[0]))):
            return Row(line, label, fields)
        return None
    fields = _without_consensus(split_row(text.strip("[]").strip()))
    return Row(line, "", fields) if fields and is_number(fields[0]) else None


def _without_consensus(fields: list[str]) -> list[str]:
    """The fields of a row without the letter of the consensus behind four numbers, as of STAMP."""
    is_letter = len(fields) in (5, 6) and fields[-1].upper() in (*IUPAC, "X")
    return fields[:-1] if is_letter else fields


def is_number(field: str) -> bool:
    """Whether a field is a number or was meant as one."""
    return _NUMBER.fullmatch(field) is not None


def numbers(text: MotifText, row: Row) -> list[float]:
    """The numbers of a row.

    Raises:
        ValueError: a field that is not a finite number; the message names file and line.
    """
    first = 2 if row.label else 1
    place = text.place(row.line)
    return [parse_number(field, place, column) for column, field in enumerate(row.fields, first)]


def read_matrix(
    text: MotifText, lines: Sequence[Line], orientation: Orientation | None = None
) -> np.ndarray:
    """The matrix that some lines hold.

    Args:
        text: the file, for errors.
        lines: rows for the bases, or a row for each column of the motif, with or without labels.
        orientation: of unlabelled numbers in the same number of rows and columns, where the format
            or the rest of the file says it.

    Returns:
        float64 [own width, 4], bases in the order A C G T.

    Raises:
        ValueError: rows that are none, of unequal length or incomplete, or 4 rows of 4 numbers
            without labels; the message names file and line.
    """
    order = header_bases(lines[0].text)
    if order is not None:
        return _columns(text, lines[0], _unlabelled(text, lines[1:]), order)
    rows = [_row(text, line) for line in lines]
    if rows[0].label:
        return _labelled(text, rows)
    grid = _grid(text, _unlabelled(text, lines))
    _check_no_more_than_bases(text, rows[0].line, grid)
    told = grid_orientation(grid)
    if told is not None and orientation is not None and told != orientation:
        raise ValueError(
            f"{text.place(lines[0])}: expected bases as {orientation}, as in the rest of the file "
            f"or its format, got {len(grid)} rows of {grid.shape[1]} numbers; is the motif "
            "complete?"
        )
    orientation = orientation or told
    if orientation is None:
        raise ValueError(_ambiguous(text.place(lines[0]), grid))
    return grid.T if orientation == "rows" else grid[:, -4:]


def shape_orientation(lines: Sequence[Line], text: MotifText) -> Orientation | None:
    """The orientation that the number of rows and columns tells, None where it does not."""
    if header_bases(lines[0].text) is not None or _row(text, lines[0]).label:
        return None
    return grid_orientation(_grid(text, _unlabelled(text, lines)))


def grid_orientation(grid: np.ndarray) -> Orientation | None:
    """Whether 4 rows or 4 columns of unlabelled numbers are the bases; None if both can be.

    Example:
        >>> grid_orientation(np.ones((4, 9))), grid_orientation(np.ones((9, 4)))
        ('rows', 'columns')
    """
    count, width = grid.shape
    as_columns = width == 4 or (width == 5 and _is_counted(grid[:, 0]))
    if count == 4 and not as_columns:
        return "rows"
    return "columns" if as_columns and count != 4 else None


def _is_counted(column: np.ndarray) -> bool:
    """Whether numbers are 0, 1, 2, ... or 1, 2, 3, ..., as those of rows."""
    return bool((np.diff(column) == 1).all() and column[0] in (0, 1))


def _check_no_more_than_bases(text: MotifText, line: Line, grid: np.ndarray) -> None:
    """Checks that 4 rows are not those of a motif with numbers or sums of rows beside the bases.

    Raises:
        ValueError: they may be; the message names file and line.
    """
    count, width = grid.shape
    if count != 4:
        return
    sums = grid[:, -5:-1].sum(axis=1)
    if width in (5, 6) and sums.any() and np.allclose(grid[:, -1], sums):
        raise ValueError(
            f"{text.place(line)}: expected numbers of A, C, G and T only, got rows that end in the "
            "sum of the four numbers before; remove the sums"
        )
    if width > 5 and _is_counted(grid[:, 0]):
        raise ValueError(
            f"{text.place(line)}: expected numbers of the motif only, got 4 rows that begin with "
            f"{', '.join(f'{number:g}' for number in grid[:, 0])}; remove these numbers, or put A, "
            "C, G and T in their place"
        )


def _row(text: MotifText, line: Line) -> Row:
    row = parse_row(line)
    if row is None:
        raise ValueError(
            f"{text.place(line)}: expected a row of numbers, with A, C, G or T before it or not, "
            f"got {line.text[:60]!r}; remove or correct the line"
        )
    return row


def _unlabelled(text: MotifText, lines: Sequence[Line]) -> list[Row]:
    rows = [_row(text, line) for line in lines]
    for row in rows:
        if row.label:
            raise ValueError(
                f"{text.place(row.line)}: expected numbers as in the rows before, got the label "
                f"{row.label}; label all rows or none"
            )
    return rows


def _grid(text: MotifText, rows: Sequence[Row]) -> np.ndarray:
    """Rows of equal length as an array [rows, columns]."""
    values = [numbers(text, row) for row in rows]
    width = len(values[0])
    for row, each in zip(rows, values, strict=True):
        if len(each) != width:
            raise ValueError(
                f"{text.place(row.line)}: expected {width} numbers as in the first row of the "
                f"motif, got {len(each)}; give every row the same number"
            )
    grid = np.array(values)
    if 4 not in grid.shape and not (width == 5 and grid_orientation(grid) == "columns"):
        raise ValueError(
            f"{text.place(rows[0].line)}: expected 4 rows, or rows of 4 numbers, one for each of "
            f"A, C, G and T, got {len(rows)} of {width}; is the motif complete?"
        )
    return grid


def _columns(text: MotifText, header: Line, rows: list[Row], order: str) -> np.ndarray:
    """The matrix of rows under a head that names the bases; a number of the column may lead."""
    if not rows:
        raise NoMotifError(
            f"{text.place(header)}: expected rows of numbers after the bases, got none; the motif "
            "is empty"
        )
    # Without a head of its own (as R writes it), the number of the column may lead.
    leads = 1 if 5 in (len(rows[0].fields), len(split_row(header.text))) else 0
    columns = []
    for row in rows:
        if len(row.fields) != 4 + leads:
            raise ValueError(
                f"{text.place(row.line)}: expected {4 + leads} fields, as in the first row of the "
                f"motif or its head, got {len(row.fields)}; give a number for A, C, G and T each"
            )
        columns.append(numbers(text, row))
    table = np.array(columns)
    if leads and len(split_row(header.text)) == 4 and not _is_counted(table[:, 0]):
        raise ValueError(
            f"{text.place(rows[0].line)}: expected 4 numbers, as the bases before them, got 5 that "
            "do not begin with the number of the row; remove what is none of A, C, G and T, such "
            "as sums"
        )
    return table[:, [leads + order.index(base) for base in BASES]]


def _labelled(text: MotifText, rows: Sequence[Row]) -> np.ndarray:
    """The matrix of a row per base; a fifth row for N must be zero."""
    by_base: dict[str, list[float]] = {}
    width = len(rows[0].fields)
    for row in rows:
        if not row.label or row.label in by_base:
            what = f"{row.label} again" if row.label else "a row without label"
            raise ValueError(
                f"{text.place(row.line)}: expected one row per base, got {what}; remove one or "
                "relabel it"
            )
        by_base[row.label] = numbers(text, row)
        if len(row.fields) != width or not width:
            raise ValueError(
                f"{text.place(row.line)}: expected {width or '1 or more'} numbers after "
                f"{row.label}, got {len(row.fields)}; give every row one number per column of the "
                "motif"
            )
        if row.label == "N" and any(by_base["N"]):
            raise ValueError(
                f"{text.place(row.line)}: expected zeros in the row of N, got other numbers; a "
                "motif has numbers for A, C, G and T only: share them among these"
            )
    missing = [base for base in BASES if base not in by_base]
    if missing:
        raise ValueError(
            f"{text.place(rows[0].line)}: expected four rows labelled A, C, G and T, got none for "
            f"{', '.join(missing)}; complete the motif"
        )
    return np.array([by_base[base] for base in BASES]).T


def _ambiguous(place: str, grid: np.ndarray) -> str:
    """The error for numbers that are two motifs, depending on how they are read."""
    as_columns = grid[:, -4:]
    readings = [
        "".join(BASES[base] for base in matrix.argmax(axis=1)) for matrix in (grid.T, as_columns)
    ]
    return (
        f"{place}: expected labels or a number of rows other than 4, got 4 rows of "
        f"{grid.shape[1]} numbers: as one row per base they are {readings[0]} (bases with the "
        f"largest numbers), as one column per base {readings[1]}; put A, C, G and T before the "
        "rows, or a line 'A C G T' before them"
    )
