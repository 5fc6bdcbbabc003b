"""Contributions: sums, and Shapley values computed by brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest
from interpret_models import KINDS, MOTIFS, NAMES, make_bound_model, make_codes, make_model

from cisreg.data import Dataset
from cisreg.interpret import (
    contributions,
    difference_batches,
    explain_difference,
    knock_outs,
    read_out,
    scan_model,
)
from cisreg.interpret.contributions import explain_scan
from cisreg.links import sigmoid
from cisreg.motifs import demo_motifs
from cisreg.simulate import simulate
from cisreg.trained_model import Model

RULES = ("at value", "shapley")


def prediction(model, codes):
    return read_out(model, scan_model(model, codes)).expression


def coalition(model, scan, factors):
    """Expression if only these factors are there."""
    without = [place for place in range(MOTIFS) if place not in factors]
    changed = type(scan)(*(None if each is None else each.copy() for each in scan))
    for each in changed:
        if each is not None:
            each[..., without] = 0
    return read_out(model, changed).expression


def shapley_values(model, codes):
    """The Shapley value of each factor, from the expression of all 2^M sets of factors, [N, M]."""
    scan, everyone = scan_model(model, codes), range(MOTIFS)
    sets = [frozenset(s) for k in range(MOTIFS + 1) for s in itertools.combinations(everyone, k)]
    worth = {each: coalition(model, scan, each) for each in sets}
    values = np.zeros((len(codes), MOTIFS))
    for player in everyone:
        for each in sets:
            if player not in each:
                size = len(each)
                share = math.factorial(size) * math.factorial(MOTIFS - 1 - size)
                gain = worth[each | {player}] - worth[each]
                values[:, player] += share / math.factorial(MOTIFS) * gain
    return values


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", KINDS)
def test_parts_add_up_to_the_prediction(kind, rule):
    model, codes = make_bound_model(kind), make_codes()
    found = contributions(model, codes, accessibility=rule, batch_size=5)
    read = read_out(model, scan_model(model, codes))
    total = found.baseline + found.activity.sum(axis=(1, 2)) + found.opening.sum(axis=1)
    scale = np.abs(found.by_factor).max()
    np.testing.assert_allclose(total + found.direct, read.score, atol=1e-9 * scale)
    np.testing.assert_allclose(found.score, read.score, atol=1e-9 * scale)
    np.testing.assert_allclose(found.expression, read.expression, atol=1e-9 * scale)
    assert ("the score before" in repr(found)) == (model.spec.link != "identity")
    assert found.activity.shape[1] == len(found.strands)
    table = found.to_table(largest=2).to_pandas()
    np.testing.assert_allclose(
        table.groupby("sequence")["effect"].sum(), read.score, atol=1e-9 * scale
    )


def test_parts_add_up_to_the_prediction_of_tensorflow():
    model, codes = make_bound_model("accessibility activity"), make_codes()
    predicted = model.predict(codes).expression
    for rule in RULES:
        table = contributions(model, codes, accessibility=rule).to_frame()
        totals = table.groupby("sequence")["effect"].sum()
        np.testing.assert_allclose(totals, predicted, rtol=1e-5, atol=1e-5)


def test_at_value_a_strand_has_accessibility_times_activity_times_binding():
    model, codes = make_bound_model(stranded=True), make_codes()
    batch = model.predict(codes, binding=True)
    activity = model.parameters["activity"]
    strands = np.stack([activity, activity + model.parameters["activity_difference"]])
    found = contributions(model, codes)
    np.testing.assert_allclose(found.activity, batch.binding * strands, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.accessibility, batch.accessibility, rtol=1e-5)
    assert not found.opening.any()


def test_a_limited_factor_is_shared_by_its_strands():
    model, codes = make_bound_model(binding_limit=True), make_codes()
    model.parameters["potentiation"][:] = 0
    model.parameters["potentiation_bias"] = np.float32(1)
    unlimited = make_bound_model()
    unlimited.parameters.update({name: model.parameters[name] for name in unlimited.parameters})
    one, two = contributions(model, codes), contributions(unlimited, codes)
    limited = np.abs(one.by_factor) < np.abs(two.by_factor) * 0.99
    assert limited.sum() > 5
    share = [each.activity[:, 0] / each.by_factor for each in (one, two)]
    np.testing.assert_allclose(share[0], share[1], rtol=1e-9)


@pytest.mark.parametrize("idle", [True, False])
def test_it_is_the_shapley_value_if_one_factor_opens_and_one_closes(idle):
    model, codes = make_bound_model(accessibility_activity=True), make_codes()
    model.parameters["potentiation"][:] = [1.5, -0.7, 0, 0, 0]
    if idle:
        model.parameters["activity"][:2] = 0
    found = contributions(model, codes, accessibility="shapley")
    expected = shapley_values(model, codes)
    if idle:
        np.testing.assert_allclose(found.by_factor, expected, atol=1e-10)
    # What the two do themselves meets their own opening in another order than that of others.
    np.testing.assert_allclose(found.by_factor[:, 2:], expected[:, 2:], atol=1e-10)
    assert np.abs(found.opening[:, :2]).max() > 0.1
    assert not found.opening[:, 2:].any()


def test_it_is_the_shapley_value_if_accessibility_is_linear():
    """Small log odds: what differs is of their third order."""
    codes, gaps = make_codes(), []
    for scale in (1e-2, 1e-3):
        model = make_bound_model()
        model.parameters["potentiation"][:] *= scale
        model.parameters["potentiation_bias"] = np.float32(0)
        found = contributions(model, codes, accessibility="shapley")
        gaps.append(np.abs(found.by_factor - shapley_values(model, codes)).max())
        opening = np.abs(found.opening).max()
        assert gaps[-1] < 0.02 * opening
    assert gaps[1] < gaps[0] / 500


def test_it_is_near_the_shapley_value_of_many_factors():
    """Sixteen simulated factors; Shapley values as the mean over 2,000 random orders."""
    simulated = simulate(demo_motifs(width=30), sequence_count=40, seed=0)
    model = Model(simulated.spec, simulated.parameters, simulated.motif_names)
    scan, random = scan_model(model, simulated.sequence), np.random.default_rng(0)
    odds = scan.opening * model.parameters["potentiation"]
    acts = scan.acting.sum(axis=1) * model.parameters["activity"]
    expected, start = np.zeros_like(odds), np.zeros((40, 1))
    for _ in range(2000):
        order = random.permutation(16)
        added, acting = (
            np.concatenate([start, each[:, order].cumsum(axis=1)], axis=1) for each in (odds, acts)
        )
        accessible = sigmoid(model.parameters["potentiation_bias"] + added)
        expected[:, order] += np.diff(accessible * acting, axis=1) / 2000
    found = contributions(model, simulated.sequence, accessibility="shapley").by_factor
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.995
    assert np.abs(found - expected).max() < 0.12 * np.abs(expected).max()


@pytest.mark.parametrize("kind", ["expected limit=True positional=False stranded=True", "knots"])
def test_equal_factors_have_equal_parts_and_idle_ones_none(kind):
    model, codes = make_bound_model(kind), make_codes()
    model = type(model)(model.spec, model.parameters, NAMES)
    for name, value in model.parameters.items():
        if model.spec.parameter_shapes[name]:
            value[..., 1] = value[..., 0]
            if name in ("activity", "activity_difference", "potentiation"):
                value[..., 2] = 0
    for rule in RULES:
        found = contributions(model, codes, accessibility=rule)
        np.testing.assert_allclose(found.by_factor[:, 0], found.by_factor[:, 1], rtol=1e-9)
        assert np.abs(found.by_factor[:, 0]).max() > 0.01
        assert not found.by_factor[:, 2].any()


@pytest.mark.parametrize("odds", [1.0, 500.0])
def test_factors_that_cancel_each_other_have_bounded_parts(odds):
    """Accessibility stays, but one opens what the other closes; no part exceeds all there is."""
    model = make_bound_model()
    model.parameters["potentiation"][:] = [odds, -odds, 0, 0, 0]
    scan = scan_model(model, make_codes()[:1])
    scan.opening[:] = [2, 2, 0, 0, 0]
    found = explain_scan(model, scan, "shapley")
    acts = scan.acting.sum(axis=1) @ model.parameters["activity"].astype(float)
    assert found.opening[0, 0] * acts > 0
    assert found.opening[0, 1] * acts < 0
    assert np.abs(found.opening).max() <= abs(acts)
    np.testing.assert_allclose(found.by_factor.sum() + found.baseline, found.expression, rtol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_a_difference_add_up_to_it(kind):
    model, first, second = make_bound_model(kind), make_codes(seed=1), make_codes(seed=2)
    found = explain_difference(model, first, second, batch_size=5)
    one, two = (read_out(model, scan_model(model, each)).score for each in (first, second))
    scale = np.abs(found.by_factor).max()
    np.testing.assert_allclose(found.baseline, one, atol=1e-9 * scale)
    np.testing.assert_allclose(found.by_factor.sum(axis=1), two - one, atol=1e-8 * scale)
    back = explain_difference(model, second, first)
    np.testing.assert_allclose(back.by_factor, -found.by_factor, atol=1e-7 * scale)


def test_without_accessibility_a_difference_is_that_of_the_contributions():
    model, first, second = (
        make_bound_model("no potentiation"),
        make_codes(seed=1),
        make_codes(seed=2),
    )
    found = explain_difference(model, first, second)
    one, two = contributions(model, first), contributions(model, second)
    np.testing.assert_allclose(found.activity, two.activity - one.activity, atol=1e-9)


def test_one_sequence_is_compared_with_all():
    model, codes = make_bound_model(), make_codes()
    found = explain_difference(model, codes, codes[3:4])
    np.testing.assert_allclose(found.expression, np.full(12, found.expression[0]))
    assert not found.by_factor[3].any()
    with pytest.raises(ValueError, match=r"second: expected 12 sequences.*or 1, got 2"):
        explain_difference(model, codes, codes[:2])


def test_a_part_is_a_knock_out_where_nothing_else_changes():
    model, codes = make_bound_model("no potentiation"), make_codes()
    found = contributions(model, codes).by_factor
    np.testing.assert_allclose(knock_outs(model, codes).mean_effect, found.mean(axis=0), atol=1e-9)


def test_a_table_names_its_parts():
    model, codes = make_bound_model("accessibility activity"), make_codes()
    data = Dataset(codes, np.zeros(12), name=[f"promoter {place}" for place in range(12)])
    table = contributions(model, data).to_frame()
    assert table["sequence"].unique().tolist() == [f"promoter {place}" for place in range(12)]
    first = table[table["sequence"] == "promoter 0"]
    assert first["part"].tolist() == ["bias", "accessibility", *["activity"] * 10]
    assert first["strand"].tolist()[2:4] == ["+", "-"]
    shapley = contributions(model, data, accessibility="shapley").to_frame(largest=2)
    first = shapley[shapley["sequence"] == "promoter 0"]
    assert first["part"].tolist() == [
        *("no factors", "other factors"),
        *(["activity", "activity", "accessibility"] * 2),
    ]
    one_strand = contributions(make_bound_model(binding="probability"), codes)
    assert one_strand.strands == (".",)
    assert "12 sequences, 5 factors, at value" in repr(one_strand)
    assert "other factors" not in one_strand._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"accessibility": "shap"}, "accessibility: expected"),
        ({"sequences": np.empty((0, 24), np.uint8)}, "sequences: expected one or more"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        contributions(make_model(), **{"sequences": make_codes(), **arguments})


def test_a_table_has_at_least_one_factor():
    with pytest.raises(ValueError, match="largest: expected 1 or more factors, got 0"):
        contributions(make_model(), make_codes()).to_table(largest=0)


def test_batches_of_differences_are_the_whole_and_count_on():
    model, codes = make_bound_model(), make_codes(7)
    whole = explain_difference(model, codes[:1], codes)
    parts = list(difference_batches(model, codes[:1], codes, batch_size=3))
    assert [len(part) for part in parts] == [3, 3, 1]
    joined = pa.concat_tables([part.to_table() for part in parts])
    assert joined["sequence"] == whole.to_table()["sequence"]
    np.testing.assert_array_equal(joined["effect"], whole.to_table()["effect"])


def test_differences_that_do_not_fit_into_memory_are_refused(monkeypatch):
    model, codes = make_bound_model(), make_codes()
    monkeypatch.setattr("cisreg.limits.host_memory", lambda: 1000)
    with pytest.raises(ValueError, match=r"contributions of 12 sequences: .*difference_batches"):
        explain_difference(model, codes[:1], codes)
