"""Keras models with the occupancy of motifs: this library's layer, and layers of standard ops.

All are the same model, `binding -> Dense(1)`, trained as users train: `compile` and `fit`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.shared.problem import Problem
from benchmarks.shared.rivals import LEARNING_RATE, EpochEnd, Functions
from benchmarks.shared.rivals_tensorflow import conv1d_sums, conv2d_sums
from cisreg.keras import MotifOccupancy

# From sequences and parameters to [N, 2, M].
Sums = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


class StandardOccupancy(keras.layers.Layer):
    """A layer with the weights of `MotifOccupancy` that computes in standard ops."""

    def __init__(self, problem: Problem, sums: Sums) -> None:
        super().__init__(autocast=False)
        self._sums = sums
        start = {"log_kd": problem.log_kd, "log_concentration": problem.log_concentration}
        for name, value in start.items():
            weight = self.add_weight(
                shape=value.shape, initializer=keras.initializers.Constant(value), name=name
            )
            setattr(self, name, weight)

    def call(self, sequence: tf.Tensor) -> tf.Tensor:
        """Sums [N, 2, M] of base codes [N, L]."""
        return self._sums(
            sequence,
            tf.convert_to_tensor(self.log_kd),
            tf.convert_to_tensor(self.log_concentration),
        )

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """[N, 2, M]."""
        return (shape[0], 2, self.log_kd.shape[2])


def conv1d_by_width(problem: Problem) -> Sums:
    """Convolutions no wider than the motifs they hold: three groups of motifs of like widths."""
    first, end = problem.column_range
    order = np.argsort(end - first, kind="stable")
    groups = np.array_split(order, min(3, len(order)))
    width, length = len(problem.log_kd), problem.sequence.shape[1]
    back = np.argsort(np.concatenate(groups))

    def strand(padded: tf.Tensor, kernel: tf.Tensor, concentration: Any, begin: int) -> tf.Tensor:
        seen = padded[:, begin : begin + length + kernel.shape[0] - 1]
        site = tf.nn.conv1d(seen, kernel, stride=1, padding="VALID")
        return tf.reduce_sum(tf.sigmoid(concentration - site), axis=1)

    def sums(sequence: tf.Tensor, log_kd: tf.Tensor, log_concentration: tf.Tensor) -> tf.Tensor:
        sides = [[0, 0], [(width - 1) // 2, width // 2], [0, 0]]
        padded = tf.pad(tf.one_hot(sequence, 4), sides)
        parts = []
        for group in groups:
            begin, stop = int(first[group].min()), int(end[group].max())
            kernel = tf.gather(log_kd[begin:stop], group, axis=2)
            concentration = tf.gather(log_concentration, group)
            reverse = tf.reverse(kernel, axis=[0, 1])
            parts.append(
                tf.stack(
                    [
                        strand(padded, kernel, concentration, begin),
                        strand(padded, reverse, concentration, width - stop),
                    ],
                    axis=1,
                )
            )
        return tf.gather(tf.concat(parts, axis=2), back, axis=2)

    return sums


def no_scan(sequence: tf.Tensor, log_kd: tf.Tensor, log_concentration: tf.Tensor) -> tf.Tensor:
    """Sums that read every parameter but no site: what the rest of a step takes."""
    count = tf.cast(tf.reduce_sum(tf.cast(sequence, tf.int32), axis=1), tf.float32)
    bound = log_concentration + tf.reduce_sum(log_kd, axis=[0, 1])
    return count[:, tf.newaxis, tf.newaxis] * tf.stack([bound, bound])


def make(problem: Problem, layer: keras.layers.Layer, *, xla: bool) -> Functions:
    """The functions of a layer, and training of the model that holds it."""
    length = problem.sequence.shape[1]
    outputs = keras.layers.Dense(1)(keras.layers.Flatten()(layer(inputs := _input(length))))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), "mse", jit_compile=xla)
    sequence = tf.constant(problem.sequence[: problem.batch])
    weights = [layer.log_kd.value, layer.log_concentration.value]

    @tf.function(jit_compile=xla, autograph=False)
    def forward() -> tf.Tensor:
        return layer(sequence)

    @tf.function(jit_compile=xla, autograph=False)
    def forward_backward() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(sequence) ** 2)
        return [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, weights)]

    def train(epochs: int, at_epoch_end: EpochEnd) -> list[float]:
        return _fit(model, problem, epochs, at_epoch_end)

    return Functions(
        lambda: forward().numpy(),
        lambda: [gradient.numpy() for gradient in forward_backward()],
        train,
    )


def _input(length: int) -> Any:
    return keras.Input((length,), dtype="uint8")


class _Epochs(keras.callbacks.Callback):
    """Seconds of each epoch."""

    def __init__(self, at_epoch_end: EpochEnd) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._at_epoch_end = at_epoch_end

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds.append(time.perf_counter() - self._began)
        self._at_epoch_end()


def _fit(model: keras.Model, problem: Problem, epochs: int, at_epoch_end: EpochEnd) -> list[float]:
    """Batches are made before, so that Keras only hands them on."""
    batch = problem.batch
    steps = len(problem.sequence) // batch
    batches = tf.data.Dataset.from_tensor_slices(
        (
            problem.sequence.reshape(steps, batch, -1),
            problem.expression.reshape(steps, batch, 1),
        )
    )
    callback = _Epochs(at_epoch_end)
    model.fit(batches, epochs=epochs, verbose=0, callbacks=[callback])
    return callback.seconds


def _fused(problem: Problem, column_range: Any, *, xla: bool) -> Functions:
    layer = MotifOccupancy(
        problem.log_kd,
        log_concentration=problem.log_concentration,
        column_range=column_range,
        implementation="fused",
    )
    return make(problem, layer, xla=xla)


def _standard(problem: Problem, sums: Sums, *, xla: bool) -> Functions:
    return make(problem, StandardOccupancy(problem, sums), xla=xla)


def fused_graph(problem: Problem) -> Functions:
    """This library's layer, every column of the motifs trainable, without XLA."""
    return _fused(problem, None, xla=False)


def fused_xla(problem: Problem) -> Functions:
    """The same under XLA."""
    return _fused(problem, None, xla=True)


def fused_held_graph(problem: Problem) -> Functions:
    """This library's layer, columns outside the motifs held at zero, without XLA."""
    return _fused(problem, problem.column_range, xla=False)


def fused_held_xla(problem: Problem) -> Functions:
    """The same under XLA."""
    return _fused(problem, problem.column_range, xla=True)


def conv1d_graph(problem: Problem) -> Functions:
    """conv1d over both strands and sigmoid, without XLA."""
    return _standard(problem, conv1d_sums, xla=False)


def conv1d_xla(problem: Problem) -> Functions:
    """The same under XLA."""
    return _standard(problem, conv1d_sums, xla=True)


def conv2d_xla(problem: Problem) -> Functions:
    """The original's conv2d and exp under XLA."""
    return _standard(problem, conv2d_sums, xla=True)


def by_width_graph(problem: Problem) -> Functions:
    """conv1d in groups of like widths, without XLA."""
    return _standard(problem, conv1d_by_width(problem), xla=False)


def by_width_xla(problem: Problem) -> Functions:
    """The same under XLA."""
    return _standard(problem, conv1d_by_width(problem), xla=True)


def no_scan_graph(problem: Problem) -> Functions:
    """A step without the occupancy, without XLA."""
    return _standard(problem, no_scan, xla=False)


def no_scan_xla(problem: Problem) -> Functions:
    """The same under XLA."""
    return _standard(problem, no_scan, xla=True)
