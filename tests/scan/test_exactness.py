"""Hits and best sites equal those of lightmotif and MOODS, site by site.

All three add a window's entries, in different orders and precisions: cisreg in float32 from the
motif's first column to its last, lightmotif in float32 from the window's left end to its right one,
MOODS in float64. So sites within rounding of a threshold may differ. These tests add in each of the
three ways themselves, and expect of each scanner exactly the sites that its own sum gives: what
differs between the scanners is then these sites alone, and all of them.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
from scan_sums import backward_sums, forward_sums, rounding_bound
from shared_data import shared_data

import cisreg
from benchmarks.shared.genomes import Genome
from benchmarks.shared.scanners import (
    LIGHTMOTIF,
    MOODS,
    lightmotif_matrix,
    lightmotif_sites,
    moods_sites,
    reverse_complement,
    scoring_matrices,
    to_text,
)
from cisreg.motifs import MotifSet, read_motifs

UNEVEN = (0.4, 0.12, 0.18, 0.3)
BASES = 6000
# Where exact log Kd is needed: float64 sums of float32 entries, whose rounding is far below this.
FLOAT64_SLACK = 1e-11


def of_jaspar(found) -> MotifSet:
    counts = [np.array([motif.counts[base] for base in "ACGT"]).T for motif in found]
    return MotifSet.from_probabilities(
        [motif.matrix_id for motif in found],
        [each / each.sum(axis=1, keepdims=True) for each in counts],
        background=UNEVEN,
        width=33,
    )


def database():
    return pytest.importorskip("pyjaspar").jaspardb(release="JASPAR2024")


@functools.cache
def jaspar() -> MotifSet:
    """Every second motif of fungi in JASPAR 2024 CORE, and the two widest, 31 and 33 columns."""
    fungi = database().fetch_motifs(collection="CORE", tax_group=["fungi"])[::2]
    return of_jaspar([*fungi, *map(database().fetch_motif_by_id, ("MA1929.2", "MA1930.2"))])


@functools.cache
def whole_jaspar() -> MotifSet:
    """All 2,346 motifs of JASPAR 2024 CORE."""
    return of_jaspar(database().fetch_motifs(collection="CORE"))


@functools.cache
def yeast() -> MotifSet:
    """Motifs as they are trained, .pkdm files; every third."""
    folder = shared_data("gpra_example")
    return read_motifs(folder / "motif_list.txt", width=30)[::3]


@functools.cache
def wide() -> MotifSet:
    """Motifs of 34 columns, and of one."""
    random = np.random.default_rng(3)
    matrices = [random.normal(0, 1.5, (width, 4)) for width in (34, 34, 34, 1, 2)]
    return MotifSet.from_matrices(list("abcde"), matrices, width=40)


MOTIFS = {"JASPAR": jaspar, "yeast": yeast, "34 columns": wide}


def with_gaps(bases: int) -> np.ndarray:
    """N at both ends, in the middle, one by one, and all but too close for a site."""
    random = np.random.default_rng(11)
    codes = random.integers(0, 4, bases).astype(np.uint8)
    codes[:100] = codes[-100:] = codes[bases // 2 : bases // 2 + 999] = 4
    codes[random.integers(0, bases, bases // 200)] = 4
    codes[3000:3400:9] = 4
    return codes


SEQUENCES = {
    "random": lambda n: np.random.default_rng(1).integers(0, 4, n).astype(np.uint8),
    "uneven": lambda n: np.random.default_rng(2).choice(4, n, p=UNEVEN).astype(np.uint8),
    "repeats": lambda n: Genome("repeats", {"chr1": n}).codes("chr1", 0, n),
    "gaps": with_gaps,
    "poly-A": lambda n: np.where(np.arange(n) % 1000 < 990, 0, 2).astype(np.uint8),
}
EVERY = {**MOTIFS, "all of JASPAR": whole_jaspar}
# The whole database takes half a minute.
POINTS = [
    *itertools.product(MOTIFS, SEQUENCES),
    pytest.param("all of JASPAR", "repeats", marks=pytest.mark.slow),
]


def thresholds(motifs: MotifSet, codes: np.ndarray) -> dict[str, np.ndarray]:
    """By p-value, and the hardest: the log Kd of a site that is there, as cisreg rounds it."""
    hardest = []
    for index, matrix in enumerate(scoring_matrices(motifs)):
        # Odd motifs take a site of the reverse strand.
        if index % 2:
            sums = backward_sums(codes, reverse_complement(matrix))
        else:
            sums = forward_sums(codes, matrix)
        sums = np.sort(-sums[~np.isnan(sums)])
        hardest.append(sums[len(sums) // 1000])
    by_p_value = cisreg.p_value_threshold(motifs, 1e-3, background=UNEVEN)
    return {"p-value": by_p_value, "a site's own": np.array(hardest, np.float32)}


def of_motif(hits: cisreg.Hits, motif: int, strand: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and scores of one motif's hits on one strand, by position."""
    chosen = (hits.motif == motif) & (hits.strand == strand)
    return hits.position[chosen], -hits.log_kd[chosen]


def own_sums(codes: np.ndarray, matrix: np.ndarray, strand: int) -> np.ndarray:
    """What cisreg adds."""
    return backward_sums(codes, matrix) if strand else forward_sums(codes, matrix)


def passing(sums: np.ndarray, limit: float) -> np.ndarray:
    """Positions whose score is at least the limit; NaN never is."""
    return np.flatnonzero(sums >= limit)


@pytest.mark.parametrize(("source", "kind"), POINTS)
def test_hits_equal_those_of_lightmotif(source, kind, record_property):
    lightmotif = pytest.importorskip(LIGHTMOTIF)
    motifs, codes = EVERY[source](), SEQUENCES[kind](BASES)
    striped = lightmotif.stripe(to_text(codes))
    found = differing = 0
    for limits in thresholds(motifs, codes).values():
        hits = cisreg.scan(codes, motifs, limits)
        for index, matrix in enumerate(scoring_matrices(motifs)):
            limit = -limits[index]
            for strand, oriented in enumerate((matrix, reverse_complement(matrix))):
                own, other = own_sums(codes, oriented, strand), forward_sums(codes, oriented)
                position, score = of_motif(hits, index, strand)
                np.testing.assert_array_equal(position, passing(own, limit))
                np.testing.assert_array_equal(score, own[position])
                theirs = lightmotif_sites(codes, oriented, float(limit), striped=striped)
                np.testing.assert_array_equal(theirs.position, passing(other, limit))
                np.testing.assert_array_equal(theirs.score, other[theirs.position])
                found += len(position)
                differing += check_differences(codes, oriented, limit, position, theirs.position)
    record_property("hits and differing sites", (found, differing))
    assert found > 300


@pytest.mark.parametrize(("source", "kind"), POINTS)
def test_hits_equal_those_of_moods(source, kind, record_property):
    pytest.importorskip(MOODS)
    motifs, codes = EVERY[source](), SEQUENCES[kind](BASES)
    matrices = scoring_matrices(motifs)
    oriented = [*matrices, *map(reverse_complement, matrices)]
    found = differing = 0
    for limits in thresholds(motifs, codes).values():
        hits = cisreg.scan(codes, motifs, limits)
        theirs = moods_sites(codes, oriented, np.tile(-limits, 2))
        for number, (matrix, sites) in enumerate(zip(oriented, theirs, strict=True)):
            strand, index = divmod(number, len(motifs))
            exact = forward_sums(codes, matrix.astype(np.float64))
            position, score = of_motif(hits, index, strand)
            np.testing.assert_array_equal(
                position, passing(own_sums(codes, matrix, strand), -limits[index])
            )
            np.testing.assert_array_equal(sites.position, passing(exact, -limits[index]))
            np.testing.assert_allclose(sites.score, exact[sites.position], rtol=0, atol=1e-11)
            assert np.abs(score - exact[position]).max(initial=0) <= rounding_bound(matrix)
            found += len(position)
            differing += check_differences(codes, matrix, -limits[index], position, sites.position)
    record_property("hits and differing sites", (found, differing))
    assert found > 300


def check_differences(codes, matrix, limit, ours, theirs) -> int:
    """Sites that only one has: all lie within rounding of the threshold. Returns how many."""
    differing = np.setxor1d(ours, theirs)
    exact = forward_sums(codes, matrix.astype(np.float64))[differing]
    assert np.all(np.abs(exact - limit) <= rounding_bound(matrix) + FLOAT64_SLACK)
    return len(differing)


def test_soft_masked_letters_are_bases_as_for_moods():
    scanner = pytest.importorskip("MOODS.scan")
    motifs = wide()[["d", "e"]]
    codes = SEQUENCES["gaps"](5000)
    text = to_text(codes)
    masked = "".join(
        letter.lower() if place // 70 % 2 else letter for place, letter in enumerate(text)
    )
    assert set(masked) == set("ACGTNacgtn")
    np.testing.assert_array_equal(cisreg.encode([masked])[0], codes)
    limits = motifs.lowest_log_kd() + np.float32(0.5)
    hits = cisreg.scan(cisreg.encode([masked]), motifs, limits)
    for index, matrix in enumerate(scoring_matrices(motifs)):
        rows = [matrix.T.astype(np.float64).tolist()]
        limit = [-float(limits[index])]
        found = scanner.scan_dna(masked, rows, [0.25] * 4, limit, len(matrix))
        assert sorted(hit.pos for hit in found[0]) == of_motif(hits, index, 0)[0].tolist()


@pytest.mark.parametrize("source", MOTIFS)
def test_best_sites_equal_those_of_lightmotif(source):
    lightmotif = pytest.importorskip(LIGHTMOTIF)
    motifs = MOTIFS[source]()
    pieces = SEQUENCES["repeats"](20_000)[300:].reshape(-1, 100)[:40]
    pieces[1, 20:60] = 4
    best = cisreg.best_site(pieces, motifs)
    striped = [lightmotif.stripe(to_text(piece)) for piece in pieces]
    for index, matrix in enumerate(scoring_matrices(motifs)):
        strands = (matrix, reverse_complement(matrix))
        theirs = [lightmotif_matrix(each) for each in strands]
        for row, codes in enumerate(pieces):
            sums = np.array([forward_sums(codes, each) for each in strands])
            for strand in (0, 1):
                scores = np.array(list(theirs[strand].calculate(striped[row])), np.float32)
                site = ~np.isnan(sums[strand])
                np.testing.assert_array_equal(scores[: len(site)][site], sums[strand][site])
            check_best_site(best, row, index, codes, strands, float(np.nanmax(sums)))


def check_best_site(best, row, index, codes, strands, their_best) -> None:
    """The value is theirs up to rounding; the site is the exact best one, or as good."""
    bound = rounding_bound(strands[0])
    value, strand = -float(best.log_kd[row, index]), best.strand[row, index]
    assert abs(value - their_best) <= 2 * bound
    exact = np.array([forward_sums(codes, each.astype(np.float64)) for each in strands])
    chosen = exact[strand, best.position[row, index]]
    assert chosen >= np.nanmax(exact) - 2 * bound
    # Of all that are as strong in cisreg's own sums, the leftmost, the forward strand first.
    own = np.array([own_sums(codes, each, number) for number, each in enumerate(strands)])
    position, first = np.argwhere((own == np.nanmax(own)).T)[0]
    assert (best.position[row, index], strand) == (position, first)


def test_best_sites_are_the_strongest_hits_of_moods():
    pytest.importorskip(MOODS)
    motifs, codes = jaspar(), SEQUENCES["repeats"](20_000)
    best = cisreg.best_site(codes, motifs)
    for index, matrix in enumerate(scoring_matrices(motifs)):
        strands = [matrix, reverse_complement(matrix)]
        bound = rounding_bound(matrix)
        limit = -float(best.log_kd[0, index]) - bound
        found = moods_sites(codes, strands, [limit, limit])
        assert max(sites.score.max(initial=-np.inf) for sites in found) <= limit + 3 * bound
        assert best.position[0, index] in found[best.strand[0, index]].position
