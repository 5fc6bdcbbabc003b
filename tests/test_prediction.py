"""Prediction in batches against prediction in one call, for every kind of input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tiny_model import LENGTH, SPEC, make_dataset, start_parameters

from cisreg.data import Dataset
from cisreg.model import predict, strand_binding
from cisreg.prediction import _compiled, predict_all, predict_batches
from cisreg.sequences import decode
from cisreg.trained_model import Model

MODEL = Model(SPEC, start_parameters(), ("a", "b", "c"))


@pytest.mark.parametrize("batch_size", [1, 7, 200])
def test_batches_agree_with_one_prediction(batch_size):
    sequence = make_dataset(20).sequence
    expected = predict(SPEC, MODEL.parameters, sequence)
    binding = strand_binding(SPEC, MODEL.parameters, sequence)
    whole = MODEL.predict(sequence, binding=True, batch_size=batch_size)
    for name, value in (
        ("expression", expected.expression),
        ("accessibility", expected.accessibility),
        ("binding", binding),
    ):
        np.testing.assert_allclose(getattr(whole, name), value, rtol=1e-6, atol=1e-7)


def test_more_sequences_than_a_batch():
    codes = make_dataset(2100).sequence
    whole = predict(SPEC, MODEL.parameters, codes, implementation="standard")
    result = predict_all(SPEC, MODEL.parameters, codes, implementation="standard")
    np.testing.assert_allclose(result.expression, whole.expression, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(result.accessibility, whole.accessibility, rtol=1e-5)


def test_no_sequences_give_empty_arrays():
    for nothing in (np.empty((0, LENGTH), np.uint8), [], pa.array([], pa.string())):
        prediction = MODEL.predict(nothing, binding=True)
        assert prediction.expression.shape == prediction.accessibility.shape == (0,)
        assert prediction.binding.shape == (0, 2, 3)


def test_binding_is_computed_only_where_asked_for():
    assert MODEL.predict(make_dataset(3)).binding is None


def test_sites_are_computed_in_the_dtype_asked_for():
    sequence = make_dataset(20).sequence
    options = {"compute_dtype": "bfloat16", "implementation": "standard"}
    rounded = MODEL.predict(sequence, binding=True, **options)
    expected = predict(SPEC, MODEL.parameters, sequence, **options)
    binding = strand_binding(SPEC, MODEL.parameters, sequence, **options)
    np.testing.assert_allclose(rounded.expression, expected.expression, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(rounded.binding, binding, rtol=1e-6)
    assert (rounded.expression != MODEL.predict(sequence).expression).any()


def test_nothing_is_traced_again_for_other_sizes_calls_models_or_values():
    compiled = _compiled(SPEC, False, "float32", "auto", "")
    codes = make_dataset(30).sequence
    first = MODEL.predict(codes, batch_size=7).expression
    traces = compiled.experimental_get_tracing_count()
    assert traces == 1
    other = Model(SPEC, start_parameters(1), ("a", "b", "c"))
    assert (other.predict(codes[:13], batch_size=5).expression != first[:13]).all()
    np.testing.assert_allclose(MODEL.predict(codes).expression, first, rtol=1e-6)
    list(predict_batches(SPEC, start_parameters(2), codes, batch_size=11))
    assert compiled.experimental_get_tracing_count() == traces
    assert _compiled(SPEC, False, "float32", "auto", "") is compiled


TEXT = decode(make_dataset(9).sequence)


@pytest.mark.parametrize(
    "sequence",
    [
        TEXT,
        tuple(TEXT),
        np.array(TEXT),
        np.array(TEXT, object),
        pd.Series(TEXT, index=range(9, 0, -1)),
        pd.Series(TEXT, dtype="string[pyarrow]"),
        pa.array(TEXT),
        pa.chunked_array([TEXT[:4], TEXT[4:]]),
        make_dataset(9).sequence.tolist(),
        pd.DataFrame(make_dataset(9).sequence, index=range(9, 0, -1)).to_numpy(),
        make_dataset(9).sequence.astype(np.int64),
        make_dataset(9),
    ],
)
def test_sequences_come_in_whatever_holds_them_by_position(sequence):
    expected = MODEL.predict(make_dataset(9).sequence).expression
    np.testing.assert_array_equal(MODEL.predict(sequence).expression, expected)


FRAMES = {
    "pandas": pd.DataFrame({"id": range(9), "seq": TEXT}, index=range(9, 0, -1)),
    "arrow": pa.table({"id": pa.array(range(9)), "seq": TEXT}),
    "record batch": pa.record_batch({"id": pa.array(range(9)), "seq": pa.array(TEXT)}),
    "chunks": pa.concat_tables(
        [pa.table({"id": [0, 1], "seq": TEXT[:2]}), pa.table({"id": range(2, 9), "seq": TEXT[2:]})]
    ),
    "columns by name": {"id": list(range(9)), "seq": list(TEXT)},
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_table_is_read_by_the_names_of_the_training_table(frame):
    columns = {"sequence": "seq", "expression": ["y"], "name": "id"}
    model = Model(SPEC, MODEL.parameters, MODEL.motif_names, table_columns=columns)
    predicted = model.predict(frame, batch_size=4)
    np.testing.assert_array_equal(
        predicted.expression, MODEL.predict(TEXT, batch_size=4).expression
    )
    assert predicted.name.to_pylist() == [str(each) for each in range(9)]
    np.testing.assert_array_equal(model.encode(frame), model.encode(TEXT))


@pytest.mark.parametrize("known", [{}, {"sequence": 0}, {"sequence": "dna"}, {"sequence": "twice"}])
def test_a_table_without_the_column_of_training_is_refused(known):
    model = Model(SPEC, MODEL.parameters, MODEL.motif_names, table_columns=known)
    frame = pd.DataFrame([[each, each, each] for each in TEXT], columns=["seq", "twice", "twice"])
    with pytest.raises(
        TypeError, match="DataFrame of the columns 'seq', 'twice', 'twice'"
    ) as error:
        model.predict(frame)
    name = known.get("sequence")
    said = f"the model's is {name!r}" if isinstance(name, str) else "the model has none"
    assert said in str(error.value)


def test_columns_of_a_table_that_hold_no_texts_are_refused():
    model = Model(SPEC, MODEL.parameters, MODEL.motif_names, table_columns={"sequence": "seq"})
    assert len(model.predict({"seq": []})) == 0
    with pytest.raises(ValueError, match="'seq', got one text; put it in a list"):
        model.predict({"seq": "ACGT"})
    with pytest.raises(ValueError, match="got none in row 1"):
        model.predict({"seq": ["ACGT", None]})


def test_text_is_padded_on_the_side_of_training():
    for side, padded in (("left", "N" * 10 + TEXT[0][:10]), ("right", TEXT[0][:10] + "N" * 10)):
        model = Model(SPEC, start_parameters(), ("a", "b", "c"), {"padding_side": side})
        expected = model.predict([padded]).expression
        np.testing.assert_array_equal(model.predict([TEXT[0][:10]]).expression, expected)


@pytest.mark.parametrize(
    ("sequence", "error", "message"),
    [
        (np.zeros((2, LENGTH + 1), np.uint8), ValueError, rf"sequence: .*\[N, {LENGTH}\], got"),
        (np.full((2, LENGTH), 5, np.uint8), ValueError, "sequence: expected codes 0 to 4, got 5"),
        (np.full((2, LENGTH), 0.5), ValueError, "sequence: expected uint8 .* got 0.5"),
        ("ACGT", TypeError, "got one text; put it in a list"),
        ({"a": "ACGT"}, TypeError, "expected one column of sequences, got a dict"),
        (pd.DataFrame({"sequence": TEXT}), TypeError, r'column by its name, .*frame\["sequence"\]'),
        (pa.table({"sequence": TEXT}), TypeError, "expected one column of sequences, got a Table"),
    ],
)
def test_what_is_no_sequence_of_the_model_is_refused(sequence, error, message):
    with pytest.raises(error, match=message):
        MODEL.predict(sequence)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=rf"expected shape \[N, {LENGTH}\]"):
        predict_all(SPEC, MODEL.parameters, np.zeros((2, LENGTH + 1), np.uint8))
    with pytest.raises(ValueError, match="batch_size"):
        MODEL.predict(np.zeros((2, LENGTH), np.uint8), batch_size=0)


def test_predictions_are_tables_with_names():
    data = make_dataset(5)
    names = pa.array(["one", "two", "a,b", 'a"b', "é"])
    named = Dataset(data.sequence, data.expression, name=names)
    prediction = MODEL.predict(named, binding=True, batch_size=2)
    table, frame = prediction.to_table(), prediction.to_frame()
    assert (
        table.column_names
        == list(frame)
        == [
            *("name", "expression", "accessibility"),
            *("forward_a", "reverse_a", "forward_b", "reverse_b", "forward_c", "reverse_c"),
        ]
    )
    assert table["name"].to_pylist() == frame["name"].tolist() == names.to_pylist()
    np.testing.assert_array_equal(table["expression"], prediction.expression)
    np.testing.assert_array_equal(frame["reverse_b"], prediction.binding[:, 1, 1])
    assert MODEL.predict(data).to_table().column_names == ["expression", "accessibility"]
