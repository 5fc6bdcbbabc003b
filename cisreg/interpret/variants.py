"""Effects of variants: what a model predicts for pairs of sequences, explained by factors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from cisreg.data import Dataset
from cisreg.data.frames import is_frame
from cisreg.display import counted, html_table
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.batches import rows_at_once, sequence_names
from cisreg.interpret.contributions import change_parts
from cisreg.interpret.read_out import read_out, scan_model
from cisreg.interpret.site_changes import SiteChanges, site_changes
from cisreg.limits import check_memory
from cisreg.links import of_score
from cisreg.occupancy_checks import UNKNOWN
from cisreg.progress import progress_bar
from cisreg.spec import Link

if TYPE_CHECKING:
    import pandas as pd

# Factors of an explanation: so many at most, with at least this share of the largest effect.
_MOST_FACTORS, _LEAST_SHARE = 3, 0.1
_VOWELS = "AEIOaeio"


@dataclass(frozen=True, eq=False)
class VariantEffects:
    """Effects of N variants, and what each of M factors has to do with them.

    An effect is expression with the variant minus expression without it, in the unit of expression.
    The parts of factors are on the scale of the score, which is expression itself unless the model
    has another link than "identity".

    Attributes:
        reference: float64 [N], expression without the variant.
        alternative: float64 [N], expression with it.
        through_binding: float64 [N, M], what the factor's changed binding does by its activity.
        through_accessibility: float64 [N, M], what it does by opening or closing chromatin for all
            factors; 0 without the potentiation layer. Both together, summed over factors, are the
            change of the score; the rule is that of `explain_difference`.
        accessibility: float64 [N, 2], without and with the variant; 1 without that layer.
        sites: for each variant, the changed sites of the factors with the largest effects; columns
            are counted from the first base of a row of codes.
        origin: int64 [N, 2], the column of the first base of both sequences.
        places: what each variant is: an Arrow table of N rows, with the names or numbers of the
            pairs as its column `sequence`, or with the columns of `cisreg.genome.VariantPairs`.
        motif_names: M names.
        unit: the unit of expression; empty if it is not known.
        link: how expression follows from the score, see `cisreg.ModelSpec`.
    """

    reference: np.ndarray
    alternative: np.ndarray
    through_binding: np.ndarray
    through_accessibility: np.ndarray
    accessibility: np.ndarray
    sites: SiteChanges
    origin: np.ndarray
    places: pa.Table
    motif_names: tuple[str, ...]
    unit: str = ""
    link: Link = "identity"

    def __len__(self) -> int:
        """N, the number of variants."""
        return len(self.reference)

    @property
    def effect(self) -> np.ndarray:
        """Expression with the variant minus expression without it, float64 [N]."""
        return self.alternative - self.reference

    @property
    def by_factor(self) -> np.ndarray:
        """What each factor has to do with it, float64 [N, M]; the sum is the change of score."""
        return self.through_binding + self.through_accessibility

    def row(self, row: int) -> VariantEffects:
        """One variant alone, by its number from 0."""
        part = slice(row, row + 1)
        return replace(
            self,
            reference=self.reference[part],
            alternative=self.alternative[part],
            through_binding=self.through_binding[part],
            through_accessibility=self.through_accessibility[part],
            accessibility=self.accessibility[part],
            sites=SiteChanges(*(each[part] for each in self.sites)),
            origin=self.origin[part],
            places=self.places.slice(row, 1),
        )

    @property
    def explanations(self) -> list[str]:
        """For each variant its largest parts, such as "loses a Reb1 site at 34-42 (+): -1.8".

        A part is the effect of all changes of the factor's binding, on the scale of the score; the
        site is the one whose
        occupancy changes most. Its positions count from 0, the end exclusive, in the sequence on
        the strand that the model reads: in that with the variant if the site is gained or gets
        stronger, otherwise in that without it.
        """
        return [self._explanation(row) for row in range(len(self))]

    def _explanation(self, row: int) -> str:
        parts = [self._part(row, place) for place in range(self.sites.motif.shape[1])]
        return "; ".join(filter(None, parts)) or "no binding changes"

    def _part(self, row: int, place: int) -> str:
        motif = int(self.sites.motif[row, place])
        if motif < 0:
            return ""
        name, effect = self.motif_names[motif], self.by_factor[row, motif]
        kind = str(self.sites.kind[row, place])
        if not kind:
            return f"{name} binding: {effect:+.3g}"
        first, end = self.site_range(row, place)
        where = f"at {first}-{end} ({self.sites.strand[row, place]})"
        if kind in ("loses", "gains"):
            article = "an" if name[0] in _VOWELS else "a"
            return f"{kind} {article} {name} site {where}: {effect:+.3g}"
        return f"{kind} {name} site {where}: {effect:+.3g}"

    def site_range(self, row: int, place: int) -> tuple[int, int]:
        """Begin and end of a site in its sequence, counted from 0, the end exclusive."""
        is_new = self.sites.kind[row, place] in ("gains", "stronger")
        origin = int(self.origin[row, 1 if is_new else 0])
        start, end = self.sites.start[row, place], self.sites.end[row, place]
        return int(start) - origin, int(end) - origin

    def __repr__(self) -> str:
        return f"VariantEffects({self._title()})"

    def _title(self) -> str:
        unit = f", in {self.unit}" if self.unit else ""
        factors = f"{counted(len(self.motif_names), 'factor')}{unit}"
        if self.link != "identity":
            factors += f"; parts of factors{of_score(self.link).removeprefix(',')}"
        return f"{counted(len(self), 'variant')}, {factors}"

    def _repr_html_(self) -> str:
        columns = {name: each.to_pylist() for name, each in self.columns().items()}
        return html_table(f"Effects of {self._title()}", columns, len(self))

    def columns(self) -> dict[str, pa.Array]:
        """The effects as columns; top_factor is the factor with the largest part."""
        by_factor = self.by_factor
        top = np.abs(by_factor).argmax(axis=1) if by_factor.size else np.zeros(0, np.int64)
        numbers = {
            "reference_expression": self.reference,
            "alternative_expression": self.alternative,
            "effect": self.effect,
            "reference_accessibility": self.accessibility[:, 0],
            "alternative_accessibility": self.accessibility[:, 1],
        }
        rows = np.arange(len(self))
        return {
            **{name: _whole(self.places[name]) for name in self.places.column_names},
            **{name: pa.array(values) for name, values in numbers.items()},
            "explanation": pa.array(self.explanations, pa.string()),
            "top_factor": pa.array([self.motif_names[each] for each in top], pa.string()),
            "top_factor_effect": pa.array(by_factor[rows, top]),
        }

    def to_table(self) -> pa.Table:
        """An Arrow table of `columns`, one row for each variant.

        Example:
            >>> variant_effects(model, before, after).to_table().column_names  # doctest: +SKIP
            ['sequence', 'reference_expression', 'alternative_expression', 'effect', ...]
        """
        return pa.table(self.columns())

    def to_frame(self) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()

    def factor_table(self, *, least: float = 0.0) -> pa.Table:
        """A long table: one row for each variant and factor with a part of the effect.

        Args:
            least: parts whose size is not above this are left out.

        Returns:
            The columns of `places`, then factor, effect, through_binding and through_accessibility;
            of each variant the largest part first.
        """
        by_factor = self.by_factor
        order = np.argsort(-np.abs(by_factor), axis=1, kind="stable")
        sorted_parts = np.take_along_axis(by_factor, order, axis=1)
        row, rank = np.nonzero(np.abs(sorted_parts) > least)
        motif = order[row, rank]
        return pa.table(
            {
                **{name: _whole(self.places[name]).take(row) for name in self.places.column_names},
                "factor": pa.array([self.motif_names[each] for each in motif], pa.string()),
                "effect": pa.array(by_factor[row, motif]),
                "through_binding": pa.array(self.through_binding[row, motif]),
                "through_accessibility": pa.array(self.through_accessibility[row, motif]),
            }
        )


def variant_effects(
    model: AnyModel,
    reference: Any,
    alternative: Any,
    *,
    names: Sequence[str] | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> VariantEffects:
    """The effects of variants on expression, for pairs of sequences without and with them.

    The sequences of a pair may differ in length, by indels: the model pads or trims both on the
    side on which it did so in training. `cisreg.interpret.genome_variant_effects` makes pairs from
    VCF files.

    Args:
        model: a trained model.
        reference: whatever `Model.predict` takes: a list of text, base codes or a Dataset.
        alternative: as many sequences.
        names: names of the pairs; None: those of the references if they are a Dataset with names,
            otherwise their numbers from 0.
        batch_size: pairs computed at a time; None: as many as take a few hundred megabytes.
        threads: how many threads compute; None: one for each core.
        progress: whether to show progress.

    Returns:
        Effects with their parts by factor.

    Raises:
        ValueError: different numbers of sequences or names, no sequences that the model takes, or
            more pairs than fit into memory (take `variant_effect_batches`).
        OverflowError: expression is beyond float32.

    Example:
        >>> found = variant_effects(  # doctest: +SKIP
        ...     model, ["ACGTTACCCGT"], ["ACGTTACACGT"], names=["promoter 1"]
        ... )
        >>> found.effect, found.explanations  # doctest: +SKIP
        (array([-1.83]), ['loses a Reb1 site at 3-10 (+): -1.8'])
    """
    pairs = _Pairs.of(model, reference, alternative, names)
    # Two parts of each factor, and both again while batches are joined.
    check_memory(
        f"parts of the effects of {counted(len(pairs.places), 'variant')}",
        2 * 2 * 8 * len(pairs.places) * model.spec.motif_count,
        "take variant_effect_batches, or fewer pairs at once",
    )
    return join_effects(_effects_of_pairs(model, pairs, batch_size, threads, progress))


def variant_effect_batches(
    model: AnyModel,
    reference: Any,
    alternative: Any,
    *,
    names: Sequence[str] | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Iterator[VariantEffects]:
    """Like `variant_effects`, but yields batch after batch, in the order of the pairs.

    Example:
        >>> for part in variant_effect_batches(model, before, after):  # doctest: +SKIP
        ...     print(np.abs(part.effect).max())
    """
    pairs = _Pairs.of(model, reference, alternative, names)
    return _effects_of_pairs(model, pairs, batch_size, threads, progress)


class _Pairs(NamedTuple):
    """Pairs of sequences as the model's input; attributes as of `VariantEffects`.

    Attributes:
        reference: uint8 [N, L].
        alternative: uint8 [N, L].
        origin: int64 [N, 2].
        places: N rows.
    """

    reference: np.ndarray
    alternative: np.ndarray
    origin: np.ndarray
    places: pa.Table

    @classmethod
    def of(
        cls, model: AnyModel, reference: Any, alternative: Any, names: Sequence[str] | None
    ) -> _Pairs:
        codes = model.encode(reference), model.encode(alternative)
        count = len(codes[0])
        if len(codes[1]) != count:
            raise ValueError(
                f"alternative: expected {counted(count, 'sequence')}, one for each reference, got "
                f"{len(codes[1]):,}"
            )
        columns = [
            first_columns(model, text, rows)
            for text, rows in zip((reference, alternative), codes, strict=True)
        ]
        places = pa.table({"sequence": _names(reference, names, count)})
        return cls(*codes, np.stack(columns, axis=1), places)


def _effects_of_pairs(
    model: AnyModel, pairs: _Pairs, batch_size: int | None, threads: int | None, progress: bool
) -> Iterator[VariantEffects]:
    batch_size = rows_at_once(model.spec, batch_size)
    with progress_bar(show=progress) as bar:
        starts = range(0, max(len(pairs.places), 1), batch_size)
        for begin in bar.track(starts, description="variants"):
            rows = slice(begin, begin + batch_size)
            yield effects_of_codes(
                *(model, pairs.reference[rows], pairs.alternative[rows]),
                *(pairs.places.slice(begin, batch_size), pairs.origin[rows]),
                threads=threads,
            )


def effects_of_codes(
    model: AnyModel,
    reference: np.ndarray,
    alternative: np.ndarray,
    places: pa.Table,
    origin: np.ndarray,
    *,
    threads: int | None = None,
) -> VariantEffects:
    """The effects of one batch; arguments as the attributes of `VariantEffects`, codes [N, L]."""
    scans = [scan_model(model, codes, threads=threads) for codes in (reference, alternative)]
    before, after = (read_out(model, scan) for scan in scans)
    parts = change_parts(model, *scans)
    binding, opening = parts.activity.sum(axis=1), parts.opening
    top = _top_factors(binding + opening)
    return VariantEffects(
        *(before.expression, after.expression, binding, opening),
        np.stack([before.accessibility, after.accessibility], axis=1),
        site_changes(model, reference, alternative, top),
        *(origin, places, model.motif_names, model.unit),
        link=model.spec.link,
    )


def join_effects(parts: Iterable[VariantEffects]) -> VariantEffects:
    """Joins the effects of one or more batches, in order."""
    all_parts = list(parts)

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in all_parts])

    return VariantEffects(
        joined("reference"),
        joined("alternative"),
        joined("through_binding"),
        joined("through_accessibility"),
        joined("accessibility"),
        SiteChanges(*map(np.concatenate, zip(*(part.sites for part in all_parts), strict=True))),
        joined("origin"),
        pa.concat_tables([part.places for part in all_parts]),
        all_parts[0].motif_names,
        all_parts[0].unit,
        all_parts[0].link,
    )


def _top_factors(by_factor: np.ndarray) -> np.ndarray:
    """The places of the factors with the largest parts, int [N, K]; -1 for parts too small."""
    count = min(_MOST_FACTORS, by_factor.shape[1])
    order = np.argsort(-np.abs(by_factor), axis=1, kind="stable")[:, :count]
    size = np.abs(np.take_along_axis(by_factor, order, axis=1))
    enough = (size > 0) & (size >= _LEAST_SHARE * size[:, :1])
    return np.where(enough, order, -1)


def first_columns(model: AnyModel, sequence: Any, codes: np.ndarray) -> np.ndarray:
    """The column of each sequence's first base in its row of codes, int64 [N].

    It is negative where the sequence was trimmed on the left. Codes say less than text: their first
    base is the first that is known.
    """
    if not _is_list_of_text(sequence):
        return (codes != UNKNOWN).argmax(axis=1).astype(np.int64)
    if model.padding_side == "right":
        return np.zeros(len(codes), np.int64)
    length = [len(str(text).strip()) for text in sequence]
    return model.spec.sequence_length - np.array(length, np.int64).reshape(-1)


def _is_list_of_text(sequence: Any) -> bool:
    if isinstance(sequence, Dataset) or is_frame(sequence) or getattr(sequence, "ndim", 1) != 1:
        return False
    first = next(iter(sequence), "")
    return isinstance(first, str | pa.StringScalar | pa.LargeStringScalar)


def _names(reference: Any, names: Sequence[str] | None, count: int) -> pa.Array:
    if names is None:
        named = sequence_names(reference)
        return pa.array(np.arange(count)) if named is None else named
    if isinstance(names, str) or len(names) != count:
        raise ValueError(
            f"names: expected a list of {count:,}, one for each pair, got "
            f"{names if isinstance(names, str) else f'{len(names):,}'!r}"
        )
    return pa.array([str(name) for name in names], pa.string())


def _whole(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole
