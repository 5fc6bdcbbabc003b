"""What single sites and single bases of a sequence contribute to its expression.

A factor's contribution (see `cisreg.interpret.contributions`) is divided among its sites:

- expected binding: in proportion to occupancy, since their sum is the binding; with position
  weights, to weighted occupancy.
- the probability that any site is bound: in proportion to -ln(1 - occupancy), since the log
  probability that none is bound is the sum of these.
- opening of chromatin: the same without the position weights of activity, and with those of
  positional potentiation.

A limit of a single site applies before, and a limit of a factor takes the same share of all of its
sites. The parts add up to the contribution of the factor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from cisreg.choices import check_choice
from cisreg.display import counted, html_table
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.batches import (
    batches,
    encode_some,
    factor_places,
    sequence_column,
    sequence_names,
)
from cisreg.interpret.contributions import (
    WEIGHTS,
    AccessibilityRule,
    Contributions,
    accessibility_levels,
    check_contributions_memory,
    explain_scan,
    join_contributions,
)
from cisreg.interpret.factor_changes import absent
from cisreg.interpret.read_out import (
    ModelScan,
    between_ends,
    limited_contribution,
    position_weight,
    scan_model,
    site_occupancy,
    strand_activity,
)
from cisreg.limits import check_range
from cisreg.pairs import pair_motifs, site_effects

if TYPE_CHECKING:
    import pandas as pd

_LETTERS = np.frombuffer(b"ACGTN", "S1")
# The largest occupancy below 1 in float32: at 1 the logarithm of its complement is infinite.
_HIGHEST = 1 - 2.0**-24


class SiteParts(NamedTuple):
    """What every site of N sequences contributes, by strand and window.

    Attributes:
        occupancy: float32 [N, 2, P, M], where all chromatin is accessible.
        activity: float64 [N, 2, P, M].
        opening: float64 [N, 2, P, M]; 0 everywhere where accessibility is taken at its value.
        whole: the contributions of the factors.
    """

    occupancy: np.ndarray
    activity: np.ndarray
    opening: np.ndarray
    whole: Contributions


def site_parts(
    model: AnyModel,
    codes: np.ndarray,
    accessibility: AccessibilityRule,
    name: pa.Array | None = None,
    threads: int | None = None,
) -> SiteParts:
    """What every site of some sequences contributes; needs memory for N * 2 * P * M numbers.

    Args:
        model: a trained model.
        codes: uint8 [N, L].
        accessibility: as for `contributions`.
        name: names of the sequences.
        threads: how many threads compute.
    """
    scan = scan_model(model, codes, threads=threads)
    site = scan.site
    if site is None:
        site = site_occupancy(model, *between_ends(model.spec, codes))
    whole = explain_scan(model, scan, accessibility, name)
    if accessibility == "at value":
        activity = _site_activity(model, scan, site, whole.accessibility)
        return SiteParts(site, activity, np.zeros_like(activity), whole)
    activity = np.zeros(site.shape)
    levels = accessibility_levels(model, absent(scan), scan)
    for weight, level in zip(WEIGHTS, levels, strict=True):
        activity += weight * _site_activity(model, scan, site, level)
    return SiteParts(site, activity, _site_opening(model, scan, site, whole.opening), whole)


def _site_opening(
    model: AnyModel, scan: ModelScan, site: np.ndarray, opening: np.ndarray
) -> np.ndarray:
    """What factors do through accessibility [N, M], divided among sites, float64 [N, 2, P, M]."""
    whole = opening[:, np.newaxis, np.newaxis]
    if not model.spec.positional_potentiation:
        return _divided(whole, _binding_weight(model, site), (1, 2))
    # Weights may be negative, so that sites nearly cancel: the sum is that which `opening` has.
    total = scan.opening[:, np.newaxis, np.newaxis]
    by_log_odds = np.divide(whole, total, out=np.zeros_like(whole), where=total != 0)
    weight = position_weight(model.spec, model.parameters, "potentiation_position_weight")
    return by_log_odds * site * weight


def _binding_weight(model: AnyModel, site: np.ndarray) -> np.ndarray:
    """What the sites of a factor share its binding by, float64 [N, 2, P, M]."""
    if model.spec.binding == "expected":
        return site.astype(np.float64)
    return -np.log1p(-np.minimum(site, _HIGHEST, dtype=np.float64))


def _divided(whole: np.ndarray, weight: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """The whole in proportion to weights of 0 or more; 0 where all weights are 0."""
    total = weight.sum(axis=axis, keepdims=True)
    return whole * np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)


def _site_activity(
    model: AnyModel, scan: ModelScan, site: np.ndarray, accessibility: np.ndarray
) -> np.ndarray:
    """What every site does to expression at an accessibility, float64 [N, 2, P, M]."""
    spec = model.spec
    accessible = accessibility.reshape(-1, 1, 1, 1)
    if spec.positional:
        bound = accessible * site
        if spec.binding_limit:
            bound = np.minimum(bound, np.exp(model.parameters["log_binding_limit"].astype(float)))
        bound = bound * position_weight(spec, model.parameters)
    elif spec.binding == "expected":
        bound = accessible * site
    else:
        axis = 2 if spec.stranded else (1, 2)
        bound = _divided(
            accessible * scan.acting[:, :, np.newaxis], _binding_weight(model, site), axis
        )
    activity = strand_activity(spec, model.parameters).astype(np.float64)
    each = bound * (activity[:, np.newaxis] if spec.stranded else activity)
    total = each.sum(axis=(1, 2))
    limited = limited_contribution(model, total)
    share = np.divide(limited, total, out=np.ones_like(total), where=total != 0)
    each = each * share[:, np.newaxis, np.newaxis]
    if spec.pairs:
        motifs = pair_motifs(spec).motifs
        together = site_effects(spec, site[..., motifs], model.parameters["pair_effect"])
        each[..., motifs] += accessible * together
    return each


@dataclass(frozen=True, eq=False)
class SiteContributions:
    """What K sites of N sequences contribute to expression; the sites of a sequence are together.

    Attributes:
        sequence: int64 [K], the place of its sequence among these N.
        factor: int64 [K], the place of its factor among `motif_names`.
        strand: int8 [K], 0 forward, 1 reverse.
        start: int64 [K], the first base that the factor's own columns touch, from 0, in the model's
            input: padding counts (see `Model.encode`).
        end: int64 [K], the one after the last. A site over an end of the sequence is shorter.
        occupancy: float32 [K], how much of the time it is bound where all chromatin is accessible.
        activity: float64 [K], its part of the factor's activity.
        opening: float64 [K], its part of what the factor does by accessibility; 0 where that is
            taken at its value.
        site: K texts, the bases as the factor reads them.
        other: float64 [N, M], what each factor does through all its other sites.
        whole: the contributions that these are parts of.
    """

    sequence: np.ndarray
    factor: np.ndarray
    strand: np.ndarray
    start: np.ndarray
    end: np.ndarray
    occupancy: np.ndarray
    activity: np.ndarray
    opening: np.ndarray
    site: tuple[str, ...]
    other: np.ndarray
    whole: Contributions

    def __len__(self) -> int:
        """K, the number of sites."""
        return len(self.sequence)

    def __repr__(self) -> str:
        return f"SiteContributions({self._title()})"

    def _title(self) -> str:
        return f"{counted(len(self), 'site')} in {counted(len(self.other), 'sequence')}"

    def _repr_html_(self) -> str:
        columns = {name: column.to_pylist() for name, column in self._columns().items()}
        return html_table(self._title(), columns, len(self))

    @property
    def effect(self) -> np.ndarray:
        """What each site adds to expression, float64 [K]: activity and opening."""
        return self.activity + self.opening

    def _columns(self) -> dict[str, pa.Array]:
        names = np.array(self.whole.motif_names, object)
        columns = {
            "sequence": sequence_column(self.whole.name, self.sequence, self.whole.begin),
            "factor": pa.array(names[self.factor], pa.string()),
            "strand": pa.array(np.array(["+", "-"], object)[self.strand], pa.string()),
            "start": pa.array(self.start),
            "end": pa.array(self.end),
            "site": pa.array(self.site, pa.string()),
            "occupancy": pa.array(self.occupancy),
        }
        if self.whole.rule != "at value":
            columns |= {
                "activity": pa.array(self.activity),
                "accessibility": pa.array(self.opening),
            }
        return columns | {"effect": pa.array(self.effect)}

    def to_table(self) -> pa.Table:
        """An Arrow table with a row for each site, without the other sites.

        Example:
            >>> site_contributions(model, data).to_table().column_names  # doctest: +SKIP
            ['sequence', 'factor', 'strand', 'start', 'end', 'site', 'occupancy', 'effect']
        """
        return pa.table(self._columns())

    def to_frame(self) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()


def site_contributions(
    model: AnyModel,
    sequences: Any,
    *,
    accessibility: AccessibilityRule = "at value",
    least_occupancy: float = 0.05,
    largest: int | None = None,
    factors: Sequence[str] | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> SiteContributions:
    """What each site of a sequence adds to its expression; see the module for the rule.

    Args:
        model: a trained model.
        sequences: whatever `Model.predict` takes.
        accessibility: as for `contributions`.
        least_occupancy: only sites that are bound so much of the time, 0 to 1; the others are in
            `other`.
        largest: at most so many sites of each sequence, those with the largest effect.
        factors: only sites of these factors; None: all of them.
        batch_size: sequences computed at a time; None: as many as take a few hundred megabytes.
        threads: how many threads compute; None: one for each core.
        progress: whether to show a progress bar.

    Raises:
        ValueError: an argument is out of its range, a name that the model does not have, or more
            sequences than fit into memory (take `site_contribution_batches`).

    Example:
        >>> site_contributions(model, data, largest=10).to_frame()  # doctest: +SKIP
    """
    count = len(encode_some(model, sequences))
    check_contributions_memory(model, count, "take site_contribution_batches")
    parts = site_contribution_batches(
        *(model, sequences),
        accessibility=accessibility,
        least_occupancy=least_occupancy,
        largest=largest,
        factors=factors,
        batch_size=batch_size,
        threads=threads,
        progress=progress,
    )
    return _joined(list(parts))


def site_contribution_batches(
    model: AnyModel,
    sequences: Any,
    *,
    accessibility: AccessibilityRule = "at value",
    least_occupancy: float = 0.05,
    largest: int | None = None,
    factors: Sequence[str] | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Iterator[SiteContributions]:
    """Like `site_contributions`, but yields batch after batch, in the order of the sequences.

    Example:
        >>> for batch in site_contribution_batches(model, data):  # doctest: +SKIP
        ...     print(batch.to_frame())
    """
    check_choice("accessibility", accessibility, AccessibilityRule)
    if not 0 <= least_occupancy <= 1:
        raise ValueError(f"least_occupancy: expected 0 to 1, got {least_occupancy}")
    if largest is not None:
        check_range("largest", largest, 1, 1 << 31)
    codes, names = encode_some(model, sequences), sequence_names(sequences)
    chosen = np.zeros(model.spec.motif_count, bool)
    chosen[factor_places(model, factors)] = True
    how: dict[str, Any] = {"batch_size": batch_size, "progress": progress, "every_site": True}
    for rows, part in batches(model, codes, description="sites", **how):
        name = None if names is None else names[rows]
        parts = site_parts(model, part, accessibility, name, threads)
        is_shown = (parts.occupancy >= least_occupancy) & chosen
        found = _shown_sites(model, part, parts, is_shown, largest)
        yield replace(found, whole=replace(found.whole, begin=rows.start))


def _shown_sites(
    model: AnyModel,
    codes: np.ndarray,
    parts: SiteParts,
    is_shown: np.ndarray,
    largest: int | None,
) -> SiteContributions:
    row, strand, window, factor = np.nonzero(is_shown)
    effect = (parts.activity + parts.opening)[row, strand, window, factor]
    if largest is not None:
        order = np.lexsort((-np.abs(effect), row))
        rank = np.arange(len(order)) - np.searchsorted(row[order], row[order])
        kept = np.sort(order[rank < largest])
        row, strand, window, factor = (each[kept] for each in (row, strand, window, factor))
    start, end = (
        np.clip(each[strand, factor] + window, 0, model.spec.sequence_length)
        for each in own_columns(model)
    )
    order = np.lexsort((factor, start, row))
    row, strand, window, factor, start, end = (
        each[order] for each in (row, strand, window, factor, start, end)
    )
    at = (row, strand, window, factor)
    shown = np.zeros_like(parts.whole.by_factor)
    np.add.at(shown, (row, factor), (parts.activity + parts.opening)[at])
    return SiteContributions(
        *(row, factor, strand.astype(np.int8), start, end, parts.occupancy[at]),
        *(parts.activity[at], parts.opening[at]),
        site=tuple(
            _read(codes[row[each]], strand[each], start[each], end[each])
            for each in range(len(row))
        ),
        other=parts.whole.by_factor - shown,
        whole=parts.whole,
    )


def own_columns(model: AnyModel) -> tuple[np.ndarray, np.ndarray]:
    """The bases that a motif's own columns touch in window 0 of each strand.

    Returns:
        (first base, the one after the last), int64 [2, M] each; negative before the sequence.
    """
    spec, motifs = model.spec, model.motifs
    before = (spec.motif_width - 1) // 2 if spec.padding == "same" else 0
    first = motifs.first_column.astype(np.int64)
    end = first + motifs.widths
    width = spec.motif_width
    return np.stack([first, width - end]) - before, np.stack([end, width - first]) - before


def _read(codes: np.ndarray, strand: Any, start: Any, end: Any) -> str:
    """The bases of a site as the factor reads them."""
    bases = codes[start:end]
    if strand:
        bases = np.where(bases < 4, 3 - bases, bases)[::-1]
    return _LETTERS[bases].tobytes().decode()


def _joined(found: list[SiteContributions]) -> SiteContributions:
    """The sites of several batches, in their order."""
    arrays = ("factor", "strand", "start", "end", "occupancy", "activity", "opening")
    begin = found[0].whole.begin
    return SiteContributions(
        sequence=np.concatenate([part.sequence + part.whole.begin - begin for part in found]),
        **{name: np.concatenate([getattr(part, name) for part in found]) for name in arrays},
        site=tuple(site for part in found for site in part.site),
        other=np.concatenate([part.other for part in found]),
        whole=join_contributions([part.whole for part in found]),
    )
