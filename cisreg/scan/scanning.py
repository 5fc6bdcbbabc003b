"""Scanning: all sites that are strong enough, in memory or in portions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cisreg.limits import check_range
from cisreg.motifs import MotifSet
from cisreg.scan.ahead import ahead
from cisreg.scan.best_hits import ENOUGH, BestHits, BestPer
from cisreg.scan.hits import Hits
from cisreg.scan.inputs import as_motifs, as_rows, is_source, path_of
from cisreg.scan.q_values import QValues
from cisreg.scan.search import Found, Search, Strands
from cisreg.scan.stream import Part, Places, Tables, count, parts_of_portions, parts_of_rows
from cisreg.scan.thresholds import Threshold, make_threshold
from cisreg.sequences import Unknown

_MOST_HITS = 2**62
# Hits of one table of `scan_portions`, at most by about this many.
PORTION_HITS = 2**21


def scan(
    sequence: Any,
    motifs: MotifSet | npt.ArrayLike,
    threshold: npt.ArrayLike | str | None = None,
    *,
    p_value: float | None = None,
    share_of_best: float | None = None,
    relative_score: float | None = None,
    occupancy: float | None = None,
    log_concentration: npt.ArrayLike | None = None,
    background: Any = None,
    strands: Strands = "both",
    best: int | None = None,
    best_per: BestPer = "sequence",
    unknown: Unknown = "skip",
    p_values: bool = False,
    q_values: bool = False,
    limit: int = 100_000_000,
    threads: int | None = None,
) -> Hits:
    """Every site whose log Kd is at most the threshold.

    A site's log Kd is the sum of its columns' entries, added in float32 from the motif's first
    column to its last. The hits are bit for bit the same on every processor and for every number of
    threads. Only the hits take memory, 25 bytes each, 33 with p-values, and 24 more while they are
    gathered; `scan_portions` gives them in portions instead.

    A site never extends beyond the ends of its sequence. Sequences may differ in length: arrays
    from `cisreg.encode` record which part of a row is padding. In any other array the whole row is
    sequence, and every code 4 is an unknown base.

    Log Kd is low where binding is strong. For motifs of log odds (score = -log Kd), a score of at
    least s nats corresponds to the threshold -s; multiply a score in bits by ln 2 to get nats.
    Exactly one of `threshold`, `p_value`, `share_of_best`, `relative_score` and `occupancy` says
    what a hit is; with `best`, there may be none. `make_threshold` says what each means.

    The p-value of a hit is the probability that a random window on its strand is as strong or
    stronger (`site_p_values` has the definition). With `p_value`, the hits are exactly the sites
    with at most this p-value.

    Args:
        sequence: one sequence as a string, several as a list of strings, a pandas Series or an
            Arrow array; base codes [N, L], or [L] for one sequence, such as a chromosome; the path
            of a FASTA or 2bit file; or a source of sequences from `cisreg.genome.open_genome`.
        motifs: a motif set, or [W, 4, M] position Kd matrices in nats, bases in the order A C G T,
            all of whose columns count as the motif's own.
        threshold: the largest log Kd of a hit in nats, one number or [M], rounded to float32 like
            log Kd. Infinity gives every site, -infinity none. "motif" takes the thresholds that the
            motifs' file states, such as HOMER's.
        p_value: the largest p-value of a hit; the hits then have p-values.
        share_of_best: the least share of the strongest site's score, -log Kd, that a hit has.
        relative_score: the least score of a hit, 0 being the weakest site's and 1 the strongest's.
        occupancy: how much of the time a hit is bound at least, above 0 and below 1.
        log_concentration: one number or [M], nats; for `occupancy`.
        background: probabilities of A, C, G and T on the forward strand, for p-values; None for
            1/4 each.
        strands: "both"; "forward" or "reverse": only sites on this strand.
        best: only so many of the strongest hits of each motif; of equally strong ones the first.
        best_per: "sequence": of each motif on each sequence; "motif": of each motif on all.
        unknown: how to treat windows that hold an unknown base (code 4): "skip", they are not
            sites; "neutral", the base adds 0, as in `cisreg.occupancy`; "worst", it adds as much as
            the motif's weakest base there.
        p_values: whether hits have p-values, also with another threshold.
        q_values: whether hits have q-values, and with them p-values; see `QValues`.
        limit: largest number of hits; a scan that finds more stops with an error instead of
            filling the memory.
        threads: number of threads; None for one per available core.

    Returns:
        The hits, sorted by sequence, position, strand and motif.

    Raises:
        ValueError: an argument has the wrong shape, dtype or values, not exactly one of the
            thresholds is given, or there are more hits than `limit`; the message names the
            argument, what was expected and what came.
        LibraryError: cisreg's compiled module does not load.

    Example:
        >>> motifs = cisreg.MotifSet.from_matrices(["GATA"], [consensus_matrix("GATA")])
        >>> hits = cisreg.scan("TTGATATATCTT", motifs, share_of_best=1)
        >>> hits.position.tolist(), hits.strand.tolist()
        ([2, 6], [0, 1])
    """
    path = path_of(sequence)
    in_portions = path is not None or is_source(sequence)
    rows = None if in_portions else as_rows(sequence)
    chosen = _threshold(
        motifs,
        threshold,
        best=best,
        p_value=p_value,
        share_of_best=share_of_best,
        relative_score=relative_score,
        occupancy=occupancy,
        log_concentration=log_concentration,
        background=background,
    )
    check_range("limit", limit, 0, _MOST_HITS)
    search = Search(
        *(as_motifs(motifs), chosen),
        strands=strands,
        unknown=unknown,
        p_values=p_values or q_values,
        background=background,
        threads=threads,
    )
    strongest = None if best is None else BestHits(best, best_per, search)
    counts = QValues(search.motifs.number) if q_values else None
    places = Places()
    enough = limit if strongest is None else ENOUGH
    if rows is None:
        source = sequence if path is None else path
        parts = parts_of_portions(search, source, places, counts, enough)
    else:
        count(search, counts, rows)
        parts = parts_of_rows(search, rows, enough)
    found = _gather(search, parts, strongest, limit)
    return _hits(search, found, None if rows is not None else places, counts)


def scan_portions(
    source: Any,
    motifs: MotifSet | npt.ArrayLike,
    threshold: npt.ArrayLike | str | None = None,
    *,
    p_value: float | None = None,
    share_of_best: float | None = None,
    relative_score: float | None = None,
    occupancy: float | None = None,
    log_concentration: npt.ArrayLike | None = None,
    background: Any = None,
    strands: Strands = "both",
    best: int | None = None,
    best_per: BestPer = "sequence",
    unknown: Unknown = "skip",
    p_values: bool = False,
    q_values: QValues | None = None,
    threads: int | None = None,
) -> Iterator[pa.Table]:
    """The hits of `scan` as Arrow tables, one after the other, in bounded memory.

    Args:
        source: the path of a FASTA or 2bit file, a source from `cisreg.genome.open_genome`, or
            portions of sequences in their order (`cisreg.genome.Portion`).
        motifs: see `scan`, like the other arguments.
        threshold: see `scan`.
        p_value: see `scan`.
        share_of_best: see `scan`.
        relative_score: see `scan`.
        occupancy: see `scan`.
        log_concentration: see `scan`.
        background: see `scan`.
        strands: see `scan`.
        best: see `scan`; with `best_per="motif"` there is one table, at the end.
        best_per: see `scan`; where a source has intervals, each of them is a sequence.
        unknown: see `scan`.
        p_values: see `scan`.
        q_values: counts what q-values need while tables are taken; afterwards its `of_table` gives
            those of each table. Hits then have p-values.
        threads: see `scan`.

    Yields:
        Tables with the columns sequence (names), start, end, motif, strand, log_kd, p_value if
        asked for, and region if the portions have one. Their rows, joined, are sorted like the hits
        of `scan`. The next table is made while one is in use.

    Raises:
        ValueError: see `scan`.

    Example:
        >>> for table in cisreg.scan_portions("genome.fa", motifs, p_value=1e-4):
        ...     print(len(table))
    """
    chosen = _threshold(
        motifs,
        threshold,
        best=best,
        p_value=p_value,
        share_of_best=share_of_best,
        relative_score=relative_score,
        occupancy=occupancy,
        log_concentration=log_concentration,
        background=background,
    )
    search = Search(
        *(as_motifs(motifs), chosen),
        strands=strands,
        unknown=unknown,
        p_values=p_values or q_values is not None,
        background=background,
        threads=threads,
    )
    strongest = None if best is None else BestHits(best, best_per, search)
    return ahead(lambda stopped: _tables(search, source, strongest, q_values, stopped))


def _threshold(motifs: Any, threshold: Any, *, best: int | None, **options: Any) -> Threshold:
    """The threshold; every site, where only the strongest are asked for."""
    ways = ("p_value", "share_of_best", "relative_score", "occupancy")
    if best is not None and threshold is None and all(options[way] is None for way in ways):
        threshold = np.inf
    return make_threshold(motifs, threshold, **options)


def _gather(search: Search, parts: Iterator[Part], strongest: BestHits | None, limit: int) -> Found:
    """All hits.

    Raises:
        ValueError: there are more than `limit`.
    """
    kept: list[Found] = []
    total = 0
    for part in parts:
        if strongest is None:
            found = part.found
        else:
            strongest.add(part.found, more=part.cut)
            if not (part.ends and strongest.per_sequence):
                continue
            found = strongest.take()
        kept.append(found)
        total += len(found.position)
        if total > limit or (strongest is None and part.cut):
            break
    else:
        if strongest is not None:
            kept.append(strongest.take())
        found = Found.joined(kept, p_values=search.p_values)
        if len(found.position) <= limit:
            return found
    raise ValueError(
        f"limit: expected at most {limit:,} hits, got more; lower the threshold, scan fewer "
        "motifs or sequences at once, raise the limit (a hit takes 25 bytes), or take the hits "
        "in portions with scan_portions"
    )


def _hits(search: Search, found: Found, places: Places | None, counts: QValues | None) -> Hits:
    """The hits with names and q-values."""
    names, sequence = None, found.sequence
    if places is not None:
        names, of_place = places.sequences()
        sequence = of_place[sequence]
    q_value = None
    if counts is not None and found.p_value is not None:
        counts.add(found.motif, found.p_value)
        q_value = counts.of(found.motif, found.p_value)
    return Hits(
        *(sequence, found.position, found.strand, found.motif, found.log_kd),
        motif_widths=search.motifs.widths,
        motif_names=search.motifs.names,
        sequence_names=names,
        p_value=found.p_value,
        q_value=q_value,
    )


def _tables(
    search: Search,
    source: Any,
    strongest: BestHits | None,
    counts: QValues | None,
    stopped: Callable[[], bool],
) -> Iterator[pa.Table]:
    places = Places()
    tables = Tables(search.motifs, places)
    enough = PORTION_HITS if strongest is None else ENOUGH

    def table(found: Found) -> pa.Table:
        if counts is not None and found.p_value is not None:
            counts.add(found.motif, found.p_value)
        return tables.make(found)

    for part in parts_of_portions(search, source, places, counts, enough, stopped):
        if strongest is None:
            yield table(part.found)
            continue
        strongest.add(part.found, more=part.cut)
        if part.ends and strongest.per_sequence:
            yield table(strongest.take())
    if strongest is not None:
        # Of a last sequence that did not say that it ends.
        rest = strongest.take()
        if len(rest.position) or not strongest.per_sequence:
            yield table(rest)
