"""What the scripts share: options, the machine, medians, tables, JSON and plots.

At import it needs only the standard library; a function imports what else it needs, so that scripts
for machines with little installed can use the others.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

Row = dict[str, Any]

LIBRARIES = ("tensorflow", "torch", "jax", "lightmotif", "numpy")
FUSED_COLOUR = "#b5482f"
HELD_COLOUR = "#e0a458"
RIVAL_COLOURS = ("#9aa5b1", "#5d7a99", "#7d9d7a", "#a08bb5", "#c2b280", "#6fa8a8", "#8c8c8c")


def make_parser(description: str | None, *, seconds: float, rounds: int) -> argparse.ArgumentParser:
    """The options that all scripts share.

    Args:
        description: the script's docstring.
        seconds: default time for one measurement.
        rounds: default number of processes per point.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2, help="(default %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=rounds, help="processes per row (default %(default)s)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=seconds,
        help="for the calls of one process (default %(default)s)",
    )
    parser.add_argument("--clock", type=float, help="GHz of a busy core; default: measured")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does the script work?")
    parser.add_argument("--json", type=Path, help="write the measurements here")
    parser.add_argument("--plot", type=Path, help="draw them here (PNG)")
    return parser


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """For the scripts that can work on real motifs."""
    parser.add_argument(
        "--data",
        type=Path,
        help="folder whose motif_list.txt names the motifs; default: random ones of like widths",
    )


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Arguments, checked; one short round where the script is asked to be quick."""
    arguments = parser.parse_args()
    data = getattr(arguments, "data", None)
    if data is not None and not (data / "motif_list.txt").is_file():
        parser.error(f"--data: expected a folder with motif_list.txt, got {data}")
    available = len(os.sched_getaffinity(0))
    if arguments.threads > available:
        parser.error(f"--threads: expected at most {available} on this machine")
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 0.0
    return arguments


def motif_source(arguments: argparse.Namespace) -> str:
    """What `Point.motifs` is to name."""
    from benchmarks.shared.problem import LIKE_YEAST

    return LIKE_YEAST if arguments.data is None else str(arguments.data.resolve())


def describe_motifs(source: str) -> str:
    """The motifs for titles of tables; never a path, which means nothing on another machine."""
    from benchmarks.shared.problem import LIKE_YEAST

    return "random motifs of like widths" if source == LIKE_YEAST else "yeast motifs"


def machine(clock: float | None = None) -> dict[str, Any]:
    """What the numbers were measured on; `clock` in GHz, measured where it is not given."""
    from benchmarks.shared.limit import measure_clock
    from cisreg import _native

    name = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            name = line.partition(":")[2].strip()
    return {
        "device": name,
        "cores": len(os.sched_getaffinity(0)),
        "instruction_set": _native.selected_instruction_set(),
        "clock_ghz": round(clock or measure_clock() / 1e9, 2),
        "cisreg": metadata.version("cisreg"),
        "python": platform.python_version(),
        **{library: version(library) for library in LIBRARIES},
    }


def version(package: str) -> str:
    """Of an installed package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def quartiles(values: Sequence[float]) -> list[float]:
    """Lower and upper quartile."""
    if len(values) < 2:
        return [values[0], values[0]]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return [low, high]


def number(value: float, digits: int = 3) -> str:
    """A number for tables: a few significant digits, no exponent."""
    if value == 0:
        return "0"
    magnitude = len(f"{int(abs(value))}") if abs(value) >= 1 else 0
    return f"{value:,.{max(0, digits - max(magnitude, 1))}f}"


def thread_count(threads: int) -> str:
    """For titles and labels."""
    return "1 thread" if threads == 1 else f"{threads} threads"


def tell_progress(done: int, count: int, what: str) -> None:
    """Writes to standard error what is measured now; tables are printed at the end."""
    print(f"{done + 1} of {count}: {what}", file=sys.stderr)


def print_machine(facts: dict[str, Any]) -> None:
    """One line above the tables."""
    from rich.console import Console

    Console(width=120).print(", ".join(f"{key} {value}" for key, value in facts.items()))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The first column left, the others right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    Console(width=150).print(table)


def write_json(path: Path | None, facts: dict[str, Any], rows: Sequence[Row]) -> None:
    """Machine and measurements, where a file was asked for."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": facts, "rows": list(rows)}, indent=1) + "\n")


def subplots(rows: int, columns: int, width: float, height: float, **options: Any) -> Any:
    """Figure and axes [rows, columns] in the suite's style."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    style = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}
    plt.rcParams.update({**style, "axes.titlesize": 10, "legend.frameon": False})
    return plt.subplots(
        rows, columns, figsize=(width, height), layout="constrained", squeeze=False, **options
    )


def log_scale(axis: Any) -> None:
    """Logarithmic, with plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def save(
    figure: Any, path: Path, facts: dict[str, Any], libraries: Sequence[str] = ("tensorflow",)
) -> None:
    """Writes the figure with a line that says what it was measured on."""
    versions = ", ".join(f"{library} {facts[library]}" for library in ("cisreg", *libraries))
    device = f"{facts['device']}, {facts['instruction_set']}"
    figure.supxlabel(f"{device}; {versions}", fontsize=7, color="#666666")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
