"""The CPU kernels alone, one thread, without TensorFlow: what an idea gains is measured here.

    python benchmarks/kernels.py

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

from cisreg import _native


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sequences", type=int, default=256, help="N (default %(default)s)")
    parser.add_argument("--length", type=int, default=110, help="L (default %(default)s)")
    parser.add_argument("--motifs", type=int, default=245, help="M (default %(default)s)")
    parser.add_argument("--widths", type=int, nargs="+", default=[30, 9], help="W, one or more")
    parser.add_argument("--calls", type=int, default=60, help="(default %(default)s)")
    return parser.parse_args()


def best_seconds(call: Callable[[], Any], calls: int) -> float:
    """Shortest of so many calls."""
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(arguments: argparse.Namespace, width: int, instruction_set: str) -> list[float]:
    """Billions of sites per second, forward and backward."""
    random = np.random.default_rng(0)
    count, motifs = arguments.sequences, arguments.motifs
    sequence = random.integers(0, 4, (count, arguments.length)).astype(np.uint8)
    log_kd = random.normal(0, 1.5, (width, 4, motifs)).astype(np.float32)
    # The strongest site is occupied half of the time, as training assumes at its start.
    log_concentration = log_kd.min(axis=1).sum(axis=0)
    upstream = random.normal(size=(count, 2, motifs)).astype(np.float32)
    inputs = (sequence, log_kd, log_concentration, None)
    calls = (
        lambda: _native.occupancy_forward(*inputs, instruction_set=instruction_set),
        lambda: _native.occupancy_backward(*inputs, upstream, instruction_set=instruction_set),
    )
    sites = 2 * count * arguments.length * motifs
    return [sites / best_seconds(call, arguments.calls) / 1e9 for call in calls]


def main() -> None:
    """Measures and prints."""
    arguments = parse_arguments()
    table = Table(title="billions of sites per second, one thread, best call")
    for column in ("instruction set", "W", "forward", "backward"):
        table.add_column(column, justify="right")
    for instruction_set in _native.instruction_sets():
        for width in arguments.widths:
            rates = measure(arguments, width, instruction_set)
            table.add_row(instruction_set, str(width), *(f"{rate:.2f}" for rate in rates))
    Console().print(table)


if __name__ == "__main__":
    main()
