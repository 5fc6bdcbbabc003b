"""Names beside the points of a scatter plot, placed where they cover the least."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cisreg.display import printable
from cisreg.report.style import GUIDE, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FONT_SIZE = 7.5
# Mean width of a letter as a share of the font size.
_LETTER_WIDTH = 0.62
# Longer names are cut, so that they leave room for the plot.
_LONGEST = 40
_POINT_SIZE = 6.0
_POINTS_PER_INCH = 72.0
# Candidate places of a label, nearest first: direction, and distance from the point (1/72 inch).
_PLACES = [
    (np.array(direction), distance)
    for distance in (5.0, 14.0, 24.0)
    for direction in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
]
_LINE_FROM = 10.0


def fixed(value: float) -> str:
    """A metric with three decimal places, as plots and reports write it.

    Example:
        >>> fixed(0.98765), fixed(float("nan"))
        ('0.988', 'not defined')
    """
    return f"{value:.3f}" if math.isfinite(value) else "not defined"


def short_name(name: str, longest: int = 24) -> str:
    """A name that can be printed, cut if it is longer.

    Example:
        >>> short_name("a_very_long_name_of_a_factor")
        'a_very_long_name_of_a_f…'
    """
    text = printable(name)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def with_unit(text: str, unit: str) -> str:
    """The label of an axis with the unit of expression; "" stands for a unit that is not known.

    Example:
        >>> with_unit("effect", ""), with_unit("effect", "log2 YFP/RFP")
        ('effect (unit of the table)', 'effect (log2 YFP/RFP)')
    """
    return f"{text} ({printable(unit) or 'unit of the table'})"


def draw_labels(axes: Axes, names: Sequence[str], x: np.ndarray, y: np.ndarray) -> None:
    """Writes each name beside its point; a line connects them where the name is not next to it.

    Args:
        axes: must already have the points and its final limits.
        names: K names; earlier ones get the better places.
        x: float [K].
        y: float [K].

    Example:
        >>> draw_labels(axes, ["Abf1"], np.array([1.0]), np.array([2.0]))  # doctest: +SKIP
    """
    figure = axes.figure
    # The layout moves the axes when it is first drawn.
    figure.draw_without_rendering()  # type: ignore[union-attr]
    at = axes.transData.transform(np.column_stack([x, y])) * (_POINTS_PER_INCH / figure.dpi)
    taken = [_box(point, np.full(2, _POINT_SIZE)) for point in at]
    shown = [short_name(name, _LONGEST) for name in names]
    for name, point, position in zip(shown, at, zip(x, y, strict=True), strict=True):
        size = np.array([_LETTER_WIDTH * len(name), 1.0]) * _FONT_SIZE
        offsets = [direction * (distance + size / 2) for direction, distance in _PLACES]
        covered = [
            sum(_shared_area(_box(point + offset, size), other) for other in taken)
            for offset in offsets
        ]
        best = int(np.argmin(covered))
        taken.append(_box(point + offsets[best], size))
        line = {"arrowstyle": "-", "color": GUIDE, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2}
        axes.annotate(
            name,
            position,
            tuple(offsets[best]),
            textcoords="offset points",
            ha="center",
            va="center",
            # Dollar signs in a name are not math.
            parse_math=False,
            fontsize=_FONT_SIZE,
            color=MUTED,
            arrowprops=line if _PLACES[best][1] > _LINE_FROM else None,
        )


def _box(center: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Lower left and upper right corner, float [2, 2]."""
    return np.stack([center - size / 2, center + size / 2])


def _shared_area(first: np.ndarray, second: np.ndarray) -> float:
    overlap = np.minimum(first[1], second[1]) - np.maximum(first[0], second[0])
    return float(np.prod(np.maximum(overlap, 0.0)))
