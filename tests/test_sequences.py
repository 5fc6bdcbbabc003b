"""Text to base codes and back."""

from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisreg.sequences import decode, encode, reverse_complement


def test_letters():
    expected = [[0, 1, 2, 3, 3, 0, 1, 2, 3, 3, 4, 4, 4, 4]]
    codes = encode(["ACGTUacgtuNn-R"])
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(codes, expected)


def test_letters_beyond_ascii_are_one_unknown_base_each():
    np.testing.assert_array_equal(encode(["AéG", "ACG"]), [[0, 4, 2], [0, 1, 2]])


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        ("left", [[4, 4, 0, 1], [3, 2, 1, 0], [1, 2, 3, 3], [4, 4, 4, 4]]),
        ("right", [[0, 1, 4, 4], [3, 2, 1, 0], [0, 1, 2, 3], [4, 4, 4, 4]]),
    ],
)
def test_padding_and_trimming(side, expected, caplog):
    with caplog.at_level(logging.INFO, "cisreg.sequences"):
        codes = encode(["AC", "TGCA", "ACGTT", ""], 4, side=side)
    np.testing.assert_array_equal(codes, expected)
    assert caplog.messages == [
        f"2 of 4 sequences are shorter than 4 bases and were padded on the {side}",
        f"1 of 4 sequences are longer than 4 bases and were trimmed on the {side}",
    ]


def test_nothing_is_said_of_sequences_that_fit(caplog):
    with caplog.at_level(logging.INFO, "cisreg.sequences"):
        encode(["ACGT", "TTTT"], 4)
    assert caplog.messages == []


def test_longest_sequence_gives_the_length():
    assert encode(["A", "ACG", ""]).shape == (3, 3)
    assert encode([]).shape == (0, 0)
    assert encode([], 7).shape == (0, 7)
    assert encode([""]).shape == (1, 0)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_arrow_arrays_are_read_like_lists(kind):
    texts = ["ACGT", "", "TT", "GATTACA", "C"]
    array = pa.array(texts, kind)
    np.testing.assert_array_equal(encode(array), encode(texts))
    np.testing.assert_array_equal(encode(array[2:4], 5), encode(texts[2:4], 5))
    chunked = pa.chunked_array([array[:2], array[3:]])
    np.testing.assert_array_equal(encode(chunked), encode(texts[:2] + texts[3:]))
    assert encode(array[:0], 3).shape == (0, 3)


def test_refusals():
    with pytest.raises(ValueError, match='side: expected "left" or "right", got \'middle\''):
        encode(["A"], side="middle")
    with pytest.raises(ValueError, match="length: expected 0 or more bases, or None, got -1"):
        encode(["A"], -1)
    with pytest.raises(TypeError, match="expected a list of strings, got one string"):
        encode("ACGT")
    with pytest.raises(TypeError, match="expected strings, got None in row 1"):
        encode(["A", None])
    with pytest.raises(TypeError, match="expected an Arrow array of strings, got one of int64"):
        encode(pa.array([1, 2]))
    with pytest.raises(ValueError, match="expected text in every row, got none in row 1"):
        encode(pa.array(["A", None]))
    with pytest.raises(ValueError, match=r"codes: expected shape \[N, L\], got \(4,\)"):
        decode(np.zeros(4, np.uint8))
    with pytest.raises(ValueError, match="codes: expected 0 to 4, got 5"):
        reverse_complement(np.full((1, 1), 5, np.uint8))


@given(st.lists(st.text("ACGTN", max_size=20), max_size=8), st.sampled_from(["left", "right"]))
def test_decode_is_the_way_back(texts, side):
    width = max(map(len, texts), default=0)
    padded = [
        text.rjust(width, "N") if side == "left" else text.ljust(width, "N") for text in texts
    ]
    assert decode(encode(texts, side=side)) == padded


@given(st.lists(st.text("ACGTN", min_size=5, max_size=5), min_size=1, max_size=8))
def test_reverse_complement(texts):
    codes = encode(texts)
    complement = str.maketrans("ACGTN", "TGCAN")
    expected = [text.translate(complement)[::-1] for text in texts]
    assert decode(reverse_complement(codes)) == expected
    np.testing.assert_array_equal(reverse_complement(reverse_complement(codes)), codes)
