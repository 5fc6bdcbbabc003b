"""The Python of the how-to pages runs as it is shown, page after page where they go on."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

import cisreg
from cisreg.cli import app
from cisreg.motifs import demo_motifs, write_motifs

DOCS = Path(__file__).parents[1] / "docs"
LENGTH = 110


def run(page, names, number=0, replace=()):
    """Runs a block of a page with these names, which it may add to."""
    text = (DOCS / page).read_text(encoding="utf-8")
    block = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[number]
    for old, new in replace:
        assert old in block
        block = block.replace(old, new)
    exec(compile(block, page, "exec"), names)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of three factors, and the tables that the pages name."""
    folder = tmp_path_factory.mktemp("pages")
    motifs = demo_motifs()[["Abf1", "Rap1", "Reb1"]]
    made = cisreg.simulate(motifs, sequence_count=80, sequence_length=LENGTH, seed=3)
    model = cisreg.Model(made.spec, made.parameters, motifs.names, initial_motifs=motifs)
    cisreg.save_model(folder / "model", model)
    for name, rows in (("train", slice(0, 50)), ("test", slice(50, 80))):
        text = cisreg.decode(made.sequence[rows])
        lines = zip(text, made.expression[rows], strict=True)
        table = "".join(f"{sequence}\t{value}\n" for sequence, value in lines)
        (folder / f"{name}.tsv.gz").write_text("sequence\texpression\n" + table)
    write_motifs(folder / "motifs", motifs)
    return SimpleNamespace(path=folder, made=made, motifs=motifs)


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder.path)
    return folder


def test_a_first_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "start" / "first_model.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    cisreg (.+)$", page, re.MULTILINE)
    small = {"simulate": " --train 120 --test 40", "train": " --recipe quick --epochs 1"}
    for command in commands:
        words = shlex.split(command + small.get(command.split()[0], ""))
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, f"{command}: {result.output}"
    assert len(commands) == 6
    assert len((tmp_path / "predictions.tsv").read_text().splitlines()) == 41
    assert (tmp_path / "evaluation.png").exists() and (tmp_path / "factors.png").exists()
    names = {}
    run("start/first_model.md", names, replace=[('"default"', '"quick"')])
    assert names["trained"].model.motif_names == demo_motifs().names


def test_questions_to_a_model(here):
    names = {}
    run("howto/factors.md", names)
    assert (here.path / "factors.png").exists() and (here.path / "Reb1.png").exists()
    run("howto/contributions.md", names)
    parts = names["found"].activity.sum(axis=(1, 2)) + names["found"].baseline
    expression = names["model"].predict(names["data"]).expression
    np.testing.assert_allclose(parts, expression, rtol=1e-4, atol=1e-4)
    run("howto/mutations.md", names)
    assert names["found"].effect.shape == (2, LENGTH, 4)
    run("howto/variants.md", names)
    expected = np.subtract(
        *(names["model"].predict(names[each]).expression for each in ("after", "before"))
    )
    np.testing.assert_allclose(names["found"].effect, expected, rtol=1e-3, atol=1e-4)


def test_design(here):
    pytest.importorskip("Bio", reason="knows the enzymes of the page")
    names = {"model": cisreg.load_model("model"), "cisreg": cisreg}
    run("howto/design.md", names, replace=[("design(model, 20,", "design(model, 3,")])
    frame = names["found"].to_frame()
    assert len(frame) == 3
    assert not frame["sequence"].str.contains("GAATTC|GGTCTC").any()


def test_certainty(here):
    text = (DOCS / "howto" / "certainty.md").read_text(encoding="utf-8")
    ensemble = re.search(r"^motifs = .*?(?=^```)", text, re.MULTILINE | re.DOTALL)[0]
    names = {}
    run("howto/certainty.md", names, replace=[(ensemble, "")])
    assert len(names["certainty"].predict(names["sequences"], 0.9).to_frame()) == 3


def test_datasets(here):
    names = {"cisreg": cisreg, "sequences": ["ACGT"] * 8, "measured": np.arange(8.0)}
    pandas = pytest.importorskip("pandas", reason="makes the frame of the page")
    names["frame"] = pandas.DataFrame({"insert": ["ACGT", "GGCC"], "log2_ratio": [1.0, 2.0]})
    run("howto/convert.md", names, number=1)
    assert len(names["data"]) == 8


def test_keras(here):
    cisreg.data.convert(cisreg.open_dataset("train.tsv.gz"), "library")
    names = {"cisreg": cisreg, "data": cisreg.open_dataset("library", length=LENGTH)}
    short = ("epochs=10", "epochs=1")
    run("howto/keras.md", names, replace=[short])
    assert names["model"].get_layer("motif_occupancy").to_motif_set().names == here.motifs.names
    run("howto/keras.md", names, number=1, replace=[short])
    assert cisreg.load_model("tuned").motif_names == here.motifs.names


def test_the_arrays_of_a_model(here):
    (arrays,) = here.path.glob("model/parameters-*.npz")
    shown = re.search(r"parameters-\w+\.npz", (DOCS / "reference" / "formats.md").read_text())[0]
    names = {}
    run("reference/formats.md", names, replace=[(shown, arrays.name)])
    np.testing.assert_array_equal(names["log_kd"], here.made.parameters["log_kd"])
