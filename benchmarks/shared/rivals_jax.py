"""The same law in JAX; see `rivals`."""

from __future__ import annotations

import functools
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.shared.problem import Problem
from benchmarks.shared.rivals import LEARNING_RATE, EpochEnd, Functions, initial_parameters

Parameters = dict[str, jax.Array]


def _occupancy(
    sequence: jax.Array, log_kd: jax.Array, log_concentration: jax.Array, dtype: str
) -> jax.Array:
    """One convolution over both strands at once, then the sigmoid; codes [N, L] to [N, 2, M]."""
    both_strands = jnp.concatenate([log_kd, log_kd[::-1, ::-1]], axis=2).astype(dtype)
    site = jax.lax.conv_general_dilated(
        jax.nn.one_hot(sequence, 4, dtype=dtype),
        both_strands,
        window_strides=(1,),
        padding="SAME",
        dimension_numbers=("NWC", "WIO", "NWC"),
    )
    occupied = jax.nn.sigmoid(jnp.tile(log_concentration, 2).astype(dtype) - site)
    bound = jnp.sum(occupied, axis=1, dtype=jnp.float32)
    return bound.reshape(-1, 2, log_kd.shape[2])


def _loss(
    parameters: Parameters, sequence: jax.Array, expression: jax.Array, dtype: str
) -> jax.Array:
    bound = _occupancy(sequence, parameters["log_kd"], parameters["log_concentration"], dtype)
    binding = bound.sum(axis=1)
    signal = parameters["potentiation_bias"] + binding @ parameters["potentiation"]
    predicted = parameters["bias"] + jax.nn.sigmoid(signal) * (binding @ parameters["activity"])
    return jnp.mean((predicted - expression) ** 2)


class _State(NamedTuple):
    """Parameters and what Adam remembers of their gradients."""

    step: jax.Array
    parameters: Parameters
    first: Parameters
    second: Parameters


@functools.partial(jax.jit, static_argnames="dtype", donate_argnums=0)
def _step(
    state: _State, sequence: jax.Array, expression: jax.Array, dtype: str
) -> tuple[_State, jax.Array]:
    loss, gradient = jax.value_and_grad(_loss)(state.parameters, sequence, expression, dtype)
    step = state.step + 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state.first, gradient)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, state.second, gradient)
    rate = LEARNING_RATE * jnp.sqrt(1 - 0.999**step) / (1 - 0.9**step)
    parameters = jax.tree.map(
        lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-7), state.parameters, first, second
    )
    return _State(step, parameters, first, second), loss


def _train(problem: Problem, epochs: int, at_epoch_end: EpochEnd) -> list[float]:
    def start() -> Parameters:
        return jax.tree.map(jnp.array, initial_parameters(problem))

    zeros = [jax.tree.map(jnp.zeros_like, start()) for _ in range(2)]
    state = _State(jnp.float32(0), start(), *zeros)
    batch, seconds = problem.batch, []
    for _ in range(epochs):
        began = time.perf_counter()
        for first in range(0, len(problem.sequence) - batch + 1, batch):
            rows = slice(first, first + batch)
            state, loss = _step(
                state, problem.sequence[rows], problem.expression[rows], problem.dtype
            )
            float(loss)
        seconds.append(time.perf_counter() - began)
        at_epoch_end()
    return seconds


def jit(problem: Problem) -> Functions:
    """JAX under jit."""
    arrays: list[Any] = [problem.sequence, problem.log_kd, problem.log_concentration]
    arrays = [jnp.asarray(array) for array in arrays]
    occupancy = functools.partial(_occupancy, dtype=problem.dtype)
    forward = jax.jit(occupancy)
    gradient = jax.jit(
        jax.grad(lambda *arguments: jnp.sum(occupancy(*arguments) ** 2), argnums=(1, 2))
    )
    return Functions(
        lambda: np.asarray(forward(*arrays)),
        lambda: [np.asarray(part) for part in gradient(*arrays)],
        functools.partial(_train, problem),
    )
