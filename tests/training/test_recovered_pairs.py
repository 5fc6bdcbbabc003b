"""Curves of pairs of factors are learned as high as they are, not only in their shape."""

from __future__ import annotations

import numpy as np
from pair_models import simulated

import cisreg
from cisreg.pairs import pair_curves
from cisreg.training import Stage, fit


def test_a_stage_of_a_recipe_reaches_the_height_of_true_curves():
    made = simulated(2, sequence_count=2000, seed=1, noise=0.2)
    recipe = cisreg.read_recipe("quick")
    last = recipe.stages[-1]
    stage = Stage(
        ("pair_effect",),
        epochs=last.epochs,
        learning_rate=last.learning_rate,
        schedule=last.schedule,
        batch_size=last.batch_size,
    )
    start = {**made.parameters, "pair_effect": np.zeros_like(made.parameters["pair_effect"])}
    data = cisreg.Dataset(made.sequence, made.expression)
    found = fit(
        *(made.spec, start, data, [stage]),
        penalty=recipe.penalty,
        validation=None,
        progress=False,
    ).parameters
    (_, true), (_, learned) = (
        pair_curves(made.spec, each["pair_effect"]) for each in (made.parameters, found)
    )
    for expected, curve in zip(true, learned, strict=True):
        height = np.sum(curve * expected) / np.sum(expected**2)
        assert 0.8 < height < 1.1
        assert np.corrcoef(curve.ravel(), expected.ravel())[0, 1] > 0.95
