"""Plots of predictions and parameters; they need matplotlib (`pip install 'cisreg[plot]'`)."""

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
from cisreg.report.labels import draw_labels
from cisreg.report.recovery import ParameterComparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLOT_FORMATS = ("png", "pdf", "svg")

_COLOR = "#1f5a96"
# More labels would overlap; the factors with the largest effects get them.
_LABELS = 24
_UNITS = {
    "activity": "expression per strongest site",
    "potentiation": "log odds per strongest site",
}
_PANEL_INCHES = 4.6


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
    path: str | os.PathLike[str],
    predicted: np.ndarray,
    measured: np.ndarray,
    comparisons: Sequence[ParameterComparison] = (),
    *,
    overwrite: bool = False,
) -> None:
    """Draws predicted against measured expression, and learned against true parameters.

    Args:
        path: file to write, .png, .pdf or .svg.
        predicted: float [N], expression.
        measured: float [N], same unit.
        comparisons: one more panel for each, see `compare_parameters`.
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
        _draw_expression(first, *numbers)
        for axes, comparison in zip(others, comparisons, strict=True):
            _draw_comparison(axes, comparison)


@contextmanager
def new_figure(
    path: str | os.PathLike[str], inches: tuple[float, float], *, overwrite: bool = False
) -> Iterator[Figure]:
    """A figure to draw on, which is then written to a file; nothing is written after an error.

    Its axes lose their lines at the top and on the right.

    Args:
        path: file to write, .png, .pdf or .svg.
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
    ending = check_plot(path)
    check_output(path, overwrite=overwrite)
    figure = import_figure()(figsize=inches, layout="constrained")
    yield figure
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
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


def _draw_expression(axes: Axes, predicted: np.ndarray, measured: np.ndarray) -> None:
    from matplotlib.colors import LogNorm

    metrics = agreement(predicted, measured)
    limits = _limits(predicted, measured)
    _draw_identity(axes, limits)
    axes.hexbin(
        *(measured, predicted),
        gridsize=55,
        extent=(*limits, *limits),
        mincnt=1,
        # Starts the colours at a blue that is visible on white.
        norm=LogNorm(vmin=0.2),
        cmap="Blues",
        linewidths=0.1,
    )
    axes.set_title("Expression")
    axes.set_xlabel("measured (unit of the table)")
    axes.set_ylabel("predicted (unit of the table)")
    _note(axes, f"r = {metrics.pearson:.3f}\nR² = {metrics.r_squared:.3f}\nn = {len(measured):,}")


def _draw_comparison(axes: Axes, comparison: ParameterComparison) -> None:
    _draw_identity(axes, _limits(comparison.learned, comparison.true))
    axes.scatter(comparison.true, comparison.learned, s=22, color=_COLOR, zorder=3)
    largest = np.argsort(-np.abs(comparison.true), kind="stable")[:_LABELS]
    names = [comparison.motif_names[index] for index in largest]
    draw_labels(axes, names, comparison.true[largest], comparison.learned[largest])
    unit = _UNITS[comparison.name]
    axes.set_title(comparison.name.replace("_", " ").capitalize())
    axes.set_xlabel(f"true ({unit})")
    axes.set_ylabel(f"learned ({unit})")
    _note(axes, f"r = {comparison.pearson:.3f}\nn = {len(comparison.true)} factors")


def _limits(*values: np.ndarray) -> tuple[float, float]:
    low = min(float(each.min()) for each in values)
    high = max(float(each.max()) for each in values)
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


def _draw_identity(axes: Axes, limits: tuple[float, float]) -> None:
    axes.axline(
        (limits[0], limits[0]), slope=1, color="0.5", linewidth=1, linestyle=(0, (4, 3)), zorder=2
    )
    axes.set_xlim(limits)
    axes.set_ylim(limits)


def _note(axes: Axes, text: str) -> None:
    axes.text(0.04, 0.96, text, transform=axes.transAxes, va="top", linespacing=1.4)
