"""The model of gene regulation, as pure functions of parameters and sequences.

A `ModelSpec` says which layers there are, `init_parameters` makes a dictionary of float32 arrays
for it, and `predict` turns sequences into accessibility, binding and expression::

    binding       = occupancy of each motif, summed over sites (or probability of any site bound)
    accessibility = sigmoid(potentiation_bias + sum over motifs of potentiation * binding)
    bound         = accessibility * binding
    score         = bias + sum over motifs of activity * bound
                    (+ accessibility_activity * accessibility)
                    (+ effects of pairs of factors, see `cisreg.pairs`)
    expression    = link(score), the score itself unless another link is chosen

Each layer but binding is optional; see `ModelSpec` for what each option changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cisreg.choices import ComputeDtype
from cisreg.contract import require, sequence_input
from cisreg.layers import (
    Parameters,
    Scan,
    accessibility_of,
    acting_binding,
    between_ends,
    bound_before_limits,
    limited_contribution,
    linear_layers,
    linked,
    of_outputs,
    per_sequence,
    reported_binding,
    scan_motifs,
)
from cisreg.occupancy import Implementation
from cisreg.reference import counted_windows, hold_columns
from cisreg.spec import Binding, ModelSpec, check_parameters
from cisreg.start import init_parameters

__all__ = [
    "Binding",
    "ModelSpec",
    "Prediction",
    "check_parameters",
    "init_parameters",
    "predict",
    "strand_binding",
]


def __dir__() -> list[str]:
    return __all__


class Prediction(NamedTuple):
    """A model's predictions for N sequences.

    Of a model of several outputs, all have an axis of them behind N: [N, T], [N, T], [N, T, ...].

    Attributes:
        expression: float32 [N], in the unit of the training data.
        accessibility: float32 [N], between 0 and 1; None without the potentiation layer.
        binding: accessible binding of each motif. float32 [N, M], summed over both strands and
            capped at the binding limits, if the model has them. For a stranded model [N, 2, M],
            before the limits, since these apply to the sum over the strands. None for a positional
            model, since its sites are weighted by position.
    """

    expression: tf.Tensor
    accessibility: tf.Tensor | None
    binding: tf.Tensor | None


def predict(
    spec: ModelSpec,
    parameters: Parameters,
    sequence: tf.Tensor,
    *,
    column_range: np.ndarray | tf.Tensor | None = None,
    compute_dtype: ComputeDtype = "float32",
    implementation: Implementation = "auto",
) -> Prediction:
    """Expression, accessibility and binding of sequences.

    A pure function, differentiable with respect to every parameter; use it directly or inside a
    `tf.function`.

    Args:
        spec: the model's layers.
        parameters: float32 tensors, variables or arrays, as `spec.parameter_shapes` lists them.
        sequence: base codes [N, L], or soft (one-hot) sequences [N, L, 4], as `cisreg.occupancy`
            takes them.
        column_range: int32 [2, M], columns outside of which motifs are held at zero, see
            `cisreg.occupancy`; it speeds up gradients. None: no columns are held. With constant
            ends it decides which windows count, and with competition what a site covers: use the
            same one as in training.
        compute_dtype: of the occupancy operation, see `cisreg.occupancy`; all else is float32.
        implementation: of the occupancy operation, see `cisreg.occupancy`.

    Raises:
        ValueError: a parameter is missing or has the wrong shape, or the sequences have the wrong
            length.

    Example:
        >>> spec = ModelSpec(motif_count=2, motif_width=3, sequence_length=10)
        >>> parameters = init_parameters(spec, np.zeros((3, 4, 2)), np.zeros(2))
        >>> predict(spec, parameters, tf.zeros([5, 10], tf.uint8)).expression.shape
        TensorShape([5])
    """
    check_parameters(spec, parameters)
    sequence = _check_sequence(spec, sequence)
    sequence, span = between_ends(spec, sequence)
    scan = scan_motifs(
        *(spec, parameters, sequence, span, column_range, compute_dtype, implementation)
    )
    return predict_from_scan(spec, parameters, sequence, span, column_range, compute_dtype, scan)


def predict_from_scan(
    spec: ModelSpec,
    parameters: Parameters,
    sequence: tf.Tensor,
    span: tf.Tensor | None,
    column_range: np.ndarray | tf.Tensor | None,
    compute_dtype: ComputeDtype,
    scan: Scan,
) -> Prediction:
    """What `predict` returns, for what `between_ends` and `scan_motifs` gave."""
    predictions = [
        _predict_one(one, own, sequence, span, column_range, compute_dtype, part)
        for one, own, part in of_outputs(spec, parameters, scan)
    ]
    if spec.output_count == 1:
        return predictions[0]
    return Prediction(*(_stacked(each) for each in zip(*predictions, strict=True)))


def _stacked(parts: Sequence[tf.Tensor | None]) -> tf.Tensor | None:
    """Tensors [N, ...] of T outputs as one, [N, T, ...]."""
    return None if parts[0] is None else tf.stack(parts, axis=1)


def _predict_one(
    spec: ModelSpec,
    parameters: Parameters,
    sequence: tf.Tensor,
    span: tf.Tensor | None,
    column_range: np.ndarray | tf.Tensor | None,
    compute_dtype: ComputeDtype,
    scan: Scan,
) -> Prediction:
    counted = None
    if not spec.fused:
        # The fused operation applies column range and span itself; sites computed without it need
        # both applied here.
        log_kd = tf.convert_to_tensor(parameters["log_kd"])
        if span is not None:
            counted = counted_windows(
                span, column_range, spec.sequence_length, log_kd, spec.padding
            )
        if column_range is not None:
            parameters = {**parameters, "log_kd": hold_columns(log_kd, column_range)}
    if spec.binding_limit:
        accessibility = accessibility_of(spec, parameters, scan)
        bound = bound_before_limits(
            *(spec, parameters, sequence, counted, scan, accessibility, compute_dtype)
        )
        effect = tf.reduce_sum(limited_contribution(spec, parameters, bound), axis=1)
        if scan.paired is not None:
            effect += per_sequence(accessibility, 1) * scan.paired
    else:
        accessibility, effect = linear_layers(spec, parameters, scan)
        bound = per_sequence(accessibility, 3) * acting_binding(spec, scan)
    score = parameters["bias"] + effect
    if spec.accessibility_activity:
        score += parameters["accessibility_activity"] * accessibility
    expression = linked(spec, parameters, score)
    return Prediction(expression, accessibility, reported_binding(spec, parameters, bound))


def strand_binding(
    spec: ModelSpec,
    parameters: Parameters,
    sequence: tf.Tensor,
    *,
    column_range: np.ndarray | tf.Tensor | None = None,
    compute_dtype: ComputeDtype = "float32",
    implementation: Implementation = "auto",
) -> tf.Tensor:
    """Accessible binding of each motif to each strand, for models with any options.

    Args:
        spec: the model's layers.
        parameters: by name, as for `predict`.
        sequence: uint8 [N, L] base codes.
        column_range: int32 [2, M], as for `predict`.
        compute_dtype: of the occupancy operation, see `cisreg.occupancy`.
        implementation: of the occupancy operation, see `cisreg.occupancy`.

    Returns:
        float32 [N, 2, M]: accessibility times the expected occupancy (or probability) of each
        strand, before limits and without position weights; of T outputs [N, T, 2, M].

    Raises:
        ValueError: under the same conditions as `predict`.
    """
    check_parameters(spec, parameters)
    sequence = _check_sequence(spec, sequence)
    sequence, span = between_ends(spec, sequence)
    scan = scan_motifs(
        *(spec, parameters, sequence, span, column_range, compute_dtype, implementation)
    )
    binding = [
        per_sequence(accessibility_of(*each), 3) * each[-1].by_strand
        for each in of_outputs(spec, parameters, scan)
    ]
    return binding[0] if spec.output_count == 1 else tf.stack(binding, axis=1)


def _check_sequence(spec: ModelSpec, sequence: tf.Tensor) -> tf.Tensor:
    sequence = sequence_input(sequence)
    length = sequence.shape[1] if (sequence.shape.rank or 0) > 1 else None
    if length not in (None, spec.sequence_length):
        raise ValueError(
            f"sequence: expected {spec.sequence_length} bases each, as the model was made for, "
            f"got {length}; encode them with length={spec.sequence_length}"
        )
    return _of_length(sequence, spec.sequence_length) if length is None else sequence


def _of_length(sequence: tf.Tensor, length: int) -> tf.Tensor:
    """Sequences whose length a graph does not know; other lengths are refused when it runs."""
    found = tf.shape(sequence)[1]
    message = [f"sequence: expected {length} bases each, as the model was made for, got ", found]
    with tf.control_dependencies(require(found == length, lambda: message)):
        # In XLA, which drops checks, this refuses them.
        letters = [4] if sequence.dtype.is_floating else []
        return tf.ensure_shape(tf.identity(sequence), [None, length, *letters])
