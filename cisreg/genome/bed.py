"""Lines of BED files."""

from __future__ import annotations

import io
import logging
import os
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from cisreg.file_checks import STANDARD
from cisreg.genome.sequence_files import PathLike
from cisreg.names import ACTING
from cisreg.number_text import is_integer, shown
from cisreg.streams import open_input

logger = logging.getLogger("cisreg.genome")

# All are in memory: about 130 bytes each.
MOST_INTERVALS = 1 << 23
_LONGEST_LINE = 1 << 20
_SKIPPED = ("#", "track", "browser")
_NAME, _STRAND, _BED12 = 3, 5, 12
_LARGEST = 2**62
_HEADERS = ("chrom", "chr", "chromosome", "sequence", "seqname", "seqnames", "seqid")
_STRANDS = {"+": "+", "-": "-", ".": None, "": None}


@dataclass
class BedRows:
    """The rows of a BED file, as columns."""

    source: str
    sequence: list[str] = field(default_factory=list)
    start: array[int] = field(default_factory=lambda: array("q"))
    end: array[int] = field(default_factory=lambda: array("q"))
    name: list[str | None] = field(default_factory=list)
    strand: list[str | None] = field(default_factory=list)
    line: array[int] = field(default_factory=lambda: array("q"))
    with_blocks: bool = False


def read_bed_rows(path: PathLike) -> BedRows:
    """Reads the rows of a BED file, see `Intervals.from_bed`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: "file:line: expected …, got …".
    """
    name = "standard input" if os.fspath(path) == STANDARD else os.fspath(path)
    rows = BedRows(name)
    for number, line in _lines(path):
        place = f"{name}:{number}"
        _add(rows, place, line.split("\t") if "\t" in line else line.split())
        rows.line.append(number)
        if len(rows.line) > MOST_INTERVALS:
            raise ValueError(
                f"{place}: expected {MOST_INTERVALS:,} intervals at most, got more; split the file"
            )
    if not rows.line:
        raise ValueError(f"{name}: expected a BED file with intervals, got none; is it whole?")
    if rows.with_blocks:
        logger.info("%s: the blocks of BED12 are not taken apart: intervals are whole", name)
    return rows


def _lines(path: PathLike) -> Iterator[tuple[int, str]]:
    """The lines that have intervals, with their numbers."""
    with open_input(path, longest_line=_LONGEST_LINE) as stream:
        text = io.TextIOWrapper(stream, "utf-8-sig", errors="replace")
        for number, line in enumerate(text, start=1):
            line = line.rstrip("\r\n")
            first = line.split(None, 1)[:1]
            if first and not first[0].startswith("#") and first[0] not in _SKIPPED:
                yield number, line


def _add(rows: BedRows, place: str, fields: list[str]) -> None:
    if len(fields) < 3:
        raise ValueError(
            f"{place}: expected at least the columns sequence, start and end, separated by tabs, "
            f"got {shown(' '.join(fields))}; {_other_form(fields) or 'is it BED?'}"
        )
    sequence, start, end = fields[0].strip(), fields[1].strip(), fields[2].strip()
    if not (is_integer(start) and is_integer(end)):
        raise ValueError(
            f"{place}: expected whole numbers as start and end, got {shown(start)} and "
            f"{shown(end)}; {_other_form(fields) or 'is it BED?'}"
        )
    first, last = int(start), int(end)
    if not 0 <= first < last < _LARGEST:
        raise ValueError(f"{place}: {_wrong_ends(first, last)}")
    name = fields[_NAME].strip() if len(fields) > _NAME else ""
    strand = fields[_STRAND].strip() if len(fields) > _STRAND else ""
    if strand not in _STRANDS:
        raise ValueError(
            f"{place}: expected the strand +, - or . in column 6, got {shown(strand)}; correct it, "
            "or keep the first 3 to 5 columns"
        )
    if not sequence or ACTING.search(sequence) or ACTING.search(name):
        raise ValueError(
            f"{place}: expected names without control characters, got {shown(sequence)} and "
            f"{shown(name)}; rename it"
        )
    rows.sequence.append(sys.intern(sequence))  # one text for all intervals of a sequence
    rows.start.append(first)
    rows.end.append(last)
    rows.name.append(None if name in ("", ".") else name)
    rows.strand.append(_STRANDS[strand])
    rows.with_blocks |= len(fields) >= _BED12 and fields[9].strip() not in ("", "0", "1")


def _wrong_ends(start: int, end: int) -> str:
    got = f"expected 0 <= start < end, got {start:,} to {end:,}"
    if start == end:
        return (
            f"{got}, which has no base; BED counts from 0 and ends are exclusive: if positions "
            "count from 1, subtract 1 from the starts"
        )
    if start > end:
        return f"{got}; exchange them, and give the strand - in column 6 if it was meant"
    return f"{got}; positions count from 0"


def _other_form(fields: list[str]) -> str:
    """What the line may be instead."""
    if fields[0].strip().lower() in _HEADERS:
        return "is it a header line? Remove it, or begin it with #"
    if fields[0].startswith(">"):
        return "is it FASTA?"
    if fields[0].startswith("@"):
        return "is it an interval list of Picard, or SAM? Convert it to BED (positions from 0)"
    if len(fields) >= 5 and is_integer(fields[3].strip()) and is_integer(fields[4].strip()):
        return "is it GFF or GTF? Convert it to BED: subtract 1 from the starts"
    if len(fields) >= 5 and is_integer(fields[1].strip()):
        return "is it VCF, or another table? Convert it to BED: subtract 1 from the positions"
    if len(fields) == 1 and ":" in fields[0] and "-" in fields[0]:
        return "write such places as three columns; of chr1:100-200 the start is 99"
    return ""
