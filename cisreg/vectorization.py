"""How tf.vectorized_map, Jacobians and other users of pfor map the operation over an axis.

Rows and motifs of the operation do not know each other. So a mapped axis of the sequences becomes
more rows, a mapped axis of the parameters more motifs, and one call computes all. If both are
mapped, and for most gradients, calls run one after the other: the gradient sums over rows, so that
rows of one call cannot have gradients of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow.python.ops.parallel_for.pfor import RegisterPFor, wrap

from cisreg.library import load_ops
from cisreg.once import once

_BY_ROW = ("sequence", "span", "length", "condition")
_BY_MOTIF = ("log_kd", "log_concentration", "position_weight", "column_range")


class _Mapped(NamedTuple):
    """An input of the operation while it is mapped: [B, ...] if it is stacked, else [...]."""

    value: tf.Tensor
    stacked: bool


_Inputs = dict[str, list[_Mapped]]


def _inputs_of(pfor_input: Any, upstream: bool) -> _Inputs:
    counts = dict.fromkeys(("sequence", "log_kd", "log_concentration"), 1)
    attributes = {"position_weight": "weight", "column_range": "range"}
    for name in ("position_weight", "column_range", "span", "length", "condition"):
        counts[name] = pfor_input.get_attr(f"{attributes.get(name, name)}_count")
    if upstream:
        counts |= {"bound_gradient": 1, "weighted_gradient": counts["position_weight"]}
    given = iter(pfor_input.inputs)
    result: _Inputs = {}
    for name, count in counts.items():
        result[name] = [_Mapped(*tuple(next(given))[:2]) for _ in range(count)]
    return result


def _mapped_inputs(inputs: _Inputs) -> set[str]:
    return {name for name, values in inputs.items() if any(each.stacked for each in values)}


def _called(function: Callable[..., Any], pfor_input: Any, inputs: dict[str, Any]) -> list[Any]:
    """The outputs of the operation in one list; single inputs are no lists there."""
    single = ("sequence", "log_kd", "log_concentration", "bound_gradient")
    arguments = {name: value[0] if name in single else value for name, value in inputs.items()}
    options = {
        name: _text(pfor_input.get_attr(name)) for name in ("reduction", "padding", "compute_dtype")
    }
    outputs = function(**arguments, **options)
    return tf.nest.flatten(list(outputs))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _one_by_one(function: Callable[..., Any], pfor_input: Any, inputs: _Inputs) -> list[tf.Tensor]:
    stacked = {
        name: [each.value for each in values if each.stacked] for name, values in inputs.items()
    }

    def one(rows: dict[str, list[tf.Tensor]]) -> list[tf.Tensor]:
        remaining = {name: iter(values) for name, values in rows.items()}
        arguments = {
            name: [next(remaining[name]) if each.stacked else each.value for each in values]
            for name, values in inputs.items()
        }
        return _called(function, pfor_input, arguments)

    signature = [output.dtype for output in pfor_input.outputs]
    return tf.map_fn(one, stacked, fn_output_signature=signature)


def _as_rows(mapped: _Mapped, count: tf.Tensor) -> tf.Tensor:
    """[B * N, ...] from [B, N, ...], or from [N, ...] that is the same for all of B."""
    value = mapped.value
    if not mapped.stacked:
        value = tf.broadcast_to(value, tf.concat([[count], tf.shape(value)], 0))
    shape = tf.shape(value)
    return tf.reshape(value, tf.concat([[count * shape[1]], shape[2:]], 0))


def _as_motifs(mapped: _Mapped, count: tf.Tensor) -> tf.Tensor:
    """[..., B * M] from [B, ..., M], or from [..., M] that is the same for all of B.

    Where `count` is more than B, zeros follow.
    """
    value = mapped.value
    if not mapped.stacked:
        value = tf.broadcast_to(value, tf.concat([[count], tf.shape(value)], 0))
    rank = value.shape.rank
    value = tf.pad(value, [[0, count - tf.shape(value)[0]], *[[0, 0]] * (rank - 1)])
    value = tf.transpose(value, [*range(1, rank - 1), 0, rank - 1])
    shape = tf.shape(value)
    return tf.reshape(value, tf.concat([shape[:-2], [count * shape[-1]]], 0))


def _from_motifs(value: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """[B, ..., M] from [..., B * M]."""
    shape, rank = tf.shape(value), value.shape.rank
    split = tf.reshape(value, tf.concat([shape[:-1], [count, shape[-1] // count]], 0))
    return tf.transpose(split, [rank - 1, *range(rank - 1), rank])


def _over_rows(pfor_input: Any, inputs: _Inputs, count: tf.Tensor) -> list[tf.Tensor]:
    arguments = {name: [each.value for each in values] for name, values in inputs.items()}
    sequence = inputs["sequence"][0]
    rows = tf.shape(sequence.value)[1 if sequence.stacked else 0]
    for name in ("sequence", "length", "condition"):
        arguments[name] = [_as_rows(each, count) for each in inputs[name]]
    for each in inputs["span"]:
        if each.value.shape.rank - each.stacked == 2:
            arguments["span"] = [_as_rows(each, count)]
        elif each.stacked:
            # One span of all rows for each of B becomes one for each row.
            spans = tf.tile(each.value[:, tf.newaxis], [1, rows, 1])
            arguments["span"] = [tf.reshape(spans, [count * rows, 2])]
    outputs = _called(load_ops().cisreg_occupancy, pfor_input, arguments)
    return [tf.reshape(each, tf.concat([[count, rows], tf.shape(each)[1:]], 0)) for each in outputs]


def _over_motifs(
    function: Callable[..., Any], pfor_input: Any, inputs: _Inputs, count: tf.Tensor
) -> list[tf.Tensor]:
    # The operation takes one motif or more, also where nothing is mapped.
    some = tf.maximum(count, 1)
    arguments = {
        name: [each.value if name in _BY_ROW else _as_motifs(each, some) for each in values]
        for name, values in inputs.items()
    }
    outputs = _called(function, pfor_input, arguments)
    return [_from_motifs(each, some)[:count] for each in outputs]


def _knows_ranks(inputs: _Inputs) -> bool:
    return all(each.value.shape.rank is not None for values in inputs.values() for each in values)


@once(RegisterPFor("Cisreg>Occupancy"))
def _map_occupancy(pfor_input: Any) -> list[Any]:
    function = load_ops().cisreg_occupancy
    inputs = _inputs_of(pfor_input, upstream=False)
    mapped, count = _mapped_inputs(inputs), pfor_input.pfor.loop_len_vector[0]
    if not _knows_ranks(inputs):
        outputs = _one_by_one(function, pfor_input, inputs)
    elif mapped.isdisjoint(_BY_MOTIF):
        outputs = _over_rows(pfor_input, inputs, count)
    elif mapped.isdisjoint(_BY_ROW):
        outputs = _over_motifs(function, pfor_input, inputs, count)
    else:
        outputs = _one_by_one(function, pfor_input, inputs)
    return [wrap(each, True) for each in outputs]


@once(RegisterPFor("Cisreg>OccupancyGrad"))
def _map_gradient(pfor_input: Any) -> list[Any]:
    function = load_ops().cisreg_occupancy_grad
    inputs = _inputs_of(pfor_input, upstream=True)
    mapped, count = _mapped_inputs(inputs), pfor_input.pfor.loop_len_vector[0]
    of_motifs = mapped.isdisjoint(_BY_ROW) and not mapped.isdisjoint(_BY_MOTIF)
    if of_motifs and _knows_ranks(inputs):
        outputs = _over_motifs(function, pfor_input, inputs, count)
    else:
        outputs = _one_by_one(function, pfor_input, inputs)
    return [wrap(each, True) for each in outputs]
