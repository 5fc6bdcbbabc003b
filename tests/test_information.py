"""Estimates of information against channels whose information is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cisreg.information import (
    Information,
    counted_entropy,
    entropy_terms,
    predictive_information,
)
from cisreg.losses import Gaussian, NegativeBinomial, Poisson, SortBins
from cisreg.losses.judged import judge_noise


def channel(count, r, seed=0):
    """Prediction and measurement of a Gaussian channel, whose information is -log(1 - r²) / 2."""
    random = np.random.default_rng(seed)
    x = random.normal(size=count)
    return x, r * x + math.sqrt(1 - r**2) * random.normal(size=count)


@pytest.mark.parametrize("r", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("change", [lambda x: x, np.exp, lambda x: -x], ids=["as", "exp", "minus"])
def test_a_gaussian_channel_whatever_the_scale(r, change):
    x, y = channel(4000, r)
    found = predictive_information(change(x), np.exp(y))
    assert found.nats == pytest.approx(-0.5 * math.log(1 - r**2), abs=0.03)
    assert found.nats == predictive_information(change(x), np.exp(y)).nats


def test_the_standard_error_is_that_of_repetitions():
    found = [predictive_information(*channel(600, 0.7, seed)) for seed in range(30)]
    scatter = np.std([each.nats for each in found], ddof=1)
    stated = np.mean([each.standard_error for each in found])
    assert 0.7 < stated / scatter < 1.5


def test_the_variational_information_of_a_gaussian_channel():
    x, y = channel(8000, 0.8)
    truth = -0.5 * math.log(1 - 0.64)
    own = judge_noise(Gaussian(deviation=0.6), 0.8 * x, y)
    assert own.variational.nats == pytest.approx(truth, abs=4 * own.variational.standard_error)
    assert own.variational.standard_error < 0.02
    assert own.predictive.nats == pytest.approx(truth, abs=0.03)
    # Another noise model, or other predictions, use less of it; the predictive one stays.
    for deviation, slope in ((0.9, 0.8), (0.6, 0.5)):
        other = judge_noise(Gaussian(deviation=deviation), slope * x, y)
        assert other.variational.nats < own.variational.nats - 0.02
        assert other.predictive.nats == own.predictive.nats


def exact_of_bins(noise, predicted):
    """The information about the bin of a read, by the sum over bins."""
    share = np.exp(noise.log_shares(predicted))
    every = share.mean(axis=0)
    return float((share * (np.log(share) - np.log(every))).sum(axis=1).mean())


@pytest.mark.parametrize("reads", [1, 6])
def test_bins(reads):
    random = np.random.default_rng(2)
    predicted = random.normal(size=8000)
    noise = SortBins(borders=(-1.0, -0.3, 0.3, 1.0), scale=0.3)
    measured = noise.sample(predicted, random, np.full(8000, reads))
    truth = exact_of_bins(noise, predicted)
    found = judge_noise(noise, predicted, measured)
    assert found.variational.nats == pytest.approx(truth, rel=0.03)
    assert found.predictive.nats == pytest.approx(truth, rel=0.03)
    assert abs(found.variational.nats - truth) < 4 * found.variational.standard_error


@pytest.mark.parametrize(
    "noise",
    [Poisson(library_size=(4.0,)), NegativeBinomial(library_size=(40.0,), dispersion=0.3)],
    ids=["poisson", "negative_binomial"],
)
def test_counts(noise):
    """Against the sum over all counts."""
    random = np.random.default_rng(3)
    predicted = np.exp(0.8 * random.normal(size=6000))
    counts = noise.sample(predicted, random)
    grid = np.arange(3000.0)
    levels = np.quantile(predicted, (np.arange(400) + 0.5) / 400)
    share = np.exp(
        [noise.log_likelihood(np.full(3000, each, "f4"), grid.astype("f4")) for each in levels],
        dtype=np.float64,
    )
    share /= share.sum(axis=1, keepdims=True)
    every = share.mean(axis=0)
    logs = np.log(np.maximum(share, 1e-300)) - np.log(np.maximum(every, 1e-300))
    truth = float((share * logs).sum(axis=1).mean())
    found = judge_noise(noise, predicted, counts)
    assert found.variational.nats == pytest.approx(truth, rel=0.04)
    assert found.predictive.nats == pytest.approx(truth, abs=0.04)


def test_missing_and_equal_measurements():
    x, y = channel(400, 0.5)
    both = np.stack([y, np.where(x > 0, np.nan, y)], axis=1)
    found = judge_noise(Gaussian(deviation=1.0), x, both)
    assert found.measurements == 400 + int((x <= 0).sum())
    assert judge_noise(Gaussian(deviation=1.0), x, np.round(y)).variational is None
    few = judge_noise(Gaussian(deviation=1.0), x[:10], y[:10])
    assert few.variational is None and few.predictive is None
    assert np.isfinite(few.log_likelihood)


def test_entropies():
    random = np.random.default_rng(4)
    assert entropy_terms(3 * random.random(20_000)).mean() == pytest.approx(math.log(3), abs=0.02)
    shares = np.array([0.5, 0.25, 0.25])
    drawn = [counted_entropy(random.multinomial(30, shares)) for _ in range(2000)]
    assert np.mean(drawn) == pytest.approx(1.5 * math.log(2), abs=0.01)
    assert Information(math.log(4), 0.0).bits == pytest.approx(2)


@pytest.mark.parametrize(
    ("predicted", "measured", "message"),
    [
        (np.zeros(5), np.zeros(5), "expected 20 rows or more of both, got 5 and 5"),
        (np.zeros(30), np.zeros(20), "got 30 and 20"),
        (np.full(30, np.nan), np.zeros(30), "expected finite numbers"),
    ],
)
def test_refused(predicted, measured, message):
    with pytest.raises(ValueError, match=message):
        predictive_information(predicted, measured)
