"""Plot of the squared error along one parameter."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from cisreg.file_checks import check_output
from cisreg.files import replace_file
from cisreg.report.plot import check_plot, import_figure

if TYPE_CHECKING:
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

    ending = check_plot(path)
    check_output(path, overwrite=overwrite)
    limit, (low, high) = normal_width(level) ** 2, profile.interval(level)
    figure = import_figure()(figsize=(4.6, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    value = np.append(profile.value, profile.estimate)
    order = np.argsort(value)
    begin, end = value.min(), value.max()
    axes.axvspan(max(low, begin), min(high, end), color=_LIGHT, linewidth=0)
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
    with replace_file(path, overwrite=overwrite) as file:
        figure.savefig(file, format=ending, dpi=150)
