"""What `check` measures through TensorFlow, on the first GPU or, as a stand-in, on the processor.

An object of `OnTensorFlow` lives in a process of its own (worker.py); what its methods return are
plain numbers. {"missing": reason} stands for what this machine cannot do.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

import cisreg
from benchmarks.gpu.limit import Size
from benchmarks.shared.problem import Point, Problem, make_problem
from benchmarks.shared.rivals import initial_parameters, make_functions
from benchmarks.shared.rivals_tensorflow import ON_GPU
from benchmarks.shared.suite import version
from cisreg import _native
from cisreg.diagnosis import OPERATIONS, registered_devices
from cisreg.library import build_info, load_ops

MEBIBYTE = 2**20
# Seconds of one sample, and of all samples of a measurement.
SAMPLE_SECONDS, SECONDS = 0.02, 0.5
FEWEST_SAMPLES, MOST_CALLS = 3, 200
# Of a run of training: epochs beside the first, which compiles, and steps of each.
EPOCHS, STEPS = 3, 16
# Largest difference between two replicas and one, of parameters; between XLA and none, of results.
LARGEST_REPLICA_DIFFERENCE, LARGEST_XLA_DIFFERENCE = 1e-5, 1e-6
# Of a GPU under pressure: what TensorFlow may use, and what something else holds of it.
LIMITED_MEBIBYTES, HELD_MEBIBYTES = 512, 400

Found = dict[str, Any]


def why_not() -> str | None:
    """The reason why nothing can be measured on a GPU here, or None."""
    if not tf.config.list_physical_devices("GPU"):
        return "no GPU: TensorFlow finds none on this machine; cisreg doctor tells more"
    load_ops()
    if any("GPU" not in registered_devices(operation) for operation in OPERATIONS):
        return (
            "no GPU kernel: this build of cisreg has none; build it again with CISREG_CUDA=on "
            "where nvcc of the CUDA toolkit is"
        )
    return None


class OnTensorFlow:
    """Measurements and checks by name.

    Args:
        stand_in: two logical devices of the processor in place of GPUs.
        limited: TensorFlow may use only LIMITED_MEBIBYTES of the first GPU.

    Raises:
        RuntimeError: there is no GPU, or no kernel for it.
    """

    def __init__(self, *, stand_in: bool, limited: bool = False) -> None:
        self._kind = "CPU" if stand_in else "GPU"
        devices = tf.config.list_physical_devices(self._kind)
        if stand_in:
            parts = [tf.config.LogicalDeviceConfiguration()] * 2
            tf.config.set_logical_device_configuration(devices[0], parts)
        else:
            reason = why_not()
            if reason is not None:
                raise RuntimeError(reason)
            for device in devices:
                tf.config.experimental.set_memory_growth(device, not limited)
            if limited:
                part = tf.config.LogicalDeviceConfiguration(memory_limit=LIMITED_MEBIBYTES)
                tf.config.set_logical_device_configuration(devices[0], [part])
        self._device = f"{self._kind}:0"

    def describe(self) -> Found:
        """What the numbers are measured on."""
        facts: Found = {"device": "this machine's processor, a stand-in for a GPU"}
        if self._kind == "GPU":
            found = _native.cuda_devices()[0]
            facts = {
                "device": found["name"],
                "compute_capability": found["compute_capability"],
                "multiprocessor_count": found["multiprocessor_count"],
                "clock_ghz": found["clock_ghz"],
                "memory_mebibytes": found["memory"] // MEBIBYTE,
                "gpus": len(tf.config.list_physical_devices("GPU")),
            }
        packages = {package: version(package) for package in ("cisreg", "tensorflow", "keras")}
        return {**facts, "cuda": build_info()["cuda"], **packages}

    # ------------------------------------------------------------------ the operation

    def operation(self, task: str, name: str, size: Size) -> Found:
        """Milliseconds of a call, handed over together with others, and its peak of memory."""
        problem = make_problem(Point(name, **size._asdict()))
        try:
            with tf.device(self._device):
                call = getattr(ON_GPU[name](problem), task)
                # Compiles, and chooses algorithms.
                call()
                self._wait()
                times = self._sample(call)
                return {"milliseconds": times, "peak_mebibytes": self._peak_mebibytes(call)}
        except tf.errors.OpError as error:
            return _missing(error)

    def _wait(self) -> None:
        if self._kind == "GPU":
            tf.test.experimental.sync_devices()

    def _seconds_of(self, call: Callable[[], object], count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            call()
        self._wait()
        return time.perf_counter() - began

    def _sample(self, call: Callable[[], object]) -> list[float]:
        """Each number is the mean over one sample of calls."""
        once = self._seconds_of(call, 1)
        count = min(MOST_CALLS, max(1, round(SAMPLE_SECONDS / max(once, 1e-6))))
        samples = max(FEWEST_SAMPLES, round(SECONDS / max(count * once, SAMPLE_SECONDS)))
        return [1e3 * self._seconds_of(call, count) / count for _ in range(samples)]

    def _peak_mebibytes(self, call: Callable[[], object]) -> float | None:
        """GPU memory that a call needs, beyond what was in use before it."""
        if self._kind != "GPU":
            return None
        tf.config.experimental.reset_memory_stats(self._device)
        before = tf.config.experimental.get_memory_info(self._device)["current"]
        call()
        self._wait()
        peak = tf.config.experimental.get_memory_info(self._device)["peak"]
        return (peak - before) / MEBIBYTE

    # ------------------------------------------------------------------------- training

    def step(self, name: str, size: Size) -> Found:
        """Milliseconds of a training step, a number per epoch; `name` is one of `rivals.ALL`."""
        point = Point(name, **size._asdict(), steps=STEPS)
        try:
            with tf.device(self._device):
                train = make_functions(name, make_problem(point, training=True)).train
                seconds = train(1 + EPOCHS, lambda: None)[1:]
        except tf.errors.OpError as error:
            return _missing(error)
        return {"milliseconds": [1e3 * epoch / STEPS for epoch in seconds]}

    def replicas(self, size: Size) -> Found:
        """Whether two devices train what one does, and the milliseconds of a step of both."""
        devices = tf.config.list_logical_devices(self._kind)[:2]
        if len(devices) < 2:
            return {"missing": "there is only one GPU"}
        problem = make_problem(Point("fused", **size._asdict(), steps=STEPS), training=True)
        one, one_seconds = _fit(problem, tf.distribute.OneDeviceStrategy(devices[0].name))
        mirrored = tf.distribute.MirroredStrategy([device.name for device in devices])
        two, two_seconds = _fit(problem, mirrored)
        difference = max(float(np.abs(two[name] - value).max()) for name, value in one.items())
        return {
            "right": difference <= LARGEST_REPLICA_DIFFERENCE,
            "said": f"parameters differ by {difference:.1e} at most; a step takes "
            f"{1e3 * one_seconds / STEPS:.2f} ms on one, {1e3 * two_seconds / STEPS:.2f} on two",
        }

    # --------------------------------------------------------------------------- checks

    def jit(self, size: Size) -> Found:
        """Whether sums and gradients under XLA are those of the graph."""
        problem = make_problem(Point("fused", **size._asdict()))
        results = []
        with tf.device(self._device):
            arrays = (problem.sequence, problem.log_kd, problem.log_concentration)
            arguments = [tf.constant(array) for array in arrays]
            for xla in (False, True):
                results.append(tf.function(_with_gradient, jit_compile=xla)(*arguments))
        differences = [
            float(tf.reduce_max(tf.abs(compiled - plain)) / tf.reduce_max(tf.abs(plain)))
            for plain, compiled in zip(*results, strict=True)
        ]
        return {
            "right": max(differences) <= LARGEST_XLA_DIFFERENCE,
            "said": "XLA and graph differ, relative to the largest value, by "
            + ", ".join(f"{each:.1e}" for each in differences),
        }

    def pressure(self, small: Size, large: Size) -> Found:
        """Whether too little memory is an error that says so, after which all works as before."""
        if self._kind != "GPU":
            return {"missing": "the processor's memory is not limited"}
        said = "the large problem found enough memory"
        with tf.device(self._device):
            before = _sums(small).numpy()
            held = tf.zeros([HELD_MEBIBYTES, MEBIBYTE // 4])
            try:
                _sums(large).numpy()
            except tf.errors.ResourceExhaustedError as error:
                said = f"ResourceExhaustedError: {(error.message.splitlines() or [''])[0]}"
            del held
            after = _sums(small).numpy()
        return {"right": before.tobytes() == after.tobytes(), "said": said[:200]}


def _missing(error: tf.errors.OpError) -> Found:
    line = (error.message.splitlines() or [""])[0]
    return {"missing": f"{type(error).__name__}: {line}"[:200]}


def _with_gradient(*arguments: tf.Tensor) -> list[tf.Tensor]:
    sequence, *parameters = arguments
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        bound = cisreg.occupancy(sequence, *parameters, implementation="fused").bound
        loss = tf.reduce_sum(bound**2)
    return [bound, *tape.gradient(loss, parameters)]


def _sums(size: Size) -> tf.Tensor:
    problem = make_problem(Point("fused", **size._asdict()))
    arrays = (problem.sequence, problem.log_kd, problem.log_concentration)
    return cisreg.occupancy(*map(tf.constant, arrays), implementation="fused").bound


def _fit(problem: Problem, strategy: tf.distribute.Strategy) -> tuple[dict[str, np.ndarray], float]:
    """Parameters after some epochs, and the seconds of the last one."""
    width, _, motifs = problem.log_kd.shape
    spec = cisreg.ModelSpec(motifs, width, problem.sequence.shape[1])
    stage = cisreg.Stage(tuple(spec.parameter_shapes), 2, 0.001, batch_size=problem.batch)
    result = cisreg.fit(
        spec,
        initial_parameters(problem),
        cisreg.Dataset(problem.sequence, problem.expression),
        [stage],
        strategy=strategy,
        progress=False,
        implementation="fused",
    )
    found = {name: np.asarray(value) for name, value in result.parameters.items()}
    return found, result.history[-1].seconds
