"""Reading tables of sequences and expression, and what the errors say."""

from __future__ import annotations

import bz2
import gzip
import re

import numpy as np
import pytest
from shared_data import shared_data

from cisreg.data import read_table


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows(table):
    numbers = [] if table.expression is None else table.expression.tolist()
    return table.sequence.to_pylist(), numbers


@pytest.mark.parametrize(
    "text",
    [
        "ACGT\t1.5\nnnn\t-2\n",
        "ACGT,1.5\nnnn,-2\n",
        "ACGT\t1.5\nnnn\t-2",
        "ACGT\t1.5\r\nnnn\t-2\r\n\r\n\n",
        "\ufeffACGT\t1.5\nnnn\t-2\n",
        " ACGT \t 1.5\nnnn\t-2e0\n",
        '"ACGT"\t"1.5"\n"nnn"\t"-2"\n',
        "dna\tlevel\nACGT\t1.5\nnnn\t-2\n",
        "sequence\texpression\nACGT\t1.5\nnnn\t-2\n",
        "ACGT\t1.5\tmore\nnnn\t-2\tand more\n",
    ],
)
def test_the_same_rows_in_many_dialects(tmp_path, text):
    table = read_table(write(tmp_path / "x.txt", text))
    assert rows(table) == (["ACGT", "nnn"], [1.5, -2.0])
    assert table.expression.dtype == np.float32
    assert len(table) == 2


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress], ids=["gz", "bz2"])
def test_compressed_files(tmp_path, compress):
    suffix = compress.__module__.replace("gzip", "gz")
    # Two streams in one file, as parallel compressors write them.
    content = compress(b"AC\t1\n") + compress(b"GT\t2\n")
    table = read_table(write(tmp_path / f"x.tsv.{suffix}", content))
    assert rows(table) == (["AC", "GT"], [1.0, 2.0])


def test_a_file_of_one_line_without_line_end(tmp_path):
    assert rows(read_table(write(tmp_path / "x.tsv", "ACG\t3"))) == (["ACG"], [3.0])


def test_columns_by_name_and_by_position(tmp_path):
    text = "id,level,promoter,other\nAC,1,GG,3\nCA,2,TT,4\n"
    path = write(tmp_path / "x.csv", text)
    table = read_table(path, sequence_column="promoter", expression_column="level")
    assert rows(table) == (["GG", "TT"], [1.0, 2.0])
    table = read_table(path, sequence_column=2, expression_column=3)
    assert rows(table) == (["GG", "TT"], [3.0, 4.0])
    table = read_table(path, sequence_column=0, expression_column=None)
    assert rows(table) == (["AC", "CA"], [])


def test_the_first_line_is_what_the_caller_says(tmp_path):
    path = write(tmp_path / "x.tsv", "ACGT\t1\nGG\t2\n")
    assert rows(read_table(path, header=True)) == (["GG"], [2.0])
    path = write(tmp_path / "y.tsv", "sequence\texpression\nGG\t2\n")
    with pytest.raises(ValueError, match=r"y.tsv:1: expected a sequence of nucleotide.*'e' at"):
        read_table(path, header=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("AC\t1\nGT\t2\t3\n", "x.tsv:2: expected 2 columns as in line 1, got 3"),
        ("s\te\nAC\t1\nGT\n", "x.tsv:3: expected 2 columns as in line 1, got 1"),
        ("AC\t1\nGT\tabc\n", "x.tsv:2: expected a finite number as expression, got 'abc'"),
        ("AC\tabc\nGT\t1\n", "x.tsv:1: expected a finite number as expression, got 'abc'"),
        ("s\te\nAC\t1\nGT\t\n", "x.tsv:3: expected a finite number as expression, got ''"),
        ("AC\t1\nGT\tnan\nA\tx\n", "x.tsv:3: expected a finite number as expression, got 'x'"),
        ("AC\t1\nGT\tNaN\n", "x.tsv:2: expected a finite number as expression, got 'NaN'"),
        ("AC\t1\nGT\t-inf\n", "x.tsv:2: expected a finite number as expression, got '-inf'"),
        ("AC\t1\nGT\t1e39\n", "x.tsv:2: expected a finite number as expression, got '1e39'"),
        ("AC\t1\n\t2\n", "x.tsv:2: expected a sequence, got an empty field"),
        ("AC\t1\n\nGT\t2\n", "x.tsv:2: expected a sequence, got an empty field"),
        ("AC\t1\nGT\t2\nAC1T\t2\n", r"x.tsv:3: expected a sequence of .*'1' at base 3"),
        ("1\tAC\n2\tGT\n", r"x.tsv:2: expected a sequence of nucleotide letters .*'2' at base 1"),
        ("AC\nGT\n", r"x.tsv:1: expected a column at position 1.*got 1 column"),
        ("s\te\n", "x.tsv: expected rows after the names of the columns, got none"),
        ("\n\n", "x.tsv: expected lines .* got an empty file"),
        ("", "x.tsv: expected lines .* got an empty file"),
        (b"AC\xff\t1\nAC\t2\n", "x.tsv:1: expected UTF-8 text, got the byte 0xff"),
        (b"AC\t1\nA\xffC\t2\n", "x.tsv:2: expected UTF-8 text, got the byte 0xff"),
        ("AC\t1\n".encode("utf-16"), "x.tsv:1: expected UTF-8 text, got UTF-16"),
        ("AC\t1\rGT\t2\r", "x.tsv:1: expected lines that end in LF or CR LF, got a CR alone"),
        ("AC\t1\r\nGT\t2\rA\t3\n", "x.tsv:2: expected lines that end in LF or CR LF"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, text, message):
    with pytest.raises(ValueError, match=re.escape(str(tmp_path)) + "/" + message):
        read_table(write(tmp_path / "x.tsv", text))


@pytest.mark.parametrize("wrong", [0, 1, 500, 998, 999])
def test_the_first_wrong_number_is_found_wherever_it_is(tmp_path, wrong):
    lines = ["ACGT\t1"] * wrong + ["ACGT\t1x"] * (1000 - wrong)
    path = write(tmp_path / "x.tsv", "\n".join(lines))
    with pytest.raises(ValueError, match=f"x.tsv:{wrong + 1}: expected a finite number"):
        read_table(path, header=False)


def test_line_numbers_hold_beyond_the_first_block_of_the_reader(tmp_path):
    lines = [f"{'ACGT' * 25}\t1"] * 30_000
    lines[25_000] += "\t2"
    with pytest.raises(ValueError, match=r"x.tsv:25001: expected 2 columns"):
        read_table(write(tmp_path / "x.tsv", "\n".join(lines)))


def test_unknown_columns_missing_files_and_broken_compression(tmp_path):
    path = write(tmp_path / "x.tsv", "s\te\nAC\t1\n")
    with pytest.raises(ValueError, match=r"x.tsv:1: expected a column named 'seq'.*'s', 'e'"):
        read_table(path, sequence_column="seq")
    with pytest.raises(ValueError, match="position -1"):
        read_table(path, sequence_column=-1)
    with pytest.raises(FileNotFoundError, match=r"absent.tsv: no such file"):
        read_table(tmp_path / "absent.tsv")
    broken = write(tmp_path / "x.tsv.gz", gzip.compress(b"AC\t1\n" * 1000)[:-12])
    with pytest.raises(ValueError, match=r"x.tsv.gz: cannot be read"):
        read_table(broken)


def test_columns_that_are_the_same_or_ambiguous(tmp_path):
    path = write(tmp_path / "x.tsv", "s\te\te\nAC\t1\t2\n")
    with pytest.raises(ValueError, match=r"x.tsv:1: expected two columns, got 1 .* the same"):
        read_table(path, sequence_column=1, expression_column=1)
    with pytest.raises(ValueError, match=r"x.tsv:1: expected one column named 'e'.*got 2; give"):
        read_table(path, sequence_column="s", expression_column="e")
    assert rows(read_table(path, sequence_column="s", expression_column=2)) == (["AC"], [2.0])


@pytest.mark.parametrize("line", [0, 1, 2])
def test_lines_of_any_length(tmp_path, line):
    lines = ["ACGT\t1"] * 3
    lines[line] = "ACG" * 1_000_000 + "\t1"
    table = read_table(write(tmp_path / "x.tsv", "\n".join(lines)))
    assert len(table) == 3
    assert len(table.sequence[line].as_py()) == 3_000_000


def test_gzip_under_another_name(tmp_path):
    path = write(tmp_path / "x.tsv", gzip.compress(b"AC\t1\n"))
    assert rows(read_table(path)) == (["AC"], [1.0])


def test_measured_promoters():
    table = read_table(shared_data("gpra_example") / "train.tsv.gz")
    assert len(table) == 8982
    assert table.sequence[1].as_py().startswith("TGCATTTTTTTCACATCCTGTTTTAGCGTTTG")
    assert table.expression[1] == np.float32(11.5825502055168)
