"""Text as base codes inside TensorFlow: what `cisreg.encode` gives, in graphs and saved ones."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from cisreg.occupancy import occupancy
from cisreg.sequence_codes import sequence_codes
from cisreg.sequences import encode

LETTERS = "ACGTUNRYSWKMBDHVacgtunryswkmbdhv"
ROWS = [LETTERS, "", "gattaca", "  ACGT\n", "N" * 40]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("length", [None, 0, 1, 7, 40, 50])
def test_as_encode(side, length):
    expected = encode(ROWS, length, side=side)
    found = sequence_codes(tf.constant(ROWS), length, side=side)
    np.testing.assert_array_equal(found.codes, expected)
    bases = [len(row.strip()) for row in ROWS]
    np.testing.assert_array_equal(found.length, np.minimum(bases, expected.shape[1]))
    assert (found.codes.dtype, found.length.dtype) == (tf.uint8, tf.int32)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=4))
def test_letters_that_are_none_are_unknown_if_allowed(rows):
    rows = [row.strip() for row in rows]
    expected = encode(rows, 6, side="right", unknown="allow")
    found = sequence_codes(tf.constant(rows, tf.string), 6, unknown="allow")
    np.testing.assert_array_equal(found.codes, expected)


@pytest.mark.parametrize(
    ("row", "letter"), [("ACXG", "XG"), ("AC-G", "-G"), ("A\0", ""), ("Aé", "")]
)
def test_letters_that_are_none_are_refused(row, letter):
    rows = tf.constant(["ACGT", row, "?"])
    message = "text: expected the nucleotide codes ACGTUN.*got '" + letter
    with pytest.raises(tf.errors.InvalidArgumentError, match=message + ".* in row 1"):
        sequence_codes(rows)
    # Also if the letter would have been trimmed away.
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected the nucleotide codes"):
        tf.function(sequence_codes)(rows, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("ACGT",),
            r"text: expected tf.string \[N\], a batch of sequences, got string of shape \(\)",
        ),
        (([["A"], ["C"]],), r"got string of shape \(2, 1\)"),
        (([1, 2],), r"got int32 of shape \(2,\)"),
        ((tf.ragged.constant([["A"], []]),), "got a RaggedTensor"),
        ((["A"], -1), "length: expected 0 to 2147483646 bases, or None, got -1"),
        ((["A"], 2**32 + 2), "length: expected 0 to 2147483646 bases, or None, got 4294967298"),
        ((["A"], 2.5), "length: expected int64 .* got 2.5"),
        ((["A"], tf.constant(2.5)), "length: expected int32, got float32"),
        ((["A"], tf.constant([2])), r"length: expected one number .* got shape \(1,\)"),
    ],
)
def test_what_is_no_batch_of_text_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        sequence_codes(*arguments)
    for wrong in ({"side": "top"}, {"unknown": "count"}):
        with pytest.raises(ValueError, match="expected"):
            sequence_codes(["A"], **wrong)


def test_every_sequence_has_what_it_has_alone():
    random = np.random.default_rng(1)
    log_kd, log_concentration = random.normal(size=(4, 4, 3)), random.normal(size=3)
    rows = ["ACGTTGCA", "GA", "TTTTTTTTTTTT", ""]
    codes, length = sequence_codes(rows)
    options = {"implementation": "standard"}
    together = occupancy(codes, log_kd, log_concentration, length=length, **options).bound
    for row, bound in zip(rows, together, strict=True):
        alone = occupancy(encode([row]), log_kd, log_concentration, **options).bound[0]
        np.testing.assert_allclose(bound, alone, rtol=1e-6)


class Reader(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def read(self, text):
        codes, length = sequence_codes(text, 12, side="left")
        assert codes.shape.as_list() == [None, 12]
        return {"codes": codes, "length": length}


def test_in_pipelines_and_saved_graphs(tmp_path):
    rows = ["ACGT", "ggg", "T" * 15]
    data = tf.data.Dataset.from_tensor_slices(rows).batch(2).map(sequence_codes)
    assert [codes.shape for codes, _ in data] == [(2, 4), (1, 15)]
    assert [codes.shape for codes, _ in data.take(0)] == []
    tf.saved_model.save(Reader(), str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    found = loaded.read(tf.constant(rows))
    np.testing.assert_array_equal(found["codes"], encode(rows, 12))
    assert found["length"].numpy().tolist() == [4, 3, 12]
    assert loaded.read(tf.constant([], tf.string))["codes"].shape == (0, 12)
    graph = loaded.read.concrete_functions[0].graph
    assert not [each.type for each in graph.get_operations() if "Cisreg" in each.type]
    unknown = tf.function(sequence_codes, input_signature=[tf.TensorSpec(None, tf.string)])
    np.testing.assert_array_equal(unknown(rows).codes, encode(rows, side="right"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="text: expected"):
        unknown([["A"]])


def test_lengths_beyond_32_bits_are_refused_and_do_not_wrap():
    for run in (sequence_codes, tf.function(sequence_codes)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="length: expected 0 to"):
            run(tf.constant(["ACGT"]), tf.constant(2**32 + 2, tf.int64))


def test_under_xla_text_is_refused_in_a_sentence():
    # At the trace. XLA's own refusal of text ends the process at a compilation that follows.
    with pytest.raises(ValueError, match="text: expected a function without jit_compile=True"):
        tf.function(sequence_codes, jit_compile=True)(tf.constant(["ACGT"]))
    double = tf.function(lambda value: 2 * value, jit_compile=True)
    assert float(double(tf.constant(2.0))) == 4
