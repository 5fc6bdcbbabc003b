"""From reads of two bins to a model, as a user would run the commands."""

from __future__ import annotations

import itertools
import logging
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.prepare.packages import load_package

RUNNER = CliRunner()
EXTRA = "pip install 'cisreg[prepare]'"


@pytest.fixture(autouse=True)
def log_as_before():
    """Restores the log settings, which commands change for the whole test process."""
    logger = logging.getLogger("cisreg")
    before = logger.level, logger.handlers
    yield
    logger.setLevel(before[0])
    logger.handlers = before[1]


def run(status, *arguments):
    result = RUNNER.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result


def fail(*arguments):
    return " ".join(run(1, *arguments).output.split())


@pytest.fixture
def bins(tmp_path):
    """Twelve sequences; those that begin with AC are mostly in bin 1; one sequencing error."""
    sequences = ["".join(each) + "GATTACA" for each in itertools.product("AT", "CGT", "AG")]
    paths = tmp_path / "bin0.txt", tmp_path / "bin1.txt"
    for path, often in zip(paths, ("T", "A"), strict=True):
        text = "".join(f"{each}\n" * (3 if each[0] == often else 1) for each in sequences)
        path.write_text(text + "AAAGATTACA\n")
    (tmp_path / "map.txt").write_text("AAAGATTACA\tACAGATTACA\n")
    return paths


def test_from_reads_to_a_model(bins, tmp_path):
    counts, roots, table = (tmp_path / name for name in ("counts.tsv.gz", "roots.tsv", "train.tsv"))
    said = run(0, "prepare", "collapse", *bins, "--output", counts).stdout
    assert "50 reads of 13 different sequences" in said
    translate = ("prepare", "translate", "--counts", counts, tmp_path / "map.txt")
    assert (
        "1 of 13 sequences translated; 12 written" in run(0, *translate, "--output", roots).stdout
    )
    assert roots.read_text().splitlines()[:2] == [
        *("sequence\tbin0\tbin1\ttotal", "ACAGATTACA\t2\t4\t6")
    ]
    options = ("--bin-values=-1,1", "--cells", "250,250", "--minimum-reads", 4)
    said = run(0, "prepare", "expression", roots, *options, "--output", table).stdout
    assert "12 sequences written" in said
    assert table.read_text().splitlines()[:2] == [
        *("sequence\texpression\treads", f"ACAGATTACA\t{(4 - 2) / 6!r}\t6")
    ]
    train = ("train", table, "--motifs", "demo", "--recipe", "quick", "--epochs", 1)
    run(0, *train, "--output", tmp_path / "model")
    assert (tmp_path / "model" / "model.json").exists()


def pipe(text, *arguments):
    """Runs the command in a separate process with real standard streams."""
    command = [sys.executable, "-c", "from cisreg.cli import main; main()", "prepare", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True)


def test_standard_streams(bins, tmp_path):
    done = pipe("ac\nGG\nAC\n", "collapse", "-", "--output", "-")
    assert done.stdout == "AC\t2\nGG\t1\n"
    assert done.stderr == "3 reads of 2 different sequences written to standard output\n"
    dictionary = str(tmp_path / "map.txt")
    done = pipe("TT\nAAAGATTACA\n", "translate", "-", dictionary, "--output", "-")
    assert done.stdout == "TT\nACAGATTACA\n"
    options = ("--standard-deviation", "--pseudocount", "1,0", "--minimum-reads", "2")
    done = pipe("A\t0\t1\nC\t1\t2\n", "expression", "-", "--output", "-", *options)
    assert done.stdout == "sequence\texpression\treads\tstandard_deviation\nC\t0.5\t3\t0.5\n"
    assert "1 sequences written to standard output; 1 with fewer than 2 reads" in done.stderr


def test_expression_joins_upper_and_lower_case_unless_told(tmp_path):
    table, output = tmp_path / "table", tmp_path / "out"
    table.write_text("sequence\tb1\tb2\nACGT\t1\t0\nacgt\t0\t9\n")
    arguments = ("prepare", "expression", table, "--output", output)
    assert "1 sequences written" in run(0, *arguments).stdout
    assert "2 sequences written" in run(0, *arguments, "--keep-case", "--overwrite").stdout


def test_options_of_collapse(tmp_path):
    reads, output = tmp_path / "reads", tmp_path / "out"
    reads.write_text("ac\nAC\nA-C\n")
    arguments = ("prepare", "collapse", reads, "--output", output)
    assert f"{reads}:3: expected a sequence of nucleotide" in fail(*arguments)
    run(0, *arguments, "--drop-foreign", "--keep-case", "--names", "first", "--threads", 1)
    assert output.read_text() == "sequence\tfirst\ttotal\nAC\t1\t1\nac\t1\t1\n"
    assert "memory: expected a size" in fail(*arguments, "--overwrite", "--memory", "1MB")
    missing = ("--overwrite", "--temporary-folder", tmp_path / "no")
    assert "temporary folder: expected an existing folder" in fail(*arguments, *missing)
    assert output.read_text().startswith("sequence")


@pytest.mark.parametrize("command", ["collapse", "translate", "expression"])
def test_outputs_are_not_overwritten_unasked(bins, tmp_path, command):
    (tmp_path / "counts").write_text("AC\t1\t2\n")
    inputs = {
        "collapse": bins,
        "translate": (bins[0], tmp_path / "map.txt"),
        "expression": [tmp_path / "counts"],
    }
    output = tmp_path / "out"
    output.write_text("mine")
    arguments = ("prepare", command, *inputs[command], "--output", output)
    assert f"{output}: expected a new file" in fail(*arguments)
    assert output.read_text() == "mine"
    run(0, *arguments, "--overwrite")
    assert output.read_text() != "mine"


def test_numbers_that_are_none(tmp_path):
    for option in ("--bin-values", "--cells", "--pseudocount"):
        arguments = ("prepare", "expression", tmp_path / "table", "--output", tmp_path / "out")
        message = fail(*arguments, f"{option}=1,two")
        assert f"{option}: expected numbers separated by commas, got '1,two'" in message


def test_missing_packages_are_named_with_what_installs_them(bins, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert EXTRA in fail("prepare", "collapse", *bins, "--output", tmp_path / "out")
    with pytest.raises(ImportError, match="duckdb"):
        load_package("duckdb")


@pytest.mark.parametrize("command", ["collapse", "translate", "expression"])
def test_help_ends_in_an_example(command):
    output = run(0, "prepare", command, "--help").stdout
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    assert lines[-1].startswith(f"Example: cisreg prepare {command}")
