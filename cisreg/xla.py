"""Traces for XLA: whether it will be compiled, and whether the operation can be."""

from __future__ import annotations

import logging

import tensorflow as tf

from cisreg.library import LibraryError, load_ops, xla_support

logger = logging.getLogger("cisreg.occupancy")
_said: set[str] = set()


def traces_for_xla() -> bool:
    """Whether a function is being traced that XLA will compile: one with `jit_compile=True`.

    Example:
        >>> tf.function(lambda: tf.constant(traces_for_xla()), jit_compile=True)()
        <tf.Tensor: shape=(), dtype=bool, numpy=True>
    """
    # TensorFlow has no public name for this; without it, TensorFlow's own error tells of the
    # operation that XLA does not know.
    try:
        from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext
    except ImportError:
        return False
    if tf.executing_eagerly():
        return False
    return bool(GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))


def why_not_compiled() -> str:
    """Why XLA cannot compile the operation for the devices that there are; empty where it can.

    Example:
        >>> why_not_compiled()
        ''
    """
    load_ops()
    support = xla_support()
    if support.reason:
        return support.reason
    if "CUDA" not in support.platforms and tf.config.list_logical_devices("GPU"):
        return "this build of cisreg has no CUDA kernels, and XLA compiles for the GPU"
    return ""


def takes_standard_operations() -> bool:
    """Whether the function being traced is for an XLA that does not know the operation.

    The log says so once.
    """
    if not traces_for_xla():
        return False
    reason = why_not_compiled()
    if reason and reason not in _said:
        _said.add(reason)
        logger.warning(
            "XLA cannot compile the fused operation, standard operations are used under "
            "jit_compile=True: %s",
            reason,
        )
    return bool(reason)


def check_compiled() -> None:
    """Checks that XLA can compile the operation where it is being traced for XLA.

    Raises:
        LibraryError: it cannot; the message says why.

    Example:
        >>> check_compiled()
    """
    if traces_for_xla() and (reason := why_not_compiled()):
        raise LibraryError(
            f'XLA cannot compile the fused operation: {reason}; use implementation="auto", '
            "which takes standard operations there, or jit_compile=False"
        )
