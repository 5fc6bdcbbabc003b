"""Recognises the kind of a motif matrix by its numbers, and converts other kinds to log Kd."""

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
# Largest deviation from 1 of a sum of rounded probabilities.
_TOLERANCE = 0.02


def recognise(matrix: npt.ArrayLike) -> MatrixKind:
    """Recognises the kind of a matrix by its numbers; "log_kd" unless another kind is clear.

    Counts and probabilities have no negative entry, while log Kd is negative for every base that
    binds well. The columns of probabilities sum to 1. Log odds (base 2 or e, uniform background)
    are recognised because they convert to columns of probabilities; log Kd made from probabilities
    does so only with the opposite sign. Log odds for a different background, or that were changed
    later, cannot be distinguished from log Kd.

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
    """Whether the mean of every column is below 0, as for log odds; for log Kd it is above 0.

    This holds for matrices made from probabilities with a uniform background, since the logarithm
    is concave. Training may change it.

    Example:
        >>> may_be_log_odds([[1.5, -2, -2, -3]]), may_be_log_odds([[-1.5, 2, 2, 3]])
        (True, False)
    """
    return bool((np.asarray(matrix, np.float64).mean(axis=1) < 0).all())


def convert_to_log_kd(matrix: npt.ArrayLike, kind: MatrixKind) -> np.ndarray:
    """Converts a matrix of a different kind to log Kd as in .pkdm files.

    These are log2 odds, background over motif, for a uniform background, with a pseudocount of
    0.001 added to probabilities. `cisreg.motifs.conversion` has other conventions and backgrounds.

    Args:
        matrix: [own width, 4], bases in the order A C G T; log odds in bits.
        kind: kind of the matrix.

    Returns:
        float64 [own width, 4].

    Raises:
        ValueError: the numbers are not possible for that kind.

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
        # The sum of rounded probabilities is not exactly 1.
        return probabilities_to_log_kd(counts_to_probabilities(array), convention="pkdm")
    raise ValueError(f"kind: expected log_kd, log_odds, probabilities or counts, got {kind!r}")


def _are_log_odds(array: np.ndarray, base: float) -> bool:
    """Whether every column is log(probability / (1/4)), to this base.

    A matrix of zeros does not count: it could be log Kd as well.
    """
    with np.errstate(over="ignore"):
        sums = (base**array).mean(axis=1)
    return bool((np.abs(sums - 1) <= _TOLERANCE).all() and (np.abs(array) > _TOLERANCE).any())
