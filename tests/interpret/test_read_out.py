"""The read-out in NumPy against the model in TensorFlow, for every kind of layers."""

from __future__ import annotations

import numpy as np
import pytest
from interpret_models import KINDS, MOTIFS, NAMES, make_codes, make_model

from cisreg.interpret import read_out, scan_model
from cisreg.links import link_value
from cisreg.model import predict


@pytest.mark.parametrize("kind", KINDS)
def test_expression_and_accessibility_are_those_of_the_model(kind):
    model, codes = make_model(**KINDS[kind]), make_codes()
    expected = predict(
        model.spec,
        model.parameters,
        codes,
        column_range=model.column_range,
        implementation="standard",
    )
    found = read_out(model, scan_model(model, codes))
    np.testing.assert_allclose(found.expression, expected.expression, rtol=1e-5, atol=1e-5)
    if expected.accessibility is not None:
        np.testing.assert_allclose(found.accessibility, expected.accessibility, rtol=1e-5)
    total = model.parameters["bias"] + found.contribution.sum(axis=1) + found.direct
    np.testing.assert_allclose(total, found.score, rtol=1e-12)
    linked = link_value(model.spec.link, model.parameters, total)
    np.testing.assert_allclose(linked, found.expression, rtol=1e-12)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "competition" not in kind])
def test_a_factor_without_binding_is_one_that_is_absent(kind):
    model, codes = make_model(**KINDS[kind]), make_codes()
    concentration = model.parameters["log_concentration"].copy()
    concentration[1] = -np.inf
    absent = {**model.parameters, "log_concentration": concentration}
    expected = predict(
        *(model.spec, absent, codes),
        column_range=model.column_range,
        implementation="standard",
    ).expression
    scan = scan_model(model, codes).scaled(model.spec, np.float64([1, 0, 1, 1, 1]))
    np.testing.assert_allclose(read_out(model, scan).expression, expected, rtol=1e-5, atol=1e-5)


def test_the_scan_has_a_column_for_each_factor_and_refuses_other_lengths():
    model, codes = make_model(), make_codes()
    assert scan_model(model, codes).acting.shape == (len(codes), 2, MOTIFS) == (12, 2, len(NAMES))
    with pytest.raises(ValueError, match=r"codes: expected shape \[N, 24\].*got \[12, 23\]"):
        scan_model(model, codes[:, 1:])


def test_parameters_that_became_infinite_are_refused():
    model = make_model()
    model.parameters["activity"][1] = np.inf
    with pytest.raises(ValueError, match=r"finite numbers in activity, got inf.*motif 'Reb1'"):
        scan_model(model, make_codes())
