"""Conversions between counts, probabilities, log odds and log Kd of motifs.

All matrices are [width, 4], one row per column of the motif, bases in the order A C G T; there may
be more dimensions in front, [..., width, 4]. The background is the probability of each base outside
of sites.

Log odds are log(probability / background), high where binding is strong (Stormo, 2000,
Bioinformatics 16, 16-23). Log Kd is their negative, low where binding is strong, in nats. There are
two conventions for it:

    "natural"   log Kd = -ln(probability / background): sites of free energy log Kd occur with these
                probabilities (Berg and von Hippel, 1987, J. Mol. Biol. 193, 723-750)
    "pkdm"      log Kd = -log2(probability / background), a number of bits used as nats: the
                convention of .pkdm files and of CisRegModels (de Boer et al., 2020). Its values are
                1 / ln 2 = 1.44 times as large
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from cisreg.choices import check_choice
from cisreg.motifs.checking import (
    check_background,
    check_counts,
    check_matrix,
    check_probabilities,
    check_pseudocount,
)

LogOddsUnit = Literal["bits", "nats"]
LogKdConvention = Literal["natural", "pkdm"]

# One unit of log odds in nats, and the unit of log odds that each convention uses for log Kd.
_NATS = {"bits": math.log(2), "nats": 1.0}
_UNIT_OF_CONVENTION = {"natural": "nats", "pkdm": "bits"}


def counts_to_probabilities(counts: npt.ArrayLike, *, pseudocount: float = 0.0) -> np.ndarray:
    """The probability of each base in each column: counts / their sum, with a pseudocount.

    The pseudocount c is added to the probabilities, not to the counts, and the result is
    normalised: (p + c) / (1 + 4 c). So its effect does not depend on the number of sites counted.

    Args:
        counts: [..., 4], 0 or more; whole numbers, weights, or probabilities to be normalised.
        pseudocount: c, 0 or more.

    Returns:
        float64 [..., 4], each column summing to 1.

    Raises:
        ValueError: wrong shape, a number that is negative or not finite, a column without counts.

    Example:
        >>> counts_to_probabilities([[8, 0, 1, 1]])
        array([[0.8, 0. , 0.1, 0.1]])
    """
    array = check_counts("counts", counts)
    with np.errstate(over="ignore"):
        total = array.sum(axis=-1, keepdims=True)
    if not np.isfinite(total).all():
        raise ValueError(f"counts: expected columns with a finite sum, got up to {array.max():g}")
    probabilities = array / total
    return _with_pseudocount(probabilities, pseudocount)


def probabilities_to_counts(
    probabilities: npt.ArrayLike, site_count: npt.ArrayLike = 100
) -> np.ndarray:
    """The expected counts in a number of sites: probability times that number, not rounded.

    Args:
        probabilities: [..., 4], each column summing to 1.
        site_count: one number above 0, or [...], one per column.

    Returns:
        float64 [..., 4].

    Raises:
        ValueError: bad probabilities, or a number of sites that is not finite and above 0 or has a
            different shape.

    Example:
        >>> probabilities_to_counts([[0.5, 0.25, 0.25, 0]], 8)
        array([[4., 2., 2., 0.]])
    """
    array = check_probabilities("probabilities", probabilities)
    number = np.asarray(site_count, dtype=np.float64)
    good = number.shape in ((), array.shape[:-1])
    if not good or not ((number > 0) & (number < np.inf)).all():
        raise ValueError(
            f"site_count: expected a number above 0, or one of shape {list(array.shape[:-1])}, got "
            f"{number.tolist()}; give the number of sites in each column"
        )
    return array * number[..., np.newaxis]


def probabilities_to_log_odds(
    probabilities: npt.ArrayLike,
    *,
    background: npt.ArrayLike | None = None,
    unit: LogOddsUnit = "bits",
    pseudocount: float = 0.001,
) -> np.ndarray:
    """Log odds: log(p / background), where p = (probability + pseudocount) / (1 + 4 pseudocount).

    The default unit and pseudocount are those of CisRegModels (de Boer et al., 2020).

    Args:
        probabilities: [..., 4], each column summing to 1.
        background: [4], probabilities of A, C, G and T; None for 1/4 each.
        unit: "bits" for logarithms to base 2, "nats" for those to base e.
        pseudocount: 0 or more, added to each probability.

    Returns:
        float64 [..., 4], bits or nats.

    Raises:
        ValueError: bad probabilities, background, unit or pseudocount, or a probability of 0
            without a pseudocount.

    Example:
        >>> probabilities_to_log_odds([[0.5, 0.25, 0.125, 0.125]], pseudocount=0)
        array([[ 1.,  0., -1., -1.]])
    """
    check_choice("unit", unit, LogOddsUnit)
    array = check_probabilities("probabilities", probabilities)
    array = _with_pseudocount(array, pseudocount)
    if not array.all():
        raise ValueError(
            "probabilities: expected numbers above 0 where there is no pseudocount, got a 0, whose "
            "logarithm is infinite; give a pseudocount such as 0.001"
        )
    ratio = array / check_background(background)
    return np.log2(ratio) if unit == "bits" else np.log(ratio)


def log_odds_to_probabilities(
    log_odds: npt.ArrayLike,
    *,
    background: npt.ArrayLike | None = None,
    unit: LogOddsUnit = "bits",
) -> np.ndarray:
    """Probabilities from log odds: background times 2 (or e) to the log odds, normalised.

    A pseudocount that was used for the log odds is not removed. A constant added to all four log
    odds of a column makes no difference.

    Args:
        log_odds: [..., 4], bits or nats.
        background: [4], probabilities of A, C, G and T; None for 1/4 each.
        unit: "bits" or "nats".

    Returns:
        float64 [..., 4], each column summing to 1.

    Raises:
        ValueError: wrong shape, numbers that are not finite, a bad background or unit.

    Example:
        >>> log_odds_to_probabilities([[1, 0, -1, -1]])
        array([[0.5  , 0.25 , 0.125, 0.125]])
    """
    check_choice("unit", unit, LogOddsUnit)
    array = check_matrix("log_odds", log_odds)
    # Relative to the highest entry, to avoid overflow.
    power = (array - array.max(axis=-1, keepdims=True)) * _NATS[unit]
    weight = np.exp(power) * check_background(background)
    return weight / weight.sum(axis=-1, keepdims=True)


def log_odds_to_log_kd(
    log_odds: npt.ArrayLike,
    *,
    unit: LogOddsUnit = "bits",
    convention: LogKdConvention = "natural",
) -> np.ndarray:
    """Log Kd: the negative log odds, in nats ("natural") or in bits used as nats ("pkdm").

    Args:
        log_odds: [..., 4], bits or nats.
        unit: unit of `log_odds`, "bits" or "nats".
        convention: "natural" or "pkdm"; see the module.

    Returns:
        float64 [..., 4], nats; 0 for a base that is as likely in sites as outside.

    Raises:
        ValueError: wrong shape, numbers that are not finite, a bad unit or convention.

    Example:
        >>> log_odds_to_log_kd([[1, 0.5, -1, -2]], unit="bits", convention="pkdm")
        array([[-1. , -0.5,  1. ,  2. ]])
    """
    return -_factor(unit, convention) * check_matrix("log_odds", log_odds)


def log_kd_to_log_odds(
    log_kd: npt.ArrayLike,
    *,
    unit: LogOddsUnit = "bits",
    convention: LogKdConvention = "natural",
) -> np.ndarray:
    """Log odds: the negative log Kd, converted to `unit`.

    Args:
        log_kd: [..., 4], nats.
        unit: unit of the result, "bits" or "nats".
        convention: convention of `log_kd`, "natural" or "pkdm"; see the module.

    Returns:
        float64 [..., 4], bits or nats.

    Raises:
        ValueError: wrong shape, numbers that are not finite, a bad unit or convention.

    Example:
        >>> log_kd_to_log_odds([[-1, -0.5, 1, 2]], convention="pkdm")
        array([[ 1. ,  0.5, -1. , -2. ]])
    """
    return -check_matrix("log_kd", log_kd) / _factor(unit, convention)


def probabilities_to_log_kd(
    probabilities: npt.ArrayLike,
    *,
    background: npt.ArrayLike | None = None,
    pseudocount: float = 0.001,
    convention: LogKdConvention = "natural",
) -> np.ndarray:
    """Log Kd from probabilities: ln(background / p), or log2(background / p) used as nats.

    p is (probability + pseudocount) / (1 + 4 pseudocount). With `convention="pkdm"` these are the
    numbers that CisRegModels (de Boer et al., 2020) writes to .pkdm files.

    Args:
        probabilities: [..., 4], each column summing to 1.
        background: [4], probabilities of A, C, G and T; None for 1/4 each.
        pseudocount: 0 or more, added to each probability.
        convention: "natural" or "pkdm"; see the module.

    Returns:
        float64 [..., 4], nats.

    Raises:
        ValueError: bad probabilities, background, pseudocount or convention, or a probability of 0
            without a pseudocount.

    Example:
        >>> probabilities_to_log_kd([[1, 0, 0, 0]]).round(2)
        array([[-1.38,  5.53,  5.53,  5.53]])
    """
    check_choice("convention", convention, LogKdConvention)
    unit: LogOddsUnit = "nats" if convention == "natural" else "bits"
    return -probabilities_to_log_odds(
        probabilities, background=background, unit=unit, pseudocount=pseudocount
    )


def log_kd_to_probabilities(
    log_kd: npt.ArrayLike,
    *,
    background: npt.ArrayLike | None = None,
    convention: LogKdConvention = "natural",
) -> np.ndarray:
    """Probabilities from log Kd x: background / e^x ("natural") or / 2^x ("pkdm"), normalised.

    Args:
        log_kd: [..., 4], nats.
        background: [4], probabilities of A, C, G and T; None for 1/4 each.
        convention: "natural" or "pkdm"; see the module. Matrices from `read_pkdm` are "pkdm".

    Returns:
        float64 [..., 4], each column summing to 1.

    Raises:
        ValueError: wrong shape, numbers that are not finite, a bad background or convention.

    Example:
        >>> log_kd_to_probabilities([[-1, 0, 1, 1]], convention="pkdm")
        array([[0.5  , 0.25 , 0.125, 0.125]])
    """
    log_odds = log_kd_to_log_odds(log_kd, unit="nats", convention=convention)
    return log_odds_to_probabilities(log_odds, background=background, unit="nats")


def _with_pseudocount(probabilities: np.ndarray, pseudocount: float) -> np.ndarray:
    return (probabilities + check_pseudocount(pseudocount)) / (1 + 4 * pseudocount)


def _factor(unit: str, convention: str) -> float:
    """The factor from negative log odds to log Kd."""
    check_choice("unit", unit, LogOddsUnit)
    check_choice("convention", convention, LogKdConvention)
    return _NATS[unit] / _NATS[_UNIT_OF_CONVENTION[convention]]
