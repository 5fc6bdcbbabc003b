"""Thresholds from every option, against sums over all words."""

from __future__ import annotations

import numpy as np
import pytest
from scan_oracle import random_motifs

from cisreg.motifs import demo_motifs
from cisreg.scan import make_threshold, scan


def every_log_kd(motifs, index):
    """Log Kd of all words of one motif, float64."""
    matrix = motifs.matrices()[index].astype(np.float64)
    words = np.indices((4,) * len(matrix)).reshape(len(matrix), -1).T
    return matrix[np.arange(len(matrix)), words].sum(axis=1)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 1])
def test_shares_of_the_best_score(share):
    motifs = random_motifs(np.random.default_rng(1), [3, 5, 6])
    limits = make_threshold(motifs, share_of_best=share).log_kd
    relative = make_threshold(motifs, relative_score=share).log_kd
    for index in range(3):
        score = -every_log_kd(motifs, index)
        np.testing.assert_allclose(-limits[index], share * score.max(), rtol=1e-6)
        expected = score.min() + share * (score.max() - score.min())
        np.testing.assert_allclose(-relative[index], expected, rtol=1e-5)
    if share == 1:
        np.testing.assert_array_equal(limits, motifs.lowest_log_kd())
        np.testing.assert_array_equal(relative, motifs.lowest_log_kd())


@pytest.mark.parametrize("occupancy", [0.05, 0.5, 0.9])
def test_occupancy(occupancy):
    motifs = random_motifs(np.random.default_rng(2), [4, 6])
    concentration = np.array([-3.0, -5.0])
    limits = make_threshold(
        motifs, occupancy=occupancy, log_concentration=concentration
    ).log_kd.astype(np.float64)
    bound = 1 / (1 + np.exp(limits - concentration))
    np.testing.assert_allclose(bound, occupancy, rtol=1e-5)
    assert (bound >= occupancy).all()


def test_thresholds_of_the_motifs_file():
    motifs = demo_motifs()
    with pytest.raises(ValueError, match='"motif"'):
        make_threshold(motifs, "motif")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "expected exactly one of the following, got none"),
        ({"threshold": 1, "p_value": 0.1}, "exactly one .* got threshold= and p_value="),
        ({"share_of_best": 0}, "share_of_best: expected a number above 0 and at most 1, got 0"),
        ({"share_of_best": "0.8"}, "share_of_best: expected a number .* got '0.8'"),
        ({"relative_score": 1.1}, "relative_score: expected a number of at least 0 and at most 1"),
        ({"occupancy": 1, "log_concentration": 0}, "occupancy: .* below 1, got 1"),
        ({"occupancy": 0.5}, "log_concentration: expected together with occupancy"),
        ({"threshold": 0, "log_concentration": 0}, "log_concentration: expected together"),
        ({"threshold": "best"}, "threshold: expected numbers in nats or \"motif\", got 'best'"),
        ({"occupancy": 0.5, "log_concentration": [1, 2, 3]}, r"log_concentration: .* got \[3\]"),
    ],
)
def test_refusals(options, message):
    motifs = random_motifs(np.random.default_rng(3), [4, 6])
    with pytest.raises(ValueError, match=message):
        scan("ACGTACGT", motifs, **options)


def test_a_score_that_is_never_above_zero_has_no_shares():
    with pytest.raises(ValueError, match=r"share_of_best: .* below 0, .* number 0"):
        scan("ACGTACGT", np.ones((3, 4, 1)), share_of_best=0.8)
