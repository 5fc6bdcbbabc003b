"""The order in which training visits rows: a function of seed and epoch, on any machine."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


def epoch_order(count: int, seed: int, epoch: int, *more: int) -> np.ndarray:
    """The order in which an epoch visits `count` rows: a function of its arguments alone.

    The rows are sorted by raw numbers of the PCG64 generator, whose stream NumPy keeps between
    versions (it does not promise that for `Generator.permutation`).

    Args:
        count: number of rows.
        seed: 0 or more.
        epoch: 0 or more.
        *more: further numbers of 0 or more that tell orders apart.

    Returns:
        int64 [count], each row once.

    Example:
        >>> sorted(epoch_order(4, seed=0, epoch=1).tolist())
        [0, 1, 2, 3]
    """
    generator = np.random.PCG64(np.random.SeedSequence([seed, epoch, *more]))
    order = np.argsort(generator.random_raw(count), kind="stable")
    # Of a hundred million rows a copy would be most of a gigabyte.
    return order.astype(np.int64, copy=False)


def batch_bounds(count: int, steps: int, first: int, stop: int, phase: int = 0) -> np.ndarray:
    """Where the batches `first` to `stop` of an epoch begin, and where the last of them ends.

    Args:
        count: rows of the epoch.
        steps: batches that they are divided into, equal to within one row.
        first: a batch, from 0.
        stop: the one after the last.
        phase: below `steps`; how far the bounds are moved, in parts of `steps` of a row. Where rows
            are divided among n lanes of which number i has the phase `i * steps // n`, batches of
            lanes of one size add up to batches that are equal to within one row.

    Returns:
        int64 [stop - first + 1], rows from 0.

    Example:
        >>> batch_bounds(10, 4, 0, 4).tolist()
        [0, 2, 5, 7, 10]
    """
    return (np.arange(first, stop + 1, dtype=np.int64) * count + phase) // steps


class Lane(NamedTuple):
    """Row groups that are read one after the other.

    Attributes:
        groups: int64 [G], their numbers, in the order of reading.
        begin: int64 [G + 1], the first row of each within the lane, and the number of rows.
        number: of the lane, from 0.
        lanes: how many there are.
    """

    groups: np.ndarray
    begin: np.ndarray
    number: int = 0
    lanes: int = 1

    @property
    def rows(self) -> int:
        """Rows of all its groups."""
        return int(self.begin[-1])

    def bounds(self, steps: int, first: int, stop: int) -> np.ndarray:
        """The lane's rows of the batches `first` to `stop` of an epoch, see `batch_bounds`."""
        return batch_bounds(self.rows, steps, first, stop, self.number * steps // self.lanes)


def deal_lanes(group_rows: np.ndarray, count: int, seed: int, epoch: int) -> list[Lane]:
    """Shuffles row groups and deals them out to lanes, from all of which each batch draws.

    Args:
        group_rows: int64 [G], rows of each row group.
        count: lanes at most; there are no more than row groups.
        seed: 0 or more.
        epoch: from 1.

    Returns:
        Lanes that hold every row group once, and nearly equally many.

    Example:
        >>> [lane.rows for lane in deal_lanes(np.array([3, 3, 3, 3]), 2, seed=0, epoch=1)]
        [6, 6]
    """
    order = epoch_order(len(group_rows), seed, epoch)
    count = min(count, len(order))
    groups = [order[lane::count] for lane in range(count)]
    return [
        Lane(each, np.concatenate([[0], np.cumsum(group_rows[each])]), lane, count)
        for lane, each in enumerate(groups)
    ]
