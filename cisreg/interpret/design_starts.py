"""Where the design of sequences starts: given sequences, and random ones."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cisreg.data import Dataset
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.backgrounds import constant_end
from cisreg.interpret.design_constraints import Constraints, Rules
from cisreg.motifs.checking import check_background
from cisreg.occupancy_checks import UNKNOWN
from cisreg.sequences import decode

_FOREIGN = re.compile("[^ACGTUN]", re.IGNORECASE)
# Repair tries so many changes that make nothing better before it gives up.
_PATIENCE = 50
_MOST_REPAIRS = 1000


@dataclass(frozen=True)
class Starts:
    """Sequences from which designs start.

    Attributes:
        codes: uint8 [N, L]; code 4 only in padding.
        extent: int64 [N, 2], first base of each row that is no padding, and the one after the last.
        protected: bool [N, L], bases that stay as they are.
        name: the names of the sequences, or their numbers.
    """

    codes: np.ndarray
    extent: np.ndarray
    protected: np.ndarray
    name: tuple[str, ...]

    def text(self, codes: np.ndarray) -> list[str]:
        """Codes [N, L] of these rows as text, without padding."""
        return [
            letters[begin:end]
            for letters, (begin, end) in zip(decode(codes), self.extent, strict=True)
        ]

    def take(self, rows: np.ndarray) -> Starts:
        """Some of the starts."""
        names = tuple(self.name[row] for row in rows)
        return Starts(self.codes[rows], self.extent[rows], self.protected[rows], names)


def read_starts(
    model: AnyModel,
    start: Any,
    constraints: Constraints,
    composition: Sequence[float],
    generators: Any,
) -> Starts:
    """Reads or makes the starts; unknown bases become random ones.

    Args:
        model: a trained model.
        start: sequences, or the number of random ones; see `cisreg.interpret.design`.
        constraints: what is protected.
        composition: probabilities of A, C, G and T for random bases.
        generators: a function from the number of starts to a random generator for each.

    Raises:
        ValueError: no sequences, letters other than A, C, G, T, U and N, a sequence without bases,
            or N in protected bases.
        TypeError: neither sequences nor a number.
    """
    try:
        probability = check_background(composition, zero_allowed=True)
    except ValueError as error:
        raise ValueError(str(error).replace("background:", "composition:", 1)) from None
    lower = None
    if is_count(start):
        codes, extent = _random_rows(model, operator.index(start))
        name = tuple(f"random {each}" for each in range(len(codes)))
    else:
        codes, extent, lower = _given_rows(model, start)
        name = _names(start, len(codes))
    if not len(codes):
        raise ValueError("start: expected at least one sequence, got none")
    protected = _protected(model, constraints, extent, codes.shape[1])
    if constraints.protect_lower_case:
        if lower is None:
            raise ValueError("protect_lower_case: expected starts as text, got codes or random")
        protected |= lower
    starts = Starts(codes, extent, protected, name)
    _fill(starts, probability, generators(len(codes)))
    free = ((starts.codes != UNKNOWN) & ~protected).any(axis=1)
    if not free.all():
        row = int(np.argmin(free))
        raise ValueError(f"protect: expected variable bases, got none in start {name[row]}")
    return starts


def is_count(start: Any) -> bool:
    """Whether this is a number of random starts, and not sequences.

    Example:
        >>> is_count(20), is_count(["ACGT"])
        (True, False)
    """
    return isinstance(start, (int, np.integer)) and not isinstance(start, bool)


def _random_rows(model: AnyModel, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of unknown bases between the constant ends of the training sequences."""
    if count < 1:
        raise ValueError(f"start: expected sequences, or 1 or more random ones, got {count}")
    length = model.spec.sequence_length
    left, right = constant_end(model, "left"), constant_end(model, "right")
    row = np.full(length, UNKNOWN, np.uint8)
    row[: len(left)] = left
    row[length - len(right) :] = right
    return np.tile(row, (count, 1)), np.tile([0, length], (count, 1))


def _given_rows(model: AnyModel, start: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Codes, extents, and for text which letters are lower-case."""
    if isinstance(start, Dataset) or getattr(start, "ndim", 1) == 2:
        codes = np.array(model.encode(start), np.uint8)
        return codes, _known_extent(codes, model.padding_side), None
    if isinstance(start, str):
        raise TypeError("start: expected several sequences, got one text; put it in a list")
    if not hasattr(start, "__iter__"):
        raise TypeError(
            f"start: expected sequences, or a number of random ones, got {type(start).__name__}"
        )
    texts = [each.as_py() if hasattr(each, "as_py") else each for each in start]
    if not all(isinstance(each, str) for each in texts):
        codes = np.array(model.encode(start), np.uint8)
        return codes, _known_extent(codes, model.padding_side), None
    texts = [text.strip() for text in texts]
    for row, text in enumerate(texts):
        if found := _FOREIGN.search(text):
            raise ValueError(
                f"start: expected the letters A, C, G, T and N (a random base), got "
                f"{found[0]!r} in sequence {row} at position {found.start()}"
            )
    codes = np.array(model.encode(texts), np.uint8)
    length = codes.shape[1]
    extent = np.empty((len(texts), 2), np.int64)
    lower = np.zeros(codes.shape, bool)
    for row, text in enumerate(texts):
        kept = text[-length:] if model.padding_side == "left" else text[:length]
        begin = length - len(kept) if model.padding_side == "left" else 0
        extent[row] = begin, begin + len(kept)
        lower[row, begin : begin + len(kept)] = [letter.islower() for letter in kept]
    return codes, _checked_extent(extent), lower


def _known_extent(codes: np.ndarray, side: str) -> np.ndarray:
    """The extent of rows of codes: unknown bases on the padding side are padding."""
    known, length = codes != UNKNOWN, codes.shape[1]
    extent = np.tile(np.array([0, length]), (len(codes), 1))
    if side == "left":
        extent[:, 0] = np.where(known.any(axis=1), known.argmax(axis=1), length)
    else:
        extent[:, 1] = np.where(known.any(axis=1), length - known[:, ::-1].argmax(axis=1), 0)
    return _checked_extent(extent)


def _checked_extent(extent: np.ndarray) -> np.ndarray:
    empty = extent[:, 0] >= extent[:, 1]
    if empty.any():
        raise ValueError(f"start: expected bases, got none in sequence {int(np.argmax(empty))}")
    return extent


def _names(start: Any, count: int) -> tuple[str, ...]:
    if isinstance(start, Dataset) and start.name is not None:
        return tuple(map(str, start.name.to_pylist()))
    return tuple(map(str, range(count)))


def _protected(
    model: AnyModel, constraints: Constraints, extent: np.ndarray, length: int
) -> np.ndarray:
    protected = np.zeros((len(extent), length), bool)
    intervals = list(constraints.protect)
    if constraints.protect_ends:
        spec = model.spec
        intervals += [(0, spec.constant_left)] * bool(spec.constant_left)
        intervals += [(-spec.constant_right, None)] * bool(spec.constant_right)
    for row, (first, end) in enumerate(extent):
        for interval in intervals:
            begin, behind, _ = slice(*interval).indices(end - first)
            _check_interval(interval, begin, behind, end - first)
            protected[row, first + begin : first + behind] = True
    return protected


def _check_interval(
    interval: tuple[int | None, int | None], begin: int, behind: int, count: int
) -> None:
    """An interval that holds no base, or reaches beyond the sequence, was meant differently."""
    outside = any(each is not None and abs(each) > count for each in interval)
    if outside or begin >= behind:
        first, end = ("" if each is None else each for each in interval)
        raise ValueError(
            f"protect: expected begin and end of bases in a sequence of {count}, got {first}:{end}"
        )


def _fill(starts: Starts, probability: np.ndarray, generators: Sequence) -> None:
    """Makes unknown bases inside of the extents random ones, in place."""
    column = np.arange(starts.codes.shape[1])
    for row, (first, end) in enumerate(starts.extent):
        inside = (column >= first) & (column < end)
        unknown = inside & (starts.codes[row] == UNKNOWN)
        if (unknown & starts.protected[row]).any():
            place = int(np.argmax(unknown & starts.protected[row])) - first
            raise ValueError(
                f"start: expected A, C, G or T in protected bases, got an unknown base at position "
                f"{place} of sequence {starts.name[row]}"
            )
        starts.codes[row, unknown] = generators[row].choice(4, unknown.sum(), p=probability)


def repair(starts: Starts, rules: Rules, rows: np.ndarray, generators: Sequence) -> Starts:
    """Starts in which the constraints hold, by random changes of variable bases.

    Each change is one of those that leave the fewest bases to change; equally good ones are chosen
    from at random.

    Args:
        starts: the starts.
        rules: their constraints.
        rows: which starts to repair.
        generators: a random generator for each start.

    Raises:
        ValueError: no sequence was found that meets the constraints; the message says which remain.
    """
    codes = starts.codes.copy()
    for row in rows:
        codes[row] = _repaired(codes[row], starts, rules, int(row), generators[row])
    return replace(starts, codes=codes)


def _repaired(
    codes: np.ndarray, starts: Starts, rules: Rules, row: int, random: np.random.Generator
) -> np.ndarray:
    mutants = Mutants(starts.protected[row] | (codes == UNKNOWN))
    best = int(rules.broken(codes[np.newaxis], np.array([row])).sum())
    waited = 0
    for _ in range(_MOST_REPAIRS):
        if best == 0:
            return codes
        candidates = mutants.of(codes)
        left = rules.broken(candidates, np.full(len(candidates), row)).sum(axis=1)
        waited = 0 if left.min() < best else waited + 1
        if waited > _PATIENCE:
            break
        best = int(left.min())
        codes = candidates[random.choice(np.flatnonzero(left == best))]
    raise ValueError(
        f"constraints: expected some that sequences can meet, but random changes of start "
        f"{starts.name[row]} did not find one; what remains: {rules.describe(codes, row)}; "
        "loosen it, protect fewer bases or allow more changes"
    )


class Mutants:
    """All single substitutions of the variable bases of a sequence.

    Args:
        held: bool [L], bases that stay as they are.
    """

    def __init__(self, held: np.ndarray) -> None:
        self._place = np.repeat(np.flatnonzero(~held), 3)
        self._step = np.tile(np.arange(1, 4, dtype=np.uint8), int((~held).sum()))

    def of(self, codes: np.ndarray) -> np.ndarray:
        """The substitutions of codes [L], uint8 [3 per variable base, L]."""
        mutants = np.tile(codes, (len(self._place), 1))
        rows = np.arange(len(mutants))
        mutants[rows, self._place] = (mutants[rows, self._place] + self._step) % 4
        return mutants
