"""Which columns of a wide motif are kept, and where a motif stands in an array of many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def kept_columns(matrix: np.ndarray, width: int) -> tuple[int, int]:
    """First column, and the one after the last, of the `width` or fewer columns that are kept.

    Each time the end with the lower sum of squares is dropped, or the first column if both are
    equal.

    Args:
        matrix: [own width, 4].
        width: the most columns that may stay.

    Example:
        >>> kept_columns(np.array([[0, 0, 0, 9], [0, 0, 9, 9]]), 1)
        (1, 2)
    """
    strength = np.square(matrix).sum(axis=1)
    first, end = 0, len(matrix)
    while end - first > width:
        if strength[first] > strength[end - 1]:
            end -= 1
        else:
            first += 1
    return first, end


def centred(matrices: Sequence[np.ndarray], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Matrices in the middle of one array; an odd spare column is after the motif.

    Args:
        matrices: M arrays [own width, 4], `width` or fewer columns wide.
        width: W.

    Returns:
        float64 [W, 4, M] with zeros around the motifs, and their first columns, int64 [M].

    Example:
        >>> centred([np.ones((2, 4))], 5)[1]
        array([1])
    """
    log_kd = np.zeros((width, 4, len(matrices)))
    first = np.array([(width - len(matrix)) // 2 for matrix in matrices], int)
    for index, matrix in enumerate(matrices):
        log_kd[first[index] : first[index] + len(matrix), :, index] = matrix
    return log_kd, first


def check_placed(
    names: Sequence[str], log_kd: np.ndarray, first_column: np.ndarray, widths: np.ndarray
) -> None:
    """Checks the arrays of a MotifSet, which describes them.

    Raises:
        ValueError: a shape, a range or a value that does not agree with the others.

    Example:
        >>> check_placed(["a"], np.zeros((3, 4, 1), np.float32), np.array([1]), np.array([2]))
    """
    count, shape = len(names), log_kd.shape
    if len(shape) != 3 or shape[0] < 1 or shape[1:] != (4, count):
        raise ValueError(
            f"log_kd: expected shape [W, 4, {count}] with W of 1 or more, got {list(shape)}; "
            "put columns first, then bases in the order A C G T, then motifs"
        )
    for field, array in (("first_column", first_column), ("widths", widths)):
        if array.shape != (count,):
            raise ValueError(
                f"{field}: expected shape [{count}], got {list(array.shape)}; one per motif"
            )
    end = first_column + widths
    largest = np.abs(log_kd).max(axis=1).sum(axis=0, dtype=np.float64)
    column = np.arange(shape[0])[:, np.newaxis, np.newaxis]
    is_own = (column >= first_column) & (column < end)
    checks = (
        (
            (first_column >= 0) & (widths >= 1) & (end <= shape[0]),
            f"first_column, widths: expected columns within 0..{shape[0] - 1}",
            "move the motif or widen log_kd",
        ),
        (
            np.isfinite(log_kd).all(axis=(0, 1)),
            "log_kd: expected finite float32 numbers",
            "remove NaN, infinite or overflowing entries",
        ),
        (
            largest <= np.finfo(np.float32).max,
            "log_kd: expected sums over the columns that are finite as float32",
            "give log Kd in nats",
        ),
        (
            (is_own | (log_kd == 0)).all(axis=(0, 1)),
            "log_kd: expected zeros outside each motif's own columns",
            "correct first_column and widths",
        ),
    )
    for good, expected, remedy in checks:
        if not good.all():
            index = int(np.argmin(good))
            raise ValueError(
                f"{expected}, which motif {names[index]!r} (first_column {first_column[index]}, "
                f"width {widths[index]}) breaks; {remedy}"
            )
