"""Dose curves, against models that have each concentration."""

from __future__ import annotations

import numpy as np
import pytest
from interpret_models import KINDS, make_bound_model, make_codes

from cisreg.data import Dataset
from cisreg.interpret import change_concentration, dose_response, read_out, scan_model

TIMES = (0, 0.1, 1, 30)
# One factor and all of them are scanned in float32, in other orders of addition.
ROUNDING = {"rtol": 1e-5, "atol": 1e-5}


@pytest.mark.parametrize("kind", KINDS)
def test_a_curve_is_one_model_for_each_concentration(kind):
    model, codes = make_bound_model(kind), make_codes()
    found = dose_response(model, codes, "Reb1", TIMES, batch_size=5)
    for place, times in enumerate(TIMES):
        changed = change_concentration(model, {"Reb1": times})
        expected = read_out(changed, scan_model(changed, codes))
        np.testing.assert_allclose(found.expression[place], expected.expression, **ROUNDING)
        np.testing.assert_allclose(found.accessibility[place], expected.accessibility, **ROUNDING)
    assert np.ptp(found.expression, axis=0).max() > 1e-3


def test_a_table_has_a_row_for_each_sequence_and_concentration():
    data = Dataset(make_codes(), np.zeros(12), name=[f"p{place}" for place in range(12)])
    found = dose_response(make_bound_model(), data, "Reb1", TIMES)
    frame = found.to_frame()
    assert frame.columns.tolist() == ["sequence", "factor", "times", "expression", "accessibility"]
    assert frame["times"][:4].tolist() == list(TIMES)
    assert frame["sequence"][:5].tolist() == [*["p0"] * 4, "p1"]
    assert frame["expression"][5] == found.expression[1, 1]
    assert "Reb1 at 4 concentrations, 12 sequences" in repr(found)
    assert "p0" in found._repr_html_()
    assert len(dose_response(make_bound_model(), data, "Reb1")) == 17


@pytest.mark.parametrize(
    ("factor", "times", "message"),
    [
        ("Reb", (1,), "of the model's 5 factors, got 'Reb'; did you mean 'Reb1'?"),
        ("YBX9", (1,), "of the model's 5 factors, got 'YBX9'; they are "),
        ("Reb1", (), "times: expected one or more numbers"),
        ("Reb1", (-1,), "times of Reb1: expected a finite number of 0 or more, got -1"),
    ],
)
def test_what_cannot_be_is_refused(factor, times, message):
    with pytest.raises(ValueError, match=message):
        dose_response(make_bound_model(), make_codes(), factor, times)
