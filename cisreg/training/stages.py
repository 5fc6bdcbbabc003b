"""Stages of training: which parameters train, for how long, and how."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Literal, get_args

from cisreg.losses import Penalty
from cisreg.training.schedules import Constant, Schedule

OptimizerName = Literal["adam", "rmsprop", "sgd"]

OPTIMIZER_OPTIONS = {
    "adam": ("beta_1", "beta_2", "epsilon"),
    "rmsprop": ("rho", "momentum", "epsilon"),
    "sgd": ("momentum", "nesterov"),
}


@dataclass(frozen=True)
class Stage:
    """One stage of training; `fit` runs a list of them, one after the other.

    Attributes:
        trainable: names of the parameters that train; all others are held.
        epochs: maximum number of passes over the data.
        learning_rate: the optimizer's rate when the schedule's factor is 1. Parameters that have
            the unit of expression train in the standard unit, see docs/explanation/training.md.
        schedule: how the learning rate changes during the stage.
        batch_size: maximum number of sequences per step. An epoch is divided into batches whose
            sizes differ by at most 1, so that there is no short last batch.
        optimizer: "adam", "rmsprop" or "sgd", as Keras names them.
        beta_1, beta_2: decay of Adam's first and second moments.
        rho: decay of RMSprop's second moment.
        epsilon: added to the root of Adam's and RMSprop's second moment.
        momentum: of RMSprop and SGD.
        nesterov: Nesterov's variant of SGD's momentum.
        patience: stop after this many epochs without a better validation loss, and end with the
            best parameters, which may be those at the start of the stage; None: run all epochs and
            end with the last parameters.
        average_decay: decay, per step, of an exponential moving average of the parameters. The
            average replaces the parameters in validation and at the end of the stage; None: no
            average.
        penalty: weights of the penalties in this stage; None: those given to `fit`.

    Raises:
        ValueError: an attribute is outside its range, or the optimizer does not have an option.

    Example:
        >>> from cisreg.training import CosineWarmup
        >>> first = Stage(("bias", "activity"), epochs=20, learning_rate=0.04)
        >>> second = Stage(("bias", "activity", "log_kd"), epochs=50, patience=5,
        ...                learning_rate=0.001, schedule=CosineWarmup(warmup=2.0))
    """

    trainable: tuple[str, ...]
    epochs: int
    learning_rate: float = 0.001
    schedule: Schedule = field(default_factory=Constant)
    batch_size: int = 128
    optimizer: OptimizerName = "adam"
    beta_1: float = 0.9
    beta_2: float = 0.999
    rho: float = 0.9
    epsilon: float = 1e-7
    momentum: float = 0.0
    nesterov: bool = False
    patience: int | None = None
    average_decay: float | None = None
    penalty: Penalty | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "trainable", _names(self.trainable))
        self._check("epochs", self.epochs >= 1, "1 or more")
        positive = self.learning_rate > 0 and math.isfinite(self.learning_rate)
        self._check("learning_rate", positive, "a finite number above 0")
        self._check("schedule", isinstance(self.schedule, Schedule), "a Schedule")
        self._check("batch_size", self.batch_size >= 1, "1 or more")
        known = self.optimizer in get_args(OptimizerName)
        self._check("optimizer", known, f"one of {', '.join(get_args(OptimizerName))}")
        for name in ("beta_1", "beta_2", "rho", "momentum"):
            self._check(name, 0 <= getattr(self, name) < 1, "a number of at least 0 and below 1")
        self._check("epsilon", 0 < self.epsilon < math.inf, "a finite number above 0")
        self._check("nesterov", not self.nesterov or self.momentum > 0, "False without momentum")
        self._check("patience", self.patience is None or self.patience >= 1, "None, or 1 or more")
        averaged = self.average_decay is None or 0 < self.average_decay < 1
        self._check("average_decay", averaged, "None, or a number between 0 and 1")
        self._check_options()

    def _check(self, name: str, valid: bool, expected: str) -> None:
        if not valid:
            raise ValueError(f"Stage.{name}: expected {expected}, got {getattr(self, name)!r}")

    def _check_options(self) -> None:
        all_options = {option for options in OPTIMIZER_OPTIONS.values() for option in options}
        own_options = OPTIMIZER_OPTIONS[self.optimizer]
        for option in fields(self):
            value = getattr(self, option.name)
            foreign = option.name in all_options and option.name not in own_options
            if foreign and value != option.default:
                raise ValueError(
                    f"Stage.{option.name}: expected none for optimizer {self.optimizer!r}, got "
                    f"{value!r}; its options are {', '.join(own_options)}"
                )


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Steps in an epoch over `count` sequences in batches of at most `batch_size`."""
    return -(-count // batch_size)


def _names(trainable: tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(trainable, str):
        raise ValueError(
            f"Stage.trainable: expected a tuple of parameter names, got the text {trainable!r}"
        )
    names = tuple(trainable)
    if not names or len(set(names)) != len(names):
        raise ValueError(f"Stage.trainable: expected at least one name, each once, got {names}")
    return names
