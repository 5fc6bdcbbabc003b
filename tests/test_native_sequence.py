"""Native encoding of chosen rows, and finding invalid sequences, against plain Python."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisreg.library import native_module
from cisreg.sequences import text_buffers

CODES = {**dict(zip("ACGTacgt", [0, 1, 2, 3] * 2, strict=True)), "U": 3, "u": 3}
TEXTS = st.lists(st.text("ACGTUacgtunNRx-é\0", max_size=12), min_size=1, max_size=9)


def plain(text, length, pad_left):
    codes = [CODES.get(chr(byte), 4) for byte in text.encode()]
    if pad_left:
        return [4] * (length - len(codes)) + codes[max(len(codes) - length, 0) :]
    return codes[:length] + [4] * (length - len(codes))


def buffers(texts):
    return text_buffers(pa.array(texts, pa.large_string()))


@given(TEXTS, st.data(), st.integers(0, 14), st.booleans(), st.booleans())
def test_rows_in_any_order_into_an_array_that_is_there(texts, data, length, pad_left, with_out):
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=12))
    # Memory around the rows is not changed.
    memory = np.full((len(rows) + 2, length), 99, np.uint8)
    out = memory[1:-1] if with_out else None
    codes, padded, trimmed = native_module().encode(
        *buffers(texts), length, pad_left, np.array(rows, np.int64), out
    )
    chosen = [texts[row] for row in rows]
    expected = [plain(text, length, pad_left) for text in chosen]
    assert codes.shape == (len(rows), length)
    assert codes.tolist() == expected
    assert padded == sum(len(text.encode()) < length for text in chosen)
    assert trimmed == sum(len(text.encode()) > length for text in chosen)
    if with_out:
        np.testing.assert_array_equal(memory[1:-1], codes)
        assert (memory[[0, -1]] == 99).all()


@given(TEXTS)
def test_faults(texts):
    nucleotides = set("ACGTUNRYSWKMBDHVacgtunryswkmbdhv")
    expected = [(1 if not text else 2 * bool(set(text) - nucleotides)) for text in texts]
    assert native_module().sequence_faults(*buffers(texts)).tolist() == expected


def test_all_nucleotide_letters_and_no_other_byte_are_good():
    texts = [bytes([byte]) for byte in range(256)]
    faults = native_module().sequence_faults(*text_buffers(pa.array(texts, pa.large_binary())))
    good = {chr(byte) for byte in range(256) if not faults[byte]}
    assert good == set("ACGTUNRYSWKMBDHVacgtunryswkmbdhv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2, True, np.array([0, 2])), "rows: expected 0 to 1, got 2 in entry 1"),
        ((2, True, np.array([-1])), "rows: expected 0 to 1, got -1 in entry 0"),
        ((2, True, np.zeros((1, 1), np.int64)), "rows: expected 1 dimension, got 2"),
        ((2, True, None, np.zeros((2, 3), np.uint8)), r"out: expected shape \[2, 2\]"),
        ((2, True, np.array([1]), np.zeros((2, 2), np.uint8)), r"out: expected shape \[1, 2\]"),
        ((-1, True), "length: expected 0 or more, got -1"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        native_module().encode(*buffers(["AC", "G"]), *arguments)


def test_an_array_of_another_kind_is_never_written_to():
    encode, text = native_module().encode, buffers(["AC", "G"])
    read_only = np.zeros((2, 2), np.uint8)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="out: expected an array that can be written"):
        encode(*text, 2, True, None, read_only)
    # A copy of these would be written, and the result would be lost.
    for out in (np.zeros((2, 2), np.int64), np.zeros((2, 4), np.uint8)[:, ::2]):
        with pytest.raises(TypeError):
            encode(*text, 2, True, None, out)


def test_offsets_must_rise_within_the_text():
    data = np.frombuffer(b"ACGT", np.uint8)
    for offsets in ([0, 5], [2, 1], [-1, 2]):
        with pytest.raises(ValueError, match="offsets: expected to rise within data"):
            native_module().sequence_faults(data, np.array(offsets))
