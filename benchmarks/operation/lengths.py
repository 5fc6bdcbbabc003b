"""What lengths of rows cost and save: the CPU kernels alone, one thread, without TensorFlow.

    python -m benchmarks.operation.lengths

Every line is measured in turn with all the others, and the median of the ratios to the batch
without lengths is shown: other programs on the machine disturb these least.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.shared.problem import EVERY_COLUMN, Point, make_problem
from cisreg import _native

NONE = "no lengths"


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sequences", type=int, default=512, help="N (default %(default)s)")
    parser.add_argument("--length", type=int, default=220, help="L (default %(default)s)")
    parser.add_argument("--width", type=int, default=30, help="W (default %(default)s)")
    parser.add_argument("--motifs", type=int, default=245, help="M (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="(default %(default)s)")
    parser.add_argument("--padding", choices=("same", "valid"), default="same")
    return parser.parse_args()


def lengths(count: int, length: int) -> dict[str, np.ndarray | None]:
    """Lengths of rows by what they are; all but the first two leave half of the bases or less."""
    uniform = np.linspace(0, length, count).astype(np.int32)
    return {
        NONE: None,
        "every row L": np.full(count, length, np.int32),
        "every row L / 2": np.full(count, length // 2, np.int32),
        "from 0 to L, mixed": np.random.default_rng(0).permutation(uniform),
        "from 0 to L, sorted": uniform,
        "every second row empty": np.tile(np.array([0, length], np.int32), count)[:count],
        "every row empty": np.zeros(count, np.int32),
    }


def ratios(
    calls: dict[str, Callable[[], Any]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, tuple[float, float]]:
    """Median milliseconds of each call, and median of its ratio to the first one in its round."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            start = clock()
            call()
            times[name].append(1e3 * (clock() - start))
    first = times[next(iter(calls))]
    return {
        name: (median(each), median(a / b for a, b in zip(each, first, strict=True)))
        for name, each in times.items()
    }


def main() -> None:
    """Measures and prints."""
    arguments = parse_arguments()
    sizes = (arguments.sequences, arguments.length, arguments.width, arguments.motifs)
    problem = make_problem(Point("fused", *sizes, motifs=EVERY_COLUMN))
    upstream = np.random.default_rng(0).normal(size=(arguments.sequences, 2, arguments.motifs))
    rest = (problem.log_kd, problem.log_concentration, None)
    shorter = np.ascontiguousarray(problem.sequence[:, : arguments.length // 2])

    def forward(sequence: np.ndarray, length: np.ndarray | None) -> Any:
        options = {"length": length, "padding": arguments.padding}
        return _native.occupancy_forward(sequence, *rest, **options)

    def backward(sequence: np.ndarray, length: np.ndarray | None) -> Any:
        options = {"length": length, "padding": arguments.padding}
        return _native.occupancy_backward(sequence, *rest, upstream, **options)

    table = Table(title=f"one thread, {_native.selected_instruction_set()}")
    for column in ("lengths", "forward", "of the first", "backward", "of the first"):
        table.add_column(column, justify="right")
    results = []
    for run in (forward, backward):
        calls = {
            name: (lambda run=run, length=length: run(problem.sequence, length))
            for name, length in lengths(*sizes[:2]).items()
        }
        calls["a batch of L / 2"] = lambda run=run: run(shorter, None)
        results.append(ratios(calls, arguments.rounds))
    for name in results[0]:
        cells = [
            f"{value:.{digits}f}"
            for each in results
            for value, digits in zip(each[name], (2, 3), strict=True)
        ]
        table.add_row(name, *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
