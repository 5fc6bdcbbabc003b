"""Time of the fused operation against each size of the problem and the number of threads.

    python -m benchmarks.operation.scaling --plot docs/images/scaling.png

One size after the other is varied around N=1024, L=110, M=245, W=30, with random motifs that fill
their columns. The slope is that of log time against log size between two neighbouring points: 1
where time is proportional to the size. A range is called linear where all slopes within it lie
between 0.8 and 1.2; below it fixed costs show, above it caches. Along W a slope below 1 is expected
everywhere: a site costs its sigmoid whatever its width.
"""

from __future__ import annotations

import argparse
import itertools
import math
from typing import Any

from benchmarks.shared.limit import limit_milliseconds
from benchmarks.shared.measure import FORWARD, FORWARD_BACKWARD, Servers
from benchmarks.shared.problem import EVERY_COLUMN, Point
from benchmarks.shared.rivals import FUSED
from benchmarks.shared.suite import (
    FUSED_COLOUR,
    HELD_COLOUR,
    Row,
    log_scale,
    machine,
    make_parser,
    median,
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

SIZES = {
    "N": ("sequence_count", (1, 4, 16, 64, 256, 1024, 4096)),
    "L": ("length", (10, 25, 50, 110, 250, 500, 1000, 2000)),
    "M": ("motif_count", (1, 4, 16, 64, 245, 1000, 2000)),
    "W": ("width", (1, 3, 6, 12, 21, 30)),
}
QUICK = {"sequence_count": 8, "length": 25, "motif_count": 4, "width": 6}
LINEAR = (0.8, 1.2)
TASKS = {FORWARD: "forward", FORWARD_BACKWARD: "forward + backward"}


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    return parse(make_parser(__doc__, seconds=0.25, rounds=1))


def measure_all(arguments: argparse.Namespace, facts: dict[str, Any]) -> list[Row]:
    """A row per variable, value, number of threads and task; the numbers of threads in turn."""
    base = Point(FUSED, motifs=EVERY_COLUMN)
    if arguments.quick:
        base = base._replace(**QUICK)
    rows: list[Row] = []
    done, count = 0, sum(2 if arguments.quick else len(values) for _, values in SIZES.values())
    with Servers() as servers:
        for variable, (field, values) in SIZES.items():
            for value in values[:2] if arguments.quick else values:
                tell_progress(done, count, f"{variable} = {value}")
                done += 1
                for task in TASKS:
                    times: dict[int, list[float]] = {}
                    for _ in range(arguments.rounds):
                        for threads in range(1, arguments.threads + 1):
                            point = base._replace(**{field: value, "threads": threads})
                            result = servers.measure(point, task, seconds=arguments.seconds)
                            times.setdefault(threads, []).extend(result["milliseconds"])
                    for threads, of_point in times.items():
                        point = base._replace(**{field: value, "threads": threads})
                        rows.append(summarise(variable, value, task, point, of_point, facts))
    return rows


def summarise(
    variable: str,
    value: int,
    task: str,
    point: Point,
    times: list[float],
    facts: dict[str, Any],
) -> Row:
    """Median, spread and share of the limit of a point."""
    limit = limit_milliseconds(
        point, facts["instruction_set"], facts["clock_ghz"] * 1e9, backward=task != FORWARD
    )
    return {
        "variable": variable,
        "value": value,
        "task": task,
        **point._asdict(),
        "median_milliseconds": median(times),
        "quartiles_milliseconds": quartiles(times),
        "calls": len(times),
        "share_of_limit": limit / median(times),
    }


def curve(rows: list[Row], variable: str, task: str, threads: int) -> list[Row]:
    """The points along one size."""
    key = (variable, task, threads)
    return [row for row in rows if (row["variable"], row["task"], row["threads"]) == key]


def slopes(points: list[Row]) -> list[float]:
    """Of log time against log size, between neighbours."""
    return [
        math.log(after["median_milliseconds"] / before["median_milliseconds"])
        / math.log(after["value"] / before["value"])
        for before, after in itertools.pairwise(points)
    ]


def linear_range(values: list[int], of_slopes: list[float]) -> tuple[int, int] | None:
    """The longest run of sizes between which all slopes count as linear, or None.

    Example:
        >>> linear_range([1, 4, 16, 64], [0.1, 0.9, 1.0])
        (4, 64)
    """
    best: tuple[int, int] | None = None
    start = 0
    for end, slope in enumerate(of_slopes, start=1):
        if not LINEAR[0] <= slope <= LINEAR[1]:
            start = end
        elif best is None or end - start > best[1] - best[0]:
            best = (start, end)
    return None if best is None else (values[best[0]], values[best[1]])


def print_rows(rows: list[Row], threads: int) -> None:
    """Per task: times and slopes along each size; what a second thread brings."""
    for task, title in TASKS.items():
        lines = []
        for variable in SIZES:
            points = curve(rows, variable, task, threads)
            alone = curve(rows, variable, task, 1)
            of_slopes = slopes(points)
            linear = linear_range([row["value"] for row in points], of_slopes)
            for index, (row, single) in enumerate(zip(points, alone, strict=True)):
                speedup = single["median_milliseconds"] / row["median_milliseconds"]
                lines.append(
                    [
                        f"{variable} = {row['value']}",
                        number(single["median_milliseconds"]),
                        number(row["median_milliseconds"]),
                        f"{speedup:.2f}x",
                        f"{of_slopes[index - 1]:.2f}" if index else "",
                        f"{row['share_of_limit']:.0%}",
                    ]
                )
            text = "nowhere" if linear is None else f"{linear[0]} to {linear[1]}"
            lines.append([f"  {variable}: linear {text}", "", "", "", "", ""])
        columns = (
            "",
            "ms, 1 thread",
            f"ms, {thread_count(threads)}",
            "speed-up",
            "slope",
            "of limit",
        )
        print_table(f"{title}, around N=1024, L=110, M=245, W=30", columns, lines)


def draw(rows: list[Row], arguments: argparse.Namespace, facts: dict[str, Any]) -> None:
    """A panel per size, and one for the threads."""
    figure, axes = subplots(1, len(SIZES) + 1, 15, 3.6)
    colours = {FORWARD: HELD_COLOUR, FORWARD_BACKWARD: FUSED_COLOUR}
    styles = {1: "o--", arguments.threads: "o-"}
    for axis, variable in zip(axes[0], SIZES, strict=False):
        for task, title in TASKS.items():
            for threads, style in styles.items():
                points = curve(rows, variable, task, threads)
                values = [row["value"] for row in points]
                times = [row["median_milliseconds"] for row in points]
                label = f"{title}, {thread_count(threads)}"
                axis.plot(values, times, style, ms=3, color=colours[task], label=label)
            if variable != "W":
                draw_proportional(axis, values, times)
        axis.set(xscale="log", yscale="log", xlabel=variable)
        log_scale(axis.xaxis)
        log_scale(axis.yaxis)
    axes[0, 0].set_ylabel("ms")
    draw_threads(axes[0, -1], rows, arguments.threads, colours)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    save(figure, arguments.plot, facts)


def draw_proportional(axis: Any, values: list[int], times: list[float]) -> None:
    """The line of slope 1 through the largest size."""
    line = [times[-1] * value / values[-1] for value in values]
    axis.plot(values, line, ":", color="#bbbbbb", label="proportional" if not axis.lines else None)


def draw_threads(axis: Any, rows: list[Row], threads: int, colours: dict[str, str]) -> None:
    """How much faster the largest batch is on more threads."""
    counts = list(range(1, threads + 1))
    for task in TASKS:
        last = [curve(rows, "N", task, count)[-1]["median_milliseconds"] for count in counts]
        axis.plot(counts, [last[0] / time for time in last], "o-", ms=3, color=colours[task])
    axis.plot(counts, counts, ":", color="#bbbbbb")
    axis.set(xlabel="threads", ylabel=f"speed-up at N={SIZES['N'][1][-1]}", xticks=counts)


def main() -> None:
    """Measures, prints, writes."""
    arguments = parse_arguments()
    facts = machine(arguments.clock)
    print_machine(facts)
    rows = measure_all(arguments, facts)
    print_rows(rows, arguments.threads)
    write_json(arguments.json, facts, rows)
    if arguments.plot:
        draw(rows, arguments, facts)


if __name__ == "__main__":
    main()
