"""Motif scanning: hits, strongest sites, and thresholds by p-value."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np
import pytest
from scan_oracle import (
    FIELDS,
    assert_same,
    oracle_hits,
    random_motifs,
    random_sequence,
    thresholds_of_share,
)

from cisreg.motifs import MotifSet, consensus_matrix, demo_motifs
from cisreg.scan import BestSites, Hits, best_site, p_value_threshold, scan
from cisreg.sequences import encode, reverse_complement


def test_reverse_complement_has_the_same_sites_on_the_other_strand():
    random = np.random.default_rng(5)
    sequence = random_sequence(random, 1, 2000, 0.01)
    motifs = random_motifs(random, [7])
    threshold = thresholds_of_share(sequence, motifs, 0.02)
    hits = scan(sequence, motifs, threshold)
    other = scan(reverse_complement(sequence), motifs, threshold)
    mirrored = np.lexsort([other.strand == 0, 2000 - 7 - other.position])
    np.testing.assert_array_equal(hits.log_kd, other.log_kd[mirrored])
    np.testing.assert_array_equal(hits.position, 2000 - 7 - other.position[mirrored])
    np.testing.assert_array_equal(hits.strand, 1 - other.strand[mirrored])


def test_positions_are_those_of_the_motifs_own_columns():
    sequence = encode(["TTGATATATCTT"])
    for width in (4, 7, 12, 30):
        motifs = MotifSet.from_matrices(["GATA"], [consensus_matrix("GATA")], width=width)
        hits = scan(sequence, motifs, motifs.lowest_log_kd())
        assert hits.position.tolist() == [2, 6]
        assert hits.strand.tolist() == [0, 1]
        best = best_site(sequence, motifs)
        assert (best.position.tolist(), best.strand.tolist()) == ([[2]], [[0]])


def test_plain_arrays_and_single_sequences():
    motifs = demo_motifs()
    sequence = random_sequence(np.random.default_rng(6), 1, 5000)
    threshold = motifs.lowest_log_kd() + 3
    one = scan(sequence[0], motifs, threshold)
    assert isinstance(one, Hits)
    assert len(one) > 0
    assert_same([getattr(one, f) for f in FIELDS], oracle_hits(sequence, motifs, threshold))
    assert set(one.sequence) == {0}
    # Of an array all columns count as the motif's own: windows are W wide.
    whole = MotifSet(
        motifs.names,
        motifs.log_kd,
        np.zeros(len(motifs)),
        np.full(len(motifs), motifs.width),
    )
    array = scan(sequence, motifs.log_kd, 0.0)
    assert_same(
        [getattr(array, f) for f in FIELDS],
        oracle_hits(sequence, whole, np.zeros(len(motifs))),
    )
    best = best_site(sequence[0], motifs)
    assert isinstance(best, BestSites)
    assert best.position.shape == (1, len(motifs))


def test_no_sequences_and_short_ones():
    motifs = random_motifs(np.random.default_rng(7), [3, 8])
    for shape in [(0, 100), (5, 0), (0, 0)]:
        sequence = np.zeros(shape, np.uint8)
        assert len(scan(sequence, motifs, np.inf)) == 0
        best = best_site(sequence, motifs)
        assert best.position.shape == (shape[0], 2)
        assert (best.position == -1).all()
    short = np.zeros((2, 5), np.uint8)
    assert set(scan(short, motifs, np.inf).motif) == {0}
    best = best_site(short, motifs)
    assert best.position[:, 1].tolist() == best.strand[:, 1].tolist() == [-1, -1]
    assert np.isposinf(best.log_kd[:, 1]).all()


def test_dtypes():
    motifs = demo_motifs()
    sequence = random_sequence(np.random.default_rng(8), 2, 300)
    hits = scan(sequence, motifs, 0.0)
    assert [getattr(hits, f).dtype.name for f in FIELDS] == [
        *("int64", "int64", "int8", "int32", "float32")
    ]
    best = best_site(sequence, motifs)
    assert [best.position.dtype.name, best.strand.dtype.name, best.log_kd.dtype.name] == [
        *("int64", "int8", "float32")
    ]


def test_table():
    motifs = MotifSet.from_matrices(["GATA"], [consensus_matrix("GATA")])
    hits = scan(encode(["TTGATATATCTT"]), motifs, motifs.lowest_log_kd())
    table = hits.to_table(sequence_names=["promoter"], motif_names=motifs.names).to_pydict()
    assert table["sequence"] == ["promoter"] * 2
    assert table["position"] == [2, 6]
    assert table["strand"] == ["+", "-"]
    assert table["motif"] == ["GATA"] * 2
    assert hits.to_table().to_pydict()["motif"] == [0, 0]
    with pytest.raises(ValueError, match="motif_names: expected at least 1 names, got 0"):
        hits.to_table(motif_names=[])
    assert scan(encode([]), motifs, 0.0).to_table(motif_names=motifs.names).num_rows == 0


def test_more_hits_than_the_limit_are_refused():
    motifs = demo_motifs()
    sequence = random_sequence(np.random.default_rng(9), 3, 50_000)
    count = len(scan(sequence, motifs, 0.0))
    for threads in (1, 2):
        assert len(scan(sequence, motifs, 0.0, limit=count, threads=threads)) == count
        with pytest.raises(ValueError, match=r"limit: expected at most .* hits, got more"):
            scan(sequence, motifs, 0.0, limit=count - 1, threads=threads)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sequence": ["ACGT"]}, "sequence: expected uint8 base codes of shape"),
        ({"sequence": np.zeros((2, 2, 2), np.uint8)}, r"sequence: .* got uint8 \[2, 2, 2\]"),
        ({"sequence": np.zeros((2, 9))}, r"sequence: .* got float64 \[2, 9\]"),
        ({"sequence": np.full((3, 9), 5, np.uint8)}, r"sequence: .* 0 to 4, got 5 at \[0, 0\]"),
        ({"motifs": np.zeros((5, 4, 2))}, "motifs: .* got one of float64; cast it"),
        ({"motifs": np.zeros((5, 3, 2), np.float32)}, r"motifs: .* got \[5, 3, 2\]"),
        ({"motifs": np.zeros((0, 4, 2), np.float32)}, r"motifs: .* got \[0, 4, 2\]"),
        ({"motifs": np.full((5, 4, 2), np.nan, np.float32)}, "motifs: expected finite"),
        ({"threads": 0}, "threads: expected 1 or more, or None, got 0"),
    ],
)
def test_refusals_of_both(options, message):
    arguments = {"sequence": np.zeros((3, 9), np.uint8), "motifs": demo_motifs(), **options}
    with pytest.raises(ValueError, match=message):
        best_site(**arguments)
    with pytest.raises(ValueError, match=message):
        scan(**arguments, threshold=0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": np.zeros(3)}, r"threshold: expected one number or shape \[5\], .* \[3\]"),
        ({"threshold": np.nan}, "threshold: expected numbers, got NaN"),
        ({"threshold": 0.0, "limit": -1}, "limit: expected 0 or more hits, got -1"),
    ],
)
def test_refusals(options, message):
    motifs = random_motifs(np.random.default_rng(10), [4] * 5)
    with pytest.raises(ValueError, match=message):
        scan(np.zeros((3, 9), np.uint8), motifs, **options)


def every_site(width: int) -> np.ndarray:
    return np.indices((4,) * width).reshape(width, -1).T.astype(np.uint8)


@pytest.mark.parametrize("background", [None, [0.3, 0.2, 0.2, 0.3], [0.5, 0.5, 0.0, 0.0]])
@pytest.mark.parametrize("p_value", [1e-4, 0.01, 0.3])
def test_p_value_thresholds(p_value, background):
    motifs = random_motifs(np.random.default_rng(11), [2, 5, 8])
    threshold = p_value_threshold(motifs, p_value, background=background)
    assert threshold.dtype == np.float32
    probability = np.array([0.25] * 4 if background is None else background)
    for index, width in enumerate(motifs.widths):
        sites = every_site(width)
        first, end = motifs.column_range()[:, index]
        columns = motifs.log_kd[first:end, :, index].astype(np.float64)
        log_kd = columns[np.arange(width), sites].sum(axis=1)
        weight = probability[sites].prod(axis=1)

        def chance(limit, log_kd=log_kd, weight=weight):
            return weight[log_kd <= limit].sum()

        assert chance(threshold[index]) <= p_value
        # The next grid point is too likely, and rounding took less than a step from each column.
        step = 0.001
        next_point = max(threshold[index], columns[:, probability > 0].min(axis=1).sum() - step)
        assert chance(next_point + (width + 1) * step + 1e-5) > p_value


def test_p_values_of_bases_that_are_forbidden():
    """However much a base costs, the grid is as fine for all the others."""
    matrix = np.random.default_rng(13).normal(0, 1, (8, 4, 1)).astype(np.float32)
    thresholds = []
    for cost in (50, 1e6, 1e38):
        matrix[3, 2] = cost
        thresholds.append(p_value_threshold(matrix, 1e-3))
    assert np.isfinite(thresholds[0])
    assert thresholds[0] == thresholds[1] == thresholds[2]


def test_p_values_far_above_the_strongest_site():
    motifs = random_motifs(np.random.default_rng(14), [6], spread=1000)
    (first,), (end,) = motifs.column_range()
    log_kd = motifs.log_kd[first:end, :, 0][np.arange(6), every_site(6)].sum(axis=1)
    for p_value in (0.01, 0.5):
        threshold = p_value_threshold(motifs, p_value)
        assert threshold > log_kd.min() + 100
        assert 0.95 * p_value < (log_kd <= threshold).mean() <= p_value


def test_p_value_of_motifs_too_weak_for_it(caplog):
    motifs = random_motifs(np.random.default_rng(12), [2, 12])
    with caplog.at_level(logging.WARNING, "cisreg.scan"):
        threshold = p_value_threshold(motifs, 1e-4)
    assert np.isneginf(threshold).tolist() == [True, False]
    assert caplog.messages == [
        "the strongest sites of 1 of 2 motifs are likelier than p-value 0.0001: no site of theirs "
        "can pass it"
    ]


def test_strongest_sites_pass_where_they_alone_are_rare_enough():
    random = np.random.default_rng(16)
    columns = random.permuted(np.tile([-1.1, -1.0985, 0.7, 1.9], (200, 6, 1)), axis=2)
    matrices = columns + random.normal(0, 1, (200, 6, 1))
    motifs = MotifSet.from_matrices([str(index) for index in range(200)], list(matrices))
    hits = scan(encode(motifs.strongest_site()), motifs, p_value_threshold(motifs, 1.01 * 4.0**-6))
    own = hits.motif[(hits.sequence == hits.motif) & (hits.strand == 0)]
    np.testing.assert_array_equal(own, np.arange(200))


def test_p_values_hold_on_random_sequences():
    motifs = random_motifs(np.random.default_rng(13), [10, 15, 30])
    sequence = random_sequence(np.random.default_rng(14), 1, 1_000_000)
    hits = scan(sequence, motifs, p_value_threshold(motifs, 1e-3))
    # Poisson counts of about 2,000, of which some overlap.
    np.testing.assert_allclose(np.bincount(hits.motif), 2000, rtol=0.15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p_value": 0}, "p_value: expected a number above 0 and below 1, got 0"),
        ({"p_value": 1.0}, "p_value: expected a number above 0 and below 1, got 1.0"),
        ({"p_value": 0.1, "background": [0.5] * 4}, "background: .* which sum to 1, got"),
        ({"p_value": 0.1, "background": [0.5, 0.5]}, "background: expected the probabilities"),
        ({"p_value": 0.1, "background": [1.5, -0.5, 0, 0]}, "background: expected the prob"),
    ],
)
def test_refusals_of_p_values(options, message):
    with pytest.raises(ValueError, match=message):
        p_value_threshold(demo_motifs(), **options)


def test_example_of_the_page():
    page = (Path(__file__).parents[1] / "docs" / "scanning.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, object] = {}
    exec(example, names)
    assert names["table"].num_rows == len(names["hits"]) > 0
    assert names["best"].position.shape == (1, len(names["motifs"]))
