"""The layers of the model: from the occupancy of motifs to accessibility and expression."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cisreg.choices import ComputeDtype
from cisreg.occupancy import Implementation, occupancy
from cisreg.reference import UNKNOWN, site_occupancy_standard
from cisreg.spec import ModelSpec
from cisreg.spline import spline_basis

logger = logging.getLogger("cisreg.model")

Parameters = Mapping[str, tf.Tensor]


class Scan(NamedTuple):
    """What one scan of the sequences gives, float32.

    Attributes:
        either: [N, S, M]; its sum over S is the binding to either strand.
        by_strand: [N, 2, M], binding to each strand.
        weighted: [N, 2, M], expected occupancy summed with position weights, or None.
    """

    either: tf.Tensor
    by_strand: tf.Tensor
    weighted: tf.Tensor | None


def scan_motifs(
    spec: ModelSpec,
    parameters: Parameters,
    sequence: tf.Tensor,
    span: tf.Tensor | None,
    column_range: np.ndarray | tf.Tensor | None,
    compute_dtype: ComputeDtype,
    implementation: Implementation,
) -> Scan:
    """The binding of all motifs; `span` is from `between_ends`, the others are as in `predict`."""
    weigh_here = spec.positional and spec.fused
    bound, weighted = occupancy(
        sequence,
        parameters["log_kd"],
        parameters["log_concentration"],
        position_weight=_position_weight(spec, parameters) if weigh_here else None,
        column_range=column_range,
        span=span,
        reduction="expected" if spec.binding == "expected" else "log_unbound",
        padding=spec.padding,
        compute_dtype=compute_dtype,
        implementation=implementation,
    )
    if spec.binding == "expected":
        return Scan(bound, bound, weighted)
    either = -tf.math.expm1(tf.reduce_sum(bound, axis=1, keepdims=True))
    return Scan(either, -tf.math.expm1(bound), weighted)


def between_ends(spec: ModelSpec, sequence: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
    """The sequences to scan, and the span of bases that a site must overlap to count.

    Returns:
        (the sequences, with constant ends set to unknown if they are trimmed; int32 [N, 2], begin
        and end of the bases between the constant ends of each row, or None if all windows count).
    """
    if not spec.has_span:
        return sequence, None
    begin, end = _variable_part(spec, _known(sequence))
    span = tf.stack([begin, end], axis=1)
    if spec.constant_ends == "context":
        return sequence, span
    column = tf.range(tf.shape(sequence)[1])
    inside = (column >= begin[:, tf.newaxis]) & (column < end[:, tf.newaxis])
    if sequence.dtype.is_floating:
        return tf.where(inside[:, :, tf.newaxis], sequence, 0.0), span
    return tf.where(inside, sequence, tf.constant(UNKNOWN, sequence.dtype)), span


def _variable_part(spec: ModelSpec, known: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Begin and end of the bases between the constant ends of each row, int32 [N] both.

    At a side without constant bases the span extends to the end of the row, padding included.
    """
    length = tf.shape(known)[1]
    begin = tf.zeros_like(known[:, 0], tf.int32)
    end = begin + length
    if spec.constant_left:
        first = tf.argmax(known, axis=1, output_type=tf.int32)
        begin = tf.minimum(first + spec.constant_left, length)
    if spec.constant_right:
        behind = tf.argmax(known[:, ::-1], axis=1, output_type=tf.int32)
        end = tf.maximum(length - behind - spec.constant_right, 0)
    # In a sequence that is shorter than its constant ends the span is empty.
    return begin, tf.maximum(begin, end)


def _known(sequence: tf.Tensor) -> tf.Tensor:
    """1 where there is a base, 0 where it is unknown or padding, uint8 [N, L]."""
    if sequence.dtype.is_floating:
        return tf.cast(tf.reduce_any(sequence != 0.0, axis=2), tf.uint8)
    return tf.cast(sequence != UNKNOWN, tf.uint8)


def acting_binding(spec: ModelSpec, scan: Scan) -> tf.Tensor:
    """The binding that acts on expression where all chromatin is accessible, [N, S, M]."""
    if scan.weighted is not None:
        return scan.weighted
    return scan.by_strand if spec.stranded else scan.either


def accessibility_of(spec: ModelSpec, parameters: Parameters, scan: Scan) -> tf.Tensor | None:
    """Accessibility, [N]; None without the layer."""
    if not spec.potentiation:
        return None
    (signal,) = _sum_motifs(scan.either, parameters["potentiation"])
    return tf.sigmoid(parameters["potentiation_bias"] + signal)


def linear_layers(
    spec: ModelSpec, parameters: Parameters, scan: Scan
) -> tuple[tf.Tensor | None, tf.Tensor]:
    """Accessibility, and the effect on expression, of a model without limits, [N] both."""
    acting, activity = acting_binding(spec, scan), _activity(spec, parameters)
    if spec.potentiation and acting is scan.either:
        signal, effect = _sum_motifs(acting, parameters["potentiation"], activity)
        accessibility = tf.sigmoid(parameters["potentiation_bias"] + signal)
    else:
        accessibility = accessibility_of(spec, parameters, scan)
        (effect,) = _sum_motifs(acting, activity)
    return accessibility, per_sequence(accessibility, 1) * effect


def _sum_motifs(binding: tf.Tensor, *weights: tf.Tensor) -> list[tf.Tensor]:
    """Sums of weight * binding [N, S, M] over strands and motifs, [N] for each weight [(S,) M].

    One matrix product computes all sums, so that the large binding tensor is read once in the
    forward pass and its gradient is written once: memory traffic dominates the time.
    """
    strands, motifs = binding.shape[1:]
    rows = [tf.reshape(tf.broadcast_to(each, [strands, motifs]), [-1]) for each in weights]
    flat = tf.reshape(binding, [-1, strands * motifs])
    return tf.unstack(tf.matmul(tf.stack(rows), flat, transpose_b=True))


def _activity(spec: ModelSpec, parameters: Parameters) -> tf.Tensor:
    """[M], or [2, M] in a stranded model."""
    activity = tf.convert_to_tensor(parameters["activity"])
    if not spec.stranded:
        return activity
    return tf.stack([activity, activity + parameters["activity_difference"]])


def bound_before_limits(
    spec: ModelSpec,
    parameters: Parameters,
    sequence: tf.Tensor,
    counted: tf.Tensor | None,
    scan: Scan,
    accessibility: tf.Tensor | None,
    compute_dtype: ComputeDtype,
) -> tf.Tensor:
    """The binding that acts on expression, before limits of motifs, after those of sites.

    `counted`, bool [N, 2, P, M], says which sites count; None: all. Returns [N, S, M].
    """
    if not spec.positional:
        return per_sequence(accessibility, 3) * acting_binding(spec, scan)
    _say_standard()
    site = site_occupancy_standard(
        *(sequence, parameters["log_kd"], parameters["log_concentration"]),
        padding=spec.padding,
        compute_dtype=compute_dtype,
    )
    if counted is not None:
        site = tf.where(counted, site, 0.0)
    accessible = tf.minimum(per_sequence(accessibility, 4) * site, _limit(parameters))
    return tf.einsum("nspm,spm->nsm", accessible, _position_weight(spec, parameters))


def limited_contribution(spec: ModelSpec, parameters: Parameters, bound: tf.Tensor) -> tf.Tensor:
    """The contribution of each motif to expression in a model with binding limits, [N, M]."""
    contribution = tf.reduce_sum(bound * _activity(spec, parameters), axis=1)
    # Clipped to the sign of the activity: an activator never represses, even where position weights
    # or the activity of the other strand are negative.
    most = parameters["activity"] * _limit(parameters)
    contribution = tf.maximum(contribution, tf.minimum(most, 0.0))
    return tf.minimum(contribution, tf.maximum(most, 0.0))


def reported_binding(spec: ModelSpec, parameters: Parameters, bound: tf.Tensor) -> tf.Tensor | None:
    """The binding in `cisreg.model.Prediction`, from the binding before limits [N, S, M]."""
    if spec.positional:
        return None
    if spec.stranded:
        return bound
    either = tf.reduce_sum(bound, axis=1)
    return tf.minimum(either, _limit(parameters)) if spec.binding_limit else either


def _limit(parameters: Parameters) -> tf.Tensor:
    """The binding limit of each motif in bound molecules, [M]."""
    return tf.exp(parameters["log_binding_limit"])


def _position_weight(spec: ModelSpec, parameters: Parameters) -> tf.Tensor:
    """Position weights of both strands, [2, P, M]."""
    weight = tf.convert_to_tensor(parameters["position_weight"])
    if spec.position_knots is not None:
        weight = tf.matmul(spline_basis(spec.window_count, spec.position_knots), weight)
    return weight if spec.stranded else tf.repeat(weight, 2, axis=0)


def per_sequence(accessibility: tf.Tensor | None, rank: int) -> tf.Tensor | float:
    """Accessibility, reshaped to multiply a tensor [N, ...] of this rank; 1 without the layer."""
    if accessibility is None:
        return 1.0
    return tf.reshape(accessibility, [-1] + [1] * (rank - 1))


@functools.lru_cache(maxsize=1)
def _say_standard() -> None:
    """Warns once that the model cannot use the fused operation."""
    logger.warning(
        "binding limits with position weights need the occupancy of every single site: this model "
        "uses standard TensorFlow operations, which are slower and need memory for "
        "sequences * length * motifs"
    )
