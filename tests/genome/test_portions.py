"""Portions: every window of a sequence is in one of them, and in one alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisreg.genome import Portion
from cisreg.genome.portions import LARGEST_OVERLAP, check_portions, split


def own_windows(portions, width):
    """How often each start of a window of `width` bases is a portion's own."""
    return Counter(
        portion.start + begin
        for portion in portions
        for begin in range(min(portion.own, len(portion.codes) - width + 1))
    )


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(1, 20), st.integers(0, 12), st.integers(1, 13))
def test_every_window_is_owned_once(size, own, overlap, width):
    codes = np.arange(size, dtype=np.uint8) % 5
    parts = list(split(Portion("a", 7, codes, size, last=True), overlap=overlap, own=own))
    for part in parts:
        np.testing.assert_array_equal(part.codes, codes[part.start - 7 : part.end - 7])
        assert len(part.codes) <= own + overlap
    assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]
    if width <= overlap + 1:
        expected = dict.fromkeys(range(7, 7 + size - width + 1), 1)
        assert own_windows(parts, width) == expected


@pytest.mark.parametrize(
    ("overlap", "own", "argument"),
    [(-1, 5, "overlap"), (3, 0, "own"), (LARGEST_OVERLAP + 1, 1, "overlap")],
)
def test_sizes_that_make_no_sense_are_refused(overlap, own, argument):
    with pytest.raises(ValueError, match=f"^{argument}: expected"):
        check_portions(overlap, own)
