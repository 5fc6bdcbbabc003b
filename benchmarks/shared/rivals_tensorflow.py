"""This library, and the same law in TensorFlow's own operations; see `rivals`."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

import cisreg
from benchmarks.shared.problem import Problem
from benchmarks.shared.rivals import (
    FUSED,
    FUSED_HELD,
    LEARNING_RATE,
    EpochEnd,
    Functions,
    initial_parameters,
)

Occupancy = Callable[..., tf.Tensor]


class Calls(NamedTuple):
    """Two of `rivals.Functions` as TensorFlow has them: results stay where they were computed."""

    forward: Callable[[], tf.Tensor]
    forward_backward: Callable[[], list[tf.Tensor]]


def _compiled(*, xla: bool) -> Any:
    return tf.function(jit_compile=xla, autograph=False)


def _calls(problem: Problem, occupancy: Occupancy, compiled: Any) -> Calls:
    sequence = tf.constant(problem.sequence)
    log_kd = tf.constant(problem.log_kd)
    log_concentration = tf.constant(problem.log_concentration)

    def forward() -> tf.Tensor:
        return occupancy(sequence, log_kd, log_concentration)

    def forward_backward() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([log_kd, log_concentration])
            loss = tf.reduce_sum(occupancy(sequence, log_kd, log_concentration) ** 2)
        return tape.gradient(loss, [log_kd, log_concentration])

    return Calls(compiled(forward), compiled(forward_backward))


def _functions(problem: Problem, occupancy: Occupancy, train: Any, *, xla: bool) -> Functions:
    calls = _calls(problem, occupancy, _compiled(xla=xla))
    return Functions(
        lambda: calls.forward().numpy(),
        lambda: [gradient.numpy() for gradient in calls.forward_backward()],
        train,
    )


class _AtEpochEnd(logging.Handler):
    """Tells the benchmark when training logs its line of an epoch."""

    def __init__(self, at_epoch_end: EpochEnd) -> None:
        super().__init__(logging.INFO)
        self._at_epoch_end = at_epoch_end

    def emit(self, record: logging.LogRecord) -> None:
        """An epoch is over."""
        self._at_epoch_end()


def _train_fused(
    problem: Problem, column_range: np.ndarray | None, epochs: int, at_epoch_end: EpochEnd
) -> list[float]:
    """Training as users train: `cisreg.fit`."""
    width, _, motif_count = problem.log_kd.shape
    spec = cisreg.ModelSpec(motif_count, width, problem.sequence.shape[1])
    stage = cisreg.Stage(
        tuple(spec.parameter_shapes), epochs, LEARNING_RATE, batch_size=problem.batch
    )
    logger, handler = logging.getLogger("cisreg.training"), _AtEpochEnd(at_epoch_end)
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    result = cisreg.fit(
        spec,
        initial_parameters(problem),
        cisreg.Dataset(problem.sequence, problem.expression),
        [stage],
        column_range=column_range,
        progress=False,
        implementation="fused",
    )
    logger.removeHandler(handler)
    return [record.seconds for record in result.history]


def _fused_occupancy(problem: Problem, column_range: np.ndarray | None) -> Occupancy:
    options = {} if problem.dtype == "float32" else {"compute_dtype": problem.dtype}

    def bound(*arguments: tf.Tensor) -> tf.Tensor:
        return cisreg.occupancy(
            *arguments, column_range=column_range, implementation="fused", **options
        ).bound

    return bound


def _fused(problem: Problem, column_range: np.ndarray | None) -> Functions:
    train = functools.partial(_train_fused, problem, column_range)
    return _functions(problem, _fused_occupancy(problem, column_range), train, xla=False)


def fused(problem: Problem) -> Functions:
    """This library's operation, every column of the motifs trainable."""
    return _fused(problem, None)


def fused_held(problem: Problem) -> Functions:
    """This library's operation, columns outside the motifs held at zero."""
    return _fused(problem, problem.column_range)


def _conv1d(
    one_hot: tf.Tensor, log_kd: tf.Tensor, log_concentration: tf.Tensor, dtype: str
) -> tf.Tensor:
    """One convolution over both strands at once, then the sigmoid; [N, L, 4] to [N, 2, M]."""
    both_strands = tf.concat([log_kd, tf.reverse(log_kd, axis=[0, 1])], axis=2)
    site = tf.nn.conv1d(one_hot, tf.cast(both_strands, dtype), stride=1, padding="SAME")
    occupied = tf.sigmoid(tf.cast(tf.tile(log_concentration, [2]), dtype) - site)
    bound = tf.reduce_sum(tf.cast(occupied, tf.float32), axis=1)
    return tf.reshape(bound, [-1, 2, log_kd.shape[2]])


def _conv2d(
    image: tf.Tensor, log_kd: tf.Tensor, log_concentration: tf.Tensor, dtype: str
) -> tf.Tensor:
    """The original's formulation: a convolution per strand over [N, 4, L, 1], then exp."""
    width = log_kd.shape[0]
    # Padding in the direction of the sequence only, as in the original.
    sides = [[0, 0], [0, 0], [(width - 1) // 2, width // 2], [0, 0]]
    strands = []
    for strand_log_kd in (log_kd, tf.reverse(log_kd, axis=[0, 1])):
        kernel = tf.transpose(strand_log_kd, [1, 0, 2])[:, :, tf.newaxis]
        site = tf.nn.conv2d(image, tf.cast(kernel, dtype), strides=1, padding=sides)
        occupied = 1 - 1 / (1 + tf.exp(tf.cast(log_concentration, dtype) - site))
        strands.append(tf.reduce_sum(tf.cast(occupied, tf.float32), axis=[1, 2]))
    return tf.stack(strands, axis=1)


def _image(one_hot: Any) -> Any:
    return tf.transpose(one_hot, [0, 2, 1])[..., tf.newaxis]


def conv1d_sums(sequence: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
    """Sums [N, 2, M] in float32 by conv1d and sigmoid."""
    return _conv1d(tf.one_hot(sequence, 4), *parameters, "float32")


def conv2d_sums(sequence: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
    """Sums [N, 2, M] in float32 by the original's conv2d and exp."""
    return _conv2d(_image(tf.one_hot(sequence, 4)), *parameters, "float32")


def _standard_occupancy(problem: Problem, *, original: bool) -> Occupancy:
    convolve = _conv2d if original else _conv1d

    def occupancy(sequence: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        one_hot = tf.one_hot(sequence, 4, dtype=problem.dtype)
        return convolve(_image(one_hot) if original else one_hot, *parameters, problem.dtype)

    return occupancy


def _standard(problem: Problem, *, original: bool, xla: bool) -> Functions:
    train = functools.partial(_train_standard, problem, original=original, xla=xla)
    occupancy = _standard_occupancy(problem, original=original)
    return _functions(problem, occupancy, train, xla=xla)


def _at_precision(make: Callable[[Problem], Calls], *, tf32: bool) -> Callable[[Problem], Calls]:
    """The calls, with TensorFloat-32 on or off for the products of float32 within them.

    TensorFlow asks for this setting when a kernel runs, or when XLA compiles: at the first call.
    """

    def set_before(call: Callable[[], Any]) -> Callable[[], Any]:
        def at_precision() -> Any:
            tf.config.experimental.enable_tensor_float_32_execution(tf32)
            return call()

        return at_precision

    return lambda problem: Calls(*map(set_before, make(problem)))


def _conv1d_calls(compiled: Any) -> Callable[[Problem], Calls]:
    return lambda problem: _calls(problem, _standard_occupancy(problem, original=False), compiled)


# Implementations compared on a GPU: eager operations, and operations compiled together, each with
# TensorFloat-32, TensorFlow's default, and without. The fused operation knows no such setting.
ON_GPU: dict[str, Callable[[Problem], Calls]] = {
    FUSED: lambda problem: _calls(problem, _fused_occupancy(problem, None), _compiled(xla=False)),
    FUSED_HELD: lambda problem: _calls(
        problem, _fused_occupancy(problem, problem.column_range), _compiled(xla=False)
    ),
    **{
        f"conv1d {name}, {precision}": _at_precision(
            _conv1d_calls(compiled), tf32=precision == "TF32"
        )
        for name, compiled in (
            ("eager", lambda function: function),
            ("graph", _compiled(xla=False)),
            ("XLA", _compiled(xla=True)),
        )
        for precision in ("TF32", "FP32")
    },
}


def conv1d_graph(problem: Problem) -> Functions:
    """TensorFlow graph, conv1d and sigmoid."""
    return _standard(problem, original=False, xla=False)


def conv1d_xla(problem: Problem) -> Functions:
    """TensorFlow under XLA, conv1d and sigmoid."""
    return _standard(problem, original=False, xla=True)


def conv2d_graph(problem: Problem) -> Functions:
    """TensorFlow graph, the original's conv2d and exp."""
    return _standard(problem, original=True, xla=False)


def conv2d_xla(problem: Problem) -> Functions:
    """TensorFlow under XLA, the original's conv2d and exp."""
    return _standard(problem, original=True, xla=True)


def _predict(variables: dict[str, tf.Variable], bound: tf.Tensor) -> tf.Tensor:
    binding = tf.reduce_sum(bound, axis=1)
    signal = tf.linalg.matvec(binding, variables["potentiation"])
    accessibility = tf.sigmoid(variables["potentiation_bias"] + signal)
    return variables["bias"] + accessibility * tf.linalg.matvec(binding, variables["activity"])


def _make_step(problem: Problem, *, original: bool, xla: bool) -> Callable[..., tf.Tensor]:
    variables = {name: tf.Variable(value) for name, value in initial_parameters(problem).items()}
    trained = list(variables.values())
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    optimizer.build(trained)

    @tf.function(jit_compile=xla, autograph=False)
    def step(sequence: tf.Tensor, expression: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            one_hot = sequence if original else tf.one_hot(sequence, 4, dtype=problem.dtype)
            convolve = _conv2d if original else _conv1d
            bound = convolve(
                one_hot, variables["log_kd"], variables["log_concentration"], problem.dtype
            )
            error = _predict(variables, bound) - expression
            loss = tf.reduce_mean(error**2)
        optimizer.apply_gradients(zip(tape.gradient(loss, trained), trained, strict=True))
        return loss

    return step


def _train_standard(
    problem: Problem, epochs: int, at_epoch_end: EpochEnd, *, original: bool, xla: bool
) -> list[float]:
    """One call of the step per batch, the batch fed from host memory, the loss fetched.

    The original is fed one-hot batches, made before the training begins; the modern rival takes
    base codes.
    """
    sequence, expression, batch = problem.sequence, problem.expression, problem.batch
    if original:
        # A row of zeros for unknown bases.
        one_hot = np.eye(5, 4, dtype=np.float32)[sequence]
        sequence = np.ascontiguousarray(one_hot.transpose(0, 2, 1)[..., np.newaxis])
    step = _make_step(problem, original=original, xla=xla)
    starts = range(0, len(sequence) - batch + 1, batch)
    seconds = []
    for _ in range(epochs):
        began = time.perf_counter()
        for start in starts:
            rows = slice(start, start + batch)
            float(step(tf.constant(sequence[rows]), tf.constant(expression[rows])))
        seconds.append(time.perf_counter() - began)
        at_epoch_end()
    return seconds
