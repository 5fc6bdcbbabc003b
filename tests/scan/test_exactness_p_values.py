"""P-values and their thresholds against enumeration, bounds, FIMO's algorithm and other libraries.

cisreg's definition is FIMO's, with a finer grid: every entry of a motif is rounded down to a
multiple of 1/1024 nats above the column's strongest base, and a site's p-value is the exact
probability that the sum of these integers is as low, for independent bases.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest
from p_value_truth import bounds, enumerated, of_integers

import cisreg
from benchmarks.shared.scanners import (
    LIGHTMOTIF,
    lightmotif_matrix,
    scoring_matrices,
)
from cisreg.motifs import MotifSet

UNEVEN = (0.4, 0.12, 0.18, 0.3)
UNIFORM = (0.25,) * 4
# Nats of the grid on which sites are scored, as documented, and a little more.
STEP = 1 / 1024
GRID = 1e-3
# The widest motif that is enumerated, 4^9 windows.
ENUMERATED = 9


@functools.cache
def jaspar() -> MotifSet:
    """Motifs of fungi in JASPAR 2024 CORE, and the two widest of all, 31 and 33 columns."""
    pyjaspar = pytest.importorskip("pyjaspar")
    database = pyjaspar.jaspardb(release="JASPAR2024")
    found = [
        *database.fetch_motifs(collection="CORE", tax_group=["fungi"])[::8],
        *(database.fetch_motif_by_id(each) for each in ("MA1929.2", "MA1930.2")),
    ]
    counts = [np.array([motif.counts[base] for base in "ACGT"]).T for motif in found]
    return MotifSet.from_probabilities(
        [motif.matrix_id for motif in found],
        [each / each.sum(axis=1, keepdims=True) for each in counts],
        background=UNEVEN,
        width=33,
    )


@functools.cache
def made() -> MotifSet:
    """Of 1 to 8 columns and of 34; one with two equal columns, and one that says nothing."""
    random = np.random.default_rng(4)
    matrices = [random.normal(0, 1.5, (width, 4)) for width in (1, 2, 3, 4, 5, 6, 7, 8, 34)]
    matrices += [np.tile(matrices[0], (5, 1)), np.zeros((3, 4))]
    return MotifSet.from_matrices([f"m{i}" for i in range(len(matrices))], matrices, width=34)


MOTIFS = {"JASPAR": jaspar, "made": made}


def oriented(motifs: MotifSet, background):
    """Scores and the background of their strand: that of the reverse strand is complementary."""
    for index, matrix in enumerate(scoring_matrices(motifs)):
        yield index, 0, matrix, background
        yield index, 1, matrix, background[::-1]


@pytest.mark.parametrize("background", [UNIFORM, UNEVEN], ids=["uniform", "uneven"])
@pytest.mark.parametrize("p_value", [0.02, 1e-3, 1e-4])
@pytest.mark.parametrize("source", MOTIFS)
def test_thresholds_are_the_highest_that_keep_the_p_value(source, p_value, background):
    motifs = MOTIFS[source]()
    threshold = cisreg.p_value_threshold(motifs, p_value, background=background)
    # One grid step for each column, and half a one.
    weaker = threshold + np.float32(GRID) * (motifs.widths + 1)
    above = np.zeros(len(motifs))
    for index, _, matrix, bases in oriented(motifs, background):
        scores = -np.array([threshold[index], weaker[index]])
        if not np.isfinite(threshold[index]):
            # Even the strongest site is too likely, on one of the strands.
            scores = np.repeat(matrix.max(axis=1).astype(np.float64).sum() - 1e-4, 2)
            low, high = bounds(matrix, bases, scores, GRID / 2)
            above[index] = max(above[index], high[0])
            continue
        low, high = bounds(matrix, bases, scores, GRID / 2)
        assert low[0] <= p_value
        above[index] = max(above[index], high[1])
        if len(matrix) <= ENUMERATED:
            exact = enumerated(matrix, bases, scores)
            assert exact[0] <= p_value
            assert np.all((low <= exact * (1 + 1e-9)) & (exact <= high * (1 + 1e-9)))
    assert np.all(above > p_value)


def test_the_truths_agree_with_each_other():
    random = np.random.default_rng(5)
    matrix = random.integers(-40, 30, (6, 4)).astype(np.float32)
    lowest, above = of_integers(matrix, UNEVEN)
    scores = np.arange(lowest, lowest + len(above))
    np.testing.assert_allclose(above, enumerated(matrix, UNEVEN, scores), rtol=1e-10)
    low, high = bounds(matrix, UNEVEN, scores, 1.0)
    assert np.all(low <= above) and np.all(above <= high)


def test_p_values_of_lightmotif_and_the_bounds_agree():
    """Its method "meme" is FIMO's: a thousand integer scores between lowest and highest entry."""
    pytest.importorskip(LIGHTMOTIF)
    for matrix in scoring_matrices(made())[3:9]:
        theirs = lightmotif_matrix(matrix)
        scores = np.array([0.4, 0.6, 0.8, 0.95]) * float(matrix.max(axis=1).sum())
        step = float(matrix.max() - matrix.min()) / 1000
        low, high = bounds(matrix, UNIFORM, scores, step)
        p_values = np.array([theirs.pvalue(score, method="meme") for score in scores.tolist()])
        assert np.all((low * (1 - 1e-9) <= p_values) & (p_values <= high * (1 + 1e-9)))


def test_hits_by_p_value_equal_those_of_memelite():
    """Where entries are multiples of both grids, neither rounds.

    memelite takes the entries as bits in bins of 1/8, cisreg the same as sixteenths of a nat.
    """
    memelite = pytest.importorskip("memelite")
    random = np.random.default_rng(8)
    integers = [random.integers(-16, 17, (width, 4)) for width in (5, 8, 12, 20, 34)]
    bits = 1 / 8
    log_kd = [-each / 16 for each in integers]
    motifs = MotifSet.from_matrices(list("abcde"), log_kd, width=34)
    codes = random.integers(0, 4, 50_000).astype(np.uint8)
    one_hot = (codes == np.arange(4)[:, np.newaxis]).astype(np.int8)[np.newaxis]
    # A quarter of a bin more, in one column: its comparison and its rounding are towards 0.
    scores = [each * bits for each in integers]
    for each in scores:
        each[0] += bits / 4
    named = zip(motifs.names, scores, strict=True)
    profiles = {name: 0.25 * 2.0**each.T for name, each in named}
    found = memelite.fimo(profiles, one_hot, bin_size=bits, eps=0.0, threshold=2e-3)
    hits = cisreg.scan(codes, motifs, p_value=2e-3, p_values=True)
    for index, (theirs, integer) in enumerate(zip(found, integers, strict=True)):
        assert len(theirs) > 20 and (theirs["score"] > 0).all()
        lowest, above = of_integers(integer, UNIFORM)
        score = np.floor(theirs["score"].to_numpy() / bits).astype(int)
        np.testing.assert_allclose(theirs["p-value"], above[score - lowest], rtol=1e-6)
        ours = hits.motif == index
        # Both by strand, then by position.
        order = np.lexsort([hits.position[ours], hits.strand[ours]])
        theirs = theirs.sort_values(["strand", "start"])
        np.testing.assert_array_equal(hits.position[ours][order], theirs["start"])
        np.testing.assert_array_equal(hits.strand[ours][order], theirs["strand"] == "-")
        np.testing.assert_allclose(hits.p_value[ours][order], theirs["p-value"], rtol=1e-6)


@pytest.mark.parametrize("background", [UNIFORM, UNEVEN], ids=["uniform", "uneven"])
@pytest.mark.parametrize("source", MOTIFS)
def test_p_values_of_hits_are_those_of_integer_scores(source, background):
    """The published algorithm, re-derived, to a millionth; and exact p-values are next to them."""
    motifs = MOTIFS[source]()
    codes = np.random.default_rng(9).choice(4, 4000, p=background).astype(np.uint8)
    hits = cisreg.scan(codes, motifs, p_value=0.01, p_values=True, background=background)
    assert len(hits) > 100
    for index, strand, matrix, bases in oriented(motifs, background):
        ours = (hits.motif == index) & (hits.strand == strand)
        sites = np.lib.stride_tricks.sliding_window_view(codes, len(matrix))[hits.position[ours]]
        sites = 3 - sites[:, ::-1] if strand else sites
        excess = (matrix.max(axis=1, keepdims=True) - matrix.astype(np.float64)) / STEP
        integers = -np.floor(excess)
        lowest, above = of_integers(integers, bases)
        scores = integers[np.arange(len(matrix)), sites].sum(axis=1).astype(int)
        np.testing.assert_allclose(hits.p_value[ours], above[scores - lowest], rtol=1e-6)
        assert np.all(hits.p_value[ours] <= 0.01)
        low, high = bounds(matrix, bases, -hits.log_kd[ours], STEP)
        assert np.all(
            (low <= hits.p_value[ours] * (1 + 1e-9)) & (hits.p_value[ours] <= high + 1e-15)
        )


def test_p_values_of_all_sites_of_short_motifs():
    """Over all 4^width sites, their number with a lower or equal p-value is that p-value."""
    motifs = made()
    for index in range(7):
        width = int(motifs.widths[index])
        sites = np.indices((4,) * width, np.uint8).reshape(width, -1).T
        p_values = cisreg.site_p_values(sites, motifs)[:, index]
        ranks = np.searchsorted(np.sort(p_values), p_values, side="right") / len(sites)
        np.testing.assert_allclose(p_values, ranks, rtol=1e-9)
