"""Motif scanning: all sites that pass a threshold, or the strongest site of each sequence.

Sites are windows on either strand that hold the whole motif. Only hits are kept in memory, so a
chromosome can be scanned with hundreds of motifs. TensorFlow is not needed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cisreg.arrays import as_array
from cisreg.choices import check_choice
from cisreg.display import SHOWN_ROWS, counted, html_table
from cisreg.library import native_module
from cisreg.limits import check_range, thread_count
from cisreg.motifs import MotifSet
from cisreg.motifs.checking import check_background
from cisreg.sequences import Unknown, sequence_rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BestSites", "Hits", "best_site", "p_value_threshold", "scan"]

logger = logging.getLogger("cisreg.scan")

_STRANDS = ("+", "-")
# Grid of the log Kd distribution for p-values: step in nats, and largest number of points.
_GRID_STEP = 1e-3
_GRID_POINTS = 100_000
_MOST_HITS = 2**62


@dataclass(frozen=True, eq=False, repr=False)
class Hits:
    """Sites that pass the threshold, sorted by sequence, position, strand and motif.

    Attributes:
        sequence: int64 [hits], index of the sequence.
        position: int64 [hits], leftmost base that the motif's own columns cover, counted from 0 on
            the given (forward) strand of the sequence, also for strand 1; padding does not count.
        strand: int8 [hits], 0 forward, 1 reverse complement.
        motif: int32 [hits], index of the motif.
        log_kd: float32 [hits], log Kd of the site in nats; lower is stronger.
        motif_names: names of the motifs; None if they were given as an array.
    """

    sequence: np.ndarray
    position: np.ndarray
    strand: np.ndarray
    motif: np.ndarray
    log_kd: np.ndarray
    motif_names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        """The number of hits."""
        return len(self.position)

    def __repr__(self) -> str:
        if not len(self):
            return "Hits(0 sites)"
        return (
            f"Hits({counted(len(self), 'site')} of {counted(len(np.unique(self.motif)), 'motif')} "
            f"on {counted(len(np.unique(self.sequence)), 'sequence')}, log Kd "
            f"{self.log_kd.min():.3f} to {self.log_kd.max():.3f} nats)"
        )

    def _repr_html_(self) -> str:
        first = slice(SHOWN_ROWS)
        shown = Hits(
            *(self.sequence[first], self.position[first], self.strand[first], self.motif[first]),
            *(self.log_kd[first], self.motif_names),
        )
        return html_table(repr(self), shown.to_table().to_pydict(), len(self))

    def to_table(
        self,
        *,
        sequence_names: Sequence[str] | None = None,
        motif_names: Sequence[str] | None = None,
    ) -> pa.Table:
        """The hits as an Arrow table, to write, filter or join.

        Args:
            sequence_names: names to show instead of the sequences' indices.
            motif_names: names of the motifs; None for those of the motif set, or the motifs'
                indices if motifs were given as an array.

        Returns:
            Columns sequence, position, strand ("+" or "-"), motif and log_kd; one row per hit.

        Raises:
            ValueError: there are fewer names than sequences or motifs with hits.

        Example:
            >>> table = hits.to_table(sequence_names=["chrI", "chrII"])
            >>> pyarrow.parquet.write_table(table, "hits.parquet")
        """
        names = self.motif_names if motif_names is None else motif_names
        return pa.table(
            {
                "sequence": _named("sequence_names", self.sequence, sequence_names),
                "position": self.position,
                "strand": _named("strand", self.strand, _STRANDS),
                "motif": _named("motif_names", self.motif, names),
                "log_kd": self.log_kd,
            }
        )

    def to_frame(
        self,
        *,
        sequence_names: Sequence[str] | None = None,
        motif_names: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The hits as a pandas DataFrame; columns and arguments are those of `to_table`.

        Columns of names are categorical.

        Raises:
            ValueError: there are fewer names than sequences or motifs with hits.
            ImportError: pandas is not installed.

        Example:
            >>> hits.to_frame().groupby("motif", observed=True).size()
        """
        return self.to_table(sequence_names=sequence_names, motif_names=motif_names).to_pandas()


@dataclass(frozen=True, eq=False, repr=False)
class BestSites:
    """The strongest site of each motif on each sequence.

    Among equally strong sites it is the leftmost, and at the same position the one on the forward
    strand. A sequence has no site if it is shorter than the motif or every window holds an unknown
    base. Position and strand are then -1 and log Kd is infinite.

    Attributes:
        position: int64 [N, M], leftmost base that the motif's own columns cover, counted from 0 on
            the given (forward) strand of the sequence; padding does not count.
        strand: int8 [N, M], 0 forward, 1 reverse complement.
        log_kd: float32 [N, M], log Kd of the site in nats; lower is stronger.
        motif_names: names of the motifs; None if they were given as an array.
    """

    position: np.ndarray
    strand: np.ndarray
    log_kd: np.ndarray
    motif_names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        """N, the number of sequences."""
        return len(self.position)

    def __repr__(self) -> str:
        count, motifs = self.position.shape
        without = int((self.position < 0).sum())
        missing = f", {without:,} of {count * motifs:,} without a site" if without else ""
        return f"BestSites({counted(count, 'sequence')}, {counted(motifs, 'motif')}{missing})"

    def _repr_html_(self) -> str:
        first = slice(-(-SHOWN_ROWS // self.position.shape[1]))
        shown = BestSites(
            *(self.position[first], self.strand[first], self.log_kd[first], self.motif_names)
        )
        return html_table(repr(self), shown.to_table().to_pydict(), self.position.size)

    def to_table(
        self,
        *,
        sequence_names: Sequence[str] | None = None,
        motif_names: Sequence[str] | None = None,
    ) -> pa.Table:
        """The sites as an Arrow table, one row per sequence and motif.

        Args:
            sequence_names: names to show instead of the sequences' indices.
            motif_names: names of the motifs; None for those of the motif set, or the motifs'
                indices if motifs were given as an array.

        Returns:
            Columns sequence, position, strand ("+" or "-"), motif and log_kd, as in
            `Hits.to_table`; position, strand and log_kd are null if there is no site.

        Raises:
            ValueError: there are fewer names than sequences or motifs.

        Example:
            >>> table = best.to_table(sequence_names=names)
        """
        count, motifs = self.position.shape
        names = self.motif_names if motif_names is None else motif_names
        none = self.position.ravel() < 0
        sequence = np.repeat(np.arange(count), motifs)
        strand = pa.array(self.strand.ravel(), mask=none)
        return pa.table(
            {
                "sequence": _named("sequence_names", sequence, sequence_names),
                "position": pa.array(self.position.ravel(), mask=none),
                "strand": pa.DictionaryArray.from_arrays(strand, pa.array(_STRANDS)),
                "motif": _named("motif_names", np.tile(np.arange(motifs), count), names),
                "log_kd": pa.array(self.log_kd.ravel(), mask=none),
            }
        )

    def to_frame(
        self,
        *,
        sequence_names: Sequence[str] | None = None,
        motif_names: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The sites as a pandas DataFrame; columns and arguments are those of `to_table`.

        Raises:
            ValueError: there are fewer names than sequences or motifs.
            ImportError: pandas is not installed.

        Example:
            >>> best.to_frame().pivot(index="sequence", columns="motif", values="log_kd")
        """
        return self.to_table(sequence_names=sequence_names, motif_names=motif_names).to_pandas()


def scan(
    sequence: npt.ArrayLike,
    motifs: MotifSet | npt.ArrayLike,
    threshold: npt.ArrayLike,
    *,
    unknown: Unknown = "skip",
    limit: int = 100_000_000,
    threads: int | None = None,
) -> Hits:
    """Every site on both strands whose log Kd is at most the threshold.

    A site's log Kd is the sum of its columns' entries, added in float32 from the motif's first
    column to its last. The hits are bit for bit the same on every processor and for every number of
    threads. Only the hits take memory, 25 bytes each (and 12 more while they are gathered).

    A site never extends beyond the ends of its sequence. Sequences may differ in length: arrays
    from `cisreg.encode` record which part of a row is padding. In any other array the whole row is
    sequence, and every code 4 is an unknown base.

    Log Kd is low where binding is strong. For motifs of log odds (score = -log Kd), a score of at
    least s nats corresponds to the threshold -s; multiply a score in bits by ln 2 to get nats.
    `p_value_threshold` gives the threshold for a p-value.

    Args:
        sequence: base codes [N, L], or [L] for one sequence, such as a chromosome.
        motifs: a motif set, or [W, 4, M] position Kd matrices in nats, bases in the order A C G T,
            all of whose columns count as the motif's own.
        threshold: the largest log Kd of a hit in nats, one number or [M], rounded to float32 like
            log Kd. Infinity gives every site, -infinity none.
        unknown: how to treat windows that hold an unknown base (code 4): "skip", they are not
            sites; "neutral", the base adds 0, as in `cisreg.occupancy`; "worst", it adds as much as
            the motif's weakest base there.
        limit: largest number of hits; a scan that finds more stops with an error instead of
            filling the memory.
        threads: number of threads; None for one per available core.

    Returns:
        The hits, sorted by sequence, position, strand and motif.

    Raises:
        ValueError: an argument has the wrong shape, dtype or values, or there are more hits than
            `limit`; the message names the argument, what was expected and what came.
        LibraryError: cisreg's compiled module does not load.

    Example:
        >>> motifs = cisreg.MotifSet.from_matrices(["GATA"], [consensus_matrix("GATA")])
        >>> hits = cisreg.scan(cisreg.encode(["TTGATATATCTT"]), motifs, motifs.lowest_log_kd())
        >>> hits.position.tolist(), hits.strand.tolist()
        ([2, 6], [0, 1])
    """
    check_choice("unknown", unknown, Unknown)
    rows = sequence_rows("sequence", sequence)
    log_kd, column_range = _matrices(motifs)
    motif_count = log_kd.shape[2]
    limits = as_array(threshold, "threshold", np.float32, (...,))
    if limits.shape not in ((), (motif_count,)):
        raise ValueError(
            f"threshold: expected one number or shape [{motif_count}], one per motif, got "
            f"{list(limits.shape)}"
        )
    if np.isnan(limits).any():
        raise ValueError("threshold: expected numbers, got NaN; infinity asks for every site")
    check_range("limit", limit, 0, _MOST_HITS)
    found = native_module().scan_hits(
        rows.codes,
        log_kd,
        column_range,
        np.broadcast_to(limits, motif_count),
        limit=limit,
        row_range=rows.row_range,
        unknown=unknown,
        threads=thread_count(threads),
    )
    if found is None:
        raise ValueError(
            f"limit: expected at most {limit:,} hits, got more; lower the threshold, scan fewer "
            "motifs or sequences at once, or raise the limit (a hit takes 25 bytes)"
        )
    number, position, strand, motif, value = found
    if rows.origin is not None:
        position += rows.origin[number]
    return Hits(number, position, strand, motif, value, _names(motifs))


def best_site(
    sequence: npt.ArrayLike,
    motifs: MotifSet | npt.ArrayLike,
    *,
    unknown: Unknown = "skip",
    threads: int | None = None,
) -> BestSites:
    """The strongest site of each motif on each sequence, over both strands.

    Sites are defined as in `scan`, and their log Kd is bit for bit the same. If a sequence has no
    site, position and strand are -1 and log Kd is infinite.

    Args:
        sequence: base codes [N, L], or [L] for one sequence.
        motifs: a motif set, or [W, 4, M] position Kd matrices in nats, all of whose columns count
            as the motif's own.
        unknown: how to treat windows that hold an unknown base; see `scan`.
        threads: number of threads; None for one per available core.

    Returns:
        Position, strand and log Kd, each [N, M]; N is 1 for a sequence of shape [L].

    Raises:
        ValueError: an argument has the wrong shape, dtype or values; the message names it.
        LibraryError: cisreg's compiled module does not load.

    Example:
        >>> motifs = cisreg.MotifSet.from_matrices(["GATA"], [consensus_matrix("GATA")])
        >>> best = cisreg.best_site(cisreg.encode(["TTTTTTATCTT"]), motifs)
        >>> best.position.tolist(), best.strand.tolist()
        ([[5]], [[1]])
    """
    check_choice("unknown", unknown, Unknown)
    rows = sequence_rows("sequence", sequence)
    log_kd, column_range = _matrices(motifs)
    position, strand, lowest = native_module().best_sites(
        rows.codes,
        log_kd,
        column_range,
        row_range=rows.row_range,
        unknown=unknown,
        threads=thread_count(threads),
    )
    if rows.origin is not None:
        position = np.where(position < 0, position, position + rows.origin[:, np.newaxis])
    return BestSites(position, strand, lowest, _names(motifs))


def p_value_threshold(
    motifs: MotifSet | npt.ArrayLike, p_value: float, *, background: Any = None
) -> np.ndarray:
    """The threshold that a random site passes with a probability of at most `p_value`.

    This holds for each strand separately: the probability that a window is a hit on its forward
    strand is at most `p_value`, and so is the probability for its reverse strand. The two differ if
    the background differs from its complement, since the reverse strand has as many A as the
    forward strand has T. The threshold is the stricter one of the two strands.

    The distribution of log Kd over sites of independent bases is computed on a grid of 0.001 nats
    (coarser for thresholds more than 100 nats above the strongest site), and every column is
    rounded towards stronger binding. So the probability is never above `p_value`, and the threshold
    is too strict by at most one grid step per column. The p-value is for a single site. A sequence
    has about two sites per base; there is no correction for multiple testing.

    Args:
        motifs: a motif set, or [W, 4, M] position Kd matrices in nats.
        p_value: probability that a random site on one strand is a hit, above 0 and below 1.
        background: probabilities of A, C, G and T on the forward strand, 0 or more, which sum to 1
            within 0.02 and are normalised; or a dict or Series that names the bases. None for 1/4
            each.

    Returns:
        float32 [M], nats, for `scan`. It is -infinity, which no site passes, if even the motif's
        strongest site has a probability above `p_value` on one of the strands. The log says how
        many such motifs there are.

    Raises:
        ValueError: an argument has the wrong shape or values; the message names it.

    Example:
        >>> threshold = cisreg.p_value_threshold(motifs, 1e-4)
        >>> hits = cisreg.scan(chromosome, motifs, threshold)
    """
    if not isinstance(p_value, Real) or not 0 < p_value < 1:
        raise ValueError(f"p_value: expected a number above 0 and below 1, got {p_value!r}")
    forward = check_background(background, zero_allowed=True)
    # Reversing the order A C G T gives the complements.
    strands = np.unique([forward, forward[::-1]], axis=0)
    log_kd, column_range = _matrices(motifs)
    matrices = [log_kd[first:end, :, motif] for motif, (first, end) in enumerate(column_range.T)]
    threshold = np.min(
        [[_strictest_threshold(each, p_value, bases) for each in matrices] for bases in strands],
        axis=0,
    )
    unreachable = int(np.isneginf(threshold).sum())
    if unreachable:
        logger.warning(
            "the strongest sites of %d of %d motifs are likelier than p-value %g on one of the "
            "strands: no site of theirs can pass it",
            *(unreachable, len(threshold), p_value),
        )
    # If rounding to float32 went up, take the next lower float32.
    rounded = threshold.astype(np.float32)
    return np.where(rounded > threshold, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _strictest_threshold(matrix: np.ndarray, p_value: float, background: np.ndarray) -> float:
    """The largest threshold on the grid that a random site passes with probability <= `p_value`.

    It lies half a step above the last grid point whose cumulative probability is at most `p_value`.
    Every log Kd below the next point is counted at this point or a lower one, and half a step is
    more than the rounding error of float32.

    Args:
        matrix: [own width, 4], nats.
        p_value: the largest probability.
        background: [4], probabilities of the bases.

    Returns:
        Nats; -infinity if already the lowest grid point has a probability above `p_value`.
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
    """The number of grid points, from the lowest on, with cumulative probability <= `p_value`.

    Args:
        excess: [own width, bases], nats above the strongest base.
        step: step of the grid, nats.
        p_value: the largest probability.
        background: [bases], probabilities of the bases.
    """
    # Slightly less than the quotient, so that rounding never moves a site to a weaker point. Sites
    # beyond the last grid point are dropped: the remaining columns can only make them weaker.
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


def _matrices(motifs: MotifSet | npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Log Kd, float32 [W, 4, M], and the range of each motif's own columns, int32 [2, M]."""
    if isinstance(motifs, MotifSet):
        return motifs.log_kd, motifs.column_range()
    log_kd = as_array(motifs, "motifs", np.float32, (...,), finite=True)
    if log_kd.ndim != 3 or 0 in log_kd.shape or log_kd.shape[1] != 4:
        raise ValueError(
            "motifs: expected a MotifSet or shape [W, 4, M] with W and M of 1 or more, got "
            f"{list(log_kd.shape)}"
        )
    width, _, count = log_kd.shape
    return log_kd, np.repeat(np.array([[0], [width]], np.int32), count, axis=1)


def _names(motifs: MotifSet | npt.ArrayLike) -> tuple[str, ...] | None:
    return motifs.names if isinstance(motifs, MotifSet) else None


def _named(argument: str, index: np.ndarray, names: Sequence[str] | None) -> pa.Array:
    if names is None:
        return pa.array(index)
    wanted = int(index.max(initial=-1)) + 1
    if len(names) < wanted:
        raise ValueError(
            f"{argument}: expected at least {wanted} names, got {len(names)}; one per index"
        )
    # Names may repeat, but the entries of an Arrow dictionary must not.
    own = pa.array(list(names), pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(own.indices.to_numpy()[index], own.dictionary)
