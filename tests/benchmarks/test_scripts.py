"""Every script runs, says what it measured on, and writes rows that make sense."""

from __future__ import annotations

import gzip
import importlib.util
import json
import shutil

import pytest
from benchmark_runs import run_successfully

from benchmarks.operation.scaling import linear_range
from benchmarks.shared.rivals import IMPLEMENTATIONS, KERAS, installed
from cisreg import _native


def run(script, tmp_path):
    files = tmp_path / "rows.json", tmp_path / "plot.png"
    options = ("--quick", "--threads", "1", "--json", str(files[0]), "--plot", str(files[1]))
    printed = run_successfully(script, *options)
    assert files[1].read_bytes().startswith(b"\x89PNG")
    written = json.loads(files[0].read_text())
    assert {"device", "instruction_set", "clock_ghz", "tensorflow"} <= set(written["machine"])
    return written["rows"], printed


@pytest.mark.slow
@pytest.mark.thorough
def test_fused_vs_standard(tmp_path):
    rows, printed = run("operation.fused_vs_standard", tmp_path)
    assert (tmp_path / "plot_grid.png").exists()
    assert {row["task"] for row in rows} == {"forward", "forward_backward", "train_step"}
    for row in rows:
        name = row["implementation"]
        assert name in printed
        if not installed(name):
            assert row["missing"] == "not installed"
        ours = name.startswith("fused")
        if ours or (row["dtype"] == "float32" and IMPLEMENTATIONS[name].package == "tensorflow"):
            assert "missing" not in row, row
        if "missing" in row:
            continue
        low, high = row["quartiles_milliseconds"]
        assert 0 < low <= row["median_milliseconds"] <= high
        assert row["peak_mebibytes"] >= 0
        assert 0 < row["share_of_limit"] < 1
        assert row["calls"] >= 1


def test_scaling(tmp_path):
    rows, printed = run("operation.scaling", tmp_path)
    assert {row["variable"] for row in rows} == {"N", "L", "M", "W"}
    assert all(0 < row["share_of_limit"] < 1 for row in rows)
    assert "N: linear" in printed


@pytest.mark.slow
@pytest.mark.thorough
def test_train_throughput(tmp_path):
    rows, _ = run("training.train_throughput", tmp_path)
    assert {"fused", "conv2d graph", "conv1d XLA"} <= {row["implementation"] for row in rows}
    for row in rows:
        assert row["median_sequences_per_second"] > 0
        # An epoch takes longer than its steps alone.
        steps_per_second = row["median_sequences_per_second"] / row["sequence_count"]
        assert 1e3 / steps_per_second > 0.9 * row["median_step_milliseconds"]


@pytest.mark.slow
@pytest.mark.thorough
def test_keras_step(tmp_path):
    rows, printed = run("training.keras_step", tmp_path)
    assert {row["implementation"] for row in rows} == set(KERAS)
    for row in rows:
        assert "missing" not in row, row
        assert row["median_milliseconds"] > 0
        assert row["implementation"] in printed


def test_scan_vs_lightmotif(tmp_path):
    rows, _ = run("operation.scan_vs_lightmotif", tmp_path)
    agreement, *rows = rows
    assert agreement["hits"]["cisreg"] > 0
    for row in rows:
        if row["library"] == "lightmotif" and importlib.util.find_spec("lightmotif") is None:
            assert row["missing"] == "not installed"
        else:
            assert row["sites_per_second"] > 0


def test_collapse(tmp_path):
    pytest.importorskip("duckdb")
    rows, printed = run("reads.collapse", tmp_path)
    assert len({row["implementation"] for row in rows}) == 3
    for row in rows:
        assert row["implementation"] in printed
        assert 0 < row["different_sequences"] < row["reads"] == 2000
        assert row["peak_mebibytes"] > 0
        assert row["reads_per_second"] * row["median_seconds"] == pytest.approx(2000)


def test_cluster(tmp_path):
    rows, printed = run("reads.cluster", tmp_path)
    assert {row["program"] for row in rows} == {
        "cisreg",
        "vsearch",
        "bowtie2 method",
        "plain Python",
    }
    for row in rows:
        assert row["program"] in printed
        if "missing" in row:
            assert row["program"] in ("vsearch", "bowtie2 method")
            continue
        assert row["sequences_per_second"] > 0
        assert row["peak_mebibytes"] > 0
        assert 0.5 < row["share_right"] <= 1
    ours, python = (
        {key: row[key] for key in ("erroneous", "share_right", "wrong_merges")}
        for row in rows
        if row["program"] in ("cisreg", "plain Python") and row["sequences"] == 60
    )
    assert ours == python


def test_merge_pairs(tmp_path):
    rows, printed = run("reads.merge_pairs", tmp_path)
    names = {row["implementation"] for row in rows}
    assert {"cisreg", "cisreg, any overlap", "Python"} <= names
    assert {name for name in ("fastp", "vsearch") if shutil.which(name)} <= names
    by_name = {row["implementation"]: row for row in rows}
    for name, row in by_name.items():
        assert name in printed
        assert row["pairs"] == (100 if name == "Python" else 2000)
        assert row["pairs_per_second"] * row["median_seconds"] == pytest.approx(row["pairs"])
        assert 0.7 < row["exact_promoters"] <= 1 - row["wrong_promoters"]
    # Where reads run through a short insert, the overlap is far from the expected one.
    assert by_name["cisreg"]["exact_short_inserts"] == 0
    assert by_name["cisreg, any overlap"]["exact_short_inserts"] > 0.9


@pytest.mark.slow
@pytest.mark.thorough
def test_sequencing_run(tmp_path):
    sizes = ("--pairs", "3000", "--promoters", "200")
    for folder in ("first", "again"):
        run_successfully("reads.sequencing_run", str(tmp_path / folder), *sizes)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert len(files) == 3 * 18 + 1
    for name in files:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    promoters = [row.split("\t") for row in _lines(tmp_path / "first" / "promoters.tsv.gz")[1:]]
    true = [[int(count) for count in row[2:]] for row in promoters]
    whole = 0
    for index in range(18):
        reads = [_lines(tmp_path / "first" / f"bin{index:02d}_R{read}.fastq.gz") for read in (1, 2)]
        truth = [
            line.split("\t") for line in _lines(tmp_path / "first" / f"bin{index:02d}_truth.tsv.gz")
        ]
        assert len(reads[0]) == len(reads[1]) == 4 * len(truth)
        for record, (name, promoter, molecule) in enumerate(truth):
            assert reads[0][4 * record] == f"@{name} 1:N:0"
            if molecule and len(molecule) > 75:
                true[int(promoter)][index] -= 1
                whole += molecule == promoters[int(promoter)][0]
                # Six errors in the first 20 bases of a read are almost impossible.
                pairs = zip(reads[0][4 * record + 1][:20], molecule, strict=False)
                assert sum(a != b for a, b in pairs) < 6
    assert not any(any(counts) for counts in true)
    assert 0.9 < whole / 3000 < 1


def _lines(path):
    return gzip.decompress(path.read_bytes()).decode().splitlines()


@pytest.mark.parametrize("script", ["operation.fused_vs_standard", "operation.scaling"])
def test_help(script):
    assert "--quick" in run_successfully(script, "--help")


@pytest.mark.parametrize(
    ("slopes", "expected"),
    [
        ([0.1, 0.9, 1.0], (4, 64)),
        ([1.0, 0.5, 1.0], (1, 4)),
        ([0.1, 0.1, 2.0], None),
        ([1.0, 1.0, 1.0], (1, 64)),
    ],
)
def test_linear_range(slopes, expected):
    assert linear_range([1, 4, 16, 64], slopes) == expected


def test_kernels_alone():
    sizes = ("--sequences", "3", "--length", "20", "--motifs", "9", "--calls", "1")
    printed = run_successfully("operation.kernels", *sizes)
    assert all(name in printed for name in _native.instruction_sets())


def test_lengths_of_rows():
    sizes = ("--sequences", "3", "--length", "20", "--motifs", "9", "--width", "4")
    printed = run_successfully("operation.lengths", *sizes, "--rounds", "2")
    assert "every second row empty" in printed and "a batch of L / 2" in printed
