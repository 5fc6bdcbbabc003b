"""What does each part of the recipe "best" give, in cross-validation or on the test set?

    python -m benchmarks.training.best_recipe --data ../shared/data/gpra_example --folds 3
    python -m benchmarks.training.best_recipe --data ../shared/data/gpra_example

Trains on the promoters of a folder (train.tsv.gz, motif_list.txt, log_concentration.tsv): single
models with the default recipe and with one part of "best" each, and ensembles with "best". With
`--folds` the promoters for training are divided, and r is that of the fold which is left out: this
is what recipes are chosen by. Without it, models learn from all of them and are compared with
test.tsv.gz, and with the differences between the promoters of few_mutations.tsv.gz (see
benchmarks/interpret/differences.py), which say how good a recipe is and choose none. A member of
an ensemble counts as a single model too, so that nothing is trained twice.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import cisreg
from benchmarks.interpret.differences import TABLE, compare, find_pairs
from benchmarks.shared.suite import machine, print_table, write_json
from cisreg.metrics import pearson_correlation
from cisreg.motifs import MotifSet, read_log_concentration
from cisreg.recipes import Recipe, read_recipe

MOST_MUTATIONS = 5
NUMBERS = ("r", "r_differences", "slope", "r_few_mutations")


class Start(NamedTuple):
    """Where the factors start."""

    motifs: MotifSet
    log_concentration: np.ndarray


class Split(NamedTuple):
    """What is trained on and what is predicted; `few` only where the test set is."""

    name: str
    training: cisreg.Dataset
    tested: cisreg.Dataset
    few: cisreg.Dataset | None


class Predicted(NamedTuple):
    """Expression of `Split.tested` and of `Split.few`, and the seconds of training."""

    tested: np.ndarray
    few: np.ndarray | None
    seconds: float


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the promoters")
    parser.add_argument("--folds", type=int, default=0, help="0: the test set (%(default)s)")
    parser.add_argument("--seeds", type=int, default=5, help="of each split (%(default)s)")
    parser.add_argument("--members", type=int, default=8, help="of an ensemble (%(default)s)")
    parser.add_argument("--epochs", type=int, help="most of a stage: does the script work?")
    parser.add_argument("--json", type=Path, help="file for the measurements")
    options = parser.parse_args()
    motifs = cisreg.read_motifs(options.data / "motif_list.txt")
    concentrations = read_log_concentration(options.data / "log_concentration.tsv", motifs.names)
    start, rows = Start(motifs, concentrations), []
    for split in _splits(options.data, options.folds):
        for seed in range(options.seeds):
            for row in _measure(split, start, seed, options.members, options.epochs):
                rows.append({"split": split.name, "seed": seed, **row})
                print(rows[-1], file=sys.stderr)
    _show(rows)
    write_json(options.json, machine(), rows)


def _splits(folder: Path, folds: int) -> Iterator[Split]:
    data = cisreg.read_dataset(folder / "train.tsv.gz")
    length = data.sequence.shape[1]
    if not folds:
        test = cisreg.read_dataset(folder / "test.tsv.gz", length=length)
        yield Split("test", data, test, cisreg.read_dataset(folder / TABLE, length=length))
        return
    fold = np.random.default_rng(0).permutation(len(data)) % folds
    for number in range(folds):
        left_out = fold == number
        training, tested = data.take(np.flatnonzero(~left_out)), data.take(np.flatnonzero(left_out))
        yield Split(f"fold {number}", training, tested, None)


def parts(default: Recipe, best: Recipe) -> dict[str, Recipe]:
    """Recipes of single models between "default" and "best"; all train on all rows."""
    default = replace(default, validation=0.0)
    return {
        "default recipe, on all rows": default,
        "with the logistic link": default.override(model={"link": "logistic"}),
        "with the stages of best": replace(default, stages=best.stages),
    }


def _measure(
    split: Split, start: Start, seed: int, members: int, epochs: int | None
) -> Iterator[dict[str, Any]]:
    """A row for each part, for one member of each variant, and for the ensemble."""
    best = read_recipe("best").override(epochs=epochs)
    default = read_recipe("default").override(epochs=epochs)
    for name, recipe in parts(default, best).items():
        yield _row(name, _train(split, start, recipe, seed), split)
    found = [
        _train(split, start, best.member(number), members * seed + number)
        for number in range(members)
    ]
    for number, variant in enumerate(best.variants):
        shown = ", ".join(f"{key} {value}" for key, value in variant.items())
        yield _row(f"best, one member: {shown}", found[number], split)
    for count in sorted({len(best.variants), members}):
        yield _row(f"best, mean of {count} members", _mean(found[:count]), split)


def _train(split: Split, start: Start, recipe: Recipe, seed: int) -> Predicted:
    began = time.perf_counter()
    model = cisreg.train(
        *(split.training, start.motifs, recipe),
        log_concentration=start.log_concentration,
        seed=seed,
        progress=False,
    ).model
    seconds = time.perf_counter() - began
    few = None if split.few is None else model.predict(split.few).expression
    return Predicted(model.predict(split.tested).expression, few, seconds)


def _mean(found: list[Predicted]) -> Predicted:
    few = [each.few for each in found if each.few is not None]
    return Predicted(
        np.mean([each.tested for each in found], axis=0),
        np.mean(few, axis=0) if few else None,
        sum(each.seconds for each in found),
    )


def _row(name: str, predicted: Predicted, split: Split) -> dict[str, Any]:
    row = {
        "model": name,
        "r": float(pearson_correlation(predicted.tested, split.tested.expression)),
        "seconds": predicted.seconds,
    }
    if split.few is None or predicted.few is None:
        return row
    pairs = find_pairs(split.few.sequence, MOST_MUTATIONS)
    measured = np.asarray(split.few.expression, np.float64)
    found = compare(name, predicted.few.astype(np.float64), measured, pairs)
    return row | {
        "r_differences": found["r"],
        "slope": found["slope"],
        "r_few_mutations": found["r_of_sequences"],
    }


def _show(rows: list[dict[str, Any]]) -> None:
    shown = [name for name in NUMBERS if name in rows[0]]
    table = []
    for model in dict.fromkeys(row["model"] for row in rows):
        runs = [row for row in rows if row["model"] == model]
        r = [row["r"] for row in runs]
        means = [f"{statistics.mean(row[name] for row in runs):.4f}" for name in shown]
        seconds = f"{statistics.median(row['seconds'] for row in runs):.0f}"
        table.append([model, *means, f"{min(r):.4f} to {max(r):.4f}", seconds])
    columns = ("model", *(name.replace("_", " ") for name in shown), "range of r", "seconds")
    print_table("Parts of the recipe best, means over splits and seeds", columns, table)


if __name__ == "__main__":
    main()
