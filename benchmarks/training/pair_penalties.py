"""How high are curves of pairs of factors at the exact minimum, by the weights of the penalties?

    python -m benchmarks.training.pair_penalties

Promoters are simulated as in `benchmarks.training.pairs`, 3,200 to train on. All parameters but
`pair_effect` are the true ones. Expression is linear in it, so that the minimum of squared error
and penalties is computed without steps of an optimizer that may end before it (FISTA; Beck and
Teboulle 2009). What is left between this minimum and a trained model is due to training.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.shared.suite import machine, print_table, write_json
from benchmarks.training.pairs import Split
from cisreg.interpret.read_out import read_out, scan_model
from cisreg.start import STANDARD_DEVIATION

# (pair_l1, pair_smoothness): least penalties, those of before, others, those of the recipes.
WEIGHTS = (
    *((0.0, 1e-6), (1e-3, 1e-3), (1e-3, 0.0), (0.0, 1e-4), (3e-4, 1e-4), (3e-3, 1e-4)),
    (1e-3, 1e-4),
)
STEPS = 10_000


class Problem(NamedTuple):
    """A linear problem, in the standard unit.

    Attributes:
        sums: float64 [N, Q * 2 * K], of the promoters to train on.
        target: float64 [N], what pairs do there, and noise.
        tested: the sums of promoters held out.
        effect: float64 [Q, 2, K], the truth.
    """

    sums: np.ndarray
    target: np.ndarray
    tested: np.ndarray
    effect: np.ndarray


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sequences", type=int, default=4_000, help="simulated (%(default)s)")
    parser.add_argument("--json", type=Path, help="file for the measurements")
    options = parser.parse_args()
    problems = [simulated(seed, options.sequences) for seed in range(options.seeds)]
    largest = [np.abs(each.effect).max(axis=(1, 2)) for each in problems]
    print(f"largest true effects: {np.min(largest):.1f} to {np.max(largest):.1f} standard units")
    results = list(measured(problems))
    rows = [[f"{value:.3g}" for value in each.values()] for each in results]
    print_table("penalties", list(results[0]), rows)
    write_json(options.json, machine(), results)


def simulated(seed: int, count: int) -> Problem:
    """The linear problem of one simulation."""
    split = Split(seed, count)
    (sums, rest), (tested, _) = (
        _sums(split, data.sequence) for data in (split.training, split.held_out)
    )
    unit = split.training.expression.std() / STANDARD_DEVIATION
    effect = split.made.parameters["pair_effect"].astype(np.float64) / unit
    target = (split.training.expression - rest) / unit + sums @ effect.ravel()
    return Problem(sums, target, tested, effect)


def _sums(split: Split, sequence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the knots are multiplied by, [N, Q * 2 * K], and what the true model predicts."""
    scan = scan_model(split.truth, sequence)
    assert scan.paired is not None
    made = read_out(split.truth, scan)
    by_strand = scan.paired
    same, opposite = (by_strand[:, 0, first] + by_strand[:, 1, 1 - first] for first in (0, 1))
    both = np.stack([same, opposite], axis=2).reshape(len(sequence), -1)
    return both * made.accessibility[:, np.newaxis], made.expression


def measured(problems: list[Problem]) -> Iterator[dict[str, float]]:
    """A row for each pair of weights, over all simulations and their pairs."""
    for l1, smoothness in WEIGHTS:
        heights: list[float] = []
        rs: list[float] = []
        errors = []
        for problem in problems:
            effect = problem.effect.reshape(len(problem.effect), -1)
            found = minimum(problem, l1, smoothness).reshape(effect.shape)
            heights += (np.sum(found * effect, axis=1) / np.sum(effect**2, axis=1)).tolist()
            rs += [np.corrcoef(*each)[0, 1] for each in zip(found, effect, strict=True)]
            wrong = problem.tested @ (found - effect).ravel()
            errors.append(np.mean(wrong**2) / np.mean((problem.tested @ effect.ravel()) ** 2))
        yield {
            "pair_l1": l1,
            "pair_smoothness": smoothness,
            "height": float(np.mean(heights)),
            "least": min(heights),
            "most": max(heights),
            "r": float(np.mean(rs)),
            "least r": min(rs),
            "error held out": float(np.mean(errors)),
            "largest": max(errors),
        }


def minimum(problem: Problem, l1: float, smoothness: float) -> np.ndarray:
    """The effects that minimize mean squared error and penalties, [Q * 2 * K]."""
    count, knots = problem.effect.shape[0] * 2, problem.effect.shape[2]
    step = np.diff(np.eye(knots), axis=0)
    rough = np.kron(np.eye(count), step.T @ step)
    hessian: Any = 2 * problem.sums.T @ problem.sums / len(problem.sums) + 2 * smoothness * rough
    slope = 2 * problem.sums.T @ problem.target / len(problem.sums)
    size = 1 / np.linalg.eigvalsh(hessian).max()
    found = np.zeros(len(slope))
    ahead, momentum = found, 1.0
    for _ in range(STEPS):
        moved = ahead - size * (hessian @ ahead - slope)
        moved = np.sign(moved) * np.maximum(np.abs(moved) - size * l1, 0)
        later = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = moved + (momentum - 1) / later * (moved - found)
        found, momentum = moved, later
    return found


if __name__ == "__main__":
    main()
