"""The letters that stand for the columns of motifs."""

from __future__ import annotations

import math

import numpy as np

from cisreg.motifs.bases import BASES
from cisreg.motifs.consensus import IUPAC

# The letter of the IUPAC code for each set of bases, A being 1, C 2, G 4 and T 8; no set is empty.
_LETTER_OF_BASES = np.full(16, " ")
for _letter, _bases in IUPAC.items():
    _LETTER_OF_BASES[sum(1 << BASES.index(base) for base in _bases)] = _letter


def consensus_letters(log_kd: np.ndarray) -> np.ndarray:
    """The IUPAC letter of the bases whose log Kd is within ln 2 of the lowest in each column.

    Args:
        log_kd: float32 [W, 4, M].

    Returns:
        [W, M], one letter each.

    Example:
        >>> consensus_letters(np.array([[[0], [0.5], [3], [4]]], np.float32))
        array([['M']], dtype='<U1')
    """
    lowest = log_kd.min(axis=1, keepdims=True)
    allowed = log_kd - lowest <= np.float32(math.log(2))
    letters: np.ndarray = _LETTER_OF_BASES[np.tensordot([1, 2, 4, 8], allowed, axes=(0, 1))]
    return letters


def site_letters(log_kd: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Base codes [W, M] as letters; N where all bases are equal.

    Example:
        >>> site_letters(np.array([[[2], [-1], [2], [2]], [[0]] * 4]), np.array([[1], [0]])).T
        array([['C', 'N']], dtype='<U1')
    """
    indifferent = np.ptp(log_kd, axis=1) == 0
    letters: np.ndarray = np.array(list(BASES + "N"))[np.where(indifferent, 4, base)]
    return letters
