"""Natural cubic splines through evenly spaced knots, as a constant matrix."""

from __future__ import annotations

import functools

import numpy as np


@functools.lru_cache(maxsize=32)
def spline_basis(points: int, knots: int) -> np.ndarray:
    """Matrix that turns values at evenly spaced knots into the natural cubic spline through them.

    The first and the last point lie on the first and the last knot. The curve is twice continuously
    differentiable and has no curvature at its ends; equal knots give a flat line (see Press et al.,
    Numerical Recipes, section 3.3).

    Args:
        points: number of points on the curve, P.
        knots: number of knots, K, at least 2.

    Returns:
        float32 [P, K], read-only; the curve is `spline_basis(points, knots) @ values`.

    Example:
        >>> (spline_basis(5, 3) @ np.array([1.0, 1.0, 1.0])).tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    position = np.linspace(0.0, knots - 1.0, points)
    left = np.minimum(position.astype(int), knots - 2)
    to_right = position - left
    to_left = 1.0 - to_right
    value, curvature = np.eye(knots), _knot_curvature(knots)
    basis = (
        to_left[:, None] * value[left]
        + to_right[:, None] * value[left + 1]
        + ((to_left**3 - to_left) / 6.0)[:, None] * curvature[left]
        + ((to_right**3 - to_right) / 6.0)[:, None] * curvature[left + 1]
    ).astype(np.float32)
    basis.setflags(write=False)
    return basis


def _knot_curvature(knots: int) -> np.ndarray:
    """Second derivatives at the knots, [K, K] by knot values; zero at both ends."""
    curvature = np.zeros((knots, knots))
    inner = knots - 2
    if inner > 0:
        equations = 4.0 * np.eye(inner) + np.eye(inner, k=1) + np.eye(inner, k=-1)
        bends = np.eye(inner, knots) - 2.0 * np.eye(inner, knots, k=1) + np.eye(inner, knots, k=2)
        curvature[1:-1] = np.linalg.solve(equations, 6.0 * bends)
    return curvature
