"""cisreg prepare merge-pairs, as a user would run it."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from cisreg.cli import app

RUNNER = CliRunner()
MOLECULES = ("ACGTTGCATGGACCTTAGCA", "TTGACCATGGACCATTTAGC", "GGGTTTAAACCCATTTGGCA")


@pytest.fixture(autouse=True)
def log_as_before():
    """Restores the log settings, which commands change for the whole test process."""
    logger = logging.getLogger("cisreg")
    before = logger.level, logger.handlers
    yield
    logger.setLevel(before[0])
    logger.handlers = before[1]


@pytest.fixture
def reads(tmp_path):
    """Files of two pairs that overlap by 12 of 16 bases, and of one pair without overlap."""
    complement = str.maketrans("ACGT", "TGCA")
    forward = [molecule[:16] for molecule in MOLECULES]
    reverse = [molecule.translate(complement)[::-1][:16] for molecule in MOLECULES]
    reverse[2] = "A" * 16
    paths = tmp_path / "R1.fastq", tmp_path / "R2.fastq"
    for path, bases in zip(paths, (forward, reverse), strict=True):
        path.write_text("".join(f"@r{i}\n{each}\n+\n{'I' * 16}\n" for i, each in enumerate(bases)))
    return paths


def arguments(reads, output, *others):
    words = ("prepare", "merge-pairs", *reads, "--overlap", 12, "--output", output, *others)
    return [str(word) for word in words]


def test_it_writes_sequences_and_says_what_became_of_the_pairs(reads, tmp_path):
    result = RUNNER.invoke(app, arguments(reads, tmp_path / "out.txt"))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out.txt").read_text().split() == list(MOLECULES[:2])
    lines = [line.split() for line in result.stdout.replace("│", " ").splitlines()]
    assert ["merged", "2", "66.67", "%"] in lines
    assert ["no", "overlap", "found", "1", "33.33", "%"] in lines
    assert ["all", "3", "100.00", "%"] in lines
    assert "0.00 % of the bases in overlaps differ" in result.stdout
    assert "2 sequences written to" in result.stdout


def test_every_option_reaches_the_work(reads, tmp_path):
    options = ("--slack", 1, "--minimum-overlap", 11, "--minimum-identity", 0, "--threads", 1)
    limits = ("--minimum-length", 19, "--maximum-unknown", 0, "--format", "table")
    result = RUNNER.invoke(app, arguments(reads, tmp_path / "out.txt", *options, *limits))
    assert result.exit_code == 0, result.output
    rows = [line.split("\t") for line in (tmp_path / "out.txt").read_text().splitlines()]
    assert [row[0] for row in rows] == ["r0", "r1", "r2"]
    result = RUNNER.invoke(app, arguments(reads, tmp_path / "no", "--minimum-overlap", 99))
    assert result.exit_code == 1
    assert "minimum_overlap: expected at most 17" in result.output


def test_results_go_to_standard_output_alone(reads):
    code = "from cisreg.cli import main; main()"
    command = [sys.executable, "-c", code, *arguments(reads, "-", "--format", "fasta")]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert process.stdout == f">r0\n{MOLECULES[0]}\n>r1\n{MOLECULES[1]}\n"
    assert "2 sequences written to standard output" in process.stderr


def test_a_file_is_replaced_only_when_asked(reads, tmp_path):
    output = tmp_path / "out.txt"
    output.write_text("before")
    result = RUNNER.invoke(app, arguments(reads, output))
    assert result.exit_code == 1
    assert "--overwrite" in result.output
    assert output.read_text() == "before"
    assert RUNNER.invoke(app, arguments(reads, output, "--overwrite")).exit_code == 0
    assert output.read_text().split() == list(MOLECULES[:2])


def test_damaged_files_have_status_1(reads, tmp_path):
    reads[1].write_text("".join(reads[1].read_text().splitlines(keepends=True)[:-4]))
    result = RUNNER.invoke(app, arguments(reads, tmp_path / "out.txt"))
    assert result.exit_code == 1
    assert "R2.fastq: expected as many records as in" in " ".join(result.output.split())
