"""One call from a table to a dataset in memory."""

from __future__ import annotations

import os
from typing import Literal

from cisreg.data.dataset import Dataset
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
) -> Dataset:
    """Reads a table (see `read_table`) and encodes its sequences (see `cisreg.sequences.encode`).

    Args:
        path: TSV or CSV file, plain or compressed.
        length: L, bases per sequence; None: the longest of the file.
        side: where shorter sequences are padded and longer ones trimmed.
        sequence_column: position or name of the column with the sequence.
        expression_column: position or name of the column with the measurement.
        header: whether the first line names the columns; None: found out.

    Raises:
        FileNotFoundError, ValueError: as `read_table`.

    Example:
        >>> read_dataset("train.tsv.gz", 110).sequence.shape  # doctest: +SKIP
        (8982, 110)
    """
    table = read_table(
        path, sequence_column=sequence_column, expression_column=expression_column, header=header
    )
    assert table.expression is not None  # a column of it was asked for
    return Dataset(encode(table.sequence, length, side=side), table.expression)
