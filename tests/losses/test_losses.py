"""Losses and penalties against numbers computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from cisreg.losses import (
    Penalty,
    mean_squared_error,
    negative_log_likelihood,
    penalty,
    read_mean_standard_deviation,
)

TABLE = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 4.0], [3.0, 8.0]])


def test_mean_squared_error():
    predicted, measured = tf.constant([1.0, 2.0, 3.0]), tf.constant([1.0, 4.0, 2.0])
    assert float(mean_squared_error(predicted, measured)) == pytest.approx(5 / 3)


def test_the_mean_of_k_of_several_replicates_has_the_weight_of_its_number():
    predicted = tf.constant([1.0, 2.0])
    several = tf.constant([[3.0, np.nan, 5.0], [2.0, 1.0, 6.0]])
    means, weight = tf.constant([4.0, 3.0]), tf.constant([2 / 3, 1.0])
    slopes = []
    for measured, own in ((several, None), (means, weight)):
        with tf.GradientTape() as tape:
            tape.watch(predicted)
            loss = mean_squared_error(predicted, measured, own)
        slopes.append(tape.gradient(loss, predicted).numpy())
    np.testing.assert_allclose(*slopes, rtol=1e-6)


@pytest.mark.parametrize(
    ("prediction", "deviation"),
    # A row of the table begins where prediction * 4 / 3 rounds up. Below and above the table, its
    # first and last row are used.
    [(-5.0, 1.0), (0.3, 1.0), (0.4, 2.0), (1.1, 2.0), (1.2, 4.0), (2.0, 8.0), (99.0, 8.0)],
)
def test_deviation_is_looked_up_at_the_prediction(prediction, deviation):
    predicted = tf.constant([prediction])
    with tf.GradientTape() as tape:
        tape.watch(predicted)
        loss = negative_log_likelihood(predicted, tf.constant([prediction - 3.0]), table=TABLE)
    assert float(loss) == pytest.approx(9 / deviation**2, rel=1e-5)
    assert float(tape.gradient(loss, predicted)[0]) == pytest.approx(6 / deviation**2, rel=1e-5)


def test_likelihood_sums_over_sequences():
    loss = negative_log_likelihood(tf.constant([0.0, 1.0]), tf.constant([1.0, 5.0]), table=TABLE)
    assert float(loss) == 1.0 + 4.0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([[0.0, 1.0]], r"expected \[K, 2\].*got shape \(1, 2\)"),
        ([1.0, 2.0], r"got shape \(2,\)"),
        ([[0.0, 1.0], [1.0, 0.0]], r"above 0, got 0.0 in row 2"),
        ([[0.0, 1.0], [1.0, np.nan]], r"above 0, got nan in row 2"),
        ([[0.0, 1.0], [1.0, 2.0], [5.0, 2.0]], r"rise in even steps, got 0.0 to 5.0"),
        ([[3.0, 1.0], [2.0, 2.0], [1.0, 2.0]], r"rise in even steps, got 3.0 to 1.0"),
    ],
)
def test_refused_tables(table, message):
    with pytest.raises(ValueError, match=message):
        negative_log_likelihood(tf.zeros(1), tf.zeros(1), table=np.array(table))


def test_read_mean_standard_deviation(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("0\t1\n1\t2\n\n2\t4\n3\t8\n")
    np.testing.assert_array_equal(read_mean_standard_deviation(path), TABLE)
    path.write_text("0\t1\n1\tmany\n")
    with pytest.raises(ValueError, match=r"table\.tsv:2: expected a mean.*got '1\\tmany'"):
        read_mean_standard_deviation(path)
    path.write_text("0\t1\n")
    with pytest.raises(ValueError, match=r"table\.tsv: table: expected"):
        read_mean_standard_deviation(path)


PARAMETERS = {
    "log_kd": np.full((2, 4, 3), 2.0, np.float32),
    "activity": np.array([1.0, -2.0, 0.0], np.float32),
    "potentiation": np.array([-0.5, 0.0, 0.25], np.float32),
    "position_weight": np.array([[[1.0], [3.0], [2.0]], [[0.0], [0.0], [4.0]]], np.float32),
    "pair_effect": np.array([[[1.0, -2.0, -4.0], [0.0, 1.0, 0.0]]], np.float32),
}
INITIAL = {"log_kd": np.full((2, 4, 3), 1.5, np.float32)}


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (Penalty(), 0.0),
        (Penalty(activity_l1=2.0), 6.0),
        (Penalty(potentiation_l1=2.0), 1.5),
        (Penalty(motif_l2=0.5), 24.0),
        (Penalty(motif_pull=2.0), 6.0),
        (Penalty(position_smoothness=0.5), (4 + 1 + 16) / 2),
        (Penalty(activity_l1=2.0, motif_pull=2.0), 12.0),
        (Penalty(pair_l1=2.0), 2.0 * (1 + 2 + 4 + 1)),
        (Penalty(pair_smoothness=0.5), (9 + 4 + 1 + 1) / 2),
    ],
)
def test_penalty(weights, expected):
    assert float(penalty(PARAMETERS, weights, initial=INITIAL)) == expected


def test_weights_that_came_later_are_said_where_they_are_set():
    """Checkpoints compare the text."""
    assert repr(Penalty()).endswith("position_smoothness=0.0)")
    assert repr(Penalty(pair_l1=0.5)).endswith("position_smoothness=0.0, pair_l1=0.5)")


def test_penalty_of_what_a_model_does_not_have():
    weights = Penalty(potentiation_l1=1.0, position_smoothness=1.0)
    assert float(penalty({"log_kd": tf.ones([2, 4, 3])}, weights)) == 0.0


def test_both_strands_are_smoothed_alike():
    weights = Penalty(position_smoothness=1.0)
    swapped = {"position_weight": PARAMETERS["position_weight"][::-1]}
    assert float(penalty(swapped, weights)) == float(penalty(PARAMETERS, weights))


def test_weights_of_potentiation_are_smoothed_as_those_of_activity():
    weights = Penalty(position_smoothness=1.0)
    moved = {"potentiation_position_weight": PARAMETERS["position_weight"]}
    only = float(penalty({"position_weight": PARAMETERS["position_weight"]}, weights))
    assert float(penalty(moved, weights)) == only > 0
    assert float(penalty({**PARAMETERS, **moved}, weights)) == 2 * only


def test_activities_of_both_strands_count_alike():
    weights = Penalty(activity_l1=2.0)
    forward = {"activity": tf.constant([1.0, -2.0]), "activity_difference": tf.constant([2.0, 1.0])}
    reverse = {
        "activity": tf.constant([3.0, -1.0]),
        "activity_difference": -tf.constant([2.0, 1.0]),
    }
    assert float(penalty(forward, weights)) == (1 + 2 + 3 + 1)
    assert float(penalty(reverse, weights)) == (1 + 2 + 3 + 1)


def test_refused_penalties():
    with pytest.raises(ValueError, match=r"motif_l2: expected a finite weight .* got -1"):
        Penalty(motif_l2=-1.0)
    with pytest.raises(ValueError, match=r"activity_l1: .* got nan"):
        Penalty(activity_l1=float("nan"))
    with pytest.raises(ValueError, match="initial: expected the log_kd that motif_pull"):
        penalty(PARAMETERS, Penalty(motif_pull=1.0))


THREE = tf.constant([1.0, 2.0, 3.0])
COLUMN = THREE[:, None]


@pytest.mark.parametrize(
    ("predicted", "measured", "weight", "message"),
    [
        (COLUMN, THREE, None, r"predicted: expected shape \[N\].*got \(3, 1\)"),
        (COLUMN, COLUMN, None, r"predicted: expected shape \[N\]"),
        (THREE, tf.transpose(COLUMN), None, r"measured: .*got \(1, 3\) with predictions \(3,\)"),
        (THREE, tf.constant(1.0), None, r"measured: .*got \(\)"),
        (THREE, tf.constant([1.0]), None, r"measured: .*got \(1,\)"),
        (THREE, tf.ones([2, 3]), None, r"measured: .*got \(2, 3\)"),
        (THREE, THREE, COLUMN, r"weight: expected shape \[N\] .*got \(3, 1\)"),
        (THREE, THREE, tf.constant([2.0]), r"weight: .*got \(1,\)"),
        (tf.constant(1.0), tf.constant(1.0), None, r"predicted: .*got \(\)"),
    ],
)
def test_nothing_is_broadcast_along_the_sequences(predicted, measured, weight, message):
    with pytest.raises(ValueError, match=message):
        mean_squared_error(predicted, measured, weight)
    with pytest.raises(ValueError, match=message.split(" ")[0]):
        negative_log_likelihood(predicted, measured, weight, table=TABLE)


def test_a_likelihood_has_one_measurement_of_each_sequence():
    for measured in (COLUMN, tf.ones([3, 3])):
        with pytest.raises(ValueError, match=r"measured: expected shape \[N\] with"):
            negative_log_likelihood(THREE, measured, table=TABLE)
    assert float(mean_squared_error(THREE, COLUMN)) == 0.0


@pytest.mark.parametrize(("prediction", "deviation"), [(1e15, 8.0), (-1e15, 1.0), (3e9, 8.0)])
def test_predictions_that_no_integer_holds_have_the_nearest_end_of_the_table(prediction, deviation):
    loss = negative_log_likelihood(tf.constant([prediction]), tf.zeros(1), table=TABLE)
    assert float(loss) == pytest.approx((prediction / deviation) ** 2, rel=1e-5)


PENALTIES = {
    "activity_l1": lambda p: tf.reduce_sum(tf.abs(p["activity"])),
    "potentiation_l1": lambda p: tf.reduce_sum(tf.abs(p["potentiation"])),
    "motif_l2": lambda p: tf.reduce_sum(tf.square(p["log_kd"])) / 2,
    "motif_pull": lambda p: tf.reduce_sum(tf.square(p["log_kd"] - 0.5)) / 2,
    "position_smoothness": lambda p: tf.reduce_sum(
        tf.square(p["position_weight"][:, 1:] - p["position_weight"][:, :-1])
    ),
}


def derivatives(compute, parameters, factor):
    """First derivatives of factor * compute, theirs by the factor, and second ones of log_kd."""
    with tf.GradientTape(persistent=True) as outer:
        outer.watch([*parameters.values(), factor])
        with tf.GradientTape() as inner:
            inner.watch(parameters)
            total = factor * compute(parameters)
        first = inner.gradient(total, parameters, unconnected_gradients="zero")
        whole = tf.add_n([tf.reduce_sum(tf.sin(each)) for each in first.values()])
    by_factor = outer.gradient(whole, factor, unconnected_gradients="zero")
    second = outer.gradient(whole, parameters, unconnected_gradients="zero")
    return [*first.values(), by_factor, *second.values()]


@pytest.mark.parametrize("in_graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("factor", [1.0, 3.0])
@pytest.mark.parametrize("name", PENALTIES)
def test_derivatives_of_penalties_are_tensorflows(name, factor, in_graph):
    random = np.random.default_rng(0)
    sizes = {"activity": (3,), "potentiation": (3,), "log_kd": (2, 4, 3)}
    sizes["position_weight"] = (2, 5, 3)
    parameters = {
        key: tf.constant(random.normal(size=size), tf.float32) for key, size in sizes.items()
    }
    weights = Penalty(**{name: 0.25})
    initial = {"log_kd": tf.fill([2, 4, 3], 0.5)}

    def both():
        ours = lambda p: penalty(p, weights, initial=initial)  # noqa: E731
        own = lambda p: 0.25 * PENALTIES[name](p)  # noqa: E731
        return [derivatives(each, parameters, tf.constant(factor)) for each in (ours, own)]

    written, expected = (tf.function(both) if in_graph else both)()
    assert any(np.any(value.numpy() != 0) for value in expected)
    for one, other in zip(written, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("in_graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_derivatives_of_the_mean_of_squares_are_tensorflows(factor, in_graph):
    """Of the second order too, and by a factor of the loss that happens to be 1."""
    random = np.random.default_rng(0)
    values = {name: tf.constant(random.normal(size=7), tf.float32) for name in ("p", "m")}

    def both():
        ours = lambda v: mean_squared_error(v["p"] ** 2, v["m"])  # noqa: E731
        own = lambda v: tf.reduce_mean((v["p"] ** 2 - v["m"]) ** 2)  # noqa: E731
        return [derivatives(each, values, tf.constant(factor)) for each in (ours, own)]

    written, expected = (tf.function(both) if in_graph else both)()
    for one, other in zip(written, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float64])
def test_the_mean_of_squares_has_a_gradient_in_every_float_type(dtype):
    predicted, measured = tf.ones([300], dtype), tf.zeros([300], dtype)
    with tf.GradientTape() as tape:
        tape.watch(predicted)
        loss = mean_squared_error(predicted, measured)
    gradient = tape.gradient(loss, predicted)
    assert gradient.dtype == dtype
    np.testing.assert_allclose(tf.cast(gradient, tf.float64), 2 / 300, rtol=0.01)
