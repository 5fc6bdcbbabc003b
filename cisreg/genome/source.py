"""What all sources of sequences share: checks, names, and reading ahead of their user."""

from __future__ import annotations

import difflib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from types import TracebackType
from typing import TypeVar

import numpy as np

from cisreg.ahead import read_ahead
from cisreg.genome.portions import PORTION, Portion, check_portions

# Portions that go from the reading thread to its user together.
_GROUP_BASES = 1 << 22
_GROUP_PORTIONS = 1 << 12
_SHOWN_NAMES = 5
_Source = TypeVar("_Source", bound="GenomeSource")


class GenomeSource:
    """Named sequences of files; a context manager that closes them."""

    # Whether a thread may read before it is asked; where it could wait for ever, it could not end.
    _ahead = True

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the sequences; None where only a pass over the file tells."""
        known = self._known_lengths()
        return None if known is None else tuple(known)

    @property
    def lengths(self) -> tuple[int, ...] | None:
        """Bases of each sequence; None where only a pass over the file tells."""
        known = self._known_lengths()
        return None if known is None else tuple(known.values())

    @property
    def total(self) -> int | None:
        """Bases that `portions` has, without overlaps; None where only a pass tells."""
        known = self._known_lengths()
        return None if known is None else sum(known.values())

    def length_of(self) -> dict[str, int]:
        """Bases of each sequence by its name, in the order of the files.

        Where no index is there, this passes over the files once, and keeps what it found in memory.
        """
        raise NotImplementedError

    def portions(self, *, overlap: int, own: int = PORTION) -> Iterator[Portion]:
        """The sequences in portions, in the order of the files.

        A thread reads one portion ahead; it ends with the iterator.

        Args:
            overlap: bases that a portion shares with the next one: the widest motif's width less 1.
            own: positions of a portion at which its own windows begin.

        Raises:
            ValueError: a negative overlap; while reading: "file:line: expected …, got …".
        """
        check_portions(overlap, own)
        portions = self._portions(overlap, own)
        return _read_ahead(portions) if self._ahead else portions

    def fetch(self, name: str, start: int, end: int) -> np.ndarray:
        """Base codes of a stretch of a sequence, on its forward strand.

        Args:
            name: of the sequence.
            start: position of the first base, from 0.
            end: position after the last one.

        Returns:
            uint8 [end - start], 0 to 3, 4 unknown.

        Raises:
            ValueError: no such sequence, or a stretch that is not within it.
        """
        lengths = self.length_of()
        if name not in lengths:
            raise ValueError(f"name: {unknown_name(name, lengths)}")
        if not 0 <= start <= end <= lengths[name]:
            raise ValueError(
                f"start, end: expected 0 <= start <= end <= {lengths[name]:,}, the length of "
                f"{name}, got {start:,} to {end:,}"
            )
        return self._codes(name, start, end)

    def hold(self) -> None:
        """Makes sure that `portions` can be called again: copies what can be read only once."""

    def close(self) -> None:
        """Closes its files, and deletes temporary ones."""

    def __enter__(self: _Source) -> _Source:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _known_lengths(self) -> dict[str, int] | None:
        """Bases of each sequence, if that is known without a pass over the files."""
        return self.length_of()

    def _portions(self, overlap: int, own: int) -> Generator[Portion, None, None]:
        """As `portions`, by the sequences' lengths."""
        for name, length in self.length_of().items():
            yield from self._stretch(Portion(name, 0, _NO_CODES, length, last=True), overlap, own)

    def _stretch(self, whole: Portion, overlap: int, own: int) -> Generator[Portion, None, None]:
        """The portions of a stretch of whole.own bases; its codes are read portion by portion."""
        begin, end = whole.start, whole.start + whole.own
        while True:
            stop = min(begin + own + overlap, end)
            codes = self._codes(whole.sequence, begin, stop)
            last = stop == end
            yield Portion(
                *(whole.sequence, begin, codes, len(codes) if last else own),
                *(whole.region, whole.region_strand, last),
            )
            if last:
                return
            begin += own

    def _codes(self, name: str, start: int, end: int) -> np.ndarray:
        """As `fetch`, of a stretch that is within the sequence."""
        raise NotImplementedError


_NO_CODES = np.empty(0, np.uint8)


def unknown_name(name: str, names: Iterable[str]) -> str:
    """What to say of a name that no sequence has.

    Example:
        >>> unknown_name("chr1", ["1", "2"])
        "expected a sequence of the genome, got 'chr1'; it has '1': use the names of one source"
    """
    known = list(names)
    usual = {_usual(each): each for each in known}
    close = difflib.get_close_matches(name, known[:10_000], n=1)
    if _usual(name) in usual:
        hint = f"it has {usual[_usual(name)]!r}: use the names of one source"
    elif close:
        hint = f"is it {close[0]!r}?"
    else:
        shown = ", ".join(map(repr, known[:_SHOWN_NAMES]))
        hint = f"it has {shown}{' and others' if len(known) > _SHOWN_NAMES else ''}"
    return f"expected a sequence of the genome, got {name!r}; {hint}"


def _usual(name: str) -> str:
    """The same text for names of one chromosome by different sources."""
    plain = name.lower().removeprefix("chromosome").removeprefix("chr").strip("_ ")
    return {"mt": "m", "mito": "m"}.get(plain, plain)


def _read_ahead(portions: Generator[Portion, None, None]) -> Generator[Portion, None, None]:
    with closing(read_ahead(_grouped(portions), count=1)) as groups:
        for group in groups:
            yield from group


def _grouped(portions: Generator[Portion, None, None]) -> Generator[list[Portion], None, None]:
    """Portions in groups: handing over each short one would take longer than reading it."""
    group, bases = list[Portion](), 0
    with closing(portions):
        for portion in portions:
            group.append(portion)
            bases += len(portion.codes)
            if bases >= _GROUP_BASES or len(group) == _GROUP_PORTIONS:
                yield group
                group, bases = [], 0
    if group:
        yield group
