"""The fused operation against the same law in standard operations: time and peak memory.

    python -m benchmarks.operation.fused_vs_standard --plot docs/images/fused_vs_standard.png

First the headline: forward, forward + backward, and training steps of the 245 motifs of yeast (or
random ones of like widths), stored in 30 columns. Then one size after the other is varied around
it. Every row is measured in separate processes, rivals in turn, several rounds. The limit is
what the processor's arithmetic allows, see benchmarks/shared/limit.py. The plot of the grid gets
_grid in its name.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.shared.limit import limit_milliseconds
from benchmarks.shared.measure import FORWARD, FORWARD_BACKWARD, TIME_LIMIT, TRAIN_STEP, Servers
from benchmarks.shared.problem import Point
from benchmarks.shared.rivals import FUSED, FUSED_HELD, IMPLEMENTATIONS
from benchmarks.shared.suite import (
    FUSED_COLOUR,
    HELD_COLOUR,
    RIVAL_COLOURS,
    Row,
    add_data_option,
    describe_motifs,
    log_scale,
    machine,
    make_parser,
    median,
    motif_source,
    number,
    parse,
    print_machine,
    print_table,
    quartiles,
    save,
    subplots,
    tell_progress,
    thread_count,
    write_json,
)

# Tasks, with the sizes that differ from those of the headline.
HEADLINE: tuple[tuple[str, dict[str, int]], ...] = (
    (FORWARD, {}),
    (FORWARD_BACKWARD, {}),
    (TRAIN_STEP, {"sequence_count": 128, "steps": 8}),
    (TRAIN_STEP, {"sequence_count": 4096}),
)
TITLES = {
    FORWARD: "forward",
    FORWARD_BACKWARD: "forward + backward",
    TRAIN_STEP: "training step",
}
# Sizes beside those of the headline. Where one is large the batch is smaller, so that the rivals'
# tensors of sites stay at a few GiB and their calls at a second.
GRID: dict[str, tuple[dict[str, Any], ...]] = {
    "N": (
        {"sequence_count": 1},
        {"sequence_count": 16},
        {"sequence_count": 128},
        {"sequence_count": 65536, "motif_count": 4},
    ),
    "L": (
        {"length": 50},
        {"length": 500, "sequence_count": 256},
        {"length": 2000, "sequence_count": 64},
    ),
    "M": (
        {"motif_count": 4},
        {"motif_count": 32},
        {"motif_count": 1000, "sequence_count": 256},
        {"motif_count": 2000, "sequence_count": 128},
    ),
    "W": ({"width": 5}, {"width": 10}, {"width": 20}),
    "dtype": (
        {"dtype": "bfloat16", "sequence_count": 256},
        {"dtype": "float16", "sequence_count": 256},
    ),
}
FIELDS = {"N": "sequence_count", "L": "length", "M": "motif_count", "W": "width", "dtype": "dtype"}
# Left out of the grid: it compiles for ten seconds at every point. The headline has it.
NOT_IN_GRID = ("PyTorch compiled",)
# Time limit of a process at a point of the grid, in seconds; some 16-bit convolutions take minutes.
GRID_TIME_LIMIT = 15.0
QUICK_GRID = ("dtype",)
QUICK_RIVALS = ("conv1d XLA", "conv2d graph")
QUICK_LIBRARIES = ("PyTorch eager", "JAX jit")


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = make_parser(__doc__, seconds=1.0, rounds=2)
    add_data_option(parser)
    parser.add_argument("--no-grid", action="store_true", help="the headline only")
    return parse(parser)


def points_of(
    arguments: argparse.Namespace,
) -> list[tuple[str, str, Point]]:
    """Group, task and sizes of everything to measure, implementation still to be filled in."""
    base = Point("", threads=arguments.threads, motifs=motif_source(arguments))
    headline = HEADLINE[:-1] if arguments.quick else HEADLINE
    points = [("headline", task, base._replace(**sizes)) for task, sizes in headline]
    for variable, values in {} if arguments.no_grid else GRID.items():
        if arguments.quick:
            values = values[:1] if variable in QUICK_GRID else ()
        for sizes in values:
            for task in (FORWARD_BACKWARD,) if arguments.quick else (FORWARD, FORWARD_BACKWARD):
                points.append((variable, task, base._replace(**sizes)))
    if not arguments.quick:
        return points
    small = {"sequence_count": 4, "length": 24, "motif_count": 6, "width": 8, "steps": 2}
    return [(group, task, point._replace(**_least(point, small))) for group, task, point in points]


def _least(point: Point, sizes: dict[str, int]) -> dict[str, int]:
    return {name: min(size, getattr(point, name)) for name, size in sizes.items()}


def implementations_of(group: str, arguments: argparse.Namespace) -> list[str]:
    """The implementations that are measured at a point."""
    if arguments.quick:
        libraries = QUICK_LIBRARIES if group == "headline" else ()
        return [FUSED, FUSED_HELD, *QUICK_RIVALS, *libraries]
    if group == "headline":
        return list(IMPLEMENTATIONS)
    return [name for name in IMPLEMENTATIONS if name not in NOT_IN_GRID]


def measure_all(arguments: argparse.Namespace, facts: dict[str, Any]) -> list[Row]:
    """A row per point and implementation; rounds interleaved: drift affects all equally."""
    rows = []
    with Servers() as servers:
        points = points_of(arguments)
        for done, (group, task, shape) in enumerate(points):
            tell_progress(done, len(points), f"{task}, {group}")
            headline = group == "headline"
            names = implementations_of(group, arguments)
            results: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
            # A round at the largest batch takes a minute, and once is enough.
            large = shape.sequence_count > 1024
            for _ in range(arguments.rounds if headline and not large else 1):
                for name in names:
                    seconds = arguments.seconds if headline else arguments.seconds / 4
                    point = shape._replace(implementation=name)
                    limit = TIME_LIMIT if headline else GRID_TIME_LIMIT
                    results[name].append(
                        servers.measure(point, task, seconds=seconds, time_limit=limit)
                    )
            for name in names:
                point = shape._replace(implementation=name)
                row = {"group": group, "task": task, **point._asdict()}
                row["motifs"] = describe_motifs(point.motifs)
                rows.append({**row, **summarise(point, task, results[name], facts)})
    return rows


def summarise(
    point: Point, task: str, results: list[dict[str, Any]], facts: dict[str, Any]
) -> dict[str, Any]:
    """Median and spread of the times, median of the peaks, share of the processor's limit."""
    reasons = [result["missing"] for result in results if "missing" in result]
    if reasons:
        return {"missing": reasons[0]}
    times = [time for result in results for time in result["milliseconds"]]
    sites = 2 * point.sequence_count * point.length * point.motif_count
    limit = limit_milliseconds(
        point, facts["instruction_set"], facts["clock_ghz"] * 1e9, backward=task != FORWARD
    )
    return {
        "median_milliseconds": median(times),
        "quartiles_milliseconds": quartiles(times),
        "calls": len(times),
        "sites_per_second": sites / median(times) * 1e3,
        "peak_mebibytes": median([result["peak_mebibytes"] for result in results]),
        "limit_milliseconds": limit,
        "share_of_limit": limit / median(times),
    }


def points(rows: list[Row]) -> list[list[Row]]:
    """Rows of one group, task and shape together."""
    together: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        sizes = tuple(row[field] for field in (*FIELDS.values(), "steps"))
        together.setdefault((row["group"], row["task"], *sizes), []).append(row)
    return list(together.values())


def of(rows: list[Row], name: str) -> Row:
    """The row of an implementation."""
    return next(row for row in rows if row["implementation"] == name)


def best_rival(rows: list[Row], quantity: str = "median_milliseconds") -> Row:
    """The rival with the least time."""
    rivals = [row for row in rows if row["implementation"] not in (FUSED, FUSED_HELD)]
    return min((row for row in rivals if "missing" not in row), key=lambda row: row[quantity])


def print_headline(rows: list[Row]) -> None:
    """A table per task, with each row's ratio to the fused one."""
    for group in points(rows):
        if group[0]["group"] != "headline":
            continue
        fused, first = of(group, FUSED), group[0]
        sizes = ", ".join(f"{name}={first[field]}" for name, field in FIELDS.items())
        title = (
            f"{TITLES[first['task']]}: {sizes}, {first['motifs']}, {thread_count(first['threads'])}"
        )
        columns = ("", "ms", "quartiles", "Gsites/s", "time", "peak MiB", "memory", "of limit")
        print_table(title, columns, [headline_cells(row, fused) for row in group])
        best, least = best_rival(group), best_rival(group, "peak_mebibytes")
        print(
            f"best rival in time {best['implementation']}, in memory {least['implementation']}: "
            + "; ".join(
                f"{name} {best['median_milliseconds'] / row['median_milliseconds']:.1f} times as "
                f"fast, 1/{least['peak_mebibytes'] / max(row['peak_mebibytes'], 0.1):.0f} of memory"
                for name in (FUSED, FUSED_HELD)
                for row in (of(group, name),)
            )
            + "\n"
        )


def headline_cells(row: Row, fused: Row) -> list[str]:
    """One line of the headline's table."""
    if "missing" in row:
        return [row["implementation"], row["missing"], *[""] * 6]
    low, high = row["quartiles_milliseconds"]
    time = row["median_milliseconds"] / fused["median_milliseconds"]
    memory = row["peak_mebibytes"] / max(fused["peak_mebibytes"], 0.1)
    ours = row["implementation"] in (FUSED, FUSED_HELD)
    return [
        row["implementation"],
        number(row["median_milliseconds"]),
        f"{number(low)} to {number(high)}",
        f"{row['sites_per_second'] / 1e9:.2f}",
        f"{time:.2f}x",
        number(row["peak_mebibytes"]),
        f"{memory:.1f}x",
        f"{row['share_of_limit']:.0%}" if ours else "",
    ]


def print_grid(rows: list[Row]) -> None:
    """A table per task: fused and best rival at each point."""
    for task in (FORWARD, FORWARD_BACKWARD):
        cells = [
            grid_cells(group)
            for group in points(rows)
            if group[0]["group"] != "headline" and group[0]["task"] == task
        ]
        columns = (*FIELDS, "fused ms", "held ms", "best rival ms", "which", "times", "fused MiB")
        if cells:
            print_table(f"{TITLES[task]}, sizes varied", (*columns, "rival MiB", "of limit"), cells)


def grid_cells(group: list[Row]) -> list[str]:
    """One line of the grid's table."""
    fused, held = of(group, FUSED), of(group, FUSED_HELD)
    sizes = [str(fused[field]) for field in FIELDS.values()]
    for row in (fused, held):
        if "missing" in row:
            return [*sizes, "", "", "", row["missing"]]
    best, least = best_rival(group), best_rival(group, "peak_mebibytes")
    return [
        *sizes,
        number(fused["median_milliseconds"]),
        number(held["median_milliseconds"]),
        number(best["median_milliseconds"]),
        best["implementation"],
        f"{best['median_milliseconds'] / fused['median_milliseconds']:.1f}x",
        number(fused["peak_mebibytes"]),
        number(least["peak_mebibytes"]),
        f"{fused['share_of_limit']:.0%}",
    ]


def draw_headline(rows: list[Row], path: Path, facts: dict[str, Any]) -> None:
    """Time and peak memory as bars, one line of panels per task."""
    groups = [group for group in points(rows) if group[0]["group"] == "headline"]
    figure, axes = subplots(len(groups), 2, 9.5, 2.1 * len(groups), sharey=True)
    quantities = {"median_milliseconds": "ms", "peak_mebibytes": "peak memory, MiB"}
    for line, group in zip(axes, groups, strict=True):
        shown = [row for row in group if "missing" not in row][::-1]
        colours = {FUSED: FUSED_COLOUR, FUSED_HELD: HELD_COLOUR}
        names = [row["implementation"] for row in shown]
        for axis, (key, label) in zip(line, quantities.items(), strict=True):
            values = [row[key] for row in shown]
            bars = axis.barh(names, values, color=[colours.get(n, "#9aa5b1") for n in names])
            axis.bar_label(bars, [number(value) for value in values], padding=3, fontsize=8)
            axis.set_xlim(0, max(values) * 1.15)
            axis.set_title(f"{TITLES[group[0]['task']]}, N={group[0]['sequence_count']}: {label}")
    first = groups[0][0]
    figure.suptitle(
        f"{first['motif_count']} {first['motifs']} stored in {first['width']} columns, "
        f"L={first['length']}, {thread_count(first['threads'])}",
        fontsize=11,
    )
    save(figure, path, facts)


def draw_grid(rows: list[Row], path: Path, facts: dict[str, Any]) -> None:
    """Time per site against each size, a line per implementation."""
    variables = [name for name in FIELDS if any(row["group"] == name for row in rows)]
    figure, axes = subplots(2, len(variables), 2.9 * len(variables), 6, sharey=True)
    for line, task in zip(axes, (FORWARD, FORWARD_BACKWARD), strict=True):
        for axis, variable in zip(line, variables, strict=True):
            draw_panel(axis, rows, variable, task)
        line[0].set_ylabel(f"{TITLES[task]}\nmillion sites per second")
    handles = {}
    for axis in axes.flat:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles[label] = handle
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=4)
    save(figure, path, facts)


def draw_panel(axis: Any, rows: list[Row], variable: str, task: str) -> None:
    """One size against the sites per second of every implementation."""
    field = FIELDS[variable]
    styles = dict(zip(IMPLEMENTATIONS, (FUSED_COLOUR, HELD_COLOUR, *RIVAL_COLOURS), strict=True))
    for name, colour in styles.items():
        shown = [
            row
            for row in rows
            if (row["implementation"], row["task"]) == (name, task) and "missing" not in row
        ]
        shown = [row for row in shown if row["group"] in ("headline", variable)]
        if variable != "dtype":
            shown.sort(key=lambda row: row[field])
        if name in NOT_IN_GRID:
            continue
        rates = [row["sites_per_second"] / 1e6 for row in shown]
        axis.plot([row[field] for row in shown], rates, "o-", ms=3, color=colour, label=name)
    axis.set(yscale="log", xlabel={"dtype": "compute dtype"}.get(variable, variable))
    log_scale(axis.yaxis)
    if variable != "dtype":
        sizes = sorted({row[field] for row in rows if row["group"] in ("headline", variable)})
        axis.set_xscale("log")
        axis.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=30)
        axis.xaxis.minorticks_off()


def main() -> None:
    """Measures, prints, writes."""
    arguments = parse_arguments()
    facts = machine(arguments.clock)
    print_machine(facts)
    rows = measure_all(arguments, facts)
    print_headline(rows)
    print_grid(rows)
    write_json(arguments.json, facts, rows)
    if arguments.plot:
        draw_headline(rows, arguments.plot, facts)
        if not arguments.no_grid:
            grid_path = arguments.plot.with_name(f"{arguments.plot.stem}_grid.png")
            draw_grid(rows, grid_path, facts)


if __name__ == "__main__":
    main()
