"""Schedules: factors that change the learning rate during a stage.

A schedule counts in epochs, not in steps, so that it means the same for every batch size.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


class Schedule(ABC):
    """A factor on the stage's learning rate, a pure function of the epochs that have passed."""

    @abstractmethod
    def factor(self, passed: tf.Tensor, total: int) -> tf.Tensor:
        """The factor after `passed` epochs (float32 scalar, fractions count) of `total`."""


@dataclass(frozen=True)
class Constant(Schedule):
    """A constant learning rate."""

    def factor(self, passed: tf.Tensor, total: int) -> tf.Tensor:
        """Always 1."""
        import tensorflow as tf

        return tf.ones_like(passed)


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """Multiplies the learning rate by `rate` in every `epochs` epochs, smoothly.

    Attributes:
        rate: factor in (0, 1].
        epochs: above 0.

    Raises:
        ValueError: an attribute outside its range.

    Example:
        >>> float(ExponentialDecay(rate=0.5, epochs=2.0).factor(tf.constant(4.0), 10))
        0.25
    """

    rate: float = 0.5
    epochs: float = 10.0

    def __post_init__(self) -> None:
        _check(self, "rate", 0 < self.rate <= 1, "a factor above 0 and at most 1")
        _check(self, "epochs", 0 < self.epochs < math.inf, "a finite number above 0")

    def factor(self, passed: tf.Tensor, total: int) -> tf.Tensor:
        """Falls from 1 towards 0."""
        import tensorflow as tf

        return tf.pow(self.rate, passed / self.epochs)


@dataclass(frozen=True)
class TriangularCycle(Schedule):
    """Linear from `low` to 1 and back, once every `epochs` epochs.

    The triangular policy of Smith, "Cyclical learning rates for training neural networks" (2017).

    Attributes:
        low: the factor at both ends of a cycle, in [0, 1).
        epochs: length of a cycle, above 0.

    Raises:
        ValueError: an attribute outside its range.

    Example:
        >>> float(TriangularCycle(low=0.0, epochs=4.0).factor(tf.constant(1.0), 10))
        0.5
    """

    low: float = 0.1
    epochs: float = 4.0

    def __post_init__(self) -> None:
        _check(self, "low", 0 <= self.low < 1, "a factor of at least 0 and below 1")
        _check(self, "epochs", 0 < self.epochs < math.inf, "a finite number above 0")

    def factor(self, passed: tf.Tensor, total: int) -> tf.Tensor:
        """Rises from `low` to 1 and falls back, repeatedly."""
        import tensorflow as tf

        phase = tf.math.floormod(passed / self.epochs, 1.0)
        return self.low + (1.0 - self.low) * (1.0 - tf.abs(2.0 * phase - 1.0))


@dataclass(frozen=True)
class CosineWarmup(Schedule):
    """Linear from 0 to 1, then half a cosine down to `final` at the end of the stage.

    The decay of Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts"
    (2017), without restarts.

    Attributes:
        warmup: epochs until the factor is 1, at least 0.
        final: the factor at the end of the stage, in [0, 1].

    Raises:
        ValueError: an attribute outside its range.

    Example:
        >>> float(CosineWarmup(warmup=2.0, final=0.5).factor(tf.constant(10.0), 10))
        0.5
    """

    warmup: float = 1.0
    final: float = 0.0

    def __post_init__(self) -> None:
        _check(self, "warmup", 0 <= self.warmup < math.inf, "a finite number of at least 0")
        _check(self, "final", 0 <= self.final <= 1, "a factor from 0 to 1")

    def factor(self, passed: tf.Tensor, total: int) -> tf.Tensor:
        """Rises from 0 to 1, then falls to `final`."""
        import tensorflow as tf

        decaying = max(total - self.warmup, 1e-6)
        progress = tf.clip_by_value((passed - self.warmup) / decaying, 0.0, 1.0)
        decay = self.final + (1.0 - self.final) * 0.5 * (1.0 + tf.cos(math.pi * progress))
        return decay * tf.minimum(passed / self.warmup, 1.0) if self.warmup else decay


def _check(schedule: Schedule, name: str, valid: bool, expected: str) -> None:
    if not valid:
        kind, value = type(schedule).__name__, getattr(schedule, name)
        raise ValueError(f"{kind}.{name}: expected {expected}, got {value}")
