"""Matrices that stand in a file one after another, with lines of text before each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cisreg.motifs.bases import BASES
from cisreg.motifs.formats.found import Line, MotifText
from cisreg.motifs.formats.rows import (
    Orientation,
    header_bases,
    parse_row,
    shape_orientation,
    split_row,
)
from cisreg.number_text import is_float


class Block(NamedTuple):
    """The lines of text before a matrix, and those of the matrix."""

    notes: list[Line]
    rows: list[Line]


def split_blocks(text: MotifText) -> list[Block]:
    r"""The matrices of a file: rows that follow each other, ended by a blank line or by text.

    Four labelled rows are complete, and blank lines between them do not count.

    Raises:
        ValueError: a line among rows that would be one but for its first field.

    Example:
        >>> from cisreg.motifs.formats.found import motif_text
        >>> blocks = split_blocks(motif_text("a", ["x", "A 1", "C 2", "", "G 3", "T 4", "A 5"]))
        >>> [(len(block.notes), len(block.rows)) for block in blocks]
        [(1, 4), (0, 1)]
    """
    blocks: list[Block] = []
    notes: list[Line] = []
    rows: list[Line] = []
    labels: set[str] = set()

    def close() -> None:
        nonlocal notes, rows, labels
        if rows:
            blocks.append(Block(notes, rows))
            notes, rows = [], []
        labels = set()

    for line in text.lines:
        row, is_head = parse_row(line), header_bases(line.text) is not None
        is_complete = labels >= set(BASES)
        if line.text.startswith("#"):
            continue
        if row is None and not is_head:
            _check_is_no_row(text, line, rows)
            # Blank lines between labelled rows do not end a matrix that is not complete.
            if line.text or not labels or is_complete:
                close()
            notes += [line] if line.text else []
            continue
        if is_head or (row is not None and is_complete and row.label != "N"):
            close()
        rows.append(line)
        labels |= {row.label} - {""} if row is not None else set()
    close()
    return blocks


def _check_is_no_row(text: MotifText, line: Line, rows: Sequence[Line]) -> None:
    """Checks that a line of text just after rows of columns is not the next one, with a mistake.

    Raises:
        ValueError: it has as many fields as these rows, and all but the first are numbers.
    """
    if not rows or rows[-1].number + 1 != line.number:
        return
    fields, before = split_row(line.text), split_row(rows[-1].text)
    is_head = header_bases(rows[-1].text) is not None
    lengths = (4, 5) if is_head else (len(before),)
    is_labelled = not is_head and not is_float(before[0])
    if not is_labelled and len(fields) in lengths and all(map(is_float, fields[1:])):
        raise ValueError(
            f"{text.place(line)}: expected a number in column 1, as in a row of the motif, got "
            f"{fields[0][:40]!r}; correct it, or remove such names of rows"
        )


def common_orientation(text: MotifText, bodies: Sequence[Sequence[Line]]) -> Orientation | None:
    """The orientation that all matrices of a file have, as far as their shapes tell it."""
    found = {shape_orientation(lines, text) for lines in bodies if lines} - {None}
    return found.pop() if len(found) == 1 else None
