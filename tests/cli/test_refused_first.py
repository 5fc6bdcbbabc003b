"""What options ask for is checked before data are read: here the data are no data at all."""

from __future__ import annotations

import shlex

import numpy as np
import pytest
from held_folder import held
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.model import init_parameters
from cisreg.motifs import demo_motifs
from cisreg.spec import ModelSpec
from cisreg.storage import save_model
from cisreg.trained_model import Model

TRAIN = "{table} --motifs demo --recipe quick --output {new}"
# The command, and a part of the message; {table} cannot be read.
REFUSED = {
    "train --concentrations": (f"train {TRAIN} --concentrations {{missing}}", "missing.tsv"),
    "train --likelihood": (f"train {TRAIN} --likelihood {{missing}}", "missing.tsv"),
    "train --initial-activity": (f"train {TRAIN} --initial-activity high", "--initial-activity"),
    "train --pair": (f"train {TRAIN} --pair Nobody:Reb1", "--pair: expected two names"),
    "train --differ": (f"train {TRAIN} --outputs a --outputs b --differ mood", "--differ"),
    "train --start": (f"train {TRAIN} --start {{missing}}", "missing.tsv"),
    "ensemble train --likelihood": (
        f"ensemble train {TRAIN} --likelihood {{missing}}",
        "missing.tsv",
    ),
    "evaluate --truth": ("evaluate {model} {table} --truth {missing}", "missing.tsv"),
    "evaluate --model-output": ("evaluate {model} {table} --model-output x", "output: expected"),
    "evaluate --plot": ("evaluate {model} {table} --plot {new}.xyz", ".xyz"),
    "predict --output": ("predict {model} {table} --output {new}.xyz", ".xyz"),
    "report --model-output": ("report {several} --data {table} --output {new}.html", "one output"),
    "report --model-output of another name": (
        "report {several} --data {table} --output {new}.html --model-output x",
        "expected the name of an output ('a', 'b')",
    ),
    "report OTHER": (
        "report {model} {several} --data {table} --output {new}.html",
        "one output",
    ),
    "report --certainty": (
        "report {model} --data {table} --output {new}.html --certainty {other}",
        "intervals: expected a table",
    ),
    "explain dose --factor": ("explain dose {model} {table} --factor Nobody", "Nobody"),
    "explain factors --factor": ("explain factors {model} {table} --factor Nobody", "Nobody"),
    "explain factors --times": ("explain factors {model} {table} --times 1", "times: expected"),
    "explain cooperativity --factor": (
        "explain cooperativity {model} {table} --factor Nobody --factor Reb1",
        "Nobody",
    ),
    "explain cooperativity --recipe": (
        "explain cooperativity {model} {table} --held-out {table} --recipe {missing}",
        "missing.tsv",
    ),
    "explain ablate --factor": ("explain ablate {model} {table} --factor Nobody", "Nobody"),
    "explain design --target": ("explain design {model} {table} --target up", "--target"),
    "explain diagnosis --database": (
        "explain diagnosis {model} {table} --database {missing}",
        "missing.tsv",
    ),
    "explain certainty --profile": (
        "explain certainty {model} {table} --profile mood",
        "parameter: expected",
    ),
    "explain certainty --factor": (
        "explain certainty {model} {table} --profile activity --factor Nobody",
        "Nobody",
    ),
    "explain certainty --values": (
        "explain certainty {model} {table} --profile bias --values 1,high",
        "--values",
    ),
    "explain certainty --level": ("explain certainty {model} {table} --level 90", "level"),
    "explain differences --reference": (
        "explain differences {several} {table} --reference x",
        "x",
    ),
    "check --motifs": ("check {table} --motifs {missing}", "missing.tsv"),
}


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Models of one and of two outputs, and tables that are none."""
    folder = tmp_path_factory.mktemp("refused")
    motifs = demo_motifs(width=30)
    for name, outputs in (("model", ()), ("several", ("a", "b"))):
        differ = ("bias",) if outputs else ()
        spec = ModelSpec(len(motifs), 30, 40, output_count=max(len(outputs), 1), differ=differ)
        start = init_parameters(spec, motifs.log_kd, np.zeros(len(motifs), np.float32), seed=0)
        save_model(folder / name, Model(spec, dict(start), motifs.names, output_names=outputs))
    (folder / "table.tsv").write_bytes(b"\xd0\xcf\x11\xe0 no table\n")
    (folder / "other.tsv").write_text("one\tother\n1\t2\n")
    names = {"new": "new", "missing": "missing.tsv", "model": "model", "several": "several"}
    names |= {"table": "table.tsv", "other": "other.tsv"}
    return {name: shlex.quote(str(folder / each)) for name, each in names.items()}


def refused(line, paths):
    result = CliRunner().invoke(app, shlex.split(line.format(**paths)))
    assert result.exit_code in (1, 2), result.output
    return " ".join(result.output.split())


@pytest.mark.parametrize("case", REFUSED)
def test_an_option_is_refused_before_data_are_read(case, paths):
    line, expected = REFUSED[case]
    said = refused(line, paths).replace(" ", "")
    assert expected.replace(" ", "") in said
    assert "table.tsv:" not in said


@pytest.mark.parametrize(
    "line",
    [
        "export {model} --output {folder}/export",
        "prepare cluster {table} --output {folder}/c.tsv --map {folder}/map.tsv",
        "scan {table} --motifs demo --output {folder}/hits.bed",
    ],
)
def test_files_that_belong_together_do_not_enter_a_folder_in_training(
    line, paths, tmp_path, monkeypatch
):
    monkeypatch.setattr("cisreg.locks.time.monotonic", iter(range(0, 1000, 3)).__next__)
    with held(tmp_path):
        said = refused(line, {**paths, "folder": shlex.quote(str(tmp_path))})
    assert "expected a folder that no other process writes to" in said
    assert not [*tmp_path.iterdir()]
