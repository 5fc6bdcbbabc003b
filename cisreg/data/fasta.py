"""FASTA, and a table of what was measured for its records, joined by their names."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from cisreg.data.parquet import ParquetReader
from cisreg.data.rows import Columns, Unusable
from cisreg.data.sources import SourceFile
from cisreg.data.text_reader import TableReader
from cisreg.data.usable import Fault, RawRows, check_rows, logger

_BLOCK_BASES = 1 << 22
_BLOCK_RECORDS = 1 << 16
_UNMEASURED = "no measurement of that name"
_TWICE = "a name that is there twice"


@dataclass(frozen=True)
class Measurements:
    """What was measured, by name, all of it in memory: some 150 bytes a row.

    Attributes:
        file: where it is from.
        row: of each name; -1 for a name that the table has twice.
        expression: float32 [M, K], NaN where there is no finite number.
        weight: float32 [M], or None.
        names: of the columns of the expression.
        columns: names of all columns.
        read: those that were read, the name as `sequence`.
    """

    file: SourceFile
    row: dict[str, int]
    expression: np.ndarray
    weight: np.ndarray | None
    names: tuple[str, ...]
    columns: tuple[str, ...]
    read: Columns


def read_measurements(
    file: SourceFile, columns: Columns | None, *, is_parquet: bool, strict: bool
) -> Measurements:
    """Reads a table with the columns name, expression and, where there is one, weight.

    Args:
        file: TSV, CSV or Parquet.
        columns: which hold what, `sequence` being the name; None: found as `default_columns` does.
        is_parquet: whether it is Parquet.
        strict: whether a name that is there twice, or a row without finite numbers, is an error.

    Raises:
        ValueError: "file:line: expected …, got …; …" under strict; columns that are not there.
    """
    reader: ParquetReader | TableReader
    reader = (ParquetReader if is_parquet else TableReader)([file], columns, key="name")
    unusable, row = Unusable(), dict[str, int]()
    expression: list[np.ndarray] = [np.empty((0, len(reader.places.expression)), np.float32)]
    weight: list[np.ndarray] = [np.empty(0, np.float32)]
    for part in range(reader.part_count):
        for raw in reader.read(part):
            checked = check_rows(raw, Unusable(), strict=strict, letters=False)
            for fault in raw.faults:
                unusable.add(fault.reason, 1, fault.place)
            _add_names(raw, row, sum(map(len, expression)), strict=strict)
            expression.append(checked.expression)
            if checked.weight is not None:
                weight.append(checked.weight)
    if unusable.count:
        logger.warning("%s: rows were left out: %s", file.name, unusable)
    return Measurements(
        file,
        row,
        np.concatenate(expression),
        None if reader.places.weight is None else np.concatenate(weight),
        reader.places.names,
        reader.names or (),
        reader.columns,
    )


def _add_names(raw: RawRows, row: dict[str, int], first: int, *, strict: bool) -> None:
    for index, value in enumerate(raw.sequence.cast(pa.large_binary()).to_pylist()):
        name = (value or b"").decode("utf-8", "replace").strip()
        if name not in row:
            row[name] = first + index
            continue
        if strict:
            raise ValueError(
                f"{raw.place(index)}: expected every name once, got {name!r} again; correct or "
                "remove it"
            )
        row[name] = -1


class FastaReader:
    """FASTA files of one dataset; a part is a file.

    Attributes:
        kind: "FASTA".
        files: sorted as they are read.
        measurements: of their records, or None.
    """

    kind = "FASTA"

    def __init__(self, files: Sequence[SourceFile], measurements: Measurements | None) -> None:
        self.files = tuple(files)
        self.measurements = measurements
        self._uses: np.ndarray | None = None
        self._counting = threading.Lock()

    @property
    def part_count(self) -> int:
        """Number of files."""
        return len(self.files)

    def part_name(self, part: int) -> str:
        """What errors call a file."""
        return self.files[part].name

    def read(self, part: int) -> Iterator[RawRows]:
        """The records of a file, about 4 MB at once.

        A record without a measurement, or whose name another record or measurement has as well,
        is a fault.

        Raises:
            FileNotFoundError, ValueError: the file vanished or is damaged; by name.
        """
        file = self.files[part]
        first = 1
        for records in _records(file):
            if self.measurements is None:
                yield _raw(file, records, range(first, first + len(records)))
            else:
                yield from self._joined(file, records, first, self.measurements)
            first += len(records)

    def _joined(
        self, file: SourceFile, records: list[Any], first: int, measured: Measurements
    ) -> Iterator[RawRows]:
        uses = self._use_counts(measured)
        kept: list[int] = []
        faults: list[Fault] = []
        for index, record in enumerate(records):
            row = measured.row.get(_first_word(record.name))
            if row is not None and row >= 0 and uses[row] == 1:
                kept.append(index)
                continue
            if not faults:
                # Those before the first fault, so that whoever is strict finds it in its place.
                yield _measured(file, records, first, kept, measured)
                kept = []
            faults.append(_fault(_place(file, record, first + index), record, row, measured))
        yield _measured(file, records, first, kept, measured, faults)

    def _use_counts(self, measured: Measurements) -> np.ndarray:
        """How many records there are for each row of the measurements, over all files."""
        with self._counting:
            if self._uses is None:
                uses = np.zeros(len(measured.expression), np.int64)
                for file in self.files:
                    for records in _records(file):
                        found = (measured.row.get(_first_word(each.name), -1) for each in records)
                        np.add.at(uses, [row for row in found if row >= 0], 1)
                unused = int((uses == 0).sum())
                if unused:
                    logger.info(
                        "%s: %d of %d rows are of no record", measured.file.name, unused, len(uses)
                    )
                self._uses = uses
        return self._uses


def _first_word(header: str) -> str:
    return header.split(None, 1)[0] if header.strip() else ""


def _place(file: SourceFile, record: Any, number: int) -> str:
    return f"{file.name}: record {number} ({_first_word(record.name)})"


def _fault(place: str, record: Any, row: int | None, measured: Measurements) -> Fault:
    name = _first_word(record.name)
    if row is None:
        message = f"expected a measurement of that name in {measured.file.name}, got none"
        return Fault(place, _UNMEASURED, f"{message}; add it, or remove the record")
    where = "the measurements" if row < 0 else "the records"
    message = f"expected every name once, got {name!r} twice among {where}"
    return Fault(place, _TWICE, f"{message}; give each its own")


def _measured(
    file: SourceFile,
    records: list[Any],
    first: int,
    kept: list[int],
    measured: Measurements,
    faults: Sequence[Fault] = (),
) -> RawRows:
    chosen = [records[index] for index in kept]
    rows = np.array([measured.row[_first_word(each.name)] for each in chosen], np.int64)
    raw = _raw(file, chosen, [first + index for index in kept])
    expression = [pa.array(column) for column in measured.expression[rows].T]
    weight = None if measured.weight is None else pa.array(measured.weight[rows])
    return RawRows(raw.sequence, expression, weight, raw.place, faults)


def _raw(file: SourceFile, records: list[Any], numbers: Sequence[int]) -> RawRows:
    sequence = pa.array([record.sequence for record in records], pa.large_string())
    return RawRows(sequence, [], None, lambda row: _place(file, records[row], numbers[row]))


def _records(file: SourceFile) -> Iterator[list[Any]]:
    """The records of a file as dnaio has them, in blocks."""
    import dnaio

    try:
        with file.open_text() as stream, dnaio.open(stream, fileformat="fasta") as reader:
            records = iter(reader)
            while block := _block(records):
                yield block
    except dnaio.FileFormatError as error:
        place = file.name if error.line is None else f"{file.name}:{error.line + 1}"
        raise ValueError(f"{place}: is no FASTA: {error.message}") from None


def _block(records: Iterator[Any]) -> list[Any]:
    block, bases = [], 0
    for record in itertools.islice(records, _BLOCK_RECORDS):
        block.append(record)
        bases += len(record.sequence)
        if bases >= _BLOCK_BASES:
            break
    return block
