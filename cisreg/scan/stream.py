"""Hits in parts, from rows in memory or from portions of sequences."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from cisreg.scan.ahead import ahead
from cisreg.scan.hits import STRANDS, named
from cisreg.scan.inputs import Motifs, Rows, is_portion, path_of
from cisreg.scan.q_values import QValues, count_windows
from cisreg.scan.search import STRANDS_OF, Found, Search

# Bases read at a time.
PORTION_BASES = 2**22
# Short portions are scanned together, until they have so many bases.
_BATCH_BASES = 2**20


class Part(NamedTuple):
    """Some hits.

    Attributes:
        found: the hits; `sequence` is an index into the places.
        cut: whether there were more than enough hits, so that others of this text follow.
        ends: whether a sequence, or an interval, ends here.
    """

    found: Found
    cut: bool
    ends: bool


class Places:
    """Sequences, or intervals of them, in the order in which they came.

    Attributes:
        have_regions: whether there were intervals.
    """

    def __init__(self) -> None:
        self._names: list[tuple[str, str | None]] = []
        self._index: dict[str, int] = {}
        self._goes_on = False
        self.have_regions = False

    def add(self, portion: Any) -> int:
        """The number of a portion's sequence or interval."""
        if portion.region is None:
            index = self._index.setdefault(portion.sequence, len(self._names))
            is_new = index == len(self._names)
        else:
            self.have_regions = True
            # Several intervals may have one name.
            is_new = not self._goes_on
            index = len(self._names) - (not is_new)
        if is_new:
            self._names.append((portion.sequence, portion.region))
        self._goes_on = not portion.last
        return index

    def sequences(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Distinct names of sequences, and the one of each place, int64 [places]."""
        names: dict[str, int] = {}
        of_place = [names.setdefault(sequence, len(names)) for sequence, _ in self._names]
        return tuple(names), np.array(of_place, np.int64)

    def names(self, number: int) -> tuple[str, str | None]:
        """The names of a place's sequence and interval."""
        return self._names[number]


def count(search: Search, counts: QValues | None, rows: Rows, own: int | None = None) -> None:
    """Counts the windows of a text for q-values."""
    if counts is not None:
        windows = count_windows(
            *(rows.codes, rows.bounds, search.motifs.widths),
            own=own,
            skip_unknown=search.unknown == "skip",
        )
        counts.add_windows(windows * STRANDS_OF[search.strands])


def parts_of_rows(search: Search, rows: Rows, enough: int) -> Iterator[Part]:
    """The hits of a text in memory, in parts of about `enough`."""
    sequences = np.arange(rows.bounds.shape[1])
    for found, cut in search.parts(rows, sequences, end=len(rows.codes), enough=enough):
        yield Part(found, cut, False)


def parts_of_portions(
    search: Search,
    source: Any,
    places: Places,
    counts: QValues | None,
    enough: int,
    stopped: Callable[[], bool] | None = None,
) -> Iterator[Part]:
    """The hits of portions, in parts of about `enough`; portions are read ahead."""
    for batch in ahead(lambda _: _batches(_portions(search.motifs, source))):
        codes = np.concatenate([np.asarray(each.codes, np.uint8) for each in batch])
        bounds = np.cumsum([0, *(len(each.codes) for each in batch)])
        starts = np.array([each.start for each in batch], np.int64)
        rows = Rows(codes, np.stack([bounds[:-1], bounds[1:]]), starts)
        own = int(bounds[-2]) + batch[-1].own
        count(search, counts, rows, own)
        place = np.array([places.add(each) for each in batch])
        for found, cut in search.parts(rows, place, end=own, enough=enough, stopped=stopped):
            yield Part(found, cut, batch[-1].last and not cut)


def _batches(portions: Iterator[Any]) -> Iterator[list[Any]]:
    """Portions together: short ones, such as intervals, keep all cores busy only in numbers.

    Only the last of a batch has codes that are not its own.
    """
    batch: list[Any] = []
    size = 0
    for portion in portions:
        batch.append(portion)
        size += len(portion.codes)
        if portion.own < len(portion.codes) or size >= _BATCH_BASES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _portions(motifs: Motifs, source: Any) -> Iterator[Any]:
    """The portions of a path, a source, a portion, or an iterable of portions."""
    overlap = int(motifs.widths.max()) - 1
    path = path_of(source)
    with ExitStack() as stack:
        if path is not None:
            open_genome = importlib.import_module("cisreg.genome").open_genome
            source = stack.enter_context(open_genome(path))
        if is_portion(source):
            yield source
        elif hasattr(source, "portions"):
            yield from source.portions(overlap=overlap, own=PORTION_BASES)
        else:
            yield from source


class Tables:
    """Makes Arrow tables of hits.

    Args:
        motifs: the motifs.
        places: the sequences, and the intervals if there are any.
    """

    def __init__(self, motifs: Motifs, places: Places) -> None:
        self._widths, self._places = motifs.widths.astype(np.int64), places
        names = motifs.names or tuple(str(index) for index in range(motifs.number))
        self._motifs = pa.array(names, pa.string())
        self._strands = pa.array(STRANDS, pa.string())

    def make(self, found: Found) -> pa.Table:
        """The table of some hits."""
        # Of millions of places, few are in one table; hits come sorted by them.
        is_new = np.diff(found.sequence, prepend=-1) != 0
        place = np.cumsum(is_new) - 1
        used = [self._places.names(number) for number in found.sequence[is_new].tolist()]
        columns = {
            "sequence": named("sequence", place, [sequence for sequence, _ in used]),
            "start": found.position,
            "end": found.position + self._widths[found.motif],
            "motif": _dictionary(found.motif, self._motifs),
            "strand": _dictionary(found.strand, self._strands),
            "log_kd": found.log_kd,
        }
        if found.p_value is not None:
            columns["p_value"] = found.p_value
        if self._places.have_regions:
            columns["region"] = named("region", place, [region or "" for _, region in used])
        return pa.table(columns)


def _dictionary(index: np.ndarray, values: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(
        pa.array(index.astype(np.int32, copy=False)), values, safe=False
    )
