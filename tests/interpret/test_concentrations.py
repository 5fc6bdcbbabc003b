"""Knock-outs and other concentrations, against models that have these concentrations."""

from __future__ import annotations

import numpy as np
import pytest
from interpret_models import KINDS, NAMES, make_codes, make_model

from cisreg.data import Dataset
from cisreg.interpret import (
    change_concentration,
    change_each_concentration,
    knock_outs,
    read_out,
    scan_model,
)
from cisreg.metrics import pearson_correlation


def with_limits(model):
    """The model, with limits that sites and factors reach."""
    if model.spec.binding_limit:
        model.parameters["log_binding_limit"][:] = [-1, -0.5, -2, 0.5, -1.5]
    return model


def predicted(model, codes):
    """Expression, float64 [N]: that of `cisreg.model.predict`, see test_read_out.py."""
    return read_out(model, scan_model(model, codes)).expression


def changes_one_by_one(model, codes, times):
    """Expression at another concentration of each factor minus that of the model, [N, M]."""
    before = predicted(model, codes)
    after = [predicted(change_concentration(model, {name: times}), codes) for name in NAMES]
    return np.stack(after, axis=1) - before[:, np.newaxis]


@pytest.mark.parametrize("times", [0, 3.0])
@pytest.mark.parametrize("kind", KINDS)
def test_all_factors_from_one_scan_are_as_one_model_for_each(kind, times):
    model, codes = make_model(**KINDS[kind]), make_codes()
    # So that factors are neither bound everywhere nor nowhere.
    model.parameters["log_concentration"][:] -= 2
    with_limits(model)
    change = changes_one_by_one(model, codes, times)
    found = change_each_concentration(model, codes, times, batch_size=5)
    sign = 1 if times > 1 else -1
    np.testing.assert_allclose(found.mean_effect, sign * change.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.importance, np.abs(change).mean(axis=0), atol=1e-6)
    assert found.importance.max() > 1e-3


def test_a_knock_out_is_what_the_model_in_tensorflow_predicts_without_the_factor():
    model, codes = make_model(stranded=True, accessibility_activity=True), make_codes()
    before, after = (
        each.predict(codes).expression for each in (model, change_concentration(model, {"Rap1": 0}))
    )
    found = knock_outs(model, codes, factors=["Rap1"])
    np.testing.assert_allclose(found.mean_effect, [(before - after).mean()], rtol=1e-4)


def test_limits_of_sites_are_reached_in_these_tests():
    """Otherwise the sparse sum of the sites above their limit would be empty."""
    model = with_limits(make_model(**KINDS["context, limits of sites"]))
    lowest = np.exp(model.parameters["log_binding_limit"]).min()

    assert (scan_model(model, make_codes()).site > lowest).sum() > 10


def test_some_factors_are_the_same_as_among_all():
    model, codes = make_model(binding_limit=True), make_codes()
    every, some = knock_outs(model, codes), knock_outs(model, codes, factors=["Gcn4", "Abf1"])
    assert some.factor == ("Gcn4", "Abf1")
    np.testing.assert_array_equal(some.mean_effect, every.mean_effect[[3, 0]])
    np.testing.assert_array_equal(some.importance, every.importance[[3, 0]])


def test_the_loss_of_r_is_that_of_predictions_without_the_factor():
    model, codes = make_model(), make_codes(200)
    model.parameters["log_concentration"][:] -= 2
    before = predicted(model, codes)
    data = Dataset(codes, 1000 + before + np.random.default_rng(3).normal(0, 1, 200))
    measured = data.expression.astype(np.float64)
    found = knock_outs(model, data, batch_size=64)
    assert found.pearson == pytest.approx(pearson_correlation(before, measured), abs=1e-5)
    after = before[:, np.newaxis] + changes_one_by_one(model, codes, 0)
    lost = [found.pearson - pearson_correlation(each, measured) for each in after.T]
    np.testing.assert_allclose(found.lost_pearson, lost, rtol=1e-9, atol=1e-9)
    assert found.to_table().column_names[-1] == "lost_pearson"
    assert knock_outs(model, codes).lost_pearson is None


def test_equal_predictions_have_no_r():
    model, codes = make_model(potentiation=False), make_codes(30)
    model.parameters["activity"][1:] = 0
    found = knock_outs(model, Dataset(codes, np.arange(30.0)))
    assert np.isnan(found.lost_pearson).tolist() == [True, False, False, False, False]
    np.testing.assert_allclose(found.lost_pearson[1:], 0, atol=1e-12)


def test_a_table_has_the_most_important_factor_first():
    found = knock_outs(make_model(), make_codes())
    table = found.to_table()
    assert sorted(table["factor"].to_pylist()) == sorted(NAMES)
    assert np.all(np.diff(table["importance"].to_numpy()) <= 0)
    best = NAMES[int(np.argmax(found.importance))]
    assert table["factor"][0].as_py() == best
    assert best in found._repr_html_()
    assert "5 factors at 0 times" in repr(found)
    assert found.to_frame().shape == (5, 4)


def test_concentrations_are_multiplied_and_the_model_stays():
    model = make_model()
    before = model.parameters["log_concentration"].copy()
    changed = change_concentration(model, {"Reb1": 2.0, "Mcm1": 0})
    np.testing.assert_allclose(
        changed.log_concentration - before, [0, np.log(2), 0, 0, -np.inf], rtol=1e-6
    )
    np.testing.assert_array_equal(model.parameters["log_concentration"], before)
    assert change_concentration(changed, {"Mcm1": 2}).log_concentration[4] == -np.inf


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"times": -1.0}, ValueError, "times: expected a finite number of 0 or more, got -1.0"),
        ({"times": np.inf}, ValueError, "got inf"),
        ({"times": 1.0}, ValueError, "another number than 1"),
        ({"times": "2"}, TypeError, "times: expected a number, got '2'"),
        (
            {"factors": ["Reb"]},
            ValueError,
            "got 'Reb'; did you mean 'Reb1'",
        ),
        ({"factors": "Reb1"}, TypeError, r"give \['Reb1'\]"),
        ({"factors": ["Reb1", "Reb1"]}, ValueError, "'Reb1' twice"),
        ({"batch_size": 0}, ValueError, "batch_size: expected 1 or more"),
        ({"sequences": np.empty((0, 24), np.uint8)}, ValueError, "sequences: expected one or more"),
    ],
)
def test_what_cannot_be_is_refused(arguments, kind, message):
    with pytest.raises(kind, match=message):
        change_each_concentration(
            make_model(), **{"sequences": make_codes(), "times": 2.0, **arguments}
        )


def test_a_concentration_of_an_unknown_factor_is_refused():
    with pytest.raises(ValueError, match="factors: expected names"):
        change_concentration(make_model(), {"Reb": 2.0})
    with pytest.raises(ValueError, match="times of Reb1: expected a finite number"):
        change_concentration(make_model(), {"Reb1": np.nan})
