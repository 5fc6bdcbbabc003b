"""What comes with the package: simulated promoters, and a model that was trained on them."""

from __future__ import annotations

import gzip
import logging
import os
import shutil

import numpy as np
import pytest
from store_demo_model import train
from typer.testing import CliRunner

import cisreg
from cisreg.cli import app
from cisreg.datasets import cache_folder, describe, fetch, load
from cisreg.datasets.simulated import DEMO_MODEL_FOLDER, simulation
from cisreg.motifs import demo_motifs


def test_the_simulated_data_are_made_once_and_say_what_they_are(cache, caplog):
    caplog.set_level(logging.INFO)
    test = load("yeast_gpra_demo", "test")
    assert "yeast_gpra_demo: Simulated, not measured" in caplog.text
    paths = fetch("yeast_gpra_demo")
    assert [path.name for path in paths] == ["simulated_train.tsv.gz", "simulated_test.tsv.gz"]
    made = [(path.stat().st_ino, path.stat().st_mtime_ns) for path in paths]
    data = load("yeast_gpra_demo")
    assert [(path.stat().st_ino, path.stat().st_mtime_ns) for path in paths] == made
    assert (len(data), len(test)) == (10_000, 2_000)
    simulated = simulation()
    assert (data.sequence == simulated.sequence[:10_000]).all()
    np.testing.assert_allclose(test.expression, simulated.expression[10_000:], rtol=1e-6)
    assert describe("yeast_gpra_demo").description.startswith("Simulated, not measured")


def test_the_model_predicts_what_it_was_not_trained_on():
    model = cisreg.load_model("demo")
    test = load("yeast_gpra_demo", "test")
    r = np.corrcoef(model.predict(test.sequence).expression, test.expression)[0, 1]
    # Noise is a tenth of the variance: no model reaches more than the root of 0.9.
    assert 0.94 < r < 0.9**0.5
    assert "simulated" in model.metadata["description"]
    assert sum(path.stat().st_size for path in DEMO_MODEL_FOLDER.iterdir()) < 300_000


@pytest.mark.slow
def test_the_model_is_what_training_gives():
    """Up to rounding, which differs between processors."""
    stored, anew = cisreg.load_model("demo"), train()
    assert stored.spec == anew.spec
    sequence = load("yeast_gpra_demo", "test").sequence
    predicted = [model.predict(sequence).expression for model in (stored, anew)]
    assert np.corrcoef(*predicted)[0, 1] > 0.999
    assert np.abs(predicted[0] - predicted[1]).mean() < 0.05 * predicted[0].std()


def test_a_folder_with_a_model_comes_before_a_name(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="nor is it the name of a model"):
        cisreg.load_model("no_such_model")
    (tmp_path / "demo" / "data").mkdir(parents=True)  # as `make demo` makes it
    model = cisreg.load_model("demo")
    assert "the folder demo" not in caplog.text
    model.parameters["bias"][...] = 7
    cisreg.save_model("demo", model)
    assert cisreg.load_model("demo").parameters["bias"] == 7
    assert "the folder demo is read, not the model of that name" in caplog.text


def test_the_cache_is_where_the_system_wants_it(tmp_path, monkeypatch):
    monkeypatch.delenv("CISREG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "cisreg"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "cisreg"


def run(*arguments, status=0):
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == status, result.output
    return result.output


def test_the_commands(cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "yeast_gpra_demo\tdataset" in run("datasets", "list")
    assert "Simulated, not measured" in run("datasets", "describe", "yeast_gpra_demo")
    said = run("datasets", "fetch", "yeast_gpra_demo", "--part", "test").splitlines()[-1]
    assert said == str(cache / "datasets" / "yeast_gpra_demo-1" / "simulated_test.tsv.gz")
    assert "expected one of yeast_gpra_demo: train, test, got 'x'" in " ".join(
        run("datasets", "fetch", "yeast_gpra_demo", "--part", "x", status=1).split()
    )
    table = run("evaluate", "demo", "yeast_gpra_demo:test")
    assert "measured\t0.94" in table
    assert "# 2,000 rows: 0 errors" in run("check", "yeast_gpra_demo:test", "--no-families")
    # A file comes before a name.
    os.link(said, "yeast_gpra_demo")
    assert "the file yeast_gpra_demo is read" in run("evaluate", "demo", "yeast_gpra_demo")


def test_training_takes_a_name(cache):
    recipe = cisreg.read_recipe("quick").override(epochs=1)
    trained = cisreg.train("yeast_gpra_demo", demo_motifs(), recipe, progress=False)
    assert len(trained.training) + len(trained.validation) == 10_000


def test_what_was_simulated_is_compared_with_the_simulation(cache, monkeypatch, tmp_path):
    path = fetch("yeast_gpra_demo", "test", check=True)[0]
    text = gzip.decompress(path.read_bytes())
    for changed in (text.replace(b"A", b"C", 1), text[: text.index(b"\n", 500)], b"damaged"):
        path.write_bytes(gzip.compress(changed))
        assert fetch("yeast_gpra_demo", "test") == (path,)
        with pytest.raises(ValueError, match=r"simulated_test.tsv.gz: expected the 2,000 rows"):
            fetch("yeast_gpra_demo", "test", check=True)
    assert "delete it" in run("datasets", "fetch", "yeast_gpra_demo", "--check", status=1)
    path.unlink()
    run("datasets", "fetch", "yeast_gpra_demo", "--check")
    fetch("demo", check=True)
    shutil.copytree(DEMO_MODEL_FOLDER, tmp_path / "demo")
    next((tmp_path / "demo").glob("*.npz")).write_bytes(b"damaged")
    monkeypatch.setattr("cisreg.datasets.simulated.DEMO_MODEL_FOLDER", tmp_path / "demo")
    with pytest.raises(ValueError, match=r"npz: expected the sha256 d6f3c24.*install cisreg again"):
        fetch("demo", check=True)
