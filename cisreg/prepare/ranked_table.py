"""Tables of counts in memory, for clustering: sequences in the order of the file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from cisreg.names import join_fields
from cisreg.prepare.count_table import read_count_table
from cisreg.streams import open_output

_ROWS_AT_ONCE = 1 << 17
_LETTERS = "ACGTN"


@dataclass(frozen=True, eq=False)
class RankedTable:
    """Sequences and their counts, in the order of the file.

    Attributes:
        sequence: Arrow array of N strings, letters A, C, G, T and N.
        counts: int64 [N, C], a column per bin, and then one per total.
        bins: how many of the columns are bins.
        names: names of the 1 + C columns, or None where the file has no line of names.
        columns: what was taken for what, for people.
        first_row: the line of the file, from 1, that the first row is on.
    """

    sequence: pa.Array
    counts: np.ndarray
    bins: int
    names: tuple[str, ...] | None
    columns: str
    first_row: int

    def __len__(self) -> int:
        """N."""
        return len(self.sequence)

    def totals(self) -> np.ndarray:
        """Reads of each sequence, int64 [N]: the total where a column has it, else the sum."""
        if self.bins < self.counts.shape[1]:
            return self.counts[:, self.bins]
        return self.counts.sum(axis=1)

    def line(self, row: int) -> int:
        """The line of the file, from 1, that a row is on."""
        return row + self.first_row


def read_ranked_table(path: str | os.PathLike[str]) -> RankedTable:
    """Reads a table of counts as `read_count_table` does, all of it, with the letters A C G T N.

    Takes twice the text in memory while it is read, once later.

    Args:
        path: the file, plain or compressed; "-" is standard input.

    Returns:
        A RankedTable.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: see `read_count_table`.

    Example:
        >>> table = read_ranked_table("counts.txt.gz")  # doctest: +SKIP
        >>> table.counts.sum(axis=0)  # doctest: +SKIP
        array([1203441])
    """
    table = read_count_table(path, letters=_LETTERS)
    sequences, counts = [], []
    for batch in table.batches:
        sequences.append(batch.column(0).cast(pa.large_string()))
        counts.append(np.stack([column.to_numpy() for column in batch.columns[1:]], axis=1))
    names = None
    if table.names is not None and table.sequence_name is not None:
        names = (table.sequence_name, *table.names)
    return RankedTable(
        pa.concat_arrays(sequences),
        np.concatenate(counts),
        table.bins,
        names,
        table.columns,
        table.first_row,
    )


@contextmanager
def open_text_table(
    path: str | os.PathLike[str], names: Sequence[str] | None, columns: int
) -> Iterator[Any]:
    r"""Opens a tab-separated table for writing, whole or not at all.

    Args:
        path: the file, compressed where its name ends in .gz or .zst; "-" is standard output.
        names: the columns' names for a first line, or None for a table without.
        columns: how many columns there are; the first is text.

    Yields:
        A function of a row count and a function of (start, stop), which gives the columns of those
        rows; it writes the rows some at a time.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> with open_text_table("map.txt", None, 2) as write:  # doctest: +SKIP
        ...     write(len(a), lambda start, stop: [a[start:stop], b[start:stop]])
    """
    options = pyarrow.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    labels = [str(column) for column in range(columns)]
    with open_output(path) as stream:
        if names is not None:
            stream.write((join_fields(names) + "\n").encode())

        def write(rows: int, part: Any) -> None:
            for start in range(0, rows, _ROWS_AT_ONCE):
                fields = part(start, min(start + _ROWS_AT_ONCE, rows))
                pyarrow.csv.write_csv(pa.table(fields, labels), stream, options)

        yield write
