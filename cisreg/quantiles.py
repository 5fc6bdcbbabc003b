"""Quantiles that intervals are made with."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

# Beyond it, Student's t has the quantiles of the normal distribution to three digits.
_LARGE = 400


def check_level(level: float) -> float:
    """The level of an interval, if it is one.

    Raises:
        ValueError: it is not between 0 and 1.

    Example:
        >>> check_level(0.9)
        0.9
    """
    if not 0 < level < 1:
        raise ValueError(f"level: expected a share between 0 and 1, such as 0.9, got {level!r}")
    return float(level)


def normal_width(level: float) -> float:
    """Half the width of an interval of this level, in standard errors.

    Example:
        >>> round(normal_width(0.9), 4)
        1.6449
    """
    return NormalDist().inv_cdf((1 + check_level(level)) / 2)


def student_width(level: float, freedom: int) -> float:
    """Half the width of an interval of this level, in standard errors that were estimated.

    Args:
        level: between 0 and 1.
        freedom: degrees of freedom of the standard error, 1 or more.

    Example:
        >>> round(student_width(0.9, 9), 4)
        1.8331
    """
    check_level(level)
    if freedom > _LARGE:
        return normal_width(level)
    low, high = 0.0, math.pi / 2
    # t = sqrt(freedom) tan(angle); half of what lies between -t and t is this share at the angle.
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _share(middle, freedom) < level else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


def _share(angle: float, freedom: int) -> float:
    """The probability that Student's t lies between -sqrt(freedom) tan(angle) and the opposite."""
    node, weight = np.polynomial.legendre.leggauss(80)
    cosines = np.cos(angle * (node + 1) / 2) ** (freedom - 1)
    norm = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    return angle * float(weight @ cosines) * math.exp(norm) / math.sqrt(math.pi)
