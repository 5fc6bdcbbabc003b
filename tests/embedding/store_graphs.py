"""Stores graphs of the operation, with their inputs and outputs, for every later version to load.

After a change of the operation's inputs or attributes, and before anybody else can have saved a
graph with them:

    python tests/embedding/store_graphs.py NAME

writes `graphs/NAME`: `graph.pbtxt`, nodes of `Cisreg>Occupancy` and `Cisreg>OccupancyGrad` in all
variants, as programs save them (without attributes that have their default) and with every
attribute written; `ops.pbtxt`, the signatures of both operations; `numbers.json`, what goes in and
comes out. A folder that exists is never changed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.framework import op_def_registry

GRAPHS = Path(__file__).parent / "graphs"
OPS = ("Cisreg>Occupancy", "Cisreg>OccupancyGrad")
IN_FULL = "_in_full"  # ends the names of nodes with every attribute written
LISTS = ("position_weight", "column_range", "span", "length", "condition")
COUNTS = {
    name: f"{short}_count"
    for name, short in zip(LISTS, ("weight", "range", "span", "length", "condition"), strict=True)
}
DTYPES = {
    "sequence": "uint8",
    "column_range": "int32",
    "span": "int32",
    "spans": "int32",
    "length": "int32",
    "condition": "int32",
}
# Variant: (its lists, and inputs of other names, by what fills them; its attributes).
VARIANTS = {
    "plain": ({}, {}),
    "unbound": ({}, {"reduction": "log_unbound"}),
    "valid": ({}, {"padding": "valid"}),
    "weights": ({"position_weight": "position_weight"}, {}),
    "ranges": ({"column_range": "column_range"}, {}),
    "inside": ({"span": "span"}, {}),
    "everything": (
        {"position_weight": "position_weight", "column_range": "column_range", "span": "spans"},
        {"reduction": "log_unbound", "compute_dtype": "bfloat16"},
    ),
    "padded": ({"length": "length"}, {}),
    "padded_everything": (
        {
            "position_weight": "position_weight",
            "column_range": "column_range",
            "span": "spans",
            "length": "length",
        },
        {},
    ),
    "sets": ({"position_weight": "weight_sets", "weighted_gradient": "weighted_of_sets"}, {}),
    "conditions": (
        {"log_concentration": "concentrations", "bound_gradient": "bound_of_conditions"},
        {},
    ),
    "own_conditions": ({"log_concentration": "concentrations", "condition": "condition"}, {}),
    "conditions_everything": (
        {
            "log_concentration": "concentrations",
            "position_weight": "weight_sets",
            "column_range": "column_range",
            "span": "spans",
            "length": "length",
            "bound_gradient": "bound_of_conditions",
            "weighted_gradient": "weighted_of_conditions",
        },
        {"reduction": "log_unbound"},
    ),
}


def numbers() -> dict[str, np.ndarray]:
    """Inputs of all variants by name: 3 sequences of 9 bases, 2 motifs of 4 columns."""
    random = np.random.default_rng(16)

    def normal(*shape: int) -> np.ndarray:
        return random.normal(0, 1, shape).round(3).astype(np.float32)

    return {
        "sequence": random.integers(0, 5, (3, 9)).astype(np.uint8),
        "log_kd": normal(4, 4, 2) * (np.arange(4) < 3)[:, np.newaxis, np.newaxis],
        "log_concentration": normal(2),
        "position_weight": normal(2, 9, 2),
        "column_range": np.array([[0, 1], [3, 3]], np.int32),
        "span": np.array([2, 7], np.int32),
        "spans": np.array([[0, 9], [3, 5], [4, 4]], np.int32),
        "length": np.array([9, 6, 0], np.int32),
        "bound_gradient": normal(3, 2, 2),
        "weighted_gradient": normal(3, 2, 2),
        "concentrations": normal(4, 2),
        "condition": np.array([3, 0, 3], np.int32),
        "weight_sets": normal(3, 2, 9, 2),
        "bound_of_conditions": normal(3, 4, 2, 2),
        "weighted_of_sets": normal(3, 3, 2, 2),
        "weighted_of_conditions": normal(3, 4, 3, 2, 2),
    }


def op_def(name: str) -> op_def_pb2.OpDef:
    """The signature of an operation that is registered in this process, without its description.

    Example:
        >>> op_def("Cisreg>Occupancy").input_arg[0].name
        'sequence'
    """
    found = op_def_registry.get(name)
    assert found is not None, f"{name} is not registered"
    bare = op_def_pb2.OpDef()
    bare.CopyFrom(found)
    bare.summary = bare.description = ""
    for each in (*bare.input_arg, *bare.output_arg, *bare.attr):
        each.description = ""
    return bare


def fields(name: str) -> list[tuple[str, str]]:
    """Name and kind, "input" or "list", of an operation's inputs, in their order."""
    return [(each.name, "list" if each.number_attr else "input") for each in op_def(name).input_arg]


def node(graph: tf.compat.v1.GraphDef, name: str, op: str, variant: str, *, all_attributes: bool):
    """Adds a variant of an operation to a graph, its inputs as the signature orders them."""
    lists, attributes = VARIANTS[variant]
    added = graph.node.add(name=name, op=op)
    counts = {COUNTS[name]: 1 for name in lists if name in COUNTS}
    for field, kind in fields(op):
        if kind == "input":
            added.input.append(lists.get(field, field))
        elif field == "weighted_gradient":
            filled = lists.get(field, field)
            added.input.extend([filled] * ("position_weight" in lists))
        elif field in lists:
            added.input.append(lists[field])
    for attribute in op_def(op).attr:
        value = {**counts, **attributes}.get(attribute.name)
        if value is None and all_attributes:
            added.attr[attribute.name].CopyFrom(attribute.default_value)
        elif isinstance(value, int):
            added.attr[attribute.name].i = value
        elif value is not None:
            added.attr[attribute.name].s = value.encode()


def graph_of_variants() -> tf.compat.v1.GraphDef:
    """All variants that the operation of this process has, and placeholders for their inputs."""
    graph = tf.compat.v1.GraphDef()
    graph.versions.producer = tf.version.GRAPH_DEF_VERSION
    used = set()
    there = {field for field, _ in fields(OPS[0])}
    for variant, (lists, _) in VARIANTS.items():
        if not set(lists) & set(LISTS) <= there:
            continue
        for op, ending in zip(OPS, ("", "_gradient"), strict=True):
            node(graph, f"{variant}{ending}", op, variant, all_attributes=False)
            node(graph, f"{variant}{ending}{IN_FULL}", op, variant, all_attributes=True)
    for each in list(graph.node):
        used |= set(each.input)
    for name in sorted(used):
        placeholder = graph.node.add(name=name, op="Placeholder")
        placeholder.attr["dtype"].type = tf.as_dtype(DTYPES.get(name, "float32")).as_datatype_enum
    return graph


def run_graph(
    graph: tf.compat.v1.GraphDef, inputs: dict[str, np.ndarray]
) -> dict[str, list[np.ndarray]]:
    """The outputs of all operations of a graph by the names of the nodes."""
    with tf.Graph().as_default() as running, tf.compat.v1.Session(graph=running) as session:
        tf.import_graph_def(graph, name="")
        operations = [each for each in running.get_operations() if each.type in OPS]
        feed = {
            f"{each.name}:0": inputs[each.name]
            for each in running.get_operations()
            if each.type == "Placeholder"
        }
        values = session.run([list(each.outputs) for each in operations], feed)
    return {each.name: value for each, value in zip(operations, values, strict=True)}


def store(folder: Path) -> None:
    """Writes graph, signatures and numbers of the operation of this process to a new folder."""
    folder.mkdir()
    graph, inputs = graph_of_variants(), numbers()
    ops = op_def_pb2.OpList(op=[op_def(name) for name in OPS])
    (folder / "graph.pbtxt").write_text(text_format.MessageToString(graph))
    (folder / "ops.pbtxt").write_text(text_format.MessageToString(ops))
    used = {each.name for each in graph.node if each.op == "Placeholder"}
    outputs = run_graph(graph, inputs)
    short = {name: values for name, values in outputs.items() if not name.endswith(IN_FULL)}
    for name, values in short.items():
        for one, other in zip(values, outputs[name + IN_FULL], strict=True):
            np.testing.assert_array_equal(one, other)
    described = {
        "inputs": {name: readable(each) for name, each in inputs.items() if name in used},
        "outputs": {name: list(map(readable, values)) for name, values in short.items()},
    }
    (folder / "numbers.json").write_text(json.dumps(described) + "\n")


def readable(array: np.ndarray) -> Any:
    """Nested lists of the numbers, with as few digits as tell them apart.

    Example:
        >>> readable(np.array([0.1], np.float32))
        [0.1]
    """
    return [readable(each) for each in array] if array.ndim else json.loads(str(array[()]))


if __name__ == "__main__":
    from cisreg.library import load_ops

    load_ops()
    store(GRAPHS / sys.argv[1])
