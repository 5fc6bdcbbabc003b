"""Sums of a motif's entries over every window, in the orders and precisions of several scanners.

What two scanners disagree on can so be derived, site by site, instead of being tolerated.
"""

from __future__ import annotations

import numpy as np

from benchmarks.shared.scanners import whole_windows


def forward_sums(codes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Added in the matrix's precision, from its first column to its last; [L - width + 1].

    NaN where the window holds an N. This is the order of `cisreg.scan` on the forward strand, and
    of lightmotif on both, where `matrix` is the reverse complement for the reverse strand.
    """
    return _sums(codes, matrix, range(len(matrix)))


def backward_sums(codes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The same from the last column to the first.

    Of the reverse complement, this is the order of `cisreg.scan` on the reverse strand.
    """
    return _sums(codes, matrix, reversed(range(len(matrix))))


def rounding_bound(matrix: np.ndarray) -> float:
    """The most that float32 sums of a window's entries can be off: (width - 1) roundings.

    Each rounding is off by at most 2^-24 of a partial sum (Higham, Accuracy and Stability of
    Numerical Algorithms, section 4.2); a partial sum is at most the sum of the largest entries.
    """
    largest = np.abs(matrix.astype(np.float64)).max(axis=1).sum()
    steps = max(len(matrix) - 1, 0) * 2.0**-24
    return float(steps / (1 - steps) * largest)


def _sums(codes: np.ndarray, matrix: np.ndarray, order: range | reversed) -> np.ndarray:
    windows = max(len(codes) - len(matrix) + 1, 0)
    table = np.zeros((len(matrix), 5), matrix.dtype)
    table[:, :4] = matrix
    total = np.zeros(windows, matrix.dtype)
    for column in order:
        total += table[column][codes[column : column + windows]]
    total[~whole_windows(codes, len(matrix))] = np.nan
    return total
