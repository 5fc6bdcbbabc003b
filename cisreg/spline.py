"""Splines through evenly spaced knots, as constant matrices."""

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


def linear_basis(points: np.ndarray, knots: int, reach: int) -> np.ndarray:
    """Matrix that turns values at knots into straight lines from knot to knot.

    The knots are evenly spaced between -reach and reach, where the line ends at 0: knot k, counted
    from 1, is at -reach + 2 * reach * k / (knots + 1). Outside the line is 0.

    Args:
        points: [P], any numbers.
        knots: number of knots, K.
        reach: above 0.

    Returns:
        float32 [P, K]; the line is `linear_basis(points, knots, reach) @ values`.

    Example:
        >>> linear_basis(np.array([-2, -1, 0, 1, 2, 3]), 1, 2)[:, 0].tolist()
        [0.0, 0.5, 1.0, 0.5, 0.0, 0.0]
    """
    spacing = 2 * reach / (knots + 1)
    away = np.abs(np.asarray(points, np.float64)[:, None] - knot_places(knots, reach))
    return np.maximum(1.0 - away / spacing, 0.0).astype(np.float32)


def knot_places(knots: int, reach: int) -> np.ndarray:
    """Where the knots of `linear_basis` are, float64 [K].

    Example:
        >>> knot_places(3, 4).tolist()
        [-2.0, 0.0, 2.0]
    """
    return np.linspace(-reach, reach, knots + 2)[1:-1]


def _knot_curvature(knots: int) -> np.ndarray:
    """Second derivatives at the knots, [K, K] by knot values; zero at both ends."""
    curvature = np.zeros((knots, knots))
    inner = knots - 2
    if inner > 0:
        equations = 4.0 * np.eye(inner) + np.eye(inner, k=1) + np.eye(inner, k=-1)
        bends = np.eye(inner, knots) - 2.0 * np.eye(inner, knots, k=1) + np.eye(inner, knots, k=2)
        curvature[1:-1] = np.linalg.solve(equations, 6.0 * bends)
    return curvature
