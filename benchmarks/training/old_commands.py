"""The original's example, its three old command lines, through `cisreg train --like-cisregmodels`.

    python -m benchmarks.training.old_commands --data ../shared/data/gpra_example

The sequences are put into one-hot text first, as the original needs them. Each command line is a
process of its own, timed from start to end: reading, compiling, training, predicting the training
set, writing. r is Pearson's between prediction and measurement of all training sequences. What the
original reached, and in how many seconds on 2 cores of another machine, is in the README beside the
data. As long would the steps of all epochs alone take here, in its formulation (TensorFlow's own
operations, see `benchmarks/training/train_throughput.py`), as the last column says.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import cisreg
from benchmarks.shared.measure import TRAIN_STEP, Servers
from benchmarks.shared.problem import Point
from benchmarks.shared.rivals import ORIGINAL
from benchmarks.shared.suite import machine, motif_source, print_machine, print_table, write_json
from benchmarks.training.train_throughput import SEQUENCES
from cisreg.data import read_dataset
from cisreg.metrics import agreement

BATCH = 128
PROGRAM = "./makeThermodynamicEnhancosomeModel.py"
SHARED = "-eb -sl 110 -nm 250 -ml 30 -b 128 -v -v -v -se 100000 -po -ia 0.01 -ip 0.01"


class Stage(NamedTuple):
    """One of the three commands, and what the original reached with it."""

    name: str
    options: str
    epochs: int
    original_r: float
    original_seconds: float


STAGES = (
    Stage("AP", "-lr 0.04 -ntm -ntc -r 20", 20, 0.802, 71),
    Stage("APCM", "-lr 0.001 -r 20 -res {folder}/AP.ckpt", 20, 0.932, 145),
    Stage("APCM.pos", "-lr 0.0005 -r 50 -res {folder}/APCM.ckpt -posa -stra", 50, 0.988, 648),
)


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder gpra_example")
    parser.add_argument("--rounds", type=int, default=3, help="of all three (%(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--quick", action="store_true", help="one round of one epoch each")
    return parser.parse_args()


def cisreg_command(*words: str) -> float:
    """Runs a command of cisreg; the seconds it took."""
    began = time.perf_counter()
    code = "from cisreg.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.perf_counter() - began


def run_stage(stage: Stage, folder: Path, data: Path, quick: bool) -> float:
    """Runs one old command line; the seconds it took."""
    options = stage.options.format(folder=folder)
    if quick:
        options = options.replace(f"-r {stage.epochs}", "-r 1")
    command = (
        f"{PROGRAM} -i {folder}/train.ohc.gz -o {folder}/{stage.name} {SHARED} {options} "
        f"-dm {data}/motif_list.txt -ic {data}/log_concentration.tsv"
    )
    return cisreg_command("train", "--overwrite", "--like-cisregmodels", command)


def training_r(folder: Path, stage: Stage, data: Path) -> float:
    """Pearson's r of what the trained model predicts for its training set."""
    model = cisreg.load_model(folder / f"{stage.name}.cisreg")
    rows = read_dataset(data / "train.tsv.gz", 110)
    return agreement(model.predict(rows.sequence).expression, rows.expression).pearson


def formulation_rate(data: Path) -> float:
    """Sequences per second that the original's formulation trains on, on this machine."""
    source = motif_source(argparse.Namespace(data=data))
    point = Point(ORIGINAL, BATCH, threads=os.cpu_count() or 1, motifs=source)
    with Servers() as servers:
        result = servers.measure(point._replace(steps=SEQUENCES // BATCH), TRAIN_STEP, seconds=20.0)
    return BATCH * (SEQUENCES // BATCH) / statistics.median(result["epoch_seconds"])


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """One row per stage, medians over the rounds."""
    seconds: dict[str, list[float]] = {stage.name: [] for stage in STAGES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table, text = str(arguments.data / "train.tsv.gz"), str(folder / "train.ohc.gz")
        cisreg_command("encode", table, "--format", "onehot", "--length", "110", "--output", text)
        for _ in range(1 if arguments.quick else arguments.rounds):
            for stage in STAGES:
                seconds[stage.name].append(
                    run_stage(stage, folder, arguments.data, arguments.quick)
                )
        return [
            {
                "stage": stage.name,
                "r": training_r(folder, stage, arguments.data),
                "original_r": stage.original_r,
                "seconds": statistics.median(seconds[stage.name]),
                "all_seconds": seconds[stage.name],
                "original_seconds": stage.original_seconds,
            }
            for stage in STAGES
        ]


def main() -> None:
    """Measures, prints, writes."""
    arguments = parse_arguments()
    arguments.data = arguments.data.resolve()
    facts = machine()
    print_machine(facts)
    rows = measure(arguments)
    if not arguments.quick:
        rate = formulation_rate(arguments.data)
        for row, stage in zip(rows, STAGES, strict=True):
            row["formulation_seconds"] = stage.epochs * SEQUENCES / rate
    print_table(
        "Three old command lines on the original's example",
        ("", "r", "original's r", "seconds", "original's", "times", "its formulation here"),
        [
            (
                row["stage"],
                f"{row['r']:.4f}",
                f"{row['original_r']:.3f}",
                f"{row['seconds']:.1f}",
                f"{row['original_seconds']:.0f}",
                f"{row['original_seconds'] / row['seconds']:.1f}",
                f"{row['formulation_seconds']:.0f}" if "formulation_seconds" in row else "",
            )
            for row in rows
        ],
    )
    write_json(arguments.json, facts, rows)


if __name__ == "__main__":
    main()
