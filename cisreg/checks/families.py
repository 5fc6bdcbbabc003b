"""Sequences that are alike but not equal: variants, or overlapping pieces of a locus.

Each sequence has a sketch: of all its words of 16 bases, the least under each of four hash
functions. Two sequences have the same least word with the probability that is the Jaccard
similarity J of their sets of words (Broder 1997, On the resemblance and containment of documents).
Relatives are those that share at least two of four, which 69 % of the pairs with J = 0.5 do, 95 %
of those with J = 0.75 and 0.06 % of those with J = 0.01.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cisreg.data.ends import find_constant_ends
from cisreg.data.folds import HELD_OUT, TRAINING

# Shorter words are shared by chance: with 12 bases, 14 % of two million random sequences would be
# relatives, with 16 below 0.1 %. A word of 16 is a number of 32 bits.
WORD = 16
# Fewer words are too few to compare.
_FEWEST_WORDS = 12
SHORTEST = WORD + _FEWEST_WORDS - 1
_FUNCTIONS = 4
# Odd factors of four hash functions, and what is added before: fixed random numbers.
_FACTORS = np.array([0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F], np.uint32)
_ADDED = np.array([0x165667B1, 0xD3A2646C, 0xFD7046C5, 0xB55A4F09], np.uint32)
_NONE = np.uint32(0xFFFFFFFF)
# Beyond so many rows, no relatives are looked for among the others.
MOST_ROWS = 1 << 21
# Bases at a time, so that their words stay in the cache.
_BASES = 1 << 18
# A column hardly varies if one base has at least this share; so many rows tell.
_CONSTANT_SHARE, _ROWS_LOOKED_AT = 0.9, 1 << 13
# Of fewer rows, columns are alike by chance, as for `find_constant_ends`.
_FEWEST_ROWS = 50
_UNKNOWN = 4


class Relatives(NamedTuple):
    """How many sequences have relatives.

    Attributes:
        compared: number of different sequences that were compared.
        related: how many of them have a relative.
        held_out: how many of them are held out.
        leaked: how many of the latter have a relative among the rows to train on.
    """

    compared: int
    related: int
    held_out: int
    leaked: int


class Sketcher:
    """Makes sketches of sequences; the first rows tell it which bases hardly vary."""

    def __init__(self) -> None:
        self._constant: np.ndarray | None = None
        self._right = 0

    def add(self, codes: np.ndarray, length: np.ndarray) -> np.ndarray:
        """The sketch of each row, uint32 [n, 4]; all ones for sequences with too few words.

        Args:
            codes: uint8 [n, L] as in `Block`.
            length: int64 [n].
        """
        if self._constant is None:
            self._look(codes, length)
        found = np.full((len(codes), _FUNCTIONS), _NONE, np.uint32)
        if codes.shape[1] < WORD:
            return found
        count = max(_BASES // codes.shape[1], 1)
        for first in range(0, len(codes), count):
            rows = slice(first, first + count)
            found[rows] = _sketches(self._masked(codes[rows], length[rows]))
        return found

    def _look(self, codes: np.ndarray, length: np.ndarray) -> None:
        """Finds the columns from the first base on, and the last bases, that hardly vary."""
        some = np.linspace(0, len(codes) - 1, min(len(codes), _ROWS_LOOKED_AT)).astype(np.int64)
        codes, length = codes[np.unique(some)], length[np.unique(some)]
        most = np.max([(codes == base).sum(axis=0) for base in range(4)], axis=0)
        constant = most >= _CONSTANT_SHARE * np.maximum((codes < _UNKNOWN).sum(axis=0), 1)
        right = find_constant_ends(codes).right
        # Variants of one promoter hardly vary anywhere: they are relatives.
        varying = np.median(length) - int(constant.sum())
        if len(codes) < _FEWEST_ROWS or varying < 2 * WORD:
            self._constant = np.zeros_like(constant)
            return
        self._constant, self._right = constant, 0 if right is None else len(right.sequence)

    def _masked(self, codes: np.ndarray, length: np.ndarray) -> np.ndarray:
        """The codes with unknown bases where sequences hardly vary."""
        assert self._constant is not None  # the first rows were looked at
        masked = codes.copy()
        masked[:, np.flatnonzero(self._constant[: codes.shape[1]])] = _UNKNOWN
        if self._right:
            masked[np.arange(codes.shape[1]) >= (length - self._right)[:, None]] = _UNKNOWN
        return masked


def _sketches(codes: np.ndarray) -> np.ndarray:
    base, unknown = (codes & 3).astype(np.uint32), codes == _UNKNOWN
    words = _joined(base, lambda left, right, bases: (left << np.uint32(2 * bases)) | right)
    missing = _joined(unknown, lambda left, right, bases: left | right)
    never_least = missing.astype(np.uint32) * _NONE
    found = np.empty((len(codes), _FUNCTIONS), np.uint32)
    for function in range(_FUNCTIONS):
        hashed = words ^ _ADDED[function]
        hashed *= _FACTORS[function]
        hashed |= never_least
        hashed.min(axis=1, out=found[:, function])
    found[missing.shape[1] - missing.sum(axis=1) < _FEWEST_WORDS] = _NONE
    return found


def _joined(
    base: np.ndarray, join: Callable[[np.ndarray, np.ndarray, int], np.ndarray]
) -> np.ndarray:
    """What `join` makes of the 16 bases from each column on: of 1, 2, 4, 8 and 16 of them."""
    two = join(base[:, :-1], base[:, 1:], 1)
    four = join(two[:, :-2], two[:, 2:], 2)
    eight = join(four[:, :-4], four[:, 4:], 4)
    return join(eight[:, :-8], eight[:, 8:], 8)


def find_relatives(sketch: np.ndarray, side: np.ndarray) -> Relatives:
    """Finds the sequences that have relatives.

    Args:
        sketch: uint32 [n, 4], of different sequences.
        side: uint8 [n], TRAINING, HELD_OUT or NEITHER of `cisreg.data.folds`.

    Example:
        >>> from cisreg import encode
        >>> one = "ACGTTGCATCCGATCGGATTACAGGATCCAAGTCTTAGCGAATG"
        >>> codes = np.asarray(encode([one, one[:40] + "TTTT", one[::-1]]))
        >>> sketch = Sketcher().add(codes, np.full(3, 44))
        >>> find_relatives(sketch, np.array([HELD_OUT, TRAINING, TRAINING]))
        Relatives(compared=3, related=2, held_out=1, leaked=1)
    """
    known = sketch[:, 0] != _NONE
    sketch, side = sketch[known].astype(np.uint64), side[known]
    held_out = side == HELD_OUT
    related, leaked = np.zeros(len(sketch), np.bool_), np.zeros(len(sketch), np.bool_)
    for one, other in itertools.combinations(range(_FUNCTIONS), 2):
        key = (sketch[:, one] << np.uint64(32)) | sketch[:, other]
        order = np.argsort(key)
        first = np.flatnonzero(np.diff(key[order], prepend=~key[order[:1]]) != 0)
        size = np.diff(first, append=len(key))
        group = np.repeat(np.arange(len(first)), size)
        trained = np.bincount(group, side[order] == TRAINING, len(first)) > 0
        related[order] |= size[group] > 1
        leaked[order] |= held_out[order] & trained[group]
    return Relatives(len(sketch), int(related.sum()), int(held_out.sum()), int(leaked.sum()))
