"""The order in which training visits rows: a function of seed and epoch, same on any machine."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


def epoch_order(count: int, seed: int, epoch: int, *more: int) -> np.ndarray:
    """The order in which an epoch visits `count` rows; it depends only on the arguments.

    The rows are sorted by raw numbers of the PCG64 generator. NumPy promises that these stay the
    same between versions, which it does not promise for `Generator.permutation`.

    Args:
        count: number of rows.
        seed: 0 or more.
        epoch: 0 or more.
        *more: further numbers, 0 or more; different numbers give a different order.

    Returns:
        int64 [count], each row once.

    Example:
        >>> sorted(epoch_order(4, seed=0, epoch=1).tolist())
        [0, 1, 2, 3]
    """
    generator = np.random.PCG64(np.random.SeedSequence([seed, epoch, *more]))
    order = np.argsort(generator.random_raw(count), kind="stable")
    # A copy of a hundred million rows would take most of a gigabyte.
    return order.astype(np.int64, copy=False)


def batch_bounds(count: int, steps: int, first: int, stop: int, phase: int = 0) -> np.ndarray:
    """Where the batches from `first` to before `stop` begin, and where the last of them ends.

    Args:
        count: rows of the epoch.
        steps: number of batches; their sizes differ by at most one row.
        first: the first batch, from 0.
        stop: the batch after the last.
        phase: shifts the bounds by `phase / steps` of a row; below `steps`. If lane i of n lanes of
            equal size has the phase `i * steps // n`, the sizes of the batches drawn from all lanes
            differ by at most one row too.

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
        groups: int64 [G], numbers of the row groups, in the order of reading.
        begin: int64 [G + 1], the first row of each group within the lane, and the number of rows.
        number: number of the lane, from 0.
        lanes: number of all lanes.
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
        """Bounds in this lane of the batches from `first` to before `stop`, see `batch_bounds`."""
        return batch_bounds(self.rows, steps, first, stop, self.number * steps // self.lanes)


def deal_lanes(group_rows: np.ndarray, count: int, seed: int, epoch: int) -> list[Lane]:
    """Shuffles row groups and distributes them over lanes; each batch draws from all lanes.

    Args:
        group_rows: int64 [G], rows of each row group.
        count: largest number of lanes; there are never more lanes than row groups.
        seed: 0 or more.
        epoch: from 1.

    Returns:
        Lanes that hold every row group once; their numbers of groups are nearly equal.

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
