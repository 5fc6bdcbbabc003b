"""Plot of the squared error along one parameter."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import numpy as np

from cisreg.quantiles import normal_width
from cisreg.report.plot import new_figure
from cisreg.report.style import BLUE, DASHED, GUIDE, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class AnyProfile(Protocol):
    """What is drawn of a `cisreg.uncertainty.Profile`, which says what each part means."""

    @property
    def parameter(self) -> str:
        """The name of the parameter."""

    @property
    def factor(self) -> str | None:
        """The factor that it belongs to."""

    @property
    def estimate(self) -> float:
        """Where the squared error is least."""

    @property
    def value(self) -> np.ndarray:
        """float64 [K], other values."""

    @property
    def excess(self) -> np.ndarray:
        """float64 [K], by how much the squared error is larger there."""

    def interval(self, level: float = 0.9) -> tuple[float, float]:
        """The interval that the profile gives."""


def plot_profile(
    path: str | os.PathLike[str] | None,
    profile: AnyProfile,
    *,
    level: float = 0.9,
    overwrite: bool = False,
) -> Figure:
    """Draws the excess of the squared error over its least, and the interval that it gives.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
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
    limit, interval = normal_width(level) ** 2, profile.interval(level)
    with new_figure(path, (4.6, 3.4), overwrite=overwrite) as figure:
        _draw(figure.subplots(), profile, limit, interval, level)
    return figure


def _draw(
    axes: Axes, profile: AnyProfile, limit: float, interval: tuple[float, float], level: float
) -> None:
    value = np.append(profile.value, profile.estimate)
    order = np.argsort(value)
    begin, end = value.min(), value.max()
    axes.axvspan(
        max(interval[0], begin), min(interval[1], end), color=BLUE, alpha=0.15, linewidth=0
    )
    axes.axhline(limit, color=GUIDE, linewidth=1, linestyle=DASHED)
    axes.plot(value[order], np.append(profile.excess, 0.0)[order], color=BLUE, zorder=3)
    axes.scatter(profile.value, profile.excess, s=14, color=BLUE, zorder=4)
    axes.annotate(
        f"{100 * level:g} % interval",
        (1, limit),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right",
        color=MUTED,
        fontsize=8,
    )
    name = profile.parameter.replace("_", " ")
    label = name if profile.factor is None else f"{name} of {profile.factor}"
    # Dollar signs in a name are not math.
    axes.set_xlabel(label, parse_math=False)
    axes.set_ylabel("excess squared error\n(units of the noise variance)")
    axes.set_ylim(bottom=0)
