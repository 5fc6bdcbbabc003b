"""P-values of hits, against the probabilities of all words, and q-values."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from scan_oracle import random_motifs, random_sequence

from cisreg.genome.portions import Portion, split
from cisreg.motifs import MotifSet
from cisreg.scan import (
    QValues,
    make_threshold,
    p_value_threshold,
    scan,
    scan_portions,
    site_p_values,
)
from cisreg.scan.q_values import count_windows
from cisreg.sequences import encode

BACKGROUNDS = [None, [0.3, 0.2, 0.2, 0.3], [0.4, 0.3, 0.2, 0.1], [0.37, 0.0, 0.13, 0.5]]
STEP = 1 / 1024


def words(width):
    return np.indices((4,) * width).reshape(width, -1).T.astype(np.uint8)


def true_p_values(matrix, background, step=STEP):
    """Of every word, by adding the probabilities of all words whose score is as low or lower."""
    excess = matrix.astype(np.float64) - matrix.astype(np.float64).min(axis=1, keepdims=True)
    width = len(matrix)
    every = words(width)
    # The rounding that is documented.
    score = np.floor(excess / step).astype(int)[np.arange(width), every].sum(axis=1)
    chance = np.asarray(background)[every].prod(axis=1)
    distinct, place = np.unique(score, return_inverse=True)
    return np.cumsum(np.bincount(place, chance, len(distinct)))[place]


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("width", [1, 2, 5, 8, 9])
def test_p_values_of_all_words_on_both_strands(width, background):
    random = np.random.default_rng(width)
    motifs = random_motifs(random, [width] * 2)
    forward = np.full(4, 0.25) if background is None else np.array(background)
    codes = words(width)
    on_forward = site_p_values(codes, motifs, background=background)
    limits = np.full(2, np.inf)
    hits = scan(codes, motifs, limits, p_values=True, background=background)
    for index, matrix in enumerate(motifs.matrices()):
        expected = true_p_values(matrix, forward)
        np.testing.assert_allclose(on_forward[:, index], expected, rtol=1e-12)
        own = hits[hits.motif == index]
        plus, minus = own[own.strand == 0], own[own.strand == 1]
        np.testing.assert_allclose(plus.p_value[np.argsort(plus.sequence)], expected, rtol=1e-12)
        # A word read on the other strand has the bases' complements, as frequent as these.
        expected = true_p_values(matrix, forward[::-1])
        other = (4 ** np.arange(width)) @ (3 - codes[minus.sequence].astype(int)).T
        np.testing.assert_allclose(minus.p_value, expected[other], rtol=1e-12)


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("p_value", [1e-4, 0.003, 0.3])
def test_hits_by_p_value_are_exactly_the_words_that_have_it(p_value, background):
    motifs = random_motifs(np.random.default_rng(7), [7, 7, 7])
    codes = words(7)
    hits = scan(codes, motifs, p_value=p_value, background=background)
    everything = scan(codes, motifs, np.inf, p_values=True, background=background)
    expected = everything[everything.p_value <= p_value]
    assert len(expected) > 0
    for name in ("sequence", "position", "strand", "motif", "log_kd", "p_value"):
        np.testing.assert_array_equal(getattr(hits, name), getattr(expected, name))
    # The threshold on log Kd is never more generous, and misses what rounding makes uncertain.
    threshold = p_value_threshold(motifs, p_value, background=background)
    strict = scan(codes, motifs, threshold, p_values=True, background=background)
    assert (strict.p_value <= p_value).all()
    missed = hits.log_kd > threshold[hits.motif]
    if background is None:
        assert (hits.log_kd[missed] <= threshold[hits.motif][missed] + 7 * STEP).all()
        assert len(strict) + missed.sum() == len(hits)


def test_p_values_do_not_depend_on_the_threshold():
    random = np.random.default_rng(8)
    motifs = random_motifs(random, [6, 11, 20])
    sequence = random_sequence(random, 1, 20_000, 0.01)
    all_hits = scan(sequence, motifs, 0, p_values=True)
    for options in ({"threshold": -3}, {"p_value": 1e-3}, {"share_of_best": 0.5}):
        hits = scan(sequence, motifs, p_values=True, **options)
        key = {
            key: value
            for *key_, value in zip(
                *(all_hits.position, all_hits.strand, all_hits.motif, all_hits.p_value),
                strict=True,
            )
            for key in [tuple(key_)]
        }
        assert len(hits) > 10
        for *place, value in zip(hits.position, hits.strand, hits.motif, hits.p_value, strict=True):
            assert key.get(tuple(place), value) == value


def test_p_values_rise_with_log_kd():
    random = np.random.default_rng(9)
    motifs = random_motifs(random, [12])
    hits = scan(random_sequence(random, 1, 50_000), motifs, p_value=0.01)
    order = np.argsort(hits.log_kd)
    log_kd, p_value = hits.log_kd[order], hits.p_value[order]
    # Sites whose log Kd differs by more than what rounding takes are in the same order.
    apart = log_kd[:, None] + 12 * STEP < log_kd[None, :]
    assert (p_value[:, None] <= p_value[None, :])[apart].all()


@pytest.mark.parametrize("cost", [50, 1e6, 1e38])
def test_p_values_of_motifs_with_forbidden_bases(cost):
    matrix = np.random.default_rng(13).normal(0, 1, (6, 4)).astype(np.float32)
    matrix[3, 2] = cost
    motifs = MotifSet.from_matrices(["a"], [matrix])
    hits = scan(words(6), motifs, p_value=0.05, strands="forward")
    values = np.full(4**6, np.nan)
    values[hits.sequence] = hits.p_value
    capped = np.minimum(matrix, 90)
    expected = true_p_values(capped, np.full(4, 0.25))
    np.testing.assert_array_equal(np.isfinite(values), expected <= 0.05)
    np.testing.assert_allclose(values[hits.sequence], expected[hits.sequence], rtol=1e-12)


def test_unknown_bases():
    motifs = random_motifs(np.random.default_rng(14), [4])
    worst = scan("ACNGT", motifs, np.inf, unknown="worst", p_values=True)
    every = site_p_values(words(4), motifs)[:, 0]
    for hit in range(len(worst)):
        # As the weakest of the four words that the letter may stand for.
        site = encode(["ACNGT"])[0, worst.position[hit] : worst.position[hit] + 4]
        site = site if worst.strand[hit] == 0 else np.uint8([3, 2, 1, 0, 4])[site][::-1]
        possible = (words(4) == site) | (site == 4)
        assert worst.p_value[hit] == every[possible.all(axis=1)].max()
    neutral = scan("NNNN", motifs, np.inf, unknown="neutral", p_values=True)
    assert ((neutral.p_value >= 0) & (neutral.p_value <= 1)).all()
    assert np.isnan(site_p_values(["ACGN", "ACG"], motifs)).all()


def fimo_distribution(scores, background):
    """FIMO's: probabilities of sums of whole numbers, one column after the other."""
    chance = {0: 1.0}
    for column in scores:
        following: dict[int, float] = {}
        for total, share in chance.items():
            for base in range(4):
                key = total + int(column[base])
                following[key] = following.get(key, 0.0) + share * background[base]
        chance = following
    return chance


@pytest.mark.parametrize("background", BACKGROUNDS[:3])
def test_p_values_are_fimos_on_its_grid(background):
    """A motif whose entries lie on a grid, wide enough that words cannot be listed."""
    random = np.random.default_rng(15)
    scores = random.integers(-300, 200, (14, 4))
    # Log odds in units of 0.03125 nats, which float32 holds exactly: log Kd is their negative.
    motifs = MotifSet.from_matrices(["a"], [-scores / 32])
    sites = random.choice(4, (400, 14), p=[0.25] * 4).astype(np.uint8)
    sites[0], sites[1] = scores.argmax(axis=1), scores.argmin(axis=1)
    forward = np.full(4, 0.25) if background is None else np.array(background)
    chance = fimo_distribution(scores, forward)
    totals = scores[np.arange(14), sites].sum(axis=1)
    expected = [sum(share for key, share in chance.items() if key >= total) for total in totals]
    found = site_p_values(sites, motifs, background=background)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_p_values_are_memelites():
    """memelite rounds log odds to its bins of 0.1; this motif has the same whole numbers."""
    fimo = importlib.import_module(pytest.importorskip("memelite").__name__ + ".fimo")
    random = np.random.default_rng(16)
    bins = random.integers(-40, 20, (8, 4))
    # The function is compiled: it takes the matrix as [4, width].
    smallest, mapping = fimo._pwm_to_mapping(np.ascontiguousarray(bins.T * 0.1), 0.1)
    motifs = MotifSet.from_matrices(["a"], [-bins / 32])
    sites = words(8)[::37]
    totals = bins[np.arange(8), sites].sum(axis=1)
    expected = 2.0 ** mapping[totals - int(smallest)]
    np.testing.assert_allclose(site_p_values(sites, motifs)[:, 0], expected, rtol=1e-6)


def benjamini_hochberg(p_values, count):
    order = np.argsort(p_values)
    rates = np.minimum(count * p_values[order] / np.arange(1, len(order) + 1), 1)
    rates = np.minimum.accumulate(rates[::-1])[::-1]
    q_values = np.empty(len(order))
    q_values[order] = rates
    return q_values


@pytest.mark.parametrize("strands", ["both", "reverse"])
def test_q_values(strands):
    random = np.random.default_rng(17)
    motifs = random_motifs(random, [5, 9])
    sequence = random_sequence(random, 3, 4000, 0.002)
    options = {"p_value": 0.01, "strands": strands, "background": [0.3, 0.2, 0.25, 0.25]}
    hits = scan(sequence, motifs, q_values=True, **options)
    every = scan(sequence, motifs, np.inf, strands=strands)
    for index in range(2):
        own = hits.motif == index
        count = (every.motif == index).sum()
        expected = benjamini_hochberg(hits.p_value[own], count)
        np.testing.assert_allclose(hits.q_value[own], expected, rtol=1e-12)
    assert hits.to_table().column_names[-2:] == ["p_value", "q_value"]
    counts = QValues(2)
    portions = [
        part
        for row, codes in enumerate(sequence)
        for part in split(Portion(f"s{row}", 0, codes, 4000, last=True), overlap=8, own=700)
    ]
    tables = list(scan_portions(iter(portions), motifs, q_values=counts, **options))
    in_portions = np.concatenate([counts.of_table(table) for table in tables])
    np.testing.assert_array_equal(in_portions, hits.q_value)


def test_windows_are_counted_as_sites_are():
    random = np.random.default_rng(18)
    codes = random_sequence(random, 1, 900, 0.03)[0]
    edges = np.sort(random.integers(0, 901, 20)).reshape(-1, 2)
    bounds = np.concatenate([edges[:5], [[edges[4, 1]] * 2], edges[5:]]).T
    bounds[0, 1] = bounds[1, 0]
    widths = np.array([1, 4, 9, 4])
    for skip in (True, False):
        counts = count_windows(codes, bounds, widths, skip_unknown=skip)
        expected = np.zeros(4, int)
        for first, end in bounds.T:
            for index, width in enumerate(widths):
                for start in range(first, end - width + 1):
                    known = (codes[start : start + width] < 4).all()
                    expected[index] += known or not skip
        np.testing.assert_array_equal(counts, expected)


def test_thresholds_say_what_they_came_from():
    motifs = random_motifs(np.random.default_rng(19), [5])
    threshold = make_threshold(motifs, p_value=0.01)
    assert (threshold.way, threshold.value) == ("p_value", 0.01)
    np.testing.assert_array_equal(threshold.log_kd, p_value_threshold(motifs, 0.01))
