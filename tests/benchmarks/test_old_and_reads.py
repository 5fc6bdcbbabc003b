"""The scripts that run whole commands: they run, and their output makes sense."""

from __future__ import annotations

import pytest
from benchmark_runs import benchmark_rows
from shared_data import shared_data


@pytest.mark.slow
@pytest.mark.thorough
def test_one_hot_text(tmp_path):
    rows = benchmark_rows("data.one_hot_text", tmp_path, "--quick", "--threads", "1")
    assert len(rows) == 8
    assert all(row["sequences_per_second"] > 0 and row["peak_mebibytes"] > 0 for row in rows)


@pytest.mark.slow
@pytest.mark.thorough
def test_old_commands(tmp_path):
    rows = benchmark_rows(
        "training.old_commands", tmp_path, "--quick", "--data", str(shared_data("gpra_example"))
    )
    assert [row["stage"] for row in rows] == ["AP", "APCM", "APCM.pos"]
    # One epoch each; the third stage continues from the second.
    assert 0.3 < rows[0]["r"] < rows[2]["r"] < 1


@pytest.mark.slow
@pytest.mark.thorough
def test_replicates(tmp_path):
    data = str(shared_data("gpra_example"))
    small = ("--promoters", "100", "--replicates", "4", "--seeds", "1", "--recipe", "quick")
    rows = benchmark_rows("training.replicates", tmp_path, "--data", data, *small)
    random, together = (row["validation_r"] for row in rows)
    assert [row["split"] for row in rows] == ["rows at random", "equal sequences together"]
    # A replicate in the training data helps to predict the other replicates held out.
    assert random > together
    assert all(-1 < row["test_r"] < 1 for row in rows)


@pytest.mark.slow
@pytest.mark.thorough
def test_units(tmp_path):
    data = str(shared_data("gpra_example"))
    rows = benchmark_rows("training.units", tmp_path, "--data", data, "--recipe", "quick")
    r = [row["validation_r"] for row in rows]
    assert len(r) == 5
    assert max(r) - min(r) < 0.005
    assert min(r) > 0.85


def test_merge_repeats(tmp_path):
    rows = benchmark_rows("reads.merge_repeats", tmp_path, "--quick")
    assert len(rows) == 32
    assert all(sum(row["wrong_by_seed"]) == 0 for row in rows if row["library"] == "alone")
    random = [row for row in rows if row["repeat"] == "random"]
    assert all(row["kept_share"] == 1 for row in random)


@pytest.mark.slow
@pytest.mark.thorough
def test_activity(tmp_path):
    pytest.importorskip("duckdb")
    rows = benchmark_rows("reads.activity", tmp_path, "--quick")
    assert len(rows) == 20
    assert all(row["r"] > 0.8 for row in rows)


@pytest.mark.slow
@pytest.mark.thorough
def test_reads_to_model(tmp_path):
    pytest.importorskip("duckdb")
    small = ("--pairs", "20000", "--promoters", "300", "--recipe", "quick")
    *steps, truth = benchmark_rows("reads.reads_to_model", tmp_path, *small)
    assert [step["step"] for step in steps] == [
        *("merge-pairs", "collapse", "cluster", "expression", "train")
    ]
    before, after = (truth["stages"][name] for name in ("counts.tsv", "clustered.tsv"))
    assert before["reads"] == after["reads"]
    assert before["share_of_true_reads"] < 0.95 < 0.999 < after["share_of_true_reads"]
    assert truth["expression"]["r_with_truth"] > 0.98
