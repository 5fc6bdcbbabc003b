"""Correlations and errors against values computed by hand and by NumPy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cisreg.metrics import (
    agreement,
    mean_squared_error,
    pearson_correlation,
    r_squared,
    spearman_correlation,
)


def test_pearson_agrees_with_numpy_at_an_offset_that_would_swamp_float32():
    random = np.random.default_rng(0)
    measured = random.normal(size=500) + 1e4
    predicted = measured + random.normal(size=500)
    expected = np.corrcoef(predicted, measured)[0, 1]
    assert pearson_correlation(predicted, measured) == pytest.approx(expected, abs=1e-12)


def test_spearman_shares_ranks_among_ties():
    predicted, measured = np.array([1.0, 2.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0, 4.0])
    # Ranks 1, 2.5, 2.5, 4 against 1, 3, 2, 4: covariance 4.5, variances 4.5 and 5.
    assert spearman_correlation(predicted, measured) == pytest.approx(4.5 / np.sqrt(4.5 * 5))


def test_spearman_sees_the_order_alone():
    values = np.random.default_rng(1).normal(size=100)
    assert spearman_correlation(np.exp(values), values) == pytest.approx(1.0)
    assert spearman_correlation(-np.exp(values), values) == pytest.approx(-1.0)


def test_r_squared_is_the_share_of_the_variance():
    measured = np.array([1.0, 2.0, 3.0])
    assert r_squared(measured, measured) == 1.0
    assert r_squared(np.full(3, 2.0), measured) == 0.0
    assert r_squared(np.array([2.0, 3.0, 4.0]), measured) == pytest.approx(-0.5)


def test_agreement_gathers_all():
    predicted, measured = np.array([1, 2, 4], np.float32), np.array([1, 3, 4], np.float32)
    result = agreement(predicted, measured)
    assert result.mean_squared_error == mean_squared_error(predicted, measured) == 1 / 3
    assert result.pearson == pearson_correlation(predicted, measured)
    assert result.r_squared == r_squared(predicted, measured)
    assert result.spearman == pytest.approx(1.0)


def test_constants_have_no_correlation():
    constant, varying = np.full(3, 0.1), np.array([1.0, 2.0, 3.0])
    assert np.isnan(pearson_correlation(constant, varying))
    assert np.isnan(spearman_correlation(varying, constant))
    assert np.isnan(r_squared(varying, constant))
    assert mean_squared_error(constant, constant) == 0.0


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((2,), (3,)), "predicted, measured: expected the same length"),
        (((2, 1), (2, 1)), r"predicted: expected float64 of shape \[N\], got shape \[2, 1\]"),
        (((0,), (0,)), "predicted, measured: expected the same length, 1 or more"),
    ],
)
def test_shapes_that_do_not_match_are_refused(shapes, message):
    with pytest.raises(ValueError, match=message):
        agreement(*map(np.zeros, shapes))


def test_columns_are_compared_by_position():
    expected = agreement([1.0, 2.0, 4.0], [1, 3, 4])
    shuffled = pd.Series([1.0, 2.0, 4.0], index=[2, 0, 1])
    assert agreement(shuffled, pa.array([1, 3, 4])) == expected
    assert expected.mean_squared_error == pytest.approx(1 / 3)


@pytest.mark.parametrize("metric", list(agreement([1, 2], [1, 3])._fields))
def test_a_nan_makes_every_metric_nan(metric):
    numbers, spoiled = [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, np.nan, 4.0]
    for pair in ((spoiled, numbers), (numbers, spoiled), (spoiled, spoiled)):
        assert np.isnan(getattr(agreement(*pair), metric))


@pytest.mark.parametrize(
    ("predicted", "measured", "expected"),
    [
        ([1, 2, np.inf, 3], [1, 2, 4, 3], (np.nan, -np.inf, np.inf, 1.0)),
        ([1, 2, 4, 3], [1, 2, np.inf, 3], (np.nan, np.nan, np.inf, 1.0)),
        ([1, np.inf, np.inf], [1, np.inf, 3], (np.nan, np.nan, np.nan, np.sqrt(3) / 2)),
        ([7.0], [7.0], (np.nan, np.nan, 0.0, np.nan)),
    ],
)
def test_infinite_numbers_have_an_order_but_no_variance(predicted, measured, expected, recwarn):
    assert agreement(predicted, measured) == pytest.approx(expected, nan_ok=True)
    assert not list(recwarn)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_numbers_of_any_size_have_the_same_correlations(scale):
    random = np.random.default_rng(0)
    measured = random.normal(size=50)
    predicted = measured + random.normal(size=50)
    expected = agreement(predicted, measured)
    found = agreement(predicted * scale, measured * scale)
    assert found.pearson == pytest.approx(expected.pearson, rel=1e-12)
    assert found.r_squared == pytest.approx(expected.r_squared, rel=1e-12)
    assert found.spearman == expected.spearman
