"""Intervals of a genome as a source of sequences."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from cisreg.genome.intervals import Intervals
from cisreg.genome.portions import Portion
from cisreg.genome.source import GenomeSource

_NO_CODES = np.empty(0, np.uint8)


class IntervalSource(GenomeSource):
    """The intervals of a genome, one after the other in their own order, each for itself.

    Windows are within one interval. Positions are those of the whole sequence.

    Args:
        genome: the genome, which is closed with this.
        intervals: the intervals.

    Raises:
        ValueError: an interval is not within the genome; the message names its file and line.
    """

    def __init__(self, genome: GenomeSource, intervals: Intervals) -> None:
        self.intervals = intervals
        self._genome = genome
        intervals.check(genome.length_of())

    @property
    def total(self) -> int:
        """Bases of all intervals."""
        return self.intervals.total

    def length_of(self) -> dict[str, int]:
        """Bases of each sequence of the genome, whole."""
        return self._genome.length_of()

    def in_genome_order(self) -> IntervalSource:
        """The same intervals in the order of the genome's sequences, then of start and end.

        It is of the same genome, which is closed with either.
        """
        return IntervalSource(self._genome, self.intervals.sorted(tuple(self.length_of())))

    def close(self) -> None:
        """Closes the genome."""
        self._genome.close()

    def _portions(self, overlap: int, own: int) -> Generator[Portion, None, None]:
        for sequence, start, end, name, strand in self.intervals:
            whole = Portion(sequence, start, _NO_CODES, end - start, name, strand, last=True)
            yield from self._stretch(whole, overlap, own)

    def _codes(self, name: str, start: int, end: int) -> np.ndarray:
        return self._genome.fetch(name, start, end)
