"""What does it cost that sites exclude each other? Forward and backward together, on a CPU.

    python -m benchmarks.operation.competition
    python -m benchmarks.operation.competition --sequences 64 --standard

Every line is measured in turn with the others, and the median of the ratios to independent sites
is shown. --standard adds the same in standard operations, which keep every site in memory: 55
million sites of 1,024 sequences and 245 motifs took 2.3 GB.
"""

from __future__ import annotations

import argparse
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


def main() -> None:
    """Measures and prints."""
    arguments = parse_arguments()
    sizes = (arguments.sequences, arguments.length, arguments.width, arguments.motifs)
    problem = make_problem(Point("fused", *sizes, motifs=arguments.motif_set))
    calls = {
        "independent": step(problem, cisreg.occupancy, implementation="fused"),
        "exclusive": step(problem, cisreg.exclusive_occupancy, implementation="fused"),
    }
    if arguments.standard:
        calls["exclusive, standard operations"] = step(
            problem, cisreg.exclusive_occupancy, implementation="standard"
        )
    table = Table(
        title=f"N = {sizes[0]}, L = {sizes[1]}, W = {sizes[2]}, M = {sizes[3]}, "
        f"{_native.selected_instruction_set()}"
    )
    for column in ("sites", "ms", "of independent"):
        table.add_column(column, justify="right")
    for name, (milliseconds, ratio) in ratios(calls, arguments.rounds).items():
        table.add_row(name, f"{milliseconds:.1f}", f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
