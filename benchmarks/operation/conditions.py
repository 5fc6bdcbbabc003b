"""Several sets of position weights and several conditions in one scan: time against separate calls.

    python -m benchmarks.operation.conditions

Forward and backward of the CPU kernels, as a training step computes them, without TensorFlow; each
line is measured in turn with all the others, and the median of the ratios to one set or condition
is shown: other programs on the machine disturb these least, and still less the time of the
processor that `--processor` counts, of all threads together. `--standard` adds the same in standard
TensorFlow operations, with fewer sequences, since they write every site to memory.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.operation.lengths import ratios
from benchmarks.shared.problem import EVERY_COLUMN, Point, make_problem
from cisreg import _native

SETS, CONDITIONS = (1, 2, 3), (1, 2, 4, 8)


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
    parser.add_argument("--rounds", type=int, default=9, help="(default %(default)s)")
    parser.add_argument("--instruction-set", default="", help="(default: the best there is)")
    parser.add_argument(
        "--processor", action="store_true", help="time of the processor, not of the clock"
    )
    parser.add_argument(
        "--standard", type=int, default=0, metavar="N", help="sequences of standard operations"
    )
    return parser.parse_args()


@dataclasses.dataclass(frozen=True)
class Case:
    """Inputs of the operation and upstream gradients.

    `sets` of 0: no position weights.
    """

    sequence: np.ndarray
    log_kd: np.ndarray
    log_concentration: np.ndarray
    position_weight: np.ndarray | None
    bound: np.ndarray
    weighted: np.ndarray | None
    condition: np.ndarray | None = None

    def one(self, at: int) -> Case:
        """One condition, or one set, as a call of its own."""
        if self.position_weight is None:
            return dataclasses.replace(
                self, log_concentration=self.log_concentration[at], bound=self.bound[:, at]
            )
        return dataclasses.replace(
            self,
            log_concentration=self.log_concentration[0],
            position_weight=self.position_weight[at],
            bound=self.bound[:, 0],
            weighted=self.weighted[:, 0, at],
        )


def make_case(arguments: argparse.Namespace, count: int, conditions: int, sets: int) -> Case:
    """A problem with this many sequences, conditions and sets of weights."""
    sizes = (count, arguments.length, arguments.width, arguments.motifs)
    problem = make_problem(Point("fused", *sizes, motifs=EVERY_COLUMN))
    random = np.random.default_rng(0)
    strands = (2, arguments.motifs)
    steps = random.normal(0, 1, (conditions, arguments.motifs))
    weight = random.normal(1, 0.3, (sets, 2, arguments.length, arguments.motifs))
    return Case(
        problem.sequence,
        problem.log_kd,
        (problem.log_concentration + steps).astype(np.float32),
        weight.astype(np.float32) if sets else None,
        random.normal(size=(count, conditions, *strands)).astype(np.float32),
        random.normal(size=(count, conditions, sets, *strands)).astype(np.float32)
        if sets
        else None,
    )


def kernels(arguments: argparse.Namespace, case: Case) -> None:
    """Forward and backward, as the fused operation and its gradient compute them."""
    inputs = (case.sequence, case.log_kd, case.log_concentration, case.position_weight)
    options = {"threads": arguments.threads, "instruction_set": arguments.instruction_set}
    options["condition"] = case.condition
    _native.occupancy_forward(*inputs, **options)
    _native.occupancy_backward(*inputs, case.bound, case.weighted, **options)


def standard_step(case: Case) -> Callable[[], Any]:
    """The same in standard operations, compiled by XLA."""
    import tensorflow as tf

    from cisreg import occupancy

    trained = [case.log_kd, case.log_concentration]
    upstream = [case.bound]
    if case.position_weight is not None:
        trained, upstream = [*trained, case.position_weight], [*upstream, case.weighted]
    trained, upstream = [[tf.constant(x) for x in each] for each in (trained, upstream)]

    @tf.function(jit_compile=True)
    def step() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(trained)
            sums = occupancy(
                case.sequence,
                *trained[:2],
                position_weight=trained[2] if len(trained) > 2 else None,
                implementation="standard",
            )
            parts = [tf.reduce_sum(s * g) for s, g in zip(sums, upstream, strict=False)]
            total = tf.add_n(parts)
        return tape.gradient(total, trained)

    return lambda: [each.numpy() for each in step()]


def steps(arguments: argparse.Namespace, what: str, count: int) -> dict[str, Case]:
    """Cases by name: of several sets in one condition, or of several conditions without weights."""
    if what == "K":
        return {f"K = {sets}": make_case(arguments, count, 1, sets) for sets in SETS}
    return {f"C = {each}": make_case(arguments, count, each, 0) for each in CONDITIONS}


def own_conditions(arguments: argparse.Namespace) -> dict[str, Case]:
    """Four conditions of which each sequence has one, and concentrations of each sequence."""
    cases = {}
    for name, conditions in (("4, one each", 4), ("N, one each", arguments.sequences)):
        case = make_case(arguments, arguments.sequences, conditions, 0)
        condition = (np.arange(arguments.sequences) % conditions).astype(np.int32)
        bound = np.ascontiguousarray(case.bound[:, 0])
        cases[f"C = {name}"] = dataclasses.replace(case, condition=condition, bound=bound)
    return cases


def measure(arguments: argparse.Namespace, what: str) -> Table:
    """Times of one scan and of separate calls, and of standard operations where asked for."""
    clock = time.process_time if arguments.processor else time.perf_counter
    cases = steps(arguments, what, arguments.sequences)
    single = next(iter(cases.values())).one(0)
    calls: dict[str, Callable[[], Any]] = {"one call": lambda: kernels(arguments, single)}
    for name, case in (cases | (own_conditions(arguments) if what == "C" else {})).items():
        calls[name] = lambda case=case: kernels(arguments, case)
    for name, case in list(cases.items())[1:]:
        count = int(name.split()[-1])
        parts = [case.one(at) for at in range(count)]
        calls[f"{name}, separate calls"] = lambda parts=parts: [
            kernels(arguments, part) for part in parts
        ]
    table = Table(
        title=f"forward and backward, N = {arguments.sequences}, {arguments.threads} threads"
    )
    for column in ("", "milliseconds", "of one call"):
        table.add_column(column, justify="right")
    for name, (taken, ratio) in ratios(calls, arguments.rounds, clock).items():
        table.add_row(name, f"{taken:.1f}", f"{ratio:.2f}")
    if arguments.standard:
        table.add_section()
        some = steps(arguments, what, arguments.standard)
        plain = {
            f"{name}, fused": lambda case=case: kernels(arguments, case)
            for name, case in some.items()
        }
        compiled = {f"{name}, standard": standard_step(case) for name, case in some.items()}
        for name, (taken, _) in ratios(plain | compiled, arguments.rounds, clock).items():
            table.add_row(f"{name}, N = {arguments.standard}", f"{taken:.1f}", "")
    return table


def main() -> None:
    """Measures and prints."""
    arguments = parse_arguments()
    for what in ("K", "C"):
        Console().print(measure(arguments, what))


if __name__ == "__main__":
    main()
