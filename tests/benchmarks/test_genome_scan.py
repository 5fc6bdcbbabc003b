"""The benchmark of scanning genomes: its sequences, its motifs, its files, and a small run."""

from __future__ import annotations

import importlib.util
import itertools
import json

import numpy as np
import pytest
from benchmark_runs import run_benchmark, run_successfully

from benchmarks.operation.genome_scan import Finished, check_hits, total
from benchmarks.shared import jaspar
from benchmarks.shared.genomes import HUMAN, KINDS, UNKNOWN, Genome, human_like
from benchmarks.shared.scan_problem import MadeSource, ScanProblem
from benchmarks.shared.sequence_files import FORMS, write_sequence
from cisreg.genome import open_genome
from cisreg.motifs import information_content


@pytest.mark.parametrize("kind", KINDS)
def test_bases_do_not_depend_on_the_stretch_that_is_asked_for(kind):
    genome = Genome(kind, {"chr1": 3_000_000, "chr2": 500})
    whole = genome.codes("chr1", 0, 3_000_000)
    assert whole.shape == (3_000_000,)
    for start, end in [(0, 1), (1_048_575, 1_048_577), (999, 2_500_000), (7, 7)]:
        np.testing.assert_array_equal(genome.codes("chr1", start, end), whole[start:end])
    assert not np.array_equal(genome.codes("chr2", 5, 400), whole[5:400])
    with pytest.raises(ValueError, match="500 bases"):
        genome.codes("chr2", 0, 501)


def test_a_made_genome_is_like_the_human_one():
    assert human_like("random", 10**10).chromosomes == HUMAN
    genome = human_like("random", 3_000_000)
    assert list(genome.chromosomes) == list(HUMAN)
    assert abs(genome.base_count - 3_000_000) <= len(HUMAN)
    codes = genome.codes("chr1", 0, genome.chromosomes["chr1"])
    assert (codes[0], codes[-1], codes[len(codes) // 2]) == (UNKNOWN,) * 3
    assert 0.01 < (codes == UNKNOWN).mean() < 0.1
    shares = np.bincount(codes[codes != UNKNOWN], minlength=4) / (codes != UNKNOWN).sum()
    np.testing.assert_allclose(shares, [0.295, 0.205, 0.205, 0.295], atol=0.01)


def test_repeats_are_repeats():
    letters = {}
    for kind in KINDS:
        codes = Genome(kind, {"chr1": 500_000}, gaps=False).codes("chr1", 0, 500_000)
        assert codes.max() < UNKNOWN
        windows = np.lib.stride_tricks.sliding_window_view(codes, 16).astype(np.int64)
        letters[kind] = len(np.unique(windows @ (4 ** np.arange(16))))
    assert letters["random"] > 0.999 * 499_985
    assert letters["repeats"] < 0.99 * letters["random"]


def test_portions_have_every_window_once():
    genome = Genome("repeats", {"chr1": 1000, "chr2": 7, "chr3": 130})
    source = MadeSource(genome)
    for own, overlap in [(100, 9), (1000, 30), (999, 1), (10_000, 0)]:
        windows = {name: [] for name in source.names}
        for portion in source.portions(overlap=overlap, own=own):
            codes = genome.codes(portion.sequence, portion.start, portion.end)
            np.testing.assert_array_equal(portion.codes, codes)
            windows[portion.sequence] += range(portion.start, portion.start + portion.own)
        assert windows == {name: list(range(length)) for name, length in genome.chromosomes.items()}


@pytest.mark.parametrize("form", FORMS)
def test_files_hold_the_genome(tmp_path, form):
    genome = Genome("repeats", {"chr1": 70_001, "chr2": 60, "chr3": 7})
    path = tmp_path / f"genome{form}"
    write_sequence(path, genome)
    found = {name: [] for name in genome.chromosomes}
    with open_genome(path) as source:
        for portion in source.portions(overlap=9, own=5000):
            found[portion.sequence].append(portion.codes[: portion.own])
    for name, length in genome.chromosomes.items():
        np.testing.assert_array_equal(np.concatenate(found[name]), genome.codes(name, 0, length))


def test_random_profiles_are_like_those_of_jaspar(monkeypatch):
    pytest.importorskip("pyjaspar")
    real = jaspar.jaspar_profiles(1404)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    made = jaspar.jaspar_profiles(1404)
    assert len(made.names) == len(real.names) == 1404
    assert "random" in made.source and "random" not in real.source
    widths = [np.quantile(list(map(len, each.probabilities)), [0, 0.5, 1]) for each in (real, made)]
    np.testing.assert_allclose(*widths, atol=1)
    bits = [
        np.mean([information_content(matrix).mean() for matrix in each.probabilities])
        for each in (real, made)
    ]
    np.testing.assert_allclose(*bits, rtol=0.1)


def test_more_motifs_than_jaspar_has():
    pytest.importorskip("pyjaspar")
    with pytest.raises(ValueError, match="at most 1404 motifs"):
        jaspar.jaspar_profiles(1405)


def test_a_problem_comes_back_from_its_file(tmp_path):
    problem = ScanProblem.make(jaspar._random_profiles(20), 1e-3)
    problem.save(tmp_path / "problem.npz")
    loaded = ScanProblem.load(tmp_path / "problem.npz")
    assert loaded.motifs.names == problem.motifs.names
    assert loaded.p_value == 1e-3
    np.testing.assert_array_equal(loaded.motifs.log_kd, problem.motifs.log_kd)
    np.testing.assert_array_equal(loaded.motifs.widths, problem.motifs.widths)
    np.testing.assert_array_equal(loaded.threshold, problem.threshold)
    for one, other in zip(loaded.probabilities, problem.probabilities, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_rival_with_other_hits_is_an_error():
    check_hits("lightmotif", 10_001, 10_000)
    check_hits("memelite", 1, 10_000)
    with pytest.raises(RuntimeError, match="hits of MOODS: expected 10000"):
        check_hits("MOODS", 10_002, 10_000)


def test_results_of_other_settings_or_cut_lines_are_not_taken_over(tmp_path):
    path = tmp_path / "finished.jsonl"
    Finished(path, {"bases": 5}).add("random", {"chromosome": "chr1"})
    Finished(path, {"bases": 6}).add("random", {"chromosome": "chr2"})
    with path.open("a") as file:
        file.write('{"settings": {"bases": 5, "kind": "random"}, "result": {"chromo')
    assert Finished(path, {"bases": 5}).rows("random") == [{"chromosome": "chr1"}]
    assert Finished(path, {"bases": 5}).rows("repeats") == []
    assert Finished(None, {}).rows("random") == []


def test_memory_of_a_whole_is_the_highest_of_its_parts():
    part = {"bases": 1, "hits": 2, "seconds": 3, "cpu_seconds": 3, "making_seconds": 1}
    parts = [{**part, "peak_mebibytes": memory} for memory in (5, 9, 7)]
    assert total(parts) == {key: 3 * value for key, value in part.items()} | {"peak_mebibytes": 9}


def test_a_small_run(tmp_path):
    files = tmp_path / "rows.json", tmp_path / "plot.png", tmp_path / "finished.jsonl"
    words = ["--quick", "--threads", "1", "--kinds", "repeats", "--rivals", "lightmotif"]
    words += ["--json", files[0], "--plot", files[1], "--resume", files[2]]
    printed = run_successfully("operation.genome_scan", *map(str, words))
    assert files[1].read_bytes().startswith(b"\x89PNG")
    rows = json.loads(files[0].read_text())["rows"]
    by_task = {
        task: list(each) for task, each in itertools.groupby(sorted(rows, key=_task), key=_task)
    }
    assert set(by_task) == {"genome", "output", "read", "rivals"}
    assert all(task in printed for task in by_task)
    (whole,) = by_task["genome"]
    assert len(whole["chromosomes"]) == len(HUMAN)
    assert whole["hits"] == sum(part["hits"] for part in whole["chromosomes"]) > 0
    assert {row["output"] for row in by_task["output"]} == {"counted", "Parquet", "BED"}
    # The same bases, whatever becomes of the hits.
    assert {row["hits"] for row in by_task["output"]} == {whole["hits"]}
    assert {row["form"] for row in by_task["read"]} == {".fa", ".fa.gz", ".2bit"}
    for row in rows:
        if "missing" in row:
            assert importlib.util.find_spec(row["library"]) is None
            continue
        assert row["seconds"] > 0
        assert 20 < row["peak_mebibytes"] < 2000
    # Finished chromosomes are not scanned again.
    only = ["--output-bases", "0", "--rival-bases", "0", "--read-bases", "0"]
    run_successfully("operation.genome_scan", *map(str, words), *only)
    (again,) = json.loads(files[0].read_text())["rows"]
    assert again == whole


def _task(row):
    return row["task"]


def test_unknown_rivals_are_an_error():
    done = run_benchmark("operation.genome_scan", "--rivals", "grep")
    assert done.returncode == 2
    assert "--rivals" in done.stderr
