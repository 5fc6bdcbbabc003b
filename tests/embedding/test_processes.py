"""The operation in tf.data, in many Python threads at once, and in other processes."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf
from test_occupancy import example

import cisreg
import cisreg.numpy
from cisreg.forking import ForkedError

# Longer than any process takes, so that one that hangs ends the test.
SECONDS = 240
SHAPES = [(3, 20, 5, 7), (40, 60, 9, 40), (1, 300, 12, 3), (200, 30, 4, 65), (0, 10, 3, 2)]


def bits(array):
    return np.asarray(array).view(np.int32)


def bound_and_gradient(arguments):
    log_kd = tf.convert_to_tensor(arguments["log_kd"])
    with tf.GradientTape() as tape:
        tape.watch(log_kd)
        bound, weighted = cisreg.occupancy(**{**arguments, "log_kd": log_kd})
    return bound, weighted, tape.gradient([bound, weighted], log_kd)


@pytest.mark.parametrize("where", ["one sequence at a time", "batches"])
def test_in_a_map_of_tf_data(where):
    arguments = example((60, 40, 9, 12))
    sequence = arguments.pop("sequence")
    size = 1 if where == "one sequence at a time" else 8

    def scan(codes):
        return cisreg.occupancy(codes, **arguments)

    data = tf.data.Dataset.from_tensor_slices(sequence).batch(size)
    data = data.map(scan, num_parallel_calls=4, deterministic=True).prefetch(2)
    assert data.element_spec.bound.shape == (None, 2, 12)
    expected = cisreg.occupancy(sequence, **arguments)
    for _ in range(2):  # epochs
        parts = list(data.as_numpy_iterator())
        for name in ("bound", "weighted"):
            found = np.concatenate([getattr(part, name) for part in parts])
            np.testing.assert_array_equal(bits(found), bits(getattr(expected, name)))


def test_an_error_in_a_map_of_tf_data_is_said():
    arguments = example((4, 20, 5, 7))
    arguments["sequence"][2, 3] = 9
    codes = tf.data.Dataset.from_tensor_slices(arguments.pop("sequence")).batch(2)
    data = codes.map(lambda each: cisreg.occupancy(each, **arguments), num_parallel_calls=2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="got 9 in sequence 0 at base 3"):
        list(data)


@pytest.mark.parametrize("kind", ["eager", "compiled", "NumPy"])
def test_many_python_threads_at_once(kind):
    """Different shapes at the same time, each several times; all have the bits of one thread."""
    compiled = tf.function(bound_and_gradient, autograph=False)

    def compute(arguments):
        if kind == "NumPy":
            bound, weighted = cisreg.numpy.occupancy(**arguments, threads=2)
            gradient = cisreg.numpy.occupancy_gradient(
                *list(arguments.values())[:3],
                *(np.ones_like(bound), np.ones_like(weighted)),
                position_weight=arguments["position_weight"],
            )
            return bound, weighted, gradient.log_kd
        return (compiled if kind == "compiled" else bound_and_gradient)(arguments)

    cases = [example(shape, seed=seed) for shape in SHAPES for seed in range(2)]
    expected = [bound_and_gradient(case) for case in cases]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(compute, cases * 4, timeout=SECONDS))
    assert len(found) == 4 * len(expected)
    for actual, value in zip(found, expected * 4, strict=True):
        for one, other in zip(actual, value, strict=True):
            np.testing.assert_array_equal(bits(one), bits(other))


def test_processes_that_are_spawned_compute_the_same():
    """What data loaders start where forking is no choice; both functions can be sent there."""
    arguments = example((20, 30, 5, 7))
    expected = cisreg.occupancy(**arguments)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for function in (cisreg.numpy.occupancy, cisreg.occupancy):
            found = pool.apply_async(function, kwds=arguments).get(SECONDS)
            for actual, value in zip(found, expected, strict=True):
                np.testing.assert_array_equal(bits(actual), bits(value))
        with pytest.raises(ValueError, match="sequence: expected base codes"):
            pool.apply_async(cisreg.numpy.occupancy, ([0], 0, 0)).get(SECONDS)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_processes_that_are_forked_after_tensorflow_computed():
    """The operation is refused in a sentence, which reaches the parent; NumPy's works."""
    arguments = example((200, 30, 4, 65))
    expected = cisreg.occupancy(**arguments)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        refused = pool.apply_async(cisreg.occupancy, kwds=arguments)
        with pytest.raises(ForkedError, match="forked after TensorFlow had computed something"):
            refused.get(SECONDS)
        options = {**arguments, "threads": 2}
        found = pool.apply_async(cisreg.numpy.occupancy, kwds=options).get(SECONDS)
    for actual, value in zip(found, expected, strict=True):
        np.testing.assert_array_equal(bits(actual), bits(value))
