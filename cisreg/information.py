"""The information that predictions have about measurements, in nats.

The mutual information of prediction and measurement is how many nats are known of a measurement
once the prediction is. Two estimates of it (Tareen et al. 2022, MAVE-NN, Genome Biology 23:98):
the variational information is what the noise model uses, a lower bound; the predictive information
asks no noise model.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

# Euler's constant: the digamma function at 1 is minus this.
_EULER = 0.5772156649015329
_NEIGHBOURS = 5
# The standard error is that of so many random parts, of half of the rows or so many.
_SUBSAMPLES, _MOST_OF_PART = 25, 2000
# Of more rows, so many are drawn.
_MOST_ROWS = 50_000
# Distances of so many rows to their neighbours are computed at a time.
_BLOCK = 1 << 22
# Reads around a sequence that say what reads of such a prediction are; a bias of a bin less than 1
# by twice their number remains.
_READS_AROUND = 2000

__all__ = ["Information", "counted_entropy", "entropy_terms", "predictive_information"]


def __dir__() -> list[str]:
    return __all__


class Information(NamedTuple):
    """An estimate of mutual information.

    Attributes:
        nats: the estimate, which may be a little below 0 where there is none.
        standard_error: from halves of the data.
    """

    nats: float
    standard_error: float

    @property
    def bits(self) -> float:
        """The estimate in bits.

        Example:
            >>> round(Information(math.log(2), 0.0).bits, 6)
            1.0
        """
        return self.nats / math.log(2)


def predictive_information(
    predicted: np.ndarray, measured: np.ndarray, *, seed: int = 0
) -> Information:
    """The mutual information of predictions and measurements, without a noise model.

    For one measurement of each sequence by the 5 nearest neighbours (Kraskov, Stögbauer and
    Grassberger 2004, Physical Review E 69:066138, estimator 1), both replaced by normal scores of
    their ranks, which leaves the information as it is. For counts of bins, per read, by the reads
    of sequences of similar predictions (see the source).

    The standard error is that of estimates of 25 random parts of m rows, half of all N or 2,000:
    their standard deviation times the root of m / (N - m), since parts of the same rows differ less
    than independent ones. (MAVE-NN takes halves, and 0.71 times this.) Of more than 50,000 rows,
    that many are drawn.

    Args:
        predicted: float [N].
        measured: float [N], or counts [N, B] of reads in B bins.
        seed: of the parts.

    Returns:
        Nats per measurement, or per read.

    Raises:
        ValueError: fewer than 20 rows, or numbers that are not finite.

    Example:
        >>> random = np.random.default_rng(0)
        >>> x = random.normal(size=4000)
        >>> found = predictive_information(x, x + random.normal(size=4000))
        >>> abs(found.nats - 0.5 * math.log(2)) < 3 * found.standard_error + 0.01
        True
    """
    predicted, measured = np.asarray(predicted, np.float64), np.asarray(measured, np.float64)
    if len(predicted) < 20 or len(predicted) != len(measured):
        raise ValueError(
            f"predicted, measured: expected 20 rows or more of both, got {len(predicted)} and "
            f"{len(measured)}"
        )
    if not (np.isfinite(predicted).all() and np.isfinite(measured).all()):
        raise ValueError(
            "predicted, measured: expected finite numbers, got others; leave such rows out"
        )
    estimate = _of_neighbours if measured.ndim == 1 else _of_bins
    random = np.random.default_rng(seed)
    if len(predicted) > _MOST_ROWS:
        rows = random.permutation(len(predicted))[:_MOST_ROWS]
        predicted, measured = predicted[rows], measured[rows]
    part = min(len(predicted) // 2, _MOST_OF_PART)
    of_parts = []
    for _ in range(_SUBSAMPLES):
        rows = random.permutation(len(predicted))[:part]
        of_parts.append(estimate(predicted[rows], measured[rows], random))
    error = float(np.std(of_parts, ddof=1)) * math.sqrt(part / (len(predicted) - part))
    return Information(estimate(predicted, measured, random), error)


def _of_neighbours(x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> float:
    x, y = _normal_scores(x, random), _normal_scores(y, random)
    # Sorted by x, neighbours lie near each other.
    order = np.argsort(x)
    x, y = x[order], y[order]
    radius = _distance_to_neighbour(x, y)
    near_x, near_y = _count_within(x, radius), _count_within(y, radius)
    digamma = _digamma(len(x))
    means = (digamma[near_x + 1] + digamma[near_y + 1]).mean()
    return float(digamma[_NEIGHBOURS] + digamma[len(x)] - means)


def _normal_scores(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Values of a standard normal distribution in the order of these; ties are broken at random."""
    order = np.lexsort((random.random(len(values)), values))
    rank = np.empty(len(values))
    rank[order] = np.arange(len(values))
    return _normal_quantile((rank + 0.5) / len(values))


def _normal_quantile(share: np.ndarray) -> np.ndarray:
    """Quantiles of the standard normal distribution, to 1e-5: from a table of its integral."""
    grid = np.linspace(-6.0, 6.0, 12_001)
    density = np.exp(-0.5 * grid**2)
    area = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return np.interp(share, area / area[-1], grid)


def _distance_to_neighbour(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The distance (of the larger coordinate) to the k-th neighbour, for points sorted by x.

    Neighbours are looked for among the points before and behind a point; twice as many for those
    whose k-th neighbour is farther than the ends of that stretch.
    """
    count = len(x)
    radius = np.empty(count)
    left, reach = np.arange(count), max(8 * _NEIGHBOURS, int(math.sqrt(count)))
    while len(left):
        reach = min(reach, count - 1)
        open_rows = []
        for part in np.array_split(left, -(-len(left) * 2 * reach // _BLOCK)):
            place = part[:, np.newaxis] + np.r_[-reach:0, 1 : reach + 1]
            inside = (place >= 0) & (place < count)
            place = np.clip(place, 0, count - 1)
            distance = np.abs(x[place] - x[part, np.newaxis])
            distance = np.maximum(distance, np.abs(y[place] - y[part, np.newaxis]))
            distance[~inside] = np.inf
            found = np.partition(distance, _NEIGHBOURS - 1, axis=1)[:, _NEIGHBOURS - 1]
            low, high = part - reach, part + reach
            safe = np.minimum(
                np.where(low > 0, x[part] - x[np.maximum(low, 0)], np.inf),
                np.where(high < count - 1, x[np.minimum(high, count - 1)] - x[part], np.inf),
            )
            radius[part] = found
            open_rows.append(part[found > safe])
        left, reach = np.concatenate(open_rows), 2 * reach
    return radius


def _count_within(values: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """How many other values lie nearer than a radius to each, int [N]."""
    ordered = np.sort(values)
    end = np.searchsorted(ordered, values + radius, "left")
    return end - np.searchsorted(ordered, values - radius, "right") - 1


def _digamma(most: int) -> np.ndarray:
    """The digamma function at 0 to `most`; that of 0 is not used."""
    return np.concatenate([[np.nan, -_EULER], np.cumsum(1 / np.arange(1.0, most)) - _EULER])


def _of_bins(predicted: np.ndarray, reads: np.ndarray, random: np.random.Generator) -> float:
    """Nats per read about the bin.

    The bins of reads of a sequence are predicted from the reads of sequences with predictions next
    to its own, about 2,000 reads, without its own: the mean log of these shares, and the entropy
    of the bins of all reads. Its bias is about -(B - 1) / (2 times 2,000) nats, which is added
    again.
    """
    order = np.lexsort((random.random(len(predicted)), predicted))
    reads = reads[order]
    total = np.cumsum(np.concatenate([np.zeros((1, reads.shape[1])), reads]), axis=0)
    every = total.sum(axis=1)
    around = min(_READS_AROUND, every[-1] / 10)
    middle = (every[1:] + every[:-1]) / 2
    begin = np.clip(middle - around / 2, 0, every[-1] - around)
    low = np.searchsorted(every, begin, "right") - 1
    high = np.searchsorted(every, begin + around, "left")
    near = total[high] - total[low] - reads
    bins = reads.shape[1]
    # Half a read beside those that are there (Krichevsky and Trofimov 1981).
    share = (near + 0.5) / (near.sum(axis=1, keepdims=True) + 0.5 * bins)
    logs = float((reads * np.log(share)).sum() / every[-1])
    bias = (bins - 1) / (2 * float(near.sum(axis=1).mean() + 0.5 * bins))
    return counted_entropy(reads.sum(axis=0)) + logs + bias


def counted_entropy(counts: np.ndarray) -> float:
    """The entropy of a category, in nats, from counts [B] (Miller 1955: with its bias corrected).

    Example:
        >>> round(counted_entropy(np.array([500.0, 500.0])), 3)
        0.694
    """
    there = counts[counts > 0]
    share = there / there.sum()
    return float(-(share * np.log(share)).sum() + (len(there) - 1) / (2 * there.sum()))


def entropy_terms(values: np.ndarray) -> np.ndarray:
    """Terms of which the mean is the differential entropy of values [N], in nats.

    By the 5 nearest neighbours of each (Kozachenko and Leonenko 1987), as in MAVE-NN.

    Returns:
        float64 [N], in the order of the values.

    Raises:
        ValueError: fewer than 20 values, or too many equal ones, which have no density.

    Example:
        >>> values = np.random.default_rng(0).normal(size=10_000)
        >>> abs(entropy_terms(values).mean() - 0.5 * math.log(2 * math.pi * math.e)) < 0.03
        True
    """
    values = np.asarray(values, np.float64)
    if len(values) < 20:
        raise ValueError(f"values: expected 20 or more, got {len(values)}")
    order = np.argsort(values)
    padded = np.pad(values[order], _NEIGHBOURS, constant_values=(-np.inf, np.inf))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURS + 1)
    distance = np.abs(np.delete(windows, _NEIGHBOURS, axis=1) - values[order][:, np.newaxis])
    radius = np.partition(distance, _NEIGHBOURS - 1, axis=1)[:, _NEIGHBOURS - 1]
    if (radius == 0).any():
        raise ValueError(
            "values: expected numbers on a continuous scale, got more than 5 equal ones"
        )
    digamma = _digamma(len(values))
    terms = np.empty(len(values))
    terms[order] = digamma[len(values)] - digamma[_NEIGHBOURS] + np.log(2 * radius)
    return terms
