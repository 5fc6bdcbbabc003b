"""What a GPU with TensorFloat-32 would make of a graph, on a CPU.

Both factors of every float32 product of matrices and every convolution are rounded to 10 bits
behind the leading one before they are multiplied.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.core.framework import node_def_pb2, types_pb2

# Which inputs are factors; None: all.
PRODUCTS = {
    "MatMul": None,
    "BatchMatMul": None,
    "BatchMatMulV2": None,
    "BatchMatMulV3": None,
    "Einsum": None,
    "Conv2D": (0, 1),
    "Conv2DBackpropInput": (1, 2),
    "Conv2DBackpropFilter": (0, 2),
    "Conv3D": (0, 1),
    "DepthwiseConv2dNative": (0, 1),
}
# What moves numbers without changing them.
_MOVES = ("Identity", "ExpandDims", "Reshape", "IdentityN", "Squeeze")
# What one-hot sequences are made of.
_ONE_HOT = ("AddV2", "ExpandDims", "StridedSlice")


def rounded_factors(graph_def):
    """Factors of float32 products that TensorFloat-32 would change, in a graph and its functions.

    All but terms, which have 10 bits behind the leading one, and one-hot sequences.
    """
    found = []
    for nodes in (graph_def.node, *(each.node_def for each in graph_def.library.function)):
        named = {node.name: node for node in nodes}
        for node in nodes:
            if node.op in PRODUCTS and node.attr["T"].type == types_pb2.DT_FLOAT:
                factors = (node.input[number] for number in _factors(node))
                found += [(node.op, each) for each in factors if not _is_exact(named, each)]
    return found


def _factors(node):
    inputs = [name for name in node.input if not name.startswith("^")]
    return PRODUCTS[node.op] or range(len(inputs))


def _is_exact(named, name):
    node, _, output = name.partition(":")
    if (node := named.get(node)) is None:
        return False
    if node.op in _MOVES:
        number = int(output.rpartition(":")[2] or 0) if node.op == "IdentityN" else 0
        return _is_exact(named, node.input[number])
    if node.op == "Bitcast":
        return named[node.input[0].partition(":")[0]].op == "BitwiseAnd"
    return _is_one_hot(named, name)


def _is_one_hot(named, name):
    node = named.get(name.partition(":")[0])
    if node is None or node.op == "OneHot":
        return node is not None
    return node.op in _ONE_HOT and _is_one_hot(named, node.input[0])


def run_rounded(function, *arguments):
    """What a function of tensors returns, a list of tensors, in TensorFloat-32."""
    concrete = tf.function(function, autograph=False).get_concrete_function(*arguments)
    graph_def = concrete.graph.as_graph_def()
    assert not graph_def.library.function, "products in functions would not be rounded"
    _round(graph_def)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        fed = dict(zip((each.name for each in concrete.inputs), arguments, strict=True))
        with tf.compat.v1.Session(graph=graph) as session:
            outputs = [each.name for each in concrete.outputs]
            return session.run(outputs, {name: value.numpy() for name, value in fed.items()})


def _round(graph_def):
    added = []
    for node in graph_def.node:
        if node.op in PRODUCTS and node.attr["T"].type == types_pb2.DT_FLOAT:
            for number in _factors(node):
                node.input[number] = _rounding(node.input[number], f"{node.name}/{number}", added)
    graph_def.node.extend(added)


def _rounding(name, prefix, added):
    """Adds the nodes that round to the nearest number of 10 bits; returns the last one's name."""

    def add(operation, suffix, *inputs, **types):
        node = node_def_pb2.NodeDef(name=f"{prefix}/{suffix}", op=operation, input=inputs)
        for key, value in types.items():
            node.attr[key].type = value
        added.append(node)
        return node

    def constant(suffix, value):
        node = add("Const", suffix, dtype=types_pb2.DT_INT32)
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, tf.int32))
        return node.name

    bits = {"T": types_pb2.DT_INT32}
    add("Bitcast", "bits", name, T=types_pb2.DT_FLOAT, type=types_pb2.DT_INT32)
    add("AddV2", "up", f"{prefix}/bits", constant("half", 1 << 12), **bits)
    add("BitwiseAnd", "kept", f"{prefix}/up", constant("mask", -(1 << 13)), **bits)
    return add(
        "Bitcast", "rounded", f"{prefix}/kept", T=types_pb2.DT_INT32, type=types_pb2.DT_FLOAT
    ).name
