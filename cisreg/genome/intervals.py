"""Intervals of a genome: from a BED file, or a table of pandas or Arrow."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from cisreg.genome.bed import read_bed_rows
from cisreg.genome.sequence_files import PathLike
from cisreg.genome.source import unknown_name
from cisreg.names import check_shown

logger = logging.getLogger("cisreg.genome")

# Names of columns, in lower case and without underscores, for each thing that they hold.
_COLUMNS = {
    "sequence": ("sequence", "chrom", "chromosome", "chr", "seqname", "seqnames", "seqid"),
    "start": ("start", "chromstart"),
    "end": ("end", "chromend"),
    "name": ("name", "region", "id"),
    "strand": ("strand",),
}
_REQUIRED = ("sequence", "start", "end")
_STRANDS = {"+": "+", "-": "-", ".": None, "": None, None: None}


@dataclass(frozen=True, eq=False)
class Intervals:
    """Intervals of sequences, counted from 0, the end exclusive, as in BED.

    They are kept as they are given: in their order, overlapping or not.

    Attributes:
        sequence: name of the sequence of each interval.
        start: int64 [N], position of its first base.
        end: int64 [N], position after its last one.
        name: its name; "chrI:100-200" where it has none, with the positions as in BED.
        strand: "+", "-" or None.
        source: where they come from, for errors.
        line: int64 [N], their lines in that file; or their rows in a table, from 0.

    Example:
        >>> peaks = Intervals.from_table({"chrom": ["chrI"], "start": [100], "end": [200]})
        >>> len(peaks), peaks.name
        (1, ('chrI:100-200',))
    """

    sequence: tuple[str, ...]
    start: np.ndarray
    end: np.ndarray
    name: tuple[str, ...]
    strand: tuple[str | None, ...]
    source: str
    line: np.ndarray

    def __len__(self) -> int:
        """The number of intervals."""
        return len(self.sequence)

    @property
    def total(self) -> int:
        """Bases of all intervals; those that several have count several times."""
        return int((self.end - self.start).sum())

    @classmethod
    def from_bed(cls, path: PathLike) -> Intervals:
        """Reads a BED file.

        Columns are separated by tabs, or by blanks in files without tabs: sequence, start, end and,
        if they are there, name (4th) and strand (6th). Others are not used; the blocks of BED12 are
        not taken apart. Lines that are blank or begin with #, `track` or `browser` are skipped.

        Args:
            path: the file, plain or compressed; "-" is standard input.

        Raises:
            FileNotFoundError: no such file.
            ValueError: "file:line: expected …, got …": too few columns, no numbers, a reversed or
                empty interval, a header line, an unknown strand.
        """
        rows = read_bed_rows(path)
        return cls(
            *(tuple(rows.sequence), np.array(rows.start, np.int64), np.array(rows.end, np.int64)),
            *(_with_names(rows.sequence, rows.start, rows.end, rows.name), tuple(rows.strand)),
            *(rows.source, np.array(rows.line, np.int64)),
        )

    @classmethod
    def from_table(cls, table: Any) -> Intervals:
        """Takes intervals from a table.

        Args:
            table: a frame of pandas, a table of Arrow, or columns by name. Its columns, in any
                case: sequence (or chrom, chromosome, chr, seqname), start (chromStart), end
                (chromEnd) and, if they are there, name (region, id) and strand. Positions count
                from 0, ends are exclusive.

        Raises:
            ValueError: a column is missing or there twice, or a value that is no position, a
                reversed or empty interval, an unknown strand; the message shows the row.

        Example:
            >>> Intervals.from_table({"chrom": ["1"], "start": [5], "end": [9]}).total
            4
        """
        columns = _columns(table)
        sequence = tuple(str(each) for each in columns["sequence"])
        start, end = (_positions(name, columns[name]) for name in ("start", "end"))
        names = columns.get("name", [None] * len(sequence))
        shown_names = [None if _is_missing(each) else str(each) for each in names]
        strands = _strands(columns.get("strand", [None] * len(sequence)))
        rows = np.arange(len(sequence))
        intervals = cls(
            *(sequence, start, end, _with_names(sequence, start, end, shown_names), strands),
            *("table", rows),
        )
        check_shown("table", {*sequence, *intervals.name})
        wrong = np.flatnonzero((start < 0) | (start >= end))
        if len(wrong):
            row = wrong[0]
            raise ValueError(
                f"{intervals.place(row)}: expected 0 <= start < end, got {start[row]:,} to "
                f"{end[row]:,}; correct or remove it"
            )
        return intervals

    def place(self, index: int) -> str:
        """Where an interval is written, for errors: "file:line", or "table: row 5"."""
        between = ": row " if self.source == "table" else ":"
        return f"{self.source}{between}{self.line[index]}"

    def sorted(self, names: Sequence[str]) -> Intervals:
        """The intervals in the order of the genome's sequences, then of start and end.

        Args:
            names: names of the sequences in their order.
        """
        rank = {name: number for number, name in enumerate(names)}
        ranks = np.array([rank.get(each, len(rank)) for each in self.sequence], np.int64)
        order = np.lexsort((self.end, self.start, ranks))
        return replace(
            self,
            sequence=tuple(self.sequence[i] for i in order),
            start=self.start[order],
            end=self.end[order],
            name=tuple(self.name[i] for i in order),
            strand=tuple(self.strand[i] for i in order),
            line=self.line[order],
        )

    def check(self, lengths: Mapping[str, int]) -> None:
        """Checks that all are within the sequences of a genome.

        Args:
            lengths: bases of each sequence by its name.

        Raises:
            ValueError: "file:line: …": a sequence that the genome has not, or an end behind that of
                the sequence.
        """
        for name in dict.fromkeys(self.sequence):
            if name not in lengths:
                place = self.place(self.sequence.index(name))
                raise ValueError(f"{place}: {unknown_name(name, lengths)}")
        length = np.array([lengths[name] for name in self.sequence], np.int64)
        beyond = np.flatnonzero(self.end > length)
        if len(beyond):
            row = int(beyond[0])
            raise ValueError(f"{self.place(row)}: {self._beyond(row, int(length[row]))}")

    def _beyond(self, row: int, length: int) -> str:
        text = (
            f"expected an end within {self.sequence[row]}, which has {length:,} bases, got "
            f"{self.start[row]:,} to {self.end[row]:,}"
        )
        if self.end[row] == length + 1 and self.start.min() > 0:
            return f"{text}; if positions count from 1, subtract 1 from the starts (BED is from 0)"
        return f"{text}; is it of another assembly of the genome?"

    def __iter__(self) -> Iterator[tuple[str, int, int, str, str | None]]:
        """Sequence, start, end, name and strand of each interval."""
        return zip(
            *(self.sequence, self.start.tolist(), self.end.tolist(), self.name, self.strand),
            strict=True,
        )


def _with_names(
    sequence: Sequence[str], start: Any, end: Any, name: Sequence[str | None]
) -> tuple[str, ...]:
    rows = zip(sequence, start, end, name, strict=True)
    return tuple(given or f"{where}:{first}-{last}" for where, first, last, given in rows)


def _columns(table: Any) -> dict[str, list[Any]]:
    """The columns that are used, by what they hold."""
    if isinstance(table, pa.Table):
        table = table.to_pydict()
    elif not isinstance(table, Mapping) and not hasattr(table, "columns"):
        raise TypeError(
            "intervals: expected a BED file, or a table with the columns sequence, start and end, "
            f"got {type(table).__name__}"
        )
    present = list(table) if isinstance(table, Mapping) else list(table.columns)
    found: dict[str, list[Any]] = {}
    for role, usual in _COLUMNS.items():
        matches = [each for each in present if str(each).lower().replace("_", "") in usual]
        if len(matches) > 1 or (not matches and role in _REQUIRED):
            raise ValueError(
                f"table: expected one column for the {role} (such as {', '.join(usual[:2])}), got "
                f"{matches or present}; rename the columns"
            )
        if matches:
            found[role] = list(table[matches[0]])
    if len(set(map(len, found.values()))) > 1:
        raise ValueError("table: expected columns of one length, got several lengths")
    return found


def _positions(column: str, values: list[Any]) -> np.ndarray:
    for row, value in enumerate(values):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or not -(2**62) < int(value) < 2**62:
            raise ValueError(
                f"table: row {row}: expected a whole number as {column}, got {value!r}; give "
                "positions from 0 as integers"
            )
    return np.array(values, np.int64).reshape(-1)


def _strands(values: list[Any]) -> tuple[str | None, ...]:
    strands: list[str | None] = []
    for row, value in enumerate(values):
        value = None if _is_missing(value) else value
        if value not in _STRANDS:
            raise ValueError(f"table: row {row}: expected the strand +, - or ., got {value!r}")
        strands.append(_STRANDS[value])
    return tuple(strands)


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or value == "." or value != value
