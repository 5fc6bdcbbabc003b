"""The picture of a variant: which factors have a bar."""

from __future__ import annotations

import numpy as np
import pytest

from cisreg.report.variant_plot import drawn_factors


@pytest.mark.parametrize(
    ("parts", "drawn"),
    [
        ([0.0, -2.0, 1.0], [1, 2]),
        # Half of what can be seen beside the longest bar, and twice that.
        ([1.0, 0.001, -0.004], [0, 2]),
        # It is the share that counts, not the size.
        ([1e-9, -1e-6, 1e-12], [1]),
        ([0.0, 0.0], []),
        ([], []),
        # Of equal parts the first ones; eight bars at most.
        ([-1.0] * 10, [*range(8)]),
        ([*range(1, 12)], [*range(10, 2, -1)]),
    ],
)
def test_the_largest_parts_that_can_be_seen_have_a_bar(parts, drawn):
    assert drawn_factors(np.array(parts)).tolist() == drawn
