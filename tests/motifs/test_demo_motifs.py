"""Consensus sequences as matrices, and the motif set that comes with the package."""

from __future__ import annotations

import numpy as np
import pytest

from cisreg.motifs import consensus_matrix, demo_motifs


def test_consensus_matrix_is_the_log_odds_of_its_formula():
    matrix = consensus_matrix("CWBN", mismatch_probability=0.1)
    probability = 0.25 * np.exp(-matrix)
    expected = [[0.1, 0.7, 0.1, 0.1], [0.4, 0.1, 0.1, 0.4], [0.1, 0.3, 0.3, 0.3], [0.25] * 4]
    np.testing.assert_allclose(probability, expected, rtol=1e-12)


@pytest.mark.parametrize("consensus", ["", "AXT", "acgt"])
def test_unknown_letters_are_refused(consensus):
    with pytest.raises(ValueError, match="consensus: expected letters of"):
        consensus_matrix(consensus)


@pytest.mark.parametrize("probability", [0, 0.25, -1, float("nan")])
def test_impossible_probabilities_are_refused(probability):
    with pytest.raises(ValueError, match="mismatch_probability: expected"):
        consensus_matrix("A", mismatch_probability=probability)


def test_demo_motifs_are_distinct_and_untrimmed():
    motifs = demo_motifs()
    assert len(motifs) == 16
    sites = dict(zip(motifs.names, motifs.strongest_site(), strict=True))
    assert sites["Reb1"] == "TTACCCG"
    assert sites["Gal4"] == "CGGNNNNNNNNNNNCCG"
    assert sites["Ume6"] == "TAGCCGCCGA"
    assert len(set(motifs.strongest_site())) == len(motifs)
    assert motifs.widths.max() == 17
