"""Metrics of predicted against measured expression, computed in float64."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cisreg.arrays import as_array

__all__ = [
    "Metrics",
    "agreement",
    "mean_squared_error",
    "pearson_correlation",
    "r_squared",
    "spearman_correlation",
]


def __dir__() -> list[str]:
    return __all__


class Metrics(NamedTuple):
    """Metrics of predictions against measurements; undefined values are NaN.

    A NaN among the numbers makes every metric NaN. Infinite numbers have ranks, so that Spearman's
    correlation is defined; the mean squared error is infinite or NaN then.

    Attributes:
        pearson: Pearson's correlation coefficient r.
        r_squared: 1 - SSE/SST, the share of the variance explained; negative where the mean of
            the measurements would predict better.
        mean_squared_error: in squared units of the expression.
        spearman: Spearman's rank correlation.
    """

    pearson: float
    r_squared: float
    mean_squared_error: float
    spearman: float

    def __repr__(self) -> str:
        """The numbers with four digits, for notebooks and prompts."""
        shown = ", ".join(f"{name}={value:.4g}" for name, value in self._asdict().items())
        return f"Metrics({shown})"


def agreement(predicted: npt.ArrayLike, measured: npt.ArrayLike) -> Metrics:
    """All metrics of `predicted` against `measured`, both [N], lists or columns too.

    Raises:
        ValueError: different shapes, not one dimension, or no values.

    Example:
        >>> agreement([1.0, 2.0, 3.0], [1.5, 1.5, 3.5])
        Metrics(pearson=0.866, r_squared=0.7188, mean_squared_error=0.25, spearman=0.866)
    """
    return Metrics(
        pearson_correlation(predicted, measured),
        r_squared(predicted, measured),
        mean_squared_error(predicted, measured),
        spearman_correlation(predicted, measured),
    )


def pearson_correlation(predicted: npt.ArrayLike, measured: npt.ArrayLike) -> float:
    """Pearson's r of two arrays [N]; NaN where one of them is constant or not finite.

    Raises:
        ValueError: as `agreement`.

    Example:
        >>> pearson_correlation(np.array([1.0, 2.0]), np.array([5.0, 3.0]))
        -1.0
    """
    x, y = _checked(predicted, measured)
    if _is_undefined(x) or _is_undefined(y):
        return float("nan")
    x, y = _centred(x)[0], _centred(y)[0]
    scale = np.sqrt(np.sum(x**2) * np.sum(y**2))
    # Rounding errors may give a little more than 1.
    return float(np.clip(np.sum(x * y) / scale, -1.0, 1.0))


def spearman_correlation(predicted: npt.ArrayLike, measured: npt.ArrayLike) -> float:
    """Pearson's r of the ranks of two arrays [N], ties sharing their mean rank; NaN has no rank.

    Raises:
        ValueError: as `agreement`.

    Example:
        >>> spearman_correlation(np.array([1.0, 2.0, 9.0]), np.array([0.1, 0.2, 0.3]))
        1.0
    """
    x, y = _checked(predicted, measured)
    if np.isnan(x).any() or np.isnan(y).any():
        return float("nan")
    return pearson_correlation(_ranks(x), _ranks(y))


def r_squared(predicted: npt.ArrayLike, measured: npt.ArrayLike) -> float:
    """1 - SSE/SST of two arrays [N]; NaN where `measured` is constant or not finite.

    Raises:
        ValueError: as `agreement`.

    Example:
        >>> r_squared(np.array([2.0, 2.0]), np.array([1.0, 3.0]))
        0.0
    """
    x, y = _checked(predicted, measured)
    if _is_undefined(y):
        return float("nan")
    centred, scale = _centred(y)
    with np.errstate(over="ignore"):
        error = np.sum((x / scale - y / scale) ** 2)
    return float(1.0 - error / np.sum(centred**2))


def mean_squared_error(predicted: npt.ArrayLike, measured: npt.ArrayLike) -> float:
    """Mean of the squared differences of two arrays [N].

    Raises:
        ValueError: as `agreement`.

    Example:
        >>> mean_squared_error(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
        2.0
    """
    x, y = _checked(predicted, measured)
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.mean((x - y) ** 2))


def _checked(predicted: npt.ArrayLike, measured: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    first = as_array(predicted, "predicted", np.float64, ("N",))
    second = as_array(measured, "measured", np.float64, ("N",))
    if len(first) != len(second) or not len(first):
        raise ValueError(
            "predicted, measured: expected the same length, 1 or more, got "
            f"{len(first)} and {len(second)}"
        )
    return first, second


def _is_undefined(values: np.ndarray) -> bool:
    """Whether numbers have no variance: they are constant, or one is not finite."""
    return not np.isfinite(values).all() or values.min() == values.max()


def _centred(values: np.ndarray) -> tuple[np.ndarray, float]:
    """The differences from the mean, divided by a power of two near the largest, and that power.

    So their squares neither overflow nor vanish, and nothing is rounded by it.
    """
    size = _power_of_two(values)
    differences = values / size - np.mean(values / size)
    spread = _power_of_two(differences)
    return differences / spread, spread * size


def _power_of_two(values: np.ndarray) -> float:
    """A power of two from half the largest number to the largest."""
    return float(np.ldexp(0.5, np.frexp(np.abs(values).max())[1]))


def _ranks(values: np.ndarray) -> np.ndarray:
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    return (last - (sizes - 1) / 2)[group]
