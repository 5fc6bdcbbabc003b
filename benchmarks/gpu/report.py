"""What both GPU benchmarks share: sizes, rows, tables as text, and one page that holds it all."""

from __future__ import annotations

import base64
import html
import io
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.gpu.limit import Size, limit_milliseconds
from benchmarks.shared.suite import (
    FUSED_COLOUR,
    HELD_COLOUR,
    RIVAL_COLOURS,
    Row,
    median,
    number,
    quartiles,
)

# Exit status where there is no GPU, or no kernel for it.
NO_GPU = 3
FORWARD, FORWARD_BACKWARD, BACKWARD = "forward", "forward_backward", "backward"
TRAIN_STEP, KERAS_STEP = "train_step", "keras_step"
TITLES = {
    FORWARD: "forward",
    FORWARD_BACKWARD: "forward + backward",
    BACKWARD: "backward",
    TRAIN_STEP: "a training step of cisreg.fit",
    KERAS_STEP: "a training step of Keras",
}
DTYPES = ("float32", "bfloat16", "float16")
SIZES = (
    *(Size(count, dtype=dtype) for dtype in DTYPES for count in (128, 512, 2048, 8192, 65536)),
    *(Size(4096, motif_count=motifs) for motifs in (8, 64)),
    Size(1024, motif_count=2000),
    Size(8192, length=50),
    Size(1024, length=500),
    Size(256, length=2000),
)
# Words that a page shows in red; columns of text beside those without a title.
WRONG = ("WRONG", "OTHER BITS")
TEXT_COLUMNS = ("why",)
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 2rem }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child, .left { text-align: left }
.wrong { color: #b00020; font-weight: 600 }
caption { text-align: left; font-weight: 600; padding: .3rem 0 }
img { max-width: 100% }
"""


class Table(NamedTuple):
    """Cells as text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def make_row(
    task: str,
    implementation: str,
    size: Size,
    times: Sequence[float],
    device: dict[str, Any],
    peak_mebibytes: float | None = None,
    sparse_factor: float | None = None,
) -> Row:
    """Median, spread and share of the limit of one measurement, times in milliseconds."""
    row: Row = {"task": task, "implementation": implementation, **size._asdict()}
    limits = [
        limit_milliseconds(device, size, backward=backward, sparse_factor=sparse_factor)
        for backward in (False, True)
        if task not in (FORWARD, BACKWARD) or backward == (task == BACKWARD)
    ]
    middle = median(times)
    row |= {"median_milliseconds": middle, "quartiles_milliseconds": quartiles(times)}
    row |= {"calls": len(times), "sites_per_second": size.sites / middle * 1e3}
    if peak_mebibytes is not None:
        row["peak_mebibytes"] = peak_mebibytes
    known = [limit for limit in limits if limit is not None]
    if known:
        row |= {"limit_milliseconds": sum(known), "share_of_limit": sum(known) / middle}
    return row


def missing_row(task: str, implementation: str, size: Size, reason: str) -> Row:
    """The text in place of a missing measurement."""
    return {
        "task": task,
        "implementation": implementation,
        **size._asdict(),
        "missing": reason,
    }


def size_of(row: Row) -> Size:
    """The shape that a row was measured at."""
    return Size(**{field: row[field] for field in Size._fields})


def make_tables(rows: Sequence[Row], reference: str) -> list[Table]:
    """A table per task: a line per size and implementation, times as multiples of `reference`'s.

    Columns that are empty throughout are left out.
    """
    columns = ("N", "L", "W", "M", "dtype", "", "ms", "quartiles", "Gsites/s", "time", "peak MiB")
    tables = []
    for task in dict.fromkeys(row["task"] for row in rows):
        own = sorted((row for row in rows if row["task"] == task), key=_order)
        base = {size_of(row): row for row in own if row["implementation"] == reference}
        cells = [[*map(str, size_of(row)), *_cells(row, base.get(size_of(row)))] for row in own]
        tables.append(_without_empty(Table(TITLES[task], (*columns, "of limit"), cells)))
    return tables


def _order(row: Row) -> tuple[Any, ...]:
    size = size_of(row)
    return DTYPES.index(size.dtype), *size[:-1]


def _without_empty(table: Table) -> Table:
    kept = [at for at in range(len(table.columns)) if any(row[at] for row in table.rows)]
    columns = [table.columns[at] for at in kept]
    return Table(table.title, columns, [[row[at] for at in kept] for row in table.rows])


def _cells(row: Row, reference: Row | None) -> list[str]:
    if "missing" in row:
        return [row["implementation"], row["missing"], *[""] * 5]
    time = row["median_milliseconds"]
    of = (reference or {}).get("median_milliseconds")
    return [
        row["implementation"],
        number(time),
        " to ".join(map(number, row["quartiles_milliseconds"])),
        number(row["sites_per_second"] / 1e9),
        f"{time / of:.2f}x" if of else "",
        number(row["peak_mebibytes"]) if "peak_mebibytes" in row else "",
        f"{row['share_of_limit']:.0%}" if "share_of_limit" in row else "",
    ]


def print_tables(tables: Iterable[Table]) -> None:
    """Prints a table as plain text, without colours or other packages."""
    for table in tables:
        lines = [list(table.columns), *map(list, table.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        print(f"\n{table.title}")
        for line in lines:
            print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def draw(rows: Sequence[Row], facts: dict[str, Any]) -> bytes | None:
    """Sites per second against N as a PNG, a panel per task and dtype.

    None without matplotlib, and where nothing was measured at the lengths, widths and motifs shown.
    """
    try:
        from benchmarks.shared.suite import log_scale, subplots

        tasks = list(dict.fromkeys(row["task"] for row in rows)) or [FORWARD]
        figure, axes = subplots(len(tasks), len(DTYPES), 11, 3.2 * len(tasks), sharey=True)
    except ImportError:
        return None
    names = list(dict.fromkeys(row["implementation"] for row in rows))
    kinds = dict.fromkeys(map(_without_precision, names))
    colours = dict(zip(kinds, itertools.cycle((FUSED_COLOUR, HELD_COLOUR, *RIVAL_COLOURS))))
    drawn = []
    for line, task in zip(axes, tasks, strict=True):
        line[0].set_ylabel("Gsites/s")
        for axis, dtype in zip(line, DTYPES, strict=True):
            for name in names:
                colour = colours[_without_precision(name)]
                _draw_line(axis, rows, (task, name, dtype), colour)
            if not axis.lines:
                axis.set_axis_off()
                continue
            axis.set(xscale="log", yscale="log", title=f"{TITLES[task]}, {dtype}", xlabel="N")
            log_scale(axis.yaxis)
            log_scale(axis.xaxis)
            drawn.append(axis)
    if not drawn:
        return None
    drawn[0].legend(fontsize=7)
    figure.suptitle(f"{facts['device']}: L=110, W=30, M=245", fontsize=11)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()


def _without_precision(name: str) -> str:
    return name.removesuffix(", TF32").removesuffix(", FP32")


def _draw_line(axis: Any, rows: Sequence[Row], wanted: tuple[str, str, str], colour: str) -> None:
    shown = [
        row
        for row in rows
        if (row["task"], row["implementation"], row["dtype"]) == wanted
        and "missing" not in row
        and size_of(row) == Size(row["sequence_count"], dtype=row["dtype"])
    ]
    if not shown:
        return
    shown.sort(key=lambda row: row["sequence_count"])
    x = [row["sequence_count"] for row in shown]
    y = [row["sites_per_second"] / 1e9 for row in shown]
    line = "o--" if wanted[1].endswith("TF32") else "o-"
    axis.plot(x, y, line, ms=3, color=colour, label=wanted[1])


def write_page(
    path: Path | None,
    title: str,
    facts: dict[str, Any],
    tables: Iterable[Table],
    png: bytes | None,
    notes: Sequence[str] = (),
) -> None:
    """Writes one self-contained HTML file, if one is wanted."""
    if path is None:
        return
    parts = [f"<h1>{html.escape(title)}</h1>"]
    parts.append(
        f"<p>{html.escape(', '.join(f'{key} {value}' for key, value in facts.items()))}</p>"
    )
    parts += [f"<p>{html.escape(note)}</p>" for note in notes]
    if png is not None:
        data = base64.b64encode(png).decode()
        parts.append(f'<img alt="sites per second" src="data:image/png;base64,{data}">')
    for table in tables:
        left = [not title or title in TEXT_COLUMNS for title in table.columns]
        lines = [_html_line("th", table.columns, left)]
        lines += [_html_line("td", row, left) for row in table.rows]
        caption = f"<caption>{html.escape(table.title)}</caption>"
        parts.append(f"<table>{caption}\n" + "\n".join(lines) + "</table>")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}'
        f"</title><style>{STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _html_line(kind: str, cells: Sequence[str], left: Sequence[bool]) -> str:
    parts = []
    for cell, is_left in zip(cells, left, strict=True):
        names = [*(["left"] if is_left else []), *(["wrong"] if cell in WRONG else [])]
        of_class = f' class="{" ".join(names)}"' if names else ""
        parts.append(f"<{kind}{of_class}>{html.escape(cell)}</{kind}>")
    return "<tr>" + "".join(parts) + "</tr>"
