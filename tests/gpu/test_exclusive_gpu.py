"""The fused operation of competition on a GPU, inside TensorFlow. Skipped where there is no GPU."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from test_exclusive import ALL, check, value_and_gradient
from test_exclusive_oracle import COMPETITORS, OPTIONS, random_problem
from test_native_exclusive import upstream_of

from cisreg.exclusive import exclusive_occupancy, why_wrong_on

DEVICE = "GPU:0"
pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("on_gpu")]


@pytest.mark.parametrize("options", OPTIONS, ids="-".join)
@pytest.mark.parametrize("shape", [(0, 10, 3, 2), (1, 1, 1, 1), (5, 13, 30, 9), (40, 130, 7, 31)])
def test_against_oracle(shape, options):
    check(random_problem(shape, options=options), "fused")


def test_valid_windows_and_all_options_against_oracle():
    check(random_problem((6, 90, 7, 9), options=ALL, padding="valid"), "fused", "valid")


def test_auto_takes_the_fused_operation():
    assert why_wrong_on(DEVICE) == ""
    problem = random_problem((3, 20, 4, 5))
    graph = tf.function(lambda: exclusive_occupancy(**problem)).get_concrete_function().graph
    assert "Cisreg>ExclusiveOccupancy" in {each.type for each in graph.get_operations()}


def test_same_bits_on_every_run():
    problem = random_problem((64, 110, 9, 50), options=("position_weight", *COMPETITORS))
    upstream = upstream_of(problem)

    def everything():
        outputs, gradients = value_and_gradient(problem, upstream, implementation="fused")
        return [each.numpy().tobytes() for each in (*outputs, *gradients.values())]

    first = everything()
    assert all(everything() == first for _ in range(3))


def test_numbers_that_are_not_finite_are_nan():
    problem = random_problem((2, 20, 4, 3))
    problem["log_kd"][0, 0, 1] = np.inf
    assert np.isnan(exclusive_occupancy(**problem, implementation="fused").bound).all()
