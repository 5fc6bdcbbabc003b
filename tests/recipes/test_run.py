"""Runs by a recipe: what is refused, and what the model keeps."""

from __future__ import annotations

import numpy as np
import pytest

from cisreg.data import Dataset
from cisreg.motifs import demo_motifs
from cisreg.recipes import read_recipe, train
from cisreg.storage import load_model


def test_parameters_are_checked_before_an_earlier_run_is_deleted(tmp_path):
    earlier = [tmp_path / name for name in ("model.json", "recipe.toml", "checkpoint/x")]
    (tmp_path / "checkpoint").mkdir()
    for path in earlier:
        path.write_text("earlier")
    motifs = demo_motifs(width=30)
    dataset = Dataset(np.eye(10, 40, dtype=np.uint8), np.ones(10, np.float32))
    wrong = np.full(len(motifs), np.nan, np.float32)
    with pytest.raises(ValueError, match="log_concentration"):
        train(*(dataset, motifs, "quick"), output=tmp_path, overwrite=True, log_concentration=wrong)
    assert [path.read_text() for path in earlier] == ["earlier"] * len(earlier)


def test_the_model_keeps_its_motifs_as_they_started_and_as_they_are(tmp_path):
    random = np.random.default_rng(0)
    motifs = demo_motifs(width=30)
    dataset = Dataset(
        random.integers(0, 4, (60, 40), dtype=np.uint8), random.normal(size=60).astype(np.float32)
    )
    recipe = read_recipe("default").override(epochs=3)
    trained = train(dataset, motifs, recipe, output=tmp_path / "first").model
    loaded = load_model(tmp_path / "first")
    for model in (trained, loaded):
        np.testing.assert_array_equal(model.initial_motifs.log_kd, motifs.log_kd)
        np.testing.assert_array_equal(model.initial_motifs.widths, motifs.widths)
        np.testing.assert_array_equal(model.column_range, motifs.column_range(recipe.motif_flank))
        assert model.motifs.names == motifs.names
        assert (model.motifs.log_kd != motifs.log_kd).any()
    start = {"log_kd": trained.parameters["log_kd"]}
    second = train(dataset, motifs, recipe, output=tmp_path / "second", start=start).model
    np.testing.assert_array_equal(second.initial_motifs.log_kd, trained.parameters["log_kd"])
