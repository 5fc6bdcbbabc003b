"""The scripts that compare recipes run on a few promoters and motifs, and their rows make sense."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from benchmark_runs import benchmark_rows
from shared_data import shared_data

MOTIFS = 12
ROWS = {"train.tsv.gz": 300, "test.tsv.gz": 60, "few_mutations.tsv.gz": 61}


@pytest.fixture
def folder(tmp_path):
    """A folder of the promoters with the first rows of each table, and some motifs."""
    data, small = shared_data("gpra_example"), tmp_path / "small"
    small.mkdir()
    (small / "motifs").symlink_to((data / "motifs").resolve())
    for name, count in ROWS.items():
        with gzip.open(data / name, "rt") as lines, gzip.open(small / name, "wt") as some:
            some.writelines(line for line, _ in zip(lines, range(count), strict=False))
    for name in ("motif_list.txt", "log_concentration.tsv"):
        lines = (data / name).read_text().splitlines(keepends=True)
        (small / name).write_text("".join(lines[:MOTIFS]))
    return small


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("folds", [0, 2])
def test_best_recipe(folder, tmp_path, folds):
    words = ("--seeds", "1", "--members", "3", "--epochs", "1", "--folds", str(folds))
    rows = benchmark_rows("training.best_recipe", tmp_path, "--data", str(folder), *words)
    names = [row["model"] for row in rows]
    assert len(set(names)) == 7 and len(names) == 7 * max(folds, 1)
    assert {row["split"] for row in rows} == ({"fold 0", "fold 1"} if folds else {"test"})
    assert all(-1 < row["r"] < 1 for row in rows)
    assert all(("r_differences" in row) == (not folds) for row in rows)
    # The mean of three members took the seconds of three trainings.
    seconds = {row["model"]: row["seconds"] for row in rows}
    assert seconds["best, mean of 3 members"] > seconds["best, mean of 2 members"]


@pytest.mark.slow
@pytest.mark.thorough
def test_small_sets(folder, tmp_path):
    words = ("--sizes", "100", "200", "--seeds", "1", "--members", "2", "--recipe", "quick")
    rows = benchmark_rows("training.small_sets", tmp_path, "--data", str(folder), *words)
    assert [row["promoters"] for row in rows] == [100] * 3 + [200] * 3
    assert len({row["model"] for row in rows}) == 3
    assert all(np.isfinite(row["test_r"]) and row["seconds"] > 0 for row in rows)


@pytest.mark.slow
@pytest.mark.thorough
def test_large_sets(folder, tmp_path):
    words = ("--sizes", "200", "400", "--epochs", "2")
    rows = benchmark_rows("training.large_sets", tmp_path, "--data", str(folder), *words)
    assert [row["promoters"] for row in rows] == [200] * 3 + [400] * 3
    models = [row for row in rows if "motif_error" in row]
    assert len(models) == 4 and all(0 < row["motif_error"] < 2 for row in models)
    assert all(-1 < row["r"] < 1 and row["seconds"] > 0 for row in rows)


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("part", ["recovery", "classes", "none"])
def test_pairs(tmp_path, part):
    words = ("--part", part, "--seeds", "1", "--sequences", "300", "--epochs", "1")
    (row,) = benchmark_rows("training.pairs", tmp_path, *words)
    if part == "recovery":
        assert len(row["curves"]) == len(row["effects"]) == 3
        assert row["proposed"] <= 3 and row["accepted"] <= row["proposed"]
    elif part == "classes":
        assert row["none_error"] > 0 and row["wrong_error"] > 0
    else:
        assert row["tried"] == 5 and row["accepted"] <= 5


@pytest.mark.slow
@pytest.mark.thorough
def test_pairs_of_measured_promoters(folder, tmp_path):
    words = ("--part", "promoters", "--data", str(folder), "--seeds", "1", "--epochs", "1")
    (row,) = benchmark_rows("training.pairs", tmp_path, *words)
    assert row["tested"] == MOTIFS * (MOTIFS + 1) // 2 and row["spread"] >= 1
