"""The compiled parts of training: many optimizer steps per call, and prediction of batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from cisreg.choices import ComputeDtype
from cisreg.layers import of_outputs, scan_motifs
from cisreg.losses import Penalty, is_sum, penalty
from cisreg.model import ModelSpec, predict_from_scan
from cisreg.occupancy import Implementation
from cisreg.products import for_this_machine
from cisreg.training.batch import (
    Batch,
    BatchChunk,
    Batches,
    BatchShare,
    Resident,
    Rows,
    prepare_rows,
    take_batch,
)
from cisreg.training.linear import is_linear, linear_expression
from cisreg.training.replicas import Replicas
from cisreg.training.update import StepTable, StepUpdate
from cisreg.training.variables import read
from cisreg.training.vector import ParameterVector

Loss = Callable[..., tf.Tensor]

# Columns of what the compiled steps return, one row for each step.
_LOSS, _PENALTY, _COMPLAINT, _BEFORE = range(4)


class StepTotals(NamedTuple):
    """Totals of an epoch after some of its steps.

    Attributes:
        step: steps done in this epoch.
        loss: sum of the loss over the sequences so far, penalties excluded.
        penalty: sum of the penalty over the sequences so far.
        sequences: number of sequences so far.
        finite: whether every loss, gradient and trained parameter so far was finite, not counting
            gradients that a loss scale skips.
    """

    step: int = 0
    loss: float = 0.0
    penalty: float = 0.0
    sequences: int = 0
    finite: bool = True


@dataclass(frozen=True)
class Objective:
    """What training minimizes.

    Attributes:
        loss: (predicted [N] or [N, T], prepared [N], [N, K] or [N, T][, weight [N]]) to a scalar:
            the mean over the sequences, or their sum if `cisreg.losses.is_sum` says so.
        penalty: weights of the penalties, or None.
        initial: the parameters at the start of training, which a penalty may pull towards.
        column_range: int32 [2, M], columns outside of which motifs are held at zero, or None.
        measurements: K if each sequence has several measurements, else None.
        weighted: whether the sequences have weights.
        prepare: gives what the loss takes for what was measured, row by row.
        noise: whether the loss is a noise model, which takes all `parameters` as well.
    """

    loss: Loss
    penalty: Penalty | None
    initial: Mapping[str, tf.Tensor]
    column_range: np.ndarray | None
    measurements: int | None = None
    weighted: bool = False
    prepare: Callable[[tf.Tensor], tf.Tensor] = tf.identity
    noise: bool = False


class TrainSteps:
    """Runs steps of a stage; see `make_train_steps`.

    Attributes:
        compiled: (batches, begin, stop) to float32 [4 * steps + 1]: for each step the loss, the
            penalty, what the update complains of, and the sum of the trained parameters before the
            step; then that sum after the last step. A gradient that is not finite shows in the
            parameters, or in the complaint where a loss scale keeps it from them.
    """

    def __init__(self, compiled: Callable[..., tf.Tensor]) -> None:
        self.compiled = compiled

    def __call__(self, chunk: BatchChunk, totals: StepTotals, stop: int) -> StepTotals:
        """Runs the steps from `totals.step` up to `stop`, all within the chunk; the new totals."""
        begin, end = totals.step - chunk.first, stop - chunk.first
        # The only wait for the device. All steps have run then, also those behind one whose
        # numbers are not finite; what they left in the variables is of no use.
        numbers = self.compiled(
            chunk.batches, tf.constant(begin, tf.int32), tf.constant(end, tf.int32)
        ).numpy()
        table = numbers[:-1].reshape(-1, 4)
        parameters = np.append(table[1:, _BEFORE], numbers[-1])
        sound = np.isfinite(table[:, :_BEFORE]).all(axis=1) & np.isfinite(parameters)
        step, loss, penalized, sequences, _ = totals
        # Added up one by one, so that it does not matter how steps are divided among calls.
        steps = zip(table.tolist(), chunk.rows[begin:end].tolist(), sound.tolist(), strict=True)
        for row, rows, finite in steps:
            step, sequences = step + 1, sequences + rows
            loss, penalized = loss + rows * row[_LOSS], penalized + rows * row[_PENALTY]
            if not finite:
                return StepTotals(step, loss, penalized, sequences, False)
        return StepTotals(step, loss, penalized, sequences, totals.finite)


def make_train_steps(
    spec: ModelSpec,
    variables: Mapping[str, tf.Variable],
    vector: ParameterVector,
    update: StepUpdate,
    objective: Objective,
    *,
    implementation: Implementation,
    compute_dtype: ComputeDtype = "float32",
    replicas: Replicas,
    residents: Sequence[Resident] = (),
) -> TrainSteps:
    """Compiles the training steps of a stage.

    On a GPU nothing is copied between device and host within a call: the host counts steps and
    slices batches with int32, and reads what all steps found out at the end
    (docs/measurements/gpu.md).

    Args:
        spec: the model.
        variables: all parameters of the model by name. Each call reads their values and assigns the
            new ones.
        vector: the parameters that train.
        update: of the variable of the vector.
        objective: what training minimizes.
        implementation: of the occupancy operation, see `cisreg.occupancy`.
        compute_dtype: of the occupancy operation, see `cisreg.occupancy`.
        replicas: each batch is divided among them; their gradients are added up.
        residents: the sequences on the devices of this process; empty: the batches contain them.

    Returns:
        A function that runs steps. Its totals end at the first loss, gradient or updated parameter
        that is not finite, with `finite` false.
    """
    columns = None
    if objective.column_range is not None:
        with replicas.scope():
            columns = tf.Variable(_as_floats(objective.column_range), trainable=False)

    def compute_losses(trained: tf.Tensor, batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
        parameters = {**variables, **vector.split(trained)}
        with tf.name_scope("model"), for_this_machine():
            expression = _expression(
                *(spec, parameters, batch, _as_integers(columns)),
                compute_dtype,
                implementation,
            )
        with tf.name_scope("loss"):
            weight = (batch.weight,) if objective.weighted else ()
            numbers = {"parameters": parameters} if objective.noise else {}
            loss = objective.loss(expression, batch.expression, *weight, **numbers)
            loss = tf.cast(loss, tf.float32)
        if objective.penalty is None:
            return loss, tf.zeros_like(loss)
        with tf.name_scope("penalty"):
            return loss, penalty(parameters, objective.penalty, initial=objective.initial)

    def prepare(data: Batches, begin: tf.Tensor, stop: tf.Tensor) -> tuple[Rows, StepTable]:
        with tf.name_scope("batch"):
            rows = prepare_rows(data, begin, stop, spec, objective.prepare, replicas, residents)
        with tf.name_scope("optimizer"):
            return rows, update.table(stop - begin)

    def replica_step(
        data: Batches, rows: Rows, table: StepTable, begin: tf.Tensor, step: tf.Tensor
    ) -> tf.Tensor:
        with tf.name_scope("batch"):
            batch = take_batch(rows, data, step, spec, replicas)
        share = BatchShare(batch, is_sum(objective.loss), replicas)
        with tf.name_scope("check"):
            values = read(vector.variable)
            before = tf.reduce_sum(values)
            # Behind a step whose update was not finite, parameters that raise no errors.
            # tf.where would broadcast: 30 instead of 9 µs for 30,400 parameters on a CPU.
            trained = tf.raw_ops.Select(
                condition=tf.math.is_finite(before),
                x=values,
                y=tf.constant(0.0, shape=values.shape),
            )
        seed = tf.constant(1.0) if update.scale is None else update.scale.value()
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trained)
            loss, penalized = compute_losses(trained, batch)
        with for_this_machine():
            gradient = tape.gradient(
                *([loss, penalized], trained),
                output_gradients=[share.of_loss(seed), share.of_penalty(seed)],
                unconnected_gradients="zero",
            )
        with tf.name_scope("optimizer"):
            gradient = share.gradient_of_all(gradient)
            complaint = update.apply(gradient, table, step - begin)
        with tf.name_scope("totals"):
            return tf.stack([share.of_loss(loss), share.of_penalty(penalized), complaint, before])

    @tf.function(input_signature=_signature(spec, objective, replicas), autograph=False)
    def train_steps(data: Batches, begin: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
        vector.read()
        prepared = replicas.strategy.run(prepare, args=(data, begin, stop))

        def one_step(step: tf.Tensor, table: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            result = replicas.strategy.run(replica_step, args=(data, *prepared, begin, step))
            return step + 1, table.write(step - begin, replicas.local_sum(result))

        table = tf.TensorArray(tf.float32, stop - begin, element_shape=[_BEFORE + 1])
        _, table = tf.while_loop(
            lambda step, _: step < stop, one_step, (begin, table), parallel_iterations=1
        )
        vector.write()
        found = replicas.sum_over_workers(table.stack())
        last = tf.reduce_sum(vector.variable)
        return tf.concat([tf.reshape(found, [-1]), last[tf.newaxis]], axis=0)

    # A concrete function is never retraced.
    return TrainSteps(train_steps.get_concrete_function())


def _expression(
    spec: ModelSpec,
    parameters: Mapping[str, tf.Tensor],
    batch: Batch,
    column_range: tf.Tensor | None,
    compute_dtype: ComputeDtype,
    implementation: Implementation,
) -> tf.Tensor:
    scan = scan_motifs(
        *(spec, parameters, batch.sequence, batch.span),
        *(column_range, compute_dtype, implementation),
    )
    if is_linear(spec):
        expression = [linear_expression(*each) for each in of_outputs(spec, parameters, scan)]
        return expression[0] if spec.output_count == 1 else tf.stack(expression, axis=1)
    return predict_from_scan(
        *(spec, parameters, batch.sequence, batch.span, column_range, compute_dtype, scan)
    ).expression


def _as_floats(integers: np.ndarray) -> np.ndarray:
    """The same bits as float32.

    TensorFlow keeps float32 on the device, and not on the host as int32, and a strategy can send it
    to other workers, which it cannot do with bytes.
    """
    return np.ascontiguousarray(integers, np.int32).view(np.float32)


def _as_integers(columns: tf.Variable | None) -> tf.Tensor | None:
    """What `_as_floats` was made of, on the device."""
    return None if columns is None else tf.bitcast(read(columns), tf.int32)


def _signature(spec: ModelSpec, objective: Objective, replicas: Replicas) -> list[Any]:
    def vector(dtype: tf.DType) -> tf.TensorSpec:
        return tf.TensorSpec([None], dtype)

    several = [] if objective.measurements is None else [objective.measurements]
    data = Batches(
        sequence=tf.TensorSpec([None, spec.sequence_length], tf.uint8),
        expression=tf.TensorSpec([None, *several], tf.float32),
        weight=vector(tf.float32),
        order=vector(tf.int64),
        start=vector(tf.int32),
        share=tf.TensorSpec([None, replicas.local], tf.float32),
    )
    step = tf.TensorSpec([], tf.int32)
    return [data, step, step]
