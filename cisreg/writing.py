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
import pyarrow.csv
import pyarrow.parquet

from cisreg.files import replace_file

ENDINGS = (".tsv", ".tsv.gz", ".csv", ".csv.gz", ".parquet")

Columns = Mapping[str, "np.ndarray | pa.Array"]


def check_ending(path: str | os.PathLike[str]) -> str:
    """The ending of a table's name, which decides its format.

    Raises:
        ValueError: another ending than `ENDINGS`.

    Example:
        >>> check_ending("data/test.tsv.gz")
        '.tsv.gz'
    """
    for ending in ENDINGS:
        if Path(path).name.lower().endswith(ending):
            return ending
    raise ValueError(f"{path}: expected a name that ends in {', '.join(ENDINGS)}; rename it")


@contextmanager
def open_table(path: str | os.PathLike[str]) -> Iterator[Callable[[Columns], None]]:
    """Opens a new table that takes its place at `path` once it is whole.

    Args:
        path: the file; its ending decides the format, see `ENDINGS`. Text has a line with the names
            of the columns, and numbers with as many digits as it takes to read them back.

    Yields:
        A function that writes some more rows, given as arrays of equal length by column name;
        names and types must be the same at each call.

    Raises:
        ValueError: another ending, nothing written, or text with a delimiter in it.
        OSError: the file cannot be written.

    Example:
        >>> with open_table("numbers.tsv") as write:  # doctest: +SKIP
        ...     write({"number": np.arange(3)})
    """
    ending = check_ending(path)
    with ExitStack() as stack:
        file: Any = stack.enter_context(replace_file(path))
        if ending.endswith(".gz"):
            # Without a name of its own, the stream would keep that of the unfinished file.
            file = stack.enter_context(gzip.GzipFile("", fileobj=file, mode="wb", mtime=0))
        writer: Any = None

        def write(columns: Columns) -> None:
            nonlocal writer
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
    file.write((delimiter.join(schema.names) + "\n").encode())
    # Arrow would put every text, the header's too, in quotes.
    options = pyarrow.csv.WriteOptions(
        include_header=False, delimiter=delimiter, quoting_style="none"
    )
    return pyarrow.csv.CSVWriter(file, schema, write_options=options)
