"""Matrices of a different kind than log Kd are recognised, refused, and converted on request."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cisreg.motifs import read_motifs, read_pkdm, write_pkdm
from cisreg.motifs.kinds import recognise

COUNTS = np.array([[90, 5, 3, 2], [2, 90, 5, 3], [3, 2, 5, 90], [5, 3, 90, 2]], float)
PROBABILITIES = COUNTS / 100
# Rounded, as other programs write them.
LOG_ODDS = np.log2(4 * PROBABILITIES).round(3)
MATRICES = {
    "log_kd": -LOG_ODDS,
    "counts": COUNTS,
    "probabilities": PROBABILITIES,
    "log_odds": LOG_ODDS,
}


def write_raw(path, matrix, before=""):
    """Writes a matrix as any program would, without a mark of its kind."""
    rows = zip("ACGT", np.asarray(matrix).T.tolist(), strict=True)
    path.write_text(
        before + "".join("\t".join([base, *map(str, row)]) + "\n" for base, row in rows)
    )
    return path


@pytest.mark.parametrize("kind", MATRICES)
def test_the_same_motif_as_each_kind(tmp_path, kind):
    assert recognise(MATRICES[kind]) == kind
    path = write_raw(tmp_path / f"{kind}.pkdm", MATRICES[kind])
    if kind != "log_kd":
        with pytest.raises(ValueError, match="expected log Kd, which is below 0") as caught:
            read_motifs(tmp_path)
        assert str(path) in str(caught.value)
        assert f"cisreg.motifs.read_motifs({str(path)!r}, kind={kind!r})" in str(caught.value)
    motifs = read_motifs(tmp_path, width=4, kind=kind)
    assert motifs.strongest_site() == ("ACTG",)
    expected = -LOG_ODDS
    if kind in ("counts", "probabilities"):
        expected = -np.log2(4 * (PROBABILITIES + 0.001) / 1.004)
    np.testing.assert_allclose(motifs.matrices()[0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("matrix", "kind"),
    [
        # Frequencies in percent, weights, counts with an empty cell, and a single column.
        (COUNTS / 3, "counts"),
        ([[7, 0, 0, 1]], "counts"),
        ([[0.25, 0.25, 0.25, 0.25]], "probabilities"),
        ([[0.333, 0.333, 0.333, 0]], "probabilities"),
        # Energies relative to the best base.
        ([[0, 2.1, 3, 3.5]], "counts"),
        (np.log(4 * PROBABILITIES), "log_odds"),
        (-np.log(4 * PROBABILITIES), "log_kd"),
        # Log odds with the background of yeast cannot be told apart from trained log Kd.
        (np.log2(PROBABILITIES / [0.31, 0.19, 0.19, 0.31]), "log_kd"),
        (-np.log2(PROBABILITIES / [0.31, 0.19, 0.19, 0.31]), "log_kd"),
        ([[-1e-9, 0, 0, 0]], "log_kd"),
    ],
)
def test_what_numbers_tell(matrix, kind):
    assert recognise(matrix) == kind


def test_log_odds_over_another_background_are_doubted(tmp_path, caplog):
    odds = np.log2(PROBABILITIES / [0.31, 0.19, 0.19, 0.31])
    write_raw(tmp_path / "Reb1.pkdm", odds)
    write_raw(tmp_path / "Abf1.pkdm", -odds)
    read_motifs(tmp_path)
    assert "1 of 2 motifs have columns whose mean is below 0" in caplog.text
    assert caplog.text.endswith("if these are: Reb1\n")
    caplog.clear()
    read_motifs(tmp_path / "Reb1.pkdm", kind="log_odds")
    assert not caplog.text


def test_a_mark_says_that_it_is_log_kd(tmp_path):
    energies = [[0, 2.1, 3, 3.5], [1, 0, 2, 2]]
    path = write_raw(tmp_path / "a.pkdm", energies)
    with pytest.raises(ValueError, match="put the line '# log Kd' into the file"):
        read_pkdm(path)
    write_raw(path, energies, before="# LOG Kd \n")
    np.testing.assert_array_equal(read_pkdm(path), energies)


@pytest.mark.parametrize("kind", MATRICES)
def test_what_was_written_is_log_kd_whatever_it_looks_like(tmp_path, kind):
    write_pkdm(tmp_path / "a.pkdm", MATRICES[kind])
    np.testing.assert_array_equal(read_pkdm(tmp_path / "a.pkdm"), MATRICES[kind])
    assert (tmp_path / "a.pkdm").read_text().startswith("A\t") == (kind == "log_kd")


def test_numbers_that_are_none_of_the_kind_asked_for(tmp_path):
    path = write_raw(tmp_path / "a.pkdm", LOG_ODDS)
    for kind in ("counts", "probabilities"):
        with pytest.raises(ValueError, match=rf"a\.pkdm: {kind}: expected numbers of 0 or more"):
            read_motifs(path, kind=kind)


columns = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 9), st.just(4)), elements=st.floats(1, 99)
)


@given(columns, st.sampled_from([2, math.e]))
def test_probabilities_as_every_kind(columns, base):
    probabilities = columns / columns.sum(axis=1, keepdims=True)
    odds = np.log(4 * probabilities) / np.log(base)
    assert recognise(columns) == "counts"
    assert recognise(probabilities) == "probabilities"
    # If all columns are close to 1/4, they show nothing: the tolerance allows for rounded numbers.
    if np.abs(odds).max() > 0.5:
        assert recognise(odds) == "log_odds"
    assert recognise(-odds) == "log_kd" or (odds <= 0).all()
