"""Which site of a factor two sequences differ in: lost, gained, weaker or stronger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.read_out import between_ends, site_occupancy
from cisreg.links import sigmoid
from cisreg.occupancy_checks import UNKNOWN

_OUTSIDE = 5
# A site is lost, or gained, where less than this share of its occupancy is left, or was there.
LEFT = 0.25
# Windows that are computed at a time.
_MOST_SITES = 1 << 18
# In longer regions, bases may have moved: so far at most, this share of them.
_LONG_REGION, _FURTHEST, _LEAST_SAME = 8, 64, 0.6


class SiteChanges(NamedTuple):
    """For each pair of sequences and each of K of its factors, the site that changes most.

    A site that is lost or gets weaker is one of the first sequence, others are of the second.

    Attributes:
        motif: int [N, K], the factor's place among the motifs; -1 where a pair has fewer factors.
        kind: text [N, K], "loses", "gains", "weaker", "stronger", or "" where no site changes.
        start: int [N, K], first column of the motif's own bases in the row of codes.
        end: int [N, K], the column after the last one.
        strand: text [N, K], "+" or "-".
        before: float64 [N, K], the site's occupancy in the first sequence.
        after: float64 [N, K], its occupancy in the second.
    """

    motif: np.ndarray
    kind: np.ndarray
    start: np.ndarray
    end: np.ndarray
    strand: np.ndarray
    before: np.ndarray
    after: np.ndarray


def site_changes(
    model: AnyModel, first: np.ndarray, second: np.ndarray, motif: np.ndarray
) -> SiteChanges:
    """The sites of chosen factors that change most from the first to the second sequences.

    A window of one sequence is compared with that of the other which has the same distance from
    what both begin with, from what both end with, or, where a cut at an end moved the bases, the
    same bases around it; the most similar one counts.

    Args:
        model: a trained model.
        first: uint8 [N, L].
        second: uint8 [N, L].
        motif: int [N, K], the factors that each pair is asked about; -1: none.

    Example:
        >>> changes = site_changes(model, first, second, np.array([[0]]))  # doctest: +SKIP
        >>> changes.kind, changes.before, changes.after  # doctest: +SKIP
        (array([['loses']]), array([[0.81]]), array([[0.02]]))
    """
    count, most = motif.shape
    changes = SiteChanges(
        motif,
        np.full((count, most), "", "U8"),
        *(np.zeros((count, most), np.int64), np.zeros((count, most), np.int64)),
        np.full((count, most), "+", "U1"),
        *(np.zeros((count, most)), np.zeros((count, most))),
    )
    region = _changed_regions(first, second)
    asked = motif >= 0
    asked = asked & (region.size > 0)[:, np.newaxis]
    # Where sites exclude each other, one can change that the change does not touch.
    everywhere = np.full(count, model.spec.sequence_length)
    searched = everywhere if model.spec.competition else region.size
    for row, place in _parts(asked, searched + model.spec.motif_width):
        _fill(changes, model, (first[row], second[row]), region.take(row), row, place)
    return changes


class _Regions(NamedTuple):
    """The columns that differ: begin and end in each sequence, [N] each.

    `moved` is how far bases within them moved from the first to the second sequence.
    """

    begin: np.ndarray
    end: np.ndarray
    other_begin: np.ndarray
    other_end: np.ndarray
    moved: np.ndarray

    @property
    def size(self) -> np.ndarray:
        """Columns of the longer of both; 0 where sequences are the same."""
        return np.maximum(self.end - self.begin, self.other_end - self.other_begin)

    def take(self, rows: np.ndarray) -> _Regions:
        """Those of some rows."""
        return _Regions(*(each[rows] for each in self))


def _changed_regions(first: np.ndarray, second: np.ndarray) -> _Regions:
    """What is left of two sequences without their common beginning and end."""
    (begin, end), (other_begin, other_end) = _bounds(first), _bounds(second)
    shorter = np.minimum(end - begin, other_end - other_begin)
    same = np.minimum(_common(first, second, begin, other_begin), shorter)
    width = first.shape[1]
    reverse = first[:, ::-1], second[:, ::-1]
    behind = np.minimum(_common(*reverse, width - end, width - other_end), shorter - same)
    region = _Regions(begin + same, end - behind, other_begin + same, other_end - behind, end)
    return region._replace(moved=_moved(first, second, region))


def _bounds(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first known base of each row, and the one after the last."""
    known = codes != UNKNOWN
    begin = np.where(known.any(axis=1), known.argmax(axis=1), codes.shape[1])
    end = codes.shape[1] - np.where(known.any(axis=1), known[:, ::-1].argmax(axis=1), 0)
    return begin, end


def _common(
    first: np.ndarray, second: np.ndarray, begin: np.ndarray, other_begin: np.ndarray
) -> np.ndarray:
    """How many columns are the same, from a column of each row on."""
    steps = np.arange(first.shape[1] + 1)
    texts = [
        np.take_along_axis(
            np.pad(each, ((0, 0), (0, len(steps))), constant_values=_OUTSIDE),
            at[:, np.newaxis] + steps,
            axis=1,
        )
        for each, at in ((first, begin), (second, other_begin))
    ]
    return ((texts[0] != texts[1]) | (texts[0] == _OUTSIDE)).argmax(axis=1)


def _moved(first: np.ndarray, second: np.ndarray, region: _Regions) -> np.ndarray:
    """How far most bases of a region moved, where a cut at an end hides that they are the same."""
    moved = region.other_end - region.end
    (rows,) = np.nonzero(region.size > _LONG_REGION)
    column = np.arange(first.shape[1])
    inside = (column >= region.begin[rows, np.newaxis]) & (column < region.end[rows, np.newaxis])
    wide = np.pad(second[rows], ((0, 0), (_FURTHEST, _FURTHEST)), constant_values=_OUTSIDE)
    best = _LEAST_SAME * inside.sum(axis=1)
    for step in range(-_FURTHEST, _FURTHEST + 1):
        there = wide[:, _FURTHEST + step : _FURTHEST + step + len(column)]
        same = ((first[rows] == there) & inside).sum(axis=1)
        moved[rows] = np.where(same > best, step, moved[rows])
        best = np.maximum(best, same)
    return moved


def _parts(asked: np.ndarray, size: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places that are asked for, in parts of bounded memory; those of like sizes come together."""
    row, place = np.nonzero(asked)
    order = np.argsort(size[row], kind="stable")
    row, place = row[order], place[order]
    begin = 0
    while begin < len(row):
        # Sizes grow, so that the last of a part decides what it takes.
        end = min(len(row), begin + max(1, _MOST_SITES // int(size[row[begin]])))
        while end > begin + 1 and (end - begin) * int(size[row[end - 1]]) > 2 * _MOST_SITES:
            end = begin + (end - begin) // 2
        yield row[begin:end], place[begin:end]
        begin = end


def _fill(
    changes: SiteChanges,
    model: AnyModel,
    codes: tuple[np.ndarray, np.ndarray],
    region: _Regions,
    row: np.ndarray,
    place: np.ndarray,
) -> None:
    """Finds the changed site of each of J factors, and writes it into the result."""
    motif = changes.motif[row, place]
    width = model.spec.motif_width
    begin, other_begin, size = region.begin, region.other_begin, int(region.size.max())
    if model.spec.competition:
        begin = other_begin = np.zeros_like(begin)
        size = model.spec.sequence_length
    count = size + width
    shifts = [
        region.other_begin - region.begin,
        region.other_end - region.end,
        region.moved,
    ]
    lost = _largest(model, codes, motif, begin - width, shifts, count)
    back = [-each for each in shifts]
    gained = _largest(model, codes[::-1], motif, other_begin - width, back, count)
    is_gain = gained.own - gained.other > lost.own - lost.other
    own, other, strand, start = (np.where(is_gain, b, a) for a, b in zip(lost, gained, strict=True))
    first, length = _own_columns(model, motif, strand)
    gone = other < LEFT * own
    kind = np.where(is_gain, np.where(gone, "gains", "stronger"), np.where(gone, "loses", "weaker"))
    changes.kind[row, place] = np.where(own > other, kind, "")
    changes.start[row, place] = start + first
    changes.end[row, place] = start + first + length
    changes.strand[row, place] = np.where(strand == 0, "+", "-")
    changes.before[row, place] = np.where(is_gain, other, own)
    changes.after[row, place] = np.where(is_gain, own, other)


class _Largest(NamedTuple):
    """The site of each of J items whose occupancy is most above that of its counterpart."""

    own: np.ndarray
    other: np.ndarray
    strand: np.ndarray
    start: np.ndarray


def _largest(
    model: AnyModel,
    codes: tuple[np.ndarray, np.ndarray],
    motif: np.ndarray,
    begin: np.ndarray,
    shifts: list[np.ndarray],
    count: int,
) -> _Largest:
    """Among `count` windows from a column on, the one that the second sequences have least."""
    own = _occupancies(model, codes[0], motif, begin, count)
    other: np.ndarray | None = None
    for number, shift in enumerate(shifts):
        if any(np.array_equal(shift, before) for before in shifts[:number]):
            continue
        there = _occupancies(model, codes[1], motif, begin + shift, count)
        other = there if other is None else np.maximum(other, there)
    assert other is not None
    flat, others = own.reshape(len(own), -1), other.reshape(len(own), -1)
    place, items = (flat - others).argmax(axis=1), np.arange(len(flat))
    strand, window = np.divmod(place, count)
    return _Largest(flat[items, place], others[items, place], strand, begin + window)


def _occupancies(
    model: AnyModel, codes: np.ndarray, motif: np.ndarray, begin: np.ndarray, count: int
) -> np.ndarray:
    """Occupancy of one factor for each row, float64 [J, 2, count], of windows from `begin` on.

    Windows that do not exist, or do not count at constant ends, have 0.
    """
    spec = model.spec
    width, length = spec.motif_width, spec.sequence_length
    if spec.competition:
        return _exclusive_occupancies(model, codes, motif, begin, count)
    codes, span = between_ends(spec, codes)
    column = begin[:, np.newaxis] + np.arange(count + width - 1)
    inside = (column >= 0) & (column < length)
    under = np.where(
        inside, np.take_along_axis(codes, np.clip(column, 0, length - 1), axis=1), UNKNOWN
    )
    log_kd = model.parameters["log_kd"][:, :, motif].astype(np.float64)
    table = np.concatenate([log_kd, np.zeros_like(log_kd[:, :1])], axis=1).transpose(2, 0, 1)
    # What the reverse strand reads of a base on the forward strand.
    reverse = table[:, ::-1][:, :, [3, 2, 1, 0, 4]]
    items = np.arange(len(motif))[:, np.newaxis]
    energy = np.zeros((len(motif), 2, count))
    for step in range(width):
        bases = under[:, step : step + count]
        energy[:, 0] += table[items, step, bases]
        energy[:, 1] += reverse[items, step, bases]
    concentration = model.parameters["log_concentration"].astype(np.float64)[motif]
    site = sigmoid(concentration[:, np.newaxis, np.newaxis] - energy)
    start = column[:, :count]
    before = (width - 1) // 2 if spec.padding == "same" else 0
    counts = ((start >= -before) & (start < spec.window_count - before))[:, np.newaxis]
    if span is not None:
        counts = counts & _touches(model, motif, start, span)
    return np.where(counts, site, 0.0)


def _exclusive_occupancies(
    model: AnyModel, codes: np.ndarray, motif: np.ndarray, begin: np.ndarray, count: int
) -> np.ndarray:
    """The same where sites exclude each other: those of all factors are computed."""
    spec = model.spec
    # A sequence comes once for each of its factors.
    distinct, row = np.unique(codes, axis=0, return_inverse=True)
    site = site_occupancy(model, *between_ends(spec, distinct))
    before = (spec.motif_width - 1) // 2 if spec.padding == "same" else 0
    window = begin[:, np.newaxis] + np.arange(count) + before
    exists = (window >= 0) & (window < spec.window_count)
    at = (row.reshape(-1, 1), np.clip(window, 0, spec.window_count - 1), motif[:, np.newaxis])
    by_strand = np.stack([site[at[0], strand, at[1], at[2]] for strand in (0, 1)], axis=1)
    return np.where(exists[:, np.newaxis], by_strand.astype(np.float64), 0.0)


def _touches(model: AnyModel, motif: np.ndarray, start: np.ndarray, span: np.ndarray) -> np.ndarray:
    """Whether the motif's own columns overlap the span, on each strand, bool [J, 2, R]."""
    width, sides = model.spec.motif_width, []
    first, end = np.zeros_like(motif), np.full_like(motif, width)
    if model.column_range is not None:
        first, end = (each[motif].astype(np.int64) for each in model.column_range)
    for low, high in ((first, end), (width - end, width - first)):
        left, right = start + low[:, np.newaxis], start + high[:, np.newaxis]
        inside = (np.maximum(left, span[:, :1]) < np.minimum(right, span[:, 1:])) & (high > low)[
            :, np.newaxis
        ]
        sides.append(inside)
    return np.stack(sides, axis=1)


def _own_columns(
    model: AnyModel, motif: np.ndarray, strand: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """First own column of the motifs within their windows on these strands, and their widths."""
    first, widths = (
        each[motif].astype(np.int64) for each in (model.motifs.first_column, model.motifs.widths)
    )
    return np.where(strand == 0, first, model.spec.motif_width - first - widths), widths
