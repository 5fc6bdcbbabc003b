"""The GPU benchmarks: runs without a GPU, the computed limit, and the page that they write."""

from __future__ import annotations

import pytest
import tensorflow as tf
from benchmark_runs import run_benchmark

from benchmarks.gpu.limit import Size, limit_milliseconds
from benchmarks.gpu.report import (
    BACKWARD,
    DTYPES,
    FORWARD,
    FORWARD_BACKWARD,
    NO_GPU,
    draw,
    make_row,
    make_tables,
    missing_row,
    print_tables,
    write_page,
)
from benchmarks.shared.problem import Point
from benchmarks.shared.rivals_tensorflow import ON_GPU
from cisreg import _native

H100 = {
    "name": "H100",
    "compute_capability": "9.0",
    "multiprocessor_count": 132,
    "clock_ghz": 1.83,
}


@pytest.mark.parametrize("script", ["gpu.check", "gpu.launchers"])
def test_no_gpu_is_said_with_a_status_of_its_own(script, monkeypatch):
    if _native.cuda_devices() or tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU here")
    monkeypatch.delenv("CISREG_CUDA_ARCHITECTURES", raising=False)
    done = run_benchmark(script)
    assert done.returncode == NO_GPU, done.stderr
    assert done.stderr.splitlines()[-1].startswith("no GPU: ")
    assert "on this machine" in done.stderr


def test_limit_counted_by_hand():
    # In float32, a site takes two products of 2 * 4 * 30 operations. A multiprocessor does 4096
    # operations a cycle, 8192 in sparse products. That takes less time than the special functions.
    sites = 2 * 1024 * 110 * 245
    special = sites * 1.25 / 16 / (132 * 1.83e6)
    assert limit_milliseconds(H100, Size(1024), backward=False) == pytest.approx(special)
    # The backward pass takes a sparse and a dense pair of products.
    tensor = sites * 2 * 240 * (1 / 8192 + 1 / 4096) / (132 * 1.83e6)
    assert limit_milliseconds(H100, Size(1024), backward=True) == pytest.approx(tensor)
    # On a T4 both pairs are dense.
    t4 = {"compute_capability": "7.5", "multiprocessor_count": 40, "clock_ghz": 1.59}
    tensor = sites * 2 * 240 / 1024 / (40 * 1.59e6)
    assert limit_milliseconds(t4, Size(1024), backward=False) == pytest.approx(tensor)
    assert limit_milliseconds(t4, Size(1024), backward=True) == pytest.approx(2 * tensor)


def test_no_limit_for_a_gpu_unknown():
    assert limit_milliseconds(H100 | {"compute_capability": "12.0"}, Size(1), backward=True) is None


def test_a_size_is_a_point():
    assert set(Size._fields) <= set(Point._fields)


def make_rows():
    rows = []
    for task in (FORWARD, FORWARD_BACKWARD, BACKWARD):
        for dtype in DTYPES:
            for count in (128, 1024):
                size = Size(count, dtype=dtype)
                rows.append(make_row(task, "fused", size, [2.0, 1.0, 3.0], H100, 12.5))
                rows.append(make_row(task, "conv1d XLA", size, [10.0], H100))
                rows.append(missing_row(task, "conv1d eager", size, "out of <memory>"))
    return rows


def test_rows():
    row = make_rows()[0]
    assert row["median_milliseconds"] == 2.0
    limit = limit_milliseconds(H100, Size(128), backward=False)
    assert row["share_of_limit"] == pytest.approx(limit / 2.0)
    both = make_row(FORWARD_BACKWARD, "fused", Size(128), [2.0], H100)
    backward = limit_milliseconds(H100, Size(128), backward=True)
    assert both["limit_milliseconds"] == pytest.approx(limit + backward)


def test_page(tmp_path, capsys):
    rows, facts = make_rows(), {"device": "H100", "clock_ghz": 1.83}
    tables = make_tables(rows, "fused")
    assert [table.title for table in tables] == ["forward", "forward + backward", "backward"]
    assert {len(row) for table in tables for row in table.rows} == {len(tables[0].columns)}
    assert len(tables[0].columns) == 12
    no_peaks = [{**row, "peak_mebibytes": None} for row in rows]
    no_peaks = [{k: v for k, v in row.items() if v is not None} for row in no_peaks]
    assert "peak MiB" not in make_tables(no_peaks, "fused")[0].columns
    print_tables(tables)
    assert "5.00x" in capsys.readouterr().out
    path = tmp_path / "new" / "page.html"
    write_page(path, "A & B", facts, tables, draw(rows, facts))
    written = path.read_text()
    assert written.count("<table>") == 3
    assert "data:image/png;base64," in written
    assert "A &amp; B" in written
    assert "out of &lt;memory&gt;" in written
    # The page loads nothing from elsewhere.
    assert "http" not in written


def test_everyone_on_a_gpu_computes_the_same():
    """Without a GPU it runs on the CPU."""
    from benchmarks.shared.problem import make_problem

    problem = make_problem(Point("fused", 3, 20, 8, 5))
    expected = ON_GPU["fused"](problem)
    for name, factory in ON_GPU.items():
        calls = factory(problem)
        assert calls.forward().shape == (3, 2, 5), name
        error = tf.reduce_max(tf.abs(calls.forward() - expected.forward()))
        assert float(error) < 1e-4, name
        assert len(calls.forward_backward()) == 2
