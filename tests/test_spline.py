"""Curves through knots."""

from __future__ import annotations

import numpy as np
import pytest

from cisreg.spline import spline_basis


@pytest.mark.parametrize(("points", "knots"), [(110, 12), (7, 7), (5, 2), (9, 3), (3, 2)])
def test_curve_goes_through_its_knots_and_lines_stay_lines(points, knots):
    basis = spline_basis(points, knots)
    assert basis.shape == (points, knots) and basis.dtype == np.float32
    np.testing.assert_allclose(basis.sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(
        basis @ np.linspace(-1, 3, knots), np.linspace(-1, 3, points), atol=1e-6
    )
    values = np.random.default_rng(0).normal(size=knots)
    assert (basis @ values)[[0, -1]] == pytest.approx(values[[0, -1]], abs=1e-6)


def test_as_many_knots_as_points_leave_every_point_free():
    np.testing.assert_allclose(spline_basis(9, 9), np.eye(9), atol=1e-6)


def test_curve_is_smooth():
    # Twenty points for each step between knots. If the second derivative is continuous, second
    # differences change little from point to point. They vanish at both ends.
    curve = spline_basis(181, 10).astype(float) @ np.array([0, 1, 0, 0, 3, -2, 0, 1, 1, 0.0])
    bend = np.diff(curve, 2)
    assert np.abs(np.diff(bend)).max() < 0.15 * np.abs(bend).max()
    assert np.abs(bend[[0, -1]]).max() < 0.15 * np.abs(bend).max()


def test_three_knots_by_hand():
    # Natural spline through (0, 0), (1, 1), (2, 0): s(x) = 1.5 x - 0.5 x^3 on [0, 1].
    curve = spline_basis(5, 3) @ np.array([0.0, 1.0, 0.0])
    np.testing.assert_allclose(curve, [0, 0.6875, 1, 0.6875, 0], atol=1e-6)
