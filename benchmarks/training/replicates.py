"""How much better does a model look where replicates are on both sides of the validation split?

    python -m benchmarks.training.replicates --data ../shared/data/gpra_example

Takes promoters of a folder (train.tsv.gz, motif_list.txt, log_concentration.tsv), several rows of
each with noise of their own, and trains on these rows twice with each seed: with rows held out at
random (a split column), so that replicates of a sequence are on both sides, and as cisreg splits,
with equal sequences on one side. Prints r on the rows held out, and r on the promoters of
test.tsv.gz, none of which was trained on, with the same noise.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shared.suite import machine, print_table, write_json

SHARE = 0.1
SPLITS = {"rows at random": ["--split-column", "part"], "equal sequences together": []}


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the promoters")
    parser.add_argument("--seeds", type=int, default=3, help="seeds, from 0 (%(default)s)")
    parser.add_argument("--promoters", type=int, default=2000, help="(%(default)s)")
    parser.add_argument("--replicates", type=int, default=4, help="of each one (%(default)s)")
    parser.add_argument("--noise", type=float, default=2.0, help="its standard deviation")
    parser.add_argument("--recipe", default="default", help="(%(default)s)")
    parser.add_argument("--json", type=Path, help="file for the measurements")
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_tables(options, folder)
        for seed in range(options.seeds):
            for split, words in SPLITS.items():
                r = _train(options, folder, seed, words)
                results.append({"seed": seed, "split": split, **r})
                print(results[-1], file=sys.stderr)
    _show(results)
    write_json(options.json, machine(), results)


def _write_tables(options: argparse.Namespace, folder: Path) -> None:
    """Tables of the replicates and of the test promoters, with the same noise."""
    random = np.random.default_rng(0)
    sequences, expression = _read(options.data / "train.tsv.gz")
    chosen = random.permutation(len(sequences))[: options.promoters].repeat(options.replicates)
    measured = expression[chosen] + random.normal(0, options.noise, len(chosen))
    order = random.permutation(len(chosen))
    tested, test_expression = _read(options.data / "test.tsv.gz")
    test_measured = test_expression + random.normal(0, options.noise, len(tested))
    part = np.where(random.random(len(chosen)) < SHARE, "validation", "train")
    replicates = [(sequences[chosen[row]], measured[row], part[row]) for row in order]
    _write(folder / "replicates.tsv", ("sequence", "expression", "part"), replicates)
    tests = list(zip(tested, test_measured, strict=True))
    _write(folder / "test.tsv", ("sequence", "expression"), tests)


def _read(path: Path) -> tuple[list[str], np.ndarray]:
    """Sequences as text, and expression, of a table without a header."""
    with gzip.open(path, "rt") as lines:
        rows = [line.split("\t")[:2] for line in lines]
    return [sequence for sequence, _ in rows], np.array([float(number) for _, number in rows])


def _write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in [columns, *rows]))


def _train(
    options: argparse.Namespace, folder: Path, seed: int, split: list[str]
) -> dict[str, float]:
    """Validation r of the last epoch and test r of one run."""
    command = [sys.executable, "-m", "cisreg", "--quiet"]
    motifs = ["--motifs", options.data / "motif_list.txt"]
    concentrations = ["--concentrations", options.data / "log_concentration.tsv"]
    model = folder / "model"
    output = ["--output", model, "--overwrite", "--recipe", options.recipe, "--seed", seed]
    train = [*command, "train", folder / "replicates.tsv", *motifs, *concentrations, *output]
    subprocess.run(list(map(str, [*train, *split])), check=True, stdout=subprocess.DEVNULL)
    last_epoch = json.loads((model / "metrics.jsonl").read_text().splitlines()[-1])
    evaluate = [*command, "evaluate", model, folder / "test.tsv", "--json"]
    printed = subprocess.run(list(map(str, evaluate)), check=True, capture_output=True, text=True)
    test_r = json.loads(printed.stdout)["results"]["expression"][0]["pearson"]
    return {"validation_r": last_epoch["validation_r"], "test_r": test_r}


def _show(results: list[dict[str, Any]]) -> None:
    rows = []
    for split in SPLITS:
        runs = [each for each in results if each["split"] == split]
        rows += [[split, str(each["seed"]), *_numbers([each])] for each in runs]
        rows.append([split, "mean", *_numbers(runs)])
    print_table("Replicates", ("held out", "seed", "validation r", "test r"), rows)


def _numbers(runs: list[dict[str, Any]]) -> list[str]:
    return [
        f"{statistics.mean(run[name] for run in runs):.3f}" for name in ("validation_r", "test_r")
    ]


if __name__ == "__main__":
    main()
