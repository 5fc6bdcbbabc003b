"""Comparison of motifs with those of another set: which are alike, and how surprising that is.

This is Tomtom (Gupta et al., 2007, Genome Biology 8, R24) with its complete scores (Tanaka et al.,
2011, Bioinformatics 27, 1603-1609), in NumPy:

1. The score of two columns is the negative Euclidean distance of their probabilities. From each
   column of the query its median score against all columns of the targets is subtracted, so that a
   column that has no partner in an alignment counts as one with a usual partner: 0.
2. Scores are rounded to multiples of a hundredth of their range, per query. The score of an
   alignment is the sum over the columns of the query.
3. Under the null hypothesis the columns of a target are drawn independently from all columns of
   all targets (and their reverse complements). So the score of the alignment with the query's
   columns a to b has the convolution of their distributions.
4. The p-value of a target is the probability that the best of all its alignments, taken as
   independent, scores as high: 1 - product over alignments of P(score < best).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from cisreg.choices import check_choice
from cisreg.motifs.conversion import LogKdConvention
from cisreg.motifs.motif_set import MotifSet
from cisreg.progress import progress_bar

logger = logging.getLogger("cisreg.motifs")

Strands = Literal["both", "forward"]

# Values that the score of a pair of columns can have, as in the paper.
_BINS = 100
# The part of a score that rounding drops, scaled down so far that it decides only between sums of
# rounded scores that are equal.
_REST = 2.0**-20
# With fewer targets, few columns stand for the null hypothesis.
_FEW_TARGETS = 50


class _Pairs(NamedTuple):
    """The targets that one query resembles, strongest first; arrays of one length."""

    target: np.ndarray
    p_value: np.ndarray
    q_value: np.ndarray
    offset: np.ndarray
    reverse: np.ndarray
    overlap: np.ndarray


def compare(
    query: MotifSet,
    target: MotifSet,
    *,
    strands: Strands = "both",
    minimum_overlap: int = 1,
    p_value: float = 1.0,
    q_value: float = 1.0,
    best: int | None = None,
    convention: LogKdConvention | None = None,
    progress: bool = False,
    warn: bool = True,
) -> pa.Table:
    """Compares each motif of `query` with all motifs of `target`, as Tomtom does.

    P-values depend on the set of targets, since its columns are the null hypothesis. With fewer
    than 50 targets they are rough, and the log says so.

    Args:
        query: motifs to look up.
        target: motifs to compare them with.
        strands: "both" also compares with the reverse complements of the targets.
        minimum_overlap: smallest number of columns of an alignment, 1 or more; motifs that are
            narrower are compared over their whole width.
        p_value: pairs with a larger p-value are left out.
        q_value: pairs with a larger q-value are left out.
        best: at most so many targets for each query; None for all.
        convention: of log Kd, for motifs that hold no probabilities; see `MotifSet.probabilities`.
        progress: whether to show a progress bar on a terminal.
        warn: whether to log that p-values are rough; False where they are only compared.

    Returns:
        A row per pair, queries in their order, for each the targets by p-value:
        query, target: names;
        p_value: of the best alignment of the pair, corrected for the number of alignments;
        e_value: p_value times the number of targets: targets expected by chance that are as alike;
        q_value: the lowest false discovery rate at which the target is accepted, among all targets
        of the query (Benjamini and Hochberg, 1995, J. R. Stat. Soc. B 57, 289-300);
        offset: the column of the query, counted from 0, at which the target begins (negative if it
        begins before the query); with "-", its reverse complement;
        orientation: "+", or "-" for the target's reverse complement;
        overlap: number of columns that lie upon each other.

    Raises:
        ValueError: an option out of its range.

    Example:
        >>> from cisreg.motifs import demo_motifs
        >>> motifs = demo_motifs()
        >>> table = compare(motifs["Reb1"].reverse_complement(), motifs, best=1)
        >>> table.select(["query", "target", "offset", "orientation", "overlap"]).to_pylist()
        [{'query': 'Reb1', 'target': 'Reb1', 'offset': 0, 'orientation': '-', 'overlap': 7}]
    """
    if warn and len(target) < _FEW_TARGETS:
        logger.warning(
            "p-values of a comparison with %d motifs are rough: their columns are the null "
            "hypothesis; compare with %d motifs or more",
            *(len(target), _FEW_TARGETS),
        )
    check_choice("strands", strands, Strands)
    _check_limits(minimum_overlap, p_value, q_value, best)
    targets = _Targets.of(target.probabilities(convention), strands)
    found = []
    with progress_bar(show=progress, transient=True) as bar:
        for each in bar.track(query.probabilities(convention), description="comparing"):
            pairs = _compare_one(each, targets, minimum_overlap)
            kept = (pairs.p_value <= p_value) & (pairs.q_value <= q_value)
            found.append(_Pairs(*(column[kept][:best] for column in pairs)))
    return _table(query, target, found)


def _check_limits(minimum_overlap: int, p_value: float, q_value: float, best: int | None) -> None:
    if minimum_overlap < 1:
        raise ValueError(f"minimum_overlap: expected 1 or more columns, got {minimum_overlap}")
    for name, value in (("p_value", p_value), ("q_value", q_value)):
        if not 0 < value <= 1:
            raise ValueError(f"{name}: expected a number above 0 and up to 1, got {value}")
    if best is not None and best < 1:
        raise ValueError(f"best: expected 1 or more targets for each query, got {best}")


def _table(query: MotifSet, target: MotifSet, found: Sequence[_Pairs]) -> pa.Table:
    counts = [len(each.target) for each in found]
    joined = _Pairs(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
    names = pa.array(query.names), pa.array(target.names)
    return pa.table(
        {
            "query": names[0].take(pa.array(np.repeat(np.arange(len(query)), counts))),
            "target": names[1].take(pa.array(joined.target)),
            "p_value": joined.p_value,
            "e_value": joined.p_value * len(target),
            "q_value": joined.q_value,
            "offset": joined.offset,
            "orientation": pa.array(["+", "-"]).take(pa.array(joined.reverse.astype(np.int8))),
            "overlap": joined.overlap,
        }
    )


@dataclass(frozen=True, eq=False)
class _Targets:
    """All columns of all targets: the targets in their order, then their reverse complements.

    Attributes:
        count: T targets.
        columns: float64 [C, 4].
        widths: int64 [T or 2 T], of each target and of each reverse complement.
        from_end: int64 [C], how many columns follow within the same target.
        owner: int64 [C], the number of the target or reverse complement.
    """

    count: int
    columns: np.ndarray
    widths: np.ndarray
    from_end: np.ndarray
    owner: np.ndarray

    @classmethod
    def of(cls, targets: Sequence[np.ndarray], strands: Strands) -> _Targets:
        """All columns of these matrices, [width, 4] each."""
        matrices = list(targets)
        if strands == "both":
            matrices += [matrix[::-1, ::-1] for matrix in targets]
        widths = np.array([len(matrix) for matrix in matrices])
        from_end = np.concatenate([np.arange(width)[::-1] for width in widths])
        owner = np.repeat(np.arange(len(matrices)), widths)
        return cls(len(targets), np.concatenate(matrices), widths, from_end, owner)


def _compare_one(query: np.ndarray, targets: _Targets, minimum_overlap: int) -> _Pairs:
    """All targets by p-value, for one query [width, 4]."""
    exact = _column_scores(query, targets.columns)
    scores = np.rint(exact)
    total, offset = _best_alignments(scores + (exact - scores) * _REST, targets, minimum_overlap)
    # The target itself or, where that scores higher, its reverse complement.
    strand_totals = total.reshape(-1, targets.count)
    strand = strand_totals.argmax(axis=0)
    chosen = strand * targets.count + np.arange(targets.count)
    total, offset, widths = total[chosen], offset[chosen], targets.widths[chosen]
    null = _Null(scores.astype(np.int64), minimum_overlap, len(strand_totals))
    p_value = null.p_values(np.rint(total).astype(np.int64), widths)
    order = np.lexsort((np.arange(targets.count), -total, p_value))
    overlap = np.minimum(offset + widths, len(query)) - np.maximum(offset, 0)
    return _Pairs(
        order,
        p_value[order],
        _q_values(p_value[order]),
        offset[order],
        strand[order] == 1,
        overlap[order],
    )


def _column_scores(query: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Scores of each query column with each target column, in bins above its median, [W, C]."""
    square = np.zeros((len(query), len(columns)))
    for base in range(4):
        square += np.subtract.outer(query[:, base], columns[:, base]) ** 2
    scores = -np.sqrt(square)
    scores -= np.median(scores, axis=1, keepdims=True)
    extent = np.ptp(scores)
    # If all distances are equal, all scores are 0.
    return scores * (_BINS / extent) if extent > 0 else scores


def _best_alignments(
    scores: np.ndarray, targets: _Targets, minimum_overlap: int
) -> tuple[np.ndarray, np.ndarray]:
    """Score and offset of the best alignment with each target, both [T or 2 T]."""
    width = len(scores)
    slots = targets.widths + width - 1
    starts = np.cumsum(slots) - slots
    # Target column j upon query column i: offset i - j, at place offset + width of target - 1.
    place = starts[targets.owner] + targets.from_end
    totals = np.zeros(slots.sum())
    for column, row in enumerate(scores):
        totals[place + column] += row
    owner = np.repeat(np.arange(len(slots)), slots)
    offset = np.arange(len(totals)) - starts[owner] - (targets.widths[owner] - 1)
    overlap = np.minimum(offset + targets.widths[owner], width) - np.maximum(offset, 0)
    least = np.minimum(minimum_overlap, np.minimum(targets.widths[owner], width))
    totals[overlap < least] = -np.inf
    highest = np.maximum.reduceat(totals, starts)
    at = np.flatnonzero(totals == highest[owner])
    first = at[np.searchsorted(at, starts)]
    return highest, offset[first]


class _Null:
    """The distribution of the best score of a random target, by its width.

    Args:
        scores: int64 [W, C], of each query column with every target column.
        minimum_overlap: of an alignment.
        strands: 1, or 2 if reverse complements are aligned too.
    """

    def __init__(self, scores: np.ndarray, minimum_overlap: int, strands: int) -> None:
        self._width, self._minimum_overlap = len(scores), minimum_overlap
        self._strands = strands
        low, high = scores.min(axis=1), scores.max(axis=1)
        # All sums lie within; the median of each column is 0, up to rounding.
        self._first = int(np.minimum(low, 0).sum())
        self._size = int(np.maximum(high, 0).sum()) - self._first + 2
        columns = [np.bincount(row - row.min()) / len(row) for row in scores]
        self._log_below = self._spans(columns, low)

    def _spans(
        self, columns: list[np.ndarray], low: np.ndarray
    ) -> dict[tuple[int, int], np.ndarray]:
        """Logarithms of P(score < s) of the columns from a to b - 1, all s, by (a, b)."""
        spans = {}
        for begin in range(self._width):
            share, least = np.ones(1), 0
            for end in range(begin + 1, self._width + 1):
                share = np.convolve(share, columns[end - 1])
                least += int(low[end - 1])
                spans[begin, end] = self._log_of_below(share, least)
        return spans

    def _log_of_below(self, share: np.ndarray, least: int) -> np.ndarray:
        """Logarithms of P(score < s), from the shares of the scores `least`, `least` + 1, ..."""
        # From the highest score on, so that small probabilities keep their digits.
        at_least = np.zeros(self._size)
        start = least - self._first
        at_least[start : start + len(share)] = np.minimum(np.cumsum(share[::-1])[::-1], 1)
        at_least[: start + 1] = 1
        with np.errstate(divide="ignore"):
            return np.log1p(-at_least)

    def p_values(self, total: np.ndarray, widths: np.ndarray) -> np.ndarray:
        """P(best score >= total), float64 [T], for targets of these widths."""
        p_value = np.empty(len(total))
        for width in np.unique(widths).tolist():
            spans = [self._log_below[span] for span in self._overlaps(width)]
            log_below = self._strands * np.sum(spans, axis=0)
            chosen = widths == width
            p_value[chosen] = -np.expm1(log_below[total[chosen] - self._first])
        return p_value

    def _overlaps(self, width: int) -> list[tuple[int, int]]:
        """The columns of the query that each alignment of a target covers, as (begin, end)."""
        least = min(self._minimum_overlap, width, self._width)
        spans = [
            (max(offset, 0), min(offset + width, self._width))
            for offset in range(1 - width, self._width)
        ]
        return [(begin, end) for begin, end in spans if end - begin >= least]


def _q_values(p_value: np.ndarray) -> np.ndarray:
    """Benjamini and Hochberg's, of p-values in ascending order."""
    ratio = p_value * len(p_value) / np.arange(1, len(p_value) + 1)
    return np.minimum(np.minimum.accumulate(ratio[::-1])[::-1], 1)
