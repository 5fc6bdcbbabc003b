"""What each method of design reaches with the same number of evaluations.

    python -m benchmarks.interpret.design --model FOLDER --data TABLE

Starts are sequences of the table; nothing but their variable bases and the model's target "max" is
given. An evaluation is the expression of one sequence.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from cisreg.data import read_dataset
from cisreg.interpret import Beam, Genetic, Gradient, Greedy, design
from cisreg.storage import load_model

METHODS = {
    "greedy": (Greedy(), None),
    "beam of 5": (Beam(width=5), None),
    "genetic": (Genetic(), 500),
    "gradient": (Gradient(), 200),
}
BUDGETS = (1_000, 5_000, 10_000, 45_000)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="folder of a trained model")
    parser.add_argument("--data", required=True, help="table of sequences to start from")
    parser.add_argument("--starts", type=int, default=4)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    model = load_model(options.model)
    data = read_dataset(options.data, length=model.spec.sequence_length)
    rows = np.linspace(0, len(data) - 1, options.starts).astype(int)
    starts = data.take(rows)
    heads = [f"{budget:,}" for budget in BUDGETS]
    print("method", *heads, "in the end", "evaluations", "seconds a start", sep=" | ")
    for name, (method, steps) in METHODS.items():
        begin = time.perf_counter()
        found = design(model, starts, "max", method=method, steps=steps, threads=options.threads)
        seconds = (time.perf_counter() - begin) / len(starts)
        means = [np.mean([reached(steps, budget) for steps in found.steps]) for budget in BUDGETS]
        cells = [f"{mean:.2f}" for mean in [*means, found.expression.mean()]]
        count = np.mean([steps[-1].evaluations for steps in found.steps])
        print(name, *cells, f"{count:,.0f}", f"{seconds:.2f}", sep=" | ", flush=True)


def reached(steps, budget):
    """The best expression within so many evaluations."""
    return [step.expression for step in steps if step.evaluations <= budget][-1]


if __name__ == "__main__":
    main()
