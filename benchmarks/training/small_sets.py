"""How accurate are recipes and a convolutional network where promoters are few?

    python -m benchmarks.training.small_sets --data ../shared/data/gpra_example

Takes subsets of the promoters of a folder (train.tsv.gz, motif_list.txt, log_concentration.tsv) and
trains on each: a model with the default recipe, an ensemble with the recipe "best", and
convolutional networks (Keras) that learn from the sequences alone. The networks have the seconds
that the ensemble took: they are trained one after another until these are over, at least one, and
the mean of their predictions counts. Each holds out a tenth of its rows, by which it stops. Prints
r on the promoters of test.tsv.gz, and r of the differences between those of few_mutations.tsv.gz
(see benchmarks/interpret/differences.py), none of which is trained on.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import cisreg
from benchmarks.interpret.differences import TABLE, compare, find_pairs
from benchmarks.shared.suite import machine, print_table, write_json
from cisreg.metrics import pearson_correlation
from cisreg.motifs import MotifSet, read_log_concentration
from cisreg.uncertainty import fit_ensemble

SIZES = (500, 1000, 2000, 4000, 8982)
HELD_OUT = 0.1
MOST_MUTATIONS = 5
BATCH = 64
MOST_EPOCHS, PATIENCE = 200, 10


class Promoters(NamedTuple):
    """What is trained on, and what is predicted.

    Attributes:
        data: all promoters for training.
        test: those for testing, and then those a few mutations apart.
        tested: how many of `test` are for testing.
        motifs: where the factors start.
        log_concentration: float32 [M].
    """

    data: cisreg.Dataset
    test: cisreg.Dataset
    tested: int
    motifs: MotifSet
    log_concentration: np.ndarray


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the promoters")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="promoters")
    parser.add_argument("--seeds", type=int, default=3, help="subsets, from 0 (%(default)s)")
    parser.add_argument("--members", type=int, default=10, help="of the ensemble (%(default)s)")
    parser.add_argument("--recipe", default="best", help="of the ensemble (%(default)s)")
    parser.add_argument("--json", type=Path, help="file for the measurements")
    options = parser.parse_args()
    promoters, results = _read(options.data), []
    for size in options.sizes:
        for seed in range(options.seeds):
            results += _measure(promoters, size, seed, options.recipe, options.members)
            print(results[-3:], file=sys.stderr)
    _show(results)
    write_json(options.json, machine(), results)


def _read(folder: Path) -> Promoters:
    data = cisreg.read_dataset(folder / "train.tsv.gz")
    length = data.sequence.shape[1]
    test, few = (
        cisreg.read_dataset(folder / name, length=length) for name in ("test.tsv.gz", TABLE)
    )
    both = cisreg.Dataset(
        np.concatenate([test.sequence, few.sequence]),
        np.concatenate([test.expression, few.expression]),
    )
    motifs = cisreg.read_motifs(folder / "motif_list.txt")
    concentrations = read_log_concentration(folder / "log_concentration.tsv", motifs.names)
    return Promoters(data, both, len(test), motifs, concentrations)


def _measure(
    promoters: Promoters, size: int, seed: int, recipe: str, members: int
) -> list[dict[str, Any]]:
    """A row for each way to learn from this many promoters, drawn with this seed."""
    drawn = np.random.default_rng(seed).permutation(len(promoters.data))[:size]
    some = promoters._replace(data=promoters.data.take(drawn))
    one, one_seconds = timed(lambda: _one(some, seed))
    several, seconds = timed(lambda: _ensemble(some, recipe, members, seed))
    rival, rival_seconds = timed(lambda: networks(some.data, some.test, seconds, seed))
    found = (
        ("default recipe", one, one_seconds),
        (f"recipe {Path(recipe).stem}, {members} members", several, seconds),
        ("convolutional networks", rival, rival_seconds),
    )
    return [
        {"promoters": size, "seed": seed, "model": name, "seconds": took, **_agreement(some, value)}
        for name, value, took in found
    ]


def _agreement(promoters: Promoters, predicted: np.ndarray) -> dict[str, float]:
    """How well the test promoters and the differences are predicted."""
    measured, begin = promoters.test.expression, promoters.tested
    few = promoters.test.sequence[begin:]
    differences = compare(
        "", predicted[begin:].astype(np.float64), measured[begin:], find_pairs(few, MOST_MUTATIONS)
    )
    test_r = float(pearson_correlation(predicted[:begin], measured[:begin]))
    return {"test_r": test_r, "r_differences": differences["r"]}


def timed(predict: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    """What is predicted, and in how many seconds."""
    began = time.perf_counter()
    return predict(), time.perf_counter() - began


def _one(promoters: Promoters, seed: int) -> np.ndarray:
    trained = cisreg.train(
        *(promoters.data, promoters.motifs),
        log_concentration=promoters.log_concentration,
        seed=seed,
        progress=False,
    )
    return trained.model.predict(promoters.test).expression


def _ensemble(promoters: Promoters, recipe: str, members: int, seed: int) -> np.ndarray:
    ensemble = fit_ensemble(
        *(promoters.data, promoters.motifs, recipe),
        members=members,
        resampling="seeds",
        seed=members * seed,
        log_concentration=promoters.log_concentration,
    )
    return ensemble.expression(promoters.test).mean(axis=0)


def networks(data: cisreg.Dataset, test: cisreg.Dataset, seconds: float, seed: int) -> np.ndarray:
    """What the mean of networks predicts of `test` that learn from `data` one after another.

    The last one ends after about so many seconds.
    """
    began, predicted = time.perf_counter(), []
    while not predicted or time.perf_counter() - began < seconds:
        end = began + max(seconds, 1.0)
        predicted.append(_network(data, test, end, 1000 * seed + len(predicted)))
    return np.mean(predicted, axis=0)


def _network(data: cisreg.Dataset, test: cisreg.Dataset, end: float, seed: int) -> np.ndarray:
    """What a convolutional network predicts that stops by its held-out rows, or at `end`."""
    import keras

    keras.utils.set_random_seed(seed)
    sequence, expression = _one_hot(data), data.expression
    mean, deviation = expression.mean(), expression.std()
    order = np.random.default_rng(seed).permutation(len(sequence))
    held, kept = np.split(order, [round(HELD_OUT * len(order))])
    network = _layers(sequence.shape[1])
    network.compile(keras.optimizers.Adam(1e-3), "mse")
    target = (expression - mean) / deviation
    network.fit(
        *(sequence[kept], target[kept]),
        validation_data=(sequence[held], target[held]),
        batch_size=BATCH,
        epochs=MOST_EPOCHS,
        callbacks=[
            keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True),
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: _stop_behind(network, end)
            ),
        ],
        verbose=0,
    )
    return network.predict(_one_hot(test), verbose=0)[:, 0] * deviation + mean


def _stop_behind(network: Any, end: float) -> None:
    network.stop_training = network.stop_training or time.perf_counter() > end


def _layers(length: int) -> Any:
    from keras import Sequential, layers

    return Sequential(
        [
            layers.Input((length, 4)),
            layers.Conv1D(128, 11, padding="same", activation="relu"),
            layers.MaxPooling1D(3),
            layers.Dropout(0.2),
            layers.Conv1D(64, 7, padding="same", activation="relu"),
            layers.MaxPooling1D(3),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(1),
        ]
    )


def _one_hot(data: cisreg.Dataset) -> np.ndarray:
    """float32 [N, L, 4]; 0 for padding."""
    return (np.asarray(data.sequence)[..., np.newaxis] == np.arange(4)).astype(np.float32)


def _show(results: list[dict[str, Any]]) -> None:
    rows = []
    for size in dict.fromkeys(row["promoters"] for row in results):
        for model in dict.fromkeys(row["model"] for row in results):
            found = [row for row in results if (row["promoters"], row["model"]) == (size, model)]
            r = [row["test_r"] for row in found]
            seconds = statistics.mean(row["seconds"] for row in found)
            differences = statistics.mean(row["r_differences"] for row in found)
            numbers = [f"{statistics.mean(r):.3f}", f"{min(r):.3f} to {max(r):.3f}"]
            numbers.append(f"{differences:.3f}")
            rows.append([f"{size:,}", model, *numbers, f"{seconds:.0f}"])
    columns = (
        "promoters",
        "model",
        "test r, mean",
        "of the subsets",
        "r of differences",
        "seconds",
    )
    print_table("Small sets", columns, rows)


if __name__ == "__main__":
    main()
