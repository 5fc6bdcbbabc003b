"""On simulated promoters a trained model shows the effects of the factors that are true."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

import cisreg
from cisreg.interpret import (
    base_contributions,
    contributions,
    explain_difference,
    factor_effects,
)
from cisreg.motifs import demo_motifs
from cisreg.trained_model import Model

pytestmark = pytest.mark.slow

COUNT = 11_000


class Trained(NamedTuple):
    learned: Model
    true: Model
    sequence: np.ndarray


@pytest.fixture(scope="module")
def trained():
    """A model trained as by `make demo`, the true one, and sequences that neither has seen."""
    motifs = demo_motifs(width=30)
    simulated = cisreg.simulate(motifs, sequence_count=COUNT + 1000, seed=0)
    data = cisreg.Dataset(simulated.sequence[:COUNT], simulated.expression[:COUNT])
    learned = cisreg.train(data, motifs, progress=False).model
    true = Model(simulated.spec, simulated.parameters, simulated.motif_names)
    return Trained(learned, true, simulated.sequence[COUNT:])


def agreement(learned, true):
    """Pearson's r, and the largest difference as a share of the largest true value."""
    learned, true = np.ravel(learned), np.ravel(true)
    worst = np.abs(learned - true).max() / np.abs(true).max()
    return np.corrcoef(learned, true)[0, 1], worst


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("effect", 0.25),
        ("potentiation_effect", 0.25),
        ("mean_effect", 0.1),
        ("importance", 0.1),
    ],
)
def test_effects_of_factors_are_the_true_ones(trained, name, most):
    learned, true = (getattr(factor_effects(m, trained.sequence), name) for m in trained[:2])
    r, worst = agreement(learned, true)
    assert r > 0.98
    assert worst < most


def test_effects_are_nearer_to_the_truth_than_activities(trained):
    _, of_effects = agreement(*(factor_effects(model).effect for model in trained[:2]))
    _, of_activity = agreement(*(model.parameters["activity"] for model in trained[:2]))
    assert of_effects < of_activity / 2


@pytest.mark.parametrize("rule", ["at value", "shapley"])
def test_contributions_are_the_true_ones(trained, rule):
    learned, true = (
        contributions(model, trained.sequence, accessibility=rule) for model in trained[:2]
    )
    r, worst = agreement(learned.by_factor, true.by_factor)
    assert r > 0.99
    assert worst < 0.15
    if rule == "shapley":
        assert agreement(learned.opening, true.opening)[0] > 0.98


def test_contributions_of_bases_and_of_differences_are_the_true_ones(trained):
    bases = [base_contributions(model, trained.sequence[:200]).effect for model in trained[:2]]
    assert agreement(*bases)[0] > 0.99
    first, second = np.split(trained.sequence, 2)
    parts = [explain_difference(model, first, second).by_factor for model in trained[:2]]
    assert agreement(*parts)[0] > 0.99
