"""Widths of intervals against printed tables of Student's t and the normal distribution."""

from __future__ import annotations

import pytest

from cisreg.quantiles import normal_width, student_width


@pytest.mark.parametrize(
    ("level", "freedom", "expected"),
    [
        (0.9, 1, 6.3138),
        (0.9, 2, 2.9200),
        (0.95, 4, 2.7764),
        (0.9, 9, 1.8331),
        (0.99, 30, 2.7500),
        (0.9, 120, 1.6577),
        (0.9, 10_000, 1.6450),
    ],
)
def test_width_of_student(level, freedom, expected):
    assert student_width(level, freedom) == pytest.approx(expected, abs=2e-4)


def test_width_of_normal():
    assert normal_width(0.95) == pytest.approx(1.959964, abs=1e-6)
