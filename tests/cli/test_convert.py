"""cisreg convert: its options, its messages, and the files that it leaves."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from conversion_case import contents, rows_of
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.data.formats.manifest import read_manifest

TABLE = "id\tdna\tlow\thigh\tcells\n" + "".join(
    f"{row}\tACGT\t{row}\t{row + 100}\t0.5\n" for row in range(10)
)


def convert(status, *words):
    result = CliRunner().invoke(app, ["convert", *map(str, words)])
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "plain.tsv"
    path.write_text("".join(f"ACGT\t{row}\n" for row in range(20)) + "AC!T\t1\nACGT\thigh\n")
    return path


def column(folder, name):
    return rows_of(folder)[0][name].to_pylist()


def test_a_table_becomes_a_dataset_that_can_be_checked(tmp_path, plain):
    folder = tmp_path / "out"
    said = convert(0, plain, "--output", folder, "--rows-per-file", 8, "--rows-per-group", 4)
    size = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    assert f"20 rows in 3 file(s), {size:,} bytes, written to {folder}" in said
    assert "left out: 1 with letters that are no nucleotide codes, 1 with no finite" in said
    assert pq.read_metadata(folder / "part-00000.parquet").num_row_groups == 2
    assert sorted(column(folder, "expression")) == list(range(20))
    assert f"20 rows in 3 file(s), {size:,} bytes, in {folder}" in convert(0, "--check", folder)
    path = folder / "part-00001.parquet"
    content = bytearray(path.read_bytes())
    content[10] ^= 1
    path.write_bytes(content)
    assert "part-00001.parquet: expected the checksum" in convert(1, "--check", folder)


def test_orders_and_seeds(tmp_path, plain):
    numbers = {}
    for name, words in {
        "kept": ["--order", "kept"],
        "sorted": ["--order", "sorted"],
        "0": [],
        "1": ["--seed", "1"],
    }.items():
        convert(0, plain, "--output", tmp_path / name, "--threads", "1", *words)
        numbers[name] = column(tmp_path / name, "expression")
        assert read_manifest(tmp_path / name).order == (name if len(name) > 1 else "shuffled")
    assert numbers["kept"] == numbers["sorted"] == list(range(20))
    assert numbers["0"] != numbers["1"] != numbers["kept"] != numbers["0"]


def test_columns_by_name_and_number(tmp_path):
    (tmp_path / "a.tsv").write_text(TABLE)
    words = ["--sequence-column", "dna", "--expression-column", "low", "--expression-column", "4"]
    folder = tmp_path / "out"
    order = ["--order", "kept"]
    convert(0, tmp_path / "a.tsv", "--output", folder, *words, "--weight-column", "cells", *order)
    assert column(folder, "low") == list(range(10))
    assert column(folder, "high") == list(range(100, 110))
    assert column(folder, "weight") == [0.5] * 10


def test_rows_that_lack_some_outputs_are_kept(tmp_path):
    (tmp_path / "a.tsv").write_text("seq\tlow\thigh\nACGT\t1\tNA\nAC\t\t2\nA\t3\t4\nC\tNA\t\n")
    order = ("--order", "kept")
    both = ("--outputs", "low", "--outputs", 3)
    said = convert(0, tmp_path / "a.tsv", "--output", tmp_path / "out", *both, *order)
    assert "3 rows in 1 file(s)" in said
    assert "left out: 1 with no finite number as expression" in said
    assert column(tmp_path / "out", "low") == [1, None, 3]
    assert column(tmp_path / "out", "high") == [None, 2, 4]
    replicates = ("--expression-column", "low", "--expression-column", "high")
    said = convert(0, tmp_path / "a.tsv", "--output", tmp_path / "two", *replicates, *order)
    assert "3 rows in 1 file(s)" in said
    assert column(tmp_path / "two", "high") == [None, 2, 4]


def test_columns_that_are_not_given_are_the_usual_ones(tmp_path):
    (tmp_path / "a.tsv").write_text("expression\tcells\tsequence\n1\t2\tACGT\n")
    words = ("--weight-column", "cells")
    convert(0, tmp_path / "a.tsv", "--output", tmp_path / "out", *words)
    assert rows_of(tmp_path / "out")[0].to_pydict() == {
        "sequence": ["ACGT"],
        "expression": [1.0],
        "weight": [2.0],
    }


def test_several_sources(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.tsv").write_text(f"ACGT\t{ord(name)}\n")
    words = ("--output", tmp_path / "out", "--order", "kept")
    convert(0, tmp_path / "b.tsv", tmp_path / "a.tsv", *words)
    assert column(tmp_path / "out", "expression") == [97, 98]
    convert(0, f"{tmp_path}/?.tsv", "--output", tmp_path / "glob", "--order", "kept")
    assert contents(tmp_path / "glob") == contents(tmp_path / "out")


def test_fasta_with_measurements(tmp_path):
    (tmp_path / "a.fasta").write_text(">one\nACGT\n>two\nTT\n")
    (tmp_path / "m.tsv").write_text("level\tprobe\n1\tone\n2\ttwo\n")
    words = ("--output", tmp_path / "out", "--order", "kept")
    columns = ("--name-column", "probe", "--expression-column", "level")
    convert(0, tmp_path / "a.fasta", *words, "--measurements", tmp_path / "m.tsv", *columns)
    assert column(tmp_path / "out", "expression") == [1, 2]
    refused = convert(1, tmp_path / "a.fasta", *words, "--expression-column", "level")
    assert "--measurements" in refused


def test_strict_names_the_line(tmp_path, plain):
    said = convert(1, plain, "--output", tmp_path / "out", "--strict")
    assert "plain.tsv:21: expected a sequence of nucleotide letters" in said
    assert not contents(tmp_path / "out")


def test_nothing_is_lost(tmp_path, plain):
    folder = tmp_path / "out"
    convert(0, plain, "--output", folder)
    before = contents(folder)
    assert "holds a dataset" in convert(1, plain, "--output", folder)
    assert "nothing to resume" in convert(1, plain, "--output", folder, "--resume")
    assert contents(folder) == before
    convert(0, plain, "--output", folder, "--overwrite", "--seed", "5")
    assert contents(folder) != before
    assert sorted(column(folder, "expression")) == list(range(20))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected a SOURCE and --output, or --check"),
        (["a.tsv"], "expected a SOURCE and --output, or --check"),
        (["a.tsv", "--check", "out"], "--check takes neither sources nor --output"),
        (["a.tsv", "--output", "out", "--outputs", "a"], "expected two or more columns, got a"),
        (
            ["a.tsv", "--output", "out", "--outputs", "a", "--expression-column", "b"],
            "expected --outputs, columns of several outputs, or --expression-column",
        ),
    ],
)
def test_errors_in_usage(words, message):
    assert message in convert(2, *words).replace("│ ", "").replace(" │", "")
