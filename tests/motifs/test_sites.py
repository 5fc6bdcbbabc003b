"""Sites: all within a threshold (against every sequence), random, strongest and weakest ones."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_data import shared_data

from cisreg import decode, scan
from cisreg.motifs import MotifSet, read_motifs, sample_sites, sites_within
from cisreg.motifs.sites import _approximate_count


def oracle_sites(matrix: np.ndarray, threshold: float) -> list[tuple[float, tuple[int, ...]]]:
    """Every site within the threshold, found by trying every sequence; by log Kd, then bases."""
    found = []
    for site in itertools.product(range(4), repeat=len(matrix)):
        energy = matrix.dtype.type(0)
        for column, base in enumerate(site):
            energy += matrix[column, base]
        if energy <= threshold:
            found.append((float(energy), site))
    return sorted(found)


def listed(sites) -> list[tuple[float, tuple[int, ...]]]:
    codes = map(tuple, sites.codes.tolist())
    return list(zip(sites.log_kd.tolist(), codes, strict=True))


@given(
    st.integers(1, 5),
    st.integers(0, 1000),
    st.floats(0, 1),
    st.sampled_from(["float32", "float64"]),
    st.sampled_from([0, 3]),
)
def test_every_site_within_the_threshold_and_no_other(width, seed, share, dtype, digits):
    random = np.random.default_rng(seed)
    # Few digits cause ties; the threshold equals the log Kd of some site to the last bit.
    matrix = random.normal(0, 2, (width, 4)).round(digits).astype(dtype)
    every = oracle_sites(matrix, np.inf)
    threshold = every[int(share * (len(every) - 1))][0]
    sites = sites_within(matrix, threshold)
    assert listed(sites) == oracle_sites(matrix, threshold)
    assert (sites.codes.dtype, sites.log_kd.dtype) == (np.uint8, dtype)


def test_nothing_and_everything():
    matrix = np.random.default_rng(1).normal(size=(4, 4))
    nothing = sites_within(matrix, -np.inf)
    assert (nothing.codes.shape, nothing.log_kd.shape) == ((0, 4), (0,))
    assert len(sites_within(matrix, np.inf).codes) == 4**4
    best = sites_within(matrix, matrix.min(axis=1).sum() + 1e-9)
    assert best.codes.tolist() == [matrix.argmin(axis=1).tolist()]


def test_a_wide_motif_is_searched_without_looking_at_every_sequence():
    matrix = np.full((30, 4), 1.0)
    matrix[:, 2] = -1
    sites = sites_within(matrix, -26)
    # The best site, those with one of 3 other bases in one of 30 columns, those with two.
    assert len(sites.codes) == 1 + 90 + math.comb(30, 2) * 9
    assert np.unique(sites.log_kd, return_counts=True)[1].tolist() == [1, 90, 3915]
    assert (np.diff(sites.log_kd) >= 0).all()


def test_the_limit_counts_sites():
    matrix = np.random.default_rng(2).normal(0, 2, (5, 4))
    energies = [energy for energy, _ in oracle_sites(matrix, np.inf)]
    assert len(sites_within(matrix, energies[99], limit=100).codes) == 100
    with pytest.raises(ValueError, match=r"limit: expected at most 99 sites, got about \d+; lower"):
        sites_within(matrix, energies[99], limit=99)
    with pytest.raises(ValueError, match="got about 1,152,921,504,606,846,976;"):
        sites_within(np.zeros((30, 4)), 0)
    with pytest.raises(ValueError, match=r"got about (inf|\d\.\d+e\+\d+);"):
        sites_within(np.zeros((600, 4)), 0)
    with pytest.raises(ValueError, match="at most 0 sites, got about 1;"):
        sites_within(matrix, energies[0] + 1e-9, limit=0)


@given(st.integers(1, 6), st.integers(0, 1000), st.floats(0, 1))
def test_the_number_in_the_error_is_about_right(width, seed, share):
    matrix = np.random.default_rng(seed).normal(0, 2, (width, 4))
    every = np.array([energy for energy, _ in oracle_sites(matrix, np.inf)])
    threshold = every[int(share * (len(every) - 1))] + 1e-9
    # Rounded to a grid, each column may be wrong by half a step.
    error = (width + 1) / 2 * max(threshold - every[0], 1e-6) / 20_000
    count = _approximate_count(matrix, threshold)
    assert (every <= threshold - error).sum() <= count <= (every <= threshold + error).sum()


def test_sites_within_are_the_hits_of_scan():
    motifs = read_motifs(shared_data("gpra_example") / "motif_list.txt")
    chosen = [index for index in range(len(motifs)) if motifs.widths[index] <= 7][:20]
    assert len(chosen) == 20
    for index in chosen:
        matrix = motifs.matrices()[index]
        every = np.array(list(itertools.product(range(4), repeat=len(matrix))), np.uint8)
        one = motifs[index]
        threshold = float(one.lowest_log_kd()[0] + 12)
        hits = scan(every, one, threshold)
        forward = hits.strand == 0
        sites = sites_within(matrix, threshold)
        order = np.lexsort(sites.codes.T[::-1])
        np.testing.assert_array_equal(sites.codes[order], every[hits.sequence[forward]])
        np.testing.assert_array_equal(sites.log_kd[order], hits.log_kd[forward])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((3, 5)), 0), r"log_kd: expected shape \[width, 4\]"),
        ((np.zeros((2, 3, 4)), 0), r"log_kd: expected one motif.*got \[2, 3, 4\]"),
        ((np.full((1, 4), np.nan), 0), "log_kd: expected finite"),
        ((np.zeros((1, 4)), np.nan), "threshold: expected a number, got NaN"),
    ],
)
def test_errors_of_sites_within(arguments, message):
    with pytest.raises(ValueError, match=message):
        sites_within(*arguments)
    with pytest.raises(ValueError, match="limit: expected 0 or more sites, got -1"):
        sites_within(np.zeros((1, 4)), 0, limit=-1)


def test_samples_have_the_probabilities_column_by_column():
    probabilities = np.array([[0.7, 0.1, 0.2, 0], [0, 0.5, 0, 0.5], [0.25] * 4, [0, 0, 1, 0]])
    count = 40_000
    codes = sample_sites(probabilities, count, np.random.default_rng(5))
    assert (codes.shape, codes.dtype) == ((count, 4), np.uint8)
    seen = np.stack([(codes == base).mean(axis=0) for base in range(4)], axis=1)
    # Five standard deviations of a binomial share; exact where the probability is 0 or 1.
    deviation = np.sqrt(probabilities * (1 - probabilities) / count)
    assert (np.abs(seen - probabilities) <= 5 * deviation).all()
    # Columns are drawn independently.
    together = ((codes[:, 0] == 0) & (codes[:, 1] == 1)).mean()
    assert abs(together - 0.35) < 5 * math.sqrt(0.35 * 0.65 / count)


class Draws:
    """A generator that always draws the same number."""

    def __init__(self, number):
        self.number = number

    def random(self, shape):
        return np.full(shape, self.number)


def test_no_draw_gives_a_base_without_a_chance():
    for column in itertools.product([0, 0.1, 0.33, 0.9], repeat=4):
        if any(column):
            probabilities = np.array([column]) / sum(column)
            for number in (0.0, np.nextafter(1, 0)):
                code = sample_sites(probabilities, 1, Draws(number))[0, 0]
                assert probabilities[0, code] > 0


def test_the_same_seed_gives_the_same_sites():
    probabilities = np.full((6, 4), 0.25)
    first, second, other = (
        sample_sites(probabilities, 50, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    assert sample_sites(probabilities, 0, np.random.default_rng(1)).shape == (0, 6)
    with pytest.raises(ValueError, match="count: expected 0 or more sites, got -1"):
        sample_sites(probabilities, -1, np.random.default_rng(1))
    with pytest.raises(ValueError, match="probabilities: expected probabilities that sum to 1"):
        sample_sites(2 * probabilities, 1, np.random.default_rng(1))


@given(st.integers(0, 1000), st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_strongest_and_weakest_sites_are_those_of_every_sequence(seed, widths):
    random = np.random.default_rng(seed)
    matrices = [random.normal(size=(width, 4)).astype(np.float32) for width in widths]
    names = [f"m{index}" for index in range(len(widths))]
    motifs = MotifSet.from_matrices(names, matrices, width=6)
    for index, matrix in enumerate(matrices):
        np.testing.assert_array_equal(motifs.matrices()[index], matrix)
        every = oracle_sites(matrix.astype(np.float64), np.inf)
        sites = decode(np.array([every[0][1], every[-1][1]], np.uint8))
        assert [motifs.strongest_site()[index], motifs.weakest_site()[index]] == sites
        assert motifs.lowest_log_kd()[index] == pytest.approx(every[0][0], rel=1e-6)
        assert motifs.highest_log_kd()[index] == pytest.approx(every[-1][0], rel=1e-6)


def test_weakest_site_takes_the_first_of_equals_and_n_where_none_matters():
    motifs = MotifSet.from_matrices(["a"], [[[0, 3, 1, 3], [2, 2, 2, 2], [1, 1, 0, 1]]])
    assert motifs.weakest_site() == ("CNA",)
    assert motifs.strongest_site() == ("ANG",)
    assert motifs.highest_log_kd().tolist() == [6]
