"""Plots of experiments in silico; they need matplotlib (`pip install 'cisreg[plot]'`)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from cisreg.display import counted
from cisreg.interpret.experiment_results import Marginalization, Spacing, mean_and_error
from cisreg.report.labels import short_name, with_unit
from cisreg.report.plot import new_figure
from cisreg.report.style import BLUE, DASHED, GREEN, GUIDE, MUTED, PURPLE, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of more motifs than these, a plot shows those with the largest effects.
_MOST_PANELS, _MOST_ROWS = 6, 40
_STRAND_COLORS = {"+": BLUE, "-": VERMILION}
_ORIENTATION_COLORS = {"++": BLUE, "+-": VERMILION, "-+": GREEN, "--": PURPLE}


def plot_marginalization(
    path: str | os.PathLike[str] | None, result: Marginalization, *, overwrite: bool = False
) -> Figure:
    """Draws the mean effect of sites on expression.

    At several places: against the position, a line for each strand with its standard error, and a
    panel for each motif; a heat map of more than six motifs. At one place: a point for each motif.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        result: from `cisreg.interpret.marginalize`.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is not one of `PLOT_FORMATS`.
        OSError: the file cannot be written.

    Example:
        >>> plot_marginalization("reb1.png", result)  # doctest: +SKIP
    """
    motifs = list(dict.fromkeys(result.motif))
    places = set(zip(result.motif, result.position.tolist(), strict=True))
    if len(places) == len(motifs):
        draw = _draw_points
    else:
        draw = _draw_lines if len(motifs) <= _MOST_PANELS else _draw_heat_map
    with new_figure(path, (5.6, 4.2), overwrite=overwrite) as figure:
        draw(figure, result, motifs)
    return figure


def plot_spacing(
    path: str | os.PathLike[str] | None, result: Spacing, *, overwrite: bool = False
) -> Figure:
    """Draws the mean effect of two sites, and their interaction, against their distance.

    Each orientation has its colour, with the standard error around it. Dashed lines are the sums of
    the effects of both sites alone.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        result: from `cisreg.interpret.space`.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is not one of `PLOT_FORMATS`.
        OSError: the file cannot be written.

    Example:
        >>> plot_spacing("reb1_rap1.png", result)  # doctest: +SKIP
    """
    with new_figure(path, (10.8, 4.2), overwrite=overwrite) as figure:
        _draw_spacing(figure, result)
    return figure


def _draw_spacing(figure: Figure, result: Spacing) -> None:
    left, right = figure.subplots(1, 2)
    alone = result.effects_alone.sum(axis=0).mean(axis=0)
    orientations = np.array(result.orientation)
    for orientation in dict.fromkeys(result.orientation):
        chosen = np.flatnonzero(orientations == orientation)
        chosen = chosen[np.argsort(result.distance[chosen], kind="stable")]
        color, distance = _ORIENTATION_COLORS[orientation], result.distance[chosen]
        _draw_line(left, distance, result.effect[:, chosen], color, orientation)
        left.plot(distance, alone[chosen], color=color, linewidth=1, linestyle=DASHED)
        _draw_line(right, distance, result.interaction[:, chosen], color, orientation)
    first, second = map(short_name, result.motifs)
    for axes, title in ((left, f"{first}, then {second}"), (right, "Interaction")):
        _style(axes, title)
        axes.set_xlabel("bases between the two sites")
    right.axhline(0, color=GUIDE, linewidth=0.8, zorder=0)
    left.set_ylabel(with_unit("effect on expression", result.unit))
    right.set_ylabel("effect of both, less the sum of each alone")
    left.plot([], [], color=MUTED, linewidth=1, linestyle=DASHED, label="sum of each alone")
    figure.legend(
        loc="outside right center",
        frameon=False,
        fontsize=8,
        title=f"strands of both\nin {counted(len(result), 'sequence')}",
        title_fontsize=8,
        handles=left.get_legend_handles_labels()[0],
    )


def _draw_lines(figure: Figure, result: Marginalization, motifs: list[str]) -> None:
    columns = 2 if len(motifs) == 4 else min(len(motifs), 3)
    rows = -(-len(motifs) // columns)
    figure.set_size_inches(4.6 * columns, 3.6 * rows)
    panels = np.ravel(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False))
    for axes, motif in zip(panels, motifs, strict=False):
        for strand, color in _STRAND_COLORS.items():
            chosen = _which(result, motif, strand)
            if len(chosen):
                label = "forward strand" if strand == "+" else "reverse strand"
                _draw_line(axes, result.position[chosen], result.effect[:, chosen], color, label)
        _style(axes, short_name(motif))
        axes.axhline(0, color=GUIDE, linewidth=0.8, zorder=0)
        axes.set_xlabel("first base of the site")
        axes.tick_params(labelbottom=True)
    for axes in panels[len(motifs) :]:
        axes.set_visible(False)
    for axes in panels[::columns]:
        axes.set_ylabel(with_unit("effect on expression", result.unit))
    panels[0].legend(frameon=False, fontsize=8, title=counted(len(result), "sequence"))


def _draw_heat_map(figure: Figure, result: Marginalization, motifs: list[str]) -> None:
    strands = list(dict.fromkeys(result.strand))
    mean = result.mean_effect
    shown = _largest(result, motifs)
    first, last = int(result.position.min()), int(result.position.max())
    height = 1.2 + 0.19 * len(shown)
    figure.set_size_inches(1.5 + 4.6 * len(strands), height)
    panels = np.ravel(figure.subplots(1, len(strands), sharey=True, squeeze=False))
    most = float(np.abs(mean).max()) or 1.0
    for axes, strand in zip(panels, strands, strict=True):
        grid = np.full((len(shown), last - first + 1), np.nan)
        for row, motif in enumerate(shown):
            chosen = _which(result, motif, strand)
            grid[row, result.position[chosen] - first] = mean[chosen]
        image = axes.imshow(
            grid,
            aspect="auto",
            cmap="RdBu",
            vmin=-most,
            vmax=most,
            interpolation="nearest",
            extent=(first - 0.5, last + 0.5, len(shown) - 0.5, -0.5),
        )
        axes.set_title("Forward strand" if strand == "+" else "Reverse strand")
        axes.set_xlabel("first base of the site")
        axes.spines[:].set_visible(False)
    _name_rows(panels[0], shown)
    figure.suptitle(f"{_cut(shown, motifs)} {counted(len(result), 'sequence')}".strip(), fontsize=9)
    figure.colorbar(
        image, ax=list(panels), label=with_unit("effect on expression", result.unit), shrink=0.8
    )


def _draw_points(figure: Figure, result: Marginalization, motifs: list[str]) -> None:
    mean, error = mean_and_error(result.effect)
    shown = _largest(result, motifs)
    figure.set_size_inches(5.6, 1.3 + 0.19 * len(shown))
    axes = figure.subplots()
    strands = list(dict.fromkeys(result.strand))
    for number, strand in enumerate(strands):
        chosen = np.array([_which(result, motif, strand)[0] for motif in shown])
        axes.errorbar(
            mean[chosen],
            np.arange(len(shown)) + 0.15 * (2 * number - len(strands) + 1),
            xerr=np.nan_to_num(error[chosen]),
            fmt="o",
            markersize=4,
            color=_STRAND_COLORS[strand],
            label="forward strand" if strand == "+" else "reverse strand",
        )
    _style(axes, _cut(shown, motifs).removesuffix(";"))
    axes.axvline(0, color=GUIDE, linewidth=0.8, zorder=0)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    _name_rows(axes, shown)
    axes.set_xlabel(with_unit("effect on expression", result.unit))
    axes.legend(frameon=False, fontsize=8, title=counted(len(result), "sequence"))


def _largest(result: Marginalization, motifs: list[str]) -> list[str]:
    """The motifs with the largest mean effects on a strand, from high to low."""
    mean, strongest = result.mean_effect, {}
    for motif in motifs:
        by_strand = [mean[_which(result, motif, strand)] for strand in _STRAND_COLORS]
        strongest[motif] = max((each.mean() for each in by_strand if len(each)), key=abs)
    kept = sorted(motifs, key=lambda motif: -abs(strongest[motif]))[:_MOST_ROWS]
    return sorted(kept, key=lambda motif: -strongest[motif])


def _cut(shown: list[str], motifs: list[str]) -> str:
    """Says that there are more motifs than a plot shows."""
    if len(shown) == len(motifs):
        return ""
    return f"The {len(shown)} of {len(motifs)} motifs with the largest effects;"


def _which(result: Marginalization, motif: str, strand: str) -> np.ndarray:
    """The numbers of the sites of a motif on a strand, by position."""
    chosen = np.flatnonzero((np.array(result.motif) == motif) & (np.array(result.strand) == strand))
    return chosen[np.argsort(result.position[chosen], kind="stable")]


def _draw_line(axes: Axes, x: np.ndarray, effect: np.ndarray, color: str, label: str) -> None:
    mean, error = mean_and_error(effect)
    axes.plot(x, mean, color=color, linewidth=1.5, label=label, marker="o" if len(x) < 3 else "")
    axes.fill_between(x, mean - error, mean + error, color=color, alpha=0.2, linewidth=0)


def _style(axes: Axes, title: str) -> None:
    # Dollar signs in a name are not math.
    axes.set_title(title, parse_math=False, fontsize=10)


def _name_rows(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)))
    labels = axes.set_yticklabels([short_name(name) for name in names], fontsize=7.5)
    for label in labels:
        label.set_parse_math(False)
