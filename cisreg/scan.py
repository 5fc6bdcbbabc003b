"""Plain motif scanning: every site that binds strongly enough, or each sequence's strongest site.

Sites are windows on either strand that hold the whole motif. Nothing but the hits is kept, so a
chromosome can be scanned with hundreds of motifs. Needs no TensorFlow.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cisreg.library import native_module
from cisreg.motifs import MotifSet

logger = logging.getLogger("cisreg.scan")

# Grid of the log Kd distribution behind p-values, in nats, and how many points it has at most.
_GRID_STEP = 1e-3
_GRID_POINTS = 100_000


@dataclass(frozen=True, eq=False)
class Hits:
    """Sites that bind strongly enough, sorted by sequence, position, strand and motif.

    Attributes:
        sequence: int64 [hits], index of the sequence.
        position: int64 [hits], leftmost base that the motif's own columns cover, counted from 0 on
            the sequence as given, whichever the strand.
        strand: int8 [hits], 0 forward, 1 reverse complement.
        motif: int32 [hits], index of the motif.
        log_kd: float32 [hits], log Kd of the site in nats; the lower, the stronger.
    """

    sequence: np.ndarray
    position: np.ndarray
    strand: np.ndarray
    motif: np.ndarray
    log_kd: np.ndarray

    def __len__(self) -> int:
        """The number of hits."""
        return len(self.position)

    def to_table(
        self,
        *,
        sequence_names: Sequence[str] | None = None,
        motif_names: Sequence[str] | None = None,
    ) -> pa.Table:
        """The hits as an Arrow table, to write, filter or join.

        Args:
            sequence_names: names to show instead of the sequences' indices.
            motif_names: names to show instead of the motifs' indices, such as `MotifSet.names`.

        Returns:
            Columns sequence, position, strand ("+" or "-"), motif and log_kd; one row per hit.

        Raises:
            ValueError: there are fewer names than the hits' indices ask for.

        Example:
            >>> table = hits.to_table(motif_names=motifs.names)
            >>> pyarrow.parquet.write_table(table, "hits.parquet")
        """
        return pa.table(
            {
                "sequence": _named("sequence_names", self.sequence, sequence_names),
                "position": self.position,
                "strand": _named("strand", self.strand, ("+", "-")),
                "motif": _named("motif_names", self.motif, motif_names),
                "log_kd": self.log_kd,
            }
        )


@dataclass(frozen=True, eq=False)
class BestSites:
    """The strongest site of each motif on each sequence.

    Of equally strong sites the leftmost counts, and of its strands the forward one. A sequence
    shorter than the motif has no site: position and strand are -1 and log Kd is infinite.

    Attributes:
        position: int64 [N, M], leftmost base that the motif's own columns cover, counted from 0.
        strand: int8 [N, M], 0 forward, 1 reverse complement.
        log_kd: float32 [N, M], log Kd of the site in nats; the lower, the stronger.
    """

    position: np.ndarray
    strand: np.ndarray
    log_kd: np.ndarray


def scan(
    sequence: np.ndarray,
    motifs: MotifSet | np.ndarray,
    threshold: npt.ArrayLike,
    *,
    limit: int = 100_000_000,
    threads: int | None = None,
) -> Hits:
    """Every site on both strands whose log Kd is at most the threshold.

    A site's log Kd is the sum of its columns' entries, added in float32 from the motif's first
    column to its last; unknown bases (code 4) contribute 0. The hits are the same, to the bit, on
    every processor and for every number of threads. Only the hits take memory, 25 bytes each (and
    12 more while they are gathered).

    Log Kd is low where binding is strong. For motifs of log odds (score = -log Kd), score >= s in
    nats is threshold -s, and a score in bits is ln 2 of it in nats; `p_value_threshold` gives the
    threshold for a p-value.

    Args:
        sequence: uint8 [N, L] base codes, or [L] for one sequence, such as a chromosome.
        motifs: a motif set, or float32 [W, 4, M] position Kd matrices in nats, bases in the order
            A C G T, all of whose columns count as the motif's own.
        threshold: the largest log Kd of a hit in nats, one number or [M]; infinite ones ask for
            every site or none.
        limit: largest number of hits; a scan that finds more stops with an error instead of
            filling the memory.
        threads: threads to use; None for one per available core.

    Returns:
        The hits, sorted by sequence, position, strand and motif.

    Raises:
        ValueError: an argument has the wrong shape, dtype or values, or there are more hits than
            `limit`; the message says which, what was expected and what came.
        LibraryError: cisreg's compiled module does not load.

    Example:
        >>> motifs = cisreg.MotifSet.from_matrices(["GATA"], [consensus_matrix("GATA")])
        >>> hits = cisreg.scan(cisreg.encode(["TTGATATATCTT"]), motifs, motifs.lowest_log_kd())
        >>> hits.position.tolist(), hits.strand.tolist()
        ([2, 6], [0, 1])
    """
    log_kd, column_range = _matrices(motifs)
    motif_count = log_kd.shape[2]
    limits = np.asarray(threshold, np.float32)
    if limits.shape not in ((), (motif_count,)):
        raise ValueError(
            f"threshold: expected one number or shape [{motif_count}], one per motif, got "
            f"{list(limits.shape)}"
        )
    if np.isnan(limits).any():
        raise ValueError("threshold: expected numbers, got NaN; infinity asks for every site")
    if limit < 0:
        raise ValueError(f"limit: expected 0 or more hits, got {limit}")
    found = native_module().scan_hits(
        _base_codes(sequence),
        log_kd,
        column_range,
        np.broadcast_to(limits, motif_count),
        limit=limit,
        threads=_thread_count(threads),
    )
    if found is None:
        raise ValueError(
            f"limit: expected at most {limit:,} hits, got more; lower the threshold, scan fewer "
            "motifs or sequences at once, or raise the limit (a hit takes 25 bytes)"
        )
    return Hits(*found)


def best_site(
    sequence: np.ndarray, motifs: MotifSet | np.ndarray, *, threads: int | None = None
) -> BestSites:
    """The strongest site of each motif on each sequence, over both strands.

    Log Kd is that of `scan`, the same to the bit on every processor and for every number of
    threads.

    Args:
        sequence: uint8 [N, L] base codes, or [L] for one sequence.
        motifs: a motif set, or float32 [W, 4, M] position Kd matrices in nats, all of whose
            columns count as the motif's own.
        threads: threads to use; None for one per available core.

    Returns:
        Position, strand and log Kd, each [N, M]; N is 1 for a sequence of shape [L].

    Raises:
        ValueError: an argument has the wrong shape, dtype or values; the message says which.
        LibraryError: cisreg's compiled module does not load.

    Example:
        >>> motifs = cisreg.MotifSet.from_matrices(["GATA"], [consensus_matrix("GATA")])
        >>> best = cisreg.best_site(cisreg.encode(["TTTTTTATCTT"]), motifs)
        >>> best.position.tolist(), best.strand.tolist()
        ([[5]], [[1]])
    """
    log_kd, column_range = _matrices(motifs)
    found = native_module().best_sites(
        _base_codes(sequence), log_kd, column_range, threads=_thread_count(threads)
    )
    return BestSites(*found)


def p_value_threshold(
    motifs: MotifSet | np.ndarray, p_value: float, *, background: npt.ArrayLike | None = None
) -> np.ndarray:
    """The threshold that a random site passes with a probability of at most `p_value`.

    The distribution of log Kd over sites of independent bases is computed on a grid of 0.001 nats
    (coarser for thresholds more than 100 nats above the strongest site), every column rounded
    towards stronger binding. So the probability is never above `p_value`, and the threshold is at
    most one grid step per column stricter than it need be. It is that of one site: a sequence has
    two for nearly every base, and no correction is made for their number.

    Args:
        motifs: a motif set, or float32 [W, 4, M] position Kd matrices in nats.
        p_value: probability that a random site on one strand is a hit, above 0 and below 1.
        background: probabilities of A, C, G and T, which sum to 1; None for 1/4 each.

    Returns:
        float32 [M], nats, for `scan`. It is -infinity, which no site passes, where even the
        motif's strongest site is likelier than `p_value`; the log says how many such motifs
        there are.

    Raises:
        ValueError: an argument has the wrong shape or values; the message says which.

    Example:
        >>> threshold = cisreg.p_value_threshold(motifs, 1e-4)
        >>> hits = cisreg.scan(chromosome, motifs, threshold)
    """
    if not 0 < p_value < 1:
        raise ValueError(f"p_value: expected a number above 0 and below 1, got {p_value}")
    probability = np.full(4, 0.25) if background is None else np.asarray(background, np.float64)
    good = probability.shape == (4,) and (probability >= 0).all()
    if not good or not np.isclose(probability.sum(), 1, rtol=0, atol=1e-6):
        raise ValueError(
            "background: expected the probabilities of A, C, G and T, which sum to 1, got "
            f"{np.asarray(background).tolist()}"
        )
    log_kd, column_range = _matrices(motifs)
    threshold = np.array(
        [
            _strictest_threshold(log_kd[first:end, :, motif], p_value, probability)
            for motif, (first, end) in enumerate(column_range.T)
        ]
    )
    unreachable = int(np.isneginf(threshold).sum())
    if unreachable:
        logger.warning(
            "the strongest sites of %d of %d motifs are likelier than p-value %g: no site of "
            "theirs can pass it",
            *(unreachable, len(threshold), p_value),
        )
    # The next float32 below, where rounding to float32 went up.
    rounded = threshold.astype(np.float32)
    return np.where(rounded > threshold, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _strictest_threshold(matrix: np.ndarray, p_value: float, background: np.ndarray) -> float:
    """Half a step above the last grid point that random sites reach with `p_value` or less.

    Whatever lies below the next point is rounded down to this one or a lower one; half a step is
    more than what float32 rounds off.

    Args:
        matrix: [own width, 4], nats.
        p_value: the largest probability.
        background: [4], probabilities of the bases.

    Returns:
        Nats; -infinity where the lowest grid point is likelier.
    """
    possible = background > 0
    columns = matrix.astype(np.float64)[:, possible]
    lowest = columns.min(axis=1)
    excess = columns - lowest[:, np.newaxis]
    step = _GRID_STEP
    while (passing := _passing_points(excess, step, p_value, background[possible])) == _GRID_POINTS:
        step *= 10
    return float(lowest.sum() + (passing - 0.5) * step) if passing else -np.inf


def _passing_points(excess: np.ndarray, step: float, p_value: float, background: np.ndarray) -> int:
    """How many points of the grid random sites reach with `p_value` or less, from the lowest on.

    Args:
        excess: [own width, bases], nats above the strongest base.
        step: of the grid, nats.
        p_value: the largest probability.
        background: [bases], probabilities of the bases.
    """
    # Slightly less than the quotient, so that its rounding never puts a site on a weaker point.
    # What lies beyond the last point stays there, whatever the other columns add.
    quotient = np.minimum(excess / step, _GRID_POINTS + 1)
    grid = np.floor(quotient * (1 - 1e-12)).astype(np.int64)
    chance = np.ones(1)
    for column in grid:
        wider = np.zeros(min(len(chance) + int(column.max()), _GRID_POINTS))
        for shift, weight in zip(column, background, strict=True):
            there = chance[: max(len(wider) - shift, 0)]
            wider[shift : shift + len(there)] += weight * there
        chance = wider
    return int(np.searchsorted(np.cumsum(chance), p_value, side="right"))


def _matrices(motifs: MotifSet | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log Kd, float32 [W, 4, M], and the range of each motif's own columns, int32 [2, M]."""
    if isinstance(motifs, MotifSet):
        return motifs.log_kd, motifs.column_range()
    log_kd = np.asarray(motifs)
    if log_kd.dtype != np.float32:
        raise ValueError(
            f"motifs: expected a MotifSet or a float32 array, got one of {log_kd.dtype}; cast it "
            "with .astype(np.float32)"
        )
    if log_kd.ndim != 3 or 0 in log_kd.shape or log_kd.shape[1] != 4:
        raise ValueError(
            "motifs: expected a MotifSet or shape [W, 4, M] with W and M of 1 or more, got "
            f"{list(log_kd.shape)}"
        )
    if not np.isfinite(log_kd).all():
        raise ValueError("motifs: expected finite numbers, got NaN or infinity; remove them")
    width, _, count = log_kd.shape
    return log_kd, np.repeat(np.array([[0], [width]], np.int32), count, axis=1)


def _base_codes(sequence: np.ndarray) -> np.ndarray:
    codes = np.asarray(sequence)
    if codes.dtype != np.uint8 or codes.ndim not in (1, 2):
        raise ValueError(
            "sequence: expected uint8 base codes of shape [N, L] or [L], got "
            f"{codes.dtype} {list(codes.shape)}; encode text with cisreg.encode"
        )
    return np.atleast_2d(codes)


def _thread_count(threads: int | None) -> int:
    if threads is None:
        return len(os.sched_getaffinity(0))
    if threads < 1:
        raise ValueError(f"threads: expected 1 or more, or None, got {threads}")
    return threads


def _named(argument: str, index: np.ndarray, names: Sequence[str] | None) -> pa.Array:
    if names is None:
        return pa.array(index)
    wanted = int(index.max(initial=-1)) + 1
    if len(names) < wanted:
        raise ValueError(
            f"{argument}: expected at least {wanted} names, got {len(names)}; one per index"
        )
    return pa.DictionaryArray.from_arrays(pa.array(index), pa.array(list(names), pa.string()))
