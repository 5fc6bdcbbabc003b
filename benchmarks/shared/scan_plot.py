"""The figure of benchmarks/operation/genome_scan.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shared.suite import (
    FUSED_COLOUR,
    RIVAL_COLOURS,
    Row,
    log_scale,
    save,
    subplots,
    thread_count,
)


def draw(rows: list[Row], title: str, facts: dict[str, Any], path: Path) -> None:
    """One panel for each part that was measured."""
    panels = {"rivals": _rivals, "output": _outputs, "read": _reading, "genome": _genome}
    shown = [task for task in panels if any(row["task"] == task for row in rows)]
    if not shown:
        return
    columns = min(2, len(shown))
    figure, axes = subplots(
        -(-len(shown) // columns), columns, 5 * columns, 6.4 if len(shown) > 2 else 3.4
    )
    for axis in axes.flat[len(shown) :]:
        axis.set_visible(False)
    for axis, task in zip(axes.flat, shown, strict=False):
        panels[task](axis, [row for row in rows if row["task"] == task and "missing" not in row])
    figure.suptitle(title, fontsize=10)
    save(figure, path, facts, ("lightmotif", "MOODS", "memelite"))


def _grouped(axis: Any, groups: list[str], series: dict[str, list[float]], digits: int) -> None:
    """Bars side by side, a colour for each series."""
    height = 0.8 / len(series)
    for index, (name, values) in enumerate(series.items()):
        place = np.arange(len(groups)) + (index - (len(series) - 1) / 2) * height
        colour = (FUSED_COLOUR, *RIVAL_COLOURS)[index]
        bars = axis.barh(place, values, height * 0.92, label=name, color=colour)
        axis.bar_label(bars, [f"{value:,.{digits}f}" for value in values], padding=2, fontsize=7)
    axis.set_yticks(np.arange(len(groups)), groups)
    axis.invert_yaxis()
    axis.margins(x=0.18)
    axis.legend(fontsize=7, loc="lower right")


def _series(rows: list[Row], group: str, value: str, scale: float) -> tuple[list[str], dict]:
    """Values by kind of sequence and number of threads, one for each group."""
    groups = list(dict.fromkeys(row[group] for row in rows))
    series: dict[str, list[float]] = {}
    for row in rows:
        names = [row["kind"]] if "kind" in row else []
        series.setdefault(", ".join([*names, thread_count(row["threads"])]), []).append(
            row[value] / scale
        )
    return groups, series


def _rivals(axis: Any, rows: list[Row]) -> None:
    _grouped(axis, *_series(rows, "library", "sites_per_second", 1e9), 2)
    axis.set_xscale("log")
    log_scale(axis.xaxis)
    axis.set_xlabel("billion sites per second (log scale)")
    axis.set_title(f"hits counted, {rows[0]['bases'] / 1e6:g} Mb in memory")


def _outputs(axis: Any, rows: list[Row]) -> None:
    _grouped(axis, *_series(rows, "output", "sites_per_second", 1e9), 2)
    axis.set_xlim(right=1.2 * axis.get_xlim()[1])  # room for the legend
    axis.set_xlabel("billion sites per second")
    axis.set_title(f"cisreg, hits of {rows[0]['bases'] / 1e6:.3g} Mb counted or written")


def _reading(axis: Any, rows: list[Row]) -> None:
    _grouped(axis, *_series(rows, "form", "bases_per_second", 1e6), 0)
    axis.set_xlim(right=1.2 * axis.get_xlim()[1])  # room for the legend
    axis.set_xlabel("million bases per second")
    axis.set_title("files read, nothing scanned")


def _genome(axis: Any, rows: list[Row]) -> None:
    """Time of the whole against bases, a line for each kind of sequence."""
    for row, colour in zip(rows, (FUSED_COLOUR, RIVAL_COLOURS[1]), strict=False):
        parts = row["chromosomes"]
        bases = np.cumsum([0, *(part["bases"] for part in parts)]) / 1e6
        minutes = np.cumsum([0, *(part["seconds"] for part in parts)]) / 60
        label = (
            f"{row['kind']}: {row['hits'] / 1e6:,.0f} million hits, "
            f"{row['peak_mebibytes']:,.0f} MiB"
        )
        axis.plot(bases, minutes, ".-", color=colour, label=label)
    axis.set_xlabel("million bases scanned")
    axis.set_ylabel("minutes")
    axis.set_title(f"cisreg on a genome, {thread_count(rows[0]['threads'])}")
    axis.legend(fontsize=7)
