"""Rows of a data set as base codes, whatever they come from and however their lengths differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from cisreg.data import Dataset
from cisreg.data.ends import from_first_base
from cisreg.data.formats.rows import Rows
from cisreg.library import native_module
from cisreg.sequences import text_buffers

# Sequences are encoded together as long as padding at most doubles their bases.
_MOST_PADDING = 2
# Rows of a data set in memory that are looked at together.
_ROWS = 1 << 15


class Block(NamedTuple):
    """Some rows.

    Attributes:
        codes: uint8 [n, L], base codes; each row begins with its first base, and code 4 is behind
            its last one.
        length: int64 [n], bases of each sequence.
        expression: float32 [n, K], K measurements of each sequence; K may be 0.
        held_out_by: Arrow values [n] of the column that says what is held out, or None.
    """

    codes: np.ndarray
    length: np.ndarray
    expression: np.ndarray
    held_out_by: pa.Array | None


def blocks_of_rows(rows: Rows, column: str | None) -> Iterator[Block]:
    """Blocks of usable rows of a file; sequences of much different lengths are in several."""
    text, offsets = text_buffers(rows.sequence)
    length = np.diff(offsets)
    extra = None if column is None else rows.extra[column]
    for index in _alike(length):
        longest = int(length[index].max())
        codes, _, _ = native_module().encode(text, offsets, longest, False, index)
        chosen = None if extra is None else extra.take(pa.array(index))
        yield Block(codes, length[index], rows.expression[index], chosen)


def blocks_of_dataset(data: Dataset, column: str | None) -> Iterator[Block]:
    """Blocks of the rows of a data set in memory; codes 4 at the ends of a row are padding."""
    for first in range(0, len(data), _ROWS):
        some = data[first : first + _ROWS]
        codes, length = from_first_base(some.sequence)
        expression = some.expression.reshape(len(some), -1)
        yield Block(codes, length, expression, None if column is None else some.extra[column])


def _alike(length: np.ndarray) -> Iterator[np.ndarray]:
    """Indices of rows, int64, that are encoded together."""
    if not len(length):
        return
    if len(length) * int(length.max()) <= _MOST_PADDING * int(length.sum()):
        yield np.arange(len(length))
        return
    size = np.ceil(np.log2(np.maximum(length, 1))).astype(np.int64)
    for each in np.unique(size).tolist():
        yield np.flatnonzero(size == each)
