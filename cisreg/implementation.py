"""Which implementation computes: the fused operation, or standard ones where it cannot be used.

The choice is made when the operation is called or, in a graph, traced: for the GPU that TensorFlow
places it on there. A graph that is saved keeps the choice.
"""

from __future__ import annotations

import functools
import logging
import threading
from typing import Any, Literal

import tensorflow as tf

from cisreg.choices import ComputeDtype, Padding
from cisreg.contract import Inputs
from cisreg.devices import asked_device, gpu_here, listed_gpus, traces_for_any_device
from cisreg.library import LibraryError, load_ops, native_module, registered_devices
from cisreg.self_test import SelfTest, in_own_thread, run_self_test
from cisreg.xla import check_compiled, takes_standard_operations

logger = logging.getLogger("cisreg.occupancy")

Implementation = Literal["auto", "fused", "standard"]

OPERATIONS = ("Cisreg>Occupancy", "Cisreg>OccupancyGrad")
# Sizes that a graph does not know. Longer sequences need no more shared memory than these.
_ANY_COUNT, _ANY_LENGTH, _ANY_SETS = 1024, 4096, 2


def takes_fused(
    inputs: Inputs, padding: Padding, compute_dtype: ComputeDtype, implementation: Implementation
) -> bool:
    """Whether the fused operation computes these inputs here.

    For "auto" it does where it can; the log says once why it does not.

    Raises:
        tf.errors.UnimplementedError: "fused", and the GPU here cannot compute it.
        LibraryError: "fused", and the XLA that compiles here does not know the operation.

    Example:
        >>> inputs = as_inputs([[0, 1, 4]], np.zeros((2, 4, 5)), np.zeros(5))
        >>> takes_fused(inputs, "same", "float32", "standard")
        False
    """
    if implementation == "standard":
        return False
    if implementation == "auto" and (not fused_available() or takes_standard_operations()):
        return False
    if implementation == "fused":
        check_compiled()
    reason = why_not_on_gpu(inputs, padding, compute_dtype)
    if not reason:
        return True
    if implementation == "fused":
        raise tf.errors.UnimplementedError(
            None, None, f'{reason}; or use implementation="auto", which takes standard operations'
        )
    with _saying:
        _warn_once(f"standard operations are used instead of the fused one: {reason}")
    return False


@functools.cache
def fused_available() -> bool:
    """Whether the compiled library can be loaded; if not, a warning gives the reason once."""
    try:
        load_ops()
    except LibraryError as error:
        logger.warning("the fused operation is not available, standard ops are used: %s", error)
        return False
    return True


# A cache alone lets in several threads that ask at the same time.
_saying = threading.RLock()


@functools.cache
def _warn_once(message: str) -> None:
    logger.warning("%s", message)


def why_not_on_gpu(inputs: Inputs, padding: Padding, compute_dtype: ComputeDtype) -> str:
    """Why the fused operation cannot be used where TensorFlow places it here, and what to do.

    Returns:
        "" where it can: always on a CPU, and in graphs that are saved for other machines.

    Example:
        >>> inputs = as_inputs([[0, 1, 4]], np.zeros((2, 4, 5)), np.zeros(5))
        >>> with tf.device("CPU:0"):
        ...     why_not_on_gpu(inputs, "same", "float32")
        ''
    """
    if traces_for_any_device() or not (gpu := gpu_here()):
        return ""
    if not has_gpu_kernels():
        return _why_not_elsewhere(gpu)
    if reason := examine(gpu, compute_dtype).reason:
        return f"{_short(gpu)}: {reason}"
    reason = _why_too_large(gpu, inputs, padding, compute_dtype)
    return f"{_short(gpu)}: {reason}" if reason else ""


def has_gpu_kernels() -> bool:
    """Whether this build has CUDA kernels of the operation.

    Example:
        >>> has_gpu_kernels() == (build_info()["cuda"] != "off")
        True
    """
    return all("GPU" in registered_devices(operation) for operation in OPERATIONS)


def _why_not_elsewhere(gpu: str) -> str:
    """TensorFlow places an operation without a kernel for the GPU on the CPU, if it may."""
    with tf.init_scope():
        may_be_elsewhere = tf.config.get_soft_device_placement()
    if may_be_elsewhere or not asked_device():
        return ""
    return (
        f"{_short(gpu)}: this build of cisreg has no CUDA kernels, and TensorFlow may not place "
        "the operation on the CPU; build cisreg with CISREG_CUDA=on, or use "
        "tf.config.set_soft_device_placement(True)"
    )


_examined: dict[tuple[str, ComputeDtype], SelfTest] = {}
_examining = threading.Lock()


def examine(gpu: str, compute_dtype: ComputeDtype) -> SelfTest:
    """The self-test on a GPU, at its first use for sites of this type.

    Args:
        gpu: one of `listed_gpus`.
        compute_dtype: of the operation.

    Example:
        >>> [examine(gpu, "float32").reason for gpu in listed_gpus()]
        []
    """
    with _examining:
        key = (gpu, compute_dtype)
        if key not in _examined:
            try:
                found = run_self_test(gpu, compute_dtype)
            except tf.errors.ResourceExhaustedError:
                # It is tested at the next use.
                return SelfTest((), "")
            if found.reason and found.compared:
                remedy = "run cisreg doctor for all numbers, and build cisreg again"
                found = found._replace(reason=f"{found.reason}; {remedy}")
            _examined[key] = found
        return _examined[key]


def _why_too_large(gpu: str, inputs: Inputs, padding: Padding, compute_dtype: ComputeDtype) -> str:
    count, length = inputs.sequence.shape[:2]
    width, _, motifs = inputs.log_kd.shape
    if width is None or motifs is None or not (limits := gpu_limits(gpu)):
        return ""
    count = _ANY_COUNT if count is None else count
    length = max(_ANY_LENGTH, width) if length is None else length
    return _refusal(
        *(limits, (count, length, width, motifs)),
        weight_sets=_weight_sets(inputs),
        condition_count=_condition_count(inputs),
        assigned=inputs.condition is not None,
        padding=padding,
        compute_dtype=compute_dtype,
    )


def _weight_sets(inputs: Inputs) -> int:
    """Sets of position weights; several where a graph does not know how many."""
    if inputs.position_weight is None:
        return 0
    return _ANY_SETS if (sets := _first_size(inputs.position_weight, 4)) is None else sets


def _condition_count(inputs: Inputs) -> int:
    """Conditions; several where a graph does not know how many."""
    count = _first_size(inputs.log_concentration, 2)
    return _ANY_SETS if count is None else count


def _first_size(value: tf.Tensor, rank: int) -> int | None:
    """The size of the first axis of a value of this rank, 1 of one with an axis less."""
    if value.shape.rank is None:
        return None
    return value.shape[0] if value.shape.rank == rank else 1


@functools.lru_cache(maxsize=1024)
def _refusal(limits: tuple[int, int, int], sizes: tuple[int, ...], **options: Any) -> str:
    """Why a GPU with these limits cannot compute a problem of these sizes or its gradient."""
    return native_module().cuda_refusal(limits, sizes, **options)


@functools.cache
def gpu_limits(gpu: str) -> tuple[int, int, int] | None:
    """What limits a launch on a GPU, as `_native.cuda_limits` has it.

    Returns:
        None where CUDA tells nothing: the operation then says itself what it cannot.

    Example:
        >>> [gpu_limits(gpu)[0] >= 75 for gpu in listed_gpus()]
        []
    """
    ordinal = _cuda_ordinal(gpu)
    try:
        # CUDA's current device is one of the thread.
        return in_own_thread(lambda: native_module().cuda_limits(ordinal))
    except (RuntimeError, LibraryError):
        return None


def _cuda_ordinal(gpu: str) -> int:
    """CUDA's number of a GPU; TensorFlow may hide some, and divide one into several."""
    number = listed_gpus().index(gpu)
    for device in tf.config.get_visible_devices("GPU"):
        parts = len(tf.config.get_logical_device_configuration(device) or [None])
        if number < parts:
            return tf.config.list_physical_devices("GPU").index(device)
        number -= parts
    return 0


def _short(gpu: str) -> str:
    return gpu.rpartition("device:")[2]
