"""Tracks of occupancy along a genome, computed from the sites that a scan finds."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cisreg.arrays import as_array
from cisreg.choices import check_choice
from cisreg.display import counted
from cisreg.file_checks import STANDARD, PathLike, check_target
from cisreg.files import publish_together
from cisreg.genome.interval_source import IntervalSource
from cisreg.genome.portions import Portion, SequenceSource
from cisreg.genome.progress import with_progress
from cisreg.genome.site_sums import END, Position, Reduction, SiteSums, bases_of_sites
from cisreg.genome.track_files import (
    ENDINGS,
    OWN_ENDING,
    TrackFormat,
    TrackWriter,
    open_track,
    track_format,
)
from cisreg.locks import hold_result_folder
from cisreg.motifs import MotifSet
from cisreg.names import file_stems
from cisreg.scan import make_threshold, scan_portions
from cisreg.scan.scanning import Strands
from cisreg.sequences import Unknown

logger = logging.getLogger("cisreg.genome")

FLOOR = 0.01
# Tracks of one pass over the genome: a process may open about a thousand files.
_FILES_AT_ONCE = 128
# Sites that are added at a time, some hundred bytes each.
_SITES_AT_ONCE = 1 << 18
_WORDS = {
    "probability": "probability",
    "expected": "expected number",
    "covered": "the bases that they cover",
    "centre": "their centres",
    "start": "their first bases",
}


def write_occupancy_tracks(
    source: SequenceSource,
    motifs: MotifSet,
    log_concentration: npt.ArrayLike,
    output: PathLike,
    *,
    format: TrackFormat | None = None,
    total: bool = False,
    position: Position = "covered",
    reduction: Reduction = "probability",
    strands: Strands = "both",
    floor: float = FLOOR,
    unknown: Unknown = "skip",
    threads: int | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> list[Path]:
    """Writes the occupancy of each base of a genome, as bigWig or bedGraph.

    A site is a window on one strand that holds the whole motif. It is occupied with probability

        p = sigmoid(log concentration - log Kd)

    and sites are independent. With S(x) the sites of either strand that count at base x, the value
    of x is the probability that at least one of them is bound, 1 - product over S(x) of (1 - p), or
    the expected number of bound ones, the sum of p over S(x). These are the reductions
    "probability" and "expected" of `cisreg.occupancy`, for one base instead of the sequence.

    Sites with p below `floor` count as unbound, so that files stay small and the scan fast. A value
    is therefore too small by at most floor times the number of sites in S(x): 2 strands times the
    motif's width for "covered", 2 for the other positions. With a floor of 0 every site counts.
    Bases without a site are not in the file.

    Memory is bounded whatever the genome. Values do not depend on how it is divided into portions,
    nor on the number of threads. No file appears before all are complete.

    Args:
        source: the sequences, see `cisreg.genome.open_genome`. If it has intervals, in any order,
            none may overlap another; a site then lies within one of them.
        motifs: the M motifs; choose some by `motifs[["Abf1", "Reb1"]]`.
        log_concentration: free concentration of the factors, one number or [M], nats, in the unit
            of log Kd; minus infinity for a factor that is absent.
        output: a file, which ends in .bw, .bigwig, .bedgraph, .bdg or .bg (bedGraph also with .gz,
            for bgzip), for one motif or the total; another name is a folder that gets a file for
            each motif, named after it. "-" is standard output, as bedGraph.
        format: "bigwig" or "bedgraph"; None for what the ending of a file says, and for bigWig in a
            folder.
        total: one track of the sites of all motifs together.
        position: at which bases a site counts: "covered", all that it covers; "centre", base
            (width - 1) // 2 of the window, counted from its leftmost base 0 for both strands;
            "start", its leftmost base.
        reduction: "probability" or "expected".
        strands: "both"; "forward" or "reverse": only sites on this strand.
        floor: the least occupancy of a site that counts, 0 or more and below 1.
        unknown: how to treat windows that hold an unknown base, see `cisreg.scan`.
        threads: number of threads; None for one per available core.
        overwrite: whether files that exist may be replaced.
        progress: show the bases done on standard error, if that is a terminal.

    Returns:
        The files, in the order of the motifs.

    Raises:
        ValueError: an argument has the wrong shape or value, there are several motifs and one file,
            or intervals overlap.
        FileExistsError: a file exists, and `overwrite` is False.
        OSError: a file cannot be written.

    Example:
        >>> with open_genome("yeast.fa") as genome:  # doctest: +SKIP
        ...     write_occupancy_tracks(genome, motifs["Reb1"], -9.5, "Reb1.bw")
    """
    check_choice("position", position, Position)
    check_choice("reduction", reduction, Reduction)
    concentration = _concentrations(log_concentration, motifs)
    limits = _limits(motifs, concentration, floor)
    options: Any = {"strands": strands, "unknown": unknown, "threads": threads}
    chosen, paths, folder = _files(output, format, motifs, total)
    for path in paths:
        if os.fspath(path) != STANDARD:
            check_target(path, overwrite)
    if isinstance(source, IntervalSource):
        source = source.in_genome_order()
    parts = list(_parts(len(motifs), total))
    if len(parts) > 1:
        hold_source(source)
    lengths = sequence_lengths(source)
    law = _Law(position, reduction, total)
    with ExitStack() as stack:
        if folder is not None:
            stack.enter_context(hold_result_folder(folder))
            stack.enter_context(publish_together())
        for part in parts:
            with ExitStack() as files:
                writers = [
                    files.enter_context(open_track(path, chosen, lengths, overwrite=overwrite))
                    for path in (paths if total else paths[part])
                ]
                group = _Group(motifs[part], concentration[part], writers, law)
                portions = with_progress(
                    _in_order(source.portions(overlap=group.overlap)),
                    total=getattr(source, "total", None),
                    show=progress,
                )
                group.add(scan_portions(portions, group.motifs, limits[part], **options))
    logger.info(
        "%s of the %s of bound sites at %s: sites with an occupancy below %g count as unbound",
        *(counted(len(paths), "track"), _WORDS[reduction], _WORDS[position], floor),
    )
    return paths


def sequence_lengths(source: SequenceSource) -> dict[str, int]:
    """Bases of each sequence by its name, in the order of the source.

    Where the source does not know them in advance, its sequences are read once.

    Raises:
        ValueError: two sequences have the same name.

    Example:
        >>> with open_genome("yeast.fa") as genome:  # doctest: +SKIP
        ...     sequence_lengths(genome)["chrI"]
        230218
    """
    names, lengths = source.names, source.lengths
    if names is None or lengths is None:
        hold_source(source)
        found: dict[str, int] = {}
        for portion in source.portions(overlap=0):
            found[portion.sequence] = max(found.get(portion.sequence, 0), portion.end)
        return found
    if len(set(names)) < len(names):
        again = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"source: expected sequences of distinct names, got {again!r} twice; a track says by "
            "the name alone where its values are"
        )
    return dict(zip(names, lengths, strict=True))


def hold_source(source: SequenceSource) -> None:
    """Makes sure that the portions of a source can be read again, where it can."""
    if hasattr(source, "hold"):
        source.hold()


class _Law(NamedTuple):
    """How sites become values of bases; see `write_occupancy_tracks`."""

    position: Position
    reduction: Reduction
    total: bool


def _by_sequence(tables: Iterable[pa.Table]) -> Iterator[tuple[str, pa.Table]]:
    """The name of a sequence and its sites, of tables that may have those of several."""
    for table in tables:
        if not len(table):
            continue
        sequence = table["sequence"].combine_chunks()
        index = sequence.indices.to_numpy()
        first = np.flatnonzero(np.diff(index, prepend=-1))
        for begin, end in zip(first, np.append(first[1:], len(index)), strict=True):
            yield sequence.dictionary[int(index[begin])].as_py(), table.slice(begin, end - begin)


class _Group:
    """Motifs that are scanned in one pass, with the tracks that get their sites."""

    def __init__(
        self,
        motifs: MotifSet,
        log_concentration: np.ndarray,
        writers: Sequence[TrackWriter],
        law: _Law,
    ) -> None:
        self.motifs, self._writers, self._law = motifs, writers, law
        self._concentration = log_concentration.astype(np.float64)
        self._widths = motifs.widths.astype(np.int64)
        sites = 2 * self._widths if law.position == "covered" else np.full(len(motifs), 2)
        self._most = [int(sites.sum())] if law.total else sites.tolist()
        self._sums: list[SiteSums] = []
        self._sequence: str | None = None

    @property
    def overlap(self) -> int:
        """Bases that portions share, so that every site lies in one."""
        return int(self._widths.max()) - 1

    def add(self, tables: Iterable[pa.Table]) -> None:
        """Writes the values of all sites, which come as `scan_portions` gives them."""
        for name, sites in _by_sequence(tables):
            if name != self._sequence:
                self._end_sequence()
                self._sequence = name
                self._sums = [SiteSums(self._law.reduction, most_sites=most) for most in self._most]
            for first in range(0, len(sites), _SITES_AT_ONCE):
                self._add_sites(sites.slice(first, _SITES_AT_ONCE))
        self._end_sequence()

    def _add_sites(self, table: pa.Table) -> None:
        names = table["motif"].combine_chunks()
        number = np.array([self.motifs.names.index(name) for name in names.dictionary.to_pylist()])
        motif = number[names.indices.to_numpy()]
        start = table["start"].to_numpy()
        logit = self._concentration[motif] - table["log_kd"].to_numpy()
        first, end = bases_of_sites(start, self._widths[motif], self._law.position)
        # Every later site begins here or behind it.
        complete = int(start[-1])
        if self._law.total:
            self._write(0, first, end, logit, complete)
            return
        order = np.argsort(motif, kind="stable")
        bounds = np.searchsorted(motif[order], np.arange(len(self.motifs) + 1))
        for track in np.flatnonzero(np.diff(bounds)).tolist():
            of_track = order[bounds[track] : bounds[track + 1]]
            self._write(track, first[of_track], end[of_track], logit[of_track], complete)

    def _write(
        self, track: int, start: np.ndarray, end: np.ndarray, logit: np.ndarray, complete: int
    ) -> None:
        assert self._sequence is not None
        runs = self._sums[track].add(start, end, logit, complete=complete)
        self._writers[track].write(self._sequence, *runs)

    def _end_sequence(self) -> None:
        none = np.zeros(0, np.int64)
        for track in range(len(self._sums)):
            self._write(track, none, none, none.astype(np.float64), END)


def _concentrations(value: npt.ArrayLike, motifs: MotifSet) -> np.ndarray:
    """Log concentrations, float32 [M]."""
    given = as_array(value, "log_concentration", np.float32, (...,))
    if given.shape not in ((), (len(motifs),)) or not (given < np.inf).all():
        raise ValueError(
            f"log_concentration: expected one number of nats or shape [{len(motifs)}], one per "
            f"motif, finite or minus infinity, got {given.tolist()}"
        )
    return np.broadcast_to(given, len(motifs))


def _limits(motifs: MotifSet, concentration: np.ndarray, floor: float) -> np.ndarray:
    """The largest log Kd of a site that counts, float32 [M]."""
    if not isinstance(floor, Real) or not 0 <= floor < 1:
        raise ValueError(f"floor: expected a number of at least 0 and below 1, got {floor!r}")
    if floor:
        return make_threshold(motifs, occupancy=floor, log_concentration=concentration).log_kd
    return np.where(np.isneginf(concentration), -np.inf, np.inf).astype(np.float32)


def _files(
    output: PathLike, format: TrackFormat | None, motifs: MotifSet, total: bool
) -> tuple[TrackFormat, list[Path], Path | None]:
    """The format, the files of the tracks, and the folder that they are in if it is the output."""
    chosen = track_format(output, format)
    if chosen is not None:
        if len(motifs) > 1 and not total:
            raise ValueError(
                f"output: expected a folder for the tracks of {len(motifs)} motifs, got the file "
                f"{os.fspath(output)}; name a folder, one motif, or total=True (--track-total) for "
                "all motifs together"
            )
        return chosen, [Path(output)], None
    if total:
        raise ValueError(
            f"output: expected a file that ends in {', '.join(ENDINGS)} for one track of all "
            f"motifs, got {os.fspath(output)}"
        )
    chosen, folder = format or "bigwig", Path(output)
    names = [f"{stem}{OWN_ENDING[chosen]}" for stem in file_stems(motifs.names)]
    return chosen, [folder / name for name in names], folder


def _parts(count: int, total: bool) -> Iterator[slice]:
    """The motifs of each pass over the sequences."""
    step = count if total else _FILES_AT_ONCE
    yield from (slice(first, first + step) for first in range(0, count, step))


def _in_order(portions: Iterable[Portion]) -> Iterator[Portion]:
    """The portions, which must not show a base in two intervals, nor go back."""
    done: set[str] = set()
    name, end = None, 0
    for portion in portions:
        if portion.sequence != name:
            if portion.sequence in done:
                raise ValueError(
                    f"source: expected all intervals of a sequence one after the other, got "
                    f"{portion.sequence!r} again after {name!r}; sort the intervals"
                )
            name, end = portion.sequence, 0
            done.add(name)
        if portion.start < end:
            raise ValueError(
                f"source: expected sorted intervals that do not overlap, got one that begins at "
                f"{portion.start:,} in {name!r}, where another ends at {end:,}; sort and merge "
                "them (bedtools merge): a track has one value at each base"
            )
        yield portion
        end = portion.end if portion.last else portion.start + portion.own
