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


UNKNOWN_CHOICES = ["skip", "neutral", "worst"]


def oracle_occupancy(sequence, matrix, log_concentration, scale=1.0, unknown="skip"):
    """The occupancy of each window that fits, as a list for each strand, forward first."""
    strands = [[], []]
    of_unknown = [max(column) if unknown == "worst" else 0 for column in matrix]
    for start in range(len(sequence) - len(matrix) + 1):
        window = sequence[start : start + len(matrix)]
        reverse = [COMPLEMENT[base] for base in reversed(window)]
        for strand, bases in zip(strands, (window, reverse), strict=True):
            log_kd = sum([*matrix[i], of_unknown[i]][base] for i, base in enumerate(bases))
            bound = 1 / (1 + math.exp(-scale * (log_concentration - log_kd)))
            strand.append(0.0 if unknown == "skip" and 4 in window else bound)
    return strands


def oracle_gomer(sequence, matrix, log_concentration, unknown="skip"):
    """As the original computes it: one strand after the other, with logarithms to base 2."""
    unbound = 1.0
    for strand in oracle_occupancy(sequence, matrix, log_concentration, unknown=unknown):
        unbound *= 2.0 ** sum(math.log(1 - p, 2) for p in strand)
    return 1 - unbound


def random_codes(random, count, length):
    return random.choice(5, (count, length), p=[0.24, 0.24, 0.24, 0.24, 0.04]).astype(np.uint8)


@given(
    st.integers(1, 6),
    st.integers(0, 9),
    st.integers(0, 500),
    st.sampled_from([1.0, 0.3, 2.5]),
    st.sampled_from(UNKNOWN_CHOICES),
)
def test_occupancy_of_every_site(width, length, seed, scale, unknown):
    random = np.random.default_rng(seed)
    matrix, codes = random.normal(0, 2, (width, 4)), random_codes(random, 3, length)
    result = site_occupancy(codes, matrix, -0.7, scale=scale, unknown=unknown)
    assert result.shape == (3, 2, max(length - width + 1, 0))
    expected = [
        oracle_occupancy(row, matrix.tolist(), -0.7, scale, unknown) for row in codes.tolist()
    ]
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


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=5),
    st.integers(1, 9),
    st.integers(0, 500),
    st.sampled_from(UNKNOWN_CHOICES),
)
def test_gomer_scores(widths, length, seed, unknown):
    random = np.random.default_rng(seed)
    motifs, codes = random_motifs(random, widths), random_codes(random, 3, length)
    log_concentration = random.normal(-3, 2, len(widths)).astype(np.float32)
    result = gomer_score(codes, motifs, log_concentration, unknown=unknown)
    assert (result.shape, result.dtype) == ((3, len(widths)), np.float32)
    expected = [
        [
            oracle_gomer(row, matrix.astype(float).tolist(), float(concentration), unknown)
            for matrix, concentration in zip(motifs.matrices(), log_concentration, strict=True)
        ]
        for row in codes.tolist()
    ]
    np.testing.assert_allclose(result, expected, rtol=2e-5, atol=1e-12)


@given(
    st.lists(st.text("ACGTN", max_size=9), min_size=1, max_size=6),
    st.sampled_from(["left", "right"]),
    st.sampled_from(UNKNOWN_CHOICES),
    st.integers(0, 500),
)
def test_sequences_of_several_lengths_score_as_each_alone(texts, side, unknown, seed):
    random = np.random.default_rng(seed)
    motifs = random_motifs(random, [1, 3, 3, 5])
    log_concentration = random.normal(-3, 2, 4)
    codes = encode(texts, 10, side=side)
    together = gomer_score(codes, motifs, log_concentration, unknown=unknown)
    alone = [
        gomer_score(encode([text]), motifs, log_concentration, unknown=unknown)[0] for text in texts
    ]
    # The sums are over the same windows, but may add them in a different order.
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-12)
    matrix = motifs.matrices()[1]
    occupied = site_occupancy(codes, matrix, -2, unknown=unknown)
    for row, text in enumerate(texts):
        own = site_occupancy(encode([text]), matrix, -2, unknown=unknown)[0]
        first = 10 - len(text) if side == "left" else 0
        windows = slice(first, first + own.shape[1])
        np.testing.assert_array_equal(occupied[row, :, windows], own)
        assert occupied[row].sum() == pytest.approx(own.sum(), rel=1e-12)


def test_stretches_of_one_length_in_one_sequence_all_count():
    motifs = random_motifs(np.random.default_rng(8), [3, 4])
    together = gomer_score(encode(["ACGTANGGCTANTTTACNAC"]), motifs, -1)
    alone = gomer_score(encode(["ACGTA", "GGCTA", "TTTAC"]), motifs, -1)
    np.testing.assert_allclose(together[0], 1 - (1 - alone).prod(axis=0), rtol=1e-5)


def test_padding_binds_nothing_however_high_the_concentration():
    motifs = random_motifs(np.random.default_rng(7), [4])
    codes = encode(["ACG", "ACGTACGTAC"])
    for unknown in UNKNOWN_CHOICES:
        score = gomer_score(codes, motifs, 30, unknown=unknown)
        assert score.tolist() == [[0], [1]]
        assert site_occupancy(codes, motifs.matrices()[0], 30, unknown=unknown)[0].sum() == 0
    assert gomer_score(encode(["NNNNNN"]), motifs, 30).tolist() == [[0]]
    assert gomer_score(encode(["NNNNNN"]), motifs, 30, unknown="neutral").tolist() == [[1]]


def test_gomer_is_the_law_of_occupancy_on_whole_windows():
    random = np.random.default_rng(4)
    codes = random_codes(random, 5, 20)
    motifs = random_motifs(random, [9, 9, 9])
    concentration = np.float32([-1, -4, -9])
    expected = occupancy(
        codes, motifs.log_kd, concentration, reduction="probability", padding="valid"
    ).bound
    score = gomer_score(codes, motifs, concentration, unknown="neutral")
    np.testing.assert_allclose(score, expected, rtol=1e-6)
    np.testing.assert_allclose(
        gomer_score(codes[0], motifs, concentration, unknown="neutral"), score[:1]
    )


def test_a_motif_wider_than_the_sequence_is_never_bound():
    motifs = random_motifs(np.random.default_rng(5), [2, 6])
    score = gomer_score(encode(["ACGT"]), motifs, 5)
    assert score[0, 0] > 0
    assert score[0, 1] == 0
    assert gomer_score(np.zeros((0, 4), np.uint8), motifs, 5).shape == (0, 2)


def test_real_motifs_at_their_concentrations():
    folder = shared_data("gpra_example")
    motifs = read_motifs(folder / "motif_list.txt")
    motifs = motifs[:12]
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
    # Their log Kd is up to 1e2; its last bit in float32 is 1e-5.
    np.testing.assert_allclose(gomer_score(codes, motifs, listed), expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sequence": np.full((1, 5), 0.5)}, r"sequence: expected base codes.* got 0.5 at"),
        ({"sequence": np.zeros((1, 1, 5))}, r"sequence: .*of shape .*, got shape \[1, 1, 5\]"),
        ({"sequence": np.full((1, 5), 5, np.uint8)}, "sequence: .* 0 to 4 .* got 5 at"),
        ({"sequence": ["ACGT"]}, "sequence: .* encode text with cisreg.encode"),
        ({"unknown": "none"}, "unknown: expected one of 'skip', 'neutral', 'worst', got 'none'"),
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
