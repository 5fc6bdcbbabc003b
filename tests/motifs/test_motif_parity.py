"""Motifs as the original software reads them: every parity fixture, and all 245 motifs."""

from __future__ import annotations

import numpy as np
import pytest
from shared_data import SHARED_DATA, shared_data

from cisreg.motifs import (
    read_log_concentration,
    read_motifs,
    read_pkdm,
    strongest_site_log_concentration,
)

FIXTURES = sorted((SHARED_DATA / "parity").glob("*.npz"))


@pytest.fixture(scope="module")
def example():
    return shared_data("gpra_example")


@pytest.fixture(scope="module")
def motifs_of_width(example):
    """Returns a function from a width to the example's motifs, read once per width."""
    read = {}

    def get(width):
        if width not in read:
            read[width] = read_motifs(example / "motif_list.txt", width=width)
        return read[width]

    return get


def test_all_example_motifs_are_read_in_the_order_of_the_list(example, motifs_of_width):
    motifs = motifs_of_width(30)
    assert motifs.log_kd.shape == (30, 4, 245)
    assert motifs.names[0] == "YIL056W_2091"
    assert motifs.names == read_motifs(example / "log_concentration.tsv").names
    assert len(read_motifs(example / "motifs")) == 246


def test_strongest_sites_reproduce_the_initial_log_concentrations(example, motifs_of_width):
    motifs = motifs_of_width(30)
    listed = read_log_concentration(example / "log_concentration.tsv", motifs.names)
    # The file gives six significant digits.
    np.testing.assert_allclose(strongest_site_log_concentration(motifs), listed, atol=6e-5)


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.stem)
def test_fixture_motifs_are_among_ours_column_by_column(fixture, motifs_of_width):
    with np.load(fixture, allow_pickle=False) as saved:
        original = saved["param/motifs"].transpose(1, 0, 2)
    motifs = motifs_of_width(original.shape[0])
    found = [
        np.flatnonzero((motifs.log_kd == original[:, :, [index]]).all(axis=(0, 1)))
        for index in range(original.shape[2])
    ]
    assert [len(each) for each in found] == [1] * original.shape[2]
    assert len({int(each[0]) for each in found}) == original.shape[2]


def test_the_narrow_fixture_does_hold_trimmed_motifs(example, motifs_of_width):
    with np.load(shared_data("parity/narrow_long.npz"), allow_pickle=False) as saved:
        original = saved["param/motifs"].transpose(1, 0, 2)
    names = ["YDL106C_2154", "YAL051W_2060", "YOR380W_756", "YDR096W_562", "YPR009W_2236"]
    chosen = motifs_of_width(8)[names]
    np.testing.assert_array_equal(chosen.log_kd, original[:, :, [0, 1, 4, 5, 6]])
    for name in names:
        assert len(read_pkdm(example / "motifs" / f"{name}.pkdm")) > 8
