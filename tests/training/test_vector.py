"""Parameters joined end to end in one variable."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from cisreg.training.vector import ParameterVector


def some_parameters():
    return {
        "bias": tf.Variable(3.0),
        "log_kd": tf.Variable(np.arange(8, dtype=np.float32).reshape(2, 4, 1)),
        "activity": tf.Variable([1.0, 2.0]),
    }


def test_values_lie_in_the_order_of_the_names():
    vector = ParameterVector(some_parameters(), ("activity", "bias", "log_kd"))
    np.testing.assert_array_equal(vector.variable, [1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7])


def test_what_is_written_is_what_was_read():
    parameters = some_parameters()
    vector = ParameterVector(parameters, ("log_kd", "bias"))
    vector.variable.assign_add(tf.ones(9))
    vector.write()
    np.testing.assert_array_equal(parameters["log_kd"][:, :, 0], np.arange(1, 9).reshape(2, 4))
    assert float(parameters["bias"]) == 4.0
    # Parameters that are not trained are unchanged.
    np.testing.assert_array_equal(parameters["activity"], [1, 2])
    parameters["bias"].assign(-1.0)
    vector.read()
    assert vector.variable.numpy()[-1] == -1.0


def test_gradients_come_back_end_to_end():
    vector = ParameterVector(some_parameters(), ("bias", "activity"))
    with tf.GradientTape() as tape:
        values = vector.split(tf.convert_to_tensor(vector.variable))
        total = values["bias"] ** 2
    # The total does not depend on the activity.
    np.testing.assert_array_equal(tape.gradient(total, vector.variable), [6, 0, 0])


def test_effects_of_pairs_train_in_units_of_16_without_rounding():
    effects = np.random.default_rng(0).normal(0, 9, (2, 2, 5)).astype(np.float32)
    parameters = {**some_parameters(), "pair_effect": tf.Variable(effects)}
    vector = ParameterVector(parameters, ("bias", "pair_effect"))
    np.testing.assert_array_equal(vector.variable[1:], effects.ravel() / 16)
    with tf.GradientTape() as tape:
        values = vector.split(tf.convert_to_tensor(vector.variable))
        total = tf.reduce_sum(values["pair_effect"] * effects) + values["bias"]
    np.testing.assert_array_equal(tape.gradient(total, vector.variable)[1:], 16 * effects.ravel())
    np.testing.assert_array_equal(values["pair_effect"], effects)
    vector.write()
    np.testing.assert_array_equal(parameters["pair_effect"], effects)
