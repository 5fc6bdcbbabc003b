"""Training from files: which share of the time is not spent in the kernels?

    python -m benchmarks.training.training_from_files --dataset shards --data FOLDER

Some steps of `cisreg.fit` are run twice on row groups that are streamed, and TensorFlow's profiler
says how long the occupancy operation and its gradient ran in the second epoch. All else that the
epoch took is not kernels: waiting for the reader, the layers, the optimizer, Python. Random
sequences where no dataset is given.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import cisreg
from benchmarks.shared.suite import (
    Row,
    add_data_option,
    machine,
    make_parser,
    parse,
    print_machine,
    print_table,
)
from benchmarks.shared.suite import write_json as write
from benchmarks.training.profile_step import MICROSECONDS, covered, part_of, profile, random_problem
from cisreg.data.feeding.stream import FileFeed
from cisreg.motifs import MotifSet, read_motifs, strongest_site_log_concentration
from cisreg.recipes import read_recipe
from cisreg.sequences import decode

LENGTH = 110


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = make_parser(__doc__, seconds=0.0, rounds=3)
    add_data_option(parser)
    parser.add_argument("--dataset", type=Path, help="Parquet files; default: random ones")
    parser.add_argument(
        "--batches", type=int, nargs="+", default=[128, 1024, 4096], help="(default %(default)s)"
    )
    parser.add_argument("--steps", type=int, default=100, help="of an epoch (default %(default)s)")
    parser.add_argument("--recipe", default="quick", help="its last stage (default %(default)s)")
    arguments = parse(parser)
    if arguments.quick:
        arguments.batches, arguments.steps = [16], 6
    return arguments


def random_files(folder: Path, count: int) -> Path:
    """Row groups of random sequences."""
    random = np.random.default_rng(0)
    text = decode(random.integers(0, 4, (count, LENGTH), dtype=np.uint8))
    columns = {"sequence": text, "expression": random.normal(8, 3, count).astype(np.float32)}
    path = folder / "random.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=max(count // 16, 1))
    return path


def run(arguments: argparse.Namespace, path: Path, motifs: MotifSet, batch: int) -> dict[str, Any]:
    """One run of two epochs."""
    recipe = read_recipe(arguments.recipe)
    files = cisreg.open_dataset(path, length=LENGTH)
    groups = np.searchsorted(np.cumsum(files.group_rows), batch * arguments.steps) + 1
    feed = FileFeed(files, np.arange(min(groups, len(files.group_rows))), 0, files.lanes)
    spec = recipe.spec(len(motifs), LENGTH)
    start = cisreg.init_parameters(spec, motifs.log_kd, strongest_site_log_concentration(motifs))
    last = recipe.stages_for(spec)[-1]
    stage = cisreg.Stage(last.trainable, epochs=2, learning_rate=0.001, batch_size=batch)
    flank = recipe.motif_flank
    history: list[Any] = []

    def train() -> None:
        result = cisreg.fit(
            *(spec, start, feed, [stage]),
            column_range=None if flank is None else motifs.column_range(flank),
            progress=False,
        )
        history.extend(result.history)

    events = [each for each in profile(train) if part_of(each.name)[0] == "occupancy"]
    events.sort(key=lambda each: each.begin)
    kernels = covered(events[len(events) // 2 :]) * MICROSECONDS * 1e-6
    second = history[1]
    return {"seconds": second.seconds, "kernels": kernels, "rate": second.sequences_per_second}


def measure(arguments: argparse.Namespace, path: Path, motifs: MotifSet, batch: int) -> Row:
    """The median of some runs, by their share outside the kernels."""
    runs = [run(arguments, path, motifs, batch) for _ in range(arguments.rounds)]
    shares = sorted((1 - each["kernels"] / each["seconds"], each["rate"]) for each in runs)
    share, rate = shares[len(shares) // 2]
    return {
        "batch": batch,
        "outside": share,
        "outside_least": shares[0][0],
        "outside_most": shares[-1][0],
        "per_second": rate,
    }


def main() -> None:
    """Measures, prints, writes."""
    arguments = parse_arguments()
    _, motifs = random_problem(arguments.quick)
    if arguments.data is not None:
        motifs = read_motifs(arguments.data / "motif_list.txt", width=30)
    facts = machine(arguments.clock)
    print_machine(facts)
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.dataset
        if path is None:
            path = random_files(Path(folder), max(arguments.batches) * arguments.steps)
        rows = [measure(arguments, path, motifs, batch) for batch in arguments.batches]
    print_table(
        f"Training from files, {len(motifs)} motifs",
        ["batch", "sequences/s", "outside the kernels", "least", "most"],
        [
            [f"{row['batch']:,}", f"{row['per_second']:,.0f}"]
            + [f"{100 * row[name]:.1f} %" for name in ("outside", "outside_least", "outside_most")]
            for row in rows
        ],
    )
    write(arguments.json, facts, rows)


if __name__ == "__main__":
    main()
