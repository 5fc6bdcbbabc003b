"""Links: from the score of a model to expression, against formulas written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
from interpret_models import make_codes, make_model

import cisreg
from cisreg.interpret import knock_outs, read_out, scan_model
from cisreg.links import (
    effect_of_score,
    link_parameter_slopes,
    link_slope,
    link_value,
    of_score,
    score_unit,
)
from cisreg.model import predict

PARAMETERS = {
    "identity": {},
    "logistic": {"link_floor": np.float32(-2.0), "link_ceiling": np.float32(6.0)},
    "softplus": {"link_scale": np.float32(3.0)},
    "exponential": {"link_scale": np.float32(0.5)},
}
FORMULAS = {
    "identity": lambda x: x,
    "logistic": lambda x: -2.0 + 8.0 / (1.0 + math.exp(-x)),
    "softplus": lambda x: 3.0 * math.log1p(math.exp(x)),
    "exponential": lambda x: 0.5 * math.exp(x),
}
SCORES = np.array([-30.0, -2.0, 0.0, 0.7, 20.0])


@pytest.mark.parametrize("link", FORMULAS)
def test_the_value_is_that_of_the_formula(link):
    expected = [FORMULAS[link](score) for score in SCORES]
    np.testing.assert_allclose(link_value(link, PARAMETERS[link], SCORES), expected, rtol=1e-12)


@pytest.mark.parametrize("link", FORMULAS)
def test_slopes_are_those_of_small_steps(link):
    parameters, step = PARAMETERS[link], 1e-6
    scores = np.array([-3.0, -0.5, 0.0, 2.0])

    def rise(value):
        return (value(step) - value(-step)) / (2 * step)

    by_score = rise(lambda d: link_value(link, parameters, scores + d))
    np.testing.assert_allclose(link_slope(link, parameters, scores), by_score, rtol=1e-6)
    slopes = link_parameter_slopes(link, parameters, scores)
    assert list(slopes) == list(parameters)
    for name, slope in slopes.items():
        moved = rise(
            lambda d, name=name: link_value(
                link, {**parameters, name: float(parameters[name]) + d}, scores
            )
        )
        np.testing.assert_allclose(slope, moved, rtol=1e-6)


@pytest.mark.parametrize("link", FORMULAS)
def test_small_effects_are_compared_by_a_slope(link):
    parameters = {**PARAMETERS[link], "bias": np.float32(0.3)}
    where = np.float64(0.3 if link == "exponential" else 60.0 if link == "softplus" else 0.0)
    expected = float(link_slope(link, parameters, where))
    assert effect_of_score(link, parameters) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("link", FORMULAS)
def test_a_model_has_the_parameters_of_its_link_and_predicts_with_them(link):
    model = make_model(link=link, accessibility_activity=True)
    codes = make_codes()
    assert set(PARAMETERS[link]) == {name for name in model.parameters if "link_" in name}
    plain = {name: value for name, value in model.parameters.items() if "link_" not in name}
    scores = predict(
        cisreg.ModelSpec(**{**model.spec.to_dict(), "link": "identity"}),
        plain,
        codes,
        column_range=model.column_range,
        implementation="standard",
    ).expression.numpy()
    found = predict(
        *(model.spec, model.parameters, codes),
        column_range=model.column_range,
        implementation="standard",
    ).expression
    expected = link_value(link, model.parameters, scores.astype(float))
    np.testing.assert_allclose(found, expected, rtol=2e-6)


@pytest.mark.parametrize("link", ["logistic", "softplus", "exponential"])
def test_knock_outs_are_differences_of_expression_not_of_the_score(link):
    model, codes = make_model(link=link), make_codes()
    found = knock_outs(model, codes)
    for place in range(len(model.motif_names)):
        without = {**model.parameters}
        without["log_concentration"] = without["log_concentration"].copy()
        without["log_concentration"][place] = -np.inf
        changed = cisreg.Model(
            model.spec, without, model.motif_names, column_range=model.column_range
        )
        whole, rest = (read_out(each, scan_model(each, codes)) for each in (model, changed))
        effect = whole.expression - rest.expression
        assert found.mean_effect[place] == pytest.approx(effect.mean(), rel=1e-4, abs=1e-6)
        assert abs(effect - (whole.score - rest.score)).max() > 1e-3 or not effect.any()


def test_what_is_said_of_the_score():
    assert of_score("identity") == "" and score_unit("identity", "counts") == "counts"
    for link in ("logistic", "softplus", "exponential"):
        assert link in of_score(link) and link in score_unit(link, "counts")


def test_an_unknown_link_is_refused():
    with pytest.raises(ValueError, match=r"link: expected one of 'identity', .*got 'probit'"):
        cisreg.ModelSpec(2, 3, 10, link="probit")


def test_the_logistic_link_holds_where_scores_are_extreme():
    link, parameters = "logistic", PARAMETERS["logistic"]
    extreme = np.array([-1e6, 1e6])
    np.testing.assert_allclose(link_value(link, parameters, extreme), [-2.0, 6.0])
    assert np.isfinite(link_slope(link, parameters, extreme)).all()
    spec = cisreg.ModelSpec(1, 3, 10, potentiation=False, link=link)
    start = cisreg.init_parameters(spec, np.zeros((3, 4, 1)), np.zeros(1))
    start["bias"] = np.float32(1e6)
    found = predict(spec, start, tf.zeros([1, 10], tf.uint8), implementation="standard")
    np.testing.assert_allclose(found.expression, start["link_ceiling"])
