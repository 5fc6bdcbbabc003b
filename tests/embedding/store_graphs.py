"""Stores graphs of an operation, with their inputs and outputs, for every later version to load.

After a change of an operation's inputs or attributes, and before anybody else can have saved a
graph with them:

    python tests/embedding/store_graphs.py FAMILY NAME

writes `graphs/NAME` for the family `occupancy`, `graphs_exclusive/NAME` for `exclusive`,
`graphs_pairs/NAME` for `pairs`:
`graph.pbtxt`, nodes of the operation and its gradient in all variants, as programs save them
(without attributes that have their default) and with every attribute written; `ops.pbtxt`, the
signatures of both operations; `numbers.json`, what goes in and comes out. A folder that exists is
never changed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.framework import op_def_registry

IN_FULL = "_in_full"  # ends the names of nodes with every attribute written
COUNTS = {
    "position_weight": "weight_count",
    "column_range": "range_count",
    "span": "span_count",
    "length": "length_count",
    "condition": "condition_count",
    "footprint": "footprint_count",
    "competitor_width": "competitor_count",
    "competitor_log_odds": "competitor_count",
}
# Gradients of outputs that are there where such an input is.
OF_LISTS = {"weighted_gradient": "position_weight", "competitor_gradient": "competitor_width"}
DTYPES = {
    "sequence": "uint8",
    "column_range": "int32",
    "span": "int32",
    "spans": "int32",
    "length": "int32",
    "condition": "int32",
    "footprint": "int32",
    "competitor_width": "int32",
    "pair": "int32",
}
# Variant: (its lists, and inputs of other names, by what fills them; its attributes).
_OF_OCCUPANCY: dict[str, tuple[dict[str, str], dict[str, str]]] = {
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
_COMPETITORS = {
    "competitor_width": "competitor_width",
    "competitor_log_odds": "competitor_log_odds",
}
_OF_EXCLUSIVE: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "plain": ({}, {}),
    "valid": ({}, {"padding": "valid"}),
    "weights": ({"position_weight": "position_weight"}, {}),
    "everything": (
        {
            "position_weight": "position_weight",
            "column_range": "column_range",
            "span": "spans",
            "length": "length",
            "footprint": "footprint",
        },
        {},
    ),
    "competitors": (_COMPETITORS, {}),
    "competitors_everything": (
        {
            "position_weight": "position_weight",
            "column_range": "column_range",
            "span": "spans",
            "length": "length",
            **_COMPETITORS,
        },
        {},
    ),
}
_OF_PAIRS: dict[str, tuple[dict[str, str], dict[str, str | int]]] = {
    "plain": ({}, {"distance": 8}),
    "valid": ({}, {"distance": 4, "padding": "valid"}),
    "everything": ({"column_range": "column_range", "span": "spans"}, {"distance": 6}),
}


class Family(NamedTuple):
    """An operation and its gradient, the variants that are stored, and where."""

    folder: Path
    ops: tuple[str, str]
    variants: Mapping[str, tuple[dict[str, str], Mapping[str, str | int]]]


_HERE = Path(__file__).parent
FAMILIES = {
    "occupancy": Family(
        _HERE / "graphs", ("Cisreg>Occupancy", "Cisreg>OccupancyGrad"), _OF_OCCUPANCY
    ),
    "exclusive": Family(
        _HERE / "graphs_exclusive",
        ("Cisreg>ExclusiveOccupancy", "Cisreg>ExclusiveOccupancyGrad"),
        _OF_EXCLUSIVE,
    ),
    "pairs": Family(
        _HERE / "graphs_pairs", ("Cisreg>PairEffects", "Cisreg>PairEffectsGrad"), _OF_PAIRS
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
        "footprint": np.array([[-1, 1], [3, 4]], np.int32),
        "competitor_width": np.array([4, 9], np.int32),
        "competitor_log_odds": normal(2),
        "log_partition_gradient": normal(3),
        "competitor_gradient": normal(3, 2),
        "effect": normal(3, 2, 3),
        "pair": np.array([[0, 1], [1, 1], [1, 0]], np.int32),
        "score_gradient": normal(3),
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


def node(
    graph: tf.compat.v1.GraphDef,
    name: str,
    op: str,
    variant: tuple[dict[str, str], Mapping[str, str | int]],
    *,
    all_attributes: bool,
):
    """Adds a variant of an operation to a graph, its inputs as the signature orders them."""
    lists, attributes = variant
    added = graph.node.add(name=name, op=op)
    counts = {COUNTS[name]: 1 for name in lists if name in COUNTS}
    for field, kind in fields(op):
        if kind == "input":
            added.input.append(lists.get(field, field))
        elif field in OF_LISTS:
            filled = lists.get(field, field)
            added.input.extend([filled] * (OF_LISTS[field] in lists))
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


def graph_of_variants(family: Family) -> tf.compat.v1.GraphDef:
    """All variants that the operation of this process has, and placeholders for their inputs."""
    graph = tf.compat.v1.GraphDef()
    graph.versions.producer = tf.version.GRAPH_DEF_VERSION
    used = set()
    there = {field for field, _ in fields(family.ops[0])}
    for name, variant in family.variants.items():
        if not set(variant[0]) & set(COUNTS) <= there:
            continue
        for op, ending in zip(family.ops, ("", "_gradient"), strict=True):
            node(graph, f"{name}{ending}", op, variant, all_attributes=False)
            node(graph, f"{name}{ending}{IN_FULL}", op, variant, all_attributes=True)
    for each in list(graph.node):
        used |= set(each.input)
    for name in sorted(used):
        placeholder = graph.node.add(name=name, op="Placeholder")
        placeholder.attr["dtype"].type = tf.as_dtype(DTYPES.get(name, "float32")).as_datatype_enum
    return graph


def run_graph(
    family: Family, graph: tf.compat.v1.GraphDef, inputs: dict[str, np.ndarray]
) -> dict[str, list[np.ndarray]]:
    """The outputs of all operations of a graph by the names of the nodes."""
    with tf.Graph().as_default() as running, tf.compat.v1.Session(graph=running) as session:
        tf.import_graph_def(graph, name="")
        operations = [each for each in running.get_operations() if each.type in family.ops]
        feed = {
            f"{each.name}:0": inputs[each.name]
            for each in running.get_operations()
            if each.type == "Placeholder"
        }
        values = session.run([list(each.outputs) for each in operations], feed)
    return {each.name: value for each, value in zip(operations, values, strict=True)}


def store(family: Family, name: str) -> None:
    """Writes graph, signatures and numbers of the operation of this process to a new folder."""
    folder = family.folder / name
    folder.mkdir(parents=True)
    graph, inputs = graph_of_variants(family), numbers()
    ops = op_def_pb2.OpList(op=[op_def(name) for name in family.ops])
    (folder / "graph.pbtxt").write_text(text_format.MessageToString(graph))
    (folder / "ops.pbtxt").write_text(text_format.MessageToString(ops))
    used = {each.name for each in graph.node if each.op == "Placeholder"}
    outputs = run_graph(family, graph, inputs)
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
    store(FAMILIES[sys.argv[1]], sys.argv[2])
