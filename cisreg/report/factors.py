"""Plots of what factors do: over sequences, along a sequence, and by their concentration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from cisreg.interpret.bases import BaseContributions
from cisreg.interpret.doses import DoseResponse
from cisreg.interpret.factors import FactorEffects
from cisreg.interpret.sites import SiteContributions
from cisreg.limits import check_range
from cisreg.links import score_unit
from cisreg.report.labels import short_name, with_unit
from cisreg.report.plot import new_figure
from cisreg.report.style import DASHED, GUIDE, LOWERS, MUTED, RAISES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FACTORS = 20
# Sites of a sequence, and sequences with a curve of their own.
_DRAWN_SITES, _CURVES = 24, 60
# Bases that a letter of a site's label is wide.
_LETTER_BASES = 0.75
# With more bases their letters would overlap.
_LETTERS = 160


def plot_factors(
    path: str | os.PathLike[str] | None,
    effects: FactorEffects,
    *,
    most: int = _FACTORS,
    overwrite: bool = False,
) -> Figure:
    """Draws the factors that matter most: their importance, and the effect of a strongest site.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        effects: from `factor_effects`. Without sequences there is no importance, and the factors
            are those with the largest effects.
        most: number of factors.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is not one of a plot, or `most` is below 1.
        OSError: the file cannot be written.

    Example:
        >>> plot_factors("factors.png", factor_effects(model, data))  # doctest: +SKIP
    """
    check_range("most", most, 1, 1000)
    places = effects.order[:most]
    panels = 1 if effects.importance is None else 2
    size = (4.6 * panels, 1.2 + 0.24 * len(places))
    with new_figure(path, size, overwrite=overwrite) as figure:
        panes = np.ravel(figure.subplots(1, panels, sharey=True))
        if effects.importance is not None and effects.mean_effect is not None:
            _draw_bars(panes[0], effects.importance[places], effects.mean_effect[places])
            panes[0].set_title("Importance")
            panes[0].set_xlabel(with_unit("mean change of expression without it", effects.unit))
        _draw_site_effects(panes[-1], effects, places)
        panes[0].set_yticks(range(len(places)), [short_name(effects.factor[at]) for at in places])
        for label in panes[0].get_yticklabels():
            label.set_parse_math(False)
        panes[0].invert_yaxis()
    return figure


def _draw_bars(axes: Axes, importance: np.ndarray, mean_effect: np.ndarray) -> None:
    raises = mean_effect >= 0
    for chosen, color, label in (
        (raises, RAISES, "raises expression"),
        (~raises, LOWERS, "lowers expression"),
    ):
        if chosen.any():
            axes.barh(np.flatnonzero(chosen), importance[chosen], color=color, label=label)
    axes.legend(loc="lower right", frameon=False)


def _draw_site_effects(axes: Axes, effects: FactorEffects, places: np.ndarray) -> None:
    strands = [(effects.effect, ">" if effects.effect_reverse is not None else "o", "forward")]
    if effects.effect_reverse is not None:
        strands.append((effects.effect_reverse, "<", "reverse"))
    axes.axvline(0, color=GUIDE, linewidth=0.8)
    for values, marker, label in strands:
        colors = np.where(values[places] >= 0, RAISES, LOWERS)
        axes.scatter(values[places], range(len(places)), c=colors, marker=marker, s=28, label=label)
    if len(strands) > 1:
        legend = axes.legend(loc="best", frameon=False, title="strand")
        for handle in legend.legend_handles:
            handle.set_color(MUTED)  # type: ignore[union-attr]
    axes.set_title("Effect of one strongest site")
    unit = score_unit(effects.link, effects.unit)
    axes.set_xlabel(with_unit("in accessible chromatin", unit))


def plot_sequence(
    path: str | os.PathLike[str] | None,
    bases: BaseContributions,
    sites: SiteContributions,
    *,
    row: int = 0,
    overwrite: bool = False,
) -> Figure:
    """Draws one sequence: its sites on both strands, and what each base adds to expression.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        bases: from `base_contributions`.
        sites: from `site_contributions` of the same sequences.
        row: the place of the sequence among them.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is not one of a plot, there is no such sequence, or the sites are of
            other sequences.
        OSError: the file cannot be written.

    Example:
        >>> plot_sequence("promoter.png", bases, sites)  # doctest: +SKIP
    """
    if len(bases) != len(sites.other):
        raise ValueError(
            f"sites: expected those of the same {len(bases)} sequences as bases, got those of "
            f"{len(sites.other)}"
        )
    check_range("row", row, 0, len(bases) - 1)
    length = bases.effect.shape[1]
    with new_figure(path, (max(6.0, 0.095 * length), 5.0), overwrite=overwrite) as figure:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        top.tick_params(axis="x", length=0)
        _draw_sites(top, sites, row, length)
        _draw_bases(bottom, bases, row)
        whole = bases.whole
        name = f"{short_name(str(whole.name[row]))}: " if whole.name is not None else ""
        title = with_unit(f"{name}expression {whole.expression[row]:.2f}", whole.unit)
        if whole.rule == "at value":
            title += f", accessibility {whole.accessibility[row]:.2f}"
        top.set_title(title, parse_math=False)
    return figure


def _draw_sites(axes: Axes, sites: SiteContributions, row: int, length: int) -> None:
    """The sites with the largest effects, strongest at the top, as arrows in lanes."""
    chosen = np.flatnonzero((sites.sequence == row) & (sites.end > sites.start))
    effect = sites.effect[chosen]
    chosen = chosen[np.argsort(-np.abs(effect), kind="stable")[:_DRAWN_SITES]]
    largest = np.abs(sites.effect[chosen]).max(initial=1e-30)
    lanes: list[list[tuple[float, float]]] = []
    for at in chosen:
        name = short_name(sites.whole.motif_names[sites.factor[at]])
        start, end = float(sites.start[at]), float(sites.end[at])
        label = f"{name} {sites.effect[at]:+.2g}"
        # The label is beside the site, where it does not leave the sequence.
        width = 1.5 + _LETTER_BASES * len(label)
        is_right = end + width <= length
        span = (start, end + width) if is_right else (start - width, end)
        lane = _lane(lanes, span)
        _draw_arrow(axes, (start, end), lane, float(sites.effect[at]) / largest, sites.strand[at])
        axes.text(
            end + 0.7 if is_right else start - 0.7,
            lane,
            label,
            ha="left" if is_right else "right",
            va="center",
            fontsize=6.5,
            color=MUTED,
            parse_math=False,
        )
    axes.set_xlim(0, length)
    axes.set_ylim(max(len(lanes), 1) - 0.4, -0.6)
    axes.set_yticks([])
    axes.set_ylabel("sites and their effects")


def _lane(lanes: list[list[tuple[float, float]]], span: tuple[float, float]) -> int:
    """The first lane in which a span covers no other; it is added there."""
    for place, taken in enumerate(lanes):
        if all(span[1] <= start or end <= span[0] for start, end in taken):
            taken.append(span)
            return place
    lanes.append([span])
    return len(lanes) - 1


def _draw_arrow(
    axes: Axes, span: tuple[float, float], lane: int, strength: float, strand: int
) -> None:
    """A site that points along its strand; the stronger, the darker."""
    tip, tail = span[::-1] if strand == 0 else span
    head = (0.8 if strand == 0 else -0.8) * min(1.0, (span[1] - span[0]) / 2)
    x = [tail, tip - head, tip, tip - head, tail]
    y = [lane - 0.32, lane - 0.32, lane, lane + 0.32, lane + 0.32]
    color = RAISES if strength >= 0 else LOWERS
    axes.fill(x, y, facecolor=color, alpha=0.3 + 0.7 * abs(strength), linewidth=0)


def _draw_bases(axes: Axes, bases: BaseContributions, row: int) -> None:
    effect = bases.effect[row]
    colors = np.where(effect >= 0, RAISES, LOWERS)
    axes.axhline(0, color=GUIDE, linewidth=0.8)
    axes.bar(np.arange(len(effect)) + 0.5, effect, 0.9, color=colors)
    scale = "" if bases.whole.link == "identity" else "\non the score"
    axes.set_ylabel(f"effect of a base{scale}")
    if len(effect) <= _LETTERS:
        axes.set_xticks([])
        _draw_letters(axes, bases.codes[row])
    places = axes.secondary_xaxis(-0.14)
    places.set_xlabel("base, from 0")


def _draw_letters(axes: Axes, codes: np.ndarray) -> None:
    """The bases below the axis; labels of ticks would take several times as long."""
    below = axes.get_xaxis_transform()
    how: dict[str, Any] = {"fontsize": 6, "ha": "center", "va": "top", "in_layout": False}
    for place, code in enumerate(codes):
        axes.text(place + 0.5, -0.025, "ACGTN"[code], transform=below, **how)


def plot_doses(
    path: str | os.PathLike[str] | None, doses: DoseResponse, *, overwrite: bool = False
) -> Figure:
    """Draws expression along the concentration of a factor: median, middle 90 %, some sequences.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        doses: from `dose_response`; a knock-out (0 times) is drawn apart, at the left.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is not one of a plot, or fewer than 2 concentrations are above 0.
        OSError: the file cannot be written.

    Example:
        >>> plot_doses("Reb1.png", dose_response(model, data, "Reb1"))  # doctest: +SKIP
    """
    order = np.argsort(doses.times, kind="stable")
    times, expression = doses.times[order], doses.expression[order]
    above = times > 0
    if above.sum() < 2:
        raise ValueError(
            f"doses: expected 2 or more concentrations above 0 to draw a curve, got {above.sum()}"
        )
    with new_figure(path, (5.4, 4.2), overwrite=overwrite) as figure:
        axes = figure.subplots()
        count = expression.shape[1]
        some = expression[:, :: -(-count // _CURVES)]
        axes.plot(times[above], some[above], color=GUIDE, alpha=0.5, linewidth=0.6, zorder=1)
        if count > 1:
            low, median, high = np.quantile(expression[above], (0.05, 0.5, 0.95), axis=1)
            axes.fill_between(times[above], low, high, color=RAISES, alpha=0.18, linewidth=0)
            axes.plot(times[above], median, color=RAISES, linewidth=2, label="median")
        else:
            axes.plot(times[above], expression[above, 0], color=RAISES, linewidth=2)
        if not above.all():
            without = float(np.median(expression[~above]))
            axes.axhline(without, color=LOWERS, linestyle=DASHED, label="knocked out")
        axes.axvline(1, color=GUIDE, linewidth=0.8)
        axes.set_xscale("log")
        if count > 1 or not above.all():
            axes.legend(frameon=False)
        axes.set_xlabel("times the learned concentration")
        axes.set_ylabel(with_unit("expression", doses.unit))
        axes.set_title(f"{short_name(doses.factor)}, n = {count:,}", parse_math=False)
    return figure
