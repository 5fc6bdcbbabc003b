"""The occupancy sum in other people's operations, each written as well as its library allows.

Every rival is a factory: given the problem's arrays it returns `forward()` and
`forward_backward()`, which compute the expected occupancy [N, 2, M] and the gradients of the sum of
its squares with respect to log Kd and log concentration. Both return arrays that are ready.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Problem(NamedTuple):
    """Arguments of the occupancy operation."""

    sequence: np.ndarray  # uint8 [N, L]
    log_kd: np.ndarray  # float32 [W, 4, M]
    log_concentration: np.ndarray  # float32 [M]


class Functions(NamedTuple):
    """What is timed."""

    forward: Callable[[], Any]
    forward_backward: Callable[[], Any]


def _tensorflow(problem: Problem, occupancy: Callable[..., Any], *, xla: bool) -> Functions:
    import tensorflow as tf

    sequence = tf.constant(problem.sequence)
    log_kd = tf.constant(problem.log_kd)
    log_concentration = tf.constant(problem.log_concentration)
    compiled = tf.function(jit_compile=True) if xla else tf.function

    @compiled
    def forward() -> tf.Tensor:
        return occupancy(sequence, log_kd, log_concentration)

    @compiled
    def forward_backward() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([log_kd, log_concentration])
            loss = tf.reduce_sum(occupancy(sequence, log_kd, log_concentration) ** 2)
        return tape.gradient(loss, [log_kd, log_concentration])

    return Functions(
        lambda: forward().numpy(), lambda: [gradient.numpy() for gradient in forward_backward()]
    )


def fused(problem: Problem) -> Functions:
    """This library's operation."""
    import cisreg

    def bound(*arguments: Any) -> Any:
        return cisreg.occupancy(*arguments, implementation="fused").bound

    return _tensorflow(problem, bound, xla=False)


def _conv1d_occupancy(sequence: Any, log_kd: Any, log_concentration: Any) -> Any:
    """One convolution over both strands at once, then the sigmoid."""
    import tensorflow as tf

    both_strands = tf.concat([log_kd, tf.reverse(log_kd, axis=[0, 1])], axis=2)
    site = tf.nn.conv1d(tf.one_hot(sequence, 4), both_strands, stride=1, padding="SAME")
    occupied = tf.sigmoid(tf.tile(log_concentration, [2]) - site)
    return tf.reshape(tf.reduce_sum(occupied, axis=1), [-1, 2, log_kd.shape[2]])


def _conv2d_occupancy(sequence: Any, log_kd: Any, log_concentration: Any) -> Any:
    """The original software's formulation: a two-dimensional convolution per strand, then exp."""
    import tensorflow as tf

    image = tf.transpose(tf.one_hot(sequence, 4), [0, 2, 1])[..., tf.newaxis]
    strands = []
    for strand_log_kd in (log_kd, tf.reverse(log_kd, axis=[0, 1])):
        kernel = tf.transpose(strand_log_kd, [1, 0, 2])[:, :, tf.newaxis]
        # Four rows, one of them whole: the original pads along the sequence only.
        width = log_kd.shape[0]
        sides = [[0, 0], [0, 0], [(width - 1) // 2, width // 2], [0, 0]]
        site = tf.nn.conv2d(image, kernel, strides=1, padding=sides)
        occupied = 1 - 1 / (1 + tf.exp(log_concentration - site))
        strands.append(tf.reduce_sum(occupied, axis=[1, 2]))
    return tf.stack(strands, axis=1)


def conv1d_graph(problem: Problem) -> Functions:
    """TensorFlow graph, conv1d and sigmoid."""
    return _tensorflow(problem, _conv1d_occupancy, xla=False)


def conv1d_xla(problem: Problem) -> Functions:
    """TensorFlow under XLA, conv1d and sigmoid."""
    return _tensorflow(problem, _conv1d_occupancy, xla=True)


def conv2d_graph(problem: Problem) -> Functions:
    """TensorFlow graph, the original's conv2d and exp."""
    return _tensorflow(problem, _conv2d_occupancy, xla=False)


def conv2d_xla(problem: Problem) -> Functions:
    """TensorFlow under XLA, the original's conv2d and exp."""
    return _tensorflow(problem, _conv2d_occupancy, xla=True)


RIVALS: dict[str, Callable[[Problem], Functions]] = {
    "conv1d graph": conv1d_graph,
    "conv1d XLA": conv1d_xla,
    "conv2d graph": conv2d_graph,
    "conv2d XLA": conv2d_xla,
}
IMPLEMENTATIONS: dict[str, Callable[[Problem], Functions]] = {"fused": fused, **RIVALS}
