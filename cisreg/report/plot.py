"""Plots of predictions and parameters; they need matplotlib (`pip install 'cisreg[plot]'`).

Every function `plot_...` draws in one style, writes a file if it is given a path, and returns the
figure, which a notebook shows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cisreg.arrays import as_array
from cisreg.file_checks import check_output
from cisreg.files import replace_file
from cisreg.metrics import agreement
from cisreg.report.labels import draw_labels, fixed, with_unit
from cisreg.report.recovery import ParameterComparison
from cisreg.report.style import BLUE, DASHED, GUIDE, SETTINGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLOT_FORMATS = ("png", "pdf", "svg")

# More labels would overlap; the factors with the largest effects get them.
_LABELS = 24
_UNITS = {
    "activity": "expression per strongest site",
    "potentiation": "log odds per strongest site",
}
_PANEL_INCHES = 4.6
# The name of the image of a density in an SVG.
DENSITY = "density"
# Bins of a density along each axis; half as many for fewer points.
_DENSITY_BINS, _DENSE = 110, 4000


def check_plot(path: str | os.PathLike[str]) -> str:
    """The format of a plot: the ending of its file name, without the dot.

    Raises:
        ValueError: the ending is not one of `PLOT_FORMATS`.

    Example:
        >>> check_plot("test.PNG")
        'png'
    """
    ending = Path(path).suffix.lower().removeprefix(".")
    if ending not in PLOT_FORMATS:
        raise ValueError(f"{path}: expected a name that ends in .{', .'.join(PLOT_FORMATS)}")
    return ending


def plot_evaluation(
    path: str | os.PathLike[str] | None,
    predicted: np.ndarray,
    measured: np.ndarray,
    comparisons: Sequence[ParameterComparison] = (),
    *,
    title: str = "Expression",
    unit: str = "",
    overwrite: bool = False,
) -> Figure:
    """Draws predicted against measured expression, and learned against true parameters.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        predicted: float [N], expression.
        measured: float [N], same unit.
        comparisons: one more panel for each, see `compare_parameters`.
        title: above the first panel, such as which sequences these are.
        unit: of expression, such as `model.unit`.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is not one of `PLOT_FORMATS`, or the arrays differ in length
            or have numbers that are not finite.
        OSError: the file cannot be written.

    Example:
        >>> plot_evaluation("test.png", predicted, measured)  # doctest: +SKIP
    """
    numbers = [
        as_array(values, name, np.float64, ("N",), finite=True)
        for name, values in (("predicted", predicted), ("measured", measured))
    ]
    panels = 1 + len(comparisons)
    with new_figure(path, (_PANEL_INCHES * panels, _PANEL_INCHES), overwrite=overwrite) as figure:
        first, *others = np.ravel(figure.subplots(1, panels))
        for axes in figure.axes:
            axes.set_box_aspect(1)
        _draw_expression(first, numbers[0], numbers[1], title, unit)
        for axes, comparison in zip(others, comparisons, strict=True):
            _draw_comparison(axes, comparison)
    return figure


@contextmanager
def new_figure(
    path: str | os.PathLike[str] | None, inches: tuple[float, float], *, overwrite: bool = False
) -> Iterator[Figure]:
    """A figure to draw on, in the style of `cisreg.report.style`, which is then written to a file.

    Nothing is written after an error.

    Args:
        path: file to write, .png, .pdf or .svg; None: none.
        inches: width and height.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is not one of `PLOT_FORMATS`.
        OSError: the file cannot be written.

    Example:
        >>> with new_figure("line.png", (4.0, 3.0)) as figure:  # doctest: +SKIP
        ...     figure.subplots().plot([0, 1])
    """
    ending = "" if path is None else check_plot(path)
    if path is not None:
        check_output(path, overwrite=overwrite)
    figure_class = import_figure()
    from matplotlib import rc_context

    with rc_context(SETTINGS):
        figure = figure_class(figsize=inches, layout="constrained")
        yield figure
        if path is not None:
            with replace_file(path, overwrite=overwrite) as file:
                figure.savefig(file, format=ending, dpi=150)


def import_figure() -> type[Figure]:
    """The class of figures of matplotlib.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        # Not pyplot, which needs a display.
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            f"plots need matplotlib ({error}): run pip install 'cisreg[plot]'"
        ) from error
    return Figure


def _draw_expression(
    axes: Axes, predicted: np.ndarray, measured: np.ndarray, title: str, unit: str
) -> None:
    metrics = agreement(predicted, measured)
    limits = limits_of(predicted, measured)
    draw_identity(axes, limits)
    draw_density(axes, measured, predicted, (*limits, *limits))
    axes.set_title(title, parse_math=False)
    axes.set_xlabel(with_unit("measured", unit), parse_math=False)
    axes.set_ylabel(with_unit("predicted", unit), parse_math=False)
    note(
        axes,
        f"r = {fixed(metrics.pearson)}\nR² = {fixed(metrics.r_squared)}\nn = {len(measured):,}",
    )


def _draw_comparison(axes: Axes, comparison: ParameterComparison) -> None:
    draw_identity(axes, limits_of(comparison.learned, comparison.true))
    axes.scatter(comparison.true, comparison.learned, s=22, color=BLUE, zorder=3)
    largest = np.argsort(-np.abs(comparison.true), kind="stable")[:_LABELS]
    names = [comparison.motif_names[index] for index in largest]
    draw_labels(axes, names, comparison.true[largest], comparison.learned[largest])
    unit = _UNITS[comparison.name]
    axes.set_title(comparison.name.replace("_", " ").capitalize())
    axes.set_xlabel(f"true ({unit})")
    axes.set_ylabel(f"learned ({unit})")
    note(axes, f"r = {fixed(comparison.pearson)}\nn = {len(comparison.true)} factors")


def draw_density(
    axes: Axes, x: np.ndarray, y: np.ndarray, extent: tuple[float, float, float, float]
) -> None:
    """Draws how many of any number of points lie where, the more the darker, as an image.

    Args:
        axes: gets the limits of `extent`.
        x: float [N].
        y: float [N].
        extent: left, right, bottom and top.

    Example:
        >>> draw_density(axes, measured, predicted, (0, 17, 0, 17))  # doctest: +SKIP
    """
    from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_rgb

    color = to_rgb(BLUE)
    # The colour is that of a dark background, too: only the opacity says how many.
    shades = LinearSegmentedColormap.from_list("density", [(*color, 0.25), (*color, 1.0)])
    # Smaller than a point of 1/72 inch, single points would not be seen.
    bins = _DENSITY_BINS if len(x) > _DENSE else _DENSITY_BINS // 2
    left, right, bottom, top = extent
    counts, _, _ = np.histogram2d(x, y, bins, ((left, right), (bottom, top)))
    shown = np.ma.masked_equal(counts.T, 0)
    image = axes.imshow(
        shown,
        origin="lower",
        extent=extent,
        aspect="auto",
        norm=LogNorm(vmin=1, vmax=max(2.0, float(counts.max()))),
        cmap=shades,
        # Pixels stay such in vector formats.
        interpolation="none",
    )
    image.set_gid(DENSITY)


def limits_of(*values: np.ndarray) -> tuple[float, float]:
    """Limits of an axis that holds all of these numbers, with a margin."""
    low = min(float(each.min()) for each in values)
    high = max(float(each.max()) for each in values)
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


def draw_identity(axes: Axes, limits: tuple[float, float]) -> None:
    """Draws the diagonal on which both axes have the same number, and sets these limits."""
    axes.axline(
        (limits[0], limits[0]), slope=1, color=GUIDE, linewidth=1, linestyle=DASHED, zorder=2
    )
    axes.set_xlim(limits)
    axes.set_ylim(limits)


def note(axes: Axes, text: str) -> None:
    """Writes lines of text into the upper left corner."""
    axes.text(0.04, 0.96, text, transform=axes.transAxes, va="top", linespacing=1.4)
