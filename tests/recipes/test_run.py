"""Runs by a recipe that are refused."""

from __future__ import annotations

import numpy as np
import pytest

from cisreg.data import Dataset
from cisreg.motifs import demo_motifs
from cisreg.recipes import read_recipe, run_recipe


def test_parameters_are_checked_before_an_earlier_run_is_deleted(tmp_path):
    earlier = [tmp_path / name for name in ("model.json", "recipe.toml", "checkpoint/x")]
    (tmp_path / "checkpoint").mkdir()
    for path in earlier:
        path.write_text("earlier")
    motifs = demo_motifs(width=30)
    dataset = Dataset(np.zeros((10, 40), np.uint8), np.ones(10, np.float32))
    wrong = np.full(len(motifs), np.nan, np.float32)
    with pytest.raises(ValueError, match="log_concentration"):
        run_recipe(read_recipe("quick"), motifs, dataset, tmp_path, log_concentration=wrong)
    assert [path.read_text() for path in earlier] == ["earlier"] * len(earlier)
