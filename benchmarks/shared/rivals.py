"""The programs that are compared, each written as well as its library allows.

Every one is a factory: given a problem's arrays it returns `Functions`. They compute the expected
occupancy [N, 2, M], the gradients of the sum of its squares with respect to log Kd and log
concentration, and training steps of one model::

    binding       = expected occupancy on both strands
    accessibility = sigmoid(potentiation_bias + sum over motifs of potentiation * binding)
    expression    = bias + sum over motifs of activity * accessibility * binding

with the mean squared error as loss, all parameters trained by Adam.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from benchmarks.shared.problem import Problem

LEARNING_RATE = 0.001

# Called at the end of each epoch.
EpochEnd = Callable[[], None]


class Functions(NamedTuple):
    """What is timed; the results are ready when the call returns.

    Attributes:
        forward: expected occupancy, array [N, 2, M].
        forward_backward: gradients of log Kd [W, 4, M] and log concentration [M].
        train: (epochs, at the end of each) to the seconds that the steps of each epoch took.
    """

    forward: Callable[[], np.ndarray]
    forward_backward: Callable[[], list[np.ndarray]]
    train: Callable[[int, EpochEnd], list[float]]


class Implementation(NamedTuple):
    """Where a factory is."""

    package: str  # what must be installed
    module: str  # beside this one
    factory: str


IMPLEMENTATIONS = {
    "fused": Implementation("tensorflow", "rivals_tensorflow", "fused"),
    "fused, zero columns held": Implementation("tensorflow", "rivals_tensorflow", "fused_held"),
    "conv1d graph": Implementation("tensorflow", "rivals_tensorflow", "conv1d_graph"),
    "conv1d XLA": Implementation("tensorflow", "rivals_tensorflow", "conv1d_xla"),
    "conv2d graph": Implementation("tensorflow", "rivals_tensorflow", "conv2d_graph"),
    "conv2d XLA": Implementation("tensorflow", "rivals_tensorflow", "conv2d_xla"),
    "PyTorch eager": Implementation("torch", "rivals_torch", "eager"),
    "PyTorch compiled": Implementation("torch", "rivals_torch", "compiled"),
    "JAX jit": Implementation("jax", "rivals_jax", "jit"),
}
# Keras models; the same names with "graph" and "XLA".
KERAS = {
    f"Keras {name} {compiler}": Implementation(
        "tensorflow", "rivals_keras", f"{factory}_{compiler.lower()}"
    )
    for name, factory in {
        "fused": "fused",
        "fused, zero columns held": "fused_held",
        "conv1d": "conv1d",
        "conv1d by width": "by_width",
        "conv2d": "conv2d",
        "no scan": "no_scan",
    }.items()
    for compiler in ("graph", "XLA")
    if (name, compiler) != ("conv2d", "graph")
}
ALL = IMPLEMENTATIONS | KERAS
FUSED = "fused"
FUSED_HELD = "fused, zero columns held"
ORIGINAL = "conv2d graph"  # the formulation of CisRegModels
# What is compared on a GPU, of `rivals_tensorflow.ON_GPU`.
ON_GPU_NAMES = (
    FUSED,
    FUSED_HELD,
    *(
        f"conv1d {compiler}, {precision}"
        for compiler in ("eager", "graph", "XLA")
        for precision in ("TF32", "FP32")
    ),
)


def installed(name: str) -> bool:
    """Whether the library of an implementation is there."""
    return importlib.util.find_spec(ALL[name].package) is not None


def make_functions(name: str, problem: Problem) -> Functions:
    """An implementation's functions for a problem."""
    implementation = ALL[name]
    factory: Any = getattr(
        importlib.import_module(f".{implementation.module}", __package__), implementation.factory
    )
    return factory(problem)


def initial_parameters(problem: Problem) -> dict[str, np.ndarray]:
    """Where training begins: the parameters of `cisreg.ModelSpec` with its default layers."""
    random = np.random.default_rng(0)
    motif_count = problem.log_kd.shape[2]
    return {
        "log_kd": problem.log_kd,
        "log_concentration": problem.log_concentration,
        "potentiation": random.normal(0, 0.01, motif_count).astype(np.float32),
        "potentiation_bias": np.zeros((), np.float32),
        "activity": random.normal(0, 0.01, motif_count).astype(np.float32),
        "bias": np.zeros((), np.float32),
    }
