"""Variables of CisRegModels in TensorFlow 1's checkpoints and in its SavedModel folders."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from cisreg.delayed_signals import temporary_folder
from cisreg.files import publish_together, read_regular_file, replace_file
from cisreg.legacy.bundle import read_index, read_tensor
from cisreg.legacy.text import INDEX, META, SAVED_MODEL, Arrays
from cisreg.spec import Binding

# CisRegModels' variable for each of our parameters; position weights are two variables, see
# `_POSITIONAL`.
VARIABLES = {
    "log_kd": "motifs",
    "log_concentration": "concentrations",
    "potentiation": "potents",
    "potentiation_bias": "constantPot",
    "log_binding_limit": "logBindingLimits",
    "activity": "activities",
    "activity_difference": "activityDiffs",
    "accessibility_activity": "accessActiv",
    "bias": "constant",
}
# Limit of the size of a constant parameter; enough for more than 10,000 motifs of 100 columns.
_MOST_NUMBERS = 1 << 24
_OLDER_CONCENTRATIONS = "Variable"
_POSITIONAL = ("positionalActivities", "positionalActivitiesRC")
_SCALARS = ("potentiation_bias", "accessibility_activity", "bias")
# A parameter that was held constant is stored in the graph instead of the checkpoint.
_CONSTANT = re.compile(f"^({'|'.join([*VARIABLES.values(), _OLDER_CONCENTRATIONS])})$")


@dataclass(frozen=True)
class GraphFacts:
    """Properties of a model that are read from its graph.

    Attributes:
        binding: how binding is computed.
        sequence_length: L, bases of the input.
        constants: parameters that were held constant, by CisRegModels' names.
    """

    binding: Binding
    sequence_length: int
    constants: Mapping[str, np.ndarray]


def read_checkpoint(prefix: str | os.PathLike[str]) -> tuple[Arrays, GraphFacts | None]:
    """Reads a checkpoint that CisRegModels saved.

    Args:
        prefix: PREFIX.ckpt, of the files PREFIX.ckpt.index, PREFIX.ckpt.data-00000-of-00001 and,
            with the graph (optional), PREFIX.ckpt.meta.

    Returns:
        (float32 arrays by our names; properties from the graph, or None without a graph). Without a
        graph, parameters that were held constant are missing.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        ValueError: a file is damaged or holds different variables.

    Example:
        >>> arrays, graph = read_checkpoint("model.APCM.ckpt")  # doctest: +SKIP
    """
    meta = Path(f"{os.fspath(prefix)}{META}")
    facts = None
    if meta.exists():
        graph = meta_graph_pb2.MetaGraphDef()
        _parse(graph, meta)
        facts = _graph_facts(graph.graph_def, meta)
    return _arrays(prefix, facts), facts


def read_saved_model(folder: str | os.PathLike[str]) -> tuple[Arrays, GraphFacts]:
    """Reads a SavedModel folder that CisRegModels wrote: its variables, constants and graph.

    The graph is parsed, never executed.

    Args:
        folder: PREFIX.Model, with saved_model.pb and the folder variables.

    Returns:
        (float32 arrays by our names, properties from the graph).

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: a file is damaged, or the graph is not one of CisRegModels.

    Example:
        >>> arrays, graph = read_saved_model("model.APCM.Model")  # doctest: +SKIP
    """
    path = Path(folder) / SAVED_MODEL
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: expected a folder with {SAVED_MODEL}, found none")
    model = saved_model_pb2.SavedModel()
    _parse(model, path)
    if not model.meta_graphs:
        raise ValueError(f"{path}: expected the graph of a model, got none; is it complete?")
    facts = _graph_facts(model.meta_graphs[0].graph_def, path)
    prefix = Path(folder) / "variables" / "variables"
    return _arrays(prefix, facts), facts


def write_checkpoint(
    prefix: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], *, overwrite: bool = False
) -> None:
    """Writes a checkpoint that CisRegModels can restore (its option -res).

    Args:
        prefix: PREFIX.ckpt.
        arrays: parameters by name, position weights for each window.
        overwrite: whether an earlier checkpoint may be replaced; PREFIX.ckpt.meta, its graph, is
            deleted then.

    Raises:
        FileExistsError: there is a checkpoint, and `overwrite` is False.
        OSError: the files cannot be written.

    Example:
        >>> write_checkpoint("model.ckpt", model.parameters)  # doctest: +SKIP
    """
    variables: Arrays = {}
    for name, value in arrays.items():
        if name == "position_weight":
            variables |= dict(zip(_POSITIONAL, value, strict=False))
        elif name == "log_kd":
            variables[VARIABLES[name]] = value.transpose(1, 0, 2)
        elif name == "log_concentration":
            variables[VARIABLES[name]] = value.reshape(1, 1, 1, -1)
        else:
            variables[VARIABLES[name]] = np.atleast_1d(value)
    prefix = Path(prefix)
    stale = [prefix.with_name(prefix.name + META)] if overwrite else []
    # TensorFlow would write through links, and leave half a file where it is killed.
    with temporary_folder("cisreg-") as folder, publish_together(stale):
        try:
            tf.raw_ops.SaveV2(
                prefix=str(Path(folder) / prefix.name),
                tensor_names=list(variables),
                shape_and_slices=[""] * len(variables),
                tensors=[tf.constant(value, tf.float32) for value in variables.values()],
            )
        except tf.errors.OpError as error:
            raise OSError(f"{prefix}: cannot be written ({error.message})") from None
        for written in sorted(Path(folder).iterdir()):
            with replace_file(prefix.with_name(written.name), overwrite=overwrite) as file:
                file.write(written.read_bytes())


def _variables(prefix: str | os.PathLike[str]) -> tuple[Arrays, list[str]]:
    """The variables of a checkpoint that belong to the model; names of all float32 variables."""
    if not Path(f"{os.fspath(prefix)}{INDEX}").is_file():
        raise FileNotFoundError(
            f"{os.fspath(prefix)}: expected a checkpoint, found no file "
            f"{os.fspath(prefix)}{INDEX}; check the path"
        )
    try:
        index = read_index(prefix)
        wanted = {*VARIABLES.values(), _OLDER_CONCENTRATIONS, *_POSITIONAL}
        return {name: read_tensor(name, index[name]) for name in index if name in wanted}, [*index]
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{os.fspath(prefix)}: expected a checkpoint, cannot read it ({error}); copy all of "
            "its files again"
        ) from None


def _arrays(prefix: str | os.PathLike[str], facts: GraphFacts | None) -> Arrays:
    """The parameters, from variables and constants of the graph, under our names."""
    variables, names = _variables(prefix)
    known = {**(facts.constants if facts else {}), **variables}
    if "concentrations" not in known and _OLDER_CONCENTRATIONS in known:
        known["concentrations"] = known[_OLDER_CONCENTRATIONS]
    if "activities" not in known and "constant" not in known:
        raise ValueError(
            f"{os.fspath(prefix)}: expected the variables of CisRegModels (such as activities and "
            f"constant), got {', '.join(names) or 'none'}; is it such a checkpoint?"
        )
    arrays = {}
    for name, variable in VARIABLES.items():
        if variable in known:
            arrays[name] = _reshaped(prefix, name, variable, known[variable])
    strands = [known[name] for name in _POSITIONAL if name in known]
    if strands:
        if any(strand.ndim != 2 or strand.shape != strands[0].shape for strand in strands):
            raise ValueError(
                f"{os.fspath(prefix)}: expected {' and '.join(_POSITIONAL)} of shape [L, M], got "
                f"{', '.join(str(strand.shape) for strand in strands)}"
            )
        arrays["position_weight"] = np.stack(strands)
    return arrays


def _reshaped(
    prefix: str | os.PathLike[str], name: str, variable: str, value: np.ndarray
) -> np.ndarray:
    if name == "log_kd":
        if value.ndim != 3 or len(value) != 4:
            raise ValueError(
                f"{os.fspath(prefix)}: expected {variable} of shape [4, W, M], got {value.shape}"
            )
        return np.ascontiguousarray(value.transpose(1, 0, 2))
    if name in _SCALARS and value.size != 1:
        raise ValueError(
            f"{os.fspath(prefix)}: expected one number as {variable}, got shape {value.shape}"
        )
    return value.reshape(() if name in _SCALARS else -1)


def _parse(message: Any, path: Path) -> None:
    try:
        message.ParseFromString(read_regular_file(path))
    except Exception as error:  # protobuf's errors have no common public base class
        raise ValueError(
            f"{path}: expected the graph of a model, cannot read it ({error}); copy it again"
        ) from None


def _graph_facts(graph: Any, path: Path) -> GraphFacts:
    nodes = {node.name: node for node in graph.node}
    sequence = nodes.get("ohcX")
    if sequence is None or len(sequence.attr["shape"].shape.dim) != 4:
        raise ValueError(
            f"{path}: expected the graph of CisRegModels with its input ohcX, got another one"
        )
    # A product of floats is the probability of not being bound; products in gradients are integer.
    products = any(
        node.op == "Prod" and node.attr["T"].type == tf.float32.as_datatype_enum
        for node in graph.node
    )
    constants = {
        name: _constant(path, name, node.attr["value"].tensor)
        for name, node in nodes.items()
        if node.op == "Const" and _CONSTANT.match(name)
    }
    return GraphFacts(
        "probability" if products else "expected",
        int(sequence.attr["shape"].shape.dim[2].size),
        constants,
    )


def _constant(path: Path, name: str, tensor: Any) -> np.ndarray:
    # A single stored number can fill a whole shape, so the file size does not limit the shape.
    shape = [int(axis.size) for axis in tensor.tensor_shape.dim]
    if tensor.dtype != tf.float32.as_datatype_enum or not all(
        0 <= axis <= _MOST_NUMBERS for axis in (*shape, math.prod(shape))
    ):
        raise ValueError(f"{path}: expected float32 numbers as {name}, got shape {shape}")
    try:
        return tf.make_ndarray(tensor)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: expected numbers as {name}, cannot read them: {error}") from None
