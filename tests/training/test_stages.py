"""What a Stage accepts, and the optimizer made from it."""

from __future__ import annotations

import keras
import pytest

from cisreg.training import Stage
from cisreg.training.optimizer import StageLearningRate, make_optimizer
from cisreg.training.schedules import Constant


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trainable": ()}, "Stage.trainable: expected at least one name"),
        ({"trainable": ("bias", "bias")}, "Stage.trainable: .* each once"),
        ({"trainable": "bias"}, "expected a tuple of parameter names, got the text 'bias'"),
        ({"epochs": 0}, "Stage.epochs: expected 1 or more, got 0"),
        ({"learning_rate": 0.0}, "Stage.learning_rate: expected a finite number above 0"),
        ({"learning_rate": float("inf")}, "Stage.learning_rate"),
        ({"learning_rate": float("nan")}, "Stage.learning_rate"),
        ({"schedule": "constant"}, "Stage.schedule: expected a Schedule, got 'constant'"),
        ({"batch_size": 0}, "Stage.batch_size: expected 1 or more"),
        ({"optimizer": "adagrad"}, "Stage.optimizer: expected one of adam, rmsprop, sgd"),
        ({"beta_1": 1.0}, "Stage.beta_1"),
        ({"epsilon": 0.0}, "Stage.epsilon"),
        ({"optimizer": "sgd", "nesterov": True}, "Stage.nesterov: expected False without momentum"),
        ({"momentum": 0.9}, "Stage.momentum: expected none for optimizer 'adam', got 0.9"),
        ({"optimizer": "sgd", "rho": 0.5}, "Stage.rho: .* its options are momentum, nesterov"),
        ({"patience": 0}, "Stage.patience"),
        ({"average_decay": 1.0}, "Stage.average_decay"),
    ],
)
def test_values_that_make_no_stage_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Stage(**({"trainable": ("bias",), "epochs": 1} | options))


@pytest.mark.parametrize(
    ("options", "kind", "expected"),
    [
        ({"beta_1": 0.8, "beta_2": 0.99}, keras.optimizers.Adam, {"beta_1": 0.8, "beta_2": 0.99}),
        (
            {"optimizer": "rmsprop", "rho": 0.7, "momentum": 0.2, "epsilon": 1e-3},
            keras.optimizers.RMSprop,
            {"rho": 0.7, "momentum": 0.2, "epsilon": 1e-3},
        ),
        (
            {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
            keras.optimizers.SGD,
            {"momentum": 0.9, "nesterov": True},
        ),
        ({"average_decay": 0.9}, keras.optimizers.Adam, {"use_ema": True, "ema_momentum": 0.9}),
    ],
)
def test_every_option_reaches_its_optimizer(options, kind, expected):
    stage = Stage(("bias",), epochs=1, **options)
    optimizer = make_optimizer(stage, StageLearningRate(0.1, Constant(), 1, 1))
    assert type(optimizer) is kind
    assert {name: getattr(optimizer, name) for name in expected} == expected


def test_names_may_come_as_a_list():
    assert Stage(["bias", "activity"], epochs=1).trainable == ("bias", "activity")
