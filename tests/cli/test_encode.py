"""cisreg encode: tables to one-hot text and back, files and standard streams."""

from __future__ import annotations

import csv
import gzip
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from cisreg.cli import app

TABLE = "ACGTACGT\t1.50\nacg\tx y\nNNACN\t-3\n"
LENGTH = 5
COMMAND = [sys.executable, "-c", "from cisreg.cli import main; main()", "encode"]


def one_hot(text: str, label: str) -> str:
    bits = ["1" if letter == base else "0" for base in "ACGT" for letter in text]
    return "\t".join([label, *bits]) + "\n"


LEFT = one_hot("TACGT", "1.50") + one_hot("..ACG", "x y") + one_hot("..AC.", "-3")
RIGHT = one_hot("ACGTA", "1.50") + one_hot("ACG..", "x y") + one_hot("..AC.", "-3")


def encode(*words: object):
    return CliRunner().invoke(app, ["encode", *map(str, words)])


@pytest.mark.parametrize(("side", "expected"), [("left", LEFT), ("right", RIGHT)])
def test_to_one_hot_and_back(tmp_path, side, expected):
    source, target, back = (tmp_path / name for name in ("a.tsv", "a.ohc.gz", "b.tsv"))
    source.write_text(TABLE)
    result = encode(source, "--length", LENGTH, "--side", side, "--output", target)
    assert result.exit_code == 0, result.output
    assert gzip.decompress(target.read_bytes()).decode() == expected
    assert encode(target, "--format", "table", "--side", side, "--output", back).exit_code == 0
    front = {"left": ["TACGT", "ACG", "ACN"], "right": ["ACGTA", "ACG", "NNAC"]}[side]
    labels = ["1.50", "x y", "-3"]
    rows = zip(front, labels, strict=True)
    assert back.read_text() == "".join(f"{text}\t{label}\n" for text, label in rows)


def test_labels_with_tabs_and_quotes_have_quotes_in_a_table_and_are_no_one_hot_text(tmp_path):
    source, target = tmp_path / "a.csv", tmp_path / "[red]b.tsv"
    source.write_text('sequence,label\nACGT,"a\tb"\nACGA,"""c"" d"\nACGG,"e,f"\n')
    words = (source, "--label-column", "label", "--length", 4, "--output", target)
    result = encode(*words, "--format", "table")
    assert result.exit_code == 0, result.output
    rows = list(csv.reader(target.open(newline=""), delimiter="\t"))
    assert rows == [["ACGT", "a\tb"], ["ACGA", '"c" d'], ["ACGG", "e,f"]]
    assert "ACGG\te,f\n" in target.read_text()
    # Brackets in the path are not taken for markup of the terminal.
    assert f"written to {target}" in "".join(result.output.split("\n"))
    refused = encode(*words, "--overwrite")
    assert refused.exit_code == 1
    assert "label: expected text without tabs and line ends" in refused.output


def test_one_hot_of_another_length(tmp_path):
    (tmp_path / "a.ohc").write_text(LEFT)
    result = encode(tmp_path / "a.ohc", "--length", 3, "--output", tmp_path / "b.ohc")
    assert result.exit_code == 0, result.output
    expected = one_hot("CGT", "1.50") + one_hot("ACG", "x y") + one_hot("AC.", "-3")
    assert (tmp_path / "b.ohc").read_text() == expected


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize(("text", "words"), [(TABLE, ["--length", "5"]), (LEFT, [])])
def test_standard_streams(compress, text, words):
    words = words or ["--format", "table"]
    done = subprocess.run(
        [*COMMAND, "-", *words], input=compress(text.encode()), capture_output=True
    )
    assert done.returncode == 0, done.stderr
    expected = LEFT if "--length" in words else "TACGT\t1.50\nACG\tx y\nACN\t-3\n"
    assert done.stdout.decode() == expected


def test_nothing_is_lost(tmp_path):
    (tmp_path / "a.tsv").write_text(TABLE)
    (tmp_path / "b").write_text("before")
    words = (tmp_path / "a.tsv", "--length", 5, "--output", tmp_path / "b")
    refused = encode(*words)
    assert refused.exit_code == 1
    assert "give --overwrite" in refused.output
    (tmp_path / "a.tsv").write_text(TABLE + "AC!T\t1\n")
    damaged = encode(*words, "--overwrite")
    assert damaged.exit_code == 1
    assert "a.tsv:4: expected a sequence" in " ".join(damaged.output.split())
    assert (tmp_path / "b").read_text() == "before"


def test_one_hot_wants_a_length(tmp_path):
    (tmp_path / "a.tsv").write_text(TABLE)
    result = encode(tmp_path / "a.tsv", "--output", tmp_path / "b")
    assert result.exit_code == 2
    assert "--length" in result.output


def test_lost_bases_are_said_and_text_that_is_no_dna_is_refused(tmp_path):
    (tmp_path / "a.tsv").write_text(TABLE)
    result = encode(tmp_path / "a.tsv", "--length", LENGTH, "--output", tmp_path / "a.ohc")
    assert "1 of 3 sequences are longer than 5 bases and were trimmed on the left" in result.output
    assert "1 of 3 sequences are shorter than 5 bases and were padded" in result.output
    (tmp_path / "b.tsv").write_text("ACGT\t1\nMKLV\t2\n")
    result = encode(tmp_path / "b.tsv", "--length", LENGTH, "--output", tmp_path / "b.ohc")
    assert result.exit_code == 1
    assert "b.tsv:2: " in result.output
    assert "got 'L'" in result.output
    assert not (tmp_path / "b.ohc").exists()
