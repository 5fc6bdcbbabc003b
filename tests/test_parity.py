"""The model against the results of the original software, in each of its configurations."""

from __future__ import annotations

import ast
import functools

import numpy as np
import pytest
import tensorflow as tf
from shared_data import shared_data

from cisreg.losses import Penalty, mean_squared_error, negative_log_likelihood, penalty
from cisreg.model import ModelSpec, predict

FIXTURES = [
    "expected",
    "expected_limit",
    "expected_potentiation",
    "expected_potentiation_accessibility",
    "expected_potentiation_limit",
    "expected_potentiation_positional_limit",
    "expected_potentiation_positional_stranded",
    "expected_potentiation_positional_stranded_limit",
    "expected_potentiation_regularised",
    "expected_stranded_limit",
    "likelihood",
    "narrow_long",
    "odd_width",
    "probability",
    "probability_potentiation",
    "probability_potentiation_positional_stranded",
    "probability_potentiation_stranded_limit",
    "wider_than_sequence",
]
ORIGINAL_NAMES = {
    "log_concentration": "concentrations",
    "activity": "activities",
    "bias": "constant",
    "potentiation": "potents",
    "potentiation_bias": "constantPot",
    "activity_difference": "activityDiffs",
    "log_binding_limit": "logBindingLimits",
    "accessibility_activity": "accessActiv",
}
# Largest deviation, as a fraction of the largest number. The original computes occupancy as
# 1 - 1/(1 + exp(..)) in float32, which is 2^-24 too high at every weak site. That alone makes
# 1.8e-5 of the accessibility in "likelihood" and 2.0e-5 of the loss in "..._accessibility".
PREDICTION, BINDING, GRADIENT = 2e-5, 1e-4, 5e-4


@functools.cache
def read_fixture(name):
    with np.load(shared_data("parity") / f"{name}.npz") as arrays:
        fixture = dict(arrays)
    return fixture, ast.literal_eval(str(fixture["config"]))


def spec_of(name, config):
    # The original's default is expected binding; the files contain this option only if it was set.
    return ModelSpec(
        motif_count=config["M"],
        motif_width=config["W"],
        sequence_length=config["L"],
        binding="probability" if name.startswith("probability") else "expected",
        potentiation="potentiation" in config,
        accessibility_activity="accIsAct" in config,
        binding_limit="bindingLimits" in config,
        positional="trainPositionalActivities" in config,
        stranded="trainStrandedActivities" in config,
    )


def by_parameter(spec, fixture, kind):
    """The original's arrays, "param" or "grad", under our names and with our shapes."""
    arrays = {}
    for name, shape in spec.parameter_shapes.items():
        if name == "log_kd":
            arrays[name] = fixture[f"{kind}/motifs"].transpose(1, 0, 2)
        elif name == "position_weight":
            strands = ["positionalActivities", "positionalActivitiesRC"][: shape[0]]
            arrays[name] = np.stack([fixture[f"{kind}/{strand}"] for strand in strands])
        else:
            arrays[name] = fixture[f"{kind}/{ORIGINAL_NAMES[name]}"].reshape(shape)
    assert len(arrays) == sum(key.startswith(kind) for key in fixture) - (
        spec.positional and spec.stranded
    )
    return arrays


def base_codes(sequences, length):
    """Codes of the last `length` bases of each sequence, padded on the left."""
    texts = [sequence[-length:].rjust(length, "N") for sequence in sequences]
    return np.array([["ACGTN".index(base) for base in text] for text in texts], np.uint8)


def assert_parity(actual, expected, tolerance):
    actual = np.asarray(tf.convert_to_tensor(actual), np.float64)
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()


def loss_of(prediction, parameters, fixture, config):
    measured = fixture["expression"]
    if "mean_sd" in fixture:
        return negative_log_likelihood(prediction.expression, measured, table=fixture["mean_sd"])
    l1 = float(config.get("L1", 0))
    weights = Penalty(activity_l1=l1, potentiation_l1=l1, motif_l2=float(config.get("L2", 0)))
    return mean_squared_error(prediction.expression, measured) + penalty(parameters, weights)


@pytest.mark.parametrize("implementation", ["standard", "fused"])
@pytest.mark.parametrize("name", FIXTURES)
def test_parity(name, implementation):
    fixture, config = read_fixture(name)
    spec = spec_of(name, config)
    parameters = {
        name: tf.Variable(value) for name, value in by_parameter(spec, fixture, "param").items()
    }
    sequence = base_codes(fixture["sequence"], spec.sequence_length)
    with tf.GradientTape() as tape:
        prediction = predict(spec, parameters, sequence, implementation=implementation)
        loss = loss_of(prediction, parameters, fixture, config)
    gradient = tape.gradient(loss, parameters)

    assert_parity(prediction.expression, fixture["prediction"], PREDICTION)
    assert_parity(loss, fixture["loss"], PREDICTION)
    assert (prediction.accessibility is not None) == ("openness" in fixture)
    if "openness" in fixture:
        assert_parity(prediction.accessibility, fixture["openness"], PREDICTION)
    assert (prediction.binding is not None) == ("binding" in fixture)
    if "binding_reverse" in fixture:
        both = np.stack([fixture["binding"], fixture["binding_reverse"]], axis=1)
        assert_parity(prediction.binding, both, BINDING)
    elif "binding" in fixture:
        assert_parity(prediction.binding, fixture["binding"], BINDING)
    for parameter, expected in by_parameter(spec, fixture, "grad").items():
        assert_parity(gradient[parameter], expected, GRADIENT)


def test_every_fixture_is_tested():
    assert sorted(path.stem for path in shared_data("parity").glob("*.npz")) == FIXTURES
