"""The table of factors: columns, numbers and logos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cisreg.interpret.factors import FactorEffects
from cisreg.motifs import MotifSet
from cisreg.report.logo import logo_heights
from cisreg.report.page.content import RunContent

# Letters lower than this share of two bits cannot be seen in a row.
_LOWEST = 0.06
_BITS = 2.0


@dataclass(frozen=True)
class Column:
    """A column of numbers: its name for machines, its heading, and what it is."""

    name: str
    heading: str
    explained: str


@dataclass(frozen=True)
class Letter:
    """A letter of a logo: which base, and the matrix that puts its unit square in place."""

    base: str
    height: float
    x: int
    y: float


@dataclass(frozen=True)
class Logo:
    """A logo: its letters, its number of columns, and its consensus for those who do not see it."""

    letters: tuple[Letter, ...]
    width: int
    label: str


@dataclass(frozen=True)
class FactorRow:
    """A row of the table.

    Attributes:
        rank: by importance, from 1.
        name: of the factor.
        consensus: after training.
        before, after: logos; None where they are not known.
        numbers: by the names of the columns; None where there is no such number.
        verdicts: checks of the diagnosis that name the factor, with their states.
    """

    rank: int
    name: str
    consensus: str
    before: Logo | None
    after: Logo
    numbers: dict[str, float | None]
    verdicts: tuple[tuple[str, str], ...]


_EFFECT = "what one strongest site adds to expression in open chromatin"
_COLUMNS = (
    Column("importance", "importance", "mean absolute change of expression without the factor"),
    Column("mean_effect", "mean effect", "mean change of expression that the factor makes"),
    Column("lost_pearson", "r lost", "how much of r is lost without the factor"),
    Column("effect", "effect", f"{_EFFECT}; on the forward strand, if strands differ"),
    Column("effect_lower", "lower", "lower end of the interval of the effect"),
    Column("effect_upper", "upper", "upper end of the interval of the effect"),
    Column("effect_reverse", "effect, reverse", f"{_EFFECT}, on the reverse strand"),
    Column("potentiation_effect", "opens chromatin", "what it adds to the log odds of openness"),
    Column("potentiation_lower", "lower", "lower end of the interval of the potentiation"),
    Column("potentiation_upper", "upper", "upper end of the interval of the potentiation"),
    Column("site_occupancy", "occupancy", "how much of the time the strongest site is bound"),
    Column("occupancy_50_percent", "binding", "median binding of the sequences"),
    Column("log_concentration", "log conc.", "log of the concentration, nats"),
)


def factor_columns(content: RunContent) -> list[Column]:
    """The columns for which there are numbers."""
    rows = _numbers(content)
    return [each for each in _COLUMNS if any(row.get(each.name) is not None for row in rows)]


def factor_rows(content: RunContent) -> list[FactorRow]:
    """The rows, the most important factor first."""
    effects, model = content.effects, content.run.model
    before, after = _aligned_logos(model.initial_motifs, model.motifs)
    numbers = _numbers(content)
    rows = []
    for rank, place in enumerate(effects.order, 1):
        name = effects.factor[place]
        motif = model.motif_names.index(name)
        rows.append(
            FactorRow(
                *(rank, name, effects.consensus[place]),
                before=before[motif],
                after=after[motif],
                numbers=numbers[place],
                verdicts=tuple(content.verdicts(name)),
            )
        )
    return rows


def _numbers(content: RunContent) -> list[dict[str, float | None]]:
    """The numbers of each factor, in the order of the effects."""
    effects = content.effects
    columns: dict[str, Any] = {
        name: getattr(effects, name)
        for name in (
            *("importance", "mean_effect", "lost_pearson", "effect", "effect_reverse"),
            *("potentiation_effect", "site_occupancy", "log_concentration"),
        )
    }
    columns["occupancy_50_percent"] = _median(effects)
    rows = []
    for place, name in enumerate(effects.factor):
        # Some factors may have an interval, and others none.
        row: dict[str, float | None] = dict.fromkeys(each.name for each in _COLUMNS)
        row |= {
            key: None if values is None else _finite(values[place])
            for key, values in columns.items()
        }
        for effect, begin in (("effect", "effect"), ("potentiation_effect", "potentiation")):
            interval = content.intervals.get((effect, name))
            if interval is not None:
                row |= {
                    f"{begin}_lower": _finite(interval.lower),
                    f"{begin}_upper": _finite(interval.upper),
                }
        rows.append(row)
    return rows


def _median(effects: FactorEffects) -> np.ndarray | None:
    if effects.occupancy is None or 0.5 not in effects.quantiles:
        return None
    return effects.occupancy[:, effects.quantiles.index(0.5)]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _aligned_logos(
    initial: MotifSet | None, trained: MotifSet
) -> tuple[list[Logo | None], list[Logo]]:
    """Logos before and after training, the same columns above each other."""
    frames = [_framed(trained)] if initial is None else [_framed(initial), _framed(trained)]
    highest = np.stack([frame.max(axis=2) for frame in frames]).max(axis=0)
    shown: list[tuple[int, int]] = []
    for row in highest:
        at = np.flatnonzero(row >= _LOWEST)
        shown.append((int(at[0]), int(at[-1]) + 1) if len(at) else (0, 1))
    after = _cut(frames[-1], trained, shown, "after training")
    if initial is None:
        return [None] * len(after), after
    return list(_cut(frames[0], initial, shown, "before training")), after


def _framed(motifs: MotifSet) -> np.ndarray:
    """The heights of all letters in the columns of the model, float64 [M, W, 4]."""
    frame = np.zeros((len(motifs), motifs.width, 4))
    for place, heights in enumerate(logo_heights(motifs)):
        first = int(motifs.first_column[place])
        frame[place, first : first + len(heights)] = heights
    return frame


def _cut(
    frame: np.ndarray, motifs: MotifSet, shown: list[tuple[int, int]], when: str
) -> list[Logo]:
    return [
        Logo(tuple(_letters(heights[first:end])), end - first, f"{when}: {consensus}")
        for heights, (first, end), consensus in zip(frame, shown, motifs.consensus(), strict=True)
    ]


def _letters(heights: np.ndarray) -> list[Letter]:
    """The letters that can be seen, each column's highest on top; y counts downwards, in bits."""
    found = []
    for column, each in enumerate(heights):
        bottom = _BITS
        for base in np.argsort(each, kind="stable"):
            bottom -= each[base]
            if each[base] >= _LOWEST:
                letter = Letter("ACGT"[base], round(float(each[base]), 2), column, round(bottom, 2))
                found.append(letter)
    return found
