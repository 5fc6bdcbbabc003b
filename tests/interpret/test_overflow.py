"""What is beyond float32 is refused by every question as by predictions; and batches that fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from interpret_models import make_bound_model, make_codes

from cisreg import interpret
from cisreg.data import Dataset
from cisreg.interpret.batches import rows_at_once
from cisreg.spec import ModelSpec, check_overflow
from cisreg.uncertainty import estimate_certainty

CODES = make_codes(6, unknown=False)
MEASURED = Dataset(CODES, np.arange(6.0))


def overflowing(**layers):
    """A model of sound parameters whose predictions are beyond float32."""
    model = make_bound_model(**layers)
    huge = {**model.parameters, "activity": np.full(5, 3e38, np.float32)}
    huge["log_concentration"] = np.full(5, 3.0, np.float32)
    return replace(model, parameters=huge)


QUESTIONS = {
    "ablate": lambda model: interpret.ablate(model, CODES, 3, 9),
    "base_contributions": lambda model: interpret.base_contributions(model, CODES),
    "change_each_concentration": lambda m: interpret.change_each_concentration(m, CODES, 2.0),
    "contributions": lambda model: interpret.contributions(model, CODES, accessibility="shapley"),
    "dependency_map": lambda model: interpret.dependency_map(model, CODES[:1]),
    "design": lambda model: interpret.design(model, 1, "max"),
    "diagnose_model": lambda model: interpret.diagnose_model(model, CODES),
    "dose_response": lambda model: interpret.dose_response(model, CODES, "Reb1", [0, 2]),
    "explain_difference": lambda m: interpret.explain_difference(m, CODES[:2], CODES[2:4]),
    "factor_effects": lambda model: interpret.factor_effects(model, CODES),
    "knock_outs": lambda model: interpret.knock_outs(model, CODES),
    "marginalize": lambda model: interpret.marginalize(model, CODES, ["Reb1"]),
    "mutagenesis": lambda model: interpret.mutagenesis(model, CODES),
    "mutation_pairs": lambda model: interpret.mutation_pairs(model, CODES[:1]),
    "site_contributions": lambda model: interpret.site_contributions(model, CODES),
    "space": lambda model: interpret.space(model, CODES, ["Reb1", "Abf1"], [3]),
    "variant_effects": lambda model: interpret.variant_effects(model, CODES[:2], CODES[2:4]),
    "estimate_certainty": lambda model: estimate_certainty(model, MEASURED, parameters=["bias"]),
}


def test_predictions_of_the_model_are_refused():
    with pytest.raises(OverflowError, match=r"expression: expected finite .* sequence 0, counted"):
        overflowing().predict(CODES)


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_is_refused(question):
    with pytest.raises(
        OverflowError, match=r"expected finite numbers, got inf .*e\+38 in activity"
    ):
        QUESTIONS[question](overflowing())


def test_what_overflows_only_after_a_change_is_refused():
    """The sequences themselves are fine."""
    model = make_bound_model(potentiation=False)
    ones = {**model.parameters, "activity": np.ones(5, "f4"), "bias": np.float32(0)}
    most = replace(model, parameters=ones).predict(CODES).expression.max()
    large = {**ones, "activity": np.full(5, 3.3e38 / most, "f4")}
    model = replace(model, parameters=large)
    assert np.isfinite(model.predict(CODES).expression).all()
    with pytest.raises(OverflowError, match="expression of mutants: expected finite"):
        interpret.mutagenesis(model, CODES)
    with pytest.raises(OverflowError, match="expression at another concentration: expected finite"):
        interpret.change_each_concentration(model, CODES, 1e4)


def test_a_limit_that_is_infinite_is_refused_where_it_meets_no_activity():
    model = make_bound_model(binding_limit=True)
    changed = {"log_binding_limit": np.full(5, 800, "f4"), "activity": np.zeros(5, "f4")}
    model = replace(model, parameters={**model.parameters, **changed})
    with pytest.raises(OverflowError, match="expected finite numbers, got nan"):
        interpret.contributions(model, CODES)


def test_the_error_names_value_rows_and_parameter():
    values = np.array([[1.0, 3e38], [-4e38, 0], [np.nan, 0]])
    parameters = {"bias": np.float32(1), "activity": np.float32([5, -7])}
    with pytest.raises(OverflowError) as caught:
        check_overflow("x", values, parameters, begin=10)
    assert str(caught.value) == (
        "x: expected finite numbers, got -inf for sequence 11, counted from 0 (2 of 3 in its "
        "batch): the parameters are too large for float32, up to 7 in activity"
    )
    check_overflow("x", values[:1], parameters)
    check_overflow("x", values[:0], parameters)


def test_variants_that_do_not_fit_are_refused_before_and_come_in_batches(monkeypatch):
    model = make_bound_model()
    whole = interpret.variant_effects(model, CODES[:4], CODES[2:])
    # 2 * 2 * 8 bytes for each of 5 factors and 4 pairs are 640.
    monkeypatch.setattr("cisreg.limits.host_memory", lambda: 2 * 639)
    with pytest.raises(ValueError, match=r"effects of 4 variants: .* take variant_eff"):
        interpret.variant_effects(model, CODES[:4], CODES[2:])
    parts = list(interpret.variant_effect_batches(model, CODES[:4], CODES[2:], batch_size=3))
    assert [len(part) for part in parts] == [3, 1]
    np.testing.assert_array_equal(np.concatenate([part.effect for part in parts]), whole.effect)
    assert [name for part in parts for name in part.places["sequence"].to_pylist()] == [0, 1, 2, 3]


def test_batches_have_a_bounded_size():
    spec = ModelSpec(motif_count=245, motif_width=30, sequence_length=110)
    for every_site, each in ((False, 2 * 245), (True, 2 * 245 * 110)):
        rows = rows_at_once(spec, every_site=every_site)
        assert rows * each <= 1 << 23 and (rows == 1024 or (rows + 1) * each > 1 << 23)
    large = ModelSpec(motif_count=2000, motif_width=30, sequence_length=10_000)
    assert rows_at_once(large, every_site=True) == 1
    assert rows_at_once(spec, 7, numbers=1 << 40) == 7
    for asked in (0, 1 << 17):
        with pytest.raises(ValueError, match="batch_size: expected"):
            rows_at_once(spec, asked)
