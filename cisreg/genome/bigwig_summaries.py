"""Summaries of the values in bins, which a bigWig holds for browsers that are zoomed out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np


def _summary(number: str) -> np.dtype:
    """A bin: how many of its bases have a value, and what these values are."""
    return np.dtype(
        [
            *(("sequence", "<u4"), ("start", "<u4"), ("end", "<u4"), ("bases", "<u4")),
            *(("lowest", "<f4"), ("highest", "<f4"), ("sum", number), ("squares", number)),
        ]
    )


SUMMARY = _summary("<f4")
# While the values of a bin are added.
_EXACT = _summary("<f8")


def pieces_of_runs(sequence: np.ndarray, runs: np.ndarray, bases: int) -> np.ndarray:
    """Cuts runs of bases with one value at the edges of bins.

    Args:
        sequence: int [n], number of the sequence of each run.
        runs: [n] with start, end and value.
        bases: of a bin.

    Returns:
        A summary of each piece.
    """
    first = runs["start"] // bases
    count = (runs["end"] - 1) // bases - first + 1
    run = np.repeat(np.arange(len(runs)), count)
    bin_of = first[run] + (np.arange(len(run)) - np.repeat(np.cumsum(count) - count, count))
    pieces = np.empty(len(run), _EXACT)
    pieces["sequence"] = sequence[run]
    pieces["start"] = np.maximum(runs["start"][run], bin_of * bases)
    pieces["end"] = np.minimum(runs["end"][run], (bin_of + 1) * bases)
    pieces["bases"] = pieces["end"] - pieces["start"]
    pieces["lowest"] = pieces["highest"] = runs["value"][run]
    value = runs["value"][run].astype(np.float64)
    pieces["sum"] = pieces["bases"] * value
    pieces["squares"] = pieces["bases"] * value**2
    return pieces


def summarised(parts: Iterable[np.ndarray], bases: int) -> Iterator[np.ndarray]:
    """Joins summaries that lie in the same bin of `bases` bases.

    Args:
        parts: summaries in the order of sequence and base, none of which lies in two bins.
        bases: of a bin.

    Yields:
        `SUMMARY` [n], one for each bin with a value; its start and end are those of the bin, so the
        last bin may end after the sequence.
    """
    kept = np.zeros(0, _EXACT)
    for part in parts:
        joined = _joined(np.concatenate([kept, part.astype(_EXACT)]), bases)
        # More of the last bin may come.
        kept = joined[-1:]
        yield joined[:-1].astype(SUMMARY)
    yield kept.astype(SUMMARY)


def _joined(parts: np.ndarray, bases: int) -> np.ndarray:
    if not len(parts):
        return parts
    number = parts["start"] // bases
    new = (np.diff(parts["sequence"].astype(np.int64)) != 0) | (
        np.diff(number.astype(np.int64)) != 0
    )
    first = np.concatenate([[0], np.flatnonzero(new) + 1])
    joined = parts[first]
    joined["start"] = number[first] * bases
    joined["end"] = np.minimum((number[first].astype(np.int64) + 1) * bases, 2**32 - 1)
    for field in ("bases", "sum", "squares"):
        joined[field] = np.add.reduceat(parts[field], first)
    joined["lowest"] = np.minimum.reduceat(parts["lowest"], first)
    joined["highest"] = np.maximum.reduceat(parts["highest"], first)
    return joined
