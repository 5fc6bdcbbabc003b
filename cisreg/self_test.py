"""Whether the fused operation computes the right numbers on a device: a test of a few milliseconds.

A small problem is computed forward and backward. Sums of the results are compared with those of the
float64 oracle, which are stored beside this file; `tests/store_self_test.py` writes them.
"""

from __future__ import annotations

import functools
import json
import math
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import tensorflow as tf

from cisreg.choices import ComputeDtype
from cisreg.library import load_ops

STORED = Path(__file__).with_name("self_test.json")
# Largest errors, as fractions of the sum of the absolute terms: thirty times those of the CPU.
LIMITS: dict[ComputeDtype, float] = {"float32": 1e-4, "bfloat16": 0.05, "float16": 0.05}

# Of numbers on a device from the CPU's, as a part of their norm: ten times what rounding gives.
LARGEST_DIFFERENCE = 1e-4

# More windows than four tiles of a kernel have, more motifs than one tile, columns of two steps.
_SEQUENCES, _LENGTH, _WIDTH, _MOTIFS = 3, 75, 13, 9
# Sets of position weights, and conditions, of the last part.
_SETS, _CONDITIONS = 2, 3
# The reduction of each part. "expected" has position weights, "several" sets of them, and
# conditions.
PARTS = {"expected": "expected", "log_unbound": "log_unbound", "several": "expected"}

Result = TypeVar("Result")


class Compared(NamedTuple):
    """One output of the operation.

    Attributes:
        name: which output.
        computed: the sum of the device's numbers.
        expected: the oracle's sum.
        error: the largest error of a motif, as a fraction of the sum of its absolute terms.
    """

    name: str
    computed: float
    expected: float
    error: float


class SelfTest(NamedTuple):
    """What the test found on a device.

    Attributes:
        compared: each output; empty where the operation failed.
        reason: why the operation must not be used there; "" where its numbers are right.
    """

    compared: tuple[Compared, ...]
    reason: str


def run_self_test(device: str, compute_dtype: ComputeDtype = "float32") -> SelfTest:
    """Computes the problem on a device, in a thread of its own: also while a graph is traced.

    Args:
        device: such as "GPU:0" or "CPU:0".
        compute_dtype: of the operation.

    Raises:
        tf.errors.ResourceExhaustedError: the device has no memory left, which tells nothing.

    Example:
        >>> run_self_test("CPU:0").reason
        ''
    """
    try:
        return in_own_thread(lambda: _run(device, compute_dtype))
    except tf.errors.ResourceExhaustedError:
        raise
    except Exception as error:
        # Whatever it is, standard operations may still work.
        return SelfTest((), f"the self-test failed: {type(error).__name__}: {error}")


def why_unlike_cpu(device: str, problem: Callable[[str], dict[str, np.ndarray]]) -> str:
    """What is wrong with an operation on a device; "" where its numbers are those of the CPU.

    For operations that have no stored numbers. A small problem is computed on both, in a thread of
    its own: also while a graph is traced.

    Args:
        device: such as "GPU:0".
        problem: computes the problem on the device that it gets; numbers by their names.

    Example:
        >>> why_unlike_cpu("GPU:0", lambda device: {"score": np.array([1.5, 2.0])})
        ''
    """

    def on_both() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        if not tf.executing_eagerly():
            return {}, {}  # TensorFlow 1's graphs: what fails says so when it runs.
        return problem(device), problem("CPU:0")

    try:
        found, expected = in_own_thread(on_both)
    except tf.errors.ResourceExhaustedError:
        return ""  # no memory left, which tells nothing
    except tf.errors.OpError as error:
        return _without_place(error.message)
    for name, value in expected.items():
        error_size = float(np.linalg.norm(found[name] - value) / np.linalg.norm(value))
        if not error_size <= LARGEST_DIFFERENCE:
            wrong = f"{name} of a small problem is wrong by {error_size:.1e} of its norm"
            return f"{wrong}; build cisreg again"
    return ""


def in_own_thread(function: Callable[[], Result]) -> Result:
    """What a function returns in a new thread, which has no graph, tape, device or strategy.

    Example:
        >>> tf.function(lambda: in_own_thread(tf.executing_eagerly))()
        <tf.Tensor: shape=(), dtype=bool, numpy=True>
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _run(device: str, compute_dtype: ComputeDtype) -> SelfTest:
    if not tf.executing_eagerly():
        # TensorFlow 1's graphs: what fails says so when it runs.
        return SelfTest((), "")
    try:
        with tf.device(device):
            computed = _computed(load_ops(), compute_dtype)
    except tf.errors.ResourceExhaustedError:
        raise
    except tf.errors.OpError as error:
        return SelfTest((), _without_place(error.message))
    limit = LIMITS[compute_dtype]
    compared = tuple(compare(name, value) for name, value in computed.items())
    if all(each.error <= limit for each in compared):
        return SelfTest(compared, "")
    return SelfTest(
        compared,
        "the self-test got other numbers than expected: "
        + described(each for each in compared if not each.error <= limit),
    )


def _without_place(message: str) -> str:
    """TensorFlow's message without the names of operations around it."""
    return re.sub(r"^(\{\{.*?\}\} ?)+|\s*\[Op:.*", "", message, flags=re.DOTALL).strip()


def described(compared: Iterable[Compared]) -> str:
    """Both sets of numbers, in one line.

    Example:
        >>> described([Compared("bound", 1.5, 1.25, 0.2)])
        'bound 1.500000 instead of 1.250000 (error 2.0e-01)'
    """
    return ", ".join(
        f"{each.name} {each.computed:.6f} instead of {each.expected:.6f} (error {each.error:.1e})"
        for each in compared
    )


def compare(name: str, value: np.ndarray) -> Compared:
    """An output of the problem, as one of `output_names`, with what is stored of it.

    Example:
        >>> compare("weighted", np.zeros((3, 2, 9))).error > 0.9
        True
    """
    stored = _stored()[name]
    sums, _ = sums_of_motifs(value)
    expected, sizes = np.array(stored["sums"]), np.array(stored["sizes"])
    # NaN is an error of any size.
    error = np.nan_to_num(np.abs(sums - expected) / sizes, nan=np.inf).max()
    return Compared(name, float(sums.sum()), float(expected.sum()), float(error))


@functools.cache
def _stored() -> dict[str, dict[str, list[float]]]:
    return json.loads(STORED.read_text())


def sums_of_motifs(value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of an output [..., M] with weights between 1/2 and 3/2, so that no two terms can swap.

    Returns:
        (the sums [M], the sums of the absolute terms [M]), float64.

    Example:
        >>> sums, sizes = sums_of_motifs(np.array([[1.0], [-1.0]]))
        >>> bool(sums[0] != 0 and sizes[0] > 1)
        True
    """
    terms = np.asarray(value, np.float64).reshape(-1, np.shape(value)[-1])
    terms = terms * (0.5 + numbers("weights of sums", terms.shape))
    return terms.sum(axis=0), np.abs(terms).sum(axis=0)


def problem(part: str) -> dict[str, np.ndarray]:
    """The inputs of a part, by their names in `cisreg.oracle`; the gradient's too.

    Example:
        >>> problem("expected")["log_kd"].shape
        (13, 4, 9)
    """
    several = part == "several"
    conditions, sets = ((_CONDITIONS,), (_SETS,)) if several else ((), ())
    sums = (_SEQUENCES, *conditions, 2, _MOTIFS)
    codes = np.floor(4 * numbers("codes", (_SEQUENCES, _LENGTH)))
    unknown = numbers("unknown", codes.shape) < 0.05
    ends = np.floor(np.array([[3], [5]]) * numbers("column_range", (2, _MOTIFS)))
    inputs = {
        "sequence": np.where(unknown, 4, codes).astype(np.uint8),
        "log_kd": _between(-1.5, 1.5, "log_kd", (_WIDTH, 4, _MOTIFS)),
        "log_concentration": _between(-4, 0, "log_concentration", (*conditions, _MOTIFS)),
        "column_range": (np.array([[0], [_WIDTH]]) + [[1], [-1]] * ends).astype(np.int32),
        "length": np.array([_LENGTH, 52, 33], np.int32),
        "grad_bound": _between(-1, 1, "grad_bound", sums),
    }
    if part != "log_unbound":
        windows = (*sets, 2, _LENGTH, _MOTIFS)
        inputs["position_weight"] = _between(0, 2, "position_weight", windows)
        of_sets = (_SEQUENCES, *conditions, *sets, 2, _MOTIFS)
        inputs["grad_weighted"] = _between(-1, 1, "grad_weighted", of_sets)
    return inputs


def _between(low: float, high: float, name: str, shape: tuple[int, ...]) -> np.ndarray:
    return (low + (high - low) * numbers(name, shape)).astype(np.float32)


def numbers(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers from 0 to 1, of 16 bits, the same in every version of NumPy.

    Example:
        >>> numbers("a", (2,)).tolist() == numbers("a", (2,)).tolist()
        True
    """
    begin = 100_003 * sum(name.encode())
    value = np.arange(begin, begin + math.prod(shape), dtype=np.uint64)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
        value = (value ^ (value >> np.uint64(shift))) * np.uint64(factor) % np.uint64(1 << 32)
    return (value >> np.uint64(16)).astype(np.float64).reshape(shape) / (1 << 16)


def _computed(operations: Any, compute_dtype: ComputeDtype) -> dict[str, np.ndarray]:
    outputs: dict[str, np.ndarray] = {}
    for part, reduction in PARTS.items():
        given = {name: tf.constant(value) for name, value in problem(part).items()}
        several = ("position_weight", "column_range", "length")
        inputs = {name: given[name] for name in ("sequence", "log_kd", "log_concentration")}
        inputs |= {name: [given[name]] if name in given else [] for name in several}
        options = {"reduction": reduction, "padding": "same", "compute_dtype": compute_dtype}
        inputs |= {"span": [], "condition": []}
        bound, weighted = operations.cisreg_occupancy(**inputs, **options)
        gradients = operations.cisreg_occupancy_grad(
            **inputs,
            bound_gradient=given["grad_bound"],
            weighted_gradient=[given["grad_weighted"]] if weighted else [],
            **options,
        )
        found = {"bound": bound, "log_kd": gradients[0], "log_concentration": gradients[1]}
        if weighted:
            found |= {"weighted": weighted[0], "position_weight": gradients[2][0]}
        names = output_names(part)
        outputs |= {names[name]: value.numpy() for name, value in found.items()}
    return outputs


def output_names(part: str) -> dict[str, str]:
    """What the outputs of a part are called, by their names in `cisreg.oracle`.

    Example:
        >>> output_names("log_unbound")["bound"]
        'log_unbound'
    """
    names = {"bound": part}
    names |= {name: f"gradient of {name} ({part})" for name in ("log_kd", "log_concentration")}
    if part == "expected":
        names |= {"weighted": "weighted", "position_weight": "gradient of position_weight"}
    if part == "several":
        names["bound"] = "bound (several)"
        names |= {
            name: f"{called} (several)"
            for name, called in output_names("expected").items()
            if "weight" in name
        }
    return names
