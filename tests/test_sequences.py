"""Text to base codes and back."""

from __future__ import annotations

import copy
import logging
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

import cisreg.sequences
from cisreg.sequences import decode, encode, reverse_complement


@pytest.fixture(autouse=True)
def padding_not_said_yet(monkeypatch):
    monkeypatch.setattr(cisreg.sequences, "_padding_was_said", False, raising=False)


def test_letters():
    expected = [[0, 1, 2, 3, 3, 0, 1, 2, 3, 3, 4, 4, 4, 4]]
    codes = encode(["ACGTUacgtuNnYR"])
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(codes, expected)


@pytest.mark.parametrize("arrow", [False, True])
@pytest.mark.parametrize("unknown", ["count", "allow"])
def test_other_letters_are_one_unknown_base_each_where_asked_for(arrow, unknown, caplog):
    texts = ["AéG", "ACG", " A-\u2028\n", "A C"]
    codes = encode(pa.array(texts) if arrow else texts, unknown=unknown)
    np.testing.assert_array_equal(codes, [[0, 4, 2], [0, 1, 2], [4, 0, 4], [0, 4, 1]])
    assert codes.length.tolist() == [3, 3, 2, 3]
    counted = [message for message in caplog.messages if "nucleotide" in message]
    assert counted == [
        "3 letters of 3 of 4 sequences are no nucleotide codes and count as unknown bases: 'é' at "
        "position 1 of row 0 ('AéG') is the first"
    ] * (unknown == "count")


@pytest.mark.parametrize("arrow", [False, True])
@pytest.mark.parametrize("text", ["ACGT\n", "ACGT\r\n", " ACGT", "\tACGT ", "ACGT\v"])
def test_ends_of_lines_and_blanks_around_are_dropped(text, arrow):
    texts = pa.array([text, "GGCC"]) if arrow else [text, "GGCC"]
    for length in (None, 4):
        codes = encode(texts, length)
        assert codes.tolist() == [[0, 1, 2, 3], [2, 2, 1, 1]]
        assert codes.length.tolist() == [4, 4]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["ACGT", "MKLV"], r"got 'L' at position 2 of row 1 \('MKLV'\); correct them, or"),
        (["A-C G"], "got '-' at position 1 of row 0"),
        (["A C"], "got ' ' at position 1 of row 0"),
        (["AC\nGT"], r"got '\\n' at position 2 of row 0"),
        ([">chr1", "ACGT"], "got '>' at position 0 of row 0"),
        (["AC.", "AC*", "ACX"], r"got '.' at .* \('AC.'\), the first of 3 such rows"),
        (["0,1,2"], "got '0' at position 0"),
        (["ACé"], "got 'é' at position 2 of row 0"),
        # Its upper case is S.
        (["AC\u017f"], "got '\u017f' at position 2 of row 0"),
        (["A" * 1000 + "?" + "C" * 1000], r"got '\?' at position 1000 of row 0 \('A{15}\?C{14}'\)"),
    ],
)
def test_foreign_letters_are_refused_with_their_row(texts, message):
    with pytest.raises(ValueError, match=f"sequences: expected the nucleotide codes .*{message}"):
        encode(texts)
    with pytest.raises(ValueError, match="nucleotide codes"):
        encode(pa.array(texts))


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ("ACGT", "got one string; put it in a list"),
        (b"ACGT", "got one string; put it in a list"),
        ({"chr1": "ACGT"}, "got a dict; give the sequences in their order, such as list"),
        ({"ACGT"}, "got a set; give the sequences in their order"),
        (5, "expected a list of strings, got 5"),
        ([b"ACGT"], "expected strings, got b'ACGT' in row 0"),
        (np.zeros((2, 3), np.uint8), "expected strings, got array"),
        (pd.DataFrame({"sequence": ["ACGT"]}), "got a table; give one column of it"),
        (pa.table({"sequence": ["ACGT"]}), "got a table; give one column of it"),
        (pd.Series(["ACGT", None]), "expected strings, got (None|nan) in row 1"),
    ],
)
def test_what_is_no_list_of_strings_is_refused(sequences, message):
    with pytest.raises(TypeError, match=f"sequences: .*{message}"):
        encode(sequences)


def test_errors_show_a_little_of_what_came():
    for sequences in (np.zeros((2, 500), np.uint8), encode(["ACGT" * 200]), [["A" * 2000]]):
        with pytest.raises(TypeError, match="expected strings") as error:
            encode(sequences)
        assert len(str(error.value)) < 200


def test_string_views_of_arrow_are_text():
    texts = ["ACGT", "TT" * 20]
    np.testing.assert_array_equal(encode(pa.array(texts, pa.string_view())), encode(texts))


def test_text_of_every_kind_is_read_by_position():
    texts = ["GATTACA", "AC", "TTT"]
    expected = encode(texts)
    shuffled = pd.Series(texts, index=[2, 0, 1])
    for sequences in (
        *(tuple(texts), np.array(texts), np.array(texts, object), iter(texts), shuffled),
        *(shuffled.astype("string"), shuffled.astype("category"), pd.Index(texts)),
        *(pa.array(texts).dictionary_encode(), pa.chunked_array([texts[:1], texts[1:]])),
    ):
        codes = encode(sequences)
        np.testing.assert_array_equal(codes, expected)
        assert codes.length.tolist() == [7, 2, 3]


CHOSEN_ROWS = [
    slice(1, None),
    slice(None, None, -1),
    [2, 0],
    [],
    np.array([1, 1]),
    np.array([True, False, True]),
    (slice(1, 3), slice(None)),
    ([0, 2], ...),
    1,
    np.int64(-1),
]


@pytest.mark.parametrize("index", CHOSEN_ROWS, ids=str)
@pytest.mark.parametrize("side", ["left", "right"])
def test_chosen_rows_keep_their_lengths(index, side):
    codes = encode(["ACGT", "GA", "TTT"], side=side)
    chosen = codes[index]
    rows = index[0] if isinstance(index, tuple) else index
    np.testing.assert_array_equal(chosen, np.asarray(codes)[index])
    np.testing.assert_array_equal(chosen.length, np.array([4, 2, 3])[rows])
    assert chosen.side == side


def test_copies_and_pickles_keep_lengths():
    codes = encode(["ACGT", "GA"], side="right")
    for same in (
        *(codes.copy(), copy.copy(codes), copy.deepcopy(codes), pickle.loads(pickle.dumps(codes))),
        pickle.loads(pickle.dumps(codes, 5)),
    ):
        np.testing.assert_array_equal(same, codes)
        assert (same.length.tolist(), same.side) == ([4, 2], "right")
        assert not np.shares_memory(same, codes)
        same.length[0] = 1
        assert codes.length[0] == 4
    assert [row.length.tolist() for row in codes] == [4, 2]


@pytest.mark.parametrize(
    "change",
    [
        np.asarray,
        np.copy,
        np.sort,
        np.flip,
        np.transpose,
        lambda codes: np.roll(codes, 1, axis=1),
        lambda codes: np.delete(codes, 0, axis=0),
        lambda codes: np.array(codes, subok=True),
        lambda codes: codes[:, 1:],
        lambda codes: codes[:, 0],
        lambda codes: codes[None],
        lambda codes: codes[[[0, 1]]],
        lambda codes: codes[codes < 4],
        lambda codes: codes[...],
        lambda codes: codes.reshape(-1),
        lambda codes: codes.astype(int),
        lambda codes: codes == 4,
        lambda codes: codes + 0,
        lambda codes: codes.sum(axis=0),
        lambda codes: np.concatenate([codes, codes]),
        lambda codes: np.where(codes == 4, 0, codes),
        lambda codes: np.frombuffer(codes, np.uint8),
    ],
)
def test_whatever_else_is_done_drops_the_lengths(change):
    assert getattr(change(encode(["ACGT", "GA"])), "length", None) is None


def test_encoded_sequences_are_arrays_for_others():
    codes = encode(["ACGT", "GA"])
    assert type(codes.max()) is np.uint8
    assert type(codes.mean()) is np.float64
    codes[1] = 3
    assert codes.tolist() == [[0, 1, 2, 3], [3, 3, 3, 3]]
    tensor = tf.convert_to_tensor(codes)
    assert (tensor.dtype, tensor.shape) == (tf.uint8, (2, 4))
    (batch,) = tf.data.Dataset.from_tensor_slices(codes).batch(2)
    np.testing.assert_array_equal(batch, codes)
    assert tf.function(lambda x: tf.reduce_sum(x))(codes) == 18


def test_decoding_drops_padding_where_it_is_known():
    texts = ["ACGT", "", "NGA", "TN"]
    for side in ("left", "right"):
        codes = encode(texts, 6, side=side)
        assert decode(codes) == texts
        assert decode(codes[2:]) == ["NGA", "TN"]
        assert decode(reverse_complement(codes)) == ["ACGT", "", "TCN", "NA"]
    assert decode(np.asarray(encode(["A", "CG"]))) == ["NA", "CG"]
    assert decode(encode(["ACGT", "G"], 2)) == ["GT", "G"]
    assert decode([[0.0, 4.0]]) == ["AN"]


def test_reverse_complement_of_sequences_of_several_lengths():
    codes = encode(["ACG", "T", "ACGTT"], 4, side="left")
    reverse = reverse_complement(codes)
    assert (reverse.side, reverse.length.tolist()) == ("right", [3, 1, 5])
    assert reverse.tolist() == [[1, 2, 3, 4], [0, 4, 4, 4], [0, 0, 1, 2]]
    again = reverse_complement(reverse)
    np.testing.assert_array_equal(again, codes)
    assert (again.side, again.length.tolist()) == ("left", [3, 1, 5])


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        ("left", [[4, 4, 0, 1], [3, 2, 1, 0], [1, 2, 3, 3], [4, 4, 4, 4]]),
        ("right", [[0, 1, 4, 4], [3, 2, 1, 0], [0, 1, 2, 3], [4, 4, 4, 4]]),
    ],
)
def test_padding_and_trimming(side, expected, caplog):
    codes = encode(["AC", "TGCA", "ACGTT", ""], 4, side=side)
    np.testing.assert_array_equal(codes, expected)
    assert codes.length.tolist() == [2, 4, 5, 0]
    assert sorted(caplog.messages) == [
        f"1 of 4 sequences are longer than 4 bases and were trimmed on the {side}",
        f"2 of 4 sequences are shorter than 4 bases and were padded on the {side}",
    ]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2


def test_trimming_warns_each_time_padding_once(caplog):
    for _ in range(3):
        encode(["ACGT", "AC"], 3)
    trimmed = [record.levelno for record in caplog.records if "trimmed" in record.message]
    padded = [record.levelno for record in caplog.records if "padded" in record.message]
    assert trimmed == [logging.WARNING] * 3
    assert padded[0] == logging.WARNING
    assert logging.WARNING not in padded[1:]


def test_one_long_row_that_sets_the_length_of_all_is_said(caplog):
    texts = ["ACGT"] * 9
    encode([*texts, "A" * 30])
    assert not any("longest" in message for message in caplog.messages)
    for _ in range(2):
        caplog.clear()
        encode([*texts, "A" * 4000, *texts])
        assert "the longest sequence, in row 9, has 4000 bases, the median one 4" in caplog.text
    caplog.clear()
    encode([*texts, "A" * 4000], 4)
    assert not any("longest" in message for message in caplog.messages)


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
    with pytest.raises(ValueError, match='unknown: expected "error", "count" or "allow"'):
        encode(["A"], unknown="drop")
    for function in (decode, reverse_complement):
        for codes, message in (
            (np.zeros(4, np.uint8), r"of shape \[N, L\], got shape \[4\]"),
            (np.full((1, 1), 5, np.uint8), r"got 5 at \[0, 0\]"),
            ([[0, -1]], r"got -1 at \[0, 1\]"),
            ([[0.5]], r"got 0.5 at \[0, 0\]"),
            (["ACGT"], "got <U4 such as 'ACGT'; encode text with cisreg.encode"),
        ):
            with pytest.raises(ValueError, match=f"codes: expected base codes 0 to 4 .*{message}"):
                function(codes)


@given(st.lists(st.text("ACGTN", max_size=20), max_size=8), st.sampled_from(["left", "right"]))
def test_decode_is_the_way_back(texts, side):
    width = max(map(len, texts), default=0)
    padded = [
        text.rjust(width, "N") if side == "left" else text.ljust(width, "N") for text in texts
    ]
    assert decode(encode(texts, side=side)) == texts
    assert decode(np.asarray(encode(texts, side=side))) == padded


@given(st.lists(st.text("ACGTN", min_size=5, max_size=5), min_size=1, max_size=8))
def test_reverse_complement(texts):
    codes = encode(texts)
    complement = str.maketrans("ACGTN", "TGCAN")
    expected = [text.translate(complement)[::-1] for text in texts]
    assert decode(reverse_complement(codes)) == expected
    np.testing.assert_array_equal(reverse_complement(reverse_complement(codes)), codes)
