"""Text with some unusable lines: which rows are kept, the counts, and the errors under strict."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import re

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from shared_data import shared_data

from cisreg.data import Columns, open_dataset, read_dataset
from cisreg.data.formats.columns import Places
from cisreg.data.formats.one_hot import format_one_hot
from cisreg.data.formats.rows import Unusable
from cisreg.data.formats.text import find_layout, iterate_one_hot_text, iterate_table
from cisreg.data.formats.usable import RawRows, to_float32, usable_rows
from cisreg.sequences import encode

GOOD = [("ACGT", "1.5"), ("nRy", "-2e3"), ("T" * 30, "+.5")]
QUOTED = ('"AC"GT', '"7"')
# The content of a line, and why it cannot be used.
BAD = [
    ("\t1", "an empty sequence"),
    ("  \t1", "an empty sequence"),
    ("ACGX\t1", "letters that are no nucleotide codes"),
    ("AC GT\t1", "letters that are no nucleotide codes"),
    ("AC\0\t1", "letters that are no nucleotide codes"),
    ("ACé\t1", "letters that are no nucleotide codes"),
    ("AC\rGT\t1", "letters that are no nucleotide codes"),
    ("ACGT\t", "no finite number as expression"),
    ("ACGT\thigh", "no finite number as expression"),
    ("ACGT\tnan", "no finite number as expression"),
    ("ACGT\t-inf", "no finite number as expression"),
    ("ACGT\t1e39", "no finite number as expression"),
    ("ACGT\t1e999", "no finite number as expression"),
    ("ACGT\t1_0", "no finite number as expression"),
    ("ACGT\t٣", "no finite number as expression"),
    ("ACGT", "another number of columns"),
    ("ACGT\t1\t2", "another number of columns"),
    (" ", "another number of columns"),
    ('"ACGT\t1', "another number of columns"),
    ('"ACGT\t1"', "another number of columns"),
    ('AC"GT"\t1', "letters that are no nucleotide codes"),
    ('"AC""GT"\t1', "letters that are no nucleotide codes"),
]


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def kept(data):
    return [
        (text, number)
        for rows in data.blocks()
        for text, number in zip(rows.sequence.to_pylist(), rows.expression.tolist(), strict=True)
    ]


@pytest.mark.parametrize(("line", "reason"), BAD)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_kind_of_bad_line(tmp_path, line, reason, end, caplog):
    lines = ["\t".join(row) for row in GOOD]
    path = write(tmp_path / "x.tsv", end.join([lines[0], line, *lines[1:], ""]))
    data = open_dataset(path)
    numbers = [[np.float32(number)] for _, number in GOOD]
    assert kept(data) == [(text, number) for (text, _), number in zip(GOOD, numbers, strict=True)]
    assert data.unusable.reasons == {reason: 1}
    assert data.unusable.first == {reason: f"{path}:2"}
    said = f"{path}: 1 rows were left out: 1 with {reason} (first: {path}:2)"
    assert [each.message for each in caplog.records if each.levelname == "WARNING"] == [said]
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))}:2: expected .*, got .*; .*"):
        list(open_dataset(path, strict=True).blocks())


@given(
    st.lists(st.sampled_from([*GOOD, *BAD, QUOTED, "", "# a comment"]), max_size=12),
    st.integers(1, 60),
)
def test_a_line_is_judged_by_itself_whatever_is_around_it(lines, block_size):
    text = "ACGT\t0\n"
    expected, reasons, first_bad = ["ACGT"], {}, None
    for number, line in enumerate(lines, start=2):
        if isinstance(line, str):
            text += line + "\n"
        elif line in GOOD or line == QUOTED:
            text += "\t".join(line) + "\n"
            expected.append(line[0].replace('"', ""))
        else:
            text += line[0] + "\n"
            reasons[line[1]] = reasons.get(line[1], 0) + 1
            first_bad = first_bad or number
    layout = find_layout("x", text.encode(), None)

    def read(strict, unusable):
        stream = io.BytesIO(text.encode())
        return [
            sequence
            for raw in iterate_table(stream, "x", layout, block_size=block_size)
            for sequence in usable_rows(raw, unusable, strict=strict).sequence.to_pylist()
        ]

    unusable = Unusable()
    assert read(False, unusable) == expected
    assert unusable.reasons == reasons
    if first_bad is None:
        assert read(True, Unusable()) == expected
    else:
        with pytest.raises(ValueError, match=f"^x:{first_bad}: expected"):
            read(True, Unusable())


@given(st.lists(st.text("+-.0123456789eE_ naif٣", max_size=6), min_size=1, max_size=6))
def test_a_number_is_read_the_same_alone_and_among_others(texts):
    together = to_float32(pa.array([*texts, "no number"], pa.large_string()))[:-1]
    alone = [to_float32(pa.array([text], pa.large_string()))[0] for text in texts]
    np.testing.assert_array_equal(together, np.array(alone, np.float32))


def test_float32_of_every_type():
    values = [1, 2, None]
    for kind in (pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.decimal128(9, 3)):
        array = pa.array([None if v is None else np.float16(v) for v in values], pa.float16())
        array = array if kind == pa.float16() else pa.array(values, kind)
        np.testing.assert_array_equal(to_float32(array), np.array([1, 2, np.nan], np.float32))
    assert np.isnan(to_float32(pa.array([None, None], pa.null()))).all()
    large = np.finfo(np.float32).max
    numbers = to_float32(pa.array([float(large), float(large) * 1.0001, np.inf, 2.0**60]))
    np.testing.assert_array_equal(numbers, np.array([large, np.nan, np.nan, 2.0**60], np.float32))
    assert to_float32(pa.array([2**62 + 1])).tolist() == [2.0**62]


def test_a_missing_sequence_is_empty_whatever_its_bytes_are():
    offsets, letters = np.array([0, 2, 4], np.int64), b"ACGT"
    buffers = [pa.py_buffer(bytes([0b10])), pa.py_buffer(offsets), pa.py_buffer(letters)]
    sequence = pa.Array.from_buffers(pa.large_string(), 2, buffers)
    raw = RawRows(sequence, [pa.array([1.0, 2.0])], None, lambda row: f"row {row}")
    unusable = Unusable()
    rows = usable_rows(raw, unusable, strict=False)
    assert rows.sequence.to_pylist() == ["GT"]
    assert unusable.first == {"an empty sequence": "row 0"}


@pytest.mark.parametrize("ending", [".gz", ".zst", ".bz2", ""])
def test_compressed_tables_in_any_dialect(tmp_path, ending):
    compress = {
        ".gz": gzip.compress,
        ".zst": zstandard.ZstdCompressor().compress,
        ".bz2": bz2.compress,
        "": bytes,
    }[ending]
    text = '\ufeffno,Weight,EXPRESSION,Sequence\r\n1,"2",3, ACGT \r\n2,1,4,"GG"\r\n\r\n'
    path = write(tmp_path / f"x.csv{ending}", compress(text.encode()))
    data = open_dataset(path).load()
    assert data.sequence.tolist() == [[0, 1, 2, 3], [4, 4, 2, 2]]
    assert data.expression.tolist() == [3, 4]
    assert data.weight.tolist() == [2, 1]


def test_columns_by_name_and_position(tmp_path):
    text = "a\tdna\tone\ttwo\tw\n0\tACGT\t1\t2\t.5\n0\tGG\t3\t4\t1\n"
    path = write(tmp_path / "x.tsv", text)
    by_name = open_dataset(path, columns=Columns("dna", ("two", "one"), "w"))
    assert by_name.expression_names == ("two", "one")
    assert by_name.weighted
    data = by_name.load()
    assert data.expression.tolist() == [[2, 1], [4, 3]]
    assert data.weight.tolist() == [0.5, 1]
    by_position = open_dataset(path, columns=Columns(1, (3, 2), 4)).load()
    np.testing.assert_array_equal(by_position.expression, data.expression)
    with pytest.raises(ValueError, match=r"x.tsv:1: expected one column named 'three', got 'a', "):
        open_dataset(path, columns=Columns("dna", ("three",)))
    with pytest.raises(ValueError, match=r"x.tsv:1: expected a column at position 9, .*line 10\)"):
        open_dataset(path, columns=Columns(0, (9,)))
    with pytest.raises(ValueError, match=r"x.tsv:1: expected another column for each role"):
        open_dataset(path, columns=Columns("dna", (1,)))


@pytest.mark.parametrize(
    ("header", "positions"),
    [
        ("sequence\texpression", (0, 1, None)),
        ("expression\tsequence", (1, 0, None)),
        ("level\tsequence", (1, 0, None)),
        ("id\tSequence\texpression_1\texpression_2", (1, 2, None)),
        ("id\tSeq\tMean expression\tWEIGHT", (1, 2, 3)),
        ("dna\tlevel", (0, 1, None)),
        ("ACGT\t5", (0, 1, None)),
        ("5\tACGT", (1, 0, None)),
    ],
)
def test_columns_that_nobody_named(header, positions):
    places = find_layout("x", header.encode() + b"\n", None).places
    assert (places.key, places.expression[0], places.weight) == positions


@pytest.mark.parametrize(
    ("start", "columns", "expected"),
    [
        ("dna\tlevel\n", None, True),
        ("RNA\tstrength\n", Columns(0, (1,)), True),
        ("strand\tstrength\n", Columns(0, (1,)), True),
        ("dna\n", None, True),
        ("strand\tdna\n", Columns(1, ()), True),
        ("ACGTR\tNA\n", None, False),
        ("ACGTR\t\n", None, False),
        ("ACGTACGR\n", None, False),
        ("ACGT\tlow\n", Columns(0, (1,)), False),
        ("dnase\tlevel\nACGTACGT\t5\n", None, True),
        ("ACGTR\t5\n", None, False),
    ],
)
def test_names_that_are_spelled_with_nucleotides(start, columns, expected):
    assert find_layout("x", start.encode(), columns).has_header is expected


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("header", ["", "dna\tlevel\n"])
@pytest.mark.parametrize("block_size", [3, 1 << 20])
def test_blank_lines_before_the_first(tmp_path, end, header, block_size):
    text = f"\n\n\n{header}ACGT\t1\nAC!T\t2\nGG\t3\nTT\n".replace("\n", end)
    content = b"\xef\xbb\xbf" + text.encode()
    layout = find_layout("x", content, None)
    assert layout.has_header == bool(header)
    found = list(iterate_table(io.BytesIO(content), "x", layout, block_size=block_size))
    texts = [text for raw in found for text in raw.sequence.to_pylist()]
    places = [raw.place(row) for raw in found for row in range(len(raw.sequence))]
    first = 5 if header else 4
    assert texts == ["ACGT", "AC!T", "GG"]
    assert places == [f"x:{first + row}" for row in range(3)]
    faults = [fault for raw in found for fault in raw.faults]
    assert [fault.place for fault in faults] == [f"x:{first + 3}"]
    assert "expected 2 columns as in line 4, got 1" in faults[0].message


def test_roles_that_fall_together_are_named():
    message = "x:1: expected another column for each role, got 'level' as sequence, 'level' as exp"
    for columns in (Columns("level", (0,)), Columns(0, ("level",))):
        with pytest.raises(ValueError, match=message):
            find_layout("x", b"level\tdna\n", columns)


def test_a_weight_must_be_finite_and_not_negative(tmp_path):
    weights = ["0", "1", "-1", "nan", "inf", "-0.0", "heavy"]
    lines = "".join(f"ACGT\t1\t{weight}\n" for weight in weights)
    path = write(tmp_path / "x.tsv", f"sequence\texpression\tweight\n{lines}")
    data = open_dataset(path)
    assert data.load().weight.tolist() == [0, 1, 0]
    assert data.unusable.reasons == {"no finite number of 0 or more as weight": 4}
    with pytest.raises(ValueError, match=r"x.tsv:4: expected a finite number of 0 or more as weig"):
        open_dataset(path, strict=True).load()


def test_files_that_are_no_tables(tmp_path):
    cases = {
        b"": "expected lines with columns, got an empty file",
        b"\n\n": "expected lines with columns, got an empty file",
        "ACGT\t1\n".encode("utf-16"): "got text as UTF-16; save it as UTF-8",
        b"ACGT\t1\rGG\t2\r": ":1: expected lines that end in LF or CR LF, got a CR alone",
        gzip.compress(b"ACGT\t1\n" * 1000)[:-9]: "cannot be decompressed",
    }
    for content, message in cases.items():
        path = write(tmp_path / "x.tsv", content)
        with pytest.raises(ValueError, match=rf"x.tsv.*{message}"):
            open_dataset(path).load()
    with pytest.raises(
        ValueError, match=r"x.tsv: expected rows that can be used, got none; 1 with"
    ):
        open_dataset(write(tmp_path / "x.tsv", "sequence\te\nACGX\t1\n")).load()


@pytest.mark.parametrize("side", ["left", "right"])
def test_text_in_many_blocks_and_files_is_as_it_stands(tmp_path, side):
    rng = np.random.default_rng(5)
    letters = "".join(rng.choice(list("ACGTN"), 8_000_000))
    stops = np.cumsum(rng.integers(1, 110, 70_000)).tolist()
    texts = [letters[start:stop] for start, stop in itertools.pairwise([0, *stops])]
    # The longest sequence differs from block to block.
    texts[10] = letters[:200]
    numbers = rng.normal(size=len(texts)).astype(np.float32)
    lines = [f"{text}\t{number!r}" for text, number in zip(texts, numbers.tolist(), strict=True)]
    write(tmp_path / "a.tsv", "\n".join(lines[:60_000]))
    write(tmp_path / "b.tsv", gzip.compress(("\n".join(lines[60_000:]) + "\n").encode()))
    whole = write(tmp_path / "all.txt", "\n".join(lines))
    expected = encode(texts, side=side)
    data = open_dataset(tmp_path / "*.tsv", side=side)
    loaded = data.load()
    np.testing.assert_array_equal(loaded.sequence, expected)
    np.testing.assert_array_equal(loaded.expression, numbers)
    assert max(map(len, data.blocks())) < 70_000
    assert data.length == expected.shape[1]
    short = open_dataset(tmp_path / "*.tsv", length=20, side=side).load()
    np.testing.assert_array_equal(short.sequence, read_dataset(whole, 20, side=side).sequence)


def test_length_is_found_before_it_is_needed(tmp_path, caplog):
    path = write(tmp_path / "x.tsv", "AC\t1\nACGTA\t2\nACGTACGT\tnan\n")
    data = open_dataset(path)
    assert data.known_length is None
    with caplog.at_level("INFO", "cisreg.data"):
        assert data.length == 5
    assert caplog.messages[-1] == "the longest sequence has 5 bases"
    assert data.known_length == 5
    with pytest.raises(ValueError, match="length: expected 1 or more, got 0"):
        open_dataset(path, length=0)


def test_how_many_are_padded_and_trimmed_is_said(tmp_path, caplog):
    path = write(tmp_path / "x.tsv", "AC\t1\nACGTA\t2\nACG\t3\nA\t4\n")
    data = open_dataset(path, length=3, side="right")
    for _ in range(2):  # it is logged only once
        data.load()
        data.load()
    assert caplog.messages == [
        f"{path}: 2 sequences were padded and 1 trimmed to 3 bases, on the right"
    ]
    assert caplog.records[0].levelname == "WARNING"


def one_hot(texts, labels):
    codes = np.array([["ACGTN".index(letter) for letter in text] for text in texts], np.uint8)
    return format_one_hot(codes, pa.array(labels))


def test_one_hot_text(tmp_path):
    content = one_hot(["ACGT", "NTTN", "GGGG"], ["1", "none", "2.5"])
    lines = content.split(b"\n")
    bad = [lines[0][:-2], lines[0].replace(b"1\t0", b"2\t0", 1), lines[2][:-1] + b"1"]
    path = write(tmp_path / "x.ohc", b"\n".join([b"# made", lines[0], *bad, *lines[1:]]))
    data = open_dataset(path)
    assert data.kind == "one-hot text"
    assert kept(data) == [("ACGT", [1.0]), ("GGGG", [2.5])]
    assert data.unusable.reasons == {
        "something else than one-hot text": 3,
        "no finite number as expression": 1,
    }
    assert data.unusable.first["something else than one-hot text"] == f"{path}:3"
    with pytest.raises(ValueError, match=r"x.ohc:3: expected 17 fields.*, got 16; is the line"):
        list(open_dataset(path, strict=True).blocks())
    without = open_dataset(path, columns=Columns(expression=()))
    assert [rows.expression.shape for rows in without.blocks()] == [(1, 0), (2, 0)]
    labels = open_dataset(path, columns=Columns(expression=(), extra=("label",)))
    assert [rows.extra["label"].to_pylist() for rows in labels.blocks()] == [["1"], ["none", "2.5"]]
    with pytest.raises(ValueError, match=r"x.ohc: expected no columns, since one-hot text has"):
        open_dataset(path, columns=Columns("sequence"))


LABELLED = Places(1, (0,), None, None, (), ("expression",), ())


@given(st.lists(st.sampled_from(["good", "bad", "#", ""]), max_size=9), st.integers(1, 80))
def test_one_hot_lines_are_judged_by_themselves(kinds, block_size):
    good = one_hot(["AC"], ["7"])
    lines = {"good": good, "bad": b"7\t1\t0\n", "#": b"# comment\n", "": b"\n"}
    content = good + b"".join(lines[kind] for kind in kinds)
    unusable, count = Unusable(), 0
    for raw in iterate_one_hot_text(io.BytesIO(content), "x", 2, LABELLED, block_size=block_size):
        count += len(usable_rows(raw, unusable, strict=False))
    assert count == 1 + kinds.count("good")
    assert unusable.count == kinds.count("bad")
    if "bad" in kinds:
        assert list(unusable.first.values()) == [f"x:{kinds.index('bad') + 2}"]


def test_measured_promoters():
    path = shared_data("gpra_example") / "expression.tsv.gz"
    data = open_dataset(path)
    assert len(data.load()) == 9982
    assert not data.unusable.count
