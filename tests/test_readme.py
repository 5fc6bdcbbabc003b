"""The README's Python and that of its page run unchanged, and train like the default recipe."""

from __future__ import annotations

import gzip
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from shared_data import shared_data

from cisreg.recipes import read_recipe
from cisreg.storage import load_model

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "howto" / "python.md").read_text(encoding="utf-8")


def blocks_of(page):
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def test_the_readme_shows_the_first_example_of_the_page():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert blocks_of(readme) == blocks_of(PAGE)[:1]


def test_python_examples(tmp_path, monkeypatch):
    folder = shared_data("gpra_example")
    shutil.copytree(folder / "motifs", tmp_path / "motifs")
    shutil.copy(folder / "motif_list.txt", tmp_path)
    with gzip.open(folder / "train.tsv.gz", "rt") as table:
        lines = [next(table) for _ in range(200)]
    with gzip.open(tmp_path / "train.tsv.gz", "wt") as table:
        table.writelines(lines)
    monkeypatch.chdir(tmp_path)
    training, by_hand, operation, sites, asking = blocks_of(PAGE)
    names: dict[str, object] = {}
    exec(training, names)
    assert len(names["predicted"]) == 1
    assert names["factors"]["motif"].tolist() == list(names["motifs"].names)
    assert load_model("model").spec == names["model"].spec
    exec(by_hand.replace("epochs=8", "epochs=1").replace("epochs=25", "epochs=1"), names)
    check_like_the_default_recipe(names, by_hand)
    names |= {"sequence": names["data"].sequence, "log_kd": names["motifs"].log_kd}
    names["log_concentration"] = names["motifs"].lowest_log_kd()
    exec(operation, names)
    assert names["bound"].shape == (200, 2, 245)
    assert np.isfinite(names["bound"]).all()
    np.testing.assert_array_equal(names["sums"].bound, names["bound"])
    assert names["layer"](names["sequence"]).shape == names["bound"].shape
    exec(sites, names)
    assert names["hits"].num_rows > 200
    exec(asking, names)
    assert sorted(names["effects"]["factor"]) == sorted(names["motifs"].names)
    np.testing.assert_allclose(
        names["parts"].expression, names["model"].predict(names["data"]).expression, rtol=1e-4
    )
    assert all(each.state == "warning" for each in names["warnings"])


def check_like_the_default_recipe(names, text):
    """The example without a recipe trains all layers that it declares, like the default recipe."""
    recipe, spec = read_recipe("default"), names["spec"]
    assert {name for stage in names["stages"] for name in stage.trainable} == set(
        spec.parameter_shapes
    )
    # What the recipe has for layers that the example does not name, it leaves out.
    of_pairs = {"pair_l1": 0.0, "pair_smoothness": 0.0}
    assert names["penalty"] == replace(recipe.penalty, **of_pairs)
    for number, stage in enumerate(recipe.stages_for(spec)):
        shown = names["stages"][number]
        assert set(shown.trainable) == set(stage.trainable)
        for option in ("learning_rate", "batch_size", "schedule"):
            assert getattr(shown, option) == getattr(stage, option), option
        assert f"epochs={stage.epochs}," in text
    options = {name: getattr(spec, name) for name in recipe.model}
    assert options == dict(recipe.model)
    columns = names["motifs"].column_range(recipe.motif_flank)
    np.testing.assert_array_equal(names["columns"], columns)
