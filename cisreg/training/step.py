"""The compiled parts of training: many optimizer steps per call, and prediction of batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from cisreg.losses import Penalty, penalty
from cisreg.model import ModelSpec, predict
from cisreg.occupancy import Implementation

# Bounds the memory of prediction whatever the batch size of training.
_PREDICTION_BATCH = 1024

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class EpochData(NamedTuple):
    """What the steps of an epoch read, as tensors so that nothing is traced again.

    Attributes:
        sequence: uint8 [N, L].
        expression: float32 [N].
        order: int64 [N], the rows in the order of this epoch.
    """

    sequence: tf.Tensor
    expression: tf.Tensor
    order: tf.Tensor


class StepTotals(NamedTuple):
    """Where an epoch stands after some of its steps.

    Attributes:
        step: int64, steps done in this epoch.
        loss: float64, sum of the loss over the sequences so far, penalties excluded.
        penalty: float64, sum of the penalty over the sequences so far.
        finite: bool, whether every loss, gradient and trained parameter so far was finite.
    """

    step: tf.Tensor
    loss: tf.Tensor
    penalty: tf.Tensor
    finite: tf.Tensor


@dataclass(frozen=True)
class Objective:
    """What training minimizes.

    Attributes:
        loss: (predicted [N], measured [N]) to a scalar, the mean over the sequences.
        penalty: weights of the penalties, or None.
        initial: the parameters that training began with, which a penalty may pull towards.
        column_range: int32 [2, M], columns outside of which motifs are held at zero, or None.
    """

    loss: Loss
    penalty: Penalty | None
    initial: Mapping[str, tf.Tensor]
    column_range: np.ndarray | None


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Steps in an epoch over `count` sequences in batches of at most `batch_size`."""
    return -(-count // batch_size)


def make_train_steps(
    spec: ModelSpec,
    variables: Mapping[str, tf.Variable],
    trainable: Sequence[str],
    optimizer: keras.optimizers.Optimizer,
    objective: Objective,
    implementation: Implementation,
) -> Callable[[EpochData, StepTotals, tf.Tensor, tf.Tensor], StepTotals]:
    """Compiles the training steps of a stage.

    Returns:
        A function of (data, totals, stop, steps) that runs the steps from `totals.step` up to
        `stop` (int64) of an epoch of `steps` (int64) and returns the new totals. Batch k holds the
        rows order[k * N // steps : (k + 1) * N // steps]. It ends early, `finite` false, at the
        first loss, gradient or updated parameter that is not finite.
    """
    trained = [variables[name] for name in trainable]

    def one_step(data: EpochData, totals: StepTotals, steps: tf.Tensor) -> StepTotals:
        count = tf.size(data.order, out_type=tf.int64)
        first, last = totals.step * count // steps, (totals.step + 1) * count // steps
        rows = data.order[first:last]
        measured = tf.gather(data.expression, rows)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trained)
            prediction = predict(
                spec,
                variables,
                tf.gather(data.sequence, rows),
                column_range=objective.column_range,
                implementation=implementation,
            )
            loss = objective.loss(prediction.expression, measured)
            penalized = tf.zeros_like(loss)
            if objective.penalty is not None:
                penalized = penalty(variables, objective.penalty, initial=objective.initial)
            total = loss + penalized
        gradients = tape.gradient(total, trained, unconnected_gradients="zero")
        finite = tf.math.is_finite(total) & tf.math.is_finite(tf.linalg.global_norm(gradients))
        optimizer.apply_gradients(zip(gradients, trained, strict=True))
        # A finite gradient may still carry a parameter past the largest float32.
        for variable in trained:
            finite &= tf.reduce_all(tf.math.is_finite(variable))
        weight = tf.cast(last - first, tf.float64)
        return StepTotals(
            totals.step + 1,
            totals.loss + weight * tf.cast(loss, tf.float64),
            totals.penalty + weight * tf.cast(penalized, tf.float64),
            finite,
        )

    @tf.function(input_signature=_signature(spec), autograph=False)
    def train_steps(
        data: EpochData, totals: StepTotals, stop: tf.Tensor, steps: tf.Tensor
    ) -> StepTotals:
        (result,) = tf.while_loop(
            lambda now: (now.step < stop) & now.finite,
            lambda now: (one_step(data, now, steps),),
            (totals,),
            parallel_iterations=1,
        )
        return result

    # A concrete function cannot be traced again, whatever it is called with.
    return train_steps.get_concrete_function()


def _signature(spec: ModelSpec) -> list[Any]:
    def scalar(dtype: tf.DType) -> tf.TensorSpec:
        return tf.TensorSpec([], dtype)

    data = EpochData(
        tf.TensorSpec([None, spec.sequence_length], tf.uint8),
        tf.TensorSpec([None], tf.float32),
        tf.TensorSpec([None], tf.int64),
    )
    totals = StepTotals(scalar(tf.int64), scalar(tf.float64), scalar(tf.float64), scalar(tf.bool))
    return [data, totals, scalar(tf.int64), scalar(tf.int64)]


class BatchPrediction(NamedTuple):
    """Predictions of any number of sequences, as NumPy arrays.

    Attributes:
        expression: float32 [N].
        accessibility: float32 [N], or None where the model has no such layer.
    """

    expression: np.ndarray
    accessibility: np.ndarray | None


def make_predict_batches(
    spec: ModelSpec, parameters: Mapping[str, tf.Tensor], implementation: Implementation
) -> Callable[[np.ndarray], BatchPrediction]:
    """Compiles prediction in batches of bounded memory.

    Args:
        spec: the model.
        parameters: tensors, or variables whose values at each call count.
        implementation: as `cisreg.occupancy`.

    Returns:
        A function of uint8 [N, L] codes.
    """

    @tf.function(
        input_signature=[tf.TensorSpec([None, spec.sequence_length], tf.uint8)], autograph=False
    )
    def predict_batch(sequence: tf.Tensor) -> list[tf.Tensor]:
        prediction = predict(spec, parameters, sequence, implementation=implementation)
        outputs = (prediction.expression, prediction.accessibility)
        return [output for output in outputs if output is not None]

    compiled = predict_batch.get_concrete_function()

    def predict_batches(sequence: np.ndarray) -> BatchPrediction:
        starts = range(0, max(len(sequence), 1), _PREDICTION_BATCH)
        batches = [
            compiled(tf.constant(sequence[start : start + _PREDICTION_BATCH])) for start in starts
        ]
        expression = np.concatenate([batch[0].numpy() for batch in batches])
        if not spec.potentiation:
            return BatchPrediction(expression, None)
        return BatchPrediction(expression, np.concatenate([batch[1].numpy() for batch in batches]))

    return predict_batches
