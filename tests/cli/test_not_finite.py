"""Numbers that are not finite end a command with a sentence, and leave no output."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_model import LENGTH, SPEC, make_dataset, start_parameters
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.legacy.checkpoint import write_checkpoint
from cisreg.motifs import MotifSet, write_motifs
from cisreg.sequences import decode
from cisreg.storage import save_model
from cisreg.trained_model import Model

NAMES = ("Abf1", "Rap1", "Reb1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Motifs, a table, a checkpoint of CisRegModels with a NaN, and a model whose output overflows.

    The model is sound, but predicts more than float32 holds.
    """
    folder = tmp_path_factory.mktemp("numbers")
    parameters = start_parameters()
    motifs = MotifSet(NAMES, parameters["log_kd"], np.zeros(3, int), np.full(3, 4))
    write_motifs(folder / "motifs", motifs)
    data = make_dataset(20)
    rows = zip(decode(data.sequence), data.expression, strict=True)
    table = "".join(f"{sequence}\t{number}\n" for sequence, number in rows)
    (folder / "table.tsv").write_text(f"sequence\texpression\n{table}")
    spoiled = dict(parameters)
    spoiled["activity"] = np.float32([1, np.nan, np.inf])
    write_checkpoint(folder / "nan.ckpt", spoiled)
    parameters["activity"] = np.full(3, 3e38, np.float32)
    save_model(folder / "overflow", Model(SPEC, parameters, NAMES))
    (folder / "concentrations.tsv").write_text("Abf1\t-4\nRap1\tinf\nReb1\t-4\n")
    return folder


TRAIN = ("train", "table.tsv", "--motifs", "motifs", "--motif-width", "4", "--recipe", "quick")
NAN = "parameters: expected finite numbers in activity, got nan at [1] (2 of 3 numbers are not"
OVERFLOW = "expression: expected finite numbers, got inf for sequence 0"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("import", "nan.ckpt", "--binding", "expected", "--length", LENGTH), f"nan.ckpt: {NAN}"),
        ((*TRAIN, "--start", "nan.ckpt"), f"nan.ckpt: {NAN}"),
        ((*TRAIN, "--concentrations", "concentrations.tsv"), "tsv:2: expected a finite number in"),
        (
            (*TRAIN, "--initial-activity", "nan"),
            "--initial-activity: expected a finite number or a file, got nan",
        ),
        ((*TRAIN, "--initial-activity", "1e39"), "--initial-activity: expected a finite number"),
        (("predict", "overflow", "table.tsv"), OVERFLOW),
        (("evaluate", "overflow", "table.tsv", "--json"), OVERFLOW),
    ],
)
def test_it_is_said_and_nothing_is_written(folder, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    output = tmp_path / "output.tsv"
    asked = () if words[0] == "evaluate" else ("--output", output)
    result = CliRunner().invoke(app, [*map(str, words), *map(str, asked)])
    assert result.exit_code == 1
    assert message in result.output.replace("\n", "")
    assert "Traceback" not in result.output
    assert sorted(folder.iterdir()) == before
    assert not output.is_file()
    assert not (output / "model.json").exists()
