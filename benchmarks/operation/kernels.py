"""The CPU kernels alone, one thread, without TensorFlow: measures what an idea gains.

    python -m benchmarks.operation.kernels --data folder

Prints the best of many calls, which other programs on the machine disturb least. To compare two
versions of the kernels, run both in turn and keep each one's best.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.shared.problem import EVERY_COLUMN, Point, make_problem
from benchmarks.shared.suite import add_data_option, describe_motifs, motif_source
from cisreg import _native


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sequences", type=int, default=512, help="N (default %(default)s)")
    parser.add_argument("--length", type=int, default=110, help="L (default %(default)s)")
    parser.add_argument("--width", type=int, default=30, help="W (default %(default)s)")
    parser.add_argument("--motifs", type=int, default=245, help="M (default %(default)s)")
    parser.add_argument("--calls", type=int, default=25, help="(default %(default)s)")
    add_data_option(parser)
    return parser.parse_args()


def best_milliseconds(call: Callable[[], Any], calls: int) -> float:
    """The shortest of this many calls."""
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def measure(arguments: argparse.Namespace, source: str, instruction_set: str) -> list[float]:
    """Milliseconds forward, backward, and backward with zero columns held."""
    sizes = (arguments.sequences, arguments.length, arguments.width, arguments.motifs)
    problem = make_problem(Point("fused", *sizes, motifs=source))
    upstream = np.random.default_rng(0).normal(size=(arguments.sequences, 2, arguments.motifs))
    inputs = (problem.sequence, problem.log_kd, problem.log_concentration, None)
    options = {"instruction_set": instruction_set}
    held = {**options, "column_range": problem.column_range}
    calls = (
        lambda: _native.occupancy_forward(*inputs, **options),
        lambda: _native.occupancy_backward(*inputs, upstream, **options),
        lambda: _native.occupancy_backward(*inputs, upstream, **held),
    )
    return [best_milliseconds(call, arguments.calls) for call in calls]


def main() -> None:
    """Measures and prints."""
    arguments = parse_arguments()
    table = Table(title="milliseconds, one thread, best call")
    for column in ("instruction set", "motifs", "forward", "backward", "backward held"):
        table.add_column(column, justify="right")
    for instruction_set in _native.instruction_sets():
        for source in (motif_source(arguments), EVERY_COLUMN):
            name = "every column used" if source == EVERY_COLUMN else describe_motifs(source)
            times = measure(arguments, source, instruction_set)
            table.add_row(instruction_set, name, *(f"{each:.2f}" for each in times))
    Console().print(table)


if __name__ == "__main__":
    main()
