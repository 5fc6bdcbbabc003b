"""The scripts for large data and for several workers run, and their output makes sense."""

from __future__ import annotations

import pytest
from benchmark_runs import benchmark_rows


@pytest.mark.slow
@pytest.mark.thorough
def test_read_sequences(tmp_path):
    rows = benchmark_rows(
        "data.read_sequences", tmp_path, "--quick", "--folder", str(tmp_path / "data")
    )
    assert [row["what"] for row in rows] == [
        *("cisreg convert", "streamed", "in memory", "tf.data, one-hot", "CisRegModels"),
        *("training", "prediction"),
    ]
    assert all(row["per_second"] > 0 for row in rows)
    assert all(row["peak_mib"] > 0 for row in rows[:5])


def test_training_from_files(tmp_path):
    (row,) = benchmark_rows("training.training_from_files", tmp_path, "--quick", "--threads", "1")
    assert 0 < row["outside_least"] <= row["outside"] <= row["outside_most"] < 1


@pytest.mark.slow
@pytest.mark.thorough
def test_workers(tmp_path):
    one, two = benchmark_rows("training.workers", tmp_path, "--quick", "--threads", "1")
    assert (one["workers"], two["workers"]) == (1, 2)
    assert one["difference"] == 0
    assert two["difference"] < 1e-5
    assert one["steps"] == two["steps"] >= 4


def test_scaling_plan(tmp_path):
    rows = benchmark_rows("training.scaling_plan", tmp_path, "--plot", str(tmp_path / "plot.png"))
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    alone = next(row for row in rows if row.get("GPUs") == 1)
    assert alone["all-reduce, µs"] == 0
    assert alone["efficiency"] == "100 % to 100 %"
