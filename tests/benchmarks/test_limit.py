"""The model of the limit, checked on shapes that can be counted by hand."""

from __future__ import annotations

import pytest

from benchmarks.shared.limit import PROCESSORS, limit_milliseconds, measure_clock
from benchmarks.shared.problem import EVERY_COLUMN, LIKE_YEAST, Point, random_motifs
from cisreg import _native


def limit(instruction_set="avx2", *, backward=False, **sizes):
    point = Point("fused", motifs=EVERY_COLUMN)._replace(**sizes)
    return limit_milliseconds(point, instruction_set, 3e9, backward=backward)


def test_forward_counted_by_hand():
    # 10 rows take 9 multiplications, and the fractions 1.5 more operations, on two units.
    vectors = 2 * 1024 * 110 * 245 / 8
    assert limit(threads=1) == pytest.approx(1e3 * vectors * (9 + 1.5) / 2 / 3e9)


def test_backward_counted_by_hand():
    # In addition to the forward pass: 10 loads for the scan and 10 for the sums, two at a time.
    vectors = 2 * 1024 * 110 * 245 / 8
    both = 1e3 * vectors * (10.5 / 2 + 20 / 2) / 3e9
    assert limit(threads=1, backward=True) == pytest.approx(both)


def test_proportional_to_the_work():
    for field in ("sequence_count", "length", "motif_count"):
        assert limit(**{field: 64}) == pytest.approx(2 * limit(**{field: 32}))
    assert limit(threads=1) == pytest.approx(2 * limit(threads=2))


@pytest.mark.parametrize("backward", [False, True])
def test_what_must_be_cheaper_is(backward):
    assert limit(backward=backward, width=9) < limit(backward=backward)
    assert limit(backward=backward, dtype="bfloat16") == limit(backward=backward)
    assert limit("avx512", backward=backward) < limit(backward=backward)
    assert limit(backward=backward) < limit("portable", backward=backward)
    assert limit(backward=backward, motifs=LIKE_YEAST) < limit(backward=backward)
    assert limit(backward=True) > limit()


def test_held_columns_save_the_gradient_alone():
    held = {"implementation": "fused, zero columns held", "motifs": LIKE_YEAST}
    assert limit(**held) == limit(motifs=LIKE_YEAST)
    assert limit(backward=True, **held) < limit(backward=True, motifs=LIKE_YEAST)


def test_every_instruction_set_has_a_model():
    assert set(_native.instruction_sets()) <= set(PROCESSORS)


def test_clock():
    assert 0.2e9 < measure_clock() < 10e9


def test_random_motifs_are_as_wide_as_said():
    widths = random_motifs(3000, 30).widths
    assert widths.min() == 5
    assert widths.max() == 22
    assert 0.63 < (widths <= 10).mean() < 0.70
    assert random_motifs(20, 8).widths.max() == 8
