"""Shares of the bases: counted, from files, given."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from cisreg.genome import base_composition, open_genome, read_background


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text(">a\nAAAAcn\n>b\nGGRT\n" + ">c\n" + "ACCT" * 100_000 + "\n")
    return path


def test_bases_are_counted_in_all_sequences_and_unknown_ones_do_not_count(fasta):
    counts = np.array([4 + 100_000, 1 + 200_000, 2, 1 + 100_000])
    with open_genome(fasta) as genome:
        np.testing.assert_allclose(base_composition(genome), counts / counts.sum(), rtol=1e-15)
        np.testing.assert_array_equal(
            read_background("sequences", genome), base_composition(genome)
        )


def test_intervals_are_counted_each_for_itself(fasta):
    table = {"chrom": ["a", "a"], "start": [0, 3], "end": [4, 6]}
    with open_genome(fasta, intervals=table) as genome:
        np.testing.assert_allclose(base_composition(genome), [5 / 6, 1 / 6, 0, 0])


def test_sequences_of_unknown_bases_have_no_composition(tmp_path):
    (tmp_path / "x.fa").write_text(">a\nNNNN\n")
    with open_genome(tmp_path / "x.fa") as genome, pytest.raises(ValueError, match="known bases"):
        base_composition(genome)


MEME = """# 1-order Markov frequencies from file genome.fa
# order 0
A 3.000e-01
C 2.000e-01
G 2.000e-01
T 3.000e-01
# order 1
AA 9.000e-02
AC 6.000e-02
"""


def test_a_file_of_meme_and_its_higher_orders(tmp_path, caplog):
    path = tmp_path / "x.bg"
    path.write_text(MEME)
    with caplog.at_level(logging.INFO, "cisreg.genome"):
        np.testing.assert_allclose(read_background(path), [0.3, 0.2, 0.2, 0.3])
    assert "of more than one base are not used" in caplog.text
    path.write_text("u\t0.4\ng\t0.1\nc\t0.2\na\t0.3\n")
    np.testing.assert_allclose(read_background(str(path)), [0.3, 0.2, 0.1, 0.4])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("uniform", [0.25] * 4),
        ("0.3,0.2,0.2,0.3", [0.3, 0.2, 0.2, 0.3]),
        ("0.3 .2 2e-1 0.3", [0.3, 0.2, 0.2, 0.3]),
        ([0.4, 0.1, 0.1, 0.4], [0.4, 0.1, 0.1, 0.4]),
        ({"T": 0.4, "A": 0.3, "C": 0.2, "G": 0.1}, [0.3, 0.2, 0.1, 0.4]),
        (None, [0.25] * 4),
    ],
)
def test_backgrounds_that_are_given(given, expected):
    np.testing.assert_allclose(read_background(given), expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A 0.3\nC 0.2\nG 0.2\n", r"x.bg: expected the probabilities of A, C, G and T, got those"),
        ("A 0.3\nA 0.2\n", r"x.bg:2: expected every base once"),
        ("A 0.3 0.2\n", r"x.bg:1: expected a base and its probability"),
        ("L 0.3\n", r"x.bg:1: .* is it a background file of MEME for DNA"),
        ("A 0.3\nC 0.3\nG 0.3\nT 0.3\n", r"x.bg: background: expected .* sum to 1"),
        ("A nan\n", r"x.bg:1: expected a base"),
        ("", r"x.bg: expected the probabilities .* got none"),
    ],
)
def test_files_that_are_no_background_are_refused(tmp_path, text, message):
    path = tmp_path / "x.bg"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_background(path)


def test_other_text_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"got 'no.bg', which is no file"):
        read_background("no.bg")
    with pytest.raises(ValueError, match="sum to 1"):
        read_background("0.3,0.2,0.2")
    with pytest.raises(ValueError, match="expected sequences to count"):
        read_background("sequences")
