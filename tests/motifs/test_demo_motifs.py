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


@pytest.mark.parametrize(
    "consensus", ["", " \n", "AXT", "AC GT", "AC-GT", "AC\nGT", "A\u017f", "\xdf"]
)
def test_unknown_letters_are_refused(consensus):
    with pytest.raises(ValueError, match="consensus: expected letters of"):
        consensus_matrix(consensus)


def test_either_case_is_a_letter_and_blanks_around_are_none():
    np.testing.assert_array_equal(consensus_matrix(" gaUrn\n"), consensus_matrix("GATRN"))
    with pytest.raises(ValueError, match="got 'x' at position 1 of 'gxta'"):
        consensus_matrix("gxta ")
    with pytest.raises(TypeError, match="consensus: expected a string, got b'GATA'"):
        consensus_matrix(b"GATA")


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
