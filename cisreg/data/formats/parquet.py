"""Reads Parquet files: footers, and row groups as a whole or in slices."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cisreg.data.formats.columns import Key, Places, TableStart, find_columns, resolved
from cisreg.data.formats.manifest import Manifest, check_row_count
from cisreg.data.formats.recognition import PARQUET, Start
from cisreg.data.formats.rows import Columns
from cisreg.data.formats.sources import SourceFile, named_faults
from cisreg.data.formats.usable import (
    RawRows,
    as_numbers,
    as_text,
    check_types,
    is_number,
    is_text,
    joined,
    to_text,
)

_SLICE_ROWS = 1 << 16
# Bytes of compressed data of a column in memory while it is read in slices.
_BUFFER = 1 << 20
_TRAILER = 8
_SAMPLE_ROWS = 200


class ParquetReader:
    """Parquet files of one dataset; each row group is a part.

    Args:
        starts: beginnings of the files, in the order of reading.
        asked: which columns to read; those found in the first file are read from all files.
        manifest: manifest of the files, or None.
        key: what identifies a row: its "sequence", or the "name" of a record that was measured.

    Attributes:
        kind: "Parquet".
        files: the files, in the order of reading.
        columns: the columns that are read.
        places: their positions in the first file.
        group_rows: int64 [G], rows of every row group.
        unread_parts: see `TableStart.unread_parts`.
    """

    kind = PARQUET

    def __init__(
        self,
        starts: Sequence[Start],
        asked: Columns,
        manifest: Manifest | None = None,
        *,
        key: Key = "sequence",
    ) -> None:
        self.files = files = tuple(start.file for start in starts)
        footers = [start.footer for start in starts]
        self._footers = [footer for footer in footers if footer is not None]
        self._files = [_File(*pair) for pair in zip(files, self._footers, strict=True)]
        self._start = self._files[0].start
        self._places = []
        for each in self._files:
            places = find_columns(each.start, asked, key)
            each.check(places)
            self._places.append(places)
            asked = asked if len(self._places) > 1 else resolved(each.start, places, key)
        self.columns, self.places = asked, self._places[0]
        self.unread_parts = self._start.unread_parts(self.places)
        if manifest is not None:
            for stated, file, footer in zip(manifest.files, files, self._footers, strict=True):
                check_row_count(stated, file.name, footer.num_rows)
        counts = [_group_rows(*pair) for pair in zip(files, self._footers, strict=True)]
        self.group_rows = np.array([rows for file in counts for rows in file], np.int64)
        # For each group: its file, its number in the file, and its first row in the file.
        self._groups = [
            (file, group, sum(rows[:group]))
            for file, rows in enumerate(counts)
            for group in range(len(rows))
        ]

    @property
    def described(self) -> str:
        """All columns of the first file with a value of each, for errors."""
        return self._start.described()

    @property
    def part_count(self) -> int:
        """G, the number of row groups of all files."""
        return len(self._groups)

    def file_name(self, part: int) -> str:
        """The name of the file of a row group."""
        return self.files[self._groups[part][0]].name

    def part_name(self, part: int) -> str:
        """The name of a row group in errors."""
        file, group, _ = self._groups[part]
        return f"{self.files[file].name}: row group {group}"

    def read(self, part: int) -> Iterator[RawRows]:
        """The rows of a group in slices of at most 65,536.

        Raises:
            FileNotFoundError, ValueError: the file was removed, changed or is damaged; the message
                names it.
        """
        file, group, first = self._groups[part]
        expected, start = int(self.group_rows[part]), 0
        with self._open(part, buffer_size=_BUFFER) as parquet:
            for batch in parquet.iter_batches(
                _SLICE_ROWS, row_groups=[group], columns=self._wanted(file), use_threads=False
            ):
                yield self._raw(file, pa.Table.from_batches([batch]), first + start)
                start += batch.num_rows
            self._check_count(part, start, expected)

    def read_whole(self, part: int) -> RawRows:
        """All rows of a group at once; may be called by several threads. Raises like `read`."""
        file, group, first = self._groups[part]
        with self._open(part) as parquet:
            table = parquet.read_row_group(group, columns=self._wanted(file), use_threads=False)
            self._check_count(part, table.num_rows, int(self.group_rows[part]))
            return self._raw(file, table, first)

    def file_identity(self, index: int) -> str:
        """A checksum of the file's footer: rows, positions of each column's pages, statistics.

        Raises:
            FileNotFoundError, ValueError: as `read`.
        """
        with self.files[index].open() as stream:
            size = stream.size()
            stream.seek(size - _TRAILER)
            length = int.from_bytes(stream.read(_TRAILER)[:4], "little")
            stream.seek(max(size - _TRAILER - length, 0))
            return hashlib.sha256(stream.read()).hexdigest()

    @contextmanager
    def _open(self, part: int, buffer_size: int = 0) -> Iterator[pq.ParquetFile]:
        index, _, _ = self._groups[part]
        file = self.files[index]
        with file.open() as stream, named_faults(self.part_name(part)):
            if stream.size() != file.size:
                raise ValueError(
                    f"{file.name}: expected {file.size} bytes as when it was opened, got "
                    f"{stream.size()}; open the dataset again"
                )
            yield pq.ParquetFile(
                stream,
                metadata=self._footers[index],
                buffer_size=buffer_size,
                pre_buffer=not file.is_local,
                page_checksum_verification=True,
            )

    def _wanted(self, file: int) -> list[str]:
        names = self._files[file].start.names
        assert names is not None  # columns of Parquet have names
        return [names[position] for position in self._places[file].all]

    def _raw(self, file: int, table: pa.Table, first: int) -> RawRows:
        name, places = self.files[file].name, self._places[file]
        found = {
            position: joined(table.column(table.schema.get_field_index(column)))
            for position, column in zip(places.all, self._wanted(file), strict=True)
        }
        return RawRows(
            found[places.key],
            [as_numbers(found[each]) for each in places.expression],
            None if places.weight is None else as_numbers(found[places.weight]),
            lambda row: f"{name}, row {first + row}",
            name=None if places.name is None else found[places.name],
            extra={
                each: as_text(found[at])
                for each, at in zip(places.extra_names, places.extra, strict=True)
            },
            number=np.arange(first, first + table.num_rows),
        )

    def _check_count(self, part: int, rows: int, expected: int) -> None:
        if rows != expected:
            raise ValueError(
                f"{self.part_name(part)}: expected {expected} rows as its footer says, got {rows}; "
                "is the file damaged?"
            )


class _File:
    """The columns of one file and its first rows."""

    def __init__(self, file: SourceFile, footer: pq.FileMetaData) -> None:
        self._file, self._footer = file, footer
        with named_faults(file.name):
            self._schema = footer.schema.to_arrow_schema()
            names = tuple(self._schema.names)  # fails in a damaged file, where they are not text
        self._sample: pa.Table | None = None
        self.start = TableStart(file.name, names, len(names), self._values)

    def _values(self, column: int) -> list[str]:
        """The first values of a column as text; the file is read at the first call."""
        if self._sample is None:
            with self._file.open() as stream:
                parquet = pq.ParquetFile(stream, metadata=self._footer, buffer_size=_BUFFER)
                batches = parquet.iter_batches(_SAMPLE_ROWS, use_threads=False)
                batch = next(batches, None)
                empty = self._schema.empty_table()
                self._sample = empty if batch is None else pa.Table.from_batches([batch])
        kind = self._schema.field(column).type
        if not (is_text(kind) or is_number(kind) or pa.types.is_null(kind)):
            return [f"of type {kind}"]
        values = to_text(joined(self._sample.column(column))).to_pylist()
        # A column of a number type holds numbers, even if its first values are missing.
        return values if any(values) or not is_number(kind) else ["0"]

    def check(self, places: Places) -> None:
        """Raises ValueError for a column that occurs twice or has a type that cannot be read."""
        names, name = self._schema.names, self._file.name
        for position in places.all:
            if names.count(names[position]) > 1:
                raise ValueError(
                    f"{name}: expected one column named {names[position]!r}, got several"
                )
        check_types(name, places, [(field.name, field.type) for field in self._schema])


def _group_rows(file: SourceFile, footer: pq.FileMetaData) -> list[int]:
    with named_faults(file.name):
        rows = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
    if min(rows, default=0) < 0 or sum(rows) != footer.num_rows or sum(rows) >= 1 << 62:
        raise ValueError(
            f"{file.name}: expected row groups of {footer.num_rows} rows together, got {sum(rows)};"
            " is the file damaged?"
        )
    return rows
