"""GPUs that TensorFlow lists, and the one that an operation is placed on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf


class _Tracing(threading.local):
    for_any_device = False


_tracing = _Tracing()


def listed_gpus() -> tuple[str, ...]:
    """Names of the GPUs that TensorFlow computes on, in its order.

    Example:
        >>> all("GPU" in name for name in listed_gpus())
        True
    """
    return tuple(device.name for device in tf.config.list_logical_devices("GPU"))


@contextmanager
def for_any_device() -> Iterator[None]:
    """Within it, this thread traces graphs that are saved: for devices that this machine may lack.

    Example:
        >>> with for_any_device():
        ...     traces_for_any_device()
        True
    """
    before, _tracing.for_any_device = _tracing.for_any_device, True
    try:
        yield
    finally:
        _tracing.for_any_device = before


def traces_for_any_device() -> bool:
    """Whether this thread is within `for_any_device`.

    Example:
        >>> traces_for_any_device()
        False
    """
    return _tracing.for_any_device


def gpu_here() -> str:
    """The GPU on which TensorFlow places an operation that is called or traced here.

    It has kernels for GPUs and large inputs. Without a `tf.device`, TensorFlow takes the first GPU.

    Returns:
        The GPU's name, as `listed_gpus` has it; "" for a CPU or a machine without a GPU.

    Example:
        >>> with tf.device("CPU:0"):
        ...     gpu_here()
        ''
    """
    gpus = listed_gpus()
    if not gpus:
        return ""
    asked = tf.DeviceSpec.from_string(asked_device())
    if asked.device_type is None:
        return gpus[0]
    if asked.device_type != "GPU":
        return ""
    number = asked.device_index or 0
    return next((name for name in gpus if name.endswith(f":{number}")), gpus[0])


def asked_device() -> str:
    """The device that `tf.device` asks for here; "" where it asks for none.

    Example:
        >>> with tf.device("CPU:0"):
        ...     asked_device().endswith("CPU:0")
        True
    """
    # In a graph an operation tells: one that computes nothing, and that nothing waits for.
    if not tf.executing_eagerly() and (asked := tf.no_op(name="device").device):
        return asked
    # Where a function is called while it is traced, it runs too. TensorFlow has no public name for
    # this; without it, a GPU that cannot run the operation says so then.
    try:
        from tensorflow.python.eager.context import context
    except ImportError:
        return ""
    return context().device_name or ""
