"""What each base of a sequence contributes to its expression, as part of the sites it is in.

The contribution of a site (see `cisreg.interpret.sites`) is divided among the bases that the
motif's own columns touch, in proportion to how much better each base binds than the worst base of
its column: log Kd of the worst minus log Kd of the base. So the part of a base has the sign of its
site, the worst base of a column has 0, and the parts add up. This says where contributions lie;
what a base would change is another question (`mutagenesis`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cisreg.choices import check_choice
from cisreg.display import counted, html_table
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.batches import batches, encode_some, sequence_column, sequence_names
from cisreg.interpret.contributions import (
    AccessibilityRule,
    Contributions,
    check_contributions_memory,
    join_contributions,
)
from cisreg.interpret.read_out import between_ends, windows_of
from cisreg.interpret.sites import site_parts
from cisreg.limits import check_memory

if TYPE_CHECKING:
    import pandas as pd

_LETTERS = np.array(list("ACGTN"), object)


@dataclass(frozen=True, eq=False)
class BaseContributions:
    """What each base of N sequences adds to expression.

    The effects of a sequence, and its `baseline`, `direct` and `outside`, add up to expression.

    Attributes:
        effect: float64 [N, L], of each base of the model's input; padding has its place, too.
        by_factor: float64 [N, L, M], the same for each factor; None if it was not requested.
        outside: float64 [N], of windows that touch no base of the sequence.
        codes: uint8 [N, L], the bases.
        whole: the contributions that these are parts of, with `baseline` and `direct`.
    """

    effect: np.ndarray
    by_factor: np.ndarray | None
    outside: np.ndarray
    codes: np.ndarray
    whole: Contributions

    def __len__(self) -> int:
        """N, the number of sequences."""
        return len(self.effect)

    def __repr__(self) -> str:
        return f"BaseContributions({self._title()})"

    def _title(self) -> str:
        return f"{counted(len(self), 'sequence')} of {counted(self.effect.shape[1], 'base')}"

    def _repr_html_(self) -> str:
        columns = {name: column[:20].to_pylist() for name, column in self._columns().items()}
        return html_table(self._title(), columns, self.effect.size)

    def _columns(self) -> dict[str, pa.Array]:
        count, length = self.effect.shape
        return {
            "sequence": sequence_column(
                self.whole.name, np.repeat(np.arange(count), length), self.whole.begin
            ),
            "position": pa.array(np.tile(np.arange(length), count)),
            "base": pa.array(_LETTERS[self.codes.ravel()], pa.string()),
            "effect": pa.array(self.effect.ravel()),
        }

    def to_table(self) -> pa.Table:
        """An Arrow table with a row for each base: sequence, position (from 0), base and effect.

        Example:
            >>> base_contributions(model, data).to_table().column_names  # doctest: +SKIP
            ['sequence', 'position', 'base', 'effect']
        """
        return pa.table(self._columns())

    def to_frame(self) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()


def base_contributions(
    model: AnyModel,
    sequences: Any,
    *,
    accessibility: AccessibilityRule = "at value",
    by_factor: bool = False,
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> BaseContributions:
    """What each base adds to expression as part of the sites it is in; see the module for the rule.

    Args:
        model: a trained model.
        sequences: whatever `Model.predict` takes.
        accessibility: as for `contributions`.
        by_factor: also give the effect by factor, with memory for N * L * M numbers.
        batch_size: sequences computed at a time; None: as many as take a few hundred megabytes.
        threads: how many threads compute; None: one for each core.
        progress: whether to show a progress bar.

    Raises:
        ValueError: no sequences, or more than fit into memory (take `base_contribution_batches`).

    Example:
        >>> base_contributions(model, ["ACGT" * 27]).effect.shape  # doctest: +SKIP
        (1, 108)
    """
    codes = encode_some(model, sequences)
    remedy = "take base_contribution_batches"
    check_contributions_memory(model, len(codes), remedy)
    if by_factor:
        numbers = codes.size * model.spec.motif_count
        check_memory("by_factor of all bases", 8 * numbers, remedy)
    parts = list(
        base_contribution_batches(
            *(model, sequences),
            accessibility=accessibility,
            by_factor=by_factor,
            batch_size=batch_size,
            threads=threads,
            progress=progress,
        )
    )
    factors = [part.by_factor for part in parts if part.by_factor is not None]
    return BaseContributions(
        np.concatenate([part.effect for part in parts]),
        np.concatenate(factors) if by_factor else None,
        np.concatenate([part.outside for part in parts]),
        codes,
        join_contributions([part.whole for part in parts]),
    )


def base_contribution_batches(
    model: AnyModel,
    sequences: Any,
    *,
    accessibility: AccessibilityRule = "at value",
    by_factor: bool = False,
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Iterator[BaseContributions]:
    """Like `base_contributions`, but yields batch after batch, in the order of the sequences.

    Example:
        >>> for batch in base_contribution_batches(model, data):  # doctest: +SKIP
        ...     print(batch.effect.mean(axis=0))
    """
    check_choice("accessibility", accessibility, AccessibilityRule)
    codes, names = encode_some(model, sequences), sequence_names(sequences)
    how: dict[str, Any] = {"batch_size": batch_size, "progress": progress, "every_site": True}
    for rows, part in batches(model, codes, description="bases", **how):
        name = None if names is None else names[rows]
        parts = site_parts(model, part, accessibility, name, threads)
        effect, of_factor = _of_bases(model, part, parts.activity + parts.opening, by_factor)
        whole = replace(parts.whole, begin=rows.start)
        outside = whole.by_factor.sum(axis=1) - effect.sum(axis=1)
        yield BaseContributions(effect, of_factor if by_factor else None, outside, part, whole)


def _of_bases(
    model: AnyModel, codes: np.ndarray, site: np.ndarray, by_factor: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The effects of sites [N, 2, P, M] divided among bases: [N, L], and [N, L, M] or [N, 0, M]."""
    count, length = codes.shape
    motifs = site.shape[3]
    effect = np.zeros((count, length))
    of_factor = np.zeros((count, length if by_factor else 0, motifs))
    weight_of_all = np.zeros(site.shape)
    own_of_all = np.zeros(site.shape[1:])
    for touched in _touched(model, codes):
        strand, inside = touched.strand, touched.windows
        weight_of_all[:, strand, inside] += touched.gain
        own_of_all[strand, inside] += touched.own
    # Where no base is better than the worst, all have the same part.
    equally = weight_of_all == 0
    per_weight = np.divide(
        site,
        np.where(equally, own_of_all, weight_of_all),
        out=np.zeros(site.shape),
        where=~equally | (own_of_all > 0),
    )
    for touched in _touched(model, codes):
        at = (slice(None), touched.strand, touched.windows)
        part = per_weight[at] * np.where(equally[at], touched.own, touched.gain)
        effect[:, touched.bases] += part.sum(axis=2)
        if by_factor:
            of_factor[:, touched.bases] += part
    return effect, of_factor


@dataclass(frozen=True, eq=False)
class _Touched:
    """One column of the motifs on one strand: which windows and bases it joins.

    Attributes:
        strand: 0 or 1.
        windows: those in which the column lies on a base.
        bases: these bases, one for each of the windows.
        gain: float64 [N, windows, M], log Kd of the column's worst base minus that of the base.
        own: float64 [M], 1 where the column is one of the motif's own.
    """

    strand: int
    windows: slice
    bases: slice
    gain: np.ndarray
    own: np.ndarray


def _touched(model: AnyModel, codes: np.ndarray) -> Iterator[_Touched]:
    """All columns of the motifs on both strands."""
    spec = model.spec
    log_kd = model.parameters["log_kd"].astype(np.float64)
    motifs = model.motifs
    column = np.arange(spec.motif_width)[:, np.newaxis]
    own = (column >= motifs.first_column) & (column < motifs.first_column + motifs.widths)
    with_unknown = np.concatenate([log_kd, np.zeros_like(log_kd[:, :1])], axis=1)
    gain = np.maximum(log_kd.max(axis=1, keepdims=True) - with_unknown, 0.0) * own[:, np.newaxis]
    windows = windows_of(between_ends(spec, codes)[0], spec)
    before = (spec.motif_width - 1) // 2 if spec.padding == "same" else 0
    for strand in (0, 1):
        for place in range(spec.motif_width):
            # Window p has its column `place` on base p + offset.
            offset = (spec.motif_width - 1 - place if strand else place) - before
            first = max(0, -offset)
            end = min(spec.window_count, spec.sequence_length - offset)
            if first < end and own[place].any():
                yield _Touched(
                    *(strand, slice(first, end), slice(first + offset, end + offset)),
                    gain[place][windows[:, strand, first:end, place]],
                    own[place].astype(np.float64),
                )
