"""One-hot text: written byte for byte as by the original's converter, and read back."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import shared_data

from cisreg.data import Columns, open_dataset, read_dataset
from cisreg.data.formats.columns import Places
from cisreg.data.formats.one_hot import (
    decode_padded,
    format_one_hot,
    one_hot_length,
    starts_one_hot,
    whole_lines,
)
from cisreg.data.formats.text import iterate_one_hot_text
from cisreg.sequences import encode


def written_by_the_original(sequence: str, label: str, length: int, side: str) -> str:
    """One line, written from the definition of the format."""
    text = sequence.upper()
    front, back = text[-length:].rjust(length, "."), text[:length].ljust(length, ".")
    text = front if side == "left" else back
    bits = ["1" if letter == base else "0" for base in "ACGT" for letter in text]
    return "\t".join([label, *bits]) + "\n"


SEQUENCES = st.lists(st.text("ACGTNacgtn", min_size=1, max_size=12), min_size=1, max_size=6)


@settings(deadline=None, max_examples=200)
@given(SEQUENCES, st.integers(1, 12), st.sampled_from(["left", "right"]))
def test_lines_are_those_of_the_original(sequences, length, side):
    labels = [f"{index / 3}" for index in range(len(sequences))]
    text = format_one_hot(encode(sequences, length, side=side), pa.array(labels))
    expected = [
        written_by_the_original(sequence, label, length, side)
        for sequence, label in zip(sequences, labels, strict=True)
    ]
    assert text == "".join(expected).encode()


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.lists(st.integers(0, 4), min_size=5, max_size=5), min_size=1, max_size=9),
    st.integers(1, 200),
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
)
def test_lines_come_back(rows, block_size, line_end, comments):
    codes = np.array(rows, np.uint8)
    labels = pa.array([f"{index}e-3" for index in range(len(rows))])
    lines = format_one_hot(codes, labels).splitlines()
    if comments:
        lines = [part for line in lines for part in (b"# said before", line, b"")]
    stream = io.BytesIO(line_end.join(lines))
    places = Places(1, (0,), None, None, (), ("expression",), ())
    parts = list(iterate_one_hot_text(stream, "text", 5, places, block_size=block_size))
    found = [text for part in parts for text in part.sequence.to_pylist()]
    np.testing.assert_array_equal(encode(found), codes)
    assert [each for part in parts for each in part.expression[0].to_pylist()] == labels.to_pylist()
    lines = [part.place(row) for part in parts for row in range(len(part.sequence))]
    first, step = (2, 3) if comments else (1, 1)
    assert lines == [f"text:{first + step * row}" for row in range(len(rows))]


@pytest.mark.parametrize("label", ["1\n2", "1\t2", "\r"])
def test_labels_that_would_break_the_lines(label):
    with pytest.raises(ValueError, match="label: expected text without tabs and line ends"):
        format_one_hot(np.zeros((2, 3), np.uint8), pa.array(["1", label]))


def test_a_slice_of_labels():
    labels = pa.array(["1", "22", "333"])[1:]
    assert format_one_hot(np.array([[0], [4]], np.uint8), labels) == (
        b"22\t1\t0\t0\t0\n333\t0\t0\t0\t0\n"
    )
    assert format_one_hot(np.empty((0, 3), np.uint8), labels[:0]) == b""


@pytest.mark.parametrize(
    ("start", "length", "starts"),
    [
        (b"5.5\t1\t0\t0\t0\t0\t0\t0\t1\n", 2, True),
        (b"5.5\t1\t0\t0\t0\r\n", 1, True),
        (b"5.5\t1\t0\t0\n", None, False),
        (b"5.5\t1\t0\t0\t0\t0", None, True),
        (b"# said\n\n5.5\t1\t0\t0\t0\n", None, True),
        (b"# said\n\nACGT\t1\n", None, False),
        (b"ACGT\t5.5\n", None, False),
        (b"ACGT\t1\n", None, False),
        (b"", None, False),
        (b"5.5\t2\t0\t0\t0\n", None, False),
    ],
)
def test_recognised_by_the_first_line(start, length, starts):
    assert one_hot_length(start) == length
    assert starts_one_hot(start) == starts


LINE = "1.5\t" + "\t".join("1000010000100001")
DAMAGES = [
    (LINE.rpartition("\t")[0], r"text\.ohc:2: expected 17 fields, .* 4 for each of 4 .*, got 16"),
    (LINE + "\t0", r":2: expected 17 fields, .* got 18"),
    (LINE[:-1] + "x", r":2: expected 0 or 1 in field 17, got something else"),
    (LINE[:-1] + "10", r":2: expected 0 or 1 in field 17"),
    (LINE.replace("1.5\t1", "1.5\t"), r":2: expected 0 or 1 in field 2"),
    ("1.5\t" + "\t".join("1000110000100001"), r":2: .* a second one in field 6"),
    ("1.5", r":2: expected 17 fields, .* got 1;"),
    ("", None),
]


@pytest.mark.parametrize(("line", "message"), DAMAGES)
def test_damaged_lines(tmp_path, line, message):
    path = tmp_path / "text.ohc"
    path.write_text(f"{LINE}\n{line}\n{LINE}\n")
    if message is None:
        assert len(read_dataset(path)) == 2
        return
    with pytest.raises(ValueError, match=message):
        read_dataset(path)


@pytest.mark.parametrize("label", ["much", "nan", "inf", "\xff"])
def test_labels_that_are_no_numbers(tmp_path, label):
    path = tmp_path / "text.ohc"
    path.write_bytes(f"{LINE}\n\n{LINE.replace('1.5', label)}\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"text\.ohc:3: expected a finite number as expression"):
        read_dataset(path)


def test_cut_gzip(tmp_path):
    path = tmp_path / "text.ohc.gz"
    text = "".join(f"{value}{LINE[3:]}\n" for value in np.random.default_rng(0).random(999))
    path.write_bytes(gzip.compress(text.encode())[:-50])
    with pytest.raises(ValueError, match="is the file complete"):
        read_dataset(path)


def test_tables_and_one_hot_text_are_the_same_data(tmp_path):
    source = shared_data("gpra_example") / "test.tsv.gz"
    dataset = read_dataset(source, 110)
    labels = pa.array([f"{value}" for value in dataset.expression.tolist()])
    (tmp_path / "text").write_bytes(gzip.compress(format_one_hot(dataset.sequence, labels)))
    text = read_dataset(tmp_path / "text")
    np.testing.assert_array_equal(text.sequence, dataset.sequence)
    np.testing.assert_array_equal(text.expression, dataset.expression)


def test_without_measurements(tmp_path):
    (tmp_path / "text").write_text(LINE + "\n")
    data = open_dataset(tmp_path / "text", columns=Columns(expression=()))
    (rows,) = data.blocks()
    assert rows.sequence.to_pylist() == ["ACGT"]
    assert rows.expression.shape == (1, 0)


@pytest.mark.parametrize(
    ("strip", "expected"),
    [(None, ["NACN", "NNNN"]), ("left", ["ACN", ""]), ("right", ["NAC", ""])],
)
def test_decoding(strip, expected):
    codes = np.array([[4, 0, 1, 4], [4, 4, 4, 4]], np.uint8)
    assert decode_padded(codes, strip=strip).to_pylist() == expected


@given(st.binary(max_size=60), st.integers(1, 9))
def test_blocks_are_the_whole_in_lines(content, block_size):
    blocks = list(whole_lines(io.BytesIO(content), block_size))
    assert b"".join(blocks) == content
    assert all(block.endswith(b"\n") for block in blocks[:-1])
