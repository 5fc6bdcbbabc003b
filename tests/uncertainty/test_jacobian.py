"""Slopes of expression against those that TensorFlow derives from the standard operations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from interpret_models import KINDS, make_codes, make_model

from cisreg.model import predict
from cisreg.uncertainty.coordinates import Coordinates, variable_names
from cisreg.uncertainty.jacobian import STEP, jacobian

FUSED = [
    kind for kind in KINDS if make_model(**KINDS[kind]).spec.fused and "pairs" not in KINDS[kind]
]


def tensorflow_slopes(model, codes, coordinates):
    """[N, K] by automatic differentiation; log_kd along the coordinates' own directions."""
    variables = {name: tf.Variable(value) for name, value in model.parameters.items()}
    with tf.GradientTape(persistent=True) as tape:
        expression = predict(
            *(model.spec, variables, codes),
            column_range=model.column_range,
            implementation="standard",
        ).expression
    chosen = {name: variables[name] for name in coordinates.names}
    parts = tape.jacobian(expression, chosen, experimental_use_pfor=False)
    size = len(coordinates)
    columns = []
    for index in range(size):
        step = np.zeros(size)
        step[index] = 1
        total = np.zeros(len(codes))
        for name, place in coordinates.places.items():
            part = step[place]
            change = part.reshape(np.shape(model.parameters[name])) if name != "log_kd" else None
            change = coordinates.log_kd_step(part) if change is None else change
            total += (parts[name].numpy() * change).reshape(len(codes), -1).sum(axis=1)
        columns.append(total)
    return np.stack(columns, axis=1)


def responsive(model):
    """The model with accessibility that is neither 0 nor 1."""
    if not model.spec.potentiation:
        return model
    weaker = {"potentiation": 0.1 * model.parameters["potentiation"]}
    return replace(model, parameters={**model.parameters, **weaker})


@pytest.mark.parametrize("kind", FUSED)
def test_slopes_are_those_of_tensorflow(kind):
    model, codes = responsive(make_model(**KINDS[kind])), make_codes(6)
    coordinates = Coordinates.of(model, variable_names(model.spec))
    _, found = jacobian(model, codes, coordinates)
    expected = tensorflow_slopes(model, codes, coordinates)
    # The error of a difference of two values of a sigmoid, and float32 rounding of about twenty
    # bound sites with activities of about two.
    rounding = 2 * 20 * np.finfo(np.float32).eps / STEP
    largest = np.abs(expected).max(axis=0)
    assert (np.abs(found - expected) <= STEP**2 / 6 * 1.1 * largest + rounding).all()
    for name, place in coordinates.places.items():
        # Neither a probability nor what is left of crowded sites reaches the limits of the models.
        few = model.spec.binding == "probability" or model.spec.competition
        out_of_reach = name == "log_binding_limit" and few
        assert out_of_reach or largest[place].max() > 100 * rounding


def test_a_step_along_the_coordinates_is_one_of_the_model():
    model = make_model(stranded=True)
    coordinates = Coordinates.of(model, ["log_kd", "activity", "bias"])
    step = np.random.default_rng(0).normal(size=len(coordinates))
    moved = coordinates.moved(model, step)
    np.testing.assert_allclose(
        coordinates.values(moved) - coordinates.values(model), step, atol=1e-5
    )
    sums = [each.parameters["log_kd"].sum(axis=1) for each in (model, moved)]
    np.testing.assert_allclose(*sums, atol=1e-5)
    assert (moved.parameters["potentiation"] == model.parameters["potentiation"]).all()


def test_names_and_errors_of_coordinates():
    model = make_model()
    coordinates = Coordinates.of(model)
    assert coordinates.names == (
        *("log_concentration", "potentiation", "potentiation_bias", "activity", "bias"),
    )
    place = coordinates.index("activity", "Rap1")
    assert (coordinates.parameter[place], coordinates.factor[place]) == ("activity", "Rap1")
    assert coordinates.factor[coordinates.index("bias")] == ""
    with pytest.raises(ValueError, match=r"factor: expected one of Abf1, .*, got 'Rab1'"):
        coordinates.index("activity", "Rab1")
    with pytest.raises(ValueError, match="factor: expected None with bias"):
        coordinates.index("bias", "Rap1")
    with pytest.raises(ValueError, match=r"parameter: expected one of .* got 'activities'"):
        coordinates.index("activities", "Rap1")
    with pytest.raises(ValueError, match=r"parameters: expected some of .* got 'activities'"):
        Coordinates.of(model, ["activities"])
    with pytest.raises(TypeError, match="parameters: expected a list of names"):
        Coordinates.of(model, "activity")
    with pytest.raises(ValueError, match="without binding limits where it has position weights"):
        Coordinates.of(make_model(positional=True, binding_limit=True))


def test_pairs_of_factors_are_refused():
    model = make_model(**KINDS["pairs"])
    with pytest.raises(ValueError, match=r"expected one without pairs of factors.*got 3 pairs"):
        Coordinates.of(model)
