"""Prediction in batches against prediction at once."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_model import LENGTH, SPEC, make_dataset, start_parameters

from cisreg.model import predict, strand_binding
from cisreg.prediction import predict_batches, predict_expression
from cisreg.storage import Model

MODEL = Model(SPEC, start_parameters(), ("a", "b", "c"))


@pytest.mark.parametrize("batch_size", [1, 7, 200])
def test_batches_agree_with_one_prediction(batch_size):
    sequence = make_dataset(20).sequence
    expected = predict(SPEC, MODEL.parameters, sequence)
    binding = strand_binding(SPEC, MODEL.parameters, sequence)
    batches = list(predict_batches(MODEL, sequence, binding=True, batch_size=batch_size))
    for name, value in (
        ("expression", expected.expression),
        ("accessibility", expected.accessibility),
        ("binding", binding),
    ):
        joined = np.concatenate([getattr(batch, name) for batch in batches])
        np.testing.assert_allclose(joined, value, rtol=1e-6, atol=1e-7)


def test_no_sequences_give_no_batches_and_an_empty_array():
    nothing = np.empty((0, LENGTH), np.uint8)
    assert list(predict_batches(MODEL, nothing)) == []
    assert predict_expression(MODEL, nothing).shape == (0,)


def test_binding_is_computed_only_where_asked_for():
    (batch,) = predict_batches(MODEL, make_dataset(3).sequence)
    assert batch.binding is None


def test_sites_are_computed_in_the_dtype_asked_for():
    sequence = make_dataset(20).sequence
    options = {"compute_dtype": "bfloat16", "implementation": "standard"}
    (batch,) = predict_batches(MODEL, sequence, binding=True, **options)
    expected = predict(SPEC, MODEL.parameters, sequence, **options)
    binding = strand_binding(SPEC, MODEL.parameters, sequence, **options)
    np.testing.assert_allclose(batch.expression, expected.expression, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(batch.binding, binding, rtol=1e-6)
    in_float32 = predict_expression(MODEL, sequence)
    assert (batch.expression != in_float32).any()
    np.testing.assert_array_equal(predict_expression(MODEL, sequence, **options), batch.expression)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=rf"expected shape \[N, {LENGTH}\]"):
        next(predict_batches(MODEL, np.zeros((2, LENGTH + 1), np.uint8)))
    with pytest.raises(ValueError, match="batch_size"):
        next(predict_batches(MODEL, np.zeros((2, LENGTH), np.uint8), batch_size=0))
