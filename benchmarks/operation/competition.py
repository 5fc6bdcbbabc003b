"""What does it cost that sites exclude each other? Forward and backward together, on a CPU.

    python -m benchmarks.operation.competition
    python -m benchmarks.operation.competition --sequences 64 --standard
    python -m benchmarks.operation.competition --kernels

Every line is measured in turn with the others, and the median of the ratios to independent sites
is shown. --standard adds the same in standard operations, which keep every site in memory:
gigabytes for the 55 million sites of 1,024 sequences and 245 motifs. --kernels measures the
kernels alone, of each instruction set in one thread, by its processor time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

import cisreg
from benchmarks.operation.lengths import ratios
from benchmarks.shared.problem import LIKE_YEAST, Point, Problem, make_problem
from cisreg import _native


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sequences", type=int, default=1024, help="N (default %(default)s)")
    parser.add_argument("--length", type=int, default=110, help="L (default %(default)s)")
    parser.add_argument("--width", type=int, default=30, help="W (default %(default)s)")
    parser.add_argument("--motifs", type=int, default=245, help="M (default %(default)s)")
    parser.add_argument(
        "--motif-set", default=LIKE_YEAST, help='folder of motifs, "like yeast" or "every column"'
    )
    parser.add_argument("--rounds", type=int, default=15, help="(default %(default)s)")
    parser.add_argument("--standard", action="store_true", help="standard operations too")
    parser.add_argument("--kernels", action="store_true", help="the kernels alone, in one thread")
    return parser.parse_args()


def step(problem: Problem, law: Callable[..., Any], **options: Any) -> Callable[[], Any]:
    """Sums, and their gradient by motifs and concentrations, in one compiled function."""
    sequence = tf.constant(problem.sequence)
    column_range = tf.constant(problem.column_range)
    shape = (len(problem.sequence), 2, problem.log_kd.shape[2])
    upstream = tf.constant(np.random.default_rng(0).normal(size=shape).astype(np.float32))

    @tf.function
    def gradient(log_kd: tf.Tensor, log_concentration: tf.Tensor) -> Any:
        trained = [log_kd, log_concentration]
        with tf.GradientTape() as tape:
            tape.watch(trained)
            bound = law(sequence, *trained, column_range=column_range, **options).bound
        return bound, tape.gradient(bound, trained, output_gradients=upstream)

    trained = tf.constant(problem.log_kd), tf.constant(problem.log_concentration)
    return lambda: tf.nest.map_structure(np.asarray, gradient(*trained))


def kernel_calls(problem: Problem, instruction_set: str) -> dict[str, Callable[[], Any]]:
    """The kernels alone: sums, and their gradient by motifs and concentrations."""
    inputs = (problem.sequence, problem.log_kd, problem.log_concentration)
    count, motifs = len(problem.sequence), problem.log_kd.shape[2]
    upstream = np.random.default_rng(0).normal(size=(count, 2, motifs)).astype(np.float32)
    none = np.zeros(count, np.float32)
    options: dict[str, Any] = {
        "column_range": problem.column_range,
        "instruction_set": instruction_set,
    }

    def independent() -> None:
        _native.occupancy_forward(*inputs, **options)
        _native.occupancy_backward(*inputs, None, upstream, **options)

    def exclusive() -> None:
        _native.exclusive_forward(*inputs, **options)
        _native.exclusive_backward(*inputs, None, upstream, None, none, **options)

    return {"independent": independent, "exclusive": exclusive}


def show(
    calls: dict[str, Callable[[], Any]],
    arguments: argparse.Namespace,
    instruction_set: str,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Measures and prints a table."""
    table = Table(
        title=f"N = {arguments.sequences}, L = {arguments.length}, W = {arguments.width}, "
        f"M = {arguments.motifs}, {instruction_set}"
    )
    for column in ("sites", "ms", "of independent"):
        table.add_column(column, justify="right")
    for name, (milliseconds, ratio) in ratios(calls, arguments.rounds, clock).items():
        table.add_row(name, f"{milliseconds:.1f}", f"{ratio:.2f}")
    Console().print(table)


def main() -> None:
    """Measures and prints."""
    arguments = parse_arguments()
    sizes = (arguments.sequences, arguments.length, arguments.width, arguments.motifs)
    problem = make_problem(Point("fused", *sizes, motifs=arguments.motif_set))
    if arguments.kernels:
        for instruction_set in _native.instruction_sets():
            calls = kernel_calls(problem, instruction_set)
            show(calls, arguments, f"{instruction_set}, one thread", time.process_time)
        return
    calls = {
        "independent": step(problem, cisreg.occupancy, implementation="fused"),
        "exclusive": step(problem, cisreg.exclusive_occupancy, implementation="fused"),
    }
    if arguments.standard:
        calls["exclusive, standard operations"] = step(
            problem, cisreg.exclusive_occupancy, implementation="standard"
        )
    show(calls, arguments, _native.selected_instruction_set())


if __name__ == "__main__":
    main()
