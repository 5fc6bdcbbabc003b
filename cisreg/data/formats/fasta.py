"""FASTA files, joined by name with a table of measurements."""

from __future__ import annotations

import io
import itertools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from cisreg.data.formats.columns import Places
from cisreg.data.formats.parquet import ParquetReader
from cisreg.data.formats.recognition import FASTA, PARQUET, TABLE, Start
from cisreg.data.formats.rows import Columns, Unusable
from cisreg.data.formats.sources import SourceFile, WholeFiles
from cisreg.data.formats.text_reader import TableReader
from cisreg.data.formats.usable import Fault, RawRows, check_rows, logger, to_text
from cisreg.limits import LONGEST_RECORD
from cisreg.names import first_word
from cisreg.streams import bounded

_BLOCK_BASES = 1 << 22
_BLOCK_RECORDS = 1 << 16
_PARTS = 1 << 12  # lines that are joined at a time: they may be short
# Blank lines, and lines that begin with one of these, are skipped.
_COMMENTS = ("", "#", ";")
_UNMEASURED = "no measurement of that name"
_TWICE = "a name that is there twice"


class _Record(NamedTuple):
    """A record: its header without the >, its sequence, the line number of its header."""

    name: str
    sequence: str
    line: int


@dataclass(frozen=True)
class Measurements:
    """The measurements by name, all in memory: about 150 bytes a row.

    Attributes:
        file: the file that they come from.
        row: row of each name; -1 for a name that the table has twice.
        expression: float32 [M, K], NaN for anything that is not a finite number.
        weight: float32 [M], or None.
        extra: further columns by name, Arrow arrays [M].
        columns: the columns that were read.
        places: their positions.
        described: all columns with a value of each, for errors.
    """

    file: SourceFile
    row: dict[str, int]
    expression: np.ndarray
    weight: np.ndarray | None
    extra: dict[str, pa.Array]
    columns: Columns
    places: Places
    described: str


def read_measurements(
    start: Start,
    asked: Columns,
    *,
    strict: bool,
    decimal_comma: bool = False,
    partly_measured: bool = False,
    exposure: bool = False,
) -> Measurements:
    """Reads a table with the columns name, expression and, if there is one, weight.

    Args:
        start: beginning of a table as text or Parquet.
        asked: the column of each role; the name is found by usual names if it is not given.
        strict: whether a name that occurs twice, or a row without finite numbers, is an error.
        decimal_comma: whether numbers in text have a decimal comma.
        partly_measured: see `cisreg.data.formats.usable.check_rows`.
        exposure: see there.

    Raises:
        ValueError: "file:line: expected …, got …; …" under strict; columns that are missing or not
            clear; a file that is not a table.
    """
    reader = _table_reader(start, asked, decimal_comma)
    places = reader.places
    unusable, row = Unusable(), dict[str, int]()
    expression: list[np.ndarray] = [np.empty((0, len(places.expression)), np.float32)]
    weight: list[np.ndarray] = [np.empty(0, np.float32)]
    extra: dict[str, list[pa.Array]] = {name: [] for name in places.extra_names}
    for part in range(reader.part_count):
        for raw in reader.read(part):
            checked, usable = check_rows(
                *(raw, Unusable()),
                strict=strict,
                letters=False,
                partly_measured=partly_measured,
                exposure=exposure,
            )
            wrong = ~usable if checked.weight is None else ~usable & (checked.weight >= 0)
            # What is neither a number nor missing cannot be told from these later.
            checked.expression[wrong] = np.nan
            for fault in raw.faults:
                unusable.add(fault.reason, 1, fault.place)
            _add_names(raw, row, sum(map(len, expression)), strict=strict)
            expression.append(checked.expression)
            if checked.weight is not None:
                weight.append(checked.weight)
            for name, arrays in extra.items():
                arrays.append(checked.extra[name])
    if unusable.count:
        logger.warning("%s: rows were left out: %s", start.file.name, unusable)
    return Measurements(
        start.file,
        row,
        np.concatenate(expression),
        None if places.weight is None else np.concatenate(weight),
        {name: pa.concat_arrays(arrays) for name, arrays in extra.items() if arrays},
        *(reader.columns, places, reader.described),
    )


def _table_reader(start: Start, asked: Columns, decimal_comma: bool) -> ParquetReader | TableReader:
    if asked.sequence is not None:
        raise ValueError(
            "columns: expected no sequence, which is in the FASTA file, got "
            f"{asked.sequence!r}; the column with the names of the records is name"
        )
    asked = replace(asked, name=asked.name or True)
    if start.kind == PARQUET:
        return ParquetReader([start], asked, key="name")
    if start.kind == TABLE:
        return TableReader([start], asked, key="name", decimal_comma=decimal_comma)
    raise ValueError(f"{start.file.name}: expected a table of measurements, got {start.kind}")


def _add_names(raw: RawRows, row: dict[str, int], first: int, *, strict: bool) -> None:
    for index, value in enumerate(to_text(raw.sequence).to_pylist()):
        name = value.strip()
        if name not in row:
            row[name] = first + index
            continue
        if strict:
            raise ValueError(
                f"{raw.place(index)}: expected every name once, got {name!r} again; correct or "
                "remove it"
            )
        row[name] = -1


class FastaReader(WholeFiles):
    """FASTA files of one dataset; each file is a part.

    Args:
        files: the files, in the order of reading.
        measurements: measurements of the records, or None.
        named: whether the names of the records are read; a name is the first word of a header.

    Attributes:
        kind: "FASTA".
        files: the files, in the order of reading.
        columns: the columns of the measurements that are read, including the names of the records.
        places: their positions.
        described: all columns, for errors.
        measurements: measurements of the records, or None.
    """

    kind = FASTA

    def __init__(
        self, files: Sequence[SourceFile], measurements: Measurements | None, *, named: bool = False
    ) -> None:
        super().__init__(files)
        self.measurements = measurements
        self._named = named
        if measurements is None:
            self.columns = Columns(expression=(), weight=False, name=named)
            self.places = Places(0, (), None, None, (), (), ())
            self.described = "names and sequences"
        else:
            self.columns, self.places = measurements.columns, measurements.places
            self.described = measurements.described
        self._uses: np.ndarray | None = None
        self._counting = threading.Lock()

    def read(self, part: int) -> Iterator[RawRows]:
        """The records of a file, about 4 MB at a time.

        A record without a measurement is a fault, and so is one whose name occurs twice among the
        records or the measurements.

        Raises:
            FileNotFoundError, ValueError: the file was removed or is damaged; the message names it.
        """
        file = self.files[part]
        for records in _records(file):
            if self.measurements is None:
                yield self._raw(file, records)
            else:
                yield from self._joined(file, records, self.measurements)

    def _joined(
        self, file: SourceFile, records: list[_Record], measured: Measurements
    ) -> Iterator[RawRows]:
        uses = self._use_counts(measured)
        kept: list[_Record] = []
        faults: list[Fault] = []
        for record in records:
            row = measured.row.get(first_word(record.name))
            if row is not None and row >= 0 and uses[row] == 1:
                kept.append(record)
                continue
            if not faults:
                # Yield the rows before the first fault, so that strict reports the first problem.
                yield self._measured(file, kept, measured)
                kept = []
            faults.append(_fault(_place(file, record), record, row, measured))
        yield self._measured(file, kept, measured, faults)

    def _measured(
        self,
        file: SourceFile,
        records: list[_Record],
        measured: Measurements,
        faults: Sequence[Fault] = (),
    ) -> RawRows:
        rows = np.array([measured.row[first_word(each.name)] for each in records], np.int64)
        index = pa.array(rows)
        return replace(
            self._raw(file, records),
            expression=[pa.array(column) for column in measured.expression[rows].T],
            weight=None if measured.weight is None else pa.array(measured.weight[rows]),
            faults=faults,
            extra={name: array.take(index) for name, array in measured.extra.items()},
        )

    def _raw(self, file: SourceFile, records: list[_Record]) -> RawRows:
        sequence = pa.array([record.sequence for record in records], pa.large_string())
        name = None
        if self._named:
            words = [first_word(record.name) for record in records]
            name = pa.array(words, pa.large_string())
        lines = np.array([record.line for record in records], np.int64)
        place = lambda row: _place(file, records[row])  # noqa: E731
        return RawRows(sequence, [], None, place, name=name, number=lines)

    def _use_counts(self, measured: Measurements) -> np.ndarray:
        """Number of records for each row of the measurements, over all files."""
        with self._counting:
            if self._uses is None:
                uses = np.zeros(len(measured.expression), np.int64)
                for file in self.files:
                    for records in _records(file):
                        found = (measured.row.get(first_word(each.name), -1) for each in records)
                        np.add.at(uses, [row for row in found if row >= 0], 1)
                unused = int((uses == 0).sum())
                if unused:
                    logger.info(
                        "%s: %d of %d rows are of no record", measured.file.name, unused, len(uses)
                    )
                self._uses = uses
        return self._uses


def _place(file: SourceFile, record: _Record) -> str:
    return f"{file.name}:{record.line} ({first_word(record.name)})"


def _fault(place: str, record: _Record, row: int | None, measured: Measurements) -> Fault:
    name = first_word(record.name)
    if row is None:
        message = f"expected a measurement of that name in {measured.file.name}, got none"
        return Fault(place, _UNMEASURED, f"{message}; add it, or remove the record")
    where = "the measurements" if row < 0 else "the records"
    message = f"expected every name once, got {name!r} twice among {where}"
    return Fault(place, _TWICE, f"{message}; give each its own")


def _records(file: SourceFile) -> Iterator[list[_Record]]:
    """The records of a file, in blocks."""
    with file.open_text(LONGEST_RECORD) as text:
        stream = bounded(text, file.name, "record", LONGEST_RECORD, b"\n>")
        # Decoded here: a header may contain bytes that are not UTF-8, which are replaced.
        lines = io.TextIOWrapper(stream, "utf-8-sig", errors="replace")
        records = _parsed(file.name, lines)
        while block := _block(records):
            yield block


def _parsed(place: str, lines: io.TextIOWrapper) -> Iterator[_Record]:
    name, begin = "", 0
    joined, parts = list[str](), list[str]()
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text.startswith(">"):
            if begin:
                yield _Record(name, "".join((*joined, *parts)), begin)
            name, begin, joined, parts = text[1:], number, [], []
        elif begin and text[:1] not in _COMMENTS:
            parts.append(text)
            if len(parts) == _PARTS:
                joined.append("".join(parts))
                parts.clear()
        elif text[:1] not in _COMMENTS:
            raise ValueError(
                f"{place}:{number}: is not FASTA: expected a header that begins with >, got "
                f"{text[:60]!r}"
            )
    if begin:
        yield _Record(name, "".join((*joined, *parts)), begin)


def _block(records: Iterator[_Record]) -> list[_Record]:
    block, bases = [], 0
    for record in itertools.islice(records, _BLOCK_RECORDS):
        block.append(record)
        bases += len(record.name) + len(record.sequence)
        if bases >= _BLOCK_BASES:
            break
    return block
