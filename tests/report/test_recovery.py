"""Learned against true parameters, for every choice of layers in the learned model."""

from __future__ import annotations

import numpy as np
import pytest

from cisreg.model import ModelSpec, init_parameters
from cisreg.report import compare_parameters
from cisreg.report.recovery import strongest_site_effects
from cisreg.trained_model import Model

NAMES = ("a", "b", "c")


def make_model(names=NAMES, shift=0.0, **layers) -> Model:
    spec = ModelSpec(motif_count=len(names), motif_width=4, sequence_length=20, **layers)
    random = np.random.default_rng(0)
    log_kd = random.normal(0, 1, (4, 4, len(names))) + shift / 4
    log_concentration = log_kd.min(axis=1).sum(axis=0) + np.linspace(-1, 1, len(names))
    parameters = init_parameters(spec, log_kd, log_concentration, activity_scale=1.0)
    return Model(spec, parameters, names)


def test_effects_are_activity_times_occupancy_of_the_strongest_site():
    model = make_model()
    occupancy = 1 / (1 + np.exp(-np.linspace(-1, 1, 3)))
    effects = strongest_site_effects(model)
    np.testing.assert_allclose(effects["activity"], model.parameters["activity"] * occupancy, 1e-5)
    np.testing.assert_allclose(
        effects["potentiation"], model.parameters["potentiation"] * occupancy, 1e-5
    )


def test_a_constant_in_log_kd_and_log_concentration_changes_nothing():
    for name, effect in strongest_site_effects(make_model(shift=3.0)).items():
        np.testing.assert_allclose(effect, strongest_site_effects(make_model())[name], rtol=1e-5)


@pytest.mark.parametrize("knots", [None, 5])
def test_activity_is_the_mean_over_strands_and_windows(knots):
    plain = make_model()
    model = make_model(positional=True, stranded=True, position_knots=knots)
    parameters = dict(model.parameters)
    parameters["activity"] = plain.parameters["activity"]
    parameters["activity_difference"] = np.full(3, 2.0, np.float32)
    parameters["position_weight"] = np.full_like(parameters["position_weight"], 3.0)
    effect = strongest_site_effects(Model(model.spec, parameters, NAMES))["activity"]
    occupancy = 1 / (1 + np.exp(-np.linspace(-1, 1, 3)))
    np.testing.assert_allclose(effect, 3 * (plain.parameters["activity"] + 1) * occupancy, 1e-4)


def test_motifs_are_matched_by_name_in_any_order():
    learned, truth = make_model(), make_model(("c", "x", "a"))
    activity, potentiation = compare_parameters(learned, truth)
    assert (activity.name, potentiation.name) == ("activity", "potentiation")
    assert activity.motif_names == ("a", "c")
    np.testing.assert_array_equal(activity.true, strongest_site_effects(truth)["activity"][[2, 0]])
    np.testing.assert_array_equal(
        activity.learned, strongest_site_effects(learned)["activity"][[0, 2]]
    )


def test_layers_that_one_model_lacks_are_not_compared():
    (comparison,) = compare_parameters(make_model(), make_model(potentiation=False))
    assert comparison.name == "activity"
    assert comparison.pearson == pytest.approx(1.0)


def test_models_of_other_factors_are_refused():
    with pytest.raises(ValueError, match="at least 2 motifs of the model"):
        compare_parameters(make_model(), make_model(("x", "y", "a")))


@pytest.mark.parametrize("log_concentration", [-1000.0, 1000.0])
def test_factors_that_are_knocked_out_or_everywhere(log_concentration, recwarn):
    spec = ModelSpec(motif_count=1, motif_width=2, sequence_length=5)
    model = Model(spec, init_parameters(spec, np.ones((2, 4, 1)), [log_concentration]), ("a",))
    activity = model.parameters["activity"] * (log_concentration > 0)
    np.testing.assert_array_equal(strongest_site_effects(model)["activity"], activity)
    assert not list(recwarn)
