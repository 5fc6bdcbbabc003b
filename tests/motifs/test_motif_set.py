"""MotifSet: placement in columns, checks, selection, reverse complement."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisreg.motifs import (
    MotifDetails,
    MotifSet,
    consensus_matrix,
    counts_to_probabilities,
    demo_motifs,
    probabilities_to_log_kd,
    reverse_complement_matrix,
    site_occupancy,
)


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
    # The ends 3 and 3 are equal: the first is dropped. Then 1 is weaker than 3 and is dropped too.
    np.testing.assert_array_equal(trimmed.log_kd[:, 0, 0], [5, 2, 3])
    assert (
        "1 of 1 motifs are wider than 3 columns and were trimmed (a width of 5 keeps them whole): a"
        in caplog.text
    )


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
    chosen = motifs[["Rap1", "Abf1"]]
    assert len(chosen) == 2
    for index, name in enumerate(["Rap1", "Abf1"]):
        original = motifs.names.index(name)
        np.testing.assert_array_equal(chosen.log_kd[:, :, index], motifs.log_kd[:, :, original])
        assert chosen.widths[index] == motifs.widths[original]


@pytest.mark.parametrize(
    ("index", "numbers"),
    [
        (0, [0]),
        (-1, [15]),
        (np.int32(3), [3]),
        ("Gcn4", [3]),
        (slice(2, 9, 3), [2, 5, 8]),
        (slice(None, None, -1), range(15, -1, -1)),
        ([5, 0], [5, 0]),
        (["Gcn4", "Abf1"], [3, 0]),
        (("Gcn4", 1), [3, 1]),
        (np.array(["Abf1"]), [0]),
        (pd.Index(["Gcn4", "Abf1"]), [3, 0]),
        (np.arange(16) % 8 == 1, [1, 9]),
        (pd.Series([3, 1], index=[1, 0]), [3, 1]),
    ],
    ids=str,
)
def test_motifs_by_number_and_name(index, numbers):
    motifs = demo_motifs()
    chosen, numbers = motifs[index], list(numbers)
    assert chosen.names == tuple(motifs.names[number] for number in numbers)
    np.testing.assert_array_equal(chosen.log_kd, motifs.log_kd[:, :, numbers])
    np.testing.assert_array_equal(chosen.column_range(), motifs.column_range()[:, numbers])


def test_motifs_one_by_one():
    motifs = demo_motifs()
    assert [motif.names for motif in motifs] == [(name,) for name in motifs.names]
    assert len(motifs) == 16
    assert "Gcn4" in motifs
    assert "gcn4" not in motifs
    assert 3 not in motifs


def test_arrow_arrays_are_an_index():
    motifs = demo_motifs()
    assert motifs[pa.array([2, 0])].names == motifs[[2, 0]].names
    assert motifs[pa.array(["Gcn4", "Abf1"])].names == ("Gcn4", "Abf1")
    assert motifs[pa.chunked_array([[2], [0]])].names == motifs[[2, 0]].names


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        ("Nobody", KeyError, "expected a name of this set of motifs, got 'Nobody'"),
        ("Gcn", KeyError, "got 'Gcn'; did you mean 'Gcn4'"),
        (["Gcn4", "Gcn5"], KeyError, "got 'Gcn5'"),
        (16, IndexError, "16 is out of bounds"),
        ([True], IndexError, "boolean"),
        ({"Gcn4"}, TypeError, "index: expected numbers, names or a slice, got {"),
        (True, TypeError, "index: expected numbers, names or a slice, got True"),
        (1.5, TypeError, "index: expected numbers, names or a slice, got 1.5"),
        ([], ValueError, "expected at least one motif, got none"),
        ([1, 1], ValueError, "got 'Cbf1' twice"),
    ],
    ids=str,
)
def test_motifs_that_are_not_there(index, error, message):
    with pytest.raises(error, match=message):
        demo_motifs()[index]


def test_consensus_is_that_of_the_motifs_made_from_one():
    from cisreg.motifs.demo import CONSENSUS

    assert demo_motifs().consensus() == tuple(CONSENSUS.values())
    letters = "ACGTRYSWKMBDHVN"
    motifs = MotifSet.from_matrices(list(letters), [consensus_matrix(each) for each in letters])
    assert motifs.consensus() == tuple(letters)


def test_sets_are_shown_short_and_escaped():
    motifs = demo_motifs()
    assert repr(motifs) == (
        "MotifSet(16 motifs, 6 to 17 of 20 columns wide: Abf1, Cbf1, Gal4, ..., poly-dA)"
    )
    assert repr(motifs["Abf1"]) == "MotifSet(1 motif, 13 of 20 columns wide: Abf1)"
    odd = MotifSet.from_matrices(["<i>&", "a\tb"], [matrix(3), matrix(4)])
    assert r"<i>&, a\tb" in repr(odd)
    page = odd._repr_html_()
    assert "&lt;i&gt;&amp;" in page
    assert "<i>" not in page
    assert "<td>RTCRYNNNNNACG</td>" in motifs._repr_html_()


def test_frame_of_a_set_gives_the_set_back():
    motifs = demo_motifs(width=30)
    frame = motifs.to_frame()
    assert list(frame.columns) == ["motif", "column", "A", "C", "G", "T"]
    parts = dict(iter(frame.groupby("motif", sort=False)))
    matrices = [part[["T", "G", "C", "A"]] for part in parts.values()]
    again = MotifSet.from_matrices(parts.keys(), matrices)
    assert again.names == motifs.names
    np.testing.assert_array_equal(again.log_kd, motifs.log_kd)


NUMBERS = np.arange(12.0).reshape(3, 4)
SHUFFLED = "TGCA"
BY_COLUMN = pd.DataFrame(NUMBERS[:, ::-1], columns=list(SHUFFLED))


@pytest.mark.parametrize(
    "frame",
    [
        BY_COLUMN,
        BY_COLUMN.T,
        BY_COLUMN.set_axis([5, 3, 3]),
        BY_COLUMN.set_axis(list("GAG")),
        BY_COLUMN.rename(columns=str.lower).T,
        BY_COLUMN.rename(columns={"T": "u ", "A": "a"}),
        pd.DataFrame(NUMBERS, index=[2, 0, 1]),
        pd.DataFrame(NUMBERS, columns=["x1", "x2", "x3", "x4"]),
        BY_COLUMN.astype("Float64"),
        pa.Table.from_pandas(BY_COLUMN),
        pa.table(list(NUMBERS.T), names=["1", "2", "3", "4"]),
        dict(zip(SHUFFLED, NUMBERS[:, ::-1].T.tolist(), strict=True)),
        NUMBERS.tolist(),
        NUMBERS.astype(np.int8),
    ],
    ids=lambda frame: type(frame).__name__,
)
def test_frames_are_read_by_the_names_of_their_bases(frame):
    (read,) = MotifSet.from_matrices(["a"], [frame]).matrices()
    np.testing.assert_array_equal(read, NUMBERS)
    np.testing.assert_array_equal(counts_to_probabilities(frame), counts_to_probabilities(NUMBERS))
    np.testing.assert_array_equal(reverse_complement_matrix(frame), NUMBERS[::-1, ::-1])
    np.testing.assert_array_equal(
        site_occupancy([[0, 1, 2]], frame, 0), site_occupancy([[0, 1, 2]], NUMBERS, 0)
    )


SQUARE = pd.DataFrame(np.eye(4), columns=list("TGCA"))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (SQUARE.set_axis(list("ACGT")), "columns or of the rows, got both"),
        (SQUARE.set_axis(list("ACGN"), axis=1), "expected columns named A, C, G and T, each once"),
        (SQUARE.set_axis(list("ACGA"), axis=1), "columns named .* got .*'A', 'C', 'G', 'A'"),
        (SQUARE.set_axis(list("AaGT"), axis=1), "columns named"),
        (SQUARE.set_axis(list("UTGA"), axis=1), "columns named"),
        (SQUARE.assign(N=0), "columns named .* and nothing else"),
        (SQUARE.set_axis(range(4), axis=1).set_axis(list("GATA")), "expected rows named A, C, G"),
        (pa.Table.from_pandas(SQUARE.rename(columns={"T": "X"})), "expected columns named"),
        ({"A": [1], "C": [2], "G": [3]}, "expected keys named A, C, G and T"),
        ({"x": [1]}, "expected the keys A, C, G and T, got"),
        (pd.DataFrame(NUMBERS).T, r"got \[4, 3\]; transpose"),
        (pd.DataFrame({"A": ["x"], "C": [1], "G": [1], "T": [1]}), "got 'x'"),
    ],
)
def test_names_of_bases_that_contradict_each_other_are_refused(frame, message):
    with pytest.raises(ValueError, match=f"matrices: motif 'a': .*{message}"):
        MotifSet.from_matrices(["a"], [frame])


def test_names_and_lists_of_motifs_are_taken_by_position():
    names = pd.Series(["first", "second"], index=[1, 0])
    matrices = pd.Series([NUMBERS, NUMBERS[::-1]], index=[1, 0])
    motifs = MotifSet.from_matrices(names, matrices)
    assert motifs.names == ("first", "second")
    np.testing.assert_array_equal(motifs.matrices()[1], NUMBERS[::-1])


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
        (["a"], [matrix(3)], 0, "width: expected 1 or more, got 0"),
        (["a", "b"], [matrix(3)], 5, "matrices: expected one for each of 2 names, got 1"),
    ],
)
def test_bad_matrices_are_named(names, matrices, width, message):
    with pytest.raises(ValueError, match=message):
        MotifSet.from_matrices(names, matrices, width=width)


@pytest.mark.parametrize("sign", [1, -1])
def test_sums_over_columns_are_finite(sign):
    columns = np.zeros((2, 4))
    columns[:, 1] = sign * 3e38
    with pytest.raises(ValueError, match=r"log_kd: expected sums over the columns .* motif 'b'"):
        MotifSet.from_matrices(["a", "b"], [columns[:1], columns], width=2)


def test_details_follow_their_motifs():
    details = [MotifDetails(accession=f"MA000{n}.1", site_count=n) for n in range(3)]
    matrices = [np.eye(4)[[n, 2]] for n in range(3)]
    motifs = MotifSet.from_matrices(["a", "b", "c"], matrices, width=4, details=details)
    assert motifs[["c", "a"]].details == (details[2], details[0])
    assert motifs["b"].details == (details[1],)
    other = MotifSet.from_matrices(["d"], matrices[:1], width=4)
    assert motifs.append(other).details == (*details, MotifDetails())
    with pytest.raises(ValueError, match="details: expected one for each of 3 motifs, got 2"):
        MotifSet.from_matrices(["a", "b", "c"], matrices, details=details[:2])


def test_details_of_columns_follow_the_columns():
    counts = ((9.0, 1.0, 0.0, 0.0), (0.0, 6.0, 4.0, 0.0), (2.5, 2.5, 2.5, 2.5))
    details = [
        MotifDetails(matrix=counts, kind="counts", threshold=-2.0, background=(0.3, 0.2, 0.1, 0.4))
    ]
    log_kd = -np.log((np.array(counts) + 0.1) / 10.4 / details[0].background)
    motifs = MotifSet.from_matrices(["a"], [log_kd], width=3, details=details)
    np.testing.assert_array_equal(motifs.probabilities()[0], np.array(counts) / 10)
    turned = motifs.reverse_complement()
    np.testing.assert_array_equal(turned.probabilities()[0], np.array(counts)[::-1, ::-1] / 10)
    assert turned.details[0].background == (0.4, 0.1, 0.2, 0.3)
    assert turned.reverse_complement().details == motifs.details
    trimmed = MotifSet.from_matrices(["a"], [log_kd], width=2, details=details)
    assert trimmed.details[0].matrix == counts[:2] and trimmed.details[0].threshold is None


@pytest.mark.parametrize("convention", ["natural", "pkdm"])
def test_probabilities_of_log_kd_know_its_convention_and_background(convention):
    probabilities = np.array([[0.7, 0.1, 0.1, 0.1], [0.2, 0.3, 0.4, 0.1]])
    background = (0.3, 0.2, 0.1, 0.4)
    details = [MotifDetails(convention=convention, background=background)]
    log_kd = probabilities_to_log_kd(
        probabilities, background=background, convention=convention, pseudocount=0
    )
    motifs = MotifSet.from_matrices(["a"], [log_kd], width=4, details=details)
    np.testing.assert_allclose(motifs.probabilities()[0], probabilities, rtol=1e-6)
    other = {"natural": "pkdm", "pkdm": "natural"}[convention]
    assert np.abs(motifs.probabilities(other)[0] - probabilities).max() > 0.03
