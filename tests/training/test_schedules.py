"""Schedules: their values, and that an optimizer's steps follow them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from cisreg.training import Constant, CosineWarmup, ExponentialDecay, Stage, TriangularCycle
from cisreg.training.optimizer import StageLearningRate, make_optimizer

HALF_COSINE = 0.5 * (1 + math.cos(math.pi / 4))


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Constant(), {0.0: 1, 3.7: 1, 10.0: 1}),
        (ExponentialDecay(0.5, epochs=2), {0.0: 1, 1.0: math.sqrt(0.5), 2.0: 0.5, 10.0: 1 / 32}),
        (TriangularCycle(0.2, epochs=4), {0.0: 0.2, 1.0: 0.6, 2.0: 1, 3.0: 0.6, 4.0: 0.2, 6.0: 1}),
        (CosineWarmup(2, final=0), {0.0: 0, 1.0: 0.5, 2.0: 1, 4.0: HALF_COSINE, 6.0: 0.5, 10.0: 0}),
        (CosineWarmup(0, final=0.5), {0.0: 1, 5.0: 0.75, 10.0: 0.5}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_factors_in_a_stage_of_ten_epochs(schedule, expected):
    for passed, factor in expected.items():
        result = schedule.factor(tf.constant(passed), 10)
        assert float(result) == pytest.approx(factor, abs=1e-6), passed
        assert result.dtype == tf.float32


@pytest.mark.parametrize(
    "schedule",
    [
        Constant(),
        ExponentialDecay(0.5, epochs=1),
        TriangularCycle(0.1, epochs=2),
        CosineWarmup(1.0, final=0.1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_optimizer_takes_the_steps_that_the_schedule_says(schedule):
    """Plain gradient descent with a gradient of 1 moves by the learning rate itself."""
    epochs, steps_per_epoch = 4, 5
    stage = Stage(("x",), epochs, learning_rate=0.5, schedule=schedule, optimizer="sgd")
    rate = StageLearningRate(stage.learning_rate, schedule, epochs, steps_per_epoch)
    optimizer = make_optimizer(stage, rate)
    variable = tf.Variable(0.0)

    @tf.function
    def step():
        optimizer.apply_gradients([(tf.constant(1.0), variable)])

    values = [0.0]
    for _ in range(epochs * steps_per_epoch):
        step()
        values.append(float(variable))
    passed = np.arange(epochs * steps_per_epoch, dtype=np.float32) / steps_per_epoch
    factors = [float(schedule.factor(tf.constant(epoch), epochs)) for epoch in passed]
    np.testing.assert_allclose(-np.diff(values), 0.5 * np.array(factors), rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ExponentialDecay(rate=0), "ExponentialDecay.rate: expected a factor above 0"),
        (lambda: ExponentialDecay(rate=1.1), "ExponentialDecay.rate"),
        (
            lambda: ExponentialDecay(epochs=0),
            "ExponentialDecay.epochs: expected a finite number above 0",
        ),
        (lambda: TriangularCycle(low=1), "TriangularCycle.low"),
        (lambda: TriangularCycle(epochs=-1), "TriangularCycle.epochs"),
        (lambda: CosineWarmup(warmup=-1), "CosineWarmup.warmup"),
        (lambda: CosineWarmup(final=2), "CosineWarmup.final: expected a factor from 0 to 1, got 2"),
        (lambda: CosineWarmup(final=float("nan")), "CosineWarmup.final"),
    ],
)
def test_values_outside_their_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
