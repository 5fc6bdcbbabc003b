"""MotifSet: placement in columns, checks, selection, reverse complement."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisreg.motifs import MotifSet, demo_motifs


def matrix(width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(width, 4))


def test_from_matrices_centres_with_the_spare_column_behind():
    motifs = MotifSet.from_matrices(
        ["even", "odd", "full"], [matrix(4), matrix(3), matrix(8)], width=8
    )
    assert motifs.first_column.tolist() == [2, 2, 0]
    assert motifs.widths.tolist() == [4, 3, 8]
    np.testing.assert_array_equal(motifs.log_kd[2:6, :, 0], matrix(4).astype(np.float32))
    np.testing.assert_array_equal(motifs.log_kd[5:, :, 1], 0)


def test_from_matrices_trims_the_weaker_end_and_the_first_of_equal_ends(caplog):
    strength = np.array([3.0, 1, 5, 2, 3])
    columns = strength[:, np.newaxis] * [1.0, -1, 1, -1]
    with caplog.at_level(logging.WARNING, "cisreg.motifs"):
        trimmed = MotifSet.from_matrices(["a"], [columns], width=3)
    # 3 against 3 drops the first, then 1 against 3 the next.
    np.testing.assert_array_equal(trimmed.log_kd[:, 0, 0], [5, 2, 3])
    assert "1 of 1 motifs are wider than 3 columns and were trimmed: a" in caplog.text


def test_trimming_counts_squares_so_one_strong_base_outweighs_four_weak_ones():
    columns = [[2.0, 0, 0, 0], [0, 0, 0, 9.0], [0.9, 0.9, 0.9, 0.9]]
    kept = MotifSet.from_matrices(["a"], [columns], width=2).log_kd[:, :, 0]
    np.testing.assert_array_equal(kept, np.float32(columns[:2]))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 100))
def test_every_motif_lies_within_its_columns(own_width, width, seed):
    motifs = MotifSet.from_matrices(["a"], [matrix(own_width, seed)], width=width)
    assert motifs.widths[0] == min(own_width, width)
    first, end = motifs.column_range()[:, 0]
    assert end - first == motifs.widths[0]
    assert not motifs.log_kd[:first].any()
    assert not motifs.log_kd[end:].any()


def test_arrays_are_copies_of_the_documented_types_and_read_only():
    log_kd = np.ones((2, 4, 1))
    motifs = MotifSet(["a"], log_kd, [0], [2])
    log_kd[:] = 5
    assert motifs.log_kd.max() == 1
    assert (motifs.log_kd.dtype, motifs.first_column.dtype) == (np.float32, np.int32)
    with pytest.raises(ValueError, match="read-only"):
        motifs.log_kd[0] = 2


def test_select_keeps_the_order_asked_for():
    motifs = demo_motifs()
    chosen = motifs.select(["Rap1", "Abf1"])
    assert len(chosen) == 2
    for index, name in enumerate(["Rap1", "Abf1"]):
        original = motifs.names.index(name)
        np.testing.assert_array_equal(chosen.log_kd[:, :, index], motifs.log_kd[:, :, original])
        assert chosen.widths[index] == motifs.widths[original]
    with pytest.raises(ValueError, match=r"Nobody.*it holds"):
        motifs.select(["Nobody"])


def test_reverse_complement_twice_is_the_same_and_once_reads_the_other_strand():
    motifs = MotifSet.from_matrices(["a", "b"], [matrix(4), matrix(7)], width=9)
    once = motifs.reverse_complement()
    np.testing.assert_array_equal(once.log_kd[once.first_column[0], 0], motifs.log_kd[5, 3])
    complement = str.maketrans("ACGT", "TGCA")
    expected = tuple(site[::-1].translate(complement) for site in motifs.strongest_site())
    assert once.strongest_site() == expected
    twice = once.reverse_complement()
    np.testing.assert_array_equal(twice.log_kd, motifs.log_kd)
    np.testing.assert_array_equal(twice.first_column, motifs.first_column)


def test_column_range_widens_by_the_flank_and_stops_at_the_edges():
    motifs = MotifSet.from_matrices(["a", "b"], [matrix(2), matrix(5)], width=6)
    assert motifs.column_range().tolist() == [[2, 0], [4, 5]]
    assert motifs.column_range(1).tolist() == [[1, 0], [5, 6]]
    assert motifs.column_range(1).dtype == np.int32
    with pytest.raises(ValueError, match="flank: expected 0 or more"):
        motifs.column_range(-1)


def test_lowest_log_kd_is_that_of_the_strongest_site():
    motifs = MotifSet.from_matrices(["a", "b"], [matrix(5), matrix(3)], width=7)
    for index, site in enumerate(motifs.strongest_site()):
        columns = motifs.first_column[index] + np.arange(len(site))
        bases = ["ACGT".index(letter) for letter in site]
        energy = motifs.log_kd[columns, bases, index].sum()
        assert motifs.lowest_log_kd()[index] == pytest.approx(energy, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ()}, "names: expected at least one motif"),
        ({"names": ("a", "a")}, "names: expected distinct names, got 'a' twice"),
        ({"names": ("a", "")}, "names: expected non-empty strings, got ''"),
        ({"names": ("a",)}, r"log_kd: expected shape \[W, 4, 1\].*got \[3, 4, 2\]"),
        ({"log_kd": np.zeros((0, 4, 2))}, r"log_kd: expected shape.*got \[0, 4, 2\]"),
        ({"log_kd": np.zeros((3, 5, 2))}, r"log_kd: expected shape.*got \[3, 5, 2\]"),
        ({"first_column": [0]}, r"first_column: expected shape \[2\], got \[1\]"),
        ({"first_column": [0, 2]}, "expected columns within 0..2, which motif 'b'"),
        ({"first_column": [-1, 0]}, "expected columns within 0..2, which motif 'a'"),
        ({"widths": [0, 2]}, "expected columns within 0..2, which motif 'a'"),
        ({"log_kd": np.full((3, 4, 2), np.nan)}, "log_kd: expected finite float32 numbers"),
        ({"log_kd": np.ones((3, 4, 2))}, "log_kd: expected zeros outside.*motif 'a'"),
    ],
)
def test_bad_fields_are_named(change, message):
    fields = {
        "names": ("a", "b"),
        "log_kd": np.zeros((3, 4, 2)),
        "first_column": [0, 1],
        "widths": [2, 2],
    }
    MotifSet(**fields)
    with pytest.raises(ValueError, match=message):
        MotifSet(**{**fields, **change})


@pytest.mark.parametrize(
    ("names", "matrices", "width", "message"),
    [
        (["a"], [np.zeros((0, 4))], 5, r"motif 'a': expected shape \[width, 4\] .* got \[0, 4\]"),
        (["a"], [np.zeros((4, 3))], 5, r"motif 'a': .* got \[4, 3\]"),
        (["a"], {"a": matrix(3)}, 5, r"matrices: expected a list, got a dict"),
        (["a"], [matrix(3)], 0, "width: expected 1 or more columns, got 0"),
        (["a", "b"], [matrix(3)], 5, "matrices: expected one for each of 2 names, got 1"),
    ],
)
def test_bad_matrices_are_named(names, matrices, width, message):
    with pytest.raises(ValueError, match=message):
        MotifSet.from_matrices(names, matrices, width=width)
