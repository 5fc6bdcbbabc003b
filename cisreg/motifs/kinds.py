"""Recognises the kind of a motif matrix by its numbers."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from cisreg.motifs.conversion import LogKdConvention, LogOddsUnit

MatrixKind = Literal["log_kd", "log_odds", "probabilities", "counts"]
# Largest deviation from 1 of a sum of rounded probabilities.
_TOLERANCE = 0.02
# Columns of weighted counts sum to this or more, and differ by less than this share of the sum.
_FEW_SITES = 1.5
_UNEQUAL = 0.05


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


class Told(NamedTuple):
    """What numbers are: their kind, the unit of log odds, the convention of log Kd.

    The kind is None where the numbers do not tell it.
    """

    kind: MatrixKind | None
    unit: LogOddsUnit | None = None
    convention: LogKdConvention | None = None


def tell_kind(matrix: npt.ArrayLike) -> Told:
    """Like `recognise`, but the kind is None unless it is clear, and the base is told.

    Example:
        >>> tell_kind([[1.848, -2.322, -3.059, -3.644]])
        Told(kind='log_odds', unit='bits', convention=None)
        >>> tell_kind([[-1.281, 1.609, 2.12, 2.526]])
        Told(kind='log_kd', unit=None, convention='natural')
        >>> tell_kind([[-1, 2, 3, 4]]).kind is None, tell_kind([[0, 2.1, 3.3, 4]]).kind
        (True, 'counts')
        >>> tell_kind([[0, 2.1, 3.3, 4], [0.2, 0, 1, 1]]).kind is None
        True
    """
    array = np.asarray(matrix, np.float64)
    if (array >= 0).all():
        kind = recognise(array)
        return Told(None if kind == "counts" and not _must_be_counts(array) else kind)
    odds, log_kd = _base_of(array), _base_of(-array)
    if (odds is None) == (log_kd is None):
        return Told(None)
    if odds is not None:
        return Told("log_odds", unit="bits" if odds == 2 else "nats")
    return Told("log_kd", convention="pkdm" if log_kd == 2 else "natural")


def _must_be_counts(array: np.ndarray) -> bool:
    """Whether numbers from 0 on are whole, or weighted counts, whose columns have one sum.

    Others may be energies, or probabilities that do not sum to 1.
    """
    sums = array.sum(axis=1)
    is_whole = bool((array == np.rint(array)).all())
    return is_whole or bool(sums.min() >= _FEW_SITES and np.ptp(sums) <= _UNEQUAL * sums.max())


def _base_of(array: np.ndarray) -> float | None:
    """The base, 2 or e, to which all columns are log odds over a uniform background."""
    fitting = [base for base in (2.0, math.e) if _are_log_odds(array, base)]
    return min(fitting, key=lambda base: _misfit(array, base), default=None)


def may_be_log_odds(matrix: npt.ArrayLike) -> bool:
    """Whether the mean of every column is below 0, as for log odds; for log Kd it is above 0.

    This holds for matrices made from probabilities with a uniform background, since the logarithm
    is concave. Training may change it.

    Example:
        >>> may_be_log_odds([[1.5, -2, -2, -3]]), may_be_log_odds([[-1.5, 2, 2, 3]])
        (True, False)
    """
    return bool((np.asarray(matrix, np.float64).mean(axis=1) < 0).all())


def _are_log_odds(array: np.ndarray, base: float) -> bool:
    """Whether every column is log(probability / (1/4)), to this base.

    A matrix of zeros does not count: it could be log Kd as well.
    """
    return _misfit(array, base) <= _TOLERANCE and bool((np.abs(array) > _TOLERANCE).any())


def _misfit(array: np.ndarray, base: float) -> float:
    """How far the sums of the columns are from 1, if they are log odds to this base."""
    with np.errstate(over="ignore"):
        return float(np.abs((base**array).mean(axis=1) - 1).max())
