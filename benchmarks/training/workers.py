"""Several workers against one: are the parameters the same after as many steps, and how fast?

    python -m benchmarks.training.workers --data ../shared/data/gpra_example

All parameters of a stranded model of the yeast motifs train on measured promoters in batches that
all workers divide among themselves, in processes of this machine that talk over loopback. Random
motifs and sequences where no data are given. What the network of a cluster costs is not in it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shared.suite import (
    Row,
    add_data_option,
    machine,
    make_parser,
    number,
    parse,
    print_machine,
    print_table,
    write_json,
)

LENGTH = 110


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = make_parser(__doc__, seconds=0.0, rounds=1)
    add_data_option(parser)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="(%(default)s)")
    parser.add_argument("--steps", type=int, default=200, help="(default %(default)s)")
    parser.add_argument("--batches", type=int, nargs="+", default=[180, 2048], help="sizes")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parse(parser)
    if arguments.quick:
        arguments.steps, arguments.batches = 4, [16]
    return arguments


def train(specification: dict[str, Any]) -> None:
    """The work of each process; the first one writes the results."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    import cisreg
    from cisreg.motifs import read_motifs, strongest_site_log_concentration
    from cisreg.training.replicas import Replicas, find_strategy

    strategy = find_strategy()
    if specification["data"] is None:
        from benchmarks.training.profile_step import random_problem

        dataset, motifs = random_problem(specification["quick"])
    else:
        folder = Path(specification["data"])
        motifs = read_motifs(folder / "motif_list.txt", width=30)
        dataset = cisreg.read_dataset(folder / "train.tsv.gz", LENGTH)
    spec = cisreg.ModelSpec(len(motifs), 30, dataset.sequence.shape[1], stranded=True)
    start = cisreg.init_parameters(spec, motifs.log_kd, strongest_site_log_concentration(motifs))
    steps_per_epoch = -(-len(dataset) // specification["batch"])
    stage = cisreg.Stage(
        tuple(spec.parameter_shapes),
        epochs=-(-specification["steps"] // steps_per_epoch),
        learning_rate=0.001,
        batch_size=specification["batch"],
    )
    columns = motifs.column_range(1)
    result = cisreg.fit(
        *(spec, start, dataset, [stage]), column_range=columns, strategy=strategy, progress=False
    )
    if Replicas(strategy).is_chief:
        last = result.history[-1]
        facts = {"steps": last.step, "rate": last.sequences_per_second}
        np.savez(specification["result"], facts=json.dumps(facts), **result.parameters)


def measure(arguments: argparse.Namespace, workers: int, batch: int, folder: Path) -> dict:
    """Runs so many workers; parameters and facts."""
    from cisreg.processes.workers import Workers

    result = folder / f"{workers}-{batch}.npz"
    specification = {
        "data": None if arguments.data is None else str(arguments.data),
        "quick": arguments.quick,
        "batch": batch,
        "steps": arguments.steps,
        "result": str(result),
    }
    own = [sys.executable, "-m", "benchmarks.training.workers"]
    command = [*own, "--child", json.dumps(specification)]
    with Workers(workers) as processes:
        ended = processes.run(command)
    if ended.status:
        raise RuntimeError(f"worker {ended.worker + 1} ended with {ended.status}: {ended.message}")
    with np.load(result) as file:
        return dict(file)


def row_of(workers: int, batch: int, one: dict, other: dict) -> Row:
    """How far the parameters are from those of one worker."""
    facts, alone = (json.loads(str(each["facts"])) for each in (other, one))
    names = one.keys() - {"facts"}
    return {
        "workers": workers,
        "batch": batch,
        "steps": facts["steps"],
        "difference": max(float(np.abs(one[name] - other[name]).max()) for name in names),
        "per_second": facts["rate"],
        "times_one": facts["rate"] / alone["rate"],
    }


def main() -> None:
    """Measures, prints, writes."""
    arguments = parse_arguments()
    if arguments.child is not None:
        train(json.loads(arguments.child))
        return
    facts = machine(arguments.clock)
    print_machine(facts)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for batch in arguments.batches:
            runs = {
                each: measure(arguments, each, batch, Path(folder)) for each in arguments.workers
            }
            one = runs[arguments.workers[0]]
            rows += [row_of(workers, batch, one, other) for workers, other in runs.items()]
    print_table(
        "Workers of this machine, one thread each",
        ["workers", "batch", "steps", "largest difference", "sequences/s", "times one"],
        [
            [
                *(str(row["workers"]), str(row["batch"]), str(row["steps"])),
                *(f"{row['difference']:.1e}", f"{row['per_second']:,.0f}"),
                number(row["times_one"]),
            ]
            for row in rows
        ],
    )
    write_json(arguments.json, facts, rows)


if __name__ == "__main__":
    main()
