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
        counts: int64 [N, C], the columns of bins, then those of totals.
        bins: how many of the columns are bins.
        names: names of the 1 + C columns, or None if the file has no header.
        columns: how the columns were used, as text.
        first_row: line number of the first row, from 1.
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
        """Reads of each sequence, int64 [N]: the column of totals, or the sum if there is none."""
        if self.bins < self.counts.shape[1]:
            return self.counts[:, self.bins]
        return self.counts.sum(axis=1)

    def line(self, row: int) -> int:
        """The line number of a row, from 1."""
        return row + self.first_row


def read_ranked_table(path: str | os.PathLike[str]) -> RankedTable:
    """Reads a table of counts into memory; sequences have the letters A C G T N.

    See `read_count_table`. While reading, it takes twice the memory of the text, then once.

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
    path: str | os.PathLike[str],
    names: Sequence[str] | None,
    columns: int,
    *,
    overwrite: bool = False,
) -> Iterator[Any]:
    r"""Opens a tab-separated table for writing; see `cisreg.streams.open_output`.

    Args:
        path: the file, compressed where its name ends in .gz or .zst; "-" is standard output.
        names: of the columns, for the header; None: no header.
        columns: number of columns; the first is text.
        overwrite: whether it may replace a file that exists.

    Yields:
        A function write(rows, part): writes `rows` rows in blocks; `part(start, stop)` must return
        the columns of the rows start to stop - 1.

    Raises:
        FileExistsError: the file exists, and `overwrite` is False.
        OSError: the file cannot be written.

    Example:
        >>> with open_text_table("map.txt", None, 2) as write:  # doctest: +SKIP
        ...     write(len(a), lambda start, stop: [a[start:stop], b[start:stop]])
    """
    options = pyarrow.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    labels = [str(column) for column in range(columns)]
    with open_output(path, overwrite=overwrite) as stream:
        if names is not None:
            stream.write((join_fields(names) + "\n").encode())

        def write(rows: int, part: Any) -> None:
            for start in range(0, rows, _ROWS_AT_ONCE):
                fields = part(start, min(start + _ROWS_AT_ONCE, rows))
                pyarrow.csv.write_csv(pa.table(fields, labels), stream, options)

        yield write
