"""The compiled parts of training: many optimizer steps per call, and prediction of batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from cisreg.losses import Penalty, penalty
from cisreg.model import ModelSpec, predict
from cisreg.occupancy import Implementation
from cisreg.reference import ComputeDtype
from cisreg.training.precision import gradient_is_sound
from cisreg.training.vector import ParameterVector

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
        finite: bool, whether every loss, gradient and trained parameter so far was finite, but for
            gradients that a loss scale skips.
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
    vector: ParameterVector,
    optimizer: keras.optimizers.Optimizer,
    objective: Objective,
    *,
    implementation: Implementation,
    compute_dtype: ComputeDtype = "float32",
) -> Callable[[EpochData, StepTotals, tf.Tensor, tf.Tensor], StepTotals]:
    """Compiles the training steps of a stage.

    Args:
        spec: the model.
        variables: all of its parameters by name. Each call begins at their values and leaves the
            new ones there.
        vector: those that train.
        optimizer: built for the vector's variable alone.
        objective: what is minimized.
        implementation: of the occupancy operation, see `cisreg.occupancy`.
        compute_dtype: of the occupancy operation, see `cisreg.occupancy`.

    Returns:
        A function of (data, totals, stop, steps) that runs the steps from `totals.step` up to
        `stop` (int64) of an epoch of `steps` (int64) and returns the new totals. Batch k holds the
        rows order[k * N // steps : (k + 1) * N // steps]. It ends early, `finite` false, at the
        first loss, gradient or updated parameter that is not finite.
    """

    def batch(data: EpochData, step: tf.Tensor, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        count = tf.size(data.order, out_type=tf.int64)
        rows = data.order[step * count // steps : (step + 1) * count // steps]
        return tf.gather(data.sequence, rows), tf.gather(data.expression, rows)

    def losses(
        trained: tf.Tensor, sequence: tf.Tensor, measured: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        parameters = {**variables, **vector.split(trained)}
        with tf.name_scope("model"):
            prediction = predict(
                spec,
                parameters,
                sequence,
                column_range=objective.column_range,
                compute_dtype=compute_dtype,
                implementation=implementation,
            )
        with tf.name_scope("loss"):
            loss = objective.loss(prediction.expression, measured)
        if objective.penalty is None:
            return loss, tf.zeros_like(loss)
        with tf.name_scope("penalty"):
            return loss, penalty(parameters, objective.penalty, initial=objective.initial)

    def one_step(data: EpochData, totals: StepTotals, steps: tf.Tensor) -> StepTotals:
        with tf.name_scope("batch"):
            sequence, measured = batch(data, totals.step, steps)
        trained = tf.convert_to_tensor(vector.variable)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trained)
            loss, penalized = losses(trained, sequence, measured)
            total = loss + penalized
            scaled = optimizer.scale_loss(total)
        gradient = tape.gradient(scaled, trained, unconnected_gradients="zero")
        with tf.name_scope("check"):
            sound = gradient_is_sound(optimizer, tf.math.is_finite(tf.nn.l2_loss(gradient)))
        with tf.name_scope("optimizer"):
            optimizer.apply_gradients([(gradient, vector.variable)])
        with tf.name_scope("check"):
            # A finite gradient may still carry a parameter past the largest float32. A sum is
            # finite only if all of its terms are.
            finite = sound & tf.math.is_finite(total + tf.reduce_sum(vector.variable))
        with tf.name_scope("totals"):
            weight = tf.cast(tf.size(measured), tf.float64)
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
        vector.read()
        (result,) = tf.while_loop(
            lambda now: (now.step < stop) & now.finite,
            lambda now: (one_step(data, now, steps),),
            (totals,),
            parallel_iterations=1,
        )
        vector.write()
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
