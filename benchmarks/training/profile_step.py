"""The train step operation by operation, as the TensorFlow profiler sees it.

    python -m benchmarks.training.profile_step --table train.tsv.gz --motifs motif_list.txt

Without a table and motifs it takes random sequences, and random motifs as wide as those of yeast.
"Around the operation" is the time in which neither the occupancy operation nor its gradient runs:
losses, penalties, optimizer, batch gathering, checks, and TensorFlow going from one to the next.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table
from tensorflow.tsl.profiler.protobuf import xplane_pb2

import cisreg
from benchmarks.shared.suite import machine, print_machine
from cisreg.data import Dataset, read_dataset
from cisreg.data.feeding.feed import MemoryFeed, Steps
from cisreg.losses import mean_squared_error
from cisreg.motifs import MotifSet, read_motifs, strongest_site_log_concentration
from cisreg.recipes import read_recipe
from cisreg.training.batch import as_batches
from cisreg.training.optimizer import StageLearningRate, make_optimizer
from cisreg.training.precision import compute_dtype
from cisreg.training.replicas import Replicas
from cisreg.training.stages import steps_per_epoch
from cisreg.training.step import Objective, StepTotals, make_train_steps
from cisreg.training.update import StepUpdate
from cisreg.training.vector import ParameterVector

PARTS = ("batch", "model", "loss", "penalty", "optimizer", "check", "totals")
OCCUPANCY = "Cisreg>"
MICROSECONDS = 1e-6  # per picosecond


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, help="sequences and expression (default: random)")
    parser.add_argument("--motifs", type=Path, help="as for cisreg train (default: random)")
    parser.add_argument("--recipe", default="quick", help="its last stage is run (%(default)s)")
    parser.add_argument("--batches", type=int, nargs="+", default=[128, 1024], help="sizes")
    parser.add_argument("--steps", type=int, default=64, help="at least, per run (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="timed runs (%(default)s)")
    parser.add_argument(
        "--precision", default="float32", choices=["float32", "mixed_bfloat16", "mixed_float16"]
    )
    parser.add_argument("--threads", type=int, default=2, help="(default %(default)s)")
    parser.add_argument(
        "--least", type=float, default=0.1, help="percent of the step that get a row (%(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does the script work?")
    parser.add_argument("--json", type=Path, help="write the measurements here")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.batches, arguments.steps, arguments.rounds = [16], 4, 1
    return arguments


def random_problem(quick: bool) -> tuple[Dataset, MotifSet]:
    """Random sequences and motifs, as many as in the yeast data, or very few."""
    random = np.random.default_rng(0)
    count, length, motifs = (64, 20, 4) if quick else (8982, 110, 245)
    sequence = random.integers(0, 4, (count, length)).astype(np.uint8)
    # Half of the yeast motifs have 9 columns or fewer, and the widest 29.
    widths = np.where(random.random(motifs) < 0.5, 7, random.integers(8, 22, motifs))
    matrices = [random.normal(0, 1.5, (width, 4)) for width in widths]
    names = [f"motif {number}" for number in range(motifs)]
    expression = random.normal(8, 3, count).astype(np.float32)
    return Dataset(sequence, expression), MotifSet.from_matrices(names, matrices, width=30)


class Training:
    """Steps of the last stage of a recipe, over and over."""

    def __init__(
        self, arguments: argparse.Namespace, dataset: Dataset, motifs: MotifSet, batch: int
    ) -> None:
        recipe = read_recipe(arguments.recipe)
        spec = recipe.spec(len(motifs), dataset.sequence.shape[1])
        initial = cisreg.init_parameters(
            spec, motifs.log_kd, strongest_site_log_concentration(motifs)
        )
        stage = recipe.stages_for(spec)[-1]
        self.epoch_steps = steps_per_epoch(len(dataset), batch)
        variables = {name: tf.Variable(value) for name, value in initial.items()}
        vector = ParameterVector(variables, stage.trainable)
        rate = StageLearningRate(
            stage.learning_rate, stage.schedule, stage.epochs, self.epoch_steps
        )
        optimizer = make_optimizer(stage, rate, arguments.precision)
        optimizer.build([vector.variable])
        columns = None if recipe.motif_flank is None else motifs.column_range(recipe.motif_flank)
        constants = {name: tf.constant(value) for name, value in initial.items()}
        self._train_steps = make_train_steps(
            *(spec, variables, vector, StepUpdate(optimizer, rate, vector.variable)),
            Objective(mean_squared_error, recipe.penalty, constants, columns),
            implementation="auto",
            compute_dtype=compute_dtype(arguments.precision),
            replicas=Replicas(),
        )
        wanted = Steps(epoch=1, steps=self.epoch_steps, first=0, per_chunk=self.epoch_steps)
        self._data = as_batches(next(MemoryFeed(dataset, 0).chunks(wanted)), Replicas())

    def run(self, epochs: int) -> float:
        """Seconds that so many epochs take."""
        before = time.perf_counter()
        for _ in range(epochs):
            totals = self._train_steps(self._data, StepTotals(), self.epoch_steps)
            assert totals.finite, "the loss, its gradient or a parameter is not finite"
        return time.perf_counter() - before


class Event(NamedTuple):
    """An operation that ran on a thread, in picoseconds."""

    name: str
    begin: int
    end: int
    self_time: int


def profile(run: Callable[[], Any]) -> list[Event]:
    """All operations that ran within the call."""
    # Level 3 includes operations that TensorFlow would not trace because they are cheap.
    options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=3, python_tracer_level=0)
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder, options):
            run()
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    return [
        event
        for plane in space.planes
        for line in plane.lines
        for event in line_events(plane, line)
        # "where/in/the/graph:Type"; what else TensorFlow traces has other names.
        if re.search(r"while/.*:\w", event.name)
    ]


def line_events(plane: Any, line: Any) -> Iterator[Event]:
    """The events of one thread with the time that none within them took."""
    stack: list[list[Any]] = []
    for event in sorted(line.events, key=lambda each: (each.offset_ps, -each.duration_ps)):
        begin = 1000 * line.timestamp_ns + event.offset_ps
        while stack and stack[-1][2] <= begin:
            yield Event(*stack.pop())
        if stack:
            stack[-1][3] -= event.duration_ps
        name = plane.event_metadata[event.metadata_id].name
        stack.append([name, begin, begin + event.duration_ps, event.duration_ps])
    while stack:
        yield Event(*stack.pop())


def part_of(name: str) -> tuple[str, str]:
    """The part of the step that an operation belongs to, and its type."""
    path, _, kind = name.rpartition(":")
    if kind.startswith(OCCUPANCY):
        return "occupancy", kind
    folders = [re.sub(r"_\d+$", "", folder) for folder in path.split("/")]
    part = next((part for part in PARTS if part in folders), "loop")
    return (f"{part}, gradient" if "gradient_tape" in folders else part), kind


def covered(events: list[Event]) -> int:
    """Picoseconds in which at least one of the events ran."""
    total = last = 0
    for event in sorted(events, key=lambda each: each.begin):
        total += max(0, event.end - max(last, event.begin))
        last = max(last, event.end)
    return total


def measure(
    arguments: argparse.Namespace, dataset: Dataset, motifs: MotifSet, batch: int
) -> dict[str, Any]:
    """Times and shares of one batch size."""
    training = Training(arguments, dataset, motifs, batch)
    epochs = -(-arguments.steps // training.epoch_steps)
    steps = epochs * training.epoch_steps
    training.run(epochs)
    unobserved = [training.run(epochs) / steps for _ in range(arguments.rounds)]
    seconds: list[float] = []
    events = profile(lambda: seconds.append(training.run(epochs)))
    step = 1e6 * seconds[0] / steps
    occupancy = [event for event in events if part_of(event.name)[0] == "occupancy"]
    operation = covered(occupancy) * MICROSECONDS / steps
    sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0.0])
    for event in events:
        row = sums[part_of(event.name)]
        row[0] += 1 / steps
        row[1] += event.self_time * MICROSECONDS / steps
    rows = [
        {"part": part, "operation": kind, "calls": calls, "microseconds": own, "share": own / step}
        for (part, kind), (calls, own) in sums.items()
    ]
    return {
        "batch": batch,
        "steps": steps,
        "median_milliseconds": 1e3 * statistics.median(unobserved),
        "profiled_milliseconds": step / 1e3,
        "around_microseconds": step - operation,
        "around_share": 1 - operation / step,
        "rows": sorted(rows, key=lambda row: -row["microseconds"]),
    }


def print_table(result: dict[str, Any], least: float) -> None:
    """Rows that are more than `least` percent of the step, and the sum around the operation."""
    table = Table(
        title=f"batch {result['batch']}: {result['median_milliseconds']:.2f} ms per step, "
        f"{result['profiled_milliseconds']:.2f} ms under the profiler"
    )
    for column in ("part", "operation", "calls per step", "self µs per step", "share"):
        table.add_column(column, justify="left" if column in ("part", "operation") else "right")
    rows = result["rows"]
    shown = [row for row in rows if 100 * row["share"] >= least]
    others = [row for row in rows if 100 * row["share"] < least]
    rest = {name: sum(row[name] for row in others) for name in ("calls", "microseconds", "share")}
    for row in [*shown, {"part": "others", "operation": "", **rest}]:
        table.add_row(
            *(row["part"], row["operation"], f"{row['calls']:.1f}"),
            *(f"{row['microseconds']:.1f}", f"{row['share']:.1%}"),
        )
    table.add_section()
    around = f"{result['around_microseconds']:.1f}", f"{result['around_share']:.1%}"
    table.add_row("around the operation", "", "", *around)
    Console(width=100).print(table)


def main() -> None:
    """Measures, prints, writes."""
    arguments = parse_arguments()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    dataset, motifs = random_problem(arguments.quick)
    if arguments.table is not None:
        dataset = read_dataset(arguments.table)
    if arguments.motifs is not None:
        motifs = read_motifs(arguments.motifs, width=read_recipe(arguments.recipe).motif_width)
    facts = machine()
    print_machine(facts)
    results = [measure(arguments, dataset, motifs, batch) for batch in arguments.batches]
    for result in results:
        print_table(result, arguments.least)
    if arguments.json:
        content = {"machine": facts, "precision": arguments.precision, "results": results}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
