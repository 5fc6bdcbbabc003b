"""Effects of factors, against sites and sequences computed one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from interpret_models import COLUMN_RANGE, KINDS, MOTIFS, NAMES, WIDTH, make_codes, make_model

from cisreg.interpret import factor_effects, knock_outs, scan_model
from cisreg.interpret.read_out import position_weight
from cisreg.oracle import occupancy_oracle

WORDS = np.array(list(itertools.product(range(4), repeat=WIDTH)), np.uint8)


def occupancy_of_words(model):
    """The occupancy of every possible site, read forward, float64 [4^W, M]."""
    log_kd = model.parameters["log_kd"].astype(np.float64)
    energy = log_kd[np.arange(WIDTH), WORDS].sum(axis=1)
    return 1 / (1 + np.exp(energy - model.parameters["log_concentration"]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_effect_of_the_strongest_site_is_that_of_the_best_of_all_words(kind):
    model = make_model(**KINDS[kind])
    found, parameters = factor_effects(model), model.parameters
    best = occupancy_of_words(model).max(axis=0)
    np.testing.assert_allclose(found.site_occupancy, best, rtol=1e-5)
    limit = np.exp(parameters["log_binding_limit"]) if model.spec.binding_limit else np.inf
    strands = [(parameters["activity"], found.effect)]
    if model.spec.stranded:
        reverse = parameters["activity"] + parameters["activity_difference"]
        strands.append((reverse, found.effect_reverse))
    for strand, (activity, effect) in enumerate(strands):
        weight = 1.0
        if model.spec.positional:
            weight = position_weight(model.spec, parameters)[strand].mean(axis=0)
        expected = activity * weight * np.minimum(best, limit)
        most = parameters["activity"] * limit
        if model.spec.binding_limit:
            expected = np.clip(expected, np.minimum(most, 0), np.maximum(most, 0))
        np.testing.assert_allclose(effect, expected, rtol=1e-5)
    if not model.spec.stranded:
        assert found.effect_reverse is None
    if model.spec.potentiation:
        weight = 1.0
        if model.spec.positional_potentiation:
            name = "potentiation_position_weight"
            weight = position_weight(model.spec, parameters, name).mean(axis=(0, 1))
        np.testing.assert_allclose(
            found.potentiation_effect, parameters["potentiation"] * weight * best, rtol=1e-5
        )
    assert ("the score before" in repr(found)) == (model.spec.link != "identity")


def test_the_strongest_site_is_named_by_the_columns_of_its_motif():
    model = make_model()
    found = factor_effects(model)
    best = WORDS[occupancy_of_words(model).argmax(axis=0)]
    for place, (first, end) in enumerate(COLUMN_RANGE.T):
        assert found.strongest_site[place] == "".join("ACGT"[b] for b in best[place, first:end])
        assert len(found.consensus[place]) == end - first


def test_effects_do_not_change_if_activity_is_traded_for_concentration():
    """Where binding is weak; raw activities change by the factor of the trade."""
    model = make_model()
    model.parameters["log_concentration"][:] -= 16
    traded = make_model()
    traded.parameters["log_concentration"][:] -= 16 + np.log(2)
    for name in ("activity", "potentiation"):
        traded.parameters[name] *= 2
    codes = make_codes()
    one, two = factor_effects(model, codes), factor_effects(traded, codes)
    for name in ("effect", "potentiation_effect", "mean_effect", "importance"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), rtol=0.02)


@pytest.mark.parametrize("kind", ["expected limit=False positional=False stranded=True", "trim"])
def test_over_sequences_it_has_knock_outs_and_quantiles_of_binding(kind):
    model, codes = make_model(**KINDS[kind]), make_codes(50)
    found = factor_effects(model, codes, quantiles=(0, 0.5, 1), batch_size=7)
    changes = knock_outs(model, codes)
    np.testing.assert_allclose(found.mean_effect, changes.mean_effect, rtol=1e-12)
    np.testing.assert_allclose(found.importance, changes.importance, rtol=1e-12)
    opening = np.sort(scan_model(model, codes).opening, axis=0)
    np.testing.assert_allclose(found.occupancy[:, 0], opening[0], rtol=1e-6)
    np.testing.assert_allclose(found.occupancy[:, 1], np.median(opening, axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.occupancy[:, 2], opening[-1], rtol=1e-6)


def test_binding_is_that_of_the_oracle():
    model, codes = make_model(), make_codes(10)
    bound, _ = occupancy_oracle(
        codes, model.parameters["log_kd"], model.parameters["log_concentration"]
    )
    found = factor_effects(model, codes, quantiles=(0.5,))
    expected = np.median(bound.sum(axis=1), axis=0)
    np.testing.assert_allclose(found.occupancy[:, 0], expected, rtol=1e-5)


def test_tables_are_ranked_and_arrays_are_in_the_order_of_the_model():
    model, codes = make_model(stranded=True), make_codes()
    alone, over = factor_effects(model), factor_effects(model, codes)
    assert alone.factor == over.factor == NAMES
    largest = np.maximum(np.abs(alone.effect), np.abs(alone.effect_reverse))
    assert alone.to_table()["factor"][0].as_py() == NAMES[largest.argmax()]
    table = over.to_table()
    assert table["factor"].to_pylist() == [NAMES[place] for place in np.argsort(-over.importance)]
    assert table.column_names == [
        *("factor", "consensus", "strongest_site", "log_concentration", "site_occupancy"),
        *("effect", "effect_reverse", "potentiation_effect", "mean_effect", "importance"),
        *(f"occupancy_{percent}_percent" for percent in (5, 25, 50, 75, 95)),
    ]
    assert over.to_frame().shape == (MOTIFS, 15)
    assert "5 factors over 12 sequences" in repr(over)
    assert "Abf1" in over._repr_html_()
    some = factor_effects(model, codes, factors=["Mcm1"])
    assert some.effect.tolist() == over.effect[[4]].tolist()
    assert some.occupancy.tolist() == over.occupancy[[4]].tolist()


def test_a_factor_that_is_knocked_out_has_no_effect():
    model = make_model()
    model.parameters["log_concentration"][2] = -np.inf
    found = factor_effects(model, make_codes())
    assert found.effect[2] == found.importance[2] == found.site_occupancy[2] == 0


def test_quantiles_are_shares():
    with pytest.raises(ValueError, match="quantiles: expected shares of 0 to 1, got 5"):
        factor_effects(make_model(), make_codes(), quantiles=(5,))


def test_no_factors_have_no_rows():
    found = factor_effects(make_model(), make_codes(), factors=[])
    assert len(found.to_table()) == 0
    assert found.occupancy.shape == (0, len(found.quantiles))
