"""What is kept of rows beyond the number that memory is given: a fair sample."""

from __future__ import annotations

import numpy as np
import pytest

from cisreg.checks.kept import KeptRows, SequenceSample
from cisreg.checks.measured import Extremes, Moments
from cisreg.checks.repeats import ROW, find_repeats
from cisreg.data.splitting import sequence_hashes


def rows_of(hashes):
    rows = np.zeros(len(hashes), ROW)
    rows["hash"] = hashes
    return rows


def test_all_rows_of_a_sequence_are_kept_or_none():
    random = np.random.default_rng(0)
    sequences = random.integers(0, 2**63, 5000, np.uint64) * np.uint64(2)
    every = np.repeat(sequences, 3)
    random.shuffle(every)
    kept = KeptRows(most=4000)
    for part in np.array_split(every, 7):
        kept.add(rows_of(part))
    found = find_repeats(kept.sorted(ROW))
    assert found.rows == 3 * found.sequences == found.repeating <= 4000
    assert found.sequences / 5000 == pytest.approx(kept.share, rel=0.1)
    assert kept.share == 0.25


def test_the_sample_is_the_same_in_any_order_and_has_each_sequence_once():
    random = np.random.default_rng(1)
    codes = random.integers(0, 4, (3000, 20), np.uint8)
    codes = np.concatenate([codes, codes[:500]])
    samples = []
    for order in (np.arange(3500), random.permutation(3500)):
        sample = SequenceSample(most=200)
        for part in np.array_split(order, 9):
            hashes = sequence_hashes(codes[part])
            sample.add(hashes, codes[part], np.zeros(len(part), np.float32))
        samples.append(sample.sequences()[0])
    np.testing.assert_array_equal(*samples)
    assert len(samples[0]) == 200
    assert len(np.unique(samples[0], axis=0)) == 200
    lowest = np.sort(sequence_hashes(codes[:3000]))[:200]
    np.testing.assert_array_equal(np.sort(sequence_hashes(samples[0])), lowest)


def test_moments_of_parts_are_those_of_numpy():
    values = np.random.default_rng(2).normal(1e6, 1.0, (1000, 3))
    moments = Moments(3)
    for part in np.array_split(values, 6):
        moments.add(part)
    moments.add(values[:0])
    np.testing.assert_allclose(moments.mean, values.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(moments.covariance, np.cov(values.T), rtol=1e-9)
    np.testing.assert_allclose(moments.correlation, np.corrcoef(values.T), rtol=1e-9)


def test_extremes_of_parts_are_those_of_all():
    values = np.random.default_rng(3).integers(-3, 4, 500).astype(np.float32)
    extremes = Extremes()
    for part in np.array_split(values, 11):
        extremes.add(part)
    assert (extremes.least, extremes.greatest) == (-3, 3)
    assert extremes.at_least == (values == -3).sum()
    assert extremes.at_greatest == (values == 3).sum()
    assert (extremes.negative, extremes.zero) == ((values < 0).sum(), (values == 0).sum())
    assert extremes.whole
    extremes.add(np.array([0.5], np.float32))
    assert not extremes.whole
