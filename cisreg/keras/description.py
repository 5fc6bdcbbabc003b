"""Motifs and arrays as plain values, for the configurations of layers and models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cisreg.motifs import MotifSet


def describe_array(array: npt.ArrayLike) -> Any:
    """Numbers as nested lists that give the same float32 numbers back, in as few digits as that.

    Example:
        >>> describe_array(np.float32([0.1, -2.5]))
        [0.1, -2.5]
    """
    return np.asarray(array, np.float32).astype(str).astype(np.float64).tolist()


def describe_motifs(motifs: MotifSet) -> dict[str, Any]:
    """Motifs as plain values; `described_motifs` reads them.

    Example:
        >>> motifs = MotifSet.from_matrices(["a"], [[[-1, 1, 1, 1.5]]], width=3)
        >>> describe_motifs(motifs)["matrices"]
        [[[-1.0, 1.0, 1.0, 1.5]]]
    """
    return {
        "names": list(motifs.names),
        "columns": motifs.width,
        "first_column": motifs.first_column.tolist(),
        "matrices": [describe_array(matrix) for matrix in motifs.matrices()],
    }


def described_motifs(description: Mapping[str, Any]) -> MotifSet:
    """The motifs that `describe_motifs` described.

    Example:
        >>> motifs = MotifSet.from_matrices(["a"], [[[-1, 1, 1, 1.5]]], width=3)
        >>> described_motifs(describe_motifs(motifs)).log_kd[1, :, 0]
        array([-1. ,  1. ,  1. ,  1.5], dtype=float32)
    """
    matrices = [np.array(matrix, np.float32) for matrix in description["matrices"]]
    log_kd = np.zeros((description["columns"], 4, len(matrices)), np.float32)
    for index, (first, matrix) in enumerate(
        zip(description["first_column"], matrices, strict=True)
    ):
        log_kd[first : first + len(matrix), :, index] = matrix
    widths = [len(matrix) for matrix in matrices]
    return MotifSet(
        description["names"], log_kd, np.array(description["first_column"]), np.array(widths)
    )
