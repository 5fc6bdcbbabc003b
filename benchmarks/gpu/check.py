"""cisreg through TensorFlow on this machine's GPU: the operation, whole steps, and what may fail.

    python -m benchmarks.gpu.check --json results/gpu.json --page results/gpu.html

In this order, within some minutes: XLA computes what the graph does; two GPUs train what one does;
too little memory is an error that says so; a training step of `cisreg.fit` and of Keras, with and
without XLA, against standard operations; the operation alone at many sizes, time and peak memory.
Rivals of the operation are conv1d and sigmoid, called one by one, as a graph and under XLA, each
with TensorFloat-32 (TF32), TensorFlow's default on GPUs since Ampere, and without (FP32). A time
of the operation is that of calls handed over together, results left on the GPU, divided by their
number; a peak is what a call needs of the GPU's memory beside its inputs. The limit is what the
GPU's arithmetic allows, see limit.py. What finds no time is named.

The exit status is 3 where there is no GPU or no kernel for it, and 1 where a result is wrong or a
check that is possible here has no answer.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu.budget import (
    ImpossibleError,
    Outcome,
    Result,
    Task,
    TaskError,
    reasons_of,
    results_of,
    run_tasks,
    unanswered,
)
from benchmarks.gpu.findings import words_of
from benchmarks.gpu.limit import Size
from benchmarks.gpu.report import (
    FORWARD,
    FORWARD_BACKWARD,
    KERAS_STEP,
    NO_GPU,
    SIZES,
    TRAIN_STEP,
    Table,
    draw,
    make_row,
    make_tables,
    print_tables,
    size_of,
    write_page,
)
from benchmarks.gpu.worker import Worker, tensorflow
from benchmarks.shared.rivals import FUSED, FUSED_HELD, ON_GPU_NAMES, ORIGINAL
from benchmarks.shared.suite import Row, write_json

SECONDS = 600.0
# What a task may take; XLA compiles for some of it.
OPERATION_SECONDS, STEP_SECONDS, CHECK_SECONDS = 30, 60, 90
STEP_BATCHES = (128, 1024, 8192)
STEPPED = (FUSED, FUSED_HELD, "conv1d XLA", ORIGINAL)
KERAS_FUSED = "Keras fused XLA"
KERAS_STEPPED = (KERAS_FUSED, "Keras fused graph", "Keras conv1d XLA", "Keras conv1d graph")
TINY = Size(8, length=24, width=8, motif_count=6)
# Sums of the large problem alone do not fit into the memory that `pressure` leaves.
PRESSED = (Size(128), Size(65536))


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--find", action="store_true", help="only say whether there is a GPU")
    parser.add_argument(
        "--stand-in", action="store_true", help="tiny sizes on this machine's processor"
    )
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="for everything (default %(default)s)"
    )
    parser.add_argument("--json", type=Path, help="write the measurements here")
    parser.add_argument("--page", type=Path, help="write tables and a plot here (HTML)")
    return parser.parse_args()


def ask(worker: Worker, method: str, *arguments: Any) -> Callable[[float], Result]:
    """How a task is performed: by a method in the worker's process."""

    def perform(seconds: float) -> Result:
        found = worker.ask(method, *arguments, seconds=seconds)
        if "missing" in found:
            raise ImpossibleError(found["missing"])
        return found

    return perform


def timed(
    perform: Callable[[float], Result], task: str, name: str, size: Size
) -> Callable[[float], Result]:
    """The same with the columns of tables that tell it from others."""

    def described(seconds: float) -> Result:
        own = {"task": task, "implementation": name, **size._asdict()}
        return {**own, **perform(seconds)}

    return described


def make_tasks(worker: Worker, limited: Worker, *, small: bool) -> list[Task]:
    """All there is to do; `small`: a few of each kind, at tiny sizes."""
    size = TINY if small else Size(1024)
    tasks = [
        Task("XLA", "checks", 0, CHECK_SECONDS, ask(worker, "jit", size)),
        Task("two GPUs", "checks", 0, CHECK_SECONDS, ask(worker, "replicas", size)),
        Task("memory", "checks", 0, CHECK_SECONDS, ask(limited, "pressure", *PRESSED)),
    ]
    batches = (TINY,) if small else tuple(Size(batch) for batch in STEP_BATCHES)
    for priority, task, names in ((1, TRAIN_STEP, STEPPED), (2, KERAS_STEP, KERAS_STEPPED)):
        for size, name in itertools.product(batches, names):
            perform = timed(ask(worker, "step", name, size), task, name, size)
            words = f"{task} {name} batch {size.sequence_count}"
            tasks.append(Task(words, "times", priority, STEP_SECONDS, perform))
    sizes = (TINY,) if small else SIZES
    for size, task, name in itertools.product(sizes, (FORWARD, FORWARD_BACKWARD), ON_GPU_NAMES):
        perform = timed(ask(worker, "operation", task, name, size), task, name, size)
        words = f"{task} {name} {words_of(size)}"
        tasks.append(Task(words, "times", 3, OPERATION_SECONDS, perform))
    return tasks


# ------------------------------------------------------------------------ what was found


def rows_of(facts: dict[str, Any], outcomes: Sequence[Outcome]) -> list[Row]:
    """A row per measurement of time."""
    return [
        make_row(
            found["task"],
            found["implementation"],
            size_of(found),
            found["milliseconds"],
            facts,
            found.get("peak_mebibytes"),
        )
        for found in results_of(outcomes, "times")
    ]


def tables_of(rows: Sequence[Row], outcomes: Sequence[Outcome]) -> list[Table]:
    """Checks, steps, the operation, and what has no result; without empty tables."""
    cells = [
        [each["name"], "right" if each["right"] else "WRONG", each["said"]]
        for each in results_of(outcomes, "checks")
    ]
    tables = [Table("checks", ("", "", ""), cells)]
    keras = [row for row in rows if row["task"] == KERAS_STEP]
    others = [row for row in rows if row["task"] != KERAS_STEP]
    tables += [*make_tables(others, FUSED), *make_tables(keras, KERAS_FUSED)]
    tables.append(Table("no result", ("", "why"), [list(each) for each in reasons_of(outcomes)]))
    return [table for table in tables if table.rows]


def is_right(outcomes: Sequence[Outcome]) -> bool:
    """Whether every check that there was time for, and that is possible, has the right answer.

    A check that hangs or fails is no less a fault than a wrong number.
    """
    right = all(each["right"] for each in results_of(outcomes, "checks"))
    return right and not unanswered(outcomes, "checks")


def write_findings(
    facts: dict[str, Any], outcomes: Sequence[Outcome], json: Path | None, page: Path | None
) -> None:
    """Prints everything, and writes what is asked for."""
    rows = rows_of(facts, outcomes)
    tables = tables_of(rows, outcomes)
    print_tables(tables)
    write_json(json, facts, [dataclasses.asdict(each) for each in outcomes])
    alone = [row for row in rows if row["task"] in (FORWARD, FORWARD_BACKWARD)]
    title = f"cisreg through TensorFlow on {facts['device']}"
    write_page(page, title, facts, tables, draw(alone, facts))


def main() -> None:
    """Measures, prints, writes."""
    began = time.monotonic()
    arguments = parse_arguments()
    make = functools.partial(tensorflow, stand_in=arguments.stand_in)
    worker, limited = Worker(make), Worker(functools.partial(make, limited=True))
    try:
        facts = worker.ask("describe", seconds=60)
    except TaskError as error:
        print(str(error).partition(": ")[2] or error, file=sys.stderr)
        raise SystemExit(NO_GPU) from error
    print(", ".join(f"{key} {value}" for key, value in facts.items()))
    if arguments.find:
        return
    tasks = make_tasks(worker, limited, small=arguments.stand_in)
    left = arguments.seconds - (time.monotonic() - began)
    outcomes = run_tasks(tasks, left, tell=lambda name: print(name, file=sys.stderr))
    worker.end()
    limited.end()
    write_findings(facts, outcomes, arguments.json, arguments.page)
    if not is_right(outcomes):
        raise SystemExit("wrong or missing results, see above")


if __name__ == "__main__":
    main()
