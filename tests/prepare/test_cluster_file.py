"""The input and output tables of clustering, and its command."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.prepare import ranked_table, reading
from cisreg.prepare.cluster import ClusterSummary, cluster_file

RUNNER = CliRunner()
TABLE = "ACGTACGTAC\t9\t1\nTTTTGGGGCC\t5\t0\nACGTACGTAG\t1\t2\nTTTTGGGGC\t3\t20\n"


@pytest.fixture
def table(tmp_path):
    (tmp_path / "counts.txt").write_text(TABLE)
    return tmp_path / "counts.txt"


def cluster(path, **options):
    output, mapping = path.with_name("merged.txt"), path.with_name("map.txt.gz")
    summary = cluster_file(path, output, mapping, overwrite=True, **options)
    return summary, output.read_text(), gzip.decompress(mapping.read_bytes()).decode()


def test_the_total_ranks_and_columns_are_summed(table):
    summary, merged, mapping = cluster(table)
    assert merged == "TTTTGGGGC\t8\t20\nACGTACGTAC\t10\t3\n"
    assert mapping == (
        "ACGTACGTAC\tACGTACGTAC\nTTTTGGGGCC\tTTTTGGGGC\n"
        "ACGTACGTAG\tACGTACGTAC\nTTTTGGGGC\tTTTTGGGGC\n"
    )
    assert summary == ClusterSummary(sequences=4, clusters=2, merged_reads=8, reads=41)


def test_blocks_and_chunks_make_no_difference(table, monkeypatch):
    expected = cluster(table)
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 20)
    monkeypatch.setattr(ranked_table, "_ROWS_AT_ONCE", 1)
    assert cluster(table) == expected


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_names_of_columns_are_kept(table, end):
    table.write_text("sequence\tlow\thigh\n" + TABLE[:-1] + end, newline="")
    merged = cluster(table)[1]
    assert merged == "sequence\tlow\thigh\nTTTTGGGGC\t8\t20\nACGTACGTAC\t10\t3\n"


def test_options_reach_the_search(table):
    assert len(cluster(table, minimum_ratio=4)[1].splitlines()) == 3
    table.write_text("ACGTACGTAC\t9\nACGTACGGGG\t5\n")
    assert len(cluster(table, differences=3)[1].splitlines()) == 1
    assert len(cluster(table, differences=2)[1].splitlines()) == 2


@pytest.mark.parametrize("text", ["", "sequence\tcount\n"])
def test_no_rows(table, text):
    table.write_text(text)
    with pytest.raises(ValueError, match=r"expected (lines with a sequence|rows after the names)"):
        cluster(table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ACGT\n", r":1: expected a sequence and one count or more.*got 'ACGT'"),
        ("ACGT\t1\nACGA\n", ":2: expected 2 columns as in line 1, got 1"),
        ("ACGT\t1\n\nACGA\t1\n", ":2: expected 2 columns as in line 1, got 1"),
        ("ACGT\t1\nACGA\t1\nACGG\t1\t2\n", ":3: expected 2 columns as in line 1, got 3"),
        ("ACGT\t1\n\t1\n", ":2: expected a sequence, got an empty field"),
        ("ACGT\t1\nACxA\t1\n", r":2: expected a sequence of the letters.*got 'x' at base 3"),
        (
            "name\tcount\nACGT\t1\nacgt\t1\n",
            r":3: expected a sequence of the letters.*'a' at base 1",
        ),
        ("ACGT\tx\n", ":1: expected a count.*column 2, got 'x'"),
        ("ACGT\t1\t1\nACGA\t1\t1.5\n", ":2: expected a count.*column 3, got '1.5'"),
        ("ACGT\t1\nACGA\t-1\n", ":2: expected a count.*got '-1'"),
        ("ACGT\t1\nACGA\t\n", ":2: expected a count.*got ''"),
        ("ACGT\t1\nACGA\t9223372036854775808\n", ":2: expected a count"),
        ("name\tcount\nACGT\t1\nACGA\t1\nACGT\t9\n", ":4: expected each .* once, got .*line 2"),
    ],
)
@pytest.mark.parametrize("block", [1 << 24, 8])
def test_wrong_lines_are_named(table, monkeypatch, text, message, block):
    monkeypatch.setattr(reading, "_BLOCK_BYTES", block)
    table.write_text(text)
    with pytest.raises(ValueError, match=r"counts\.txt" + message):
        cluster(table)
    assert [path.name for path in table.parent.iterdir()] == ["counts.txt"]


def run(*arguments, status=0):
    result = RUNNER.invoke(app, ["prepare", "cluster", *map(str, arguments)])
    assert result.exit_code == status, result.output
    return result


def test_command(table, tmp_path):
    files = "--output", tmp_path / "out.txt.gz", "--map", tmp_path / "map.txt"
    result = run(table, *files, "--differences", 1, "--threads", 2)
    assert "2 of 4 sequences remain; 8 of 41 reads were merged into them" in result.stdout
    written = gzip.decompress((tmp_path / "out.txt.gz").read_bytes())
    assert written == b"TTTTGGGGC\t8\t20\nACGTACGTAC\t10\t3\n"
    assert len((tmp_path / "map.txt").read_text().splitlines()) == 4


def test_command_reads_and_writes_standard_streams():
    command = "from cisreg.cli import main; main()", "prepare", "cluster", "-", "--output", "-"
    done = subprocess.run(
        [sys.executable, "-c", *command],
        input=gzip.compress(TABLE.encode()),
        capture_output=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout == b"TTTTGGGGC\t8\t20\nACGTACGTAC\t10\t3\n"
    assert b"2 of 4 sequences remain" in done.stderr


@pytest.mark.parametrize("there", ["out", "map"])
def test_command_keeps_what_is_there(table, tmp_path, there):
    (tmp_path / there).write_text("before")
    files = "--output", tmp_path / "out", "--map", tmp_path / "map"
    assert "give --overwrite" in " ".join(run(table, *files, status=1).output.split())
    assert (tmp_path / there).read_text() == "before"
    run(table, *files, "--overwrite")
    assert (tmp_path / there).read_text() != "before"


def test_command_wants_two_files(table, tmp_path):
    files = "--output", tmp_path / "out", "--map", tmp_path / "out"
    said = " ".join(run(table, *files, status=1).output.split())
    assert "expected outputs that are different files" in said


def test_sums_are_exact(table):
    big = 2**53
    table.write_text(f"ACGTACGTAC\t{big}\nACGTACGTAG\t1\n")
    assert cluster(table)[1] == f"ACGTACGTAC\t{big + 1}\n"
    assert np.float64(big + 1) == big


def test_a_column_of_totals_is_no_bin(tmp_path):
    (tmp_path / "counts").write_text(
        "sequence\ta\tb\ttotal\nACGTACGT\t5\t2\t7\nACGTACGA\t0\t1\t1\n"
    )
    summary = cluster_file(tmp_path / "counts", tmp_path / "merged")
    assert (tmp_path / "merged").read_text() == "sequence\ta\tb\ttotal\nACGTACGT\t5\t3\t8\n"
    assert (summary.reads, summary.merged_reads) == (8, 1)
