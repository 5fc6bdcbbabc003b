"""What differs between the outputs of a model, as a table and as a plot."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cisreg.limits import check_range
from cisreg.outputs import output_index
from cisreg.report.labels import short_name
from cisreg.report.plot import new_figure
from cisreg.report.style import BLUE, GREEN, GUIDE, ORANGE, PURPLE, VERMILION
from cisreg.spec import OF_FACTORS
from cisreg.trained_model import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FACTORS = 20
_COLORS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE)
_MARKERS = "os^Dv"
_COLUMNS = ("output", "reference", "parameter", "factor", "lower", "upper")


class DifferenceRow(NamedTuple):
    """One number that differs between outputs.

    Attributes:
        parameter: its name.
        factor: of the factor; "" of a parameter of no factor.
        differences: of each other output, what it learned minus what the reference learned.
        intervals: of each other output, lower and upper end, or None.
    """

    parameter: str
    factor: str
    differences: tuple[float, ...]
    intervals: tuple[tuple[float, float] | None, ...]

    @property
    def largest(self) -> float:
        """The largest absolute difference of any output."""
        return max(map(abs, self.differences))


class OutputDifferences(NamedTuple):
    """What differs between the outputs of a model.

    Attributes:
        reference: the output that the others are compared with.
        outputs: the others.
        rows: parameter by parameter, the largest differences first.
    """

    reference: str
    outputs: tuple[str, ...]
    rows: tuple[DifferenceRow, ...]

    @property
    def has_intervals(self) -> bool:
        """Whether any difference has an interval."""
        return any(each is not None for row in self.rows for each in row.intervals)

    def records(self) -> list[dict[str, Any]]:
        """A record for each difference; ends of intervals are None where there are none."""
        return [
            {
                "output": output,
                "reference": self.reference,
                "parameter": row.parameter,
                "factor": row.factor or None,
                "difference": difference,
                "lower": None if ends is None else ends[0],
                "upper": None if ends is None else ends[1],
            }
            for row in self.rows
            for output, difference, ends in zip(
                self.outputs, row.differences, row.intervals, strict=True
            )
        ]


def learned_differences(model: Model, intervals: Any = None) -> OutputDifferences:
    """The learned parameters of each output minus those of the first, or of that of the intervals.

    Args:
        model: of several outputs.
        intervals: the table of `cisreg.uncertainty.difference_intervals`, or one with the columns
            output, reference, parameter, factor, lower and upper; None: no intervals.

    Raises:
        ValueError: a model of one output, or intervals of other outputs.

    Example:
        >>> learned_differences(model).rows[0].factor  # doctest: +SKIP
        'Reb1'
    """
    names, spec = model.output_names, model.spec
    if not names:
        raise ValueError(
            "differences: expected a model of several outputs, got one of a single output"
        )
    reference, ends = (names[0], {}) if intervals is None else _read(intervals, names)
    index = output_index(names, reference)
    others = [place for place in range(len(names)) if place != index]
    rows = []
    for parameter in (name for name in spec.parameter_shapes if name in spec.differ):
        values = model.parameters[parameter].astype(np.float64).reshape(len(names), -1)
        factors = model.motif_names if parameter in OF_FACTORS else ("",)
        found = [
            DifferenceRow(
                *(parameter, factor),
                tuple(float(values[place, at] - values[index, at]) for place in others),
                tuple(ends.get((names[place], parameter, factor)) for place in others),
            )
            for at, factor in enumerate(factors)
        ]
        rows += sorted(found, key=lambda row: -row.largest)
    return OutputDifferences(reference, tuple(names[place] for place in others), tuple(rows))


def _read(table: Any, outputs: Sequence[str]) -> tuple[str, Mapping[Any, tuple[float, float]]]:
    """The reference of a table of intervals, and their ends by output, parameter and factor."""
    if hasattr(table, "to_table"):
        table = table.to_table()
    columns = []
    for name in _COLUMNS:
        try:
            column = table[name]
        except (KeyError, ValueError):
            raise ValueError(
                f"differences: expected a table with the column {name}, as cisreg explain "
                "differences writes it, found none"
            ) from None
        columns.append(column.to_pylist() if hasattr(column, "to_pylist") else list(column))
    references = sorted({str(each) for each in columns[1]})
    if len(references) != 1 or not {*references, *map(str, columns[0])} <= {*outputs}:
        raise ValueError(
            f"differences: expected intervals of the outputs {', '.join(outputs)}, from one "
            f"of them, got those of {', '.join(sorted({str(each) for each in columns[0]}))} from "
            f"{', '.join(references) or 'none'}; take the table of this model"
        )
    ends = {}
    for output, _, parameter, factor, lower, upper in zip(*columns, strict=True):
        if not (_is_number(lower) and _is_number(upper) and lower <= upper):
            raise ValueError(
                f"differences: expected numbers, lower not above upper, got {lower!r:.40} and "
                f"{upper!r:.40} of {parameter!r:.40}"
            )
        # A missing name is None, or NaN in a DataFrame.
        name = factor if isinstance(factor, str) else ""
        ends[str(output), str(parameter), name] = (float(lower), float(upper))
    return references[0], ends


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def plot_differences(
    path: str | os.PathLike[str] | None,
    model: Model,
    intervals: Any = None,
    *,
    most: int = _FACTORS,
    overwrite: bool = False,
) -> Figure:
    """Draws what differs between the outputs of a model, the factors with the largest first.

    A panel for each parameter of factors that differs, with a point for each output but the one
    that they are compared with, and a line for its interval.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        model: of several outputs, of which a parameter of factors differs.
        intervals: the table of `cisreg.uncertainty.difference_intervals`, or what `cisreg explain
            differences` writes; None: no lines. Differences are from its reference.
        most: number of factors in a panel.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is not one of a plot, a model of one output or of which nothing of
            factors differs, intervals of other outputs, or `most` is below 1.
        OSError: the file cannot be written.

    Example:
        >>> plot_differences("differences.png", model)  # doctest: +SKIP
    """
    return draw_differences(
        path, learned_differences(model, intervals), most=most, overwrite=overwrite
    )


def draw_differences(
    path: str | os.PathLike[str] | None,
    found: OutputDifferences,
    *,
    most: int = _FACTORS,
    overwrite: bool = False,
) -> Figure:
    """`plot_differences` of what `learned_differences` found."""
    check_range("most", most, 1, 1000)
    panels: dict[str, list[DifferenceRow]] = {}
    for row in found.rows:
        if row.factor:
            panels.setdefault(row.parameter, []).append(row)
    if not panels:
        raise ValueError(
            "model: expected one of which a parameter of factors differs between outputs, such as "
            f"log_concentration, got {', '.join(row.parameter for row in found.rows) or 'none'}"
        )
    count = min(most, max(map(len, panels.values())))
    spread = 0.24 + 0.08 * (len(found.outputs) - 1)
    size = (4.6 * len(panels), 1.5 + spread * count)
    with new_figure(path, size, overwrite=overwrite) as figure:
        panes = np.ravel(figure.subplots(1, len(panels)))
        for axes, (parameter, rows) in zip(panes, panels.items(), strict=True):
            _draw(axes, rows[:most], found.outputs)
            axes.set_title(parameter.replace("_", " "))
            axes.set_xlabel(f"minus that of {short_name(found.reference)}", parse_math=False)
        if len(found.outputs) > 1:
            panes[0].legend(loc="best")
    return figure


def _draw(axes: Axes, rows: Sequence[DifferenceRow], outputs: Sequence[str]) -> None:
    axes.axvline(0, color=GUIDE, linewidth=0.8)
    places = np.arange(len(rows))
    shifts = (np.arange(len(outputs)) - (len(outputs) - 1) / 2) * 0.7 / len(outputs)
    for at, output in enumerate(outputs):
        color, marker = _COLORS[at % len(_COLORS)], _MARKERS[at % len(_MARKERS)]
        y = places + shifts[at]
        for place, row in zip(y, rows, strict=True):
            ends = row.intervals[at]
            if ends is not None and np.isfinite(ends).all():
                axes.plot(ends, (place, place), color=color, linewidth=1.2, alpha=0.7)
        x = [row.differences[at] for row in rows]
        axes.scatter(x, y, color=color, marker=marker, s=24, zorder=3, label=short_name(output))
    axes.set_yticks(places, [short_name(row.factor) for row in rows])
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.set_ylim(len(rows) - 0.4, -0.6)
