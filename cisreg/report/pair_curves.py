"""Plots of pairs of factors by distance; they need matplotlib (`pip install 'cisreg[plot]'`)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.cooperativity import PairScreen
from cisreg.interpret.factors import strongest_site_occupancy
from cisreg.links import score_unit
from cisreg.pairs import ORIENTATIONS, pair_curves, pair_names
from cisreg.report.labels import short_name, with_unit
from cisreg.report.plot import new_figure
from cisreg.report.style import BLUE, GUIDE, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of more pairs than these, the first ones are drawn.
_MOST_PANELS, _COLUMNS = 6, 3
_COLORS = dict(zip(ORIENTATIONS, (BLUE, VERMILION), strict=True))
_DISTANCE = "bases from centre to centre, as the first reads"


def plot_pair_curves(
    path: str | os.PathLike[str] | None,
    model: AnyModel,
    *,
    pairs: Sequence[tuple[str, str]] | None = None,
    overwrite: bool = False,
) -> Figure:
    """Draws the effect of two sites of each pair of a model by their orientation and distance.

    The sites are the strongest of each factor, where all chromatin is accessible: the effect is
    `pair_effect` times their occupancies. Data determine this product; `pair_effect` alone is the
    larger, the less sites are bound. Grey: the sites overlap.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        model: a model with pairs.
        pairs: names of both factors of those to draw; None: the 6 with the largest effects.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: a model without pairs, a pair that it does not have, or the ending is not one of
            `PLOT_FORMATS`.
        OSError: the file cannot be written.

    Example:
        >>> plot_pair_curves("pairs.png", model)  # doctest: +SKIP
    """
    if not model.spec.pairs:
        raise ValueError("model: expected a model with pairs of factors, got one without")
    distance, curves = pair_curves(model.spec, model.parameters["pair_effect"])
    bound = strongest_site_occupancy(model)[np.array(model.spec.pairs)].prod(axis=1)
    curves = curves * bound[:, np.newaxis, np.newaxis]
    names = pair_names(model.spec, model.motif_names)
    if pairs is None:
        order = np.argsort(-np.abs(curves).max(axis=(1, 2)), kind="stable")
        pairs = [names[each] for each in order[:_MOST_PANELS]]
    for pair in pairs:
        if pair not in names:
            raise ValueError(
                f"pairs: expected some of {', '.join(map(':'.join, names))}, got {':'.join(pair)}"
            )
    widths = dict(zip(model.motif_names, model.motifs.widths.tolist(), strict=True))
    unit = score_unit(model.spec.link, model.unit)
    with new_figure(path, (5.0, 3.6), overwrite=overwrite) as figure:
        for axes, pair in zip(_panels(figure, len(pairs)), pairs, strict=True):
            overlap = sum(widths[name] for name in pair) / 2
            axes.axvspan(-overlap, overlap, color=GUIDE, alpha=0.3, linewidth=0)
            _draw(axes, distance, curves[names.index(pair)], pair)
            axes.set_ylabel(with_unit("effect of two strongest sites", unit), fontsize=8)
    return figure


def plot_pair_screen(
    path: str | os.PathLike[str] | None, screen: PairScreen, *, overwrite: bool = False
) -> Figure:
    """Draws how clearly residuals speak for the best pairs, by orientation and distance.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        screen: from `cisreg.interpret.screen_pairs`.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: no pairs, or the ending is not one of `PLOT_FORMATS`.
        OSError: the file cannot be written.

    Example:
        >>> plot_pair_screen("pairs.png", screen)  # doctest: +SKIP
    """
    if not len(screen):
        raise ValueError("screen: expected at least one pair, got none")
    count = min(len(screen), _MOST_PANELS)
    with new_figure(path, (5.0, 3.6), overwrite=overwrite) as figure:
        for number, axes in enumerate(_panels(figure, count)):
            _draw(axes, screen.distance, screen.profile[number], screen.factors[number])
            q_value = screen.q_value[number]
            axes.annotate(
                f"z {screen.z[number]:.1f}, q {q_value:.2g}",
                xy=(0.02, 0.97),
                xycoords="axes fraction",
                va="top",
                fontsize=8,
            )
            axes.set_ylabel("z-score", fontsize=8)
    return figure


def _panels(figure: Figure, count: int) -> list[Axes]:
    """As many panels, the figure sized for them."""
    columns = min(count, _COLUMNS)
    rows = -(-count // columns)
    figure.set_size_inches(4.2 * columns, 3.2 * rows)
    panels = np.ravel(figure.subplots(rows, columns, squeeze=False)).tolist()
    for spare in panels[count:]:
        spare.set_axis_off()
    return panels[:count]


def _draw(axes: Axes, distance: np.ndarray, curves: np.ndarray, pair: Sequence[str]) -> None:
    first, second = map(short_name, pair)
    for orientation, curve in zip(ORIENTATIONS, curves, strict=True):
        label = "same strand" if orientation == "same" else "opposite strands"
        axes.plot(distance, curve, color=_COLORS[orientation], label=label)
    axes.axhline(0, color=GUIDE, linewidth=0.8, zorder=0)
    axes.axvline(0, color=GUIDE, linewidth=0.8, zorder=0)
    axes.set_title(f"{first} and {second}", fontsize=10)
    axes.set_xlabel(_DISTANCE, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.legend(frameon=False, fontsize=7, loc="lower right")
