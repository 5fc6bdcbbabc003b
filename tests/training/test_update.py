"""Updates in few operations against those of Keras' own optimizers."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from cisreg import devices
from cisreg.training import CosineWarmup, Schedule, Stage
from cisreg.training.optimizer import StageLearningRate, make_optimizer
from cisreg.training.update import StepUpdate

STEPS = 70
CASES = {
    "adam": {"beta_1": 0.8, "beta_2": 0.97, "epsilon": 1e-3},
    "rmsprop": {"rho": 0.7, "epsilon": 1e-3},
    "rmsprop with momentum": {"rho": 0.7, "momentum": 0.6, "epsilon": 1e-3},
    "sgd": {},
    "sgd with momentum": {"momentum": 0.8},
    "sgd of Nesterov": {"momentum": 0.8, "nesterov": True},
    "average": {"average_decay": 0.7, "beta_2": 0.97, "epsilon": 1e-3},
}


def stage_of(name: str) -> Stage:
    optimizer = name.split()[0]
    schedule = CosineWarmup(warmup=0.5, final=0.1)
    return Stage(
        ("x",),
        *(3, 0.05, schedule),
        optimizer="adam" if optimizer == "average" else optimizer,
        **CASES[name],
    )


class Both:
    """The same variable, with Keras' update and with ours."""

    def __init__(self, stage: Stage, precision: str = "float32") -> None:
        start = np.linspace(-1, 1, 37, dtype=np.float32)
        self.rate = StageLearningRate(stage.learning_rate, stage.schedule, stage.epochs, STEPS // 2)
        self.variables = [tf.Variable(start, name="trained") for _ in range(2)]
        self.optimizers = [make_optimizer(stage, self.rate, precision) for _ in range(2)]
        for optimizer, variable in zip(self.optimizers, self.variables, strict=True):
            optimizer.build([variable])

    def run(self, gradients: np.ndarray, calls: list[int]) -> None:
        for gradient in tf.constant(gradients):
            self.optimizers[0].apply_gradients([(gradient, self.variables[0])])
        update = StepUpdate(self.optimizers[1], self.rate, self.variables[1])

        @tf.function(autograph=False)
        def run(some: tf.Tensor) -> None:
            table = update.table(tf.shape(some)[0])

            def one(index: tf.Tensor) -> tuple[tf.Tensor]:
                update.apply(some[index], table, index)
                return (index + 1,)

            tf.while_loop(lambda i: i < tf.shape(some)[0], one, (tf.constant(0),))

        for some in np.split(gradients, calls):
            run(tf.constant(some))

    def assert_equal(self, tolerance: float) -> None:
        for one, other in zip(*(each.variables for each in self.optimizers), strict=True):
            np.testing.assert_allclose(other, one, rtol=tolerance, atol=tolerance, err_msg=one.name)
        np.testing.assert_allclose(*self.variables, rtol=0, atol=tolerance)


def some_gradients() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, (STEPS, 37)).astype(np.float32)


@pytest.fixture(params=["cpu", "gpu"], autouse=True)
def listed(request, monkeypatch):
    """Updates as they are written without and with a GPU; all of them run on a CPU, too."""
    if request.param == "gpu":
        monkeypatch.setattr(devices, "listed_gpus", lambda: ("/device:GPU:0",))


@pytest.mark.parametrize("name", CASES)
def test_the_numbers_are_those_of_keras(name):
    both = Both(stage_of(name))
    both.run(some_gradients(), [1, 30])
    assert int(both.optimizers[1].iterations.numpy()) == STEPS
    both.assert_equal(2e-6)


@pytest.mark.parametrize("name", CASES)
def test_steps_that_a_loss_scale_skips_leave_everything_as_it_was(name):
    both = Both(stage_of(name), "mixed_float16")
    gradients = some_gradients() * 2.0**15
    gradients[[0, 3, 4, 40], 5] = np.inf, np.nan, -np.inf, np.inf
    # Two doublings, and a skipped step between them.
    for optimizer in both.optimizers:
        optimizer.dynamic_growth_steps = 25
    both.run(gradients, [7])
    skipping = both.optimizers[1]
    assert int(skipping.iterations.numpy()) == STEPS - 4
    assert np.isfinite(both.variables[1].numpy()).all()
    both.assert_equal(2e-6)


def test_the_scale_of_keras_is_halved_and_doubled_in_these_tests():
    both = Both(stage_of("sgd"), "mixed_float16")
    assert isinstance(both.optimizers[0], keras.optimizers.LossScaleOptimizer)
    for optimizer in both.optimizers:
        optimizer.dynamic_growth_steps = 3
    gradients = np.ones((8, 37), np.float32)
    gradients[1] = np.nan
    both.run(gradients, [])
    # One halving, then six sound steps: two doublings.
    assert [float(each.dynamic_scale.numpy()) for each in both.optimizers] == [2.0**16] * 2


@pytest.mark.parametrize("begin", [0, 1, 5, 63, 64])
def test_a_table_does_not_depend_on_where_a_call_begins(begin):
    """Functions of a vector round differently at its end."""
    stage = stage_of("adam")
    both = Both(stage)
    update = StepUpdate(both.optimizers[1], both.rate, both.variables[1])
    whole = update.table(tf.constant(70)).size.numpy()
    both.optimizers[1].iterations.assign(begin)
    part = update.table(tf.constant(3)).size.numpy()
    assert part[:3].tobytes() == whole[begin : begin + 3].tobytes()


class Halves(Schedule):
    """As a user may write it: for one number, with branches, and not beyond the end."""

    def factor(self, passed: tf.Tensor, total: int) -> tf.Tensor:
        factor = tf.gather(tf.constant([1.0, 0.5, 0.25]), tf.cast(passed, tf.int32))
        return tf.cond(passed < 1.5, lambda: factor, lambda: factor / 2)


def test_a_schedule_of_the_users_is_asked_about_one_step_at_a_time():
    stage = Stage(("x",), *(3, 0.5, Halves()), optimizer="sgd")
    rate = StageLearningRate(0.5, Halves(), 3, 2)
    variable = tf.Variable([0.0], name="trained")
    optimizer = make_optimizer(stage, rate)
    optimizer.build([variable])
    table = tf.function(StepUpdate(optimizer, rate, variable).table)
    found = [*table(tf.constant(2)).size[:2], *table(tf.constant(4)).size[:4]]
    np.testing.assert_array_equal(found, np.array([1, 1, 0.5, 0.25, 0.125, 0.125]) / 2)
