"""`cisreg scan`: p-values, q-values, best hits and intervals, against plain Python."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from cli.test_scan import GENOME, NAMES, fasta, naive, own_matrices, rows_of, scan

from cisreg.motifs import MotifSet, write_motifs

BACKGROUND = (0.3, 0.2, 0.1, 0.4)


@pytest.fixture(scope="module")
def motifs(tmp_path_factory):
    """Entries are multiples of 1/4: sums and the grid of p-values are exact."""
    folder = tmp_path_factory.mktemp("motifs") / "set"
    numbers = np.random.default_rng(6)
    matrices = [numbers.integers(-12, 8, (width, 4)) / np.float32(4) for width in (5, 6, 4)]
    write_motifs(folder, MotifSet.from_matrices(NAMES, matrices, width=8))
    return folder


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    path.write_text(fasta())
    return path


def scanned(genome, motifs, tmp_path, *words):
    path = tmp_path / "hits.bed"
    scan(genome, "--motifs", motifs, "--output", path, "--overwrite", *words)
    return rows_of(path.read_text())


def p_values_of(motifs):
    """By motif and strand, a function of log Kd: the share of all words that bind as strongly."""
    found = {}
    for name, matrix in own_matrices(motifs).items():
        for strand, chance in (("+", BACKGROUND), ("-", BACKGROUND[::-1])):
            words = list(itertools.product(range(4), repeat=len(matrix)))
            sums = np.array([sum(matrix[i, base] for i, base in enumerate(word)) for word in words])
            weights = np.array([np.prod([chance[base] for base in word]) for word in words])
            found[name, strand] = lambda value, sums=sums, weights=weights: weights[
                sums <= value + 1e-4
            ].sum()
    return found


def expected_rows(motifs, p_value):
    """Naive hits, each with its p-value."""
    exact = p_values_of(motifs)
    rows = [(row, exact[row[3], row[4]](row[5])) for row in naive(motifs, np.inf)]
    return [(row, p) for row, p in rows if p <= p_value]


def test_p_values_are_those_of_all_words(genome, motifs, tmp_path):
    background = ",".join(map(str, BACKGROUND))
    rows, rest = scanned(genome, motifs, tmp_path, "--p-value", 0.01, "--background", background)
    expected = expected_rows(motifs, 0.01)
    assert rows == [row for row, _ in expected] and rows
    np.testing.assert_allclose([float(p) for (p,) in rest], [p for _, p in expected], rtol=1e-6)


def test_q_values_are_those_of_benjamini_and_hochberg(genome, motifs, tmp_path):
    words = ("--p-value", 0.02, "--background", ",".join(map(str, BACKGROUND)), "--q-values")
    rows, rest = scanned(genome, motifs, tmp_path, *words)
    expected = expected_rows(motifs, 0.02)
    every = naive(motifs, np.inf)
    wanted = {}
    for name in NAMES:
        windows = sum(row[3] == name for row in every)
        own = sorted((p, i) for i, (row, p) in enumerate(expected) if row[3] == name)
        least = 1.0
        for rank in range(len(own), 0, -1):
            p, i = own[rank - 1]
            least = min(least, p * windows / rank)
            wanted[i] = least
    assert rows == [row for row, _ in expected] and rows
    found = [float(q) for _, q in rest]
    np.testing.assert_allclose(found, [wanted[i] for i in range(len(rows))], rtol=1e-6)
    most = sorted(found)[len(found) // 2]
    fewer, rest = scanned(genome, motifs, tmp_path, *words[:-1], "--max-q", most)
    kept = [row for row, q in zip(rows, found, strict=True) if q <= most * (1 + 1e-6)]
    assert fewer == kept and 0 < len(fewer) < len(rows)
    assert [each.name for each in tmp_path.iterdir()] == ["hits.bed"]


def test_without_p_values(genome, motifs, tmp_path):
    rows, rest = scanned(genome, motifs, tmp_path, "--p-value", 0.01, "--no-p-values")
    assert rows and not any(rest)


@pytest.mark.parametrize("per", ["sequence", "motif"])
def test_the_best_of_each(genome, motifs, tmp_path, per):
    rows, _ = scanned(genome, motifs, tmp_path, "--best", 3, "--per", per)
    groups = {}
    for row in naive(motifs, np.inf):
        groups.setdefault((row[3], row[0] if per == "sequence" else ""), []).append(row)
    order = {name: i for i, name in enumerate(GENOME)}
    for key, group in groups.items():
        own = [row for row in rows if (row[3], row[0] if per == "sequence" else "") == key]
        strongest = sorted(row[5] for row in group)[: len(own)]
        assert len(own) == min(3, len(group)) and sorted(row[5] for row in own) == strongest
        assert set(own) <= set(group)
    assert rows == sorted(rows, key=lambda row: (order[row[0]], row[1], row[4] == "-"))


def test_sites_lie_within_intervals(genome, motifs, tmp_path):
    bed = tmp_path / "peaks.bed"
    bed.write_text("chr2\t10\t60\tpeak 1\nchr2\t390\t480\tpeak2\nchr1\t0\t700\tlast\n")
    rows, rest = scanned(genome, motifs, tmp_path, "--log-kd", -6, "--intervals", bed)
    within = [("chr2", 10, 60), ("chr2", 390, 480), ("chr1", 0, 700)]
    assert rows == naive(motifs, -6, within=within) and rows
    names = {("chr2", True): "peak 1", ("chr2", False): "peak2"}
    expected = [names.get((row[0], row[1] < 60), "last") for row in rows]
    assert [fields[-1] for fields in rest] == expected
