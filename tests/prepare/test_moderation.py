"""The prior of variances: recovered from draws, and limits that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cisreg.prepare.moderation import LogVariances, digamma, fit_prior, inverse_trigamma, trigamma


def sums(variances, freedom):
    logs = np.log(variances)
    return LogVariances(freedom, len(logs), logs.sum(), (logs**2).sum())


@pytest.mark.parametrize(
    ("usual", "known", "freedoms"), [(2.0, 6.0, (2.0, 5.0, 11.0)), (0.3, 30.0, (20.0, 60.0))]
)
def test_the_prior_of_draws_is_recovered(usual, known, freedoms):
    random = np.random.default_rng(0)
    observed = []
    for freedom in freedoms:
        true = usual * known / random.chisquare(known, 20_000)
        observed.append(sums(true * random.chisquare(freedom, 20_000) / freedom, freedom))
    prior = fit_prior(observed)
    assert prior.variance == pytest.approx(usual, rel=0.03)
    assert prior.freedom == pytest.approx(known, rel=0.15)
    assert prior.share(known) == pytest.approx(0.5, abs=0.05)


def test_variances_that_differ_by_chance_alone_have_one_truth():
    random = np.random.default_rng(1)
    # A little less than by chance.
    draws = (3.0 * random.chisquare(4, 5000) / 4) ** 0.9
    prior = fit_prior([sums(draws, 4.0)])
    assert math.isinf(prior.freedom)
    assert prior.share(100.0) == 1.0
    assert fit_prior([]) is None


def test_functions_of_the_gamma_function():
    """By differences of the logarithm that Python has."""
    for x in (0.05, 0.5, 1.0, 3.7, 40.0):
        step = 1e-4 * x
        slope = (math.lgamma(x + step) - math.lgamma(x - step)) / (2 * step)
        assert digamma(x) == pytest.approx(slope, rel=1e-6, abs=1e-6)
        slope = (digamma(x + step) - digamma(x - step)) / (2 * step)
        assert trigamma(x) == pytest.approx(slope, rel=1e-6)
        assert inverse_trigamma(trigamma(x)) == pytest.approx(x, rel=1e-9)
