"""A model that knows no factors: expression from how often each word of three bases occurs.

A thermodynamic model that predicts no better has learned the composition of the sequences, not
their sites.
"""

from __future__ import annotations

import numpy as np

WORD = 3
# Of more training rows, so many evenly spaced ones are fitted: 65 numbers are known then.
_MOST_FITTED = 50_000
_ROWS = 8192
# Of the sum of squares of each count: keeps counts that hardly vary from having large slopes.
_RIDGE = 1e-3


def word_counts(codes: np.ndarray) -> np.ndarray:
    """How often each word of three known bases occurs in each sequence, float64 [N, 64].

    Args:
        codes: uint8 [N, L], base codes; words with an unknown base do not count.

    Example:
        >>> word_counts(np.array([[0, 0, 0, 0, 4]], np.uint8))[0, 0]
        2.0
    """
    counts = np.zeros((len(codes), 4**WORD))
    for begin in range(0, len(codes), _ROWS):
        part = codes[begin : begin + _ROWS].astype(np.int64)
        if part.shape[1] < WORD:
            break
        words = 16 * part[:, :-2] + 4 * part[:, 1:-1] + part[:, 2:]
        known = (part[:, :-2] < 4) & (part[:, 1:-1] < 4) & (part[:, 2:] < 4)
        row = np.broadcast_to(np.arange(len(part))[:, np.newaxis], words.shape)
        flat = row[known] * 4**WORD + words[known]
        found = np.bincount(flat, minlength=len(part) * 4**WORD)
        counts[begin : begin + len(part)] = found.reshape(len(part), -1)
    return counts


def predict_by_words(
    training: np.ndarray, measured: np.ndarray, codes: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Expression predicted by a line through the counts of words, float64 [n].

    Args:
        training: uint8 [N, L], sequences to fit.
        measured: float [N], their expression.
        codes: uint8 [n, L], sequences to predict.
        weight: float64 [N], above 0, of the sequences to fit.

    Example:
        >>> codes = np.array([[0, 0, 0], [1, 1, 1]], np.uint8)
        >>> predict_by_words(codes, np.array([0.0, 1.0]), codes, np.ones(2)).round(2).tolist()
        [0.0, 1.0]
    """
    some = slice(None, None, -(-len(training) // _MOST_FITTED))
    counts, expression = word_counts(training[some]), np.asarray(measured[some], np.float64)
    share = weight[some] / weight[some].mean()
    mean, level = share @ counts / len(share), share @ expression / len(share)
    centred = counts - mean
    own = centred * share[:, np.newaxis]
    squares = centred.T @ own
    squares[np.diag_indices_from(squares)] += _RIDGE * np.diag(squares) + 1e-9
    slope = np.linalg.solve(squares, own.T @ (expression - level))
    return level + (word_counts(codes) - mean) @ slope
