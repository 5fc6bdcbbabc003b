"""Motifs that begin with a line of >: JASPAR, HOMER, HOCOMOCO and others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cisreg.motifs.formats.blocks import common_orientation
from cisreg.motifs.formats.found import FoundMotif, Line, MotifText, named
from cisreg.motifs.formats.homer import homer_motif, is_homer_head
from cisreg.motifs.formats.rows import header_bases, parse_row, read_matrix


class Record(NamedTuple):
    """A line of > and the lines that follow it."""

    head: Line
    body: list[Line]


def is_records(lines: Sequence[Line]) -> bool:
    """Whether significant lines begin with > and a row of numbers, unlike FASTA.

    Example:
        >>> is_records([Line(1, ">a"), Line(2, "1 2")]), is_records([Line(1, ">a"), Line(2, "AC")])
        (True, False)
    """
    if not lines or not lines[0].text.startswith(">"):
        return False
    after = next((line for line in lines if not line.text.startswith(">")), None)
    return after is None or header_bases(after.text) is not None or parse_row(after) is not None


def split_records(text: MotifText) -> list[Record]:
    """The records of a file.

    Raises:
        ValueError: a record without a matrix; the message names file and line.
    """
    records: list[Record] = []
    for line in text.significant():
        if line.text.startswith(">"):
            records.append(Record(line, []))
        else:
            records[-1].body.append(line)
    for record in records:
        if not record.body:
            raise ValueError(
                f"{text.place(record.head)}: expected the rows of a motif after "
                f"{record.head.text[:60]!r}, got none; is the file complete?"
            )
    return records


def _is_homer(record: Record) -> bool:
    """Whether a record is of HOMER: its head is, and its rows are not labelled."""
    first = parse_row(record.body[0])
    if first is None or first.label:
        return False
    return is_homer_head(record.head.text, len(record.body) if len(first.fields) == 4 else None)


def format_of_records(text: MotifText) -> str:
    """The name of the format of a file of records."""
    records = split_records(text)
    if any(map(_is_homer, records)):
        return "HOMER"
    first = parse_row(records[0].body[0])
    is_rows = (first is not None and first.label) or common_orientation(
        text, [record.body for record in records]
    ) == "rows"
    return "JASPAR" if is_rows else "HOCOMOCO"


def read_records(text: MotifText) -> Iterator[FoundMotif]:
    """The motifs of a file of records.

    After >, JASPAR has the accession and the name, HOMER further fields (`homer_motif`), others the
    name alone. Bases are the rows (JASPAR: labelled, with or without brackets, or 4 rows) or the
    columns (HOCOMOCO, HOMER, FlyFactorSurvey).

    Raises:
        ValueError: see `read_matrix`.
    """
    records = split_records(text)
    is_homer = any(map(_is_homer, records))
    orientation = common_orientation(text, [record.body for record in records])
    for head, body in records:
        if is_homer:
            yield homer_motif(text, head, read_matrix(text, body, "columns"))
            continue
        matrix = read_matrix(text, body, orientation)
        identifier, _, rest = head.text[1:].strip().replace("\t", " ").partition(" ")
        name, details = named(identifier, rest)
        yield FoundMotif(matrix, text.place(head), name, details=details)
