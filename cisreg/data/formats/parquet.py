"""Parquet files: their footers, their row groups whole or in slices."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cisreg.data.formats.columns import Places, default_columns, find_places
from cisreg.data.formats.manifest import Manifest, check_row_count
from cisreg.data.formats.rows import Columns
from cisreg.data.formats.sources import SourceFile, named_faults
from cisreg.data.formats.usable import RawRows

_SLICE_ROWS = 1 << 16
# Of a column that is read in slices, so much compressed data is in memory at once.
_BUFFER = 1 << 20
_TRAILER = 8
_OPEN_AT_ONCE = 16


class ParquetReader:
    """Parquet files of one dataset; a part is a row group.

    Attributes:
        kind: "Parquet".
        files: sorted as they are read.
        columns: that are read.
        names: of all columns of the first file.
        places: where those that are read stand in it.
        group_rows: int64 [G], rows of every row group.
    """

    kind = "Parquet"

    def __init__(
        self,
        files: Sequence[SourceFile],
        columns: Columns | None = None,
        manifest: Manifest | None = None,
        *,
        key: str = "sequence",
    ) -> None:
        self.files = tuple(files)
        with ThreadPoolExecutor(_OPEN_AT_ONCE) as threads:
            self._footers = list(threads.map(_footer, files))
        schemas = [_schema(*pair) for pair in zip(files, self._footers, strict=True)]
        self.columns = columns or _default_columns(self.files[0].name, schemas[0], key)
        self._wanted = [
            _wanted(file.name, schema, self.columns)
            for file, schema in zip(files, schemas, strict=True)
        ]
        self.names = tuple(schemas[0].names)
        self.places = find_places(
            self.files[0].name, self.columns, schemas[0].names, len(self.names)
        )
        if manifest is not None:
            for stated, file, footer in zip(manifest.files, files, self._footers, strict=True):
                check_row_count(stated, file.name, footer.num_rows)
        counts = [_group_rows(*pair) for pair in zip(files, self._footers, strict=True)]
        self.group_rows = np.array([rows for file in counts for rows in file], np.int64)
        # By group: which file, which of its groups, and the row of the file that it begins with.
        self._groups = [
            (file, group, sum(rows[:group]))
            for file, rows in enumerate(counts)
            for group in range(len(rows))
        ]

    @property
    def part_count(self) -> int:
        """G, row groups of all files."""
        return len(self._groups)

    def part_name(self, part: int) -> str:
        """What errors call a row group."""
        file, group, _ = self._groups[part]
        return f"{self.files[file].name}: row group {group}"

    def read(self, part: int) -> Iterator[RawRows]:
        """The rows of a group in slices of at most 65,536.

        Raises:
            FileNotFoundError, ValueError: the file vanished, changed or is damaged; by name.
        """
        file, group, first = self._groups[part]
        expected, start = int(self.group_rows[part]), 0
        with self._open(part, buffer_size=_BUFFER) as parquet:
            for batch in parquet.iter_batches(
                _SLICE_ROWS, row_groups=[group], columns=self._wanted[file], use_threads=False
            ):
                yield self._raw(file, pa.Table.from_batches([batch]), first + start)
                start += batch.num_rows
            self._check_count(part, start, expected)

    def read_whole(self, part: int) -> RawRows:
        """All rows of a group at once; may be called by several threads. Raises as `read`."""
        file, group, first = self._groups[part]
        with self._open(part) as parquet:
            table = parquet.read_row_group(group, columns=self._wanted[file], use_threads=False)
            self._check_count(part, table.num_rows, int(self.group_rows[part]))
            return self._raw(file, table, first)

    def file_identity(self, index: int) -> str:
        """A digest of the file's footer: rows, and where each column's pages are, and statistics.

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

    def _raw(self, file: int, table: pa.Table, first: int) -> RawRows:
        name, wanted = self.files[file].name, self._wanted[file]
        arrays = [_joined(table.column(table.schema.get_field_index(each))) for each in wanted]
        numbers = [_numbers(array) for array in arrays[1:]]
        return RawRows(
            arrays[0],
            numbers[: len(self.columns.expression)],
            None if self.columns.weight is None else numbers[-1],
            lambda row: f"{name}, row {first + row}",
        )

    def _check_count(self, part: int, rows: int, expected: int) -> None:
        if rows != expected:
            raise ValueError(
                f"{self.part_name(part)}: expected {expected} rows as its footer says, got {rows}; "
                "is the file damaged?"
            )


def _footer(file: SourceFile) -> pq.FileMetaData:
    with file.open() as stream:
        return pq.read_metadata(stream)


def _schema(file: SourceFile, footer: pq.FileMetaData) -> pa.Schema:
    with named_faults(file.name):
        schema = footer.schema.to_arrow_schema()
        _ = schema.names  # which are no text in a damaged file
        return schema


def _group_rows(file: SourceFile, footer: pq.FileMetaData) -> list[int]:
    with named_faults(file.name):
        rows = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
    if min(rows, default=0) < 0 or sum(rows) != footer.num_rows or sum(rows) >= 1 << 62:
        raise ValueError(
            f"{file.name}: expected row groups of {footer.num_rows} rows together, got {sum(rows)};"
            " is the file damaged?"
        )
    return rows


def _default_columns(name: str, schema: pa.Schema, key: str) -> Columns:
    columns = default_columns(name, schema.names, key=key)
    numeric = [
        column
        for column in columns.expression
        if isinstance(column, str) or _is_number(schema.field(column).type)
    ]
    return Columns(columns.sequence, tuple(numeric), columns.weight)


def _wanted(name: str, schema: pa.Schema, columns: Columns) -> list[str]:
    """The names of the columns that are read, of types that can be."""
    places: Places = find_places(name, columns, schema.names, len(schema))
    fields = [schema.field(position) for position in places.all]
    names = [field.name for field in fields]
    for field in fields:
        if schema.names.count(field.name) > 1:
            raise ValueError(f"{name}: expected one column named {field.name!r}, got several")
    kinds = [field.type for field in fields]
    if not _is_text(kinds[0]):
        raise ValueError(
            f"{name}: expected text in the column {names[0]!r} of the sequence, got {kinds[0]}"
        )
    for column, kind in zip(names[1:], kinds[1:], strict=True):
        if not (_is_number(kind) or pa.types.is_null(kind) or _is_text(kind)):
            raise ValueError(f"{name}: expected numbers in the column {column!r}, got {kind}")
    return names


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _joined(column: pa.ChunkedArray) -> pa.Array:
    """One array; of text bytes, since Parquet does not promise that text is UTF-8."""
    if _is_text(column.type):
        # Offsets of 64 bits hold any number of bases.
        column = column.cast(pa.large_binary())
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _numbers(array: pa.Array) -> pa.Array:
    # As strings again, without a look at their letters: that comes with reading the numbers.
    return array.view(pa.large_string()) if _is_text(array.type) else array
