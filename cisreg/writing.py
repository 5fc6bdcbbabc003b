"""Writing of tables, batch after batch, as text or Parquet."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv
import pyarrow.parquet

from cisreg.files import replace_file
from cisreg.names import check_shown, join_fields
from cisreg.streams import STANDARD, open_output

ENDINGS = (".tsv", ".tsv.gz", ".csv", ".csv.gz", ".parquet")

Columns = Mapping[str, "np.ndarray | pa.Array"]


def check_ending(path: str | os.PathLike[str]) -> str:
    """The format of a table: the ending of its file name.

    Raises:
        ValueError: the ending is not one of `ENDINGS`.

    Example:
        >>> check_ending("data/test.tsv.gz")
        '.tsv.gz'
    """
    if os.fspath(path) == STANDARD:
        return ".tsv"
    for ending in ENDINGS:
        if Path(path).name.lower().endswith(ending):
            return ending
    raise ValueError(f"{path}: expected a name that ends in {', '.join(ENDINGS)}; rename it")


@contextmanager
def open_table(
    path: str | os.PathLike[str], *, overwrite: bool = False
) -> Iterator[Callable[[Columns], None]]:
    """Opens a new table for writing; it gets its name when it is complete (`replace_file`).

    Args:
        path: the file; its ending decides the format, see `ENDINGS`; "-" is standard output, as
            tab-separated text. Text begins with a line of column names. Numbers have enough digits
            to be read back exactly. Fields are quoted where necessary (RFC 4180).
        overwrite: whether it may replace a file that exists.

    Yields:
        A function that writes more rows, given as arrays of equal length by column name; names and
        types must be the same at each call.

    Raises:
        ValueError: the ending is not one of `ENDINGS`, no rows were written, or a column of a text
            table has a name with control characters.
        FileExistsError: the file exists, and `overwrite` is False.
        OSError: the file cannot be written.

    Example:
        >>> with open_table("numbers.tsv") as write:  # doctest: +SKIP
        ...     write({"number": np.arange(3)})
    """
    ending = check_ending(path)
    with ExitStack() as stack:
        is_standard = os.fspath(path) == STANDARD
        output = open_output(path) if is_standard else replace_file(path, overwrite=overwrite)
        file: Any = stack.enter_context(output)
        if ending.endswith(".gz"):
            # The empty name keeps the name of the temporary file out of the gzip header.
            file = stack.enter_context(gzip.GzipFile("", fileobj=file, mode="wb", mtime=0))
        writer: Any = None

        def write(columns: Columns) -> None:
            nonlocal writer
            if writer is None and ending != ".parquet":
                check_shown("columns", columns)
            rows = pa.table(dict(columns))
            if writer is None:
                writer = stack.enter_context(_new_writer(file, rows.schema, ending))
            writer.write_table(rows)

        yield write
        if writer is None:
            raise ValueError(f"{path}: expected rows to write, got none")


def _new_writer(file: Any, schema: pa.Schema, ending: str) -> Any:
    if ending == ".parquet":
        return pyarrow.parquet.ParquetWriter(file, schema)
    delimiter = "\t" if ending.startswith(".tsv") else ","
    file.write((join_fields(schema.names, delimiter) + "\n").encode())
    return _TextWriter(file, schema, delimiter)


class _TextWriter:
    """Writes rows as text, with quotes where they are needed; Arrow would quote every text."""

    def __init__(self, file: Any, schema: pa.Schema, delimiter: str) -> None:
        self._file, self._delimiter = file, delimiter
        options = pyarrow.csv.WriteOptions(
            include_header=False, delimiter=delimiter, quoting_style="none"
        )
        self._plain = pyarrow.csv.CSVWriter(file, schema, write_options=options)

    def __enter__(self) -> _TextWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self._plain.close()

    def write_table(self, rows: pa.Table) -> None:
        """Writes some more rows."""
        if not any(self._needs_quotes(column) for column in rows.columns):
            self._plain.write_table(rows)
            return
        # Arrow's writer does not buffer, so the rows stay in order.
        lines = (
            join_fields(["" if value is None else value for value in row], self._delimiter) + "\n"
            for row in zip(*(column.cast(pa.string()).to_pylist() for column in rows), strict=True)
        )
        self._file.write("".join(lines).encode())

    def _needs_quotes(self, column: pa.ChunkedArray) -> bool:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            return False
        special = compute.match_substring_regex(column, f'["\r\n{self._delimiter}]')
        return bool(compute.any(special).as_py())
