"""Heat maps of the effects of mutations; they need matplotlib (`pip install 'cisreg[plot]'`)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cisreg.occupancy_checks import UNKNOWN
from cisreg.report.labels import short_name
from cisreg.report.plot import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from cisreg.interpret import Mutagenesis

_LETTERS = "ACGT"
_MOST_PANELS = 12
# Inches of a base, at least and at most, and of a panel.
_BASE_INCHES, _LEAST_WIDTH, _MOST_WIDTH, _PANEL_HEIGHT = 0.13, 6.0, 40.0, 1.5
_COLORS = "RdBu"
# Panels of dependency maps: beside each other, and inches of each.
_MAP_COLUMNS, _MAP_INCHES = 3, 3.2


def plot_mutations(
    path: str | os.PathLike[str] | None,
    mutations: Mutagenesis,
    *,
    rows: Sequence[int] = (0,),
    unit: str = "",
    overwrite: bool = False,
) -> Figure:
    """Draws the effect of each base at each position, one panel for each sequence.

    Blue raises expression, red lowers it; white is no effect. The letters of the sequence stand in
    their cells. Positions before the first and behind the last known base are left out.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        mutations: from `cisreg.interpret.mutagenesis`.
        rows: indices of the sequences to draw, at most 12.
        unit: the unit of expression, such as `model.unit`.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is not one of `PLOT_FORMATS`; too many sequences or none; or a
            sequence without a known base.
        OSError: the file cannot be written.

    Example:
        >>> plot_mutations("mutations.png", mutagenesis(model, sequences))  # doctest: +SKIP
    """
    if not 0 < len(rows) <= _MOST_PANELS:
        raise ValueError(f"rows: expected 1 to {_MOST_PANELS} sequences, got {len(rows)}")
    known = [np.flatnonzero(mutations.codes[row] != UNKNOWN) for row in rows]
    for row, places in zip(rows, known, strict=True):
        if not len(places):
            raise ValueError(f"rows: expected sequences with known bases, {row} has none")
    most = max(float(np.nanmax(np.abs(mutations.effect[row]))) for row in rows)
    bases = max(places[-1] + 1 - places[0] for places in known)
    width = float(np.clip(bases * _BASE_INCHES + 1.5, _LEAST_WIDTH, _MOST_WIDTH))
    height = _PANEL_HEIGHT * len(rows) + 0.5
    with new_figure(path, (width, height), overwrite=overwrite) as figure:
        panels = np.ravel(figure.subplots(len(rows), 1))
        for axes, row, places in zip(panels, rows, known, strict=True):
            image = _draw(axes, mutations, row, places, most or 1.0)
        panels[-1].set_xlabel("position")
        label = "effect on expression" + (f"\n({unit})" if unit else "")
        figure.colorbar(image, ax=list(panels), label=label, fraction=0.05, pad=0.01)
    return figure


def plot_dependency(
    path: str | os.PathLike[str] | None,
    maps: Sequence[np.ndarray] | np.ndarray,
    *,
    names: Sequence[str] | None = None,
    unit: str = "",
    overwrite: bool = False,
) -> Figure:
    """Draws how much the effect of mutating one position depends on another one, as heat maps.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        maps: float [N, L, L] from `cisreg.interpret.dependency_map`, 1 to 12 sequences.
        names: of the sequences, N or more; None: their numbers.
        unit: the unit of expression, such as `model.unit`.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is not one of `PLOT_FORMATS`, or too many sequences or none.
        OSError: the file cannot be written.

    Example:
        >>> plot_dependency("pairs.png", dependency_map(model, sequences))  # doctest: +SKIP
    """
    if not 0 < len(maps) <= _MOST_PANELS:
        raise ValueError(f"maps: expected 1 to {_MOST_PANELS} sequences, got {len(maps)}")
    columns = min(len(maps), _MAP_COLUMNS)
    lines = -(-len(maps) // columns)
    most = max(float(np.max(each)) for each in maps)
    size = (_MAP_INCHES * columns + 1.2, _MAP_INCHES * lines + 0.3)
    with new_figure(path, size, overwrite=overwrite) as figure:
        panels = np.ravel(figure.subplots(lines, columns))
        for number, (axes, each) in enumerate(zip(panels, maps, strict=False)):
            image = axes.imshow(each, cmap="Blues", vmin=0, vmax=most or 1.0)
            name = str(number) if names is None else str(names[number])
            axes.set_title(short_name(name, 30), fontsize=9, loc="left", parse_math=False)
            axes.set_xlabel("position")
            axes.set_ylabel("position")
        for axes in panels[len(maps) :]:
            axes.set_visible(False)
        label = "largest epistasis" + (f"\n({unit})" if unit else "")
        figure.colorbar(image, ax=list(panels), label=label, fraction=0.05, pad=0.02)
    return figure


def _draw(
    axes: Axes, mutations: Mutagenesis, row: int, places: np.ndarray, most: float
) -> AxesImage:
    first, last = int(places[0]), int(places[-1])
    effect = mutations.effect[row, first : last + 1].T
    image = axes.imshow(
        effect,
        cmap=_COLORS,
        vmin=-most,
        vmax=most,
        aspect="auto",
        interpolation="none",
        extent=(first - 0.5, last + 0.5, 3.5, -0.5),
    )
    axes.set_facecolor("#dddddd")
    for place in places:
        base = int(mutations.codes[row, place])
        axes.text(
            place, base, _LETTERS[base], ha="center", va="center", fontsize=6.5, color="black"
        )
    axes.set_yticks(range(len(_LETTERS)), list(_LETTERS))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    name = str(row) if mutations.name is None else mutations.name[row].as_py()
    axes.set_title(
        f"{short_name(name, 60)}: expression {mutations.reference[row]:.3g}",
        fontsize=9,
        loc="left",
        parse_math=False,
    )
    return image
