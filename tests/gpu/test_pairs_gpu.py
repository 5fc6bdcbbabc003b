"""Pairs of factors on a GPU, inside TensorFlow. Skipped where TensorFlow sees no GPU."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from test_native_pairs import expected_of, random_problem, upstream_of
from test_occupancy import relative_error

from cisreg.contract import as_inputs
from cisreg.devices import gpu_here
from cisreg.pair_operation import PairSizes, pair_effects, takes_fused_pairs, why_wrong_on

DEVICE = "GPU:0"
pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("on_gpu")]


def score_and_gradient(problem, upstream, padding):
    names = ("log_kd", "log_concentration", "effect")
    parameters = {name: tf.constant(problem[name]) for name in names}
    limits = {name: problem[name] for name in ("column_range", "span") if name in problem}
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        inputs = as_inputs(
            problem["sequence"], parameters["log_kd"], parameters["log_concentration"], **limits
        )
        score = pair_effects(
            inputs,
            parameters["effect"],
            tf.constant(problem["pair"]),
            distance=problem["distance"],
            padding=padding,
        )
    return score, tape.gradient(score, parameters, output_gradients=tf.constant(upstream))


def compiled(problem, upstream, padding):
    """The same as one graph."""
    return tf.function(lambda: score_and_gradient(problem, upstream, padding))()


@pytest.mark.parametrize("run", [score_and_gradient, compiled])
@pytest.mark.parametrize("options", [(), ("column_range", "span")], ids=["none", "all"])
@pytest.mark.parametrize(
    ("shape", "curve", "padding"),
    [
        ((3, 20, 4, 4), (4, 7), "same"),
        ((300, 110, 30, 6), (60, 23), "same"),
        ((2, 700, 70, 3), (300, 5), "valid"),
    ],
)
def test_against_oracle(shape, curve, padding, options, run):
    problem = random_problem(shape, curve, options=options)
    upstream = upstream_of(problem)
    expected, of_parameters = expected_of(problem, upstream, padding)
    score, gradients = run(problem, upstream, padding)
    assert score.device.endswith(DEVICE)
    assert relative_error(score, expected) <= 1e-5
    for name, value in of_parameters.items():
        assert relative_error(gradients[name], value) <= 2e-5, name


def test_repeats_to_the_bit():
    problem = random_problem((1000, 110, 30, 6), (60, 23), options=("column_range", "span"))
    upstream = upstream_of(problem)
    first = tf.nest.flatten(score_and_gradient(problem, upstream, "same"))
    for _ in range(5):
        again = tf.nest.flatten(score_and_gradient(problem, upstream, "same"))
        for one, other in zip(first, again, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shape", [(0, 10, 3, 2), (2, 0, 3, 2)])
def test_no_sequences_and_no_bases(shape):
    problem = random_problem(shape)
    score, gradients = score_and_gradient(problem, upstream_of(problem), "same")
    assert not np.any(score) and score.shape == (shape[0],)
    assert not any(np.any(each) for each in gradients.values())


def test_the_operation_is_chosen_here():
    assert why_wrong_on(gpu_here()) == ""
    sizes = PairSizes(20, 3, 2, pairs=1, knots=23, distance=60, padding="same")
    assert takes_fused_pairs(sizes, tf.zeros([1, 20], tf.uint8), "auto")
