"""A comparison is fair only between programs that compute the same numbers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from cisreg.reference import occupancy_oracle, occupancy_oracle_gradient

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from measure import Point, make_problem, measure_in_fresh_process
from rivals import IMPLEMENTATIONS


@pytest.mark.parametrize("width", [5, 6])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_rivals_compute_the_same(implementation, width):
    problem = make_problem(Point(implementation, "forward", 0, 20, width, 3, 1), 4)
    functions = IMPLEMENTATIONS[implementation](problem)
    expected, _ = occupancy_oracle(*problem)
    np.testing.assert_allclose(functions.forward(), expected, rtol=1e-4, atol=1e-5)
    gradient = occupancy_oracle_gradient(*problem, grad_bound=2 * expected)
    for actual, name in zip(
        functions.forward_backward(), ("log_kd", "log_concentration"), strict=True
    ):
        scale = np.abs(gradient[name]).max()
        np.testing.assert_allclose(actual, gradient[name], rtol=1e-3, atol=1e-4 * scale)


def test_a_point_is_measured_in_a_process_of_its_own():
    result = measure_in_fresh_process(Point("conv1d graph", "forward", 64, 50, 5, 64, 2), 0.0)
    assert len(result["milliseconds"]) == 3
    # Its tensor of sites alone takes 2 * 64 * 50 * 64 * 4 bytes.
    assert result["peak_mebibytes"] > 1.5
