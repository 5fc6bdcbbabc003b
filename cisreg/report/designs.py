"""A plot of the way to designed sequences."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from cisreg.display import counted
from cisreg.report.labels import with_unit
from cisreg.report.plot import new_figure
from cisreg.report.style import BLUE, DASHED, GUIDE, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cisreg.interpret.design_result import Designs

# Of Okabe and Ito: told apart with every kind of colour vision.
_INSIDE, _BEYOND, _UNKNOWN = BLUE, VERMILION, BLUE
_INCHES = (6.4, 4.4)


def plot_designs(
    path: str | os.PathLike[str] | None, designs: Designs, *, overwrite: bool = False
) -> Figure:
    """Draws the expression of the best design so far against the steps of each search.

    There is one line for each start, which ends in a point: the best design. Its colour says
    whether it lies beyond what training saw.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        designs: what `cisreg.interpret.design` returned.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending of the file is another one.
        OSError: the file cannot be written.

    Example:
        >>> plot_designs("designs.png", designs)  # doctest: +SKIP
    """
    with new_figure(path, _INCHES, overwrite=overwrite) as figure:
        _draw_ways(figure.subplots(), designs)
    return figure


def _draw_ways(axes: Axes, designs: Designs) -> None:
    from matplotlib.ticker import MaxNLocator

    # Of the designs of a start, the best is the first.
    before = (None, *designs.start)
    first = [row for row, start in enumerate(designs.start) if start != before[row]]
    width, opacity = (1.2, 0.7) if len(first) <= 50 else (0.6, 0.3)
    for row in first:
        way = [step.expression for step in designs.steps[row]]
        # The design has the exact expression; the steps of a search by gradients do not.
        way[-1] = designs.expression[row]
        color = _color(designs, row)
        axes.plot(np.arange(len(way)), way, color=color, linewidth=width, alpha=opacity)
        axes.plot(len(way) - 1, way[-1], "o", color=color, markersize=4, zorder=3)
    if not isinstance(designs.target, str):
        axes.axhline(designs.target, color=GUIDE, linewidth=1, linestyle=DASHED, zorder=1)
    wanted = designs.target if isinstance(designs.target, str) else f"{designs.target:g}"
    axes.set_title(
        f"{designs.method.capitalize()} search from {counted(len(first), 'start')}, target {wanted}"
    )
    axes.set_xlabel("step")
    axes.set_ylabel(with_unit("expression of the best so far", designs.unit))
    axes.margins(x=0.03)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _draw_legend(axes, designs, first)


def _color(designs: Designs, row: int) -> str:
    if designs.extrapolation is None:
        return _UNKNOWN
    return _BEYOND if designs.extrapolation[row] else _INSIDE


def _draw_legend(axes: Axes, designs: Designs, rows: list[int]) -> None:
    if designs.extrapolation is None:
        return
    beyond = sum(bool(designs.extrapolation[row]) for row in rows)
    for color, count, text in (
        (_INSIDE, len(rows) - beyond, "within what training saw"),
        (_BEYOND, beyond, "beyond what training saw"),
    ):
        if count:
            axes.plot([], [], "o-", color=color, markersize=4, label=f"{text} ({count:,})")
    axes.legend(frameon=False, loc="best", fontsize="small")
