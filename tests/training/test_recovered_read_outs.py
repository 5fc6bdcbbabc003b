"""From simulated promoters, training finds the true link and the positions of potentiation."""

from __future__ import annotations

import numpy as np
import pytest

import cisreg
from cisreg.interpret import factor_effects
from cisreg.interpret.read_out import position_weight
from cisreg.metrics import pearson_correlation
from cisreg.motifs import demo_motifs
from cisreg.trained_model import Model

pytestmark = pytest.mark.slow

COUNT, TESTED = 6000, 1500
NAME = "potentiation_position_weight"


def simulated(seed=0, **layers):
    """(training data, test sequences, what they truly express, the true model)."""
    made = cisreg.simulate(
        demo_motifs(width=20), sequence_count=COUNT + TESTED, seed=seed, **layers
    )
    data = cisreg.Dataset(made.sequence[:COUNT], made.expression[:COUNT])
    truth = Model(made.spec, made.parameters, made.motif_names)
    return data, made.sequence[COUNT:], made.noiseless_expression[COUNT:], truth


def trained(data, seed=0, **layers):
    kept = {"constant_ends": "keep", "positional": False, "stranded": False}
    recipe = cisreg.read_recipe("default").override(
        motif_width=20, model={**kept, **layers}, validation=0.0
    )
    return cisreg.train(*(data, demo_motifs(width=20), recipe), seed=seed, progress=False).model


def agreement(learned, true):
    """Pearson's r, and the largest difference as a share of the largest true value."""
    learned, true = np.ravel(learned), np.ravel(true)
    return pearson_correlation(learned, true), np.abs(learned - true).max() / np.abs(true).max()


def test_the_true_link_predicts_better_than_none():
    data, sequence, expected, truth = simulated(link="logistic")
    found, without = trained(data, link="logistic"), trained(data)
    errors = [
        np.mean((model.predict(sequence).expression - expected) ** 2) for model in (found, without)
    ]
    assert errors[0] < 0.5 * errors[1]
    r, _ = agreement(*(factor_effects(each).effect for each in (found, truth)))
    assert r > 0.97
    floor, ceiling = (float(truth.parameters[f"link_{end}"]) for end in ("floor", "ceiling"))
    within = 0.1 * (ceiling - floor)
    assert found.parameters["link_floor"] == pytest.approx(floor, abs=within)
    assert found.parameters["link_ceiling"] == pytest.approx(ceiling, abs=within)


def test_positions_of_potentiation_are_the_true_ones():
    layers = {"positional_potentiation": True}
    data, sequence, expected, truth = simulated(**layers)
    found, without = trained(data, position_knots=10, **layers), trained(data)
    errors = [
        np.mean((model.predict(sequence).expression - expected) ** 2) for model in (found, without)
    ]
    assert errors[0] < 0.5 * errors[1]
    opening = [
        position_weight(model.spec, model.parameters, NAME)[0] * model.parameters["potentiation"]
        for model in (found, truth)
    ]
    strong = (
        np.abs(truth.parameters["potentiation"])
        > 0.3 * np.abs(truth.parameters["potentiation"]).max()
    )
    r, _ = agreement(opening[0][:, strong], opening[1][:, strong])
    assert r > 0.9


def test_a_link_that_is_not_there_gains_nothing():
    data, sequence, expected, _ = simulated()
    errors = [
        np.mean((trained(data, link=link).predict(sequence).expression - expected) ** 2)
        for link in ("identity", "exponential")
    ]
    assert errors[0] < errors[1]


@pytest.mark.parametrize("competes", [True, False])
def test_whether_sites_exclude_each_other_is_told(competes):
    motifs = demo_motifs(width=20)
    made = cisreg.simulate(motifs, sequence_count=4000, sequence_length=80, competition=competes)
    data = cisreg.Dataset(made.sequence[:3000], made.expression[:3000])
    recipe = cisreg.read_recipe("quick").override(
        motif_width=20, motif_flank=0, model={"constant_ends": "keep"}, validation=0.0
    )
    errors = {}
    for competition in (True, False):
        chosen = recipe.override(model={"competition": competition})
        model = cisreg.train(data, motifs, chosen, progress=False).model
        predicted = model.predict(made.sequence[3000:]).expression
        errors[competition] = np.mean((predicted - made.noiseless_expression[3000:]) ** 2)
    assert errors[competes] < 0.8 * errors[not competes]
