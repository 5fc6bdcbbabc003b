"""Variances of few measurements each, made steadier by what all of them have in common.

A variance of two or three values says little alone. The method of Smyth (2004, Stat. Appl. Genet.
Mol. Biol. 3:3, section 6.2) takes the true variances for draws from a scaled inverse chi-square
distribution and estimates that from all observed ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

_LARGE = 1e8


class Prior(NamedTuple):
    """What is known of a variance before it is observed.

    Attributes:
        variance: the usual one, s0^2.
        freedom: how many degrees of freedom it counts as, d0; infinite where the observed variances
            differ no more than by chance.
    """

    variance: float
    freedom: float

    def share(self, freedom: float) -> float:
        """The weight of the usual variance beside an observed one of `freedom` degrees."""
        return 1.0 if math.isinf(self.freedom) else self.freedom / (self.freedom + freedom)


class LogVariances(NamedTuple):
    """Sums over the observed variances that have the same degrees of freedom.

    Attributes:
        freedom: their degrees of freedom, 1 or more.
        number: how many there are.
        total: the sum of their logarithms.
        squares: the sum of the squares of their logarithms.
    """

    freedom: float
    number: int
    total: float
    squares: float


def fit_prior(observed: Sequence[LogVariances]) -> Prior | None:
    """The prior that fits observed variances s^2 of d degrees of freedom.

    With z = log s^2 - digamma(d / 2) + log(d / 2), whose mean is log s0^2 - digamma(d0 / 2) +
    log(d0 / 2) and whose variance is trigamma(d / 2) + trigamma(d0 / 2) (Smyth 2004, equations
    in section 6.2).

    Args:
        observed: sums of logarithms by degrees of freedom; none where there is no variance above 0.

    Returns:
        The prior, or None if there is no observed variance.

    Example:
        >>> fit_prior([LogVariances(4.0, 10, 10 * math.log(3.0), 10 * math.log(3.0) ** 2)]).freedom
        inf
    """
    number = sum(each.number for each in observed)
    if not number:
        return None
    shifts = [math.log(each.freedom / 2) - digamma(each.freedom / 2) for each in observed]
    pairs = list(zip(observed, shifts, strict=True))
    mean = math.fsum(each.total + each.number * shift for each, shift in pairs) / number
    squares = math.fsum(
        each.squares + 2 * shift * each.total + each.number * shift**2 for each, shift in pairs
    )
    spread = (squares - number * mean**2) / (number - 1) if number > 1 else 0.0
    noise = math.fsum(each.number * trigamma(each.freedom / 2) for each in observed) / number
    if spread <= noise:
        return Prior(math.exp(mean), math.inf)
    half = inverse_trigamma(spread - noise)
    return Prior(math.exp(mean + digamma(half) - math.log(half)), 2 * half)


def digamma(x: float) -> float:
    """The derivative of log gamma, for x above 0 (Abramowitz & Stegun 6.3.5, 6.3.18).

    Example:
        >>> round(digamma(1.0), 12)
        -0.577215664902
    """
    value = 0.0
    while x < 10:
        value -= 1 / x
        x += 1
    series = 1 / 12 - (1 / 120 - (1 / 252 - (1 / 240 - 1 / 132 / x**2) / x**2) / x**2) / x**2
    return value + math.log(x) - 1 / (2 * x) - series / x**2


def trigamma(x: float) -> float:
    """The derivative of `digamma`, for x above 0 (Abramowitz & Stegun 6.4.6, 6.4.12).

    Example:
        >>> round(trigamma(1.0) - math.pi**2 / 6, 12)
        0.0
    """
    value = 0.0
    while x < 10:
        value += 1 / x**2
        x += 1
    series = 1 / 6 - (1 / 30 - (1 / 42 - (1 / 30 - 5 / 66 / x**2) / x**2) / x**2) / x**2
    return value + 1 / x + 1 / (2 * x**2) + series / x**3


def inverse_trigamma(value: float) -> float:
    """The x above 0 with this trigamma, by halving; it falls from infinity to 0.

    Example:
        >>> round(trigamma(inverse_trigamma(0.3)), 12)
        0.3
    """
    low, high = 1 / _LARGE, _LARGE
    while high / low > 1 + 1e-14:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if trigamma(middle) > value else (low, middle)
    return math.sqrt(low * high)
