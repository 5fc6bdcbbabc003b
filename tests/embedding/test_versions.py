"""Graphs that were saved keep their meaning: later versions load them and compute the same numbers.

`graphs/`, `graphs_exclusive/` and `graphs_pairs/` hold the graphs of every version of the
operations. `store_graphs.py` adds one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from embedding.store_graphs import FAMILIES, IN_FULL, op_def, run_graph
from google.protobuf import text_format
from tensorflow.core.framework import op_def_pb2

from cisreg.library import load_ops

NEWEST = {
    name: max(path.name for path in family.folder.iterdir()) for name, family in FAMILIES.items()
}
VERSIONS = [
    (name, path.name)
    for name, family in FAMILIES.items()
    for path in sorted(family.folder.iterdir())
]
OPS = [(name, op) for name, family in FAMILIES.items() for op in family.ops]


@pytest.fixture(scope="module", autouse=True)
def operation():
    load_ops()


def stored(family, version, name, message):
    return text_format.Parse((FAMILIES[family].folder / version / name).read_text(), message)


@pytest.mark.parametrize(("family", "version"), VERSIONS)
def test_a_stored_graph_gives_the_numbers_that_it_gave(family, version):
    numbers = json.loads((FAMILIES[family].folder / version / "numbers.json").read_text())
    graph = stored(family, version, "graph.pbtxt", tf.compat.v1.GraphDef())
    dtypes = {
        each.name: tf.as_dtype(each.attr["dtype"].type).as_numpy_dtype
        for each in graph.node
        if each.op == "Placeholder"
    }
    inputs = {name: np.array(value, dtypes[name]) for name, value in numbers["inputs"].items()}
    outputs = run_graph(FAMILIES[family], graph, inputs)
    assert Counter(name.removesuffix(IN_FULL) for name in outputs) == dict.fromkeys(
        numbers["outputs"], 2
    )
    for name, values in outputs.items():
        expected = numbers["outputs"][name.removesuffix(IN_FULL)]
        for value, each in zip(values, expected, strict=True):
            # Another instruction set rounds otherwise.
            np.testing.assert_allclose(value, each, rtol=2e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(("family", "version"), VERSIONS)
def test_the_operation_reads_the_graphs_of_every_version(family, version):
    for op in FAMILIES[family].ops:
        old = signature_of(family, version, op)
        assert not incompatible(old, op_def(op))
        assert not ignored(old, op_def(op))


@pytest.mark.parametrize(("family", "op"), OPS)
def test_the_operation_of_now_is_stored(family, op):
    assert signature_of(family, NEWEST[family], op) == op_def(op), (
        "the operation has new inputs or attributes: store graphs of it with "
        f"python tests/embedding/store_graphs.py {family}"
    )


def signature_of(family, version, op):
    ops = stored(family, version, "ops.pbtxt", op_def_pb2.OpList()).op
    return next(each for each in ops if each.name == op)


def incompatible(old, new):
    """Why graphs of an operation's old signature would change their meaning; None if they do not.

    These are TensorFlow's own rules, `OpDefCompatible` and `OpDefAttrDefaultsUnchanged` of
    core/framework/op_def_util.cc, for operations whose types are fixed.
    """
    before = {each.name: each for each in old.attr}
    after = {each.name: each for each in new.attr}
    for name, attribute in before.items():
        if name not in after:
            return f"{name} was removed"
        later = after[name]
        if later.type != attribute.type:
            return f"{name} has another type"
        if (later.HasField("default_value"), later.default_value) != (
            attribute.HasField("default_value"),
            attribute.default_value,
        ):
            return f"{name} has another default"
        values = [set(each.allowed_values.list.s) for each in (attribute, later)]
        if later.HasField("allowed_values") and not values[0] <= values[1]:
            return f"{name} no longer takes {values[0] - values[1]}"
        if later.has_minimum and (not attribute.has_minimum or later.minimum > attribute.minimum):
            return f"{name} has a higher minimum"
    for name, attribute in after.items():
        if name not in before and not attribute.HasField("default_value"):
            return f"{name} is new and has no default"
    for ends in ("input_arg", "output_arg"):
        if places(getattr(old, ends), before, after) != places(getattr(new, ends), before, after):
            return f"{ends} have other places or types"
    return None


def ignored(old, new):
    """New attributes that programs with the old signature ignore, as TensorFlow does.

    The count of a list of inputs is none: the number of inputs is an error there.
    """
    known = {each.name for each in old.attr} | {each.number_attr for each in new.input_arg}
    return {each.name for each in new.attr} - known


def places(arguments, before, after):
    """Types of inputs or outputs in their order, as graphs see them that have the old attributes.

    A list whose number is a new attribute has as many members as that attribute's default says.
    """
    types = []
    for each in arguments:
        assert not (each.type_attr or each.type_list_attr or each.is_ref)
        if not each.number_attr:
            types.append(each.type)
        elif each.number_attr in before:
            types.append((each.number_attr, each.type))
        else:
            types += [each.type] * after[each.number_attr].default_value.i
    return types


def attribute(op, name):
    return next(each for each in op.attr if each.name == name)


def change_default(op):
    attribute(op, "reduction").default_value.s = b"log_unbound"


def drop_default(op):
    attribute(op, "padding").ClearField("default_value")


def drop_attribute(op):
    op.attr.remove(attribute(op, "compute_dtype"))


def drop_value(op):
    attribute(op, "padding").allowed_values.list.s[:] = [b"same"]


def raise_minimum(op):
    attribute(op, "span_count").minimum = 1


def require_attribute(op):
    op.attr.add(name="units", type="string")


def swap_inputs(op):
    names = [each.name for each in op.input_arg]
    one, other = op.input_arg[names.index("column_range")], op.input_arg[names.index("log_kd")]
    kept = op_def_pb2.OpDef.ArgDef()
    kept.CopyFrom(one)
    one.CopyFrom(other)
    other.CopyFrom(kept)


def swap_lists_of_one_type(op):
    lists = [each for each in op.input_arg if each.name in ("column_range", "span")]
    lists[0].number_attr, lists[1].number_attr = lists[1].number_attr, lists[0].number_attr


def require_input(op):
    op.input_arg.add(name="strand", type=tf.int32.as_datatype_enum)


def change_type_of_output(op):
    op.output_arg[0].type = tf.float64.as_datatype_enum


def new_list(op, default):
    op.input_arg.insert(
        3,
        op_def_pb2.OpDef.ArgDef(
            name="methylation", type=tf.float32.as_datatype_enum, number_attr="methylation_count"
        ),
    )
    count = op.attr.add(name="methylation_count", type="int", has_minimum=True)
    count.default_value.i = default


def require_list(op):
    new_list(op, 1)


def allow_list(op):
    new_list(op, 0)


def allow_value(op):
    attribute(op, "reduction").allowed_values.list.s.append(b"maximum")


def optional_attribute(op):
    op.attr.add(name="units", type="string").default_value.s = b"nats"


FAULTS = [
    *(change_default, drop_default, drop_attribute, drop_value, raise_minimum, require_attribute),
    *(swap_inputs, swap_lists_of_one_type, require_input, change_type_of_output, require_list),
]
SOUND = [allow_list, allow_value, optional_attribute]


@pytest.mark.parametrize("change", FAULTS + SOUND, ids=lambda each: each.__name__)
def test_changes_that_would_break_saved_graphs_are_noticed(change):
    old, new = op_def("Cisreg>Occupancy"), op_def("Cisreg>Occupancy")
    change(new)
    assert new != old
    assert bool(incompatible(old, new)) == (change in FAULTS)
    assert bool(ignored(old, new)) == (change in (require_attribute, optional_attribute))


def test_an_older_version_refuses_what_it_does_not_know():
    """A list of inputs or a value that it lacks; as the operation of now refuses later ones."""
    graph = stored("occupancy", NEWEST["occupancy"], "graph.pbtxt", tf.compat.v1.GraphDef())
    (plain,) = (each for each in graph.node if each.name == "plain")
    for change, message in (
        (lambda node: node.input.append("position_weight"), "do not match 4 inputs"),
        (lambda node: node.attr["padding"].__setattr__("s", b"full"), "allowed values"),
    ):
        later = tf.compat.v1.GraphDef()
        later.node.extend([plain, *(each for each in graph.node if each.op == "Placeholder")])
        change(later.node[0])
        with tf.Graph().as_default(), pytest.raises(ValueError, match=message):
            tf.import_graph_def(later)


RULES_OF_TENSORFLOW = """
#include <fstream>
#include <iostream>
#include "tensorflow/core/framework/op_def.pb.h"
#include "tensorflow/core/framework/op_def_util.h"

int main(int count, char** names) {
  tensorflow::OpDef op, changed;
  std::ifstream first(names[1]);
  op.ParseFromIstream(&first);
  for (int i = 2; i < count; ++i) {
    std::ifstream file(names[i]);
    changed.ParseFromIstream(&file);
    std::cout << (tensorflow::OpDefCompatible(op, changed).ok() &&
                  tensorflow::OpDefAttrDefaultsUnchanged(op, changed).ok());
  }
}
"""


@pytest.mark.slow
def test_the_rules_here_are_those_of_tensorflow(tmp_path):
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    files = [tmp_path / "before"]
    files[0].write_bytes(op_def("Cisreg>Occupancy").SerializeToString())
    for change in FAULTS + SOUND:
        changed = op_def("Cisreg>Occupancy")
        change(changed)
        files.append(tmp_path / change.__name__)
        files[-1].write_bytes(changed.SerializeToString())
    (tmp_path / "rules.cc").write_text(RULES_OF_TENSORFLOW)
    flags = [*tf.sysconfig.get_compile_flags(), *tf.sysconfig.get_link_flags()]
    program = tmp_path / "rules"
    command = ["g++", "-w", tmp_path / "rules.cc", "-o", program, *flags]
    subprocess.run([*command, f"-Wl,-rpath,{tf.sysconfig.get_lib()}"], check=True)
    said = subprocess.run([program, *files], check=True, capture_output=True, text=True).stdout
    verdicts = {path.name: each == "1" for path, each in zip(files[1:], said, strict=True)}
    assert verdicts == {change.__name__: change in SOUND for change in FAULTS + SOUND}
