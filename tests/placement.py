"""Where a traced function would run on a GPU, what launches there, and what crosses to the host.

No GPU is needed: TensorFlow's kernel registry says which operations have a kernel for GPUs, for
which types, and which of its arguments it keeps in the memory of the host. A tensor crosses where
the operation that makes it leaves it in one memory, and one that takes it wants it in the other.

The function is looked at as it was traced, without what its results do not need, but before
TensorFlow simplifies it: there may be fewer launches than counted. An operation counts as one
launch, however many kernels it starts.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf
from tensorflow.python.framework import function_def_to_graph, kernels

SOURCES = Path(__file__).parents[1] / "csrc/tensorflow"

# TensorFlow removes these before it runs a graph, so that they do not decide where a tensor is.
_REMOVED = {"Identity", "IdentityN"}
# Operations that hand on the memory of an input, or a part of it, or that only describe it.
_MOVE_NOTHING = {
    *_REMOVED,
    *("Bitcast", "Const", "EnsureShape", "ExpandDims", "NoOp", "Placeholder", "PreventGradient"),
    *("ReadVariableOp", "Reshape", "Shape", "Squeeze"),
    *("StopGradient", "TensorListReserve", "TensorListSetItem", "VarHandleOp"),
}
# Operations that run other functions, and the attributes that name these.
_CALLS = {
    "If": ("then_branch", "else_branch"),
    "StatelessIf": ("then_branch", "else_branch"),
    "While": ("cond", "body"),
    "StatelessWhile": ("cond", "body"),
    "PartitionedCall": ("f",),
    "StatefulPartitionedCall": ("f",),
}
_ON_HOST = (tf.resource, tf.string, tf.variant)


class Kernel(NamedTuple):
    """A kernel for GPUs: the names of the arguments that it keeps in the memory of the host."""

    host_arguments: frozenset[str]


class Crossing(NamedTuple):
    """A tensor that is copied between host and device."""

    tensor: str
    dtype: str
    operation: str
    to_host: bool


class Placement(NamedTuple):
    """A function on a GPU.

    Attributes:
        name: "" for the function itself, else the operation that calls it and which of its
            functions it is, such as "while/body".
        launches: types of the operations that start kernels.
        crossings: tensors that are copied.
    """

    name: str
    launches: list[str]
    crossings: list[Crossing]


def placements(function: tf.types.experimental.ConcreteFunction) -> list[Placement]:
    """The function, and every function that it calls."""
    library = {each.signature.name: each for each in function.graph.as_graph_def().library.function}
    found = [_placement("", function.graph, function.graph.outputs)]
    waiting = list(_called("", function.graph, library))
    seen = set()
    while waiting:
        name, called = waiting.pop()
        if called in seen:
            continue
        seen.add(called)
        graph = function_def_to_graph.function_def_to_graph(library[called])
        # The host reads what a condition says.
        read = graph.outputs if name.endswith("/cond") else []
        found.append(_placement(name, graph, graph.outputs, read))
        waiting += _called(name + "/", graph, library)
    return found


def _called(prefix: str, graph: tf.Graph, library: object) -> Iterator[tuple[str, str]]:
    for operation in graph.get_operations():
        for attribute in _CALLS.get(operation.type, ()):
            yield f"{prefix}{operation.name}/{attribute}", operation.get_attr(attribute).name


def _placement(
    name: str, graph: tf.Graph, outputs: Sequence[tf.Tensor], read: Sequence[tf.Tensor] = ()
) -> Placement:
    launches: list[str] = []
    crossings: list[Crossing] = []
    for operation in _needed(graph, outputs):
        kernel = kernel_of(operation)
        if kernel is not None and _launches(operation, kernel):
            launches.append(operation.type)
        for tensor, wanted in zip(operation.inputs, _inputs_on_host(operation), strict=True):
            if wanted is not None and wanted != is_on_host(tensor):
                crossings.append(
                    Crossing(tensor.name, tensor.dtype.name, operation.name, to_host=wanted)
                )
    for tensor in read:
        if not is_on_host(tensor):
            crossings.append(Crossing(tensor.name, tensor.dtype.name, "condition", to_host=True))
    return Placement(name, launches, crossings)


def _needed(graph: tf.Graph, outputs: Sequence[tf.Tensor]) -> Iterable[tf.Operation]:
    """Operations that outputs need, and those with effects, which TensorFlow never leaves out."""
    waiting = [tensor.op for tensor in outputs]
    waiting += [each for each in graph.get_operations() if each.op_def.is_stateful]
    needed: dict[tf.Operation, None] = {}
    while waiting:
        operation = waiting.pop()
        if operation not in needed and operation.type != "Placeholder":
            needed[operation] = None
            waiting += [tensor.op for tensor in operation.inputs]
            waiting += operation.control_inputs
    return needed


def is_on_host(tensor: tf.Tensor) -> bool:
    """Whether the operation that makes a tensor leaves it in the memory of the host."""
    operation = tensor.op
    if tensor.dtype in _ON_HOST:
        return True
    if operation.type == "Placeholder" or operation.type in _CALLS:
        # Arguments and results of functions are on the device, but for int32.
        return tensor.dtype == tf.int32
    if operation.type in _REMOVED:
        return is_on_host(operation.inputs[tensor.value_index])
    kernel = kernel_of(operation)
    if kernel is None:
        return True
    names = _argument_names(operation, operation.op_def.output_arg)
    return names[tensor.value_index] in kernel.host_arguments


def kernel_of(operation: tf.Operation) -> Kernel | None:
    """The kernel for GPUs that runs an operation; None: it runs on the host."""
    own = _own_kernels()
    if operation.type in own:
        return own[operation.type]
    if operation.type.endswith("VariableOp") and not _may_hold(operation.get_attr("dtype")):
        # It runs where the variable is.
        return None
    fitting = [each for each in _registered(operation.type) if _fits(operation, each)]
    # A kernel for GPUs comes before one for any device.
    fitting.sort(key=lambda each: each.device_type != "GPU")
    return Kernel(frozenset(fitting[0].host_memory_arg)) if fitting else None


def _may_hold(dtype: tf.DType) -> bool:
    """Whether a GPU may hold variables of this type: not of int32."""
    kinds = [each.constraint[0].allowed_values.list.type for each in _registered("VarHandleOp")]
    return any(dtype.as_datatype_enum in kind for kind in kinds)


@functools.cache
def _registered(kind: str) -> tuple[object, ...]:
    return tuple(
        each
        for each in kernels.get_registered_kernels_for_op(kind).kernel
        if each.device_type in ("GPU", "DEFAULT") and not each.label
    )


def _fits(operation: tf.Operation, kernel: object) -> bool:
    for constraint in kernel.constraint:
        value = operation.get_attr(constraint.name)
        types = value if isinstance(value, list) else [value]
        allowed = constraint.allowed_values.list.type
        if any(tf.as_dtype(each).as_datatype_enum not in allowed for each in types):
            return False
    return True


@functools.cache
def _own_kernels() -> dict[str, Kernel]:
    """The kernels of this project, from their source: they may not be built here."""
    found = {}
    sources = "".join(path.read_text() for path in sorted(SOURCES.glob("*_gpu_kernels.cc")))
    for text in re.findall(r"REGISTER_KERNEL_BUILDER\((.*?)\);", sources, re.DOTALL):
        name = re.search(r'Name\("(.*?)"\)', text)
        host = frozenset(re.findall(r'HostMemory\("(.*?)"\)', text))
        assert name is not None and "DEVICE_GPU" in text, text
        found[name.group(1)] = Kernel(host)
    assert found, f"no kernels for GPUs are registered in {SOURCES}"
    return found


def _argument_names(operation: tf.Operation, arguments: Iterable[object]) -> list[str]:
    """The name of the argument that each input or output belongs to; some are lists."""
    names = []
    for argument in arguments:
        count = 1
        if argument.number_attr:
            count = operation.get_attr(argument.number_attr)
        elif argument.type_list_attr:
            count = len(operation.get_attr(argument.type_list_attr))
        names += [argument.name] * count
    return names


def _inputs_on_host(operation: tf.Operation) -> list[bool | None]:
    """For each input whether it is wanted on the host; None: wherever it is."""
    kernel = kernel_of(operation)
    wanted: list[bool | None] = []
    names = _argument_names(operation, operation.op_def.input_arg)
    for tensor, name in zip(operation.inputs, names, strict=True):
        if tensor.dtype in _ON_HOST or operation.type in _REMOVED:
            wanted.append(None)
        elif operation.type in _CALLS:
            # The condition of an If, and the integers that functions take, are read on the host.
            wanted.append(name == "cond" or tensor.dtype == tf.int32)
        else:
            wanted.append(kernel is None or name in kernel.host_arguments)
    return wanted


def _launches(operation: tf.Operation, kernel: Kernel) -> bool:
    if operation.type in _MOVE_NOTHING or operation.type in _CALLS:
        return False
    names = _argument_names(operation, operation.op_def.input_arg)
    names += _argument_names(operation, operation.op_def.output_arg)
    return not set(names) <= kernel.host_arguments
