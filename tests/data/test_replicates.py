"""The highest r that replicates leave, against simulated measurements of known noise."""

from __future__ import annotations

import numpy as np
import pytest

from cisreg.data.replicates import highest_r

RANDOM = np.random.default_rng(1)
SEQUENCE = RANDOM.integers(0, 4, (30_000, 20), dtype=np.uint8)
TRUTH = RANDOM.normal(size=30_000)


def test_the_best_prediction_of_a_mean_of_columns_reaches_it():
    measured = TRUTH[:, None] + RANDOM.normal(size=(30_000, 3))
    reached = np.corrcoef(TRUTH, measured.mean(axis=1))[0, 1]
    assert highest_r(SEQUENCE, measured) == pytest.approx(reached, abs=0.01)


def test_the_best_prediction_of_repeated_rows_reaches_it():
    rows = np.repeat(np.arange(30_000), 2)
    measured = TRUTH[rows] + 0.7 * RANDOM.normal(size=60_000)
    reached = np.corrcoef(TRUTH[rows], measured)[0, 1]
    assert highest_r(SEQUENCE[rows], measured) == pytest.approx(reached, abs=0.01)
    # The reverse complement of a sequence is the same one.
    turned = SEQUENCE[rows].copy()
    turned[::2] = 3 - turned[::2, ::-1]
    assert highest_r(turned, measured) == highest_r(SEQUENCE[rows], measured)


def test_the_best_prediction_of_means_of_those_that_are_there_reaches_it():
    measured = TRUTH[:, None] + RANDOM.normal(size=(30_000, 4))
    measured[5_000:, 1] = np.nan
    measured[10_000:, 2:] = np.nan
    # Rows in which nothing was measured play no part.
    measured[29_000:] = np.nan
    reached = np.corrcoef(TRUTH[:29_000], np.nanmean(measured[:29_000], axis=1))[0, 1]
    whole = highest_r(SEQUENCE[:5_000], measured[:5_000])
    assert reached < whole - 0.1
    assert highest_r(SEQUENCE, measured) == pytest.approx(reached, abs=0.01)


@pytest.mark.parametrize(
    "measured",
    [TRUTH, np.stack([TRUTH, np.zeros(30_000)], axis=1), np.full(30_000, np.nan)],
    ids=["no replicates", "constant", "nothing measured"],
)
def test_not_known(measured):
    assert np.isnan(highest_r(SEQUENCE, measured))


@pytest.mark.parametrize("complete", [2, 19, 20])
def test_few_rows_that_have_all_columns_say_too_little(complete):
    measured = TRUTH[:10_000, None] + RANDOM.normal(size=(10_000, 2))
    measured[complete:, 1] = np.nan
    assert np.isnan(highest_r(SEQUENCE[:10_000], measured)) == (complete < 20)
