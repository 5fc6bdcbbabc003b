"""Checks of motif matrices, shared by all functions; errors name the column."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cisreg.arrays import as_array
from cisreg.motifs.bases import in_base_order

# Published matrices have two or three digits, so their columns sum to 1 only approximately.
_SUM_TOLERANCE = 0.02


def check_matrix(argument: str, matrix: Any) -> np.ndarray:
    """The matrix as float64 [..., 4].

    A frame whose columns or rows are named after the bases is read by these names; anything else
    is read by position.

    Raises:
        ValueError: a last dimension other than 4, no column, a number that is not finite, or names
            that contradict each other; the message begins with `argument`.

    Example:
        >>> check_matrix("counts", [[1, 2, 3, 4]])
        array([[1., 2., 3., 4.]])
    """
    array = as_array(in_base_order(argument, matrix), argument, np.float64, (...,))
    if array.ndim < 1 or array.shape[-1] != 4 or not array.size:
        raise ValueError(
            f"{argument}: expected shape [width, 4] with one row per column of the motif, bases in "
            f"the order A C G T, got {list(array.shape)}; transpose a matrix of shape [4, width]"
        )
    _check_columns(argument, array, np.isfinite(array).all(axis=-1), "finite numbers", "correct it")
    return array


def check_one_motif(argument: str, matrix: Any) -> np.ndarray:
    """The matrix of a single motif as float64 [width, 4].

    Raises:
        ValueError: see `check_matrix`, or a different number of dimensions.

    Example:
        >>> check_one_motif("log_kd", [[-1, 1, 1, 1]]).shape
        (1, 4)
    """
    array = check_matrix(argument, matrix)
    if array.ndim != 2:
        raise ValueError(
            f"{argument}: expected one motif of shape [width, 4], got {list(array.shape)}; call "
            "once per motif"
        )
    return array


def check_counts(argument: str, counts: Any) -> np.ndarray:
    """Counts as float64 [..., 4].

    Raises:
        ValueError: see `check_matrix`; or a negative count, or a column whose counts are all 0.

    Example:
        >>> check_counts("counts", [[0, 0, 9, 1]])
        array([[0., 0., 9., 1.]])
    """
    array = check_matrix(argument, counts)
    good = (array >= 0).all(axis=-1)
    _check_columns(argument, array, good, "numbers of 0 or more", "correct it")
    good = array.sum(axis=-1) > 0
    _check_columns(argument, array, good, "a sum above 0", "trim it, or give it equal counts")
    return array


def check_probabilities(argument: str, probabilities: Any) -> np.ndarray:
    """Probabilities as float64 [..., 4]; columns sum to 1 with the precision of float64.

    Columns whose sum is within 0.02 of 1, as in published matrices, are normalised.

    Raises:
        ValueError: see `check_matrix`; or a negative entry, or a column with a different sum.

    Example:
        >>> check_probabilities("probabilities", [[0.33, 0.33, 0.33, 0]]).round(3)
        array([[0.333, 0.333, 0.333, 0.   ]])
    """
    array = check_matrix(argument, probabilities)
    good = (array >= 0).all(axis=-1)
    _check_columns(argument, array, good, "numbers of 0 or more", "correct it")
    total = array.sum(axis=-1, keepdims=True)
    good = (np.abs(total - 1) <= _SUM_TOLERANCE)[..., 0]
    advice = "turn counts into probabilities with counts_to_probabilities"
    _check_columns(argument, array, good, "probabilities that sum to 1", advice)
    return array / total


def check_background(background: Any, *, zero_allowed: bool = False) -> np.ndarray:
    """The background as float64 [4] with sum 1; 1/4 each for None.

    Numbers whose sum is within 0.02 of 1, for example rounded ones, are normalised. A dict or a
    Series that names its bases is read by name.

    Raises:
        ValueError: not four probabilities above 0 (or of 0 or more, if `zero_allowed`) that sum to
            1.

    Example:
        >>> check_background(None)
        array([0.25, 0.25, 0.25, 0.25])
    """
    if background is None:
        return np.full(4, 0.25)
    array = as_array(in_base_order("background", background), "background", np.float64, (...,))
    positive = (array >= 0) if zero_allowed else (array > 0)
    good = array.shape == (4,) and positive.all()
    if not good or not abs(array.sum() - 1) <= _SUM_TOLERANCE:
        raise ValueError(
            "background: expected the probabilities of A, C, G and T, all "
            f"{'0 or more' if zero_allowed else 'above 0'}, which sum to 1, got {array.tolist()}; "
            "divide counts by their sum"
        )
    return array / array.sum()


def check_pseudocount(pseudocount: float) -> float:
    """The pseudocount, unchanged.

    Raises:
        ValueError: it is negative or not finite.

    Example:
        >>> check_pseudocount(0.001)
        0.001
    """
    if not 0 <= pseudocount < np.inf:
        raise ValueError(f"pseudocount: expected 0 or more, got {pseudocount}; try 0.001")
    return pseudocount


def _check_columns(
    argument: str, array: np.ndarray, good: npt.ArrayLike, expected: str, advice: str
) -> None:
    """Raises ValueError for the first column that is not good; `good` is bool [...]."""
    bad = np.argwhere(np.logical_not(good))
    if len(bad):
        index = tuple(bad[0].tolist())
        column = ", ".join(map(str, index)) or "0"
        raise ValueError(
            f"{argument}: expected {expected} in every column, got {array[index].tolist()} in "
            f"column {column}, counted from 0; {advice}"
        )
