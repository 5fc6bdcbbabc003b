"""One call from a file to a dataset in memory."""

from __future__ import annotations

import os
from typing import Literal

from cisreg.data.dataset import Dataset
from cisreg.data.formats.rows import Columns
from cisreg.data.opening import is_table, open_dataset
from cisreg.data.table import read_table
from cisreg.sequences import encode


def read_dataset(
    path: str | os.PathLike[str],
    length: int | None = None,
    *,
    side: Literal["left", "right"] = "left",
    sequence_column: int | str = 0,
    expression_column: int | str = 1,
    header: bool | None = None,
    measurements: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Reads a file into memory, of which every row must be in order, and encodes its sequences.

    Tables of text are read as by `read_table` and `cisreg.sequences.encode`; Parquet, FASTA and
    folders as by `cisreg.open_dataset` under strict, which also leaves faulty rows out, where it
    is not asked to be strict, and reads what the memory does not hold.

    Args:
        path: TSV or CSV, plain or compressed; Parquet, or a folder of it; FASTA.
        length: L, bases per sequence; None: the longest of the file.
        side: where shorter sequences are padded and longer ones trimmed.
        sequence_column: position or name of the column with the sequence.
        expression_column: position or name of the column with the measurement.
        header: whether the first line of text names the columns; None: found out.
        measurements: of FASTA, a table with the columns name and expression.

    Raises:
        FileNotFoundError, ValueError: as `read_table` and `cisreg.open_dataset`.

    Example:
        >>> read_dataset("train.tsv.gz", 110).sequence.shape  # doctest: +SKIP
        (8982, 110)
    """
    columns = Columns(sequence_column, (expression_column,))
    if measurements is not None or not is_table(path):
        return open_dataset(
            path,
            length=length,
            side=side,
            columns=None if columns == Columns() else columns,
            measurements=measurements,
            strict=True,
        ).load()
    table = read_table(
        path, sequence_column=sequence_column, expression_column=expression_column, header=header
    )
    assert table.expression is not None  # a column of it was asked for
    return Dataset(encode(table.sequence, length, side=side), table.expression)
