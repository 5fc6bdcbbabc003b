"""Encoded batches from blocks of rows, of one length or of several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow.compute as compute

from cisreg.data.rows import EncodedRows, Rows
from cisreg.library import native_module
from cisreg.sequences import text_buffers


def bucketed(
    blocks: Iterable[Rows], batch_size: int, lengths: Sequence[int], *, pad_left: bool
) -> Iterator[EncodedRows]:
    """Encodes rows to the first length that holds them, and gathers those of one length.

    Args:
        blocks: rows, in their order.
        batch_size: rows of a batch.
        lengths: rising; longer sequences than the last one are trimmed to it.
        pad_left: whether sequences are padded and trimmed on the left.

    Yields:
        Batches of one length each, as soon as they are full; in the end what is left, by length.

    Example:
        >>> rows = Rows(pa.array(["A", "ACG"], pa.large_string()), np.zeros((2, 1)), None)
        >>> [batch.sequence.shape for batch in bucketed([rows], 8, [2, 4], pad_left=True)]
        [(1, 2), (1, 4)]
    """
    waiting: list[list[EncodedRows]] = [[] for _ in lengths]
    for rows in blocks:
        sizes = compute.binary_length(rows.sequence).to_numpy(zero_copy_only=False)
        bucket = np.minimum(np.searchsorted(lengths, sizes), len(lengths) - 1)
        for number, length in enumerate(lengths):
            index = np.flatnonzero(bucket == number)
            if index.size:
                waiting[number].append(_encoded(rows, index, length, pad_left=pad_left))
            if sum(part.count for part in waiting[number]) >= batch_size:
                joined = joined_rows(waiting[number])
                full = joined.count - joined.count % batch_size
                yield from _cut(joined, batch_size, full)
                waiting[number] = [taken(joined, full, joined.count)]
    for parts in waiting:
        if parts and (joined := joined_rows(parts)).count:
            yield joined


def _encoded(rows: Rows, index: np.ndarray, length: int, *, pad_left: bool) -> EncodedRows:
    codes, _, _ = native_module().encode(*text_buffers(rows.sequence), length, pad_left, index)
    weight = None if rows.weight is None else rows.weight[index]
    return EncodedRows(codes, rows.expression[index], weight)


def _cut(rows: EncodedRows, batch_size: int, stop: int) -> Iterator[EncodedRows]:
    for start in range(0, stop, batch_size):
        yield taken(rows, start, start + batch_size)


def taken(rows: EncodedRows, start: int, stop: int) -> EncodedRows:
    """The rows from `start` to before `stop`, as copies that keep no others in memory."""
    weight = None if rows.weight is None else rows.weight[start:stop].copy()
    return EncodedRows(rows.sequence[start:stop].copy(), rows.expression[start:stop].copy(), weight)


def joined_rows(parts: Sequence[EncodedRows]) -> EncodedRows:
    """Rows of one length, one after another."""
    if len(parts) == 1:
        return parts[0]
    weights = [part.weight for part in parts if part.weight is not None]
    return EncodedRows(
        np.concatenate([part.sequence for part in parts]),
        np.concatenate([part.expression for part in parts]),
        np.concatenate(weights) if weights else None,
    )
