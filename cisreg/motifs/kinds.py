"""What kind of matrix a motif is, as far as its numbers tell, and log Kd from the other kinds."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from cisreg.motifs.conversion import (
    counts_to_probabilities,
    log_odds_to_log_kd,
    probabilities_to_log_kd,
)

MatrixKind = Literal["log_kd", "log_odds", "probabilities", "counts"]
# How far a sum that should be 1 may be from it, for numbers that were rounded.
_TOLERANCE = 0.02


def recognise(matrix: npt.ArrayLike) -> MatrixKind:
    """The kind of a matrix as far as its numbers tell; log Kd where nothing speaks against it.

    Counts and probabilities have no entry below 0, which log Kd has for every base that binds well;
    the columns of probabilities sum to 1. Log odds to base 2 or e over a uniform background make
    columns of probabilities, log Kd made from probabilities does so with the other sign. Where
    numbers were changed since, or the background is another one, log odds are not told from log Kd.

    Args:
        matrix: [own width, 4], bases in the order A C G T.

    Example:
        >>> recognise([[90, 5, 3, 2]]), recognise([[0.9, 0.05, 0.03, 0.02]])
        ('counts', 'probabilities')
        >>> recognise([[1.848, -2.322, -3.059, -3.644]]), recognise([[-1.848, 2.322, 3.059, 3.644]])
        ('log_odds', 'log_kd')
    """
    array = np.asarray(matrix, np.float64)
    if (array >= 0).all():
        sums_to_one = (np.abs(array.sum(axis=1) - 1) <= _TOLERANCE).all()
        return "probabilities" if sums_to_one else "counts"
    is_odds = any(_are_log_odds(array, base) for base in (2.0, math.e))
    is_log_kd = any(_are_log_odds(-array, base) for base in (2.0, math.e))
    return "log_odds" if is_odds and not is_log_kd else "log_kd"


def may_be_log_odds(matrix: npt.ArrayLike) -> bool:
    """Whether the mean of every column is below 0, as of log odds, and not above, as of log Kd.

    That is so of matrices made from probabilities over a uniform background, since a logarithm is
    concave; training may change it.

    Example:
        >>> may_be_log_odds([[1.5, -2, -2, -3]]), may_be_log_odds([[-1.5, 2, 2, 3]])
        (True, False)
    """
    return bool((np.asarray(matrix, np.float64).mean(axis=1) < 0).all())


def convert_to_log_kd(matrix: npt.ArrayLike, kind: MatrixKind) -> np.ndarray:
    """Log Kd as .pkdm files hold it, from a matrix of a different kind.

    That is log2 odds, background over motif, over a uniform background, with a pseudocount of 0.001
    added to probabilities; `cisreg.motifs.conversion` has other conventions and backgrounds.

    Args:
        matrix: [own width, 4], bases in the order A C G T; log odds in bits.
        kind: of the matrix.

    Returns:
        float64 [own width, 4].

    Raises:
        ValueError: the numbers are none of that kind.

    Example:
        >>> convert_to_log_kd([[0.9, 0.05, 0.03, 0.02]], "probabilities").round(2).tolist()
        [[-1.84, 2.3, 3.02, 3.58]]
    """
    array = np.asarray(matrix, np.float64)
    if kind == "log_kd":
        return array
    if kind == "log_odds":
        return log_odds_to_log_kd(array, unit="bits", convention="pkdm")
    if kind in ("counts", "probabilities"):
        # Probabilities that were rounded do not sum to 1 in all digits.
        return probabilities_to_log_kd(counts_to_probabilities(array), convention="pkdm")
    raise ValueError(f"kind: expected log_kd, log_odds, probabilities or counts, got {kind!r}")


def _are_log_odds(array: np.ndarray, base: float) -> bool:
    """Whether every column is the logarithm of probabilities over 1/4, and none would be so turned.

    A column of zeros says nothing.
    """
    with np.errstate(over="ignore"):
        sums = (base**array).mean(axis=1)
    return bool((np.abs(sums - 1) <= _TOLERANCE).all() and (np.abs(array) > _TOLERANCE).any())
