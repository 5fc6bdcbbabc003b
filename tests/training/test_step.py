"""The compiled steps against a plain eager loop."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tiny_model import MOTIFS, SPEC, WIDTH, assert_same_bits, make_dataset, start_parameters

from cisreg.data import epoch_order
from cisreg.data.feeding import feed
from cisreg.losses import Penalty, mean_squared_error, penalty
from cisreg.model import predict
from cisreg.training import Stage
from cisreg.training.batch import as_batches, prepare_rows, take_batch
from cisreg.training.optimizer import StageLearningRate, make_optimizer
from cisreg.training.precision import compute_dtype
from cisreg.training.replicas import Replicas
from cisreg.training.schedules import Constant
from cisreg.training.stages import steps_per_epoch
from cisreg.training.step import Objective, StepTotals, make_train_steps
from cisreg.training.update import StepUpdate
from cisreg.training.vector import ParameterVector

TRAINABLE = ("activity", "bias", "log_kd")
DATASET = make_dataset(100)
FIRST_SCALE = 2.0**15
START = StepTotals()


class Steps:
    """Variables, optimizer and compiled steps for one test."""

    def __init__(
        self,
        optimizer="adam",
        weights=None,
        column_range=None,
        parameters=None,
        loss=mean_squared_error,
        learning_rate=0.05,
        precision="float32",
    ):
        parameters = parameters or start_parameters()
        self.variables = {name: tf.Variable(value) for name, value in parameters.items()}
        stage = Stage(TRAINABLE, epochs=1, learning_rate=learning_rate, optimizer=optimizer)
        rate = StageLearningRate(learning_rate, Constant(), 1, 1)
        self.optimizer = make_optimizer(stage, rate, precision)
        vector = ParameterVector(self.variables, TRAINABLE)
        self.optimizer.build([vector.variable])
        objective = Objective(loss, weights, parameters, column_range)
        self.compiled = make_train_steps(
            *(SPEC, self.variables, vector),
            StepUpdate(self.optimizer, rate, vector.variable),
            objective,
            implementation="standard",
            compute_dtype=compute_dtype(precision),
            replicas=Replicas(),
        )

    def run(self, stops, steps, totals=START, epoch=1, dataset=DATASET):
        wanted = feed.Steps(epoch=epoch, steps=steps, first=0, per_chunk=steps)
        data = as_batches(next(feed.MemoryFeed(dataset, 0).chunks(wanted)), Replicas())
        for stop in stops:
            totals = self.compiled(data, totals, stop)
        return totals

    def values(self):
        return {name: variable.numpy() for name, variable in self.variables.items()}


def plain_epoch(parameters, steps, weights):
    """One epoch of gradient descent without the compiled steps; returns the mean loss too."""
    variables = {name: tf.Variable(value) for name, value in parameters.items()}
    order, total = epoch_order(len(DATASET), 0, 1), 0.0
    edges = np.arange(steps + 1) * len(DATASET) // steps
    for rows in np.split(order, edges[1:-1]):
        with tf.GradientTape() as tape:
            expression = predict(
                SPEC, variables, DATASET.sequence[rows], implementation="standard"
            ).expression
            loss = mean_squared_error(expression, DATASET.expression[rows])
            objective = loss + penalty(variables, weights, initial=parameters)
        gradients = tape.gradient(objective, [variables[name] for name in TRAINABLE])
        for name, gradient in zip(TRAINABLE, gradients, strict=True):
            variables[name].assign_sub(0.05 * gradient)
        total += float(loss) * len(rows)
    return {name: variable.numpy() for name, variable in variables.items()}, total


@pytest.mark.parametrize("steps", [1, 3, 7, 100])
def test_an_epoch_is_that_of_a_plain_loop(steps):
    weights = Penalty(motif_pull=0.1, activity_l1=0.01)
    machinery = Steps("sgd", weights)
    totals = machinery.run([steps], steps)
    expected, total = plain_epoch(start_parameters(), steps, weights)
    for name, value in machinery.values().items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)
    assert totals.loss == pytest.approx(total, rel=1e-5)
    assert totals.step == steps
    assert totals.penalty > 0


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_steps_may_be_cut_into_calls_anywhere(optimizer):
    at_once, in_parts = Steps(optimizer), Steps(optimizer)
    first, second = at_once.run([9], 9), in_parts.run([1, 2, 6, 6, 9], 9)
    assert first == second
    for name, value in at_once.values().items():
        assert value.tobytes() == in_parts.values()[name].tobytes(), name


def test_a_call_prepares_the_rows_of_its_own_steps_only():
    """Not those of the whole chunk: reports may cut it into calls of one step."""
    wanted = feed.Steps(epoch=1, steps=9, first=0, per_chunk=9)
    chunk = next(feed.MemoryFeed(DATASET, 0).chunks(wanted))
    data, replicas = as_batches(chunk, Replicas()).batches, Replicas()
    begin, stop = tf.constant(4), tf.constant(6)
    rows = prepare_rows(data, begin, stop, SPEC, tf.identity, replicas, [])
    np.testing.assert_array_equal(rows.sequence, chunk.sequence[chunk.start[4] : chunk.start[6]])
    for step in (4, 5):
        batch = take_batch(rows, data, tf.constant(step), SPEC, replicas)
        own = slice(chunk.start[step], chunk.start[step + 1])
        np.testing.assert_array_equal(batch.sequence, chunk.sequence[own])
        np.testing.assert_array_equal(batch.expression, chunk.expression[own])


def test_more_rows_than_a_counter_holds_are_refused():
    nothing = np.zeros(0, np.float32)
    chunk = feed.Chunk(np.zeros((0, 20), np.uint8), nothing, nothing, None, np.array([0, 2**31]), 0)
    with pytest.raises(ValueError, match=r"batch_size: expected at most 2,147,483,647 rows"):
        as_batches(chunk, Replicas())


def test_a_loss_may_be_computed_in_float64():
    def loss(predicted, measured):
        return tf.reduce_mean(
            tf.square(tf.cast(predicted, tf.float64) - tf.cast(measured, tf.float64))
        )

    wide, narrow = (
        Steps(loss=loss, weights=Penalty(motif_l2=0.1)),
        Steps(weights=Penalty(motif_l2=0.1)),
    )
    assert wide.run([5], 5).loss == pytest.approx(narrow.run([5], 5).loss, rel=1e-5)


def test_nothing_is_traced_again_for_other_epochs_and_batch_sizes():
    traced = []

    def loss(predicted, measured):
        traced.append(predicted)
        return mean_squared_error(predicted, measured)

    steps = Steps(loss=loss)
    for epoch, count in enumerate((7, 3, 11), start=1):
        steps.run([2, count], count, epoch=epoch)
    steps.run([2], 2, dataset=make_dataset(31))
    assert len(traced) == 1


def test_held_parameters_and_columns_keep_their_bits():
    held = np.array([[0] * MOTIFS, [1] + [WIDTH] * (MOTIFS - 1)], np.int32)
    moves = np.ones((WIDTH, 1, MOTIFS), bool)
    moves[1:, :, 0] = False
    for optimizer in ("adam", "rmsprop", "sgd"):
        steps = Steps(optimizer, column_range=held)
        before = steps.values()
        steps.run([10], 10)
        after = steps.values()
        moved = before["log_kd"] != after["log_kd"]
        np.testing.assert_array_equal(moved, np.broadcast_to(moves, moved.shape))
        for name in set(before) - set(TRAINABLE):
            assert before[name].tobytes() == after[name].tobytes()


def test_the_first_step_that_is_not_finite_is_the_last():
    parameters = start_parameters()
    parameters["activity"] = np.full(MOTIFS, 1e30, np.float32)
    totals = Steps(parameters=parameters).run([10], 10)
    assert not totals.finite
    assert totals.step == 1


def test_a_gradient_that_is_not_finite_counts_although_the_loss_is():
    # The square root at 0 has a finite loss and an infinite slope.
    totals = Steps(loss=lambda predicted, _: tf.reduce_sum(tf.sqrt(0 * predicted))).run([5], 5)
    assert not totals.finite
    assert np.isfinite(totals.loss)


def test_an_update_that_carries_a_parameter_past_float32_counts():
    slope = tf.constant(1e10)
    steps = Steps(
        "sgd", loss=lambda predicted, _: slope * tf.reduce_mean(predicted), learning_rate=1e30
    )
    totals = steps.run([10], 10)
    assert np.isfinite(totals.loss)
    assert totals.step == 1
    assert not totals.finite


@pytest.mark.parametrize(
    ("count", "batch_size", "steps"),
    [(100, 30, 4), (90, 30, 3), (1, 30, 1), (31, 30, 2), (5, 1, 5)],
)
def test_steps_per_epoch(count, batch_size, steps):
    assert steps_per_epoch(count, batch_size) == steps


def scale(steps):
    return float(steps.optimizer.dynamic_scale.numpy())


def slope_of(factor):
    """A loss with `factor` times the gradient of the mean prediction."""
    return lambda predicted, measured: factor * tf.reduce_mean(predicted)


def test_an_overflow_halves_the_scale_skips_the_update_and_goes_on():
    # The gradient of the sites fits into float16, but not multiplied by 2^15.
    steps = Steps("sgd", precision="mixed_float16", loss=slope_of(3e3), learning_rate=1e-6)
    before = steps.values()
    totals = steps.run([1], 8)
    assert totals.finite
    assert scale(steps) == FIRST_SCALE / 2
    assert_same_bits(steps.values(), before)
    totals = steps.run([8], 8, totals)
    assert totals.finite
    assert totals.step == 8
    skipped = int(np.log2(FIRST_SCALE / scale(steps)))
    assert 1 < skipped < 8
    assert int(steps.optimizer.iterations.numpy()) == 8 - skipped
    assert (steps.values()["activity"] != before["activity"]).all()


def test_the_scale_does_not_change_what_is_learned():
    """The gradient is multiplied and divided by the same power of 2."""
    scaled, plain = Steps(precision="mixed_float16"), Steps()
    assert scaled.run([10], 10).finite
    plain.run([10], 10)
    skipped = 10 - int(scaled.optimizer.iterations.numpy())
    assert skipped == np.log2(FIRST_SCALE / scale(scaled))
    for name, value in scaled.values().items():
        # The difference is that of one or two skipped steps, and of rounding to float16.
        np.testing.assert_allclose(value, plain.values()[name], atol=0.05 * (1 + skipped))


def test_the_scale_grows_again():
    steps = Steps(precision="mixed_float16", loss=slope_of(1e-3))
    # 1,998 steps without an overflow so far.
    steps.optimizer.step_counter.assign(1998)
    totals = steps.run([1], 3)
    assert scale(steps) == FIRST_SCALE
    steps.run([3], 3, totals)
    assert scale(steps) == 2 * FIRST_SCALE


def test_a_loss_that_is_not_finite_ends_training_whatever_the_scale():
    steps = Steps(precision="mixed_float16", loss=lambda *_: tf.constant(np.inf))
    totals = steps.run([5], 5)
    assert not totals.finite
    assert totals.step == 1


def test_a_gradient_that_is_not_finite_at_any_scale_ends_training():
    loss = lambda predicted, _: tf.reduce_sum(tf.sqrt(0 * predicted))  # noqa: E731
    steps = Steps(precision="mixed_float16", loss=loss)
    before = steps.values()
    totals = steps.run([100], 100)
    assert not totals.finite
    # The scale falls from 2^15 to 2^-14. One more step cannot lower it further.
    assert totals.step == 30
    assert_same_bits(steps.values(), before)


def test_bfloat16_wants_no_scale():
    steps = Steps(precision="mixed_bfloat16", loss=slope_of(np.inf))
    assert not steps.run([5], 5).finite
    assert not hasattr(steps.optimizer, "dynamic_scale")
