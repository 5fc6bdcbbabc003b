"""How well predictions and a noise model describe measurements: likelihood and information."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cisreg.information import (
    Information,
    counted_entropy,
    entropy_terms,
    predictive_information,
)
from cisreg.losses.bins import SortBins
from cisreg.losses.counts import Poisson
from cisreg.losses.noise import Noise

# Predictions that stand for all of them in the distribution of counts.
_MIXED = 512
_FEWEST = 20


class NoiseMetrics(NamedTuple):
    """Likelihood and information of measurements; per measurement, for sort bins per read.

    Attributes:
        log_likelihood: mean log likelihood of a measurement (for `SortBins`: of all reads of a
            sequence, as one measurement), nats.
        measurements: how many there were.
        variational: the information that the noise model uses: log likelihood plus the entropy of
            the measurements. A lower bound, as far as the noise model is not the true one; of
            counts, the entropy is that of the model over these sequences. None where it is not
            defined: for fewer than 20 measurements, or many equal ones on a continuous scale.
        predictive: see `cisreg.information.predictive_information`; or None.
    """

    log_likelihood: float
    measurements: int
    variational: Information | None
    predictive: Information | None


def judge_noise(noise: Noise, predicted: np.ndarray, measured: np.ndarray) -> NoiseMetrics:
    """Likelihood of measurements, and their information about the predictions.

    Args:
        noise: with all of its numbers.
        predicted: float [N].
        measured: float [N] or [N, K], as the noise model takes them.

    Raises:
        ValueError: shapes that do not fit, or numbers of another kind.

    Example:
        >>> from cisreg.losses import Gaussian
        >>> x = np.random.default_rng(0).normal(size=2000)
        >>> y = x + np.random.default_rng(1).normal(size=2000)
        >>> round(judge_noise(Gaussian(deviation=1.0), x, y).variational.bits, 1)
        0.5
    """
    import tensorflow as tf

    predicted, measured = np.asarray(predicted, np.float64), np.asarray(measured, np.float64)
    noise.check(measured)
    logs = noise.log_likelihood(tf.constant(predicted), tf.constant(measured)).numpy()
    logs = logs.reshape(len(predicted), -1).astype(np.float64)
    levels = noise.levels(measured).reshape(len(predicted), -1)
    there = np.isfinite(levels)
    count = int(there.sum())
    variational: Information | None
    if isinstance(noise, SortBins):
        variational = _of_bins(noise, predicted, measured)
    elif isinstance(noise, Poisson):
        variational = _of_counts(noise, predicted, measured, there)
    else:
        variational = _of_continuous(logs, levels, there)
    shown = measured if isinstance(noise, SortBins) else levels
    return NoiseMetrics(
        float(logs[there].mean()) if count else float("nan"),
        count,
        variational if count >= _FEWEST else None,
        _predictive(predicted, shown, there) if count >= _FEWEST else None,
    )


def _of_continuous(logs: np.ndarray, levels: np.ndarray, there: np.ndarray) -> Information | None:
    try:
        entropy = [
            entropy_terms(column[known]) for column, known in zip(levels.T, there.T, strict=True)
        ]
    except ValueError:
        return None
    terms = np.zeros_like(logs)
    for column, each in enumerate(entropy):
        terms[there[:, column], column] = each
    return _mean_of_rows(logs + terms, there)


def _of_bins(noise: SortBins, predicted: np.ndarray, reads: np.ndarray) -> Information:
    reads = np.nan_to_num(reads)
    every = reads.sum(axis=0)
    share = np.where(every > 0, every, 1) / every.sum()
    of_rows = (reads * (noise.log_shares(predicted) - np.log(share))).sum(axis=1)
    count = reads.sum(axis=1)
    nats = float((reads * noise.log_shares(predicted)).sum() / every.sum()) + counted_entropy(every)
    error = float(np.sqrt(((of_rows - of_rows.sum() / count.sum() * count) ** 2).sum()))
    return Information(nats, error / float(count.sum()))


def _of_counts(
    noise: Poisson, predicted: np.ndarray, measured: np.ndarray, there: np.ndarray
) -> Information:
    """Log likelihood minus that of the mixture of the predictions, for each count."""
    import tensorflow as tf

    shares = (np.arange(_MIXED) + 0.5) / _MIXED
    mixed = np.quantile(predicted, shares) if len(predicted) > _MIXED else predicted
    columns = tf.constant(measured.reshape(len(predicted), -1))
    ones = np.ones(len(predicted))
    of_each = np.stack(
        [noise.log_likelihood(tf.constant(each * ones), columns).numpy() for each in mixed]
    )
    most = of_each.max(axis=0)
    together = most + np.log(np.exp(of_each - most, dtype=np.float64).mean(axis=0))
    own = noise.log_likelihood(tf.constant(predicted), columns).numpy()
    # The own prediction is one of all, also where it is beyond those that stand for them.
    count = len(predicted)
    together = np.logaddexp(together + np.log1p(-1 / count), own - np.log(count))
    return _mean_of_rows(own - together, there)


def _mean_of_rows(terms: np.ndarray, there: np.ndarray) -> Information:
    """The mean of terms [N, K] where they are there; its error from rows, which are independent."""
    terms = np.where(there, terms, 0.0)
    nats = float(terms.sum() / there.sum())
    residual = terms.sum(axis=1) - nats * there.sum(axis=1)
    return Information(nats, float(np.sqrt((residual**2).sum()) / there.sum()))


def _predictive(
    predicted: np.ndarray, measured: np.ndarray, there: np.ndarray
) -> Information | None:
    if measured.shape != there.shape:
        known = there[:, 0]
        return predictive_information(predicted[known], np.nan_to_num(measured[known]))
    found = [
        predictive_information(predicted[known], column[known])
        for column, known in zip(measured.T, there.T, strict=True)
        if known.sum() >= _FEWEST
    ]
    if not found:
        return None
    return Information(*(float(each) for each in np.mean(found, axis=0)))
