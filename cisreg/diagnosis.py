"""Checks whether cisreg works on this machine; each finding says what to do."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Literal, NamedTuple

import numpy as np
import tensorflow as tf

from cisreg import exclusive, pair_operation
from cisreg.devices import listed_gpus
from cisreg.implementation import OPERATIONS, Implementation
from cisreg.library import (
    LibraryError,
    build_info,
    load_ops,
    native_module,
    ops_library,
    registered_devices,
    xla_support,
)
from cisreg.occupancy import occupancy
from cisreg.products import matrix_product
from cisreg.quiet import NVIDIA_DRIVER
from cisreg.self_test import described, run_self_test
from cisreg.xla import why_not_compiled

# Large enough that the overhead of starting an operation is small, small enough for any laptop.
_SEQUENCES, _LENGTH, _MOTIFS, _WIDTH = 256, 110, 64, 20
_REPEATS = 3
# Both implementations sum float32 numbers, in different orders.
_TOLERANCE = 1e-4

State = Literal["ok", "warning", "error"]


class Finding(NamedTuple):
    """One line of a diagnosis.

    Attributes:
        subject: what was checked.
        state: "error" means that the fused operation cannot be used.
        text: what was found, and what to do where the state is not "ok".
    """

    subject: str
    state: State
    text: str


def diagnose(messages: Sequence[str] = ()) -> list[Finding]:
    """Checks versions, library, devices and kernels; compares fused and standard implementation.

    Args:
        messages: what TensorFlow printed when it started, see `cisreg.quiet.start_tensorflow`.

    Example:
        >>> any(finding.state == "error" for finding in diagnose())
        False
    """
    findings = [
        Finding("cisreg", "ok", f"{_version('cisreg')}, Python {platform.python_version()}"),
        _check_library(),
        _check_instructions(),
        *_check_devices(messages),
    ]
    if any(finding.state == "error" for finding in findings):
        return findings
    findings += [_check_kernels(), *_check_self_tests(), _check_products(), _check_xla()]
    findings.append(_check_agreement())
    if findings[-1].state == "error":
        return findings
    return [*findings, *_measure_speed()]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _check_library() -> Finding:
    try:
        built = build_info()
        load_ops()
    except LibraryError as error:
        return Finding("library", "error", str(error))
    return Finding(
        "library",
        "ok",
        f"{ops_library(tf.__version__)}, for TensorFlow {tf.__version__} (built for "
        f"{built['tensorflow']}) with compiler {built['compiler']}, CUDA {built['cuda']}",
    )


def _check_instructions() -> Finding:
    try:
        native = native_module()
    except LibraryError as error:
        return Finding("instruction set", "error", str(error))
    available = ", ".join(native.instruction_sets())
    return Finding(
        "instruction set",
        "ok",
        f"{native.selected_instruction_set()} is used; this processor and build have {available}",
    )


def _check_devices(messages: Sequence[str]) -> list[Finding]:
    findings = [Finding("processor", "ok", f"{platform.machine()}, {os.cpu_count()} cores")]
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        details = tf.config.experimental.get_device_details(gpu)
        capability = ".".join(map(str, details.get("compute_capability", ("unknown",))))
        name = details.get("device_name", gpu.name)
        findings.append(Finding("GPU", "ok", f"{name}, compute capability {capability}"))
    return [*findings, *(() if gpus else (_no_gpu(messages),))]


def _no_gpu(messages: Sequence[str]) -> Finding:
    remarks = [text.partition("] ")[2] for text in messages if "cuda" in text or "GPU" in text]
    said = ", ".join(f'"{remark}"' for remark in dict.fromkeys(remarks) if remark)
    text = "TensorFlow finds none" + (f"; it says {said}" if said else "")
    if not NVIDIA_DRIVER.exists():
        return Finding("GPU", "ok", text)
    return Finding(
        "GPU",
        "warning",
        f"{text}; but this machine has an NVIDIA driver: run pip install "
        f"'tensorflow[and-cuda]=={tf.__version__}'",
    )


def _check_xla() -> Finding:
    reason = why_not_compiled()
    if reason:
        return Finding(
            "XLA",
            "warning",
            f"{reason}; functions with jit_compile=True are traced as standard operations",
        )
    where = ", ".join(xla_support().platforms)
    return Finding("XLA", "ok", f"compiles the fused operation on {where}")


def _check_kernels() -> Finding:
    devices = {operation: registered_devices(operation) for operation in OPERATIONS}
    text = "; ".join(f"{operation} on {', '.join(found)}" for operation, found in devices.items())
    everywhere = set.intersection(*map(set, devices.values()))
    if "CPU" not in everywhere:
        return Finding("kernels", "error", f"{text}; expected CPU for both: build cisreg again")
    if tf.config.list_physical_devices("GPU") and "GPU" not in everywhere:
        return Finding(
            "kernels",
            "warning",
            f"{text}. A GPU is there but this build has no GPU kernel, so occupancy is computed on "
            "the CPU: build cisreg again with CISREG_CUDA=on where nvcc of the CUDA toolkit is; to "
            "use the GPU now, ask for the standard implementation",
        )
    return Finding("kernels", "ok", text)


def _check_self_tests() -> list[Finding]:
    """The self-test on each device that has kernels of the operation; the others on each GPU."""
    gpus = listed_gpus() if _have_gpu_kernels(OPERATIONS) else []
    findings = [_check_self_test(device) for device in ("CPU:0", *gpus)]
    for name, module in (("pairs", pair_operation), ("competition", exclusive)):
        if _have_gpu_kernels(module.OPERATIONS):
            findings += [_compare_with_cpu(name, gpu, module.why_wrong_on(gpu)) for gpu in gpus]
    return findings


def _have_gpu_kernels(operations: Sequence[str]) -> bool:
    return all("GPU" in registered_devices(operation) for operation in operations)


def _compare_with_cpu(name: str, gpu: str, wrong: str) -> Finding:
    subject = f"{name}, {gpu.rpartition('device:')[2]}"
    if not wrong:
        return Finding(subject, "ok", "a small problem has the numbers of the CPU")
    return Finding(subject, "warning", f"standard operations are used there: {wrong}")


def _check_self_test(device: str) -> Finding:
    subject = f"self-test, {device.rpartition('device:')[2]}"
    try:
        tested = run_self_test(device)
    except tf.errors.ResourceExhaustedError:
        return Finding(subject, "warning", "not done: the device has no memory left; try again")
    if not tested.reason:
        worst = max(tested.compared, key=lambda each: each.error)
        return Finding(subject, "ok", f"as expected; largest error {worst.error:.1e}: {worst.name}")
    if not tested.compared:
        return Finding(subject, "error", f"the fused operation is not used there: {tested.reason}")
    return Finding(
        subject,
        "error",
        "the fused operation is not used there, since it computes other numbers than the float64 "
        f"oracle: {described(tested.compared)}; build cisreg again",
    )


# Rounded to 10 bits behind the leading one, as in TensorFloat-32, this is 1.
_NOT_IN_10_BITS = 1 + 2.0**-12
_PRODUCT_SIZE = 256


def _check_products() -> Finding:
    """How precise products of float32 matrices are, TensorFlow's and those of cisreg."""
    first = tf.fill([_PRODUCT_SIZE, _PRODUCT_SIZE], _NOT_IN_10_BITS)
    second = tf.ones_like(first)
    exact = _PRODUCT_SIZE * _NOT_IN_10_BITS
    errors = [
        float(tf.reduce_max(tf.abs(product(first, second) - exact))) / exact
        for product in (tf.matmul, matrix_product)
    ]
    text = f"errors of TensorFlow's {errors[0]:.1e}, of cisreg's {errors[1]:.1e}"
    if errors[0] < 2.0**-13:
        text += "; TensorFlow multiplies in float32 here"
    else:
        text += (
            "; TensorFlow multiplies in TensorFloat-32 (TF32) here, which cisreg's products do not "
            "use; tf.config.experimental.enable_tensor_float_32_execution(False) turns it off"
        )
    return Finding("float32 products", "ok" if errors[1] < 2.0**-13 else "error", text)


class _Trial(NamedTuple):
    """One forward or forward and backward pass on random numbers."""

    sequence: tf.Tensor
    log_kd: tf.Tensor
    log_concentration: tf.Tensor

    def forward(self, implementation: Implementation) -> tf.Tensor:
        return occupancy(*self, implementation=implementation).bound

    def backward(self, implementation: Implementation) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([self.log_kd, self.log_concentration])
            bound = self.forward(implementation)
        return bound, tape.gradient(bound, self.log_kd)


def _trial() -> _Trial:
    random = np.random.default_rng(0)
    return _Trial(
        tf.constant(random.integers(0, 4, (_SEQUENCES, _LENGTH)), tf.uint8),
        tf.constant(random.normal(0, 1, (_WIDTH, 4, _MOTIFS)), tf.float32),
        tf.constant(random.normal(-5, 1, _MOTIFS), tf.float32),
    )


def _check_agreement() -> Finding:
    trial = _trial()
    try:
        pairs = zip(trial.backward("fused"), trial.backward("standard"), strict=True)
    except tf.errors.OpError as error:
        return Finding("agreement", "error", f"the fused operation failed: {error.message}")
    differences = []
    for fused, standard in pairs:
        scale = tf.reduce_max(tf.abs(standard))
        differences.append(float(tf.reduce_max(tf.abs(fused - standard)) / scale))
    text = (
        "largest difference from the standard operations, both in float32, relative to the largest "
        f"value: {differences[0]:.1e} (occupancy), {differences[1]:.1e} (gradient of log_kd)"
    )
    if not max(differences) < _TOLERANCE:
        return Finding(
            "agreement", "error", f"{text}; expected below {_TOLERANCE:g}: build cisreg again"
        )
    return Finding("agreement", "ok", text)


def _measure_speed() -> list[Finding]:
    trial = _trial()
    sites = 2 * _SEQUENCES * _LENGTH * _MOTIFS
    findings = []
    for name, run in (("forward", trial.forward), ("forward + backward", trial.backward)):
        fused = sites / _fastest_seconds(run, "fused")
        standard = sites / _fastest_seconds(run, "standard")
        findings.append(
            Finding(
                f"speed, {name}",
                "ok",
                f"fused {fused / 1e6:,.0f} million sites/s, standard {standard / 1e6:,.0f}: "
                f"{fused / standard:.1f} times as fast, both in float32",
            )
        )
    return findings


def _fastest_seconds(
    run: Callable[[Implementation], object], implementation: Implementation
) -> float:
    compiled = tf.function(lambda: run(implementation), autograph=False)
    compiled()
    seconds = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        tf.nest.map_structure(lambda tensor: tensor.numpy(), compiled())
        seconds.append(time.perf_counter() - began)
    return min(seconds)
