"""The layers of the model: from the occupancy of motifs to accessibility and expression."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from cisreg.choices import ComputeDtype
from cisreg.competition import exclusive_occupancies
from cisreg.occupancy import Implementation, occupancy
from cisreg.occupancy_checks import UNKNOWN
from cisreg.pair_layer import pair_score
from cisreg.products import matrix_product
from cisreg.reference import bound_probability, site_occupancy_standard
from cisreg.spec import NUCLEOSOME_WIDTH, ModelSpec, scanned_weights
from cisreg.spline import spline_basis

logger = logging.getLogger("cisreg.model")

Parameters = Mapping[str, tf.Tensor]


class Scan(NamedTuple):
    """What one scan of the sequences gives, float32.

    Where the concentrations of T outputs differ, all have an axis of T behind N, see `of_outputs`.

    Attributes:
        either: [N, S, M]; its sum over S is the binding to either strand.
        by_strand: [N, 2, M], binding to each strand.
        weighted: [N, 2, M], expected occupancy summed with position weights, or None.
        opening: [N, S, M], binding that acts on accessibility, with its own position weights if
            the model has them.
        paired: [N], what pairs of factors add to the score where all chromatin is accessible; None
            without pairs.
    """

    either: tf.Tensor
    by_strand: tf.Tensor
    weighted: tf.Tensor | None
    opening: tf.Tensor
    paired: tf.Tensor | None = None


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
    names = scanned_weights(spec)
    options: dict[str, Any] = {
        "position_weights": [_position_weight(spec, parameters, name) for name in names],
        "column_range": column_range,
        "span": span,
        "padding": spec.padding,
        "compute_dtype": compute_dtype,
        "implementation": implementation,
    }
    arguments = (sequence, parameters["log_kd"], parameters["log_concentration"])
    if spec.nucleosome:
        options["competitor_width"] = tf.constant([NUCLEOSOME_WIDTH])
        options["competitor_log_odds"] = tf.expand_dims(parameters["nucleosome_log_odds"], 0)
    if spec.competition:
        bound, sums = exclusive_occupancies(*arguments, **options)
    else:
        reduction = "expected" if spec.binding == "expected" else "log_unbound"
        bound, sums = _occupancies(*arguments, **options, reduction=reduction)
    weighted = dict(zip(names, sums, strict=True))
    acting = weighted.get("position_weight")
    either = by_strand = bound
    if spec.binding == "probability":
        either = bound_probability(tf.reduce_sum(bound, axis=-2, keepdims=True))
        by_strand = bound_probability(bound)
    opening = weighted.get("potentiation_position_weight", either)
    if not spec.pairs:
        return Scan(either, by_strand, acting, opening)
    paired = pair_score(
        *(spec, parameters, sequence, span, column_range, compute_dtype, implementation)
    )
    return Scan(either, by_strand, acting, opening, paired)


def _occupancies(
    *arguments: tf.Tensor, position_weights: Sequence[tf.Tensor], **options: Any
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """One scan with any number of sets of position weights: bound, and weighted by each set."""
    if not position_weights:
        return occupancy(*arguments, **options).bound, []
    if len(position_weights) == 1:
        bound, weighted = occupancy(*arguments, position_weight=position_weights[0], **options)
        return bound, [weighted]
    bound, weighted = occupancy(*arguments, position_weight=tf.stack(position_weights), **options)
    return bound, tf.unstack(weighted, axis=-3)


def of_outputs(
    spec: ModelSpec, parameters: Parameters, scan: Scan
) -> list[tuple[ModelSpec, Parameters, Scan]]:
    """The spec, parameters and scan of each output, as of a model of that output alone."""
    if spec.output_count == 1:
        return [(spec, parameters, scan)]
    own = {name: tf.unstack(tf.convert_to_tensor(parameters[name])) for name in spec.differ}
    scans = [scan] * spec.output_count
    if "log_concentration" in spec.differ:
        # Fields that are one tensor stay one, so that it is multiplied once.
        apart = {id(each): tf.unstack(each, axis=1) for each in scan if each is not None}
        nothing: list[tf.Tensor | None] = [None] * spec.output_count
        of_fields = [nothing if each is None else apart[id(each)] for each in scan]
        scans = [Scan(*each) for each in zip(*of_fields, strict=True)]
    return [
        (
            spec.one_output,
            {**parameters, **{name: own[name][output] for name in own}},
            scans[output],
        )
        for output in range(spec.output_count)
    ]


def between_ends(spec: ModelSpec, sequence: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
    """The sequences to scan, and the span of bases that a site must overlap to count.

    Returns:
        (the sequences, with constant ends set to unknown if they are trimmed; int32 [N, 2], begin
        and end of the bases between the constant ends of each row, or None if all windows count).
    """
    if not spec.has_span:
        return sequence, None
    begin, end = _variable_part(spec, _known(sequence))
    span = tf.cast(tf.stack([begin, end], axis=1), tf.int32)
    if spec.constant_ends == "context":
        return sequence, span
    # Counted where the sequences are: a range, and what it begins with, would come from the host.
    column = tf.constant(np.arange(spec.sequence_length), tf.int64)
    inside = (column >= begin[:, tf.newaxis]) & (column < end[:, tf.newaxis])
    if sequence.dtype.is_floating:
        return tf.where(inside[:, :, tf.newaxis], sequence, 0.0), span
    return tf.where(inside, sequence, tf.constant(UNKNOWN, sequence.dtype)), span


def _variable_part(spec: ModelSpec, known: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Begin and end of the bases between the constant ends of each row, int64 [N] both.

    Not int32, which TensorFlow computes on the host, wherever the sequences are. At a side without
    constant bases the span extends to the end of the row, padding included.
    """
    length = tf.constant(spec.sequence_length, tf.int64)
    begin = tf.zeros_like(known[:, 0], tf.int64)
    end = begin + length
    if spec.constant_left:
        first = tf.argmax(known, axis=1)
        begin = tf.minimum(first + spec.constant_left, length)
    if spec.constant_right:
        behind = tf.argmax(known[:, ::-1], axis=1)
        end = tf.maximum(length - behind - spec.constant_right, 0)
    # In a sequence that is shorter than its constant ends the span is empty.
    return begin, tf.maximum(begin, end)


def _known(sequence: tf.Tensor) -> tf.Tensor:
    """1 where there is a base, 0 where it is unknown or padding, float32 [N, L].

    Not integers: TFLite and ONNX Runtime have few operations on uint8, and TensorFlow's kernels for
    GPUs find no largest integer.
    """
    if sequence.dtype.is_floating:
        return tf.cast(tf.reduce_any(tf.not_equal(sequence, 0.0), axis=2), tf.float32)
    return tf.cast(tf.not_equal(tf.cast(sequence, tf.float32), float(UNKNOWN)), tf.float32)


def acting_binding(spec: ModelSpec, scan: Scan) -> tf.Tensor:
    """The binding that acts on expression where all chromatin is accessible, [N, S, M]."""
    if scan.weighted is not None:
        return scan.weighted
    return scan.by_strand if spec.stranded else scan.either


def accessibility_of(spec: ModelSpec, parameters: Parameters, scan: Scan) -> tf.Tensor | None:
    """Accessibility, [N]; None without the layer."""
    if not spec.potentiation:
        return None
    (signal,) = _sum_motifs(scan.opening, parameters["potentiation"])
    return tf.sigmoid(parameters["potentiation_bias"] + signal)


def linear_layers(
    spec: ModelSpec, parameters: Parameters, scan: Scan
) -> tuple[tf.Tensor | None, tf.Tensor]:
    """Accessibility, and the effect on expression, of a model without limits, [N] both."""
    signal, effect = linear_sums(spec, parameters, scan)
    accessibility = None
    if signal is not None:
        accessibility = tf.sigmoid(parameters["potentiation_bias"] + signal)
    return accessibility, per_sequence(accessibility, 1) * effect


# Rows [k, C] times the transposed [N, C]: [k, N].
Product = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def rows_product(rows: tf.Tensor, flat: tf.Tensor) -> tf.Tensor:
    """The product of rows [k, C] and the transposed [N, C]."""
    return matrix_product(rows, flat, transpose_b=True)


def linear_sums(
    spec: ModelSpec, parameters: Parameters, scan: Scan, product: Product = rows_product
) -> tuple[tf.Tensor | None, tf.Tensor]:
    """Sums over motifs in a model without limits, [N] both.

    `product` multiplies; training has one with a gradient of its own.

    Returns:
        (the sum that opens chromatin, None without that layer; the effect on expression where all
        chromatin is accessible, that of pairs included).
    """
    acting, activity = acting_binding(spec, scan), _activity(spec, parameters)
    signal = None
    if spec.potentiation and acting is scan.opening:
        signal, effect = _sum_motifs(acting, parameters["potentiation"], activity, product=product)
    else:
        if spec.potentiation:
            (signal,) = _sum_motifs(scan.opening, parameters["potentiation"], product=product)
        (effect,) = _sum_motifs(acting, activity, product=product)
    return signal, effect if scan.paired is None else effect + scan.paired


def _sum_motifs(
    binding: tf.Tensor, *weights: tf.Tensor, product: Product = rows_product
) -> list[tf.Tensor]:
    """Sums of weight * binding [N, S, M] over strands and motifs, [N] for each weight [(S,) M].

    One matrix product computes all sums, so that the large binding tensor is read once in the
    forward pass and its gradient is written once: memory traffic dominates the time.
    """
    strands, motifs = binding.shape[1:]
    flat = tf.reshape(binding, [-1, strands * motifs])
    return tf.unstack(product(_rows(weights, strands), flat))


def _rows(weights: Sequence[tf.Tensor], strands: int) -> tf.Tensor:
    """One row [S * M] for each weight [M] or [S, M]."""
    weights = [tf.convert_to_tensor(each) for each in weights]
    motifs = weights[0].shape[-1]
    if all(each.shape.rank == 1 for each in weights):
        # All rows together: fewer operations.
        rows = tf.broadcast_to(
            tf.expand_dims(tf.stack(weights), 1), [len(weights), strands, motifs]
        )
        return tf.reshape(rows, [len(weights), -1])
    return tf.stack(
        [tf.reshape(tf.broadcast_to(each, [strands, motifs]), [-1]) for each in weights]
    )


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
    weight = _position_weight(spec, parameters, "position_weight")
    return tf.reduce_sum(accessible * weight, axis=2)


def limited_contribution(spec: ModelSpec, parameters: Parameters, bound: tf.Tensor) -> tf.Tensor:
    """The contribution of each motif to expression in a model with binding limits, [N, M]."""
    # TensorFlow would multiply accessibility by activity first in some graphs and not in others, so
    # that their bits differed; across this operation it changes no order.
    bound = tf.ensure_shape(bound, bound.shape)
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


def _position_weight(spec: ModelSpec, parameters: Parameters, name: str) -> tf.Tensor:
    """Position weights of both strands, [2, P, M], of the parameter with this name."""
    weight = tf.convert_to_tensor(parameters[name])
    if spec.position_knots is not None:
        basis = tf.constant(spline_basis(spec.window_count, spec.position_knots))
        weight = matrix_product(basis, weight)
    return weight if spec.stranded else tf.repeat(weight, 2, axis=0)


def linked(spec: ModelSpec, parameters: Parameters, score: tf.Tensor) -> tf.Tensor:
    """Expression from the score, [N] both; `cisreg.links` has the same in NumPy."""
    if spec.link == "identity":
        return score
    if spec.link == "logistic":
        floor, ceiling = parameters["link_floor"], parameters["link_ceiling"]
        return floor + (ceiling - floor) * tf.sigmoid(score)
    above_zero = tf.math.softplus if spec.link == "softplus" else tf.exp
    return parameters["link_scale"] * above_zero(score)


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
