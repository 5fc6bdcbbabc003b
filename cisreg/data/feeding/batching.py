"""Encoded batches from blocks of rows, of one length or of several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pyarrow.compute as compute

from cisreg.data.dataset import Dataset, join
from cisreg.data.formats.rows import Rows
from cisreg.data.row_places import RowPlaces
from cisreg.library import native_module
from cisreg.sequences import text_buffers

Placed = Callable[[np.ndarray], RowPlaces]


def encode_rows(
    rows: Rows,
    length: int,
    *,
    pad_left: bool,
    index: np.ndarray | None = None,
    out: np.ndarray | None = None,
    placed: Placed | None = None,
) -> tuple[Dataset, int, int]:
    """Encodes the sequences of rows as base codes of one length.

    Args:
        rows: as they were read.
        length: L.
        pad_left: whether sequences are padded and trimmed on the left.
        index: int64 [n], the rows to encode, in this order; all must be usable. None: all rows.
        out: uint8 [n, L], to which the codes are written; None: a new array.
        placed: from the numbers of the rows in their file to their places; None: these are not
            kept.

    Returns:
        (n rows, how many of them were padded, how many trimmed).

    Example:
        >>> rows = Rows(pa.array(["A", "ACG"], pa.large_string()), np.zeros((2, 1)))
        >>> encode_rows(rows, 2, pad_left=True)[0].sequence.tolist()
        [[4, 0], [1, 2]]
    """
    text, offsets = text_buffers(rows.sequence)
    codes, padded, trimmed = native_module().encode(text, offsets, length, pad_left, index, out)
    if index is not None:
        rows = rows.without_sequences().take(index)
    places = None if placed is None or rows.number is None else placed(rows.number)
    data = Dataset.unchecked(codes, rows.expression, rows.weight, rows.name, rows.extra, places)
    return data, padded, trimmed


def bucketed(
    blocks: Iterable[Rows], batch_size: int, lengths: Sequence[int], *, pad_left: bool
) -> Iterator[Dataset]:
    """Puts each row into the bucket of the first length that holds it, and makes batches.

    Args:
        blocks: rows, in their order.
        batch_size: rows of a batch.
        lengths: in increasing order; sequences longer than the last one are trimmed to it.
        pad_left: whether sequences are padded and trimmed on the left.

    Yields:
        Batches of one length each, as soon as they are full; at the end the remaining rows, by
        length.

    Example:
        >>> rows = Rows(pa.array(["A", "ACG"], pa.large_string()), np.zeros((2, 1)))
        >>> [batch.sequence.shape for batch in bucketed([rows], 8, [2, 4], pad_left=True)]
        [(1, 2), (1, 4)]
    """
    waiting: list[list[Dataset]] = [[] for _ in lengths]
    for rows in blocks:
        sizes = compute.binary_length(rows.sequence).to_numpy(zero_copy_only=False)
        bucket = np.minimum(np.searchsorted(lengths, sizes), len(lengths) - 1)
        for number, length in enumerate(lengths):
            index = np.flatnonzero(bucket == number)
            if index.size:
                encoded, _, _ = encode_rows(rows, length, pad_left=pad_left, index=index)
                waiting[number].append(encoded)
            if sum(map(len, waiting[number])) >= batch_size:
                joined = join(waiting[number])
                full = len(joined) - len(joined) % batch_size
                for start in range(0, full, batch_size):
                    yield joined[start : start + batch_size].copy()
                waiting[number] = [joined[full:].copy()]
    for parts in waiting:
        if parts and len(joined := join(parts)):
            yield joined
