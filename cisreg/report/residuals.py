"""Plot of residuals along whatever they may depend on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from cisreg.arrays import as_array
from cisreg.metrics import pearson_correlation
from cisreg.report.labels import fixed, short_name, with_unit
from cisreg.report.plot import draw_density, limits_of, new_figure, note
from cisreg.report.style import DASHED, GUIDE, PANEL, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Groups of equal size whose medians are drawn.
_GROUPS = 16
_FEWEST_OF_GROUP = 5


def plot_residuals(
    path: str | os.PathLike[str] | None,
    along: np.ndarray,
    residual: np.ndarray,
    *,
    name: str,
    categories: tuple[str, ...] = (),
    unit: str = "",
    overwrite: bool = False,
) -> Figure:
    """Draws measured minus predicted expression along a quantity, with the median and quartiles.

    Where the median leaves the dashed line, the model is wrong in the same way for many sequences.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        along: float [N], what the residuals may depend on; or places among `categories`.
        residual: float [N], measured minus predicted, in the unit of expression.
        name: of `along`, the label of its axis.
        categories: names of the categories if `along` are such; they are drawn in this order.
        unit: of expression, such as `model.unit`.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is not one of `PLOT_FORMATS`, or the arrays differ in length or have
            numbers that are not finite.
        OSError: the file cannot be written.

    Example:
        >>> plot_residuals("gc.png", gc, measured - predicted, name="GC")  # doctest: +SKIP
    """
    along = as_array(along, "along", np.float64, ("N",), finite=True)
    residual = as_array(residual, "residual", np.float64, ("N",), finite=True)
    if len(along) != len(residual) or not len(along):
        raise ValueError(
            "along, residual: expected the same length, 1 or more, got "
            f"{len(along)} and {len(residual)}"
        )
    with new_figure(path, PANEL, overwrite=overwrite) as figure:
        axes = figure.subplots()
        draw_density(axes, along, residual, (*limits_of(along), *limits_of(residual)))
        axes.axhline(0, color=GUIDE, linewidth=1, linestyle=DASHED)
        _draw_quartiles(axes, along, residual, by_value=bool(categories))
        axes.set_xlabel(name, parse_math=False)
        axes.set_ylabel(with_unit("measured - predicted", unit), parse_math=False)
        if categories:
            axes.set_xticks(
                range(len(categories)), [short_name(each, 14) for each in categories], rotation=60
            )
            for label in axes.get_xticklabels():
                label.set_parse_math(False)
        else:
            note(axes, f"r = {fixed(pearson_correlation(along, residual))}\nn = {len(along):,}")
        axes.legend(loc="lower right")
    return figure


def quartiles_along(
    along: np.ndarray, residual: np.ndarray, *, by_value: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Median and quartiles of residuals in groups of neighbours along a quantity.

    Args:
        along: float64 [N].
        residual: float64 [N].
        by_value: whether each value of `along` is a group; else groups are of equal size.

    Returns:
        (the median of `along` in each group, float64 [G]; the quartiles of the residuals, [G, 3]).

    Example:
        >>> middle, quartiles = quartiles_along(np.array([1.0, 1.0]), np.array([0.0, 2.0]))
        >>> middle.tolist(), quartiles[:, 1].tolist()
        ([1.0], [1.0])
    """
    order = np.argsort(along, kind="stable")
    if by_value or len(np.unique(along)) <= _GROUPS:
        parts = np.split(order, np.flatnonzero(np.diff(along[order])) + 1)
    else:
        parts = np.array_split(order, min(_GROUPS, max(1, len(along) // _FEWEST_OF_GROUP)))
    middle = np.array([np.median(along[part]) for part in parts])
    return middle, np.stack([np.quantile(residual[part], (0.25, 0.5, 0.75)) for part in parts])


def _draw_quartiles(axes: Axes, along: np.ndarray, residual: np.ndarray, *, by_value: bool) -> None:
    middle, quartiles = quartiles_along(along, residual, by_value=by_value)
    joined = "" if by_value else "-"
    axes.vlines(middle, quartiles[:, 0], quartiles[:, 2], color=VERMILION, linewidth=1.2)
    axes.plot(
        *(middle, quartiles[:, 1]),
        color=VERMILION,
        marker="o",
        markersize=3.5,
        linestyle=joined,
        label="median, middle half",
    )
