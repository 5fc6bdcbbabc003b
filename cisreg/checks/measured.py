"""Measurements and bases of a data set in one pass: scale, extremes, agreement, composition."""

from __future__ import annotations

import numpy as np


class Moments:
    """Means and covariances of columns, exact to rounding, from one pass.

    The sums are of differences from the first rows' mean, so that no digits are lost where the
    spread is small against the mean.

    Args:
        columns: how many there are, K.

    Example:
        >>> moments = Moments(2)
        >>> moments.add(np.array([[1.0, 2.0], [3.0, 6.0]]))
        >>> moments.covariance.tolist()
        [[2.0, 4.0], [4.0, 8.0]]
    """

    def __init__(self, columns: int) -> None:
        self.count = 0
        self._origin: np.ndarray | None = None
        self._sum, self._product = np.zeros(columns), np.zeros((columns, columns))

    def add(self, values: np.ndarray) -> None:
        """Adds rows, float [n, K], all finite."""
        if not len(values):
            return
        if self._origin is None:
            self._origin = values.mean(axis=0, dtype=np.float64)
        centred = values - self._origin
        self.count += len(values)
        self._sum += centred.sum(axis=0)
        self._product += centred.T @ centred

    @property
    def mean(self) -> np.ndarray:
        """float64 [K]; NaN without rows."""
        if self._origin is None:
            return np.full(len(self._sum), np.nan)
        return self._origin + self._sum / self.count

    @property
    def covariance(self) -> np.ndarray:
        """float64 [K, K], of a sample: divided by n - 1; NaN for fewer than two rows."""
        if self.count < 2:
            return np.full_like(self._product, np.nan)
        centred = self._product - np.outer(self._sum, self._sum) / self.count
        return centred / (self.count - 1)

    @property
    def correlation(self) -> np.ndarray:
        """float64 [K, K]; NaN for a column that does not vary."""
        covariance = self.covariance
        deviation = np.sqrt(np.diag(covariance))
        with np.errstate(invalid="ignore", divide="ignore"):
            return covariance / np.outer(deviation, deviation)


class Extremes:
    """The least and greatest of all values, how many rows have them, and what kind of numbers.

    Attributes:
        least, greatest: NaN without values.
        at_least, at_greatest: number of values that are equal to them.
        negative, zero: number of such values.
        whole: whether all are whole numbers.
        count: number of values.
    """

    def __init__(self) -> None:
        self.least, self.greatest = float("nan"), float("nan")
        self.at_least = self.at_greatest = self.negative = self.zero = 0
        self.count, self.whole = 0, True

    def add(self, values: np.ndarray) -> None:
        """Adds values, float [n], all finite."""
        if not len(values):
            return
        self.count += len(values)
        low, high = float(values.min()), float(values.max())
        if not low >= self.least:
            self.least, self.at_least = low, 0
        if not high <= self.greatest:
            self.greatest, self.at_greatest = high, 0
        self.at_least += int((values == self.least).sum())
        self.at_greatest += int((values == self.greatest).sum())
        self.negative += int((values < 0).sum())
        self.zero += int((values == 0).sum())
        self.whole = self.whole and bool((values == np.rint(values)).all())


class Composition:
    """Bases of the sequences, and how well they alone predict expression.

    Attributes:
        bases: int64 [5], number of A, C, G, T and of unknown bases.
        with_unknown: number of sequences with an unknown base.
    """

    def __init__(self) -> None:
        self.bases = np.zeros(5, np.int64)
        self.with_unknown = 0
        # Shares of C, G and T, of which that of A follows; expression.
        self._moments = Moments(4)
        self._content = Moments(2)

    def add(self, codes: np.ndarray, length: np.ndarray, expression: np.ndarray) -> None:
        """Adds rows.

        Args:
            codes: uint8 [n, L] as in `Block`.
            length: int64 [n].
            expression: float [n], or NaN where nothing was measured.
        """
        counts = np.stack([(codes == base).sum(axis=1) for base in range(4)], axis=1)
        unknown = length - counts.sum(axis=1)
        self.bases += [*counts.sum(axis=0), unknown.sum()]
        self.with_unknown += int((unknown > 0).sum())
        known = counts.sum(axis=1)
        usable = (known > 0) & np.isfinite(expression)
        shares = counts[usable] / known[usable, None]
        values = expression[usable, None].astype(np.float64)
        self._moments.add(np.concatenate([shares[:, 1:], values], axis=1))
        content = (shares[:, 1] + shares[:, 2])[:, None]
        self._content.add(np.concatenate([content, values], axis=1))

    @property
    def gc_content(self) -> float:
        """Share of C and G among the known bases; NaN without any."""
        known = int(self.bases[:4].sum())
        return float(self.bases[1] + self.bases[2]) / known if known else float("nan")

    @property
    def gc_correlation(self) -> float:
        """Pearson's r of expression and GC content; NaN where one does not vary."""
        return float(self._content.correlation[0, 1])

    @property
    def r(self) -> float:
        """Pearson's r of expression and its best linear prediction from the shares of the bases."""
        covariance = self._moments.covariance
        total = covariance[3, 3]
        if not total > 0:
            return float("nan")
        slopes = np.linalg.lstsq(covariance[:3, :3], covariance[:3, 3], rcond=1e-10)[0]
        explained = float(slopes @ covariance[:3, 3]) / total
        return float(np.sqrt(np.clip(explained, 0.0, 1.0)))


def complexity(codes: np.ndarray) -> np.ndarray:
    """The effective number of different words of three bases of each sequence, float [n].

    It is 1 / sum(p²), the inverse of Simpson's index, with p the share of each of the 64 words: 1
    for a run of one base, 2 for a repeat of two, up to 64. NaN for sequences with fewer than 20
    words, unknown bases left out.

    Args:
        codes: uint8 [n, L] as in `Block`.

    Example:
        >>> complexity(np.array([[0] * 30, [0, 3] * 15], np.uint8)).tolist()
        [1.0, 2.0]
    """
    if codes.shape[1] < 3:
        return np.full(len(codes), np.nan)
    first, second, third = codes[:, :-2], codes[:, 1:-1], codes[:, 2:]
    known = (first < 4) & (second < 4) & (third < 4)
    word = (first.astype(np.int64) & 3) * 16 + (second & 3) * 4 + (third & 3)
    place = (np.arange(len(codes))[:, None] * 64 + word)[known]
    counts = np.bincount(place, minlength=len(codes) * 64).reshape(len(codes), 64)
    total = counts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        effective = total**2 / (counts**2).sum(axis=1)
    return np.where(total >= 20, effective, np.nan)
