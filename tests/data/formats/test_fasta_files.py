"""FASTA files, and tables of measurements for their records."""

from __future__ import annotations

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cisreg.data import Columns, open_dataset, read_dataset

FASTA = ">a first\nACGT\nAC\n>b\tsecond\nTT\n\n>c\nNNRY\n"
TABLE = "name\texpression\tweight\nb\t2\t0.5\na\t1\t1\nc\t3\t0\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "x.fa").write_text(FASTA)
    (tmp_path / "x.tsv").write_text(TABLE)
    return tmp_path / "x.fa", tmp_path / "x.tsv"


def kept(data):
    return [
        (text, *numbers)
        for rows in data.blocks()
        for text, numbers in zip(rows.sequence.to_pylist(), rows.expression.tolist(), strict=True)
    ]


def test_records_without_measurements(files):
    data = open_dataset(files[0])
    assert data.kind == "FASTA"
    assert [rows.sequence.to_pylist() for rows in data.blocks()] == [["ACGTAC", "TT", "NNRY"]]
    assert data.expression_names == ()
    with pytest.raises(
        ValueError, match=r"x.fa: expected a column of numbers as the expression, got names and"
    ):
        data.load()
    with pytest.raises(ValueError, match="columns: expected measurements with them"):
        open_dataset(files[0], columns=Columns("dna"))


@pytest.mark.parametrize("kind", ["tsv", "csv.gz", "parquet"])
def test_measurements_are_joined_by_name(files, tmp_path, kind):
    table = tmp_path / f"table.{kind}"
    if kind == "parquet":
        columns = {"weight": [0.5, 1.0, 0.0], "name": ["b", "a", "c"], "expression": [2, 1, 3]}
        pq.write_table(pa.table(columns), table)
    else:
        text = TABLE if kind == "tsv" else TABLE.replace("\t", ",")
        table.write_bytes(gzip.compress(text.encode()) if kind == "csv.gz" else text.encode())
    (tmp_path / "x.fa.gz").write_bytes(gzip.compress(FASTA.encode()))
    for source in (files[0], tmp_path / "x.fa.gz"):
        data = open_dataset(source, measurements=table)
        loaded = data.load()
        assert kept(data) == [("ACGTAC", 1.0), ("TT", 2.0), ("NNRY", 3.0)]
        assert loaded.weight.tolist() == [1.0, 0.5, 0.0]
        assert loaded.sequence.shape == (3, 6)
    assert read_dataset(files[0], measurements=table).expression.tolist() == [1, 2, 3]


def test_columns_are_those_of_the_measurements(files, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("x,id,one,two\n9,a,1,10\n9,b,2,20\n9,c,3,30\n")
    data = open_dataset(
        files[0], measurements=table, columns=Columns(name="id", expression=("two", "one"))
    )
    assert data.load().expression.tolist() == [[10, 1], [20, 2], [30, 3]]
    # Without a header, the first two columns are used.
    table.write_text("a\t1\nb\t2\nc\t3\n")
    assert open_dataset(files[0], measurements=table).load().expression.tolist() == [1, 2, 3]


NAMES = st.sampled_from("abcd")
NUMBERS = st.sampled_from(["1", "2.5", "high", "nan"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    records=st.lists(st.tuples(NAMES, st.sampled_from(["ACGT", "GG", "", "A*"])), min_size=1),
    measured=st.lists(st.tuples(NAMES, NUMBERS), min_size=1),
    cut=st.integers(0, 9),
)
def test_the_join_against_plain_python(tmp_path, records, measured, cut):
    cut = max(1, min(cut, len(records)))
    for name, part in (("1.fa", records[:cut]), ("2.fa", records[cut:])):
        (tmp_path / name).write_text("".join(f">{each} more\n{text}\n" for each, text in part))
    lines = "".join(f"{name}\t{number}\n" for name, number in measured)
    (tmp_path / "t.tsv").write_text(f"name\texpression\n{lines}")
    reasons, expected = {}, []
    for name, text in records:
        numbers = [number for other, number in measured if other == name]
        if not numbers:
            reason = "no measurement of that name"
        elif len(numbers) > 1 or [other for other, _ in records].count(name) > 1:
            reason = "a name that is there twice"
        elif not text:
            reason = "an empty sequence"
        elif "*" in text:
            reason = "letters that are no nucleotide codes"
        elif numbers[0] in ("high", "nan"):
            reason = "no finite number as expression"
        else:
            expected.append((text, float(numbers[0])))
            continue
        reasons[reason] = reasons.get(reason, 0) + 1
    data = open_dataset(tmp_path / "*.fa", measurements=tmp_path / "t.tsv")
    assert kept(data) == expected
    assert data.unusable.reasons == reasons


@pytest.mark.parametrize(
    ("fasta", "table", "message"),
    [
        (FASTA + ">d\nA\n", TABLE, r"x.fa:9 \(d\): expected a measurement of that name in"),
        (
            FASTA + ">a\nA\n",
            TABLE,
            r"x.fa:1 \(a\): expected every name once, got 'a' twice",
        ),
        (FASTA, TABLE + "a\t5\t1\n", r"x.tsv:5: expected every name once, got 'a' again"),
        (
            FASTA,
            TABLE + "d\thigh\t1\n",
            r"x.tsv:5: expected a finite number as expression, got 'hi",
        ),
        (FASTA, TABLE + "d\t1\t-1\n", r"x.tsv:5: expected a finite number of 0 or more as weight"),
        (FASTA, TABLE + "d\t1\n", r"x.tsv:5: expected 3 columns as in line 1, got 2"),
        (FASTA.replace("AC\n", "A*\n"), TABLE, r"x.fa:1 \(a\): expected a sequence of nuc"),
        (FASTA + ">d\n>e\n", TABLE + "d\t1\t1\ne\t1\t1\n", r"x.fa:9 \(d\): expected a seq"),
    ],
)
def test_strict(files, fasta, table, message):
    files[0].write_text(fasta)
    files[1].write_text(table)
    with pytest.raises(ValueError, match=message):
        open_dataset(files[0], measurements=files[1], strict=True).load()
    data = open_dataset(files[0], measurements=files[1])
    assert len(data.load()) >= 2


def test_lines_of_measurements_that_are_no_rows_are_said_once(files, caplog):
    files[1].write_text(TABLE + "d\t1\n")
    open_dataset(files[0], measurements=files[1])
    assert caplog.messages == [
        f"{files[1]}: rows were left out: 1 with another number of columns (first: {files[1]}:5)"
    ]


def test_bytes_that_are_no_text_are_of_their_record_alone(tmp_path):
    path = tmp_path / "x.fa"
    path.write_bytes(b">a\xff\nACGT\n>b\nAC\xc3\xa9GT\n>c\nAC\xff\n>d\nGG\n")
    data = open_dataset(path)
    assert kept(data) == [("ACGT",), ("GG",)]
    assert data.unusable.reasons == {"letters that are no nucleotide codes": 2}


def test_refusals(files, tmp_path):
    with pytest.raises(ValueError, match="measurements: expected FASTA with them, got table"):
        open_dataset(files[1], measurements=files[1])
    with pytest.raises(FileNotFoundError, match=r"none.tsv: no such file"):
        open_dataset(files[0], measurements=tmp_path / "none.tsv")
    with pytest.raises(ValueError, match=r"x.tsv:1: expected one column named 'level'"):
        open_dataset(
            files[0], measurements=files[1], columns=Columns(name="name", expression="level")
        )
    (tmp_path / "y.fa").write_text("")
    assert kept(open_dataset([files[0], tmp_path / "y.fa"], measurements=files[1]))[0][1] == 1.0
    with pytest.raises(ValueError, match=r"x.tsv: expected FASTA as in .*x.fa, got table; open"):
        open_dataset(list(files))


def test_the_fingerprint_has_the_measurements(files):
    first = open_dataset(files[0], measurements=files[1]).fingerprint()
    files[1].write_text(TABLE + "d\t1\t1\n")
    assert open_dataset(files[0], measurements=files[1]).fingerprint() != first
    files[1].write_text(TABLE)
    files[0].write_text(FASTA + ">d\nA\n")
    assert open_dataset(files[0], measurements=files[1]).fingerprint() != first


def test_large_files_come_in_blocks(tmp_path):
    text = "ACGT" * 1000
    path = tmp_path / "x.fa"
    path.write_text("".join(f">{number}\n{text}\n" for number in range(3000)))
    blocks = [len(rows) for rows in open_dataset(path).blocks()]
    assert sum(blocks) == 3000
    assert max(blocks) * len(text) < 5_000_000
    numbers = np.arange(3000)
    pq.write_table(pa.table({"name": numbers.astype(str), "e": numbers}), tmp_path / "t.parquet")
    data = open_dataset(path, measurements=tmp_path / "t.parquet")
    assert [row[1] for row in kept(data)] == numbers.tolist()


def test_oddities_of_records(tmp_path):
    (tmp_path / "x.tsv").write_text("name\texpression\nä\t1\nb\t2\nc\t3\n")
    text = "\ufeff# made by hand\n\n>ä ö end\nac gt\n;note\nAC\n>b\nAC \t\n\nGT\n> c\nGÄ\n>"
    for end in ("\n", "\r\n", "\r"):
        path = tmp_path / "x.fa"
        path.write_bytes(text.replace("\n", end).encode())
        data = open_dataset(path, measurements=tmp_path / "x.tsv")
        assert kept(data) == [("ACGT", 2.0)]
        assert data.unusable.first == {
            "letters that are no nucleotide codes": f"{path}:3 (ä)",
            "no measurement of that name": f"{path}:13 ()",
        }
        with pytest.raises(ValueError, match=r"x.fa:3 \(ä\): .*got ' ' at base 3"):
            list(open_dataset(path, strict=True).blocks())
    # FASTA is recognised under any file name.
    path = tmp_path / "x.txt"
    path.write_text("\ufeff>a\nACGT\n")
    assert open_dataset(path).kind == "FASTA"


@pytest.mark.parametrize("text", ["ACGT\n>a\nAC\n", "#\n\nACGT\n", "\0\1"])
def test_text_without_a_header_is_no_fasta(tmp_path, text):
    path = tmp_path / "x.fa"
    path.write_text(text)
    line = text.count("\n", 0, text.index("ACGT")) + 1 if "ACGT" in text else 1
    with pytest.raises(
        ValueError, match=f"x.fa:{line}: is not FASTA: expected a header|x.fa: .*binary data"
    ):
        list(open_dataset(path).blocks())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">a\nACGTACGTAC\n", r"x.fa:2: expected a line of 8 bytes"),
        (">abcdefghi\nAC\n", r"x.fa:1: expected a line of 8 bytes"),
        (">a\nACG\n>b\nACG\nT\nAC\n", r"x.fa:3: expected a record of 8 bytes"),
        (">a\nACG\n>b\n\n\n\n\n\n\n\n\n\n", r"x.fa:3: expected a record of 8 bytes"),
    ],
)
def test_a_line_or_record_without_end_is_refused(tmp_path, monkeypatch, text, message):
    monkeypatch.setattr("cisreg.data.formats.fasta.LONGEST_RECORD", 8)
    path = tmp_path / "x.fa"
    path.write_text(">a\nACGT\n>b\nACGT\n")
    assert len(list(open_dataset(path).blocks())) == 1
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        list(open_dataset(path).blocks())
