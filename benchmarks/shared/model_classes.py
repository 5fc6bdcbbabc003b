"""Whether the likelihood of rows held out tells the true class of models from others."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.shared.suite import print_table
from cisreg.simulate import Simulation
from cisreg.trained_model import Model


def held_out_likelihood(model: Model, made: Simulation, first: int) -> float:
    """The mean log likelihood of a measurement among the rows from `first` on, nats."""
    import tensorflow as tf

    assert model.noise is not None
    measured = made.expression[first:]
    predicted = tf.constant(model.predict(made.sequence[first:]).expression)
    logs = model.noise.log_likelihood(predicted, tf.constant(measured)).numpy()
    # Counts of several libraries are one measurement of a row, of which none is missing here.
    there = np.isfinite(measured) if measured.shape == logs.shape else slice(None)
    return float(logs[there].mean(dtype=np.float64))


def print_classes(title: str, results: list[dict[str, Any]]) -> None:
    """In how many simulations the true class has the higher likelihood.

    Args:
        title: of the table.
        results: each with the names "truth" and "other", and the "gain" of the truth.
    """
    rows = []
    for pair in dict.fromkeys((each["truth"], each["other"]) for each in results):
        gains = [each["gain"] for each in results if (each["truth"], each["other"]) == pair]
        told = f"{sum(gain > 0 for gain in gains)} of {len(gains)}"
        rows.append((*pair, told, f"{np.mean(gains):.4f}", f"{min(gains):.4f}"))
    print_table(title, ("truth", "other", "told", "nats per measurement", "least"), rows)
