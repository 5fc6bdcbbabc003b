"""Plot of the squared error along one parameter."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from cisreg.report.plot import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cisreg.uncertainty.profiles import Profile

_COLOR, _LIGHT = "#1f5a96", "#dbe6f2"


def plot_profile(
    path: str | os.PathLike[str],
    profile: Profile,
    *,
    level: float = 0.9,
    overwrite: bool = False,
) -> None:
    """Draws the excess of the squared error over its least, and the interval that it gives.

    Args:
        path: file to write, .png, .pdf or .svg.
        profile: from `cisreg.uncertainty.profile`.
        level: of the interval.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is not one of `PLOT_FORMATS`, or a level that is none.
        OSError: the file cannot be written.

    Example:
        >>> plot_profile("reb1.png", profile)  # doctest: +SKIP
    """
    from cisreg.uncertainty.quantiles import normal_width

    limit, interval = normal_width(level) ** 2, profile.interval(level)
    with new_figure(path, (4.6, 3.4), overwrite=overwrite) as figure:
        _draw(figure.subplots(), profile, limit, interval, level)


def _draw(
    axes: Axes, profile: Profile, limit: float, interval: tuple[float, float], level: float
) -> None:
    value = np.append(profile.value, profile.estimate)
    order = np.argsort(value)
    begin, end = value.min(), value.max()
    axes.axvspan(max(interval[0], begin), min(interval[1], end), color=_LIGHT, linewidth=0)
    axes.axhline(limit, color="0.5", linewidth=1, linestyle=(0, (4, 3)))
    axes.plot(value[order], np.append(profile.excess, 0.0)[order], color=_COLOR, zorder=3)
    axes.scatter(profile.value, profile.excess, s=14, color=_COLOR, zorder=4)
    axes.annotate(
        f"{100 * level:g} % interval",
        (1, limit),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right",
        color="0.35",
        fontsize=8,
    )
    name = profile.parameter.replace("_", " ")
    label = name if profile.factor is None else f"{name} of {profile.factor}"
    # Dollar signs in a name are not math.
    axes.set_xlabel(label, parse_math=False)
    axes.set_ylabel("excess squared error\n(units of the noise variance)")
    axes.set_ylim(bottom=0)
