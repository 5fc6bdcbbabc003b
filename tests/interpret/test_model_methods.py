"""Methods of a model are the functions of `cisreg.interpret`, with the model as first argument."""

from __future__ import annotations

import numpy as np
import pytest
from interpret_models import make_codes, make_model

from cisreg import interpret

MODEL = make_model()
CODES = make_codes()


def same(first, second):
    """Whether two results are equal, part by part."""
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second, equal_nan=first.dtype.kind == "f")
    if isinstance(first, tuple):
        return len(first) == len(second) and all(map(same, first, second))
    if hasattr(first, "__dict__"):
        return all(same(vars(first)[name], vars(second)[name]) for name in vars(first))
    return first == second or (first != first and second != second)


@pytest.mark.parametrize(
    ("method", "function", "arguments", "options"),
    [
        ("explain", "contributions", (CODES,), {"accessibility": "shapley"}),
        ("factor_effects", "factor_effects", (CODES,), {"factors": ["Reb1", "Mcm1"]}),
        ("mutagenesis", "mutagenesis", (CODES,), {"by_factor": True}),
        ("knock_outs", "knock_outs", (CODES,), {"factors": ["Reb1"]}),
        ("variant_effects", "variant_effects", (CODES, CODES[::-1]), {}),
    ],
)
def test_a_method_gives_what_the_function_gives(method, function, arguments, options):
    result = getattr(MODEL, method)(*arguments, **options)
    expected = getattr(interpret, function)(MODEL, *arguments, **options)
    assert type(result) is type(expected)
    assert same(result, expected)
    other = make_codes(seed=2)
    assert not same(getattr(MODEL, method)(other, *arguments[1:], **options), expected)


def test_a_model_diagnoses_itself():
    result, expected = MODEL.diagnose(CODES), interpret.diagnose_model(MODEL, CODES)
    assert result.columns()["finding"] == expected.columns()["finding"]
    assert result.factors.equals(expected.factors)
