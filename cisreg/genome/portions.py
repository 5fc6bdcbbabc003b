"""Portions of sequences: what a scan of any length reads at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, TypeVar

import numpy as np

from cisreg.limits import check_range

# Bases of a portion, without its overlap with the next one.
PORTION = 1 << 24
# More than any motif needs, and a portion stays in memory several times.
LARGEST_PORTION = 1 << 30
LARGEST_OVERLAP = 1 << 24

SoftMasked = Literal["keep", "unknown"]
_Source = TypeVar("_Source", bound="SequenceSource")


@dataclass(frozen=True, eq=False, slots=True)
class Portion:
    """A stretch of one named sequence, on its forward strand.

    Windows that begin in `codes[:own]` are the portion's own; the rest is there again in the next
    portion. All portions of a sequence together have every window of up to overlap + 1 bases
    exactly once. The last portion of a sequence owns all of its codes.

    Attributes:
        sequence: name of the sequence, such as a chromosome.
        start: position of `codes[0]` in the whole sequence, from 0.
        codes: uint8 [own + overlap], base codes 0 to 3, 4 unknown; empty for a sequence without
            bases.
        own: number of positions at which own windows begin.
        region: name of the interval, if intervals were asked for.
        region_strand: "+" or "-", or None where the interval has none.
        last: whether it is the last portion of its sequence, or of its interval.
    """

    sequence: str
    start: int
    codes: np.ndarray
    own: int
    region: str | None = None
    region_strand: str | None = None
    last: bool = False

    @property
    def end(self) -> int:
        """Position after the last of `codes` in the whole sequence."""
        return self.start + len(self.codes)


class SequenceSource(Protocol):
    """Named sequences that are read in portions, again with each call of `portions`.

    It is a context manager, which closes its files.
    """

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the sequences; None where only a pass over the file tells."""

    @property
    def lengths(self) -> tuple[int, ...] | None:
        """Bases of each sequence; None where only a pass over the file tells."""

    def portions(self, *, overlap: int, own: int = PORTION) -> Iterator[Portion]:
        """The sequences in portions of at most own + overlap bases, in the order of the source."""

    def fetch(self, name: str, start: int, end: int) -> np.ndarray:
        """Base codes of a stretch, uint8 [end - start]."""

    def close(self) -> None:
        """Closes its files."""

    def __enter__(self: _Source) -> _Source:
        """The source."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes its files."""


def check_portions(overlap: int, own: int) -> None:
    """Checks the sizes of portions.

    Raises:
        ValueError: a negative overlap, portions without own windows, or too large ones.

    Example:
        >>> check_portions(29, 1000)
    """
    check_range("overlap", overlap, 0, LARGEST_OVERLAP)
    check_range("own", own, 1, LARGEST_PORTION)


def split(portion: Portion, *, overlap: int, own: int) -> Iterator[Portion]:
    """A stretch that is in memory as a whole, in portions.

    Args:
        portion: the stretch; all its windows are its own.
        overlap: bases that a portion shares with the next one.
        own: positions of a portion at which its own windows begin.

    Example:
        >>> whole = Portion("chr1", 0, np.zeros(10, np.uint8), 10, last=True)
        >>> [(part.start, part.end, part.own) for part in split(whole, overlap=2, own=4)]
        [(0, 6, 4), (4, 10, 6)]
    """
    check_portions(overlap, own)
    begin, size = 0, len(portion.codes)
    while True:
        last = size - begin <= own + overlap
        codes = portion.codes[begin:] if last else portion.codes[begin : begin + own + overlap]
        yield Portion(
            *(portion.sequence, portion.start + begin, codes, len(codes) if last else own),
            *(portion.region, portion.region_strand, last and portion.last),
        )
        if last:
            return
        begin += own
