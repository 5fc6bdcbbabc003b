"""Shuffles keep what they should, and every order that is possible is equally likely."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from cisreg.interpret import dinucleotide_shuffle, shuffle
from cisreg.interpret.sequence_edits import to_codes
from cisreg.sequences import decode

SEQUENCES = ["ACGTTGCAACCATGACGATTTACG", "AAAAAAAAAAAACAAAAAAAAAAG", "ACACACACACACACACACACAGAT"]


def pairs(text):
    return Counter(itertools.pairwise(text))


def all_with_the_pairs_of(text):
    """Every text with the same first and last letter and pairs, by trying all orders."""
    inner = set(itertools.permutations(text[1:-1]))
    candidates = (text[0] + "".join(each) + text[-1] for each in inner)
    return sorted(each for each in candidates if pairs(each) == pairs(text))


def chi_square(counts, kinds):
    expected = sum(counts.values()) / len(kinds)
    assert set(counts) <= set(kinds)
    return sum((counts[each] - expected) ** 2 / expected for each in kinds)


def limit(degrees):
    """What chi-square exceeds once in 10,000, by the approximation of Wilson and Hilferty."""
    spread = 2 / (9 * degrees)
    return degrees * (1 - spread + 3.719 * math.sqrt(spread)) ** 3


@pytest.mark.parametrize(
    "text",
    [
        "ACAGATACGT",  # trees that are not all alike
        "AACAAGATC",  # runs of one base
        "ACACAGAC",  # a rare way out of a circle
        "ACANATNC",  # the unknown base as a letter
        "CGACTCATC",  # the first base is the last
    ],
)
def test_every_path_with_these_dinucleotides_is_equally_likely(text):
    possible = all_with_the_pairs_of(text)
    assert len(possible) > 1
    found = Counter(decode(dinucleotide_shuffle([text], n=400 * len(possible), seed=5)[0]))
    assert set(found) == set(possible)
    assert chi_square(found, possible) < limit(len(possible) - 1)


def test_every_order_of_bases_is_equally_likely():
    possible = sorted({"".join(each) for each in itertools.permutations("AACG")})
    found = Counter(decode(shuffle(["AACG"], n=6000, seed=2)[0]))
    assert set(found) == set(possible)
    assert chi_square(found, possible) < limit(len(possible) - 1)


def test_dinucleotides_first_and_last_base_are_kept_exactly():
    random = np.random.default_rng(3)
    codes = np.concatenate([to_codes(SEQUENCES), random.integers(0, 5, (40, 24), dtype=np.uint8)])
    codes[3:, [0, -1]] %= 4
    shuffled = dinucleotide_shuffle(codes, n=7, seed=1)
    assert shuffled.shape == (43, 7, 24)
    for text, rows in zip(decode(codes), shuffled, strict=True):
        for each in decode(rows):
            assert pairs(each) == pairs(text)
            assert (each[0], each[-1]) == (text[0], text[-1])


def test_shuffles_differ_where_they_can():
    codes = to_codes(SEQUENCES)
    for verb in (shuffle, dinucleotide_shuffle):
        changed = (verb(codes, n=50) != codes[:, np.newaxis]).any(axis=(1, 2))
        assert changed.all()
    assert decode(dinucleotide_shuffle(["AAAAC"], n=3)[0]) == ["AAAAC"] * 3


@pytest.mark.parametrize("verb", [shuffle, dinucleotide_shuffle])
def test_only_the_part_is_shuffled_and_padding_stays(verb):
    codes = np.random.default_rng(4).integers(0, 4, (6, 30), dtype=np.uint8)
    codes[2, :9] = 4
    codes[3, 25:] = 4
    codes[4] = 4
    codes[5, 12] = 4
    shuffled = verb(codes, 5, 28, n=20)
    assert (shuffled[:, :, :5] == codes[:, np.newaxis, :5]).all()
    assert (shuffled[:, :, 28:] == codes[:, np.newaxis, 28:]).all()
    assert (shuffled[2, :, :9] == 4).all() and (shuffled[2, :, 9:] < 4).all()
    assert (shuffled[3, :, 25:] == 4).all() and (shuffled[3, :, :25] < 4).all()
    assert (shuffled[4] == 4).all()
    assert ((shuffled[5] == 4).sum(axis=1) == 1).all()
    assert (np.sort(shuffled[:, :, 5:28]) == np.sort(codes[:, np.newaxis, 5:28])).all()
    # The unknown base within a sequence moves, like a letter.
    assert (shuffled[5, :, 12] != 4).any()


@pytest.mark.parametrize("verb", [shuffle, dinucleotide_shuffle])
def test_the_seed_decides_and_blocks_do_not(verb, monkeypatch):
    codes = np.random.default_rng(6).integers(0, 4, (20, 30), dtype=np.uint8)
    first = verb(codes, n=3, seed=9)
    assert (verb(codes, n=3, seed=9) == first).all()
    assert (verb(codes, n=3, seed=10) != first).any()
    monkeypatch.setattr("cisreg.interpret.shuffling._BLOCK", 7 * 30)
    assert (verb(codes, n=3, seed=9) == first).all()


@pytest.mark.parametrize("verb", [shuffle, dinucleotide_shuffle])
def test_each_sequence_is_shuffled_by_itself(verb):
    codes = np.repeat(to_codes(SEQUENCES[:1]), 30, axis=0)
    assert len(np.unique(verb(codes)[:, 0], axis=0)) > 20


@pytest.mark.parametrize("verb", [shuffle, dinucleotide_shuffle])
def test_short_sequences_and_none_at_all(verb):
    assert decode(verb(["A"])[0]) == ["A"]
    assert decode(verb(["A"] * 2)[0]) == ["A"]
    assert verb(np.zeros((0, 5), np.uint8), n=2).shape == (0, 2, 5)


def test_wrong_parts_are_refused():
    for part in ((4, 4), (0, 9), (3, 2)):
        with pytest.raises(ValueError, match="end: expected a base behind start="):
            shuffle(["ACGTACGT"], *part)
    with pytest.raises(ValueError, match="start: expected 0 or more, got -1"):
        shuffle(["ACGTACGT"], -1)
    with pytest.raises(ValueError, match="n: expected 1 or more shuffles"):
        shuffle(["ACGTACGT"], n=0)
    with pytest.raises(ValueError, match=r"sequences: expected one length, got 3 to 4 bases"):
        shuffle(["ACG", "ACGT"])
