"""The compiled parts of training: many optimizer steps per call, and prediction of batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from cisreg.choices import ComputeDtype
from cisreg.losses import Penalty, is_sum, penalty
from cisreg.model import ModelSpec, predict
from cisreg.occupancy import Implementation
from cisreg.training.batch import Batch, Batches, BatchShare, Resident, take_batch
from cisreg.training.precision import gradient_is_sound
from cisreg.training.replicas import Replicas
from cisreg.training.vector import ParameterVector

Loss = Callable[..., tf.Tensor]


class StepTotals(NamedTuple):
    """Totals of an epoch after some of its steps.

    Attributes:
        step: int64, steps done in this epoch.
        loss: float64, sum of the loss over the sequences so far, penalties excluded.
        penalty: float64, sum of the penalty over the sequences so far.
        sequences: int64, number of sequences so far.
        finite: bool, whether every loss, gradient and trained parameter so far was finite, not
            counting gradients that a loss scale skips.
    """

    step: tf.Tensor
    loss: tf.Tensor
    penalty: tf.Tensor
    sequences: tf.Tensor
    finite: tf.Tensor


@dataclass(frozen=True)
class Objective:
    """What training minimizes.

    Attributes:
        loss: (predicted [N], measured [N] or [N, K][, weight [N]]) to a scalar: the mean over the
            sequences, or their sum if `cisreg.losses.is_sum` says so.
        penalty: weights of the penalties, or None.
        initial: the parameters at the start of training, which a penalty may pull towards.
        column_range: int32 [2, M], columns outside of which motifs are held at zero, or None.
        measurements: K if each sequence has several measurements, else None.
        weighted: whether the sequences have weights.
    """

    loss: Loss
    penalty: Penalty | None
    initial: Mapping[str, tf.Tensor]
    column_range: np.ndarray | None
    measurements: int | None = None
    weighted: bool = False


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
    replicas: Replicas,
    residents: Sequence[Resident] = (),
) -> Callable[[Batches, StepTotals, tf.Tensor], StepTotals]:
    """Compiles the training steps of a stage.

    Args:
        spec: the model.
        variables: all parameters of the model by name. Each call reads their values and assigns the
            new ones.
        vector: the parameters that train.
        optimizer: built for the variable of the vector only.
        objective: what training minimizes.
        implementation: of the occupancy operation, see `cisreg.occupancy`.
        compute_dtype: of the occupancy operation, see `cisreg.occupancy`.
        replicas: each batch is divided among them; their gradients are added up.
        residents: the sequences on the devices of this process; empty: the batches contain them.

    Returns:
        A function of (batches, totals, stop) that runs the steps from `totals.step` up to `stop`
        (int64), all of them within the batches, and returns the new totals. At the first loss,
        gradient or updated parameter that is not finite it ends early, with `finite` false. With
        several replicas it checks only the parameters, which are the same in all replicas.
    """

    def compute_losses(trained: tf.Tensor, batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
        parameters = {**variables, **vector.split(trained)}
        with tf.name_scope("model"):
            prediction = predict(
                spec,
                parameters,
                batch.sequence,
                column_range=objective.column_range,
                compute_dtype=compute_dtype,
                implementation=implementation,
            )
        with tf.name_scope("loss"):
            weight = (batch.weight,) if objective.weighted else ()
            loss = objective.loss(prediction.expression, batch.expression, *weight)
        if objective.penalty is None:
            return loss, tf.zeros_like(loss)
        with tf.name_scope("penalty"):
            return loss, penalty(parameters, objective.penalty, initial=objective.initial)

    def replica_step(data: Batches, step: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.name_scope("batch"):
            batch = take_batch(data, step - data.first, replicas, residents)
        share = BatchShare(batch, is_sum(objective.loss), replicas)
        trained = tf.convert_to_tensor(vector.variable)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trained)
            loss, penalized = compute_losses(trained, batch)
            total = share.of_loss(loss) + share.of_penalty(penalized)
            scaled = optimizer.scale_loss(total)
        gradient = tape.gradient(scaled, trained, unconnected_gradients="zero")
        with tf.name_scope("check"):
            sound = gradient_is_sound(optimizer, tf.math.is_finite(tf.nn.l2_loss(gradient)))
        with tf.name_scope("optimizer"):
            gradient = share.before_optimizer(gradient, optimizer)
            optimizer.apply_gradients([(gradient, vector.variable)])
        with tf.name_scope("check"):
            # A finite gradient may still make a parameter overflow. The sum of all parameters is
            # finite only if each one is.
            finite = tf.math.is_finite(tf.reduce_sum(vector.variable))
            if replicas.count == 1:
                finite &= sound & tf.math.is_finite(total)
        with tf.name_scope("totals"):
            return *share.sums(loss, penalized), batch.rows, finite

    def one_step(data: Batches, totals: StepTotals) -> StepTotals:
        results = replicas.strategy.run(replica_step, args=(data, totals.step))
        loss, penalized, rows = map(replicas.local_sum, results[:3])
        return StepTotals(
            totals.step + 1,
            totals.loss + loss,
            totals.penalty + penalized,
            totals.sequences + rows,
            replicas.strategy.experimental_local_results(results[3])[0],
        )

    @tf.function(input_signature=_signature(spec, objective), autograph=False)
    def train_steps(data: Batches, totals: StepTotals, stop: tf.Tensor) -> StepTotals:
        vector.read()
        (result,) = tf.while_loop(
            lambda now: (now.step < stop) & now.finite,
            lambda now: (one_step(data, now),),
            (_begin(totals, replicas),),
            parallel_iterations=1,
        )
        vector.write()
        return _end(totals, result, replicas)

    # A concrete function is never retraced.
    return train_steps.get_concrete_function()


def _begin(totals: StepTotals, replicas: Replicas) -> StepTotals:
    """The totals that a worker adds to; totals of earlier calls are added once, in `_end`."""
    if replicas.workers == 1:
        return totals
    nothing = tf.zeros([], tf.float64)
    return totals._replace(loss=nothing, penalty=nothing, sequences=tf.zeros([], tf.int64))


def _end(before: StepTotals, own: StepTotals, replicas: Replicas) -> StepTotals:
    """The totals of all workers."""
    if replicas.workers == 1:
        return own
    rows = tf.cast(own.sequences, tf.float64)
    added = replicas.sum_over_workers(tf.stack([own.loss, own.penalty, rows]))
    return StepTotals(
        own.step,
        before.loss + added[0],
        before.penalty + added[1],
        before.sequences + tf.cast(added[2], tf.int64),
        own.finite,
    )


def _signature(spec: ModelSpec, objective: Objective) -> list[Any]:
    def scalar(dtype: tf.DType) -> tf.TensorSpec:
        return tf.TensorSpec([], dtype)

    def vector(dtype: tf.DType) -> tf.TensorSpec:
        return tf.TensorSpec([None], dtype)

    several = [] if objective.measurements is None else [objective.measurements]
    data = Batches(
        sequence=tf.TensorSpec([None, spec.sequence_length], tf.uint8),
        expression=tf.TensorSpec([None, *several], tf.float32),
        weight=vector(tf.float32),
        order=vector(tf.int64),
        start=vector(tf.int64),
        size=vector(tf.int64),
        first=scalar(tf.int64),
    )
    totals = StepTotals(
        step=scalar(tf.int64),
        loss=scalar(tf.float64),
        penalty=scalar(tf.float64),
        sequences=scalar(tf.int64),
        finite=scalar(tf.bool),
    )
    return [data, totals, scalar(tf.int64)]
