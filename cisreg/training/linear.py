"""Expression of models without limits, with a gradient of few operations."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from cisreg.layers import Parameters, Scan, linear_sums, linked, rows_product
from cisreg.products import matrix_product
from cisreg.spec import ModelSpec


def is_linear(spec: ModelSpec) -> bool:
    """Whether `linear_expression` computes the expression of this model.

    Example:
        >>> is_linear(ModelSpec(motif_count=2, motif_width=3, sequence_length=10))
        True
    """
    return not (spec.binding_limit or spec.accessibility_activity)


def linear_expression(spec: ModelSpec, parameters: Parameters, scan: Scan) -> tf.Tensor:
    """Expression as `cisreg.model.predict` computes it, [N].

    The number of sequences is not known when the graph is made. For each broadcast scalar,
    TensorFlow's own gradient therefore finds out from shapes over which axes to add up, and adds
    up twice. Here it is written out: a fifth of the operations.
    """
    signal, effect = linear_sums(spec, parameters, scan, _rows_product)
    if signal is None:
        score = _with_bias(parameters["bias"], effect)
    else:
        bias, opening = parameters["bias"], parameters["potentiation_bias"]
        score = _regulated(bias, opening, signal, effect)
    if spec.link == "logistic":
        return _logistic(parameters["link_floor"], parameters["link_ceiling"], score)
    return linked(spec, parameters, score)


@tf.custom_gradient
def _rows_product(
    rows: tf.Tensor, flat: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return matrix_product(upstream, flat), matrix_product(upstream, rows, transpose_a=True)

    return rows_product(rows, flat), gradient


@tf.custom_gradient
def _with_bias(
    bias: tf.Tensor, effect: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return tf.reduce_sum(upstream), upstream

    return bias + effect, gradient


@tf.custom_gradient
def _regulated(
    bias: tf.Tensor, potentiation_bias: tf.Tensor, signal: tf.Tensor, effect: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
    accessibility = tf.sigmoid(potentiation_bias + signal)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        of_signal = tf.raw_ops.SigmoidGrad(y=accessibility, dy=upstream * effect)
        of_effect = upstream * accessibility
        return tf.reduce_sum(upstream), tf.reduce_sum(of_signal), of_signal, of_effect

    return bias + accessibility * effect, gradient


@tf.custom_gradient
def _logistic(
    floor: tf.Tensor, ceiling: tf.Tensor, score: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
    """As `cisreg.layers.linked` computes it."""
    share, span = tf.sigmoid(score), ceiling - floor

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        of_ceiling = tf.reduce_sum(upstream * share)
        of_score = span * tf.raw_ops.SigmoidGrad(y=share, dy=upstream)
        return tf.reduce_sum(upstream) - of_ceiling, of_ceiling, of_score

    return floor + span * share, gradient
