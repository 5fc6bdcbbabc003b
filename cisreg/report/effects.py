"""Plots of all factors at once, along positions, and of pairs of numbers of two models."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from cisreg.arrays import as_array
from cisreg.choices import check_choice
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.batches import factor_places
from cisreg.interpret.factors import FactorEffects, strongest_site_occupancy
from cisreg.interpret.read_out import position_weight, strand_activity
from cisreg.links import score_unit
from cisreg.metrics import pearson_correlation
from cisreg.report.labels import draw_labels, short_name, with_unit
from cisreg.report.plot import draw_density, draw_identity, limits_of, new_figure, note
from cisreg.report.style import BLUE, GUIDE, LOWERS, RAISES, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PositionEffect = Literal["expression", "accessibility"]

# Names that have room; and factors with a panel of their own.
_LABELS, _PAIR_LABELS, _PANELS = 14, 10, 6
# From so many points on, how many lie where says more than each of them.
_DENSE = 600


def plot_effects(
    path: str | os.PathLike[str] | None,
    effects: FactorEffects,
    *,
    labels: int = _LABELS,
    overwrite: bool = False,
) -> Figure:
    """Draws what a strongest site of each factor does to expression, against chromatin.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        effects: from `factor_effects`, of a model with potentiation.
        labels: how many factors get their names: half of them the most important ones, the others
            those farthest from the middle.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is not one of `PLOT_FORMATS`, or the model has no potentiation.
        OSError: the file cannot be written.

    Example:
        >>> plot_effects("effects.png", factor_effects(model, data))  # doctest: +SKIP
    """
    if effects.potentiation_effect is None:
        raise ValueError("effects: expected those of a model with potentiation, got one without")
    acts = mean_site_effect(effects)
    opens = effects.potentiation_effect
    far = np.argsort(-np.hypot(_by_spread(acts), _by_spread(opens)), kind="stable")
    named = list(dict.fromkeys([*effects.order[: labels // 2], *far]))[:labels]
    with new_figure(path, (4.4, 4.2), overwrite=overwrite) as figure:
        axes = figure.subplots()
        axes.axhline(0, color=GUIDE, linewidth=0.8)
        axes.axvline(0, color=GUIDE, linewidth=0.8)
        size = 26.0
        if effects.importance is not None:
            size = 12 + 110 * effects.importance / max(effects.importance.max(), 1e-30)
        colors = np.where(acts >= 0, RAISES, LOWERS)
        axes.scatter(opens, acts, s=size, c=colors, alpha=0.75, linewidths=0, zorder=3)
        axes.set_xlabel("a strongest site opens chromatin (log odds)")
        unit = score_unit(effects.link, effects.unit)
        axes.set_ylabel(with_unit("a strongest site adds", unit), parse_math=False)
        axes.set_xlim(limits_of(opens))
        axes.set_ylim(limits_of(acts))
        draw_labels(axes, [effects.factor[at] for at in named], opens[named], acts[named])
    return figure


def _by_spread(values: np.ndarray) -> np.ndarray:
    """Numbers by their standard deviation; 0 where they are all 0."""
    spread = float(np.sqrt(np.mean(values**2)))
    return values / spread if spread else values


def mean_site_effect(effects: FactorEffects) -> np.ndarray:
    """The effect of each strongest site, the mean of both strands, float64 [K].

    Example:
        >>> mean_site_effect(factor_effects(model)).shape  # doctest: +SKIP
        (245,)
    """
    if effects.effect_reverse is None:
        return effects.effect
    return (effects.effect + effects.effect_reverse) / 2


def plot_positions(
    path: str | os.PathLike[str] | None,
    model: AnyModel,
    factors: Sequence[str] | None = None,
    *,
    of: PositionEffect = "expression",
    overwrite: bool = False,
) -> Figure:
    """Draws what a strongest site adds to expression or accessibility, by position and strand.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        model: a trained model with position weights.
        factors: names of at most 12 factors; None: the six with the largest effects.
        of: "expression", by the position weights of activity; "accessibility", by those of
            positional potentiation.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is not one of `PLOT_FORMATS`, the model has no such position weights,
            or no such factor.
        OSError: the file cannot be written.

    Example:
        >>> plot_positions("positions.png", model, ["Reb1", "Abf1"])  # doctest: +SKIP
    """
    check_choice("of", of, PositionEffect)
    spec, opens = model.spec, of == "accessibility"
    if not (spec.positional_potentiation if opens else spec.positional):
        kind = "positional potentiation" if opens else "position weights"
        raise ValueError(f"model: expected one with {kind}, got one without")
    curves = position_effects(model, of)
    if factors is None:
        places = np.argsort(-np.abs(curves).max(axis=(0, 1)), kind="stable")[:_PANELS]
    else:
        places = factor_places(model, factors)
    if not 0 < len(places) <= 2 * _PANELS:
        raise ValueError(f"factors: expected 1 to {2 * _PANELS} factors, got {len(places)}")
    columns = min(3, len(places))
    rows = -(-len(places) // columns)
    with new_figure(path, (2.9 * columns + 0.4, 1.9 * rows + 0.6), overwrite=overwrite) as figure:
        panels = np.ravel(figure.subplots(rows, columns, sharex=True))
        for axes, place in zip(panels, places, strict=False):
            _draw_position(axes, curves[:, :, place], motif_centres(model, int(place)))
            axes.set_title(short_name(model.motif_names[place], 22), parse_math=False)
        for axes in panels[len(places) :]:
            axes.axis("off")
        panels[0].legend(title="strand")
        figure.supxlabel("base at the middle of the motif, from 0", fontsize="medium")
        unit = "log odds of accessibility" if opens else score_unit(spec.link, model.unit)
        text = with_unit("a strongest site adds", unit)
        figure.supylabel(text, fontsize="medium", parse_math=False)
    return figure


def position_effects(model: AnyModel, of: PositionEffect = "expression") -> np.ndarray:
    """What a strongest site adds, by strand and window.

    Args:
        model: a model with these position weights.
        of: "expression", in open chromatin and before a link; "accessibility", to its log odds.

    Returns:
        float64 [2, P, M]: activity (or potentiation) * position weight * occupancy of the strongest
        site.

    Example:
        >>> position_effects(model).shape  # doctest: +SKIP
        (2, 110, 245)
    """
    spec, parameters = model.spec, model.parameters
    if of == "accessibility":
        weight = position_weight(spec, parameters, "potentiation_position_weight")
        return weight * (parameters["potentiation"] * strongest_site_occupancy(model))
    weight = position_weight(spec, parameters).astype(np.float64)
    activity = strand_activity(spec, parameters).astype(np.float64)
    activity = np.broadcast_to(activity, (2, spec.motif_count))
    return weight * activity[:, np.newaxis] * strongest_site_occupancy(model)


def motif_centres(model: AnyModel, place: int) -> np.ndarray:
    """The base in the middle of a motif's own columns, by strand and window, float64 [2, P].

    Args:
        model: the model.
        place: of the motif among those of the model.

    Example:
        >>> motif_centres(model, 0)[0, 0]  # doctest: +SKIP
        -1.5
    """
    spec, motifs = model.spec, model.motifs
    before = (spec.motif_width - 1) // 2 if spec.padding == "same" else 0
    start = np.arange(spec.window_count) - before
    within = motifs.first_column[place] + (motifs.widths[place] - 1) / 2
    return np.stack([start + within, start + spec.motif_width - 1 - within])


def _draw_position(axes: Axes, curves: np.ndarray, centres: np.ndarray) -> None:
    axes.axhline(0, color=GUIDE, linewidth=0.8)
    for values, middle, color, label, dashes in zip(
        *(curves, centres, (BLUE, VERMILION), ("forward", "reverse"), ("-", (0, (4, 1.5)))),
        strict=True,
    ):
        axes.plot(middle, values, color=color, label=label, linestyle=dashes, linewidth=1.4)


def plot_pairs(
    path: str | os.PathLike[str] | None,
    first: np.ndarray,
    second: np.ndarray,
    *,
    labels: tuple[str, str],
    names: Sequence[str] = (),
    title: str = "",
    overwrite: bool = False,
) -> Figure:
    """Draws two numbers of each of N things against each other, such as those of two models.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        first: float [N].
        second: float [N], in the same unit.
        labels: of the two axes.
        names: of the N things; those far from zero or from the diagonal are written.
        title: above the panel.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is not one of `PLOT_FORMATS`, or the arrays differ in length or have
            numbers that are not finite.
        OSError: the file cannot be written.

    Example:
        >>> plot_pairs("two.png", a, b, labels=("first", "second"))  # doctest: +SKIP
    """
    x = as_array(first, "first", np.float64, ("N",), finite=True)
    y = as_array(second, "second", np.float64, ("N",), finite=True)
    if len(x) != len(y) or not len(x):
        raise ValueError(
            f"first, second: expected the same length, 1 or more, got {len(x)} and {len(y)}"
        )
    with new_figure(path, (4.4, 4.4), overwrite=overwrite) as figure:
        axes = figure.subplots()
        limits = limits_of(x, y)
        draw_identity(axes, limits)
        if len(x) > _DENSE:
            draw_density(axes, x, y, (*limits, *limits))
        else:
            axes.scatter(x, y, s=18, color=BLUE, alpha=0.75, linewidths=0, zorder=3)
        axes.set_title(title, parse_math=False)
        axes.set_xlabel(labels[0], parse_math=False)
        axes.set_ylabel(labels[1], parse_math=False)
        note(axes, f"r = {pearson_correlation(x, y):.3f}\nn = {len(x):,}")
        if names:
            size = np.maximum(np.maximum(np.abs(x), np.abs(y)), 2 * np.abs(x - y))
            largest = np.argsort(-size, kind="stable")[:_PAIR_LABELS]
            draw_labels(axes, [names[at] for at in largest], x[largest], y[largest])
    return figure
