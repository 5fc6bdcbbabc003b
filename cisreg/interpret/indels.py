"""Deletions and insertions of one base: the sequence is padded or trimmed as the model does it.

Every mutant is scanned: what lies behind the changed base moves, and has other windows.
"""

from __future__ import annotations

import numpy as np

from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.substitutions import BASES, expression_of
from cisreg.occupancy_checks import UNKNOWN

# Sequences whose mutants are made at a time.
_SEQUENCES = 16


def deletion_effects(
    model: AnyModel, codes: np.ndarray, reference: np.ndarray, threads: int | None
) -> np.ndarray:
    """The effect of deleting each base, float32 [N, L]; not a number where it is unknown.

    An unknown base is put on the model's `padding_side`, as `Model.encode` would do.
    """
    effect = np.full(codes.shape, np.nan, np.float32)
    for begin in range(0, len(codes), _SEQUENCES):
        sequence, position = np.nonzero(codes[begin : begin + _SEQUENCES] != UNKNOWN)
        mutants = _deleted(codes[begin + sequence], position, model.padding_side)
        after = expression_of(model, mutants, threads)
        effect[begin + sequence, position] = after - reference[begin + sequence]
    return effect


def insertion_effects(
    model: AnyModel, codes: np.ndarray, reference: np.ndarray, threads: int | None
) -> np.ndarray:
    """The effect of inserting each base before each position and at the end.

    The base on the model's `padding_side` is trimmed off, as `Model.encode` would do.

    Returns:
        float32 [N, L + 1, 4]; not a number where both neighbours are unknown, as in padding.
    """
    count, length = codes.shape
    effect = np.full((count, length + 1, BASES), np.nan, np.float32)
    known = np.pad(codes != UNKNOWN, ((0, 0), (1, 1)))
    between = known[:, 1:] | known[:, :-1]
    for begin in range(0, count, _SEQUENCES):
        there = np.repeat(between[begin : begin + _SEQUENCES, :, np.newaxis], BASES, axis=2)
        sequence, position, base = np.nonzero(there)
        mutants = _inserted(codes[begin + sequence], position, base, model.padding_side)
        after = expression_of(model, mutants, threads)
        effect[begin + sequence, position, base] = after - reference[begin + sequence]
    return effect


def _deleted(codes: np.ndarray, position: np.ndarray, side: str) -> np.ndarray:
    column, at = np.arange(codes.shape[1]), position[:, np.newaxis]
    if side == "left":
        source = np.where(column <= at, column - 1, column)
    else:
        source = np.where(column >= at, column + 1, column)
    padded = np.pad(codes, ((0, 0), (1, 1)), constant_values=UNKNOWN)
    mutants: np.ndarray = np.take_along_axis(padded, source + 1, axis=1)
    return mutants


def _inserted(codes: np.ndarray, position: np.ndarray, base: np.ndarray, side: str) -> np.ndarray:
    column, at = np.arange(codes.shape[1] + 1), position[:, np.newaxis]
    source = np.minimum(np.where(column > at, column - 1, column), codes.shape[1] - 1)
    longer = np.take_along_axis(codes, source, axis=1)
    longer[np.arange(len(codes)), position] = base
    return longer[:, 1:] if side == "left" else longer[:, :-1]
