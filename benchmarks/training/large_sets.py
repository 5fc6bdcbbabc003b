"""How much do more promoters give, where the model's law holds and its motifs start wrong?

    python -m benchmarks.training.large_sets --data ../shared/data/gpra_example

Simulates promoters with the motifs of a folder (motif_list.txt), and trains on more and more of
them. All motifs start away from the truth: normal noise is added to their log Kd, as if a database
had measured them in another way. Trained are the default recipe; the same with its penalties
divided by the size in units of 10,000 promoters, which is about what it was tuned for; and
convolutional networks that learn from the sequences alone, in the seconds of the default recipe.
Prints r on 10,000 other promoters, of which expression is known without noise, r of activities with
the true ones, and how far motifs are from the true ones: what differs between the bases of a
column, in nats.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import cisreg
from benchmarks.shared.suite import machine, print_table, write_json
from benchmarks.training.small_sets import networks, timed
from cisreg.metrics import pearson_correlation
from cisreg.motifs import MotifSet
from cisreg.recipes import Recipe, read_recipe
from cisreg.report import compare_parameters
from cisreg.simulate import Simulation, simulate
from cisreg.trained_model import Model

SIZES = (1_000, 10_000, 100_000)
TEST = 10_000
# The share of noise in the variance of expression.
NOISE = 0.25
TUNED_FOR = 10_000


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the motifs")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="promoters")
    parser.add_argument("--start-noise", type=float, default=1.0, help="nats (%(default)s)")
    parser.add_argument("--epochs", type=int, help="of each stage; default: as the recipe")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--networks", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--json", type=Path, help="file for the measurements")
    options = parser.parse_args()
    motifs = cisreg.read_motifs(options.data / "motif_list.txt", width=30)
    made = simulate(
        motifs, sequence_count=max(options.sizes) + TEST, noise=NOISE, seed=options.seed
    )
    start = _away(motifs, options.start_noise, options.seed)
    truth = Model(made.spec, made.parameters, made.motif_names).motifs
    print(f"motifs begin {_motif_error(start, truth):.3f} nats from the truth")
    results = []
    for size in options.sizes:
        results += _measure(made, start, size, options)
        print(results[-3:], file=sys.stderr)
    _show(results)
    write_json(options.json, machine(), results)


def _away(motifs: MotifSet, noise: float, seed: int) -> MotifSet:
    """The motifs with normal noise in the columns that belong to them."""
    added = np.random.default_rng(seed).normal(0.0, noise, motifs.log_kd.shape)
    column = np.arange(motifs.width)[:, np.newaxis]
    own = (column >= motifs.first_column) & (column < motifs.first_column + motifs.widths)
    log_kd = np.where(own[:, np.newaxis], motifs.log_kd + added, 0.0).astype(np.float32)
    return MotifSet(motifs.names, log_kd, motifs.first_column, motifs.widths, motifs.details)


def _measure(
    made: Simulation, start: MotifSet, size: int, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """A row for each way to learn from the first so many promoters."""
    data = cisreg.Dataset(made.sequence[TEST:][:size], made.expression[TEST:][:size])
    test = cisreg.Dataset(made.sequence[:TEST], made.noiseless_expression[:TEST])
    recipe = read_recipe("default").override(epochs=options.epochs)
    rows = []
    for name, each in (("default recipe", recipe), ("penalties by size", _by_size(recipe, size))):
        model, seconds = timed(lambda each=each: _trained(data, start, each, options.seed))
        found = _row(size, name, model.predict(test).expression, test, seconds)
        rows.append({**found, **_recovered(model, made)})
    if options.networks:
        learn: Callable[[], np.ndarray] = lambda: networks(  # noqa: E731
            data, test, rows[0]["seconds"], options.seed
        )
        predicted, seconds = timed(learn)
        rows.append(_row(size, "convolutional networks", predicted, test, seconds))
    return rows


def _by_size(recipe: Recipe, size: int) -> Recipe:
    share = TUNED_FOR / size
    weights = {
        name: share * getattr(recipe.penalty, name)
        for name in ("motif_pull", "activity_l1", "potentiation_l1", "position_smoothness")
    }
    return recipe.override(penalty=weights)


def _trained(data: cisreg.Dataset, start: MotifSet, recipe: Recipe, seed: int) -> Model:
    return cisreg.train(data, start, recipe, seed=seed, progress=False).model


def _row(
    size: int, name: str, predicted: np.ndarray, test: cisreg.Dataset, seconds: float
) -> dict[str, Any]:
    r = float(pearson_correlation(predicted, test.expression))
    return {"promoters": size, "model": name, "seconds": seconds, "r": r}


def _recovered(model: Model, made: Simulation) -> dict[str, float]:
    """Correlation of activities with the true ones, and the error of the motifs, nats."""
    truth = Model(made.spec, made.parameters, made.motif_names)
    found = {each.name: each.pearson for each in compare_parameters(model, truth)}
    return {
        "r_activity": found["activity"],
        "motif_error": _motif_error(model.motifs, truth.motifs),
    }


def _motif_error(motifs: MotifSet, truth: MotifSet) -> float:
    """Standard deviation over bases of differences in the columns of the true motifs, nats."""
    difference = motifs.log_kd.astype(np.float64) - truth.log_kd
    # What is added to all bases of a column is a matter of the concentration.
    difference -= difference.mean(axis=1, keepdims=True)
    own = np.abs(truth.log_kd).any(axis=1)
    return float(np.sqrt(np.square(difference).mean(axis=1)[own].mean()))


def _show(results: list[dict[str, Any]]) -> None:
    names = ("r", "r_activity", "motif_error")
    rows = [
        [
            *(f"{row['promoters']:,}", row["model"]),
            *(f"{row[name]:.4f}" if name in row else "" for name in names),
            f"{row['seconds']:.0f}",
        ]
        for row in results
    ]
    columns = (
        "promoters",
        "model",
        "r without noise",
        "r of activities",
        "error of motifs, nats",
        "seconds",
    )
    print_table("Large sets", columns, rows)


if __name__ == "__main__":
    main()
