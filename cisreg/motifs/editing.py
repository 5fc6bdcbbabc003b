"""Edits of motif matrices: reverse complement, pad, trim, merge."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from cisreg.choices import check_choice
from cisreg.motifs.checking import (
    check_background,
    check_matrix,
    check_one_motif,
    check_probabilities,
)
from cisreg.motifs.information import information_content

MergeWeight = Literal["equal", "information"]


def reverse_complement_matrix(matrix: npt.ArrayLike) -> np.ndarray:
    """The reverse complement of a motif: columns reversed, A and T swapped, C and G swapped.

    Args:
        matrix: [..., width, 4], of any kind (counts, probabilities, log odds, log Kd).

    Returns:
        float64 [..., width, 4].

    Raises:
        ValueError: wrong shape, or a number that is not finite.

    Example:
        >>> reverse_complement_matrix([[1, 2, 3, 4], [5, 6, 7, 8]])
        array([[8., 7., 6., 5.],
               [4., 3., 2., 1.]])
    """
    array = check_matrix("matrix", matrix)
    if array.ndim < 2:
        raise ValueError(
            f"matrix: expected shape [width, 4], got {list(array.shape)}; put one column in a list"
        )
    return np.ascontiguousarray(array[..., ::-1, ::-1])


def pad_probabilities(
    probabilities: npt.ArrayLike,
    before: int = 0,
    after: int = 0,
    *,
    background: npt.ArrayLike | None = None,
) -> np.ndarray:
    """Adds columns of background probabilities, which carry no information, at the ends.

    Args:
        probabilities: [width, 4], each column summing to 1.
        before: columns to add at the beginning, 0 or more.
        after: columns to add at the end, 0 or more.
        background: [4], probabilities of A, C, G and T; None for 1/4 each.

    Returns:
        float64 [before + width + after, 4].

    Raises:
        ValueError: bad probabilities or background, or a negative number of columns.

    Example:
        >>> pad_probabilities([[1, 0, 0, 0]], after=1)
        array([[1.  , 0.  , 0.  , 0.  ],
               [0.25, 0.25, 0.25, 0.25]])
    """
    array = _probabilities_of_one("probabilities", probabilities)
    for argument, count in (("before", before), ("after", after)):
        if count < 0:
            raise ValueError(
                f"{argument}: expected 0 or more columns, got {count}; trim_probabilities removes "
                "columns"
            )
    column = check_background(background)[np.newaxis]
    return np.concatenate([column.repeat(before, axis=0), array, column.repeat(after, axis=0)])


def trim_probabilities(
    probabilities: npt.ArrayLike,
    minimum_information: float = 0.1,
    *,
    background: npt.ArrayLike | None = None,
) -> np.ndarray:
    """Drops columns at both ends until each end column has enough information.

    Args:
        probabilities: [width, 4], each column summing to 1.
        minimum_information: smallest information content of an end column that stays, bits.
        background: [4], probabilities of A, C, G and T; None for 1/4 each.

    Returns:
        float64 [kept, 4], kept between 1 and width.

    Raises:
        ValueError: bad probabilities or background, or no column has enough information.

    Example:
        >>> trim_probabilities([[0.25] * 4, [1, 0, 0, 0], [0.25] * 4, [0, 1, 0, 0], [0.25] * 4])
        array([[1.  , 0.  , 0.  , 0.  ],
               [0.25, 0.25, 0.25, 0.25],
               [0.  , 1.  , 0.  , 0.  ]])
    """
    array = _probabilities_of_one("probabilities", probabilities)
    information = information_content(array, background=background)
    kept = np.flatnonzero(information >= minimum_information)
    if not len(kept):
        raise ValueError(
            f"minimum_information: expected a column with {minimum_information} bits or more, but "
            f"the most that one has is {information.max():.3g}, so nothing would be left; lower it"
        )
    return array[kept[0] : kept[-1] + 1]


def merge_probabilities(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    offset: int = 0,
    *,
    weight: MergeWeight = "equal",
    background: npt.ArrayLike | None = None,
) -> np.ndarray:
    """The mean of two matrices, the second shifted against the first.

    Both are padded with background columns to the width that they cover together. With "equal"
    weights, a column that only one matrix has therefore becomes half background. With "information"
    weights (each column's information content in bits), such a column stays unchanged. If both
    columns have no information, their weights are equal. (The helper of CisRegModels, de Boer et
    al., 2020, has the offset with the opposite sign.)

    Args:
        first: [width, 4], each column summing to 1.
        second: [width of the second, 4], each column summing to 1.
        offset: the column of `first`, counted from 0, at which `second` begins; negative if it
            begins before `first`.
        weight: "equal" or "information".
        background: [4], probabilities of A, C, G and T; None for 1/4 each.

    Returns:
        float64 [columns covered by either matrix, 4].

    Raises:
        ValueError: bad probabilities, background or weight.

    Example:
        >>> merge_probabilities([[1, 0, 0, 0]] * 2, [[0, 1, 0, 0]] * 2, 1, weight="information")
        array([[1. , 0. , 0. , 0. ],
               [0.5, 0.5, 0. , 0. ],
               [0. , 1. , 0. , 0. ]])
    """
    check_choice("weight", weight, MergeWeight)
    pair = [_probabilities_of_one("first", first), _probabilities_of_one("second", second)]
    starts = [max(-offset, 0), max(offset, 0)]
    width = max(start + len(array) for start, array in zip(starts, pair, strict=True))
    padded = np.stack(
        [
            pad_probabilities(array, start, width - start - len(array), background=background)
            for start, array in zip(starts, pair, strict=True)
        ]
    )
    weights = np.ones((2, width))
    if weight == "information":
        # Rounding can make the information content slightly negative.
        weights = np.maximum(information_content(padded, background=background), 0)
        weights[:, weights.sum(axis=0) == 0] = 1
    share = weights / weights.sum(axis=0)
    return (padded * share[..., np.newaxis]).sum(axis=0)


def _probabilities_of_one(argument: str, probabilities: npt.ArrayLike) -> np.ndarray:
    return check_probabilities(argument, check_one_motif(argument, probabilities))
