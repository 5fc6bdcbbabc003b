"""P-values of sites by other means: enumeration, integer scores, and bounds.

Scores are -log Kd, float32 [width, 4], high is strong; the background is that of the strand the
window is read on. A p-value is the probability that a random window has at least this score.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def enumerated(matrix: np.ndarray, background: Sequence[float], scores: np.ndarray) -> np.ndarray:
    """Over all 4^width windows, added in float32 from the first column to the last, as in a scan.

    Probabilities are summed from the rarest scores on, in float64.
    """
    total, chance = np.zeros(1, np.float32), np.ones(1)
    for column in matrix.astype(np.float32):
        total = np.add.outer(total, column).ravel()
        chance = np.multiply.outer(chance, np.asarray(background, np.float64)).ravel()
    order = np.argsort(-total, kind="stable")
    above = np.concatenate([[0.0], np.cumsum(chance[order])])
    return above[np.searchsorted(-total[order], -np.asarray(scores, np.float32), side="right")]


def of_integers(matrix: np.ndarray, background: Sequence[float]) -> tuple[int, np.ndarray]:
    """The published dynamic programming for integer scores, exact but for rounding in float64.

    The distribution of a sum of columns is that of the sum without the last column, convolved with
    the last column's (Staden 1989, Comput. Appl. Biosci. 5:89; Grant, Bailey and Noble 2011,
    Bioinformatics 27:1017).

    Returns:
        The lowest score, and the p-values of it and of each higher integer.
    """
    lowest = int(matrix.min(axis=1).sum())
    density = np.ones(1)
    for column in (matrix - matrix.min(axis=1, keepdims=True)).astype(int):
        longer = np.zeros(len(density) + column.max())
        for shift, chance in zip(column, background, strict=True):
            longer[shift : shift + len(density)] += chance * density
        density = longer
    return lowest, np.cumsum(density[::-1])[::-1]


def bounds(
    matrix: np.ndarray, background: Sequence[float], scores: np.ndarray, step: float
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers that the p-values lie between: every entry rounded down, and up, to a grid."""
    found = []
    for rounded in (np.floor, np.ceil):
        grid = rounded(matrix.astype(np.float64) / step)
        lowest, above = of_integers(grid, background)
        # One more point, so that rounding of the division does not matter.
        point = rounded(np.asarray(scores, np.float64) / step) + (-1 if rounded is np.ceil else 1)
        index = point.astype(int) - lowest
        inside = np.clip(index, 0, len(above) - 1)
        found.append(np.where(index > len(above) - 1, 0.0, above[inside]))
    low, high = found
    return low, high
