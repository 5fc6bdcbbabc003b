"""Files in 2bit form, as UCSC hands genomes on: four bases in a byte, with blocks of N and masks.

The form: https://genome.ucsc.edu/FAQ/FAQformat.html#format7. Version 1, for files of more than
4 GB, differs in the width of its offsets.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cisreg.genome.sequence_files import SequenceFile
from cisreg.genome.source import GenomeSource
from cisreg.names import check_shown

MAGICS = {b"\x43\x27\x41\x1a": "<", b"\x1a\x41\x27\x43": ">"}
_HEADER = 16
_LONGEST_NAME = 255
_UNKNOWN = 4
_MOST_SEQUENCES = 1 << 28
# Codes of the four bases of a byte, the first one in its highest bits; 2bit counts T, C, A, G.
_CODE_OF_PAIR = np.array([3, 1, 0, 2], np.uint8)
_FOUR = _CODE_OF_PAIR[(np.arange(256)[:, np.newaxis] >> np.array([6, 4, 2, 0])) & 3].copy()
_FOUR_CODES = _FOUR.view(np.uint32)[:, 0]


class _Sequence(NamedTuple):
    """Where one sequence is: its length, the packed bases, the blocks of N and of masks [2, n]."""

    length: int
    offset: int
    unknown: np.ndarray
    masked_offset: int
    masked_count: int


class TwoBitGenome(GenomeSource):
    """Sequences of a 2bit file.

    Args:
        file: the file, not compressed.
        masked_unknown: whether soft-masked bases are unknown bases.

    Raises:
        ValueError: it is damaged; the message names it.
    """

    def __init__(self, file: SequenceFile, *, masked_unknown: bool) -> None:
        self._name, self._masked_unknown = file.name, masked_unknown
        self._file = Path(file.path).open("rb")  # noqa: SIM115, closed by `close`
        self._size = os.fstat(self._file.fileno()).st_size
        try:
            self._order = MAGICS[self._read(0, 4)]
            self._sequences = self._read_sequences()
        except BaseException:
            self._file.close()
            raise
        self._lengths = {name: each.length for name, each in self._sequences.items()}
        self._masks: tuple[str, np.ndarray] = ("", np.empty((2, 0), np.int64))

    def length_of(self) -> dict[str, int]:
        """Bases of each sequence by its name, in the order of the file."""
        return self._lengths

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _codes(self, name: str, start: int, end: int) -> np.ndarray:
        if start == end:
            return np.empty(0, np.uint8)
        sequence = self._sequences[name]
        first = start // 4
        packed = self._read(sequence.offset + first, (end + 3) // 4 - first)
        four = _FOUR_CODES[np.frombuffer(packed, np.uint8)]
        codes = four.view(np.uint8)[start - 4 * first : end - 4 * first]
        _fill(codes, sequence.unknown, start, end)
        if self._masked_unknown:
            _fill(codes, self._masks_of(name), start, end)
        return codes

    def _masks_of(self, name: str) -> np.ndarray:
        """The masks of a sequence; those of the last one stay in memory."""
        kept = self._masks  # another thread may replace it meanwhile
        if kept[0] != name:
            sequence = self._sequences[name]
            blocks = self._blocks(sequence.masked_offset, sequence.masked_count)
            kept = self._masks = (name, self._checked(name, "masks", blocks, sequence.length))
        return kept[1]

    def _read_sequences(self) -> dict[str, _Sequence]:
        version, count, reserved = self._numbers(4, 3)
        if version not in (0, 1) or reserved or count > _MOST_SEQUENCES:
            self._damaged(f"version 0 or 1, got {version}")
        width = 8 if version else 4
        places, at = dict[str, int](), _HEADER
        for _ in range(count):
            size = self._read(at, 1)[0]
            entry = self._read(at + 1, size + width)
            name = entry[:size].decode(errors="replace")
            if not name or name in places:
                self._damaged(f"every name once, got {name!r} again")
            check_shown(self._name, [name])
            order = "little" if self._order == "<" else "big"
            places[name] = int.from_bytes(entry[size:], order)  # type: ignore[arg-type]
            at += 1 + size + width
        if not places:
            self._damaged("at least one sequence, got none")
        return {name: self._sequence(name, place) for name, place in places.items()}

    def _sequence(self, name: str, at: int) -> _Sequence:
        length, count = self._numbers(at, 2)
        unknown = self._blocks(at + 8, count)
        masks = at + 8 + 8 * count
        (mask_count,) = self._numbers(masks, 1)
        offset = masks + 4 + 8 * mask_count + 4
        if offset + (length + 3) // 4 > self._size:
            self._damaged(f"{length:,} bases of {name} in it, got its end before")
        return _Sequence(
            *(length, offset, self._checked(name, "N", unknown, length)),
            *(masks + 4, mask_count),
        )

    def _blocks(self, at: int, count: int) -> np.ndarray:
        """Start and end of blocks, int64 [2, count]."""
        starts, sizes = self._array(at, 2 * count).reshape(2, count)
        return np.stack([starts, starts + sizes])

    def _checked(self, name: str, what: str, blocks: np.ndarray, length: int) -> np.ndarray:
        if blocks.size and (blocks[1].max() > length or (np.diff(blocks[0]) < 0).any()):
            self._damaged(f"sorted blocks of {what} within {name}, got others")
        return blocks

    def _numbers(self, at: int, count: int) -> list[int]:
        return self._array(at, count).tolist()

    def _array(self, at: int, count: int) -> np.ndarray:
        return np.frombuffer(self._read(at, 4 * count), f"{self._order}u4").astype(np.int64)

    def _read(self, at: int, size: int) -> bytes:
        if at + size > self._size:
            self._damaged(f"{size:,} bytes at byte {at:,}, got the end of the file")
        found = os.pread(self._file.fileno(), size, at)
        if len(found) < size:
            self._damaged(f"{size:,} bytes at byte {at:,}, got {len(found):,}")
        return found

    def _damaged(self, expected: str) -> None:
        raise ValueError(f"{self._name}: is no whole 2bit file: expected {expected}; copy it again")


def _fill(codes: np.ndarray, blocks: np.ndarray, start: int, end: int) -> None:
    """Makes the bases of blocks unknown in the codes from `start` to `end`."""
    starts, ends = blocks
    # Blocks may overlap; what ends is sorted only by its largest so far.
    first = int(np.searchsorted(np.maximum.accumulate(ends), start, "right")) if len(ends) else 0
    last = int(np.searchsorted(starts, end, "left"))
    for i in range(first, last):
        codes[max(starts[i] - start, 0) : max(ends[i] - start, 0)] = _UNKNOWN
