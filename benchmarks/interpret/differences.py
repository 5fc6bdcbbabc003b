"""How well does a model predict the difference between promoters a few mutations apart?

    python -m benchmarks.interpret.differences --data ../shared/data/gpra_example --model model

few_mutations.tsv.gz has 1,000 promoters in families. A pair is two of them of the same length that
differ in at most `--mutations` bases; the table gives 992. The differences predicted and measured,
second row minus first, are compared over all pairs, and for each number of mutations. These
promoters are in no training set: they are for testing only.

Several models are an ensemble: each, and the mean of their predictions. With `--train RECIPE`
instead of `--model`, models are trained on train.tsv.gz with the seeds 0 to `--seeds` - 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import cisreg
from benchmarks.shared.suite import machine, print_table, write_json
from cisreg.metrics import pearson_correlation

TABLE = "few_mutations.tsv.gz"
# r of fewer pairs says little.
FEWEST_PAIRS = 50


class Pairs(NamedTuple):
    """Pairs of sequences, first row below second, and how many bases differ."""

    first: np.ndarray
    second: np.ndarray
    mutations: np.ndarray


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the promoters")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", type=Path, nargs="+", help="folders that cisreg train wrote")
    which.add_argument("--train", metavar="RECIPE", help="train models with this recipe")
    parser.add_argument("--seeds", type=int, default=1, help="models to train (default 1)")
    parser.add_argument("--output", type=Path, help="keep the trained models in this folder")
    parser.add_argument("--mutations", type=int, default=5, help="most of a pair (default 5)")
    parser.add_argument("--json", type=Path, help="file for the measurements")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        models = options.model or [
            _train(options.data, options.train, seed, options.output or Path(scratch))
            for seed in range(options.seeds)
        ]
        rows = measure(models, options.data / TABLE, options.mutations)
    columns = ("model", "pairs", "r", "r, both orders", "slope", "r of sequences", "their slope")
    print_table(
        f"Differences of promoters up to {options.mutations} mutations apart",
        columns,
        [[row["model"], f"{row['pairs']:,}", *_numbers(row)] for row in rows],
    )
    write_json(options.json, machine(), rows)


def _numbers(row: dict[str, Any]) -> list[str]:
    names = ("r", "r_both_orders", "slope", "r_of_sequences", "slope_of_sequences")
    return [f"{row[name]:.3f}" for name in names]


def _train(data: Path, recipe: str, seed: int, folder: Path) -> Path:
    output = folder / f"{Path(recipe).stem}-{seed}"
    command = [sys.executable, "-m", "cisreg", "--quiet", "train", data / "train.tsv.gz"]
    motifs = ["--motifs", data / "motif_list.txt"]
    concentrations = ["--concentrations", data / "log_concentration.tsv"]
    options = ["--recipe", recipe, "--seed", seed, "--output", output]
    subprocess.run(
        list(map(str, [*command, *motifs, *concentrations, *options])),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return output


def measure(models: list[Path], table: Path, most: int) -> list[dict[str, Any]]:
    """A row for each model, one for the mean of several, and one per number of mutations."""
    data = cisreg.read_dataset(table)
    pairs = find_pairs(data.sequence, most)
    measured = np.asarray(data.expression, np.float64)
    text = cisreg.decode(data.sequence)
    predicted = [
        cisreg.load_model(each).predict(text).expression.astype(np.float64) for each in models
    ]
    named = [(str(model), each) for model, each in zip(models, predicted, strict=True)]
    if len(models) > 1:
        named.append((f"mean of {len(models)}", np.mean(predicted, axis=0)))
    rows = [compare(name, each, measured, pairs) for name, each in named]
    _, last = named[-1]
    for count in range(1, most + 1):
        some = Pairs(*(column[pairs.mutations == count] for column in pairs))
        if len(some.first) >= FEWEST_PAIRS:
            rows.append(compare(f"  of these, {count} mutations", last, measured, some))
    return rows


def find_pairs(sequence: np.ndarray, most: int) -> Pairs:
    """Pairs of rows [N, L] of equal codes but for at most `most` positions; not equal ones."""
    found = []
    for first in range(len(sequence)):
        apart = (sequence[first + 1 :] != sequence[first]).sum(axis=1)
        near = np.flatnonzero((apart >= 1) & (apart <= most))
        found.append(np.stack([np.full(len(near), first), first + 1 + near, apart[near]]))
    return Pairs(*np.concatenate(found, axis=1))


def compare(name: str, predicted: np.ndarray, measured: np.ndarray, pairs: Pairs) -> dict[str, Any]:
    """How the differences agree.

    Which sequence of a pair is the first is arbitrary, and r depends a little on it: "both orders"
    counts each pair in both. The slope is that of measured on predicted differences through 0: 1
    where the model neither exaggerates nor understates. That of the sequences themselves shows how
    far the unit of these measurements is that of the model's.
    """
    was, now = (each[pairs.second] - each[pairs.first] for each in (predicted, measured))
    rows = np.union1d(pairs.first, pairs.second)
    product = float(was @ now)
    return {
        "model": name,
        "pairs": len(was),
        "r": pearson_correlation(was, now),
        "r_both_orders": product / float(np.sqrt((was @ was) * (now @ now))),
        "slope": product / float(was @ was),
        "r_of_sequences": pearson_correlation(predicted[rows], measured[rows]),
        "slope_of_sequences": float(np.polyfit(predicted[rows], measured[rows], 1)[0]),
    }


if __name__ == "__main__":
    main()
