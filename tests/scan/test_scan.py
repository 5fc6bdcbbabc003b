"""Motif scanning: hits, strongest sites, and thresholds by p-value."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scan_oracle import (
    FIELDS,
    assert_same,
    oracle_hits,
    random_motifs,
    random_sequence,
    thresholds_of_share,
)

from cisreg.motifs import MotifSet, consensus_matrix, demo_motifs, sites_within
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
    # In a plain array, all columns count as the motif's own: windows are W wide.
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
    assert list(table) == ["sequence", "start", "end", "motif", "strand", "log_kd"]
    assert table["start"] == [2, 6]
    assert table["end"] == [6, 10]
    assert table["strand"] == ["+", "-"]
    assert table["motif"] == ["GATA"] * 2
    assert hits.to_table().to_pydict()["motif"] == ["GATA", "GATA"]
    assert scan(encode(["GATA"]), motifs.log_kd, 0.0).to_table().to_pydict()["motif"] == []
    array = scan(encode(["TTGATATATCTT"]), motifs.matrices()[0][:, :, None], -5.0)
    assert array.to_table().to_pydict()["motif"] == [0, 0]
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
        ({"sequence": np.zeros((2, 2, 2), np.uint8)}, r"sequence: .* got shape \[2, 2, 2\]"),
        ({"sequence": np.full((2, 9), 0.5)}, r"sequence: .* got 0.5 at \[0, 0\]"),
        ({"sequence": np.full((3, 9), -1)}, r"sequence: .* got -1 at \[0, 0\]"),
        ({"sequence": np.full((3, 9), 5, np.uint8)}, r"sequence: .* 0 to 4 .* got 5 at \[0, 0\]"),
        ({"unknown": "N"}, "unknown: expected one of 'skip', 'neutral', 'worst', got 'N'"),
        ({"motifs": "GATA"}, "motifs: expected float32 .* got <U4 such as 'GATA'"),
        ({"motifs": np.zeros((5, 3, 2), np.float32)}, r"motifs: .* got \[5, 3, 2\]"),
        ({"motifs": np.zeros((0, 4, 2), np.float32)}, r"motifs: .* got \[0, 4, 2\]"),
        ({"motifs": np.full((5, 4, 2), np.nan, np.float32)}, "motifs: expected .* finite"),
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
        ({"threshold": 0.0, "limit": -1}, "limit: expected 0 or more, got -1"),
    ],
)
def test_refusals(options, message):
    motifs = random_motifs(np.random.default_rng(10), [4] * 5)
    with pytest.raises(ValueError, match=message):
        scan(np.zeros((3, 9), np.uint8), motifs, **options)


def every_site(width: int) -> np.ndarray:
    return np.indices((4,) * width).reshape(width, -1).T.astype(np.uint8)


@pytest.mark.parametrize(
    "background",
    [None, [0.3, 0.2, 0.2, 0.3], [0.5, 0.5, 0.0, 0.0], [0.25, 0.05, 0.45, 0.25], [0.1, 0, 0, 0.9]],
)
@pytest.mark.parametrize("p_value", [1e-4, 0.01, 0.3])
def test_p_value_thresholds(p_value, background):
    motifs = random_motifs(np.random.default_rng(11), [2, 5, 8])
    threshold = p_value_threshold(motifs, p_value, background=background)
    assert threshold.dtype == np.float32
    probability = np.array([0.25] * 4 if background is None else background)
    # On the reverse strand, a base is as frequent as its complement on the forward strand.
    strands = [probability, probability[[3, 2, 1, 0]]]
    for index, width in enumerate(motifs.widths):
        sites = every_site(width)
        first, end = motifs.column_range()[:, index]
        columns = motifs.log_kd[first:end, :, index].astype(np.float64)
        log_kd = columns[np.arange(width), sites].sum(axis=1)
        weights = [share[sites].prod(axis=1) for share in strands]

        def chances(limit, log_kd=log_kd, weights=weights):
            return [weight[log_kd <= limit].sum() for weight in weights]

        assert max(chances(threshold[index])) <= p_value
        # The next grid point is too likely on one of the strands. Rounding took less than one step
        # from each column.
        step = 0.001
        lowest = min(columns[:, share > 0].min(axis=1).sum() for share in strands)
        next_point = max(threshold[index], lowest - step)
        assert max(chances(next_point + (width + 1) * step + 1e-5)) > p_value


def test_p_values_of_bases_that_are_forbidden():
    """A base with a huge cost does not make the grid coarser for the others."""
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
        "the strongest sites of 1 of 2 motifs are likelier than p-value 0.0001 on one of the "
        "strands: no site of theirs can pass it"
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
    # Poisson counts of about 2,000; some of the sites overlap.
    np.testing.assert_allclose(np.bincount(hits.motif), 2000, rtol=0.15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p_value": 0}, "p_value: expected a number above 0 and below 1, got 0"),
        ({"p_value": 1.0}, "p_value: expected a number above 0 and below 1, got 1.0"),
        ({"p_value": "1e-4"}, "p_value: expected a number above 0 and below 1, got '1e-4'"),
        ({"p_value": None}, "p_value: expected a number above 0 and below 1, got None"),
        ({"p_value": [1e-4]}, "p_value: expected a number above 0 and below 1, got .0.0001."),
        ({"p_value": 0.1, "background": [0.5] * 4}, "background: .* which sum to 1, got"),
        ({"p_value": 0.1, "background": [0.5, 0.5]}, "background: expected the probabilities"),
        ({"p_value": 0.1, "background": [1.5, -0.5, 0, 0]}, "background: expected the prob"),
        ({"p_value": 0.1, "background": [0.3, 0.3, 0.3, 0.13]}, "background: .* which sum to 1"),
        ({"p_value": 0.1, "background": {"A": 1, "C": 0}}, "background: .* A, C, G and T"),
    ],
)
def test_refusals_of_p_values(options, message):
    with pytest.raises(ValueError, match=message):
        p_value_threshold(demo_motifs(), **options)


@pytest.mark.parametrize("seed", range(3))
def test_p_values_hold_on_both_strands_of_a_skewed_genome(seed):
    random = np.random.default_rng(seed)
    background = random.permuted([0.45, 0.3, 0.2, 0.05])
    sequence = random.choice(4, (1, 500_000), p=background).astype(np.uint8)
    motifs = random_motifs(random, [11, 12, 15, 20])
    threshold = p_value_threshold(motifs, 1e-3, background=background)
    hits = scan(sequence, motifs, threshold)
    counts = np.zeros((2, 4))
    np.add.at(counts, (hits.strand, hits.motif), 1)
    # At most 500 hits are expected; those of neighbouring windows are correlated.
    assert counts.max() < 650
    # The strand that determines the threshold has nearly the requested number of hits.
    assert (counts.max(axis=0) > 350).all()


def test_a_background_is_normalised_and_may_name_its_bases():
    motifs = random_motifs(np.random.default_rng(22), [6, 9])
    exact = p_value_threshold(motifs, 1e-2, background=[0.4, 0.3, 0.2, 0.1])
    named = {"T": 0.1, "G": 0.2, "C": 0.3, "A": 0.4}
    for background in (named, pd.Series(named), pd.Series([0.4, 0.3, 0.2, 0.1], [2, 0, 3, 1])):
        same = p_value_threshold(motifs, 1e-2, background=background)
        np.testing.assert_array_equal(same, exact)
    # Sums that are off by rounding to two digits, or by one in a thousand.
    rounded = p_value_threshold(motifs, 1e-2, background=[0.4004, 0.3003, 0.2002, 0.1001])
    np.testing.assert_allclose(rounded, exact, atol=1e-5)
    third = p_value_threshold(motifs, 1e-2, background=[0.33, 0.33, 0.33, 0])
    assert np.isfinite(third).all()


GATAAG = MotifSet.from_matrices(["GATAAG"], [consensus_matrix("GATAAG")])
MIXED = ["CCCCGATAAGCCCCCCCCCC", "GATAAGCC", "AAGCCCCC", "AC", "CTTATCG"]


@pytest.mark.parametrize("length", [None, 20, 25])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("unknown", ["skip", "neutral", "worst"])
def test_sequences_of_several_lengths_are_scanned_as_each_alone(side, unknown, length):
    codes = encode(MIXED, length, side=side)
    hits = scan(codes, GATAAG, -3.5, unknown=unknown)
    assert list(zip(hits.sequence, hits.position, hits.strand, strict=True)) == [
        *((0, 4, 0), (1, 0, 0), (4, 0, 1))
    ]
    best = best_site(codes, GATAAG, unknown=unknown)
    for row, text in enumerate(MIXED):
        alone = best_site(encode([text]), GATAAG)
        for field in ("position", "strand", "log_kd"):
            assert getattr(best, field)[row] == getattr(alone, field)[0]
    assert best.position[3] == best.strand[3] == -1
    assert np.isposinf(best.log_kd[3])


def test_positions_of_trimmed_sequences_are_those_in_the_whole_sequence():
    for side, text in (("left", "CCCCCCGATAAGCC"), ("right", "CCGATAAGCCCCCC")):
        hits = scan(encode([text], 10, side=side), GATAAG, -3.5)
        assert hits.position.tolist() == [text.index("GATAAG")]


def test_chosen_rows_keep_their_ends_and_other_arrays_are_whole():
    codes = encode(MIXED)
    assert scan(codes[1], GATAAG, -3.5).position.tolist() == [0]
    assert scan(codes[[4, 1]], GATAAG, -3.5).sequence.tolist() == [0, 1]
    assert scan(codes[codes.length < 10], GATAAG, -3.5).position.tolist() == [0, 0]
    plain = scan(np.asarray(codes), GATAAG, -3.5)
    assert plain.position.tolist() == [4, 12, 13]
    # Rows of a plain array start at their first column, even with unknown bases, as in telomeres.
    telomere = np.array([[4, 4, 4, 2, 0, 3, 0, 0, 2, 1]])
    assert scan(telomere, GATAAG, -3.5).position.tolist() == [3]
    assert best_site(encode(["NNNGATAAGC"]), GATAAG).position.tolist() == [[3]]


def test_windows_of_unknown_bases_are_no_sites_unless_asked_for():
    motifs = MotifSet.from_probabilities(["DR"], [np.eye(4)[[2, 2, 2, 3, 1, 0, 0, 2, 3, 3, 1, 0]]])
    threshold = p_value_threshold(motifs, 1e-4)
    assert threshold > 0
    nothing = encode(["N" * 1000])
    assert len(scan(nothing, motifs, threshold)) == 0
    assert len(scan(nothing, motifs, np.inf)) == 0
    assert len(scan(nothing, motifs, threshold, unknown="neutral")) == 2 * 989
    assert len(scan(nothing, motifs, threshold, unknown="worst")) == 0
    assert len(scan(nothing, motifs, motifs.highest_log_kd(), unknown="worst")) == 2 * 989
    best = best_site(nothing, motifs)
    assert (best.position.tolist(), best.log_kd.tolist()) == ([[-1]], [[np.inf]])
    half = encode(["C" * 20 + "N" * 12])
    assert best_site(half, motifs, unknown="neutral").position.tolist() == [[20]]
    assert best_site(half, motifs).position < 20 - 11


def test_a_gap_in_a_chromosome_takes_its_own_sites_and_no_others():
    random = np.random.default_rng(23)
    motifs = random_motifs(random, [12, 18])
    threshold = np.maximum(p_value_threshold(motifs, 1e-3), 0.5)
    sequence = random_sequence(random, 1, 300_000)
    before = scan(sequence, motifs, threshold)
    sequence[0, 100_000:150_000] = 4
    after = scan(sequence, motifs, threshold, limit=len(before))
    end = before.position + motifs.widths[before.motif]
    outside = (end <= 100_000) | (before.position >= 150_000)
    np.testing.assert_array_equal(after.position, before.position[outside])
    np.testing.assert_array_equal(after.log_kd, before.log_kd[outside])


@pytest.mark.parametrize("seed", range(5))
def test_thresholds_that_a_site_reaches_exactly_list_it(seed):
    """A motif set, scan, best_site and sites_within give the same log Kd to the bit."""
    random = np.random.default_rng(seed)
    widths = random.integers(1, 40, 200).tolist()
    motifs = random_motifs(random, widths, spread=random.choice([1e-3, 1, 30]))
    for site, log_kd in (
        (motifs.strongest_site(), motifs.lowest_log_kd()),
        (motifs.weakest_site(), motifs.highest_log_kd()),
    ):
        codes = encode(site)
        everything = scan(codes, motifs, np.inf)
        chosen = (everything.sequence == everything.motif) & (everything.strand == 0)
        chosen &= everything.position == 0
        chosen &= codes.length[everything.sequence] == motifs.widths[everything.motif]
        np.testing.assert_array_equal(everything.log_kd[chosen], log_kd)
        hits = scan(codes, motifs, log_kd)
        own_forward = (hits.sequence == hits.motif) & (hits.strand == 0)
        assert set(hits.motif[own_forward]) == set(range(200))
    strongest = encode(motifs.strongest_site())
    np.testing.assert_array_equal(
        best_site(strongest, motifs).log_kd.diagonal(), motifs.lowest_log_kd()
    )
    reverse = scan(reverse_complement(strongest), motifs, motifs.lowest_log_kd())
    own_reverse = (reverse.sequence == reverse.motif) & (reverse.strand == 1)
    assert set(reverse.motif[own_reverse]) == set(range(200))
    for matrix, lowest in zip(motifs.matrices()[:20], motifs.lowest_log_kd(), strict=False):
        assert lowest in sites_within(matrix, lowest).log_kd


@pytest.mark.parametrize(
    "convert",
    [
        lambda codes: codes.tolist(),
        lambda codes: codes.astype(np.int64),
        lambda codes: codes.astype(float),
        lambda codes: pd.DataFrame(codes, index=[2, 0, 1]),
        lambda codes: pa.table({str(i): column for i, column in enumerate(codes.T)}),
        np.asfortranarray,
    ],
)
def test_codes_motifs_and_thresholds_of_every_kind(convert):
    sequence = random_sequence(np.random.default_rng(24), 3, 60)
    motifs = random_motifs(np.random.default_rng(25), [4, 6])
    expected = scan(sequence, motifs.log_kd, [-1.0, -2.0])
    assert len(expected)
    shuffled = pd.Series([-1.0, -2.0], index=[1, 0])
    for matrices in (motifs.log_kd, motifs.log_kd.astype(float), motifs.log_kd.tolist()):
        hits = scan(convert(sequence), matrices, shuffled)
        assert_same([getattr(hits, f) for f in FIELDS], [getattr(expected, f) for f in FIELDS])


def test_frames_have_names_where_they_are_known():
    hits = scan(encode(MIXED), GATAAG, -3.5)
    frame = hits.to_frame(sequence_names=[f"seq{row}" for row in range(5)])
    assert frame["sequence"].tolist() == ["seq0", "seq1", "seq4"]
    assert frame["start"].tolist() == [4, 0, 0]
    assert frame["strand"].tolist() == ["+", "+", "-"]
    assert set(frame["motif"]) == {"GATAAG"}
    np.testing.assert_array_equal(frame["log_kd"], hits.log_kd)
    best = best_site(encode(MIXED), GATAAG).to_frame(sequence_names=MIXED)
    assert best["sequence"].tolist() == MIXED
    assert best["start"].isna().tolist() == [False, False, False, True, False]
    assert best["strand"].isna().tolist() == [False, False, False, True, False]
    assert best["start"].tolist()[:2] == [4, 0]
    same = hits.to_frame(sequence_names=["promoter"] * 5)
    assert same["sequence"].tolist() == ["promoter"] * 3
    with pytest.raises(ValueError, match="sequence_names: expected at least 5 names, got 1"):
        hits.to_frame(sequence_names=["one"])


def test_results_are_shown_short_and_escaped():
    motifs = MotifSet.from_matrices(["<b>&"], [consensus_matrix("GATAAG")])
    hits, best = scan(encode(MIXED), motifs, -3.5), best_site(encode(MIXED), motifs)
    assert repr(hits) == "Hits(3 sites of 1 motif on 3 sequences, log Kd -7.947 to -7.947 nats)"
    assert repr(scan(encode(["AC"]), motifs, 0)) == "Hits(0 sites)"
    assert repr(best) == "BestSites(5 sequences, 1 motif, 1 of 5 without a site)"
    for result in (hits, best):
        page = result._repr_html_()
        assert "<td>&lt;b&gt;&amp;</td>" in page
        assert "<b>" not in page
    many = scan(np.zeros((1, 100)), MotifSet.from_matrices(["A"], [[[0, 1, 1, 1]]]), 0)
    assert many._repr_html_().count("<tr>") == 21
    assert "and 80 more" in many._repr_html_()


def test_example_of_the_page():
    page = (Path(__file__).parents[2] / "docs" / "howto" / "scan.md").read_text()
    example = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    names: dict[str, object] = {}
    exec(example, names)
    assert names["table"].num_rows == len(names["hits"]) > 0
    assert names["best"].position.shape == (2, len(names["motifs"]))
