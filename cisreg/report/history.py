"""Plot of the course of training."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cisreg.report.plot import new_figure
from cisreg.report.style import BLUE, GUIDE, MUTED, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Losses that differ by more than this factor need a logarithmic axis.
_WIDE = 8.0


def plot_training(
    path: str | os.PathLike[str] | None,
    history: Mapping[str, Sequence[Any]] | Any,
    *,
    overwrite: bool = False,
) -> Figure:
    """Draws the loss of each epoch, in training and validation, and r; stages are set apart.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        history: columns by name as of `cisreg.training.FitResult.to_table`: stage, total_epoch,
            loss, validation_loss and validation_r. An Arrow table or a DataFrame too.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is not one of `PLOT_FORMATS`, or there are no epochs.
        OSError: the file cannot be written.

    Example:
        >>> plot_training("training.png", trained.fit.to_table())  # doctest: +SKIP
    """
    names = ("stage", "total_epoch", "loss", "validation_loss", "validation_r")
    columns = {name: _numbers(history[name]) for name in names}
    if not len(columns["stage"]):
        raise ValueError("history: expected one or more epochs, got none")
    validated = bool(np.isfinite(columns["validation_r"]).any())
    rows = 2 if validated else 1
    with new_figure(path, (4.4, 2.0 + 1.7 * rows), overwrite=overwrite) as figure:
        panels = np.ravel(figure.subplots(rows, 1, sharex=True))
        _draw_loss(panels[0], columns)
        if validated:
            epoch, r = columns["total_epoch"], columns["validation_r"]
            panels[1].plot(epoch, r, color=VERMILION, marker=_marker(epoch), markersize=3)
            panels[1].set_ylabel("validation r")
        for axes in panels:
            _mark_stages(axes, columns, named=axes is panels[0])
        panels[-1].set_xlabel("epoch of the run")
        panels[-1].xaxis.get_major_locator().set_params(integer=True)
    return figure


def _numbers(values: Any) -> np.ndarray:
    """A column as float64, missing numbers as NaN."""
    listed = values.to_pylist() if hasattr(values, "to_pylist") else list(values)
    return np.array([np.nan if each is None else each for each in listed], np.float64)


def _marker(epoch: np.ndarray) -> str:
    return "o" if len(epoch) < 40 else ""


def _draw_loss(axes: Axes, columns: Mapping[str, np.ndarray]) -> None:
    epoch, drawn = columns["total_epoch"], []
    for name, color, label in (
        ("loss", BLUE, "training"),
        ("validation_loss", VERMILION, "validation"),
    ):
        values = columns[name]
        if np.isfinite(values).any():
            axes.plot(epoch, values, color=color, label=label, marker=_marker(epoch), markersize=3)
            drawn.append(values[np.isfinite(values)])
    every = np.concatenate(drawn) if drawn else np.ones(1)
    if every.min() > 0 and every.max() > _WIDE * every.min():
        _set_logarithmic(axes)
    axes.set_ylabel("loss")
    axes.legend(loc="upper right")


def _set_logarithmic(axes: Axes) -> None:
    """A logarithmic axis with the numbers 1, 2 and 5 of each power of ten, as they are."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _mark_stages(axes: Axes, columns: Mapping[str, np.ndarray], *, named: bool) -> None:
    stage, epoch = columns["stage"], columns["total_epoch"]
    for number in np.unique(stage):
        first, last = epoch[stage == number].min(), epoch[stage == number].max()
        if number != stage.min():
            axes.axvline(first - 0.5, color=GUIDE, linewidth=0.8)
        if named:
            axes.text(
                *((first + last) / 2, 1.02, f"stage {number:.0f}"),
                transform=axes.get_xaxis_transform(),
                ha="center",
                color=MUTED,
            )
