"""Occupancy of sites and GOMER scores against loops over windows and bases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_data import shared_data

from cisreg import encode, occupancy
from cisreg.motifs import (
    MotifSet,
    gomer_score,
    read_log_concentration,
    read_motifs,
    reverse_complement_matrix,
    site_occupancy,
)

COMPLEMENT = [3, 2, 1, 0, 4]


def oracle_occupancy(sequence, matrix, log_concentration, scale=1.0):
    """Two lists, forward and reverse, of the occupancy of each window that fits."""
    strands = [[], []]
    for start in range(len(sequence) - len(matrix) + 1):
        window = sequence[start : start + len(matrix)]
        reverse = [COMPLEMENT[base] for base in reversed(window)]
        for strand, bases in zip(strands, (window, reverse), strict=True):
            log_kd = sum(matrix[i][base] for i, base in enumerate(bases) if base < 4)
            strand.append(1 / (1 + math.exp(-scale * (log_concentration - log_kd))))
    return strands


def oracle_gomer(sequence, matrix, log_concentration):
    """As the original does it, one strand after the other, with logarithms to base 2."""
    unbound = 1.0
    for strand in oracle_occupancy(sequence, matrix, log_concentration):
        unbound *= 2.0 ** sum(math.log(1 - p, 2) for p in strand)
    return 1 - unbound


def random_codes(random, count, length):
    return random.choice(5, (count, length), p=[0.24, 0.24, 0.24, 0.24, 0.04]).astype(np.uint8)


@given(st.integers(1, 6), st.integers(0, 9), st.integers(0, 500), st.sampled_from([1.0, 0.3, 2.5]))
def test_occupancy_of_every_site(width, length, seed, scale):
    random = np.random.default_rng(seed)
    matrix, codes = random.normal(0, 2, (width, 4)), random_codes(random, 3, length)
    result = site_occupancy(codes, matrix, -0.7, scale=scale)
    assert result.shape == (3, 2, max(length - width + 1, 0))
    expected = [oracle_occupancy(row, matrix.tolist(), -0.7, scale) for row in codes.tolist()]
    np.testing.assert_allclose(result, np.reshape(expected, result.shape), rtol=1e-12)


def test_the_other_strand_is_that_of_the_reverse_complement():
    random = np.random.default_rng(3)
    matrix, codes = random.normal(0, 2, (4, 4)), random_codes(random, 2, 12)
    result = site_occupancy(codes, matrix, 0)
    swapped = site_occupancy(codes, reverse_complement_matrix(matrix), 0)
    np.testing.assert_allclose(result, swapped[:, ::-1], rtol=1e-12)


def test_occupancy_of_very_strong_and_very_weak_sites():
    codes = np.zeros((1, 1), np.uint8)
    with np.errstate(over="raise"):
        assert site_occupancy(codes, [[-5000, 0, 0, 0]], 0)[0, 0, 0] == 1
        assert site_occupancy(codes, [[5000, 0, 0, 0]], 0)[0, 0, 0] == 0
        weak = site_occupancy(codes, [[700, 0, 0, 0]], 0)[0, 0, 0]
    assert weak == pytest.approx(math.exp(-700), rel=1e-12)


def random_motifs(random, widths):
    matrices = [random.normal(0, 2, (width, 4)) for width in widths]
    return MotifSet.from_matrices([f"m{i}" for i in range(len(widths))], matrices, width=9)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(1, 9), st.integers(0, 500))
def test_gomer_scores(widths, length, seed):
    random = np.random.default_rng(seed)
    motifs, codes = random_motifs(random, widths), random_codes(random, 3, length)
    log_concentration = random.normal(-3, 2, len(widths)).astype(np.float32)
    result = gomer_score(codes, motifs, log_concentration)
    assert (result.shape, result.dtype) == ((3, len(widths)), np.float32)
    expected = [
        [
            oracle_gomer(row, matrix.astype(float).tolist(), float(concentration))
            for matrix, concentration in zip(motifs.matrices(), log_concentration, strict=True)
        ]
        for row in codes.tolist()
    ]
    np.testing.assert_allclose(result, expected, rtol=2e-5, atol=1e-12)


def test_gomer_is_the_law_of_occupancy_on_whole_windows():
    random = np.random.default_rng(4)
    codes = random_codes(random, 5, 20)
    motifs = random_motifs(random, [9, 9, 9])
    concentration = np.float32([-1, -4, -9])
    expected = occupancy(
        codes, motifs.log_kd, concentration, reduction="probability", padding="valid"
    ).bound
    np.testing.assert_array_equal(gomer_score(codes, motifs, concentration), expected)


def test_a_motif_wider_than_the_sequence_is_never_bound():
    motifs = random_motifs(np.random.default_rng(5), [2, 6])
    score = gomer_score(encode(["ACGT"]), motifs, 5)
    assert score[0, 0] > 0
    assert score[0, 1] == 0
    assert gomer_score(np.zeros((0, 4), np.uint8), motifs, 5).shape == (0, 2)


def test_real_motifs_at_their_concentrations():
    folder = shared_data("gpra_example")
    motifs = read_motifs(folder / "motif_list.txt")
    motifs = motifs.select(motifs.names[:12])
    listed = read_log_concentration(
        folder / "log_concentration.tsv", read_motifs(folder / "motif_list.txt").names
    )[:12]
    codes = random_codes(np.random.default_rng(6), 2, 110)
    expected = [
        [
            oracle_gomer(row, matrix.astype(float).tolist(), float(concentration))
            for matrix, concentration in zip(motifs.matrices(), listed, strict=True)
        ]
        for row in codes.tolist()
    ]
    # Their log Kd is up to 1e2, whose last bit in float32 is 1e-5.
    np.testing.assert_allclose(gomer_score(codes, motifs, listed), expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sequence": np.zeros((1, 5))}, r"sequence: expected uint8 base codes.*float64 \[1, 5\]"),
        ({"sequence": np.zeros(5, np.uint8)}, r"sequence: .*of shape \[N, L\], got uint8 \[5\]"),
        ({"sequence": np.full((1, 5), 5, np.uint8)}, "sequence: expected codes 0 to 4, got 5"),
        ({"log_concentration": np.nan}, "log_concentration: expected"),
    ],
)
def test_errors_of_both(arguments, message):
    good = {"sequence": np.zeros((1, 5), np.uint8), "log_concentration": 0.0}
    motifs = MotifSet.from_matrices(["a"], [np.zeros((2, 4))])
    with pytest.raises(ValueError, match=message):
        gomer_score(motifs=motifs, **{**good, **arguments})
    with pytest.raises(ValueError, match=message):
        site_occupancy(log_kd=np.zeros((2, 4)), **{**good, **arguments})


def test_errors_of_each():
    codes = np.zeros((1, 5), np.uint8)
    motifs = MotifSet.from_matrices(["a"], [np.zeros((2, 4))])
    with pytest.raises(ValueError, match=r"log_concentration: .*shape \[1\].*got \[0.0, 0.0\]"):
        gomer_score(codes, motifs, [0, 0])
    with pytest.raises(ValueError, match=r"log_kd: expected one motif"):
        site_occupancy(codes, np.zeros((1, 2, 4)), 0)
    for scale in (0, -1, np.inf, np.nan):
        with pytest.raises(ValueError, match="scale: expected a finite number above 0"):
            site_occupancy(codes, np.zeros((2, 4)), 0, scale=scale)
