"""The fused operation against the same law in standard operations: time and peak memory.

    python benchmarks/fused_vs_standard.py --json fused.json --plot docs/images/fused.png

Every row is measured in a process of its own, rivals in turn, several rounds.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
from importlib import metadata
from pathlib import Path
from typing import Any

from measure import Point, measure_in_fresh_process
from rich.console import Console
from rich.table import Table
from rivals import IMPLEMENTATIONS

TASKS = {"forward": "forward", "forward_backward": "forward + backward"}


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sequences", type=int, default=1024, help="N (default %(default)s)")
    parser.add_argument("--length", type=int, default=110, help="L (default %(default)s)")
    parser.add_argument("--width", type=int, default=30, help="W (default %(default)s)")
    parser.add_argument("--motifs", type=int, default=245, help="M (default %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="processes per row (%(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="per process (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does the script work?")
    parser.add_argument("--json", type=Path, help="write the measurements here")
    parser.add_argument("--plot", type=Path, help="draw them here (PNG)")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.sequences, arguments.motifs, arguments.width = 8, 4, 5
        arguments.rounds, arguments.seconds = 1, 0.0
    return arguments


def measure_all(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """A row per implementation and task; rounds interleaved, so that drift hits all alike."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for _ in range(arguments.rounds):
        for task in TASKS:
            for implementation in IMPLEMENTATIONS:
                point = Point(
                    *(implementation, task, arguments.sequences, arguments.length),
                    *(arguments.width, arguments.motifs, arguments.threads),
                )
                result = measure_in_fresh_process(point, arguments.seconds)
                row = rows.setdefault(
                    (task, implementation), {**point._asdict(), "milliseconds": [], "peaks": []}
                )
                row["milliseconds"] += result["milliseconds"]
                row["peaks"].append(result["peak_mebibytes"])
    return [summarise(row) for row in rows.values()]


def summarise(row: dict[str, Any]) -> dict[str, Any]:
    """Median and spread of the times, median of the peaks."""
    times = sorted(row.pop("milliseconds"))
    sites = 2 * row["sequence_count"] * row["length"] * row["motif_count"]
    median = statistics.median(times)
    return {
        **row,
        "median_milliseconds": median,
        "quartiles_milliseconds": [times[len(times) // 4], times[3 * len(times) // 4]],
        "calls": len(times),
        "sites_per_second": sites / median * 1e3,
        "peak_mebibytes": statistics.median(row.pop("peaks")),
    }


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    name = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            name = line.partition(":")[2].strip()
    return {
        "device": name,
        "tensorflow": metadata.version("tensorflow"),
        "cisreg": metadata.version("cisreg"),
        "python": platform.python_version(),
    }


def print_table(rows: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    """Rows with their ratio to the fused one."""
    console = Console(width=110)
    console.print(" ".join(f"{key} {value}," for key, value in machine().items()).rstrip(","))
    for task, title in TASKS.items():
        table = Table(
            title=f"{title}: N={arguments.sequences} L={arguments.length} M={arguments.motifs} "
            f"W={arguments.width}, {arguments.threads} threads"
        )
        for column in ("implementation", "median ms", "quartiles", "Gsites/s", "time", "peak MiB"):
            table.add_column(column, justify="left" if column == "implementation" else "right")
        table.add_column("memory", justify="right")
        of_task = [row for row in rows if row["task"] == task]
        best = next(row for row in of_task if row["implementation"] == "fused")
        for row in of_task:
            low, high = row["quartiles_milliseconds"]
            table.add_row(
                row["implementation"],
                f"{row['median_milliseconds']:.1f}",
                f"{low:.1f} to {high:.1f}",
                f"{row['sites_per_second'] / 1e9:.2f}",
                f"{row['median_milliseconds'] / best['median_milliseconds']:.1f}x",
                f"{row['peak_mebibytes']:.1f}",
                f"{row['peak_mebibytes'] / max(best['peak_mebibytes'], 0.1):.0f}x",
            )
        console.print(table)


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Time and peak memory as bars, one panel each."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(9, 5), sharey=True, layout="constrained")
    quantities = {"median_milliseconds": "time (ms)", "peak_mebibytes": "peak memory (MiB)"}
    for line, (task, title) in zip(axes, TASKS.items(), strict=True):
        of_task = [row for row in rows if row["task"] == task][::-1]
        names = [row["implementation"] for row in of_task]
        colors = ["#b5482f" if name == "fused" else "#9aa5b1" for name in names]
        for axis, (key, label) in zip(line, quantities.items(), strict=True):
            values = [row[key] for row in of_task]
            bars = axis.barh(names, values, color=colors)
            labels = [f"{value:,.0f}" for value in values]
            axis.bar_label(bars, labels, padding=3, fontsize=8)
            axis.set_xlim(0, max(values) * 1.12)
            axis.set_xlabel(label)
            axis.set_title(title, fontsize=10)
            axis.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Measures, prints, writes."""
    arguments = parse_arguments()
    rows = measure_all(arguments)
    print_table(rows, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")
    if arguments.plot:
        draw(rows, arguments.plot)


if __name__ == "__main__":
    main()
