"""The option --motifs: files of other programs, wide motifs, the JASPAR database."""

from __future__ import annotations

import logging

import pyarrow.csv
import pytest
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.motifs import MotifDetails
from cisreg.storage import load_model

RUNNER = CliRunner()
MEME = """\
MEME version 4

MOTIF MA0271.1 ARG80
letter-probability matrix: alength= 4 w= 2 nsites= 100 E= 0
 0.02  0.98  0.00  0.00
 0.98  0.00  0.02  0.00
"""


@pytest.fixture
def simulate(tmp_path):
    def run(motifs, *options):
        size = ("--train", "60", "--test", "6", "--length", "40")
        arguments = ("simulate", "--motifs", motifs, *size, "--output", tmp_path / "data", *options)
        return RUNNER.invoke(app, [str(argument) for argument in arguments])

    return run


def names_of(folder):
    options = pyarrow.csv.ParseOptions(delimiter="\t")
    return pyarrow.csv.read_csv(folder / "factors.tsv", parse_options=options)["motif"].to_pylist()


def test_a_file_of_meme_and_the_model_that_is_trained(tmp_path, simulate):
    path = tmp_path / "motifs.meme"
    path.write_text(MEME)
    result = simulate(path)
    assert result.exit_code == 0, result.output
    assert "1 motif of MEME: probabilities; log Kd is ln(background / p)" in result.output
    assert names_of(tmp_path / "data") == ["ARG80"]
    arguments = ["train", tmp_path / "data" / "train.tsv.gz", "--motifs", path]
    arguments += ["--recipe", "quick", "--epochs", "1", "--output", tmp_path / "model"]
    result = RUNNER.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    model = load_model(tmp_path / "model")
    assert model.motif_names == ("ARG80",)
    uniform = (0.25,) * 4
    read = MotifDetails("MA0271.1", source=f"{path}:3", site_count=100, background=uniform)
    assert model.initial_motifs.details[0].to_dict() == read.to_dict() | {"convention": "natural"}
    # The numbers were trained, so that they are no longer those of the file.
    trained = {"accession": "MA0271.1", "background": uniform, "convention": "natural"}
    assert model.motifs.details[0].to_dict() == trained


def test_wide_motifs_are_said_to_be_cut(tmp_path, simulate):
    path = tmp_path / "wide.pfm"
    path.write_text(
        "".join(
            f"{base} {' '.join('7112'[i:] + '7112'[:i])} 1\n" * 1 for i, base in enumerate("ACGT")
        ).replace(" 1\n", " 1" * 30 + "\n")
    )
    result = simulate(path)
    assert result.exit_code == 0
    assert "wider than 30 columns and were trimmed (a width of 34 keeps them whole): wide" in (
        " ".join(result.output.split())
    )
    whole = simulate(path, "--motif-width", "34", "--overwrite")
    assert whole.exit_code == 0 and "trimmed" not in whole.output


def test_the_jaspar_database(tmp_path, simulate):
    pytest.importorskip("pyjaspar")
    result = simulate("jaspar:2024:MA0271.1")
    assert result.exit_code == 0, result.output
    assert "jaspar:2024:MA0271.1: 1 motif of JASPAR 2024" in result.output
    assert names_of(tmp_path / "data") == ["ARG80"]
    refused = simulate("jaspar:2024:fish", "--overwrite")
    assert refused.exit_code != 0 and "give a group (cnidaria, " in refused.output
    missing = simulate("fish.meme", "--overwrite")
    assert missing.exit_code != 0
    assert "--motifs: expected a file, a folder, jaspar:... or demo" in missing.output


@pytest.fixture(autouse=True)
def handlers_as_before():
    logger = logging.getLogger("cisreg")
    handlers, level = logger.handlers, logger.level
    yield
    logger.handlers, logger.level = handlers, level
