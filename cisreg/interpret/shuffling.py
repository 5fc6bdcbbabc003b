"""Shuffled sequences: their bases, or their dinucleotides, in random order."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np

from cisreg.interpret.sequence_edits import check_part, to_codes
from cisreg.limits import check_memory
from cisreg.occupancy_checks import UNKNOWN

# Bases that are shuffled at a time.
_BLOCK = 1 << 19
# Letters of a sequence: four bases, and the unknown one.
_LETTERS = 5


def shuffle(
    sequences: Any, start: int = 0, end: int | None = None, n: int = 1, *, seed: int = 0
) -> np.ndarray:
    """The bases from `start` to `end` in random order; tangermeme's verb of this name.

    Every order is equally likely, and each sequence has its own (in tangermeme all sequences share
    one). Unknown bases (code 4) at the ends of a row, such as padding, stay in place; those within
    are shuffled like bases.

    Args:
        sequences: N sequences of one length: text, base codes [N, L] or a `cisreg.Dataset`.
        start: the first base to shuffle, counted from 0.
        end: the base behind the last one; None: up to the end.
        n: how many shuffles of each sequence.
        seed: the same seed gives the same shuffles.

    Returns:
        uint8 [N, n, L], base codes; `cisreg.decode` makes text of [N, L].

    Raises:
        ValueError: sequences of different lengths, or bases that they do not have.

    Example:
        >>> from cisreg.sequences import decode
        >>> decode(shuffle(["AACCGGTT"], 2, 6, n=2)[0])
        ['AAGGCCTT', 'AAGCGCTT']
    """
    return _shuffled(sequences, start, end, n, seed, dinucleotides=False)


def dinucleotide_shuffle(
    sequences: Any, start: int = 0, end: int | None = None, n: int = 1, *, seed: int = 0
) -> np.ndarray:
    """Random sequences with the same dinucleotides, equally often; tangermeme's verb of this name.

    All sequences with the first and the last base and the counts of all dinucleotides of the given
    one are equally likely, the given one too: a random Euler path through its dinucleotides
    (Altschul and Erickson 1985, Molecular Biology and Evolution 2, 526-538). Unknown bases (code 4)
    at the ends of a row, such as padding, stay in place; those within count as a fifth letter.

    Args:
        sequences: N sequences of one length: text, base codes [N, L] or a `cisreg.Dataset`.
        start: the first base to shuffle, counted from 0; like the last one, it stays as it is.
        end: the base behind the last one; None: up to the end.
        n: how many shuffles of each sequence.
        seed: the same seed gives the same shuffles.

    Returns:
        uint8 [N, n, L], base codes; `cisreg.decode` makes text of [N, L].

    Raises:
        ValueError: sequences of different lengths, or bases that they do not have.

    Example:
        >>> from cisreg.sequences import decode
        >>> decode(dinucleotide_shuffle(["ACAGATACGT"], n=2)[0])
        ['AGACGTACAT', 'ACAGATACGT']
    """
    return _shuffled(sequences, start, end, n, seed, dinucleotides=True)


def known_range(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bases of each row without the unknown ones at its ends: first, and behind the last.

    Args:
        codes: uint8 [N, L].

    Returns:
        (int [N], int [N]); equal where a row has no known base.

    Example:
        >>> known_range(np.array([[4, 0, 4, 1]], np.uint8))
        (array([1]), array([4]))
    """
    known = codes != UNKNOWN
    some = known.any(axis=1)
    begin = np.where(some, known.argmax(axis=1), 0)
    return begin, np.where(some, codes.shape[1] - known[:, ::-1].argmax(axis=1), 0)


def shuffle_segments(
    codes: np.ndarray,
    segments: tuple[np.ndarray, np.ndarray, np.ndarray],
    random: np.random.Generator,
    *,
    dinucleotides: bool,
) -> None:
    """Shuffles segments of sequences in place.

    Args:
        codes: uint8 [N, L], changed.
        segments: row, first column and the column behind the last, int [R] each; they do not
            overlap.
        random: the random generator.
        dinucleotides: whether to keep the dinucleotides of each segment, or only its bases.
    """
    width = int((segments[2] - segments[1]).max(initial=0))
    at_once = max(1, _BLOCK // max(1, width))
    for first in range(0, len(segments[0]) if width else 0, at_once):
        row, begin, end = (each[first : first + at_once, np.newaxis] for each in segments)
        column = begin + np.arange(width)
        inside = column < end
        at = row, np.where(inside, column, 0)
        letters = np.where(inside, codes[at], 0)
        draw = random.random((len(row), width + 1))
        if dinucleotides:
            length = (end - begin)[:, 0]
            found = np.empty_like(letters)
            # A few unknown bases would cost all others the larger set of trees.
            odd = (letters == UNKNOWN).any(axis=1)
            for chosen, count in ((~odd, _LETTERS - 1), (odd, _LETTERS)):
                found[chosen] = _euler_paths(letters[chosen], length[chosen], draw[chosen], count)
        else:
            order = np.where(inside, draw[:, :width], 1).argsort(axis=1, kind="stable")
            found = np.take_along_axis(letters, order, axis=1)
        codes[np.broadcast_to(row, inside.shape)[inside], column[inside]] = found[inside]


def _shuffled(
    sequences: Any, start: int, end: int | None, n: int, seed: int, *, dinucleotides: bool
) -> np.ndarray:
    codes = to_codes(sequences)
    count, length = codes.shape
    end = check_part(length, start, end)
    if n < 1:
        raise ValueError(f"n: expected 1 or more shuffles of each sequence, got {n}")
    check_memory(
        f"n: {n:,} shuffles of {count:,} sequences", count * n * length, "take fewer at once"
    )
    first, behind = known_range(codes)
    begin = np.repeat(np.maximum(first, start), n)
    behind = np.maximum(np.repeat(np.minimum(behind, end), n), begin)
    result = np.repeat(codes, n, axis=0)
    shuffle_segments(
        *(result, (np.arange(count * n), begin, behind)),
        np.random.default_rng(seed),
        dinucleotides=dinucleotides,
    )
    return result.reshape(count, n, length)


def _euler_paths(
    letters: np.ndarray, length: np.ndarray, draw: np.ndarray, count: int
) -> np.ndarray:
    """A random path through the pairs of neighbours of each row.

    Args:
        letters: uint8 [R, W], below `count`.
        length: int [R], how many of them count.
        draw: float64 [R, W + 1], random numbers from 0 to below 1.
        count: number of different letters.
    """
    rows, width = letters.shape
    if width < 3 or not rows:
        return letters
    row = np.arange(rows)
    here, then = letters[:, :-1], letters[:, 1:]
    pairs = np.arange(width - 1) < length[:, np.newaxis] - 1
    cell = (row[:, np.newaxis] * count + here) * count + then
    pair_counts = np.bincount(cell[pairs], minlength=rows * count * count)
    pair_counts = pair_counts.reshape(rows, count, count)
    root = letters[row, np.maximum(length - 1, 0)]
    last = _last_exits(pair_counts, root, draw[:, 0])
    # The pairs in the order in which each letter is left, which is random but for the last exit.
    key = np.where(pairs, here + 0.5 * draw[:, 1:width], count)
    exits = pairs & (then == last[row[:, np.newaxis], here]) & (here != root[:, np.newaxis])
    for letter in range(count):
        of_letter = exits & (here == letter)
        some = of_letter.any(axis=1)
        key[row[some], of_letter.argmax(axis=1)[some]] = letter + 0.75
    successor = np.take_along_axis(then, key.argsort(axis=1), axis=1)
    return _walk(letters[:, 0], successor, pair_counts.sum(axis=2))


def _walk(first: np.ndarray, successor: np.ndarray, exit_counts: np.ndarray) -> np.ndarray:
    """The letters on the way from `first`, uint8 [R, W], leaving each letter in its order."""
    rows, steps = successor.shape
    row, current = np.arange(rows), first
    place = exit_counts.cumsum(axis=1) - exit_counts
    path = np.empty((rows, steps + 1), np.uint8)
    path[:, 0] = first
    for step in range(steps):
        at = place[row, current]
        place[row, current] += 1
        # Behind the end of a shorter row, what is found does not matter.
        current = successor[row, np.minimum(at, steps - 1)]
        path[:, step + 1] = current
    return path


def _last_exits(pair_counts: np.ndarray, root: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """The pair with which each letter is left for the last time, int [R, letters].

    These pairs form a tree towards the last letter. A tree is drawn with a probability that is
    proportional to the number of ways to choose its pairs, so that all paths are equally likely.
    """
    letters = pair_counts.shape[1]
    row = np.arange(len(root))
    ways = pair_counts.astype(np.float64)
    absent = ways.sum(axis=2) == 0
    # Letters that do not occur hang on the root in exactly one way.
    ways[row[:, np.newaxis], np.arange(letters), root[:, np.newaxis]] += absent
    trees = _trees(letters)[root]
    weight = np.ones(trees.shape[:2])
    for letter in range(letters):
        of_letter = ways[row[:, np.newaxis], letter, trees[:, :, letter]]
        weight *= np.where(root[:, np.newaxis] == letter, 1.0, of_letter)
    cumulative = weight.cumsum(axis=1)
    chosen = (cumulative > draw[:, np.newaxis] * cumulative[:, -1:]).argmax(axis=1)
    return trees[row, chosen]


@functools.cache
def _trees(letters: int) -> np.ndarray:
    """All trees on the letters by their root: int [root, tree, letter], where each one leads."""
    found: list[list[tuple[int, ...]]] = [[] for _ in range(letters)]
    for root in range(letters):
        for tree in itertools.product(range(letters), repeat=letters):
            reached = tree
            for _ in range(letters):
                reached = tuple(tree[each] for each in reached)
            if tree[root] == root and set(reached) == {root}:
                found[root].append(tree)
    return np.array(found)
