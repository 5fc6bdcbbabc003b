"""Text tables in many dialects, in which every row must be valid, and the error messages."""

from __future__ import annotations

import bz2
import gzip
import re

import numpy as np
import pytest
from shared_data import shared_data

from cisreg.data import Columns, open_dataset, read_dataset


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows(path, **options):
    """Texts and numbers of every row."""
    found = list(open_dataset(path, strict=True, **options).blocks())
    return (
        [text for part in found for text in part.sequence.to_pylist()],
        [number for part in found for number in part.expression[:, 0].tolist()],
    )


@pytest.mark.parametrize(
    "text",
    [
        "ACGT\t1.5\nnnn\t-2\n",
        "ACGT,1.5\nnnn,-2\n",
        "ACGT;1.5\nnnn;-2\n",
        "ACGT\t1.5\nnnn\t-2",
        "ACGT\t1.5\r\nnnn\t-2\r\n\r\n\n",
        "\ufeffACGT\t1.5\nnnn\t-2\n",
        " ACGT \t 1.5\nnnn\t-2e0\n",
        '"ACGT"\t"1.5"\n"nnn"\t"-2"\n',
        "dna\tlevel\nACGT\t1.5\nnnn\t-2\n",
        "sequence\texpression\nACGT\t1.5\nnnn\t-2\n",
        "sequence;expression\nACGT;1.5\nnnn;-2\n",
        "level\tdna\n1.5\tACGT\n-2\tnnn\n",
        "1.5\tACGT\n-2\tnnn\n",
        "0,1\nACGT,1.5\nnnn,-2\n",
        "# made by hand\nsequence\texpression\nACGT\t1.5\n# and on\nnnn\t-2\n",
        "# one\n\n# two\nACGT\t1.5\nnnn\t-2\n#",
    ],
)
def test_the_same_rows_in_many_dialects(tmp_path, text):
    path = write(tmp_path / "x.txt", text)
    assert rows(path) == (["ACGT", "nnn"], [1.5, -2.0])
    data = read_dataset(path)
    assert data.expression.dtype == np.float32
    assert data.sequence.tolist() == [[0, 1, 2, 3], [4, 4, 4, 4]]


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress], ids=["gz", "bz2"])
def test_compressed_files(tmp_path, compress):
    # Two streams in one file, as parallel compressors write them.
    path = write(tmp_path / "x.tsv", compress(b"AC\t1\n") + compress(b"GT\t2\n"))
    assert rows(path) == (["AC", "GT"], [1.0, 2.0])


def test_a_file_of_one_line_without_line_end(tmp_path):
    assert rows(write(tmp_path / "x.tsv", "ACG\t3")) == (["ACG"], [3.0])


def test_columns_by_name_and_by_position(tmp_path):
    text = "id,level,promoter,other\nAC,1,GG,3\nCA,2,TT,4\n"
    path = write(tmp_path / "x.csv", text)
    assert rows(path, columns=Columns("promoter", "level")) == (["GG", "TT"], [1.0, 2.0])
    assert rows(path, columns=Columns(2, 3)) == (["GG", "TT"], [3.0, 4.0])
    without = open_dataset(path, columns=Columns(0, ()))
    assert [part.sequence.to_pylist() for part in without.blocks()] == [["AC", "CA"]]
    assert without.load().expression.shape == (2, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("AC\t1\nGT\t2\t3\n", "x.tsv:2: expected 2 columns as in line 1, got 3"),
        ("s\te\nAC\t1\nGT\n", "x.tsv:3: expected 2 columns as in line 1, got 1"),
        ("AC\t1\nGT\tabc\n", "x.tsv:2: expected a finite number as expression, got 'abc'"),
        ("AC\tabc\nGT\t1\n", "x.tsv:1: expected a finite number as expression, got 'abc'"),
        ("s\te\nAC\t1\nGT\t\n", "x.tsv:3: expected a finite number as expression, got ''"),
        ("AC\t1\nGT\tnan\nA\tx\n", "x.tsv:2: expected a finite number as expression, got 'nan'"),
        ("AC\t1\nGT\t-inf\n", "x.tsv:2: expected a finite number as expression, got '-inf'"),
        ("AC\t1\nGT\t1e39\n", "x.tsv:2: expected a finite number as expression, got '1e39'"),
        ("AC\t1\n\t2\n", "x.tsv:2: expected a sequence, got none"),
        ("AC\t1\nGT\t2\nAC1T\t2\n", r"x.tsv:3: expected a sequence of .*'1' at base 3"),
        ("AC\nGT\n", r"x.tsv: expected a column of numbers as the expression, got column 1 \(AC\)"),
        ("s\te\n", "x.tsv:1: expected one column named sequence"),
        ("sequence\texpression\n", "x.tsv: expected rows that can be used, got none; there are no"),
        ("\n\n", "x.tsv: expected lines .* got an empty file"),
        ("# only\n", "x.tsv: expected lines .* got an empty file"),
        ("", "x.tsv: expected lines .* got an empty file"),
        (b"AC\xff\t1\nAC\t2\n", "x.tsv:1: expected a sequence of nucleotide letters"),
        (b"AC\t1\nA\xffC\t2\n", "x.tsv:2: expected a sequence of nucleotide letters"),
        ("AC\t1\rGT\t2\r", "x.tsv:1: expected lines that end in LF or CR LF, got a CR alone"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, text, message):
    with pytest.raises(ValueError, match=re.escape(str(tmp_path)) + "/" + message):
        read_dataset(write(tmp_path / "x.tsv", text))


def test_line_numbers_hold_beyond_the_first_block_of_the_reader(tmp_path):
    lines = [f"{'ACGT' * 25}\t1"] * 60_000
    lines[25] = "# not counted as a row"
    lines[55_000] += "\t2"
    with pytest.raises(ValueError, match=r"x.tsv:55001: expected 2 columns"):
        read_dataset(write(tmp_path / "x.tsv", "\n".join(lines)))


def test_unknown_columns_missing_files_and_broken_compression(tmp_path):
    path = write(tmp_path / "x.tsv", "s\te\nAC\t1\n")
    with pytest.raises(ValueError, match=r"x.tsv:1: expected one column named 'seq', got 's', 'e'"):
        read_dataset(path, columns=Columns("seq"))
    with pytest.raises(ValueError, match="position -1"):
        read_dataset(path, columns=Columns(-1))
    with pytest.raises(FileNotFoundError, match=r"absent.tsv: no such file"):
        read_dataset(tmp_path / "absent.tsv")
    broken = write(tmp_path / "x.tsv.gz", gzip.compress(b"AC\t1\n" * 1000)[:-12])
    with pytest.raises(ValueError, match=r"x.tsv.gz: cannot be decompressed"):
        read_dataset(broken)


def test_columns_that_are_the_same_or_there_twice(tmp_path):
    path = write(tmp_path / "x.tsv", "s\te\te\nAC\t1\t2\n")
    with pytest.raises(ValueError, match="columns: expected another column for each role"):
        read_dataset(path, columns=Columns(1, 1))
    with pytest.raises(ValueError, match=r"x.tsv:1: expected one column named 'e'.*give its pos"):
        read_dataset(path, columns=Columns("s", "e"))
    data = open_dataset(path, columns=Columns("s", 2))
    assert data.load().expression.tolist() == [2.0]
    # Saved as a position, since two columns have the same name.
    assert data.columns_used["expression"] == [2]


def test_gzip_under_another_name(tmp_path):
    path = write(tmp_path / "x.tsv", gzip.compress(b"AC\t1\n"))
    assert rows(path) == (["AC"], [1.0])


def test_measured_promoters():
    path = shared_data("gpra_example") / "train.tsv.gz"
    data = read_dataset(path)
    texts, _ = rows(path)
    assert len(data) == len(texts) == 8982
    assert texts[1].startswith("TGCATTTTTTTCACATCCTGTTTTAGCGTTTG")
    assert data.expression[1] == np.float32(11.5825502055168)
