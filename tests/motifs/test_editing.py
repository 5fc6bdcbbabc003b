"""Padding, trimming, merging and reverse complements of matrices, column by column."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_data import shared_data

from cisreg.motifs import (
    counts_to_probabilities,
    log_kd_to_probabilities,
    merge_probabilities,
    pad_probabilities,
    read_pkdm,
    reverse_complement_matrix,
    trim_probabilities,
)

YEAST = [0.31, 0.19, 0.19, 0.31]
A, C, NOTHING = [1, 0, 0, 0], [0, 1, 0, 0], [0.25] * 4

matrices = st.lists(
    st.lists(st.integers(0, 9), min_size=4, max_size=4).filter(any), min_size=1, max_size=6
).map(lambda counts: counts_to_probabilities(counts).tolist())


def information(column, background):
    pairs = zip(column, background, strict=True)
    return sum(p * math.log2(p / b) for p, b in pairs if p > 0)


@given(matrices)
def test_reverse_complement(matrix):
    expected = [[t, g, c, a] for a, c, g, t in reversed(matrix)]
    once = reverse_complement_matrix(matrix)
    assert once.tolist() == expected
    assert reverse_complement_matrix(once).tolist() == matrix
    assert reverse_complement_matrix([matrix, matrix]).tolist() == [expected, expected]


def test_reverse_complement_needs_columns_in_order():
    with pytest.raises(ValueError, match=r"matrix: expected shape \[width, 4\], got \[4\]; put"):
        reverse_complement_matrix([1, 2, 3, 4])


@pytest.mark.parametrize(("before", "after"), [(0, 0), (2, 0), (0, 3), (1, 2)])
def test_padding(before, after):
    padded = pad_probabilities([A, C], before, after, background=YEAST)
    assert padded.tolist() == [YEAST] * before + [A, C] + [YEAST] * after
    assert pad_probabilities([A], 1).tolist() == [NOTHING, A]


@pytest.mark.parametrize("argument", ["before", "after"])
def test_padding_by_less_than_nothing(argument):
    with pytest.raises(ValueError, match=f"{argument}: expected 0 or more columns, got -1"):
        pad_probabilities([A], **{argument: -1})


@given(matrices, st.sampled_from([[0.25] * 4, YEAST]), st.sampled_from([0.01, 0.1, 0.7]))
def test_trimming(matrix, background, least):
    kept = list(matrix)
    while kept and information(kept[0], background) < least:
        kept.pop(0)
    while kept and information(kept[-1], background) < least:
        kept.pop()
    if kept:
        trimmed = trim_probabilities(matrix, least, background=background)
        np.testing.assert_allclose(trimmed, kept, rtol=1e-15)
    else:
        with pytest.raises(ValueError, match=r"minimum_information: .*nothing would be left"):
            trim_probabilities(matrix, least, background=background)


def test_trimming_keeps_weak_columns_within_and_a_tenth_of_a_bit_unless_told():
    weak = [0.45, 0.15, 0.2, 0.2]
    assert 0.1 < information(weak, NOTHING) < 0.2
    trimmed = trim_probabilities([NOTHING, weak, NOTHING, A, NOTHING])
    np.testing.assert_allclose(trimmed, [weak, NOTHING, A], rtol=1e-15)
    assert trim_probabilities([NOTHING, weak, A], 0.2).tolist() == [A]
    with pytest.raises(ValueError, match=r"most that one has is 0\.142, so"):
        trim_probabilities([weak, NOTHING], 0.5)


def oracle_merge(first, second, offset, weight, background):
    merged = []
    for column in range(min(0, offset), max(len(first), offset + len(second))):
        pair = [
            matrix[place] if 0 <= place < len(matrix) else background
            for matrix, place in ((first, column), (second, column - offset))
        ]
        share = [1.0, 1.0]
        if weight == "information":
            share = [information(each, background) for each in pair]
            if sum(share) < 1e-12:
                share = [1.0, 1.0]
        merged.append(
            [(share[0] * a + share[1] * b) / sum(share) for a, b in zip(*pair, strict=True)]
        )
    return merged


@given(
    matrices,
    matrices,
    st.integers(-8, 8),
    st.sampled_from(["equal", "information"]),
    st.sampled_from([[0.25] * 4, YEAST]),
)
def test_merging(first, second, offset, weight, background):
    result = merge_probabilities(first, second, offset, weight=weight, background=background)
    expected = oracle_merge(first, second, offset, weight, background)
    np.testing.assert_allclose(result, expected, atol=1e-12)
    swapped = merge_probabilities(second, first, -offset, weight=weight, background=background)
    np.testing.assert_allclose(swapped, result, atol=1e-12)


def test_merging_by_hand():
    assert merge_probabilities([A, A], [C]).tolist() == [
        [0.5, 0.5, 0, 0],
        [0.625, 0.125, 0.125, 0.125],
    ]
    assert merge_probabilities([A, A], [C], -1, weight="information").tolist() == [C, A, A]
    with pytest.raises(ValueError, match="weight: expected one of 'equal', 'information'"):
        merge_probabilities([A], [C], weight="bits")
    with pytest.raises(ValueError, match="second: expected probabilities that sum to 1"):
        merge_probabilities([A], [[2, 0, 0, 0]])


@pytest.mark.parametrize("function", [pad_probabilities, trim_probabilities])
def test_bad_matrices(function):
    with pytest.raises(ValueError, match=r"probabilities: expected one motif.*got \[1, 1, 4\]"):
        function([[A]])
    with pytest.raises(ValueError, match="probabilities: expected numbers of 0 or more"):
        function([[1.5, -0.5, 0, 0]])
    with pytest.raises(ValueError, match="background: expected"):
        function([A], background=[0.3] * 4)


def test_padding_a_real_motif_and_trimming_it_again():
    path = shared_data("gpra_example") / "motifs" / "YDR026C_696.pkdm"
    probabilities = log_kd_to_probabilities(read_pkdm(path), convention="pkdm")
    padded = pad_probabilities(probabilities, 3, 4)
    assert len(padded) == len(probabilities) + 7
    np.testing.assert_allclose(trim_probabilities(padded), probabilities, rtol=1e-14)
