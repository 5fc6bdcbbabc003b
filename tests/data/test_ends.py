"""Ends that nearly all sequences share."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import cisreg
from cisreg.data.ends import describe_ends, find_constant_ends, share_with_end, warn_of_ends

LEFT, RIGHT = "GATTACAGG", "CCATGG"


def library(count=400, left=LEFT, right=RIGHT, shortest=25, longest=40, seed=0):
    random = np.random.default_rng(seed)
    middles = [
        "".join(random.choice(list("ACGT"), random.integers(shortest, longest + 1)))
        for _ in range(count)
    ]
    return [left + middle + right for middle in middles]


def ends_of(texts, side="left"):
    return tuple(
        end and end.sequence for end in find_constant_ends(cisreg.encode(texts, side=side))
    )


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("left", "right"), [(LEFT, RIGHT), ("", RIGHT), (LEFT, ""), ("", "")])
def test_ends_are_found_in_sequences_of_any_length_and_padding(side, left, right):
    assert ends_of(library(left=left, right=right), side) == (left or None, right or None)


def test_a_few_sequences_without_the_end_do_not_hide_it():
    texts = library(380) + library(20, left="", right="", seed=1)
    ends = find_constant_ends(cisreg.encode(texts))
    assert (ends.left.sequence, ends.right.sequence) == (LEFT, RIGHT)
    assert ends.left.share == pytest.approx(0.95, abs=0.003)
    # An end that too many sequences lack is not a constant end.
    assert ends_of(library(340) + library(60, left="", right="", seed=1)) == (None, None)


def test_short_ends_and_few_sequences_are_none():
    assert ends_of(library(left="ATG", right="CATG")) == (None, "CATG")
    assert ends_of(library(49)) == (None, None)
    assert ends_of(library(50)) == (LEFT, RIGHT)
    # Replicates count as one sequence.
    assert ends_of(library(49) * 10) == (None, None)
    assert find_constant_ends(np.zeros((0, 5), np.uint8)) == (None, None)


def test_variants_of_one_sequence_have_no_constant_ends():
    random = np.random.default_rng(0)
    variants = np.repeat(random.integers(0, 4, (1, 60), np.uint8), 600, axis=0)
    variants[np.arange(600), np.arange(600) % 60] ^= 1 + np.arange(600).astype(np.uint8) % 3
    assert find_constant_ends(variants) == (None, None)


def test_unknown_bases_are_no_end():
    assert ends_of(["NNNNNN" + text for text in library(left="", right="")]) == (None, None)


def test_the_share_of_sequences_with_an_end():
    codes = cisreg.encode(["ACGTT", "ACG", "TCGTT", "AC"])
    assert share_with_end(codes, "ACG", left=True) == 0.5
    assert share_with_end(codes, "GTT", left=False) == 0.5
    assert share_with_end(codes, "", left=True) == 1
    assert share_with_end(codes, "ACGTTACGTT", left=True) == 0


def test_ends_are_said_in_words(caplog):
    codes = cisreg.encode(library())
    words = describe_ends(find_constant_ends(codes))
    assert words == (
        "100.0 % of the sequences begin with GATTACAGG (9 bases) and 100.0 % end with CCATGG "
        "(6 bases)"
    )
    right = describe_ends(find_constant_ends(cisreg.encode(library(left=""))))
    assert right == "100.0 % of the sequences end with CCATGG (6 bases)"
    varied = cisreg.encode(library(left="", right=""))
    # Padding is said once per process, by whichever test comes first.
    caplog.clear()
    with caplog.at_level(logging.WARNING, "cisreg.data"):
        warn_of_ends(varied)
        assert not caplog.records
        warn_of_ends(codes)
    assert len(caplog.records) == 1
    assert "constant_left=9, constant_right=6 (--constant-left" in caplog.messages[0]
