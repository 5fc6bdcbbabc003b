"""The bar of a pass over sequences."""

from __future__ import annotations

import numpy as np
import pytest

from cisreg.genome import Portion, with_progress
from cisreg.genome.progress import bases_text


def test_portions_pass_unchanged():
    portions = [Portion("a", 0, np.zeros(9, np.uint8), 9, last=True)]
    for show in (True, False):
        assert list(with_progress(portions, total=9, show=show)) == portions


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 b"),
        (999, "999 b"),
        (1000, "1.00 kb"),
        (12_345, "12.3 kb"),
        (3.1e9, "3.10 Gb"),
        (123e6, "123 Mb"),
        (999_999, "1.00 Mb"),
        (5e12, "5000 Gb"),
    ],
)
def test_numbers_of_bases_are_short(count, text):
    assert bases_text(count) == text
