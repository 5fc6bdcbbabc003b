"""The order in which values come along a genome."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class RunOrder:
    """Checks that runs of bases come in the order of their sequences and without overlap.

    Args:
        lengths: bases of each sequence by its name, in the order in which runs come.

    Example:
        >>> RunOrder({"chr1": 1000}).check("chr1", np.array([10]), np.array([20]))
        0
    """

    def __init__(self, lengths: Mapping[str, int]) -> None:
        self._lengths = dict(lengths)
        self._number = {name: number for number, name in enumerate(self._lengths)}
        self._current, self._end = -1, 0

    def check(self, sequence: str, start: np.ndarray, end: np.ndarray) -> int:
        """Checks the next runs of a sequence, at least one; returns the number of the sequence.

        Raises:
            ValueError: a sequence that is not known or comes too late; runs that are empty, overlap
                or reach beyond the sequence.
        """
        number = self._number.get(sequence)
        if number is None:
            raise ValueError(f"sequence: expected a name of those in the header, got {sequence!r}")
        if number < self._current:
            raise ValueError(
                f"sequence: expected the sequences in the order of the header, got {sequence!r} "
                "after later ones"
            )
        first = self._end if number == self._current else 0
        before = np.concatenate([[first], end[:-1]])
        wrong = (start < before) | (end <= start) | (end > self._lengths[sequence])
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"start, end: expected runs in ascending order that do not overlap, within the "
                f"{self._lengths[sequence]:,} bases of {sequence!r}, got {start[row]:,} to "
                f"{end[row]:,} behind {before[row]:,}: a track has one value at each base"
            )
        self._current, self._end = number, int(end[-1])
        return number
