"""Writes bigWig files, portion after portion, into a file that `cisreg.files` made.

The format is that of Kent et al. (2010), "BigWig and BigBed: enabling browsing of large distributed
datasets", Bioinformatics 26, 2204: sections of compressed values, an R tree that finds them, and
summaries of larger and larger bins for browsers that are zoomed out.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from cisreg.genome.bigwig_summaries import SUMMARY, pieces_of_runs, summarised
from cisreg.genome.bigwig_trees import ENTRY, write_names, write_places
from cisreg.genome.run_order import RunOrder

ITEM = np.dtype([("start", "<u4"), ("end", "<u4"), ("value", "<f4")])
LONGEST_SEQUENCE = 2**32 - 1

_MAGIC, _VERSION = 0x888FFC26, 4
_HEADER = struct.Struct("<IHHQQQHHQQIQ")
_SECTION = struct.Struct("<IIIIIBBH")
_ZOOM = struct.Struct("<IIQQ")
_TOTAL = struct.Struct("<Qdddd")
_BED_GRAPH = 1
# Items of a section: as many as the tools of UCSC put there.
_ITEMS = 1024
_MOST_ZOOMS = 10
_ZOOM_PLACE = _HEADER.size
_TOTAL_PLACE = _ZOOM_PLACE + _MOST_ZOOMS * _ZOOM.size
# Each level of summaries has bins of this many bins of the one before.
_STEP = 4
_SMALLEST_BIN = 16
# Values of floats hardly become smaller with more work.
_COMPRESSION = 1
_SECTIONS_READ = 256


class BigWigWriter:
    """A bigWig that is being written; `close` completes it.

    What is written depends only on the values, not on how they were divided among calls. Memory is
    that of one call, and 32 bytes for each 1024 values.

    Args:
        file: an empty file, open for writing and reading.
        sequences: length of each sequence by its name, in the order in which values will come.

    Raises:
        ValueError: no sequences, or a length that the format cannot hold.

    Example:
        >>> import io
        >>> writer = BigWigWriter(io.BytesIO(), {"chr1": 1000})
        >>> writer.write("chr1", np.array([10]), np.array([20]), np.array([0.5]))
        >>> writer.close()
    """

    def __init__(self, file: BinaryIO, sequences: Mapping[str, int]) -> None:
        if not sequences:
            raise ValueError("sequences: expected at least one sequence for a bigWig, got none")
        for name, length in sequences.items():
            if not 0 <= length <= LONGEST_SEQUENCE:
                raise ValueError(
                    f"sequences: expected lengths from 0 to {LONGEST_SEQUENCE} as a bigWig can "
                    f"hold, got {length} for {name!r}; write bedGraph"
                )
        self._file = file
        self._lengths = dict(sequences)
        self._order = RunOrder(self._lengths)
        self._current = -1
        self._kept = np.zeros(0, ITEM)
        self._entries: list[tuple[int, ...]] = []
        self._total = _Total()
        file.write(bytes(_TOTAL_PLACE + _TOTAL.size))
        self._names_place = write_names(file, self._lengths)
        self._data_place = file.tell()
        file.write(bytes(8))

    def write(self, sequence: str, start: np.ndarray, end: np.ndarray, value: np.ndarray) -> None:
        """Adds runs of bases with one value each.

        Args:
            sequence: its name; all runs of a sequence come before those of the next.
            start: int [n], first base of each run, from 0, ascending.
            end: int [n], the base after its last.
            value: float32 [n].

        Raises:
            ValueError: a sequence that is not known or comes too late, runs that are empty, overlap
                or reach beyond the sequence, or a value that is not finite.
        """
        if not len(start):
            return
        number = self._order.check(sequence, start, end)
        if number != self._current:
            self._end_sequence()
            self._current = number
        items = np.empty(len(start), ITEM)
        with np.errstate(over="ignore"):
            items["start"], items["end"], items["value"] = start, end, value
        if not np.isfinite(items["value"]).all():
            raise ValueError(f"value: expected finite float32 numbers for {sequence!r}, got others")
        self._kept = np.concatenate([self._kept, items])
        whole = len(self._kept) // _ITEMS * _ITEMS
        for first in range(0, whole, _ITEMS):
            self._write_section(self._kept[first : first + _ITEMS])
        self._kept = self._kept[whole:]

    def close(self) -> None:
        """Writes what is left, the index, the summaries and the header."""
        self._end_sequence()
        file = self._file
        index_place = file.tell()
        entries = np.array(self._entries, ENTRY)
        write_places(file, entries, items=_ITEMS, end=index_place)
        zooms = self._write_summaries(entries)
        file.seek(0)
        file.write(
            _HEADER.pack(
                *(_MAGIC, _VERSION, len(zooms), self._names_place, self._data_place, index_place),
                *(0, 0, 0, _TOTAL_PLACE, _ITEMS * SUMMARY.itemsize, 0),
            )
        )
        for zoom in zooms:
            file.write(_ZOOM.pack(*zoom))
        file.seek(_TOTAL_PLACE)
        file.write(self._total.packed())
        file.seek(self._data_place)
        file.write(struct.pack("<Q", len(entries)))

    def _end_sequence(self) -> None:
        """Writes the last section of the current sequence."""
        if len(self._kept):
            self._write_section(self._kept)
        self._kept = self._kept[:0]

    def _write_section(self, items: np.ndarray) -> None:
        # Sums of whole sections, so that their rounding depends on no call.
        self._total.add(items)
        first, end = int(items["start"][0]), int(items["end"][-1])
        head = _SECTION.pack(self._current, first, end, 0, 0, _BED_GRAPH, 0, len(items))
        self._entries.append(self._compressed(head + items.tobytes(), self._current, first, end))

    def _compressed(self, content: bytes, sequence: int, start: int, end: int) -> tuple[int, ...]:
        """Writes a section of one sequence; returns its entry for an R tree."""
        place = self._file.tell()
        size = self._file.write(zlib.compress(content, _COMPRESSION))
        return sequence, start, sequence, end, place, size

    def _write_summaries(self, entries: np.ndarray) -> list[tuple[int, ...]]:
        """Writes all levels; returns (bases of a bin, 0, place, place of the index) of each."""
        longest = max(self._lengths.values())
        zooms: list[tuple[int, ...]] = []
        bases = self._first_bin()
        while len(entries) and len(zooms) < _MOST_ZOOMS and bases < longest:
            # The first level is made from the values, each other from the one before.
            records = (
                summarised(self._summaries(entries), bases)
                if zooms
                else summarised((pieces_of_runs(*each, bases) for each in self._runs()), bases)
            )
            place, entries = self._write_level(records)
            index_place = self._file.tell()
            write_places(self._file, entries, items=_ITEMS, end=index_place)
            zooms.append((bases, 0, place, index_place))
            bases *= _STEP
        return zooms

    def _first_bin(self) -> int:
        """Bases of the smallest bins: large enough that there is at most one for four values."""
        spanned = sum(entry[3] - entry[1] for entry in self._entries)
        bases = _SMALLEST_BIN
        while bases * self._total.items < _STEP * spanned:
            bases *= _STEP
        return bases

    def _write_level(self, records: Iterator[np.ndarray]) -> tuple[int, np.ndarray]:
        """Writes one level of summaries; returns its place and its entries for the R tree."""
        place = self._file.seek(0, 2)
        self._file.write(bytes(4))
        entries: list[tuple[int, ...]] = []
        kept, count = np.zeros(0, SUMMARY), 0
        lengths = np.array(list(self._lengths.values()))
        # The place is remembered: between two records the file is read somewhere else.
        end = self._file.tell()
        for each in records:
            each["end"] = np.minimum(each["end"], lengths[each["sequence"]])
            count += len(each)
            kept = np.concatenate([kept, each])
            whole = len(kept) // _ITEMS * _ITEMS
            end = self._write_records(kept[:whole], end, entries)
            kept = kept[whole:]
        self._write_records(kept, end, entries)
        here = self._file.seek(0, 2)
        self._file.seek(place)
        self._file.write(struct.pack("<I", count))
        self._file.seek(here)
        return place, np.array(entries, ENTRY)

    def _write_records(self, records: np.ndarray, end: int, entries: list[tuple[int, ...]]) -> int:
        """Writes sections of summaries at `end`, which may hold several sequences each."""
        self._file.seek(end)
        for first in range(0, len(records), _ITEMS):
            part = records[first : first + _ITEMS]
            place = self._file.tell()
            size = self._file.write(zlib.compress(part.tobytes(), _COMPRESSION))
            ends = (part[0]["sequence"], part[0]["start"], part[-1]["sequence"], part[-1]["end"])
            entries.append((*map(int, ends), place, size))
        return self._file.tell()

    def _runs(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The values that were written: the sequence of each run, and the runs."""
        for first in range(0, len(self._entries), _SECTIONS_READ):
            part = self._entries[first : first + _SECTIONS_READ]
            items = [np.frombuffer(self._read(entry), ITEM, offset=_SECTION.size) for entry in part]
            sequence = np.repeat([entry[0] for entry in part], [len(each) for each in items])
            yield sequence, np.concatenate(items)

    def _summaries(self, entries: np.ndarray) -> Iterator[np.ndarray]:
        """The summaries of a level that was written."""
        for first in range(0, len(entries), _SECTIONS_READ):
            part = entries[first : first + _SECTIONS_READ].tolist()
            yield np.concatenate([np.frombuffer(self._read(entry), SUMMARY) for entry in part])

    def _read(self, entry: tuple[int, ...]) -> bytes:
        self._file.seek(entry[4])
        return zlib.decompress(self._file.read(entry[5]))


class _Total:
    """Sums over all values, for the header."""

    def __init__(self) -> None:
        self.items = 0
        self._bases = 0
        self._lowest, self._highest = np.inf, -np.inf
        self._sum = self._squares = 0.0

    def add(self, items: np.ndarray) -> None:
        """Adds some values."""
        bases = (items["end"] - items["start"]).astype(np.float64)
        value: Any = items["value"].astype(np.float64)
        self.items += len(items)
        self._bases += int(bases.sum())
        self._lowest = min(self._lowest, value.min())
        self._highest = max(self._highest, value.max())
        self._sum += float(bases @ value)
        self._squares += float(bases @ value**2)

    def packed(self) -> bytes:
        """The sums as the file holds them; all 0 without values."""
        lowest, highest = (self._lowest, self._highest) if self.items else (0.0, 0.0)
        return _TOTAL.pack(self._bases, lowest, highest, self._sum, self._squares)
