"""How often do intervals hold the truth?

    python -m benchmarks.interpret.coverage

Simulates data of a known model, asks for 90 % intervals in several ways, and counts how many hold
the true number. A simulation counts as one observation, since the predictions of one model err
together: the table has the mean share of all simulations and its standard error.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import cisreg
from benchmarks.shared.suite import machine, print_table, write_json
from cisreg.metrics import pearson_correlation
from cisreg.motifs import random_motifs
from cisreg.recipes import Recipe, read_recipe
from cisreg.simulate import simulate
from cisreg.trained_model import Model
from cisreg.uncertainty import (
    Certainty,
    Ensemble,
    Intervals,
    PredictionIntervals,
    estimate_certainty,
    fit_ensemble,
    refit_ensemble,
    site_effects,
)

WIDTH, LENGTH, LEVEL = 8, 40, 0.9
TESTED = 200
# The name of each number in the tables, in their order.
NUMBERS = (
    *("log_concentration", "activity", "potentiation", "potentiation_bias", "bias"),
    *("effect", "potentiation_effect", "prediction", "difference"),
)
# Not a share of intervals, but why they may miss: r of predicted with true expression.
ACCURACY = "r"


class Problem(NamedTuple):
    """Simulated data.

    Attributes:
        truth: the model that made them.
        data: what is measured.
        tested: uint8 [T, L], other sequences.
    """

    truth: Model
    data: cisreg.Dataset
    tested: np.ndarray


def make_problem(seed: int, motifs: int = 4, count: int = 1000) -> Problem:
    """Data of a model with random motifs."""
    drawn = random_motifs(motifs, width=WIDTH, seed=seed)
    made, others = (
        simulate(
            drawn,
            sequence_count=size,
            sequence_length=LENGTH,
            seed=number,
            noise=0.1,
            planted_sites=3,
        )
        for size, number in ((count, seed), (TESTED, seed + 10_000))
    )
    truth = Model(made.spec, made.parameters, made.motif_names)
    return Problem(truth, cisreg.Dataset(made.sequence, made.expression), others.sequence)


def disturbed(truth: Model, seed: int) -> Model:
    """The true model with other numbers, apart from its motifs."""
    random = np.random.default_rng(seed)
    changed = {
        name: np.asarray(value + (name != "log_kd") * random.normal(0, 0.2, value.shape), "f4")
        for name, value in truth.parameters.items()
    }
    return replace(truth, parameters=changed)


def recipe() -> Recipe:
    """The recipe "quick" for these motifs."""
    return replace(read_recipe("quick"), motif_width=WIDTH)


def known_motifs(problem: Problem, seed: int, _: argparse.Namespace) -> Certainty:
    """Curvature, with the motifs of the truth."""
    return estimate_certainty(disturbed(problem.truth, seed), problem.data)


def refits(problem: Problem, seed: int, options: argparse.Namespace) -> Ensemble:
    """A bootstrap of least squares, with the motifs of the truth."""
    start = disturbed(problem.truth, seed)
    return refit_ensemble(start, problem.data, members=options.members, seed=seed)


def with_motifs(problem: Problem, seed: int, _: argparse.Namespace) -> Certainty:
    """Curvature, with motifs that vary too."""
    names = ["log_kd", "log_concentration", "potentiation", "potentiation_bias", "activity", "bias"]
    return estimate_certainty(disturbed(problem.truth, seed), problem.data, parameters=names)


def trained_motifs(problem: Problem, seed: int, _: argparse.Namespace) -> Certainty:
    """Curvature of what the recipe "quick" trains, as if its motifs were right."""
    trained = cisreg.train(problem.data, problem.truth.motifs, recipe(), seed=seed, progress=False)
    return estimate_certainty(trained.model, problem.data)


def bootstrap(problem: Problem, seed: int, options: argparse.Namespace) -> Ensemble:
    """A bootstrap of the recipe "quick"."""
    return fit_ensemble(
        problem.data, problem.truth.motifs, recipe(), members=options.members, seed=seed
    )


METHODS: dict[str, Callable[[Problem, int, argparse.Namespace], Certainty | Ensemble]] = {
    "known motifs": known_motifs,
    "refits": refits,
    "motifs vary": with_motifs,
    "trained motifs": trained_motifs,
    "bootstrap": bootstrap,
}


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--simulations", type=int, default=24, help="how many (%(default)s)")
    parser.add_argument("--motifs", type=int, default=4, help="of each simulation (%(default)s)")
    parser.add_argument("--sequences", type=int, default=1000, help="to measure (%(default)s)")
    parser.add_argument("--members", type=int, default=8, help="of a bootstrap (%(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="of each method (as long as it takes)"
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--json", type=Path, help="file for the measurements")
    options = parser.parse_args()
    results = []
    for method in options.methods:
        results.append({"method": method, "shares": simulations(method, options)})
        show(results[-1])
    write_json(options.json, machine(), results)


def simulations(method: str, options: argparse.Namespace) -> dict[str, list[float]]:
    """The shares of each simulation by the name of the number, as many as there is time for."""
    shares: dict[str, list[float]] = defaultdict(list)
    begin = last = time.perf_counter()
    longest = 0.0
    for seed in range(options.simulations):
        # Two at least, whose difference says how sure the table is.
        if seed >= 2 and last - begin + longest > 60 * options.minutes:
            print(f"{method}: {options.minutes:g} minutes are up", file=sys.stderr)
            break
        problem = make_problem(seed, options.motifs, options.sequences)
        found = METHODS[method](problem, seed, options)
        for name, share in held(problem, found):
            shares[name].append(share)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
        so_far = {name: round(float(np.mean(each)), 3) for name, each in shares.items()}
        print(method, seed, f"{now - begin:.0f} s", so_far, file=sys.stderr, flush=True)
    return dict(shares)


def held(problem: Problem, found: Certainty | Ensemble) -> Iterator[tuple[str, float]]:
    """The share of intervals that hold the true number, by the name of the number; and r."""
    truth, tested = problem.truth, problem.tested
    expression = truth.predict(tested).expression.astype(float)
    half = TESTED // 2
    for kind, true in (
        (found.parameters(LEVEL), truth.parameters),
        (found.effects(LEVEL), site_effects(truth)),
    ):
        for name in dict.fromkeys(kind.parameter):
            rows = [row for row, each in enumerate(kind.parameter) if each == name]
            yield name, _share(kind, np.ravel(true[name]), rows)
    predicted = found.predict(tested, LEVEL)
    yield "prediction", _share(predicted, expression)
    yield ACCURACY, pearson_correlation(predicted.expression, expression)
    change = found.difference(tested[:half], tested[half:], LEVEL)
    yield "difference", _share(change, expression[half:] - expression[:half])


def _share(kind: Intervals | PredictionIntervals, true: np.ndarray, rows: Any = ...) -> float:
    return float(((kind.lower[rows] <= true) & (true <= kind.upper[rows])).mean())


def show(result: dict[str, Any]) -> None:
    """Prints a method's table."""
    rows = []
    for name in NUMBERS:
        shares = np.array(result["shares"][name])
        error = shares.std(ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else np.nan
        rows.append([name, f"{100 * shares.mean():.1f} %", f"{100 * error:.1f} %"])
    count = len(result["shares"]["prediction"])
    title = f"{result['method']}: 90 % intervals that hold the truth, {count} simulations"
    print_table(title, ("number", "share", "±"), rows)
    r = np.array(result["shares"][ACCURACY])
    print(
        f"r of predicted with true expression: {r.mean():.3f}, from {r.min():.3f} to {r.max():.3f}"
    )


if __name__ == "__main__":
    main()
