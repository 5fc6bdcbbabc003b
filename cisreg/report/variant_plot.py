"""A plot of one variant: its effect by factor, and its sites before and after."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from cisreg.links import score_unit
from cisreg.report.labels import short_name, with_unit
from cisreg.report.plot import new_figure
from cisreg.report.style import GUIDE, LOWERS, RAISES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cisreg.interpret import VariantEffects

_BARS = 8
# Bars below this share of the longest one cannot be seen.
_LEAST_BAR = 2e-3
_UP, _DOWN, _BEFORE = RAISES, LOWERS, GUIDE


def plot_variant(
    path: str | os.PathLike[str] | None,
    effects: VariantEffects,
    row: int = 0,
    *,
    overwrite: bool = False,
) -> Figure:
    """Draws one variant: the parts of its effect by factor, and the sites that change most.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        effects: of `cisreg.interpret.variant_effects`.
        row: which variant.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is not one of a plot, or there is no such row.
        OSError: the file cannot be written.

    Example:
        >>> plot_variant("variant.png", effects, 0)  # doctest: +SKIP
    """
    if not 0 <= row < len(effects):
        raise ValueError(f"row: expected 0 to {len(effects) - 1}, got {row}")
    with new_figure(path, (9.2, 3.8), overwrite=overwrite) as figure:
        first, second = figure.subplots(1, 2)
        _draw_factors(first, effects, row)
        _draw_sites(second, effects, row)
        figure.suptitle(_title(effects, row), parse_math=False)
    return figure


def _title(effects: VariantEffects, row: int) -> str:
    place = {name: effects.places[name][row].as_py() for name in effects.places.column_names}
    if "position" in place:
        alleles = f"{place['reference']}>{place['alternative']}"
        shown = f"{place['chromosome']}:{place['position']} {alleles} in {place['construct']}"
    elif "variants" in place:
        shown = f"{place['variants']} in {place['construct']}"
    else:
        name = place["sequence"]
        shown = name if isinstance(name, str) else f"pair {name}"
    return f"{short_name(shown, 70)}: effect {effects.effect[row]:+.3g}"


def _draw_factors(axes: Axes, effects: VariantEffects, row: int) -> None:
    by_factor = effects.by_factor[row]
    largest = drawn_factors(by_factor)
    names = [short_name(effects.motif_names[each]) for each in largest]
    values = [by_factor[each] for each in largest]
    rest = float(by_factor.sum() - sum(values))
    if len(by_factor) > len(largest):
        names, values = [*names, f"{len(by_factor) - len(largest)} others"], [*values, rest]
    places = np.arange(len(values))
    axes.barh(places, values, color=[_UP if each > 0 else _DOWN for each in values])
    axes.axvline(0, color=GUIDE, linewidth=0.8)
    axes.set_yticks(places, names, parse_math=False)
    axes.invert_yaxis()
    axes.set_title("Effect by factor")
    changed = "expression" if effects.link == "identity" else "the score"
    unit = score_unit(effects.link, effects.unit)
    axes.set_xlabel(with_unit(f"change of {changed}", unit))


def drawn_factors(by_factor: np.ndarray) -> np.ndarray:
    """The factors that have a bar: those of the largest parts, as far as they can be seen.

    Args:
        by_factor: float [M], the part of each factor.

    Example:
        >>> drawn_factors(np.array([0.0, -2.0, 1.0, 1e-5])).tolist()
        [1, 2]
    """
    size = np.abs(by_factor)
    seen = (size > _LEAST_BAR * size.max(initial=0)).sum()
    return np.argsort(-size, kind="stable")[: min(_BARS, seen)]


def _draw_sites(axes: Axes, effects: VariantEffects, row: int) -> None:
    shown = [
        place
        for place in range(effects.sites.motif.shape[1])
        if effects.sites.motif[row, place] >= 0 and effects.sites.kind[row, place]
    ]
    labels = []
    for line, place in enumerate(shown):
        name = short_name(effects.motif_names[int(effects.sites.motif[row, place])])
        begin, end = effects.site_range(row, place)
        labels.append(f"{name}\n{begin}-{end} ({effects.sites.strand[row, place]})")
        before, after = effects.sites.before[row, place], effects.sites.after[row, place]
        color = _UP if after > before else _DOWN
        axes.barh(line - 0.19, before, 0.36, color=_BEFORE, label="without" if not line else None)
        axes.barh(line + 0.19, after, 0.36, color=color, label="with" if not line else None)
    axes.set_yticks(range(len(shown)), labels, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_title("Sites that change most")
    axes.set_xlabel("occupancy (grey: without the variant)")
