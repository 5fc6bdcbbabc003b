"""A replica's part of a batch, and its share of loss and gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from cisreg.data import Dataset
from cisreg.data.feeding.feed import Chunk
from cisreg.training.replicas import Replicas


class Batches(NamedTuple):
    """A `cisreg.data.feeding.feed.Chunk` of batches as tensors, so that nothing is retraced.

    Attributes:
        sequence: uint8 [n, L].
        expression: float32 [n] or [n, K].
        weight: float32 [n], or empty.
        order: int64 [n], or empty.
        start: int64 [steps + 1], first row of each batch of this worker, and the end of the last.
        size: int64 [steps], rows of each batch, summed over all workers.
        first: int64, the step within the epoch of the first batch.
    """

    sequence: tf.Tensor
    expression: tf.Tensor
    weight: tf.Tensor
    order: tf.Tensor
    start: tf.Tensor
    size: tf.Tensor
    first: tf.Tensor


class Resident(NamedTuple):
    """The data set as variables; every device has a copy.

    Attributes:
        sequence: uint8 [N, L].
        expression: float32 [N] or [N, K].
        weight: float32 [N], or empty.
    """

    sequence: tf.Variable
    expression: tf.Variable
    weight: tf.Variable


def as_batches(chunk: Chunk, replicas: Replicas) -> Batches:
    """A worker's chunk as tensors, with the sizes of its batches over all workers.

    Raises:
        ValueError: a batch has no usable row.
    """
    size = replicas.total(np.diff(chunk.start))
    if not size.all():
        step = chunk.first_step + int(np.flatnonzero(size == 0)[0]) + 1
        raise ValueError(
            f"dataset: expected usable rows in each batch, got none in the one of step {step} of "
            "the epoch; leave unusable rows out with cisreg convert"
        )
    arrays = [chunk.sequence, chunk.expression, chunk.weight, chunk.order]
    if replicas.count > 1:
        # A dummy row for replicas that get no rows of a batch, see `take_batch`.
        arrays = [_with_another_row(array) for array in arrays]
    sequence, expression, weight, order = map(tf.constant, arrays)
    return Batches(
        sequence=sequence,
        expression=expression,
        weight=weight,
        order=order,
        start=tf.constant(chunk.start),
        size=tf.constant(size),
        first=tf.constant(chunk.first_step, tf.int64),
    )


def _with_another_row(array: np.ndarray) -> np.ndarray:
    return np.concatenate([array, np.zeros_like(array, shape=(1, *array.shape[1:]))])


class Batch(NamedTuple):
    """The rows of a batch that one replica computes.

    Attributes:
        sequence: uint8 [n, L]; a dummy row if the replica has no rows of the batch.
        expression: float32 [n] or [n, K].
        weight: float32 [n], or empty.
        rows: int64, rows that count: n, or 0 for a dummy row.
        size: int64, rows of the batch, summed over all replicas.
    """

    sequence: tf.Tensor
    expression: tf.Tensor
    weight: tf.Tensor
    rows: tf.Tensor
    size: tf.Tensor


def put_on_devices(dataset: Dataset, replicas: Replicas) -> list[Resident]:
    """Copies the data set, as variables, to the device of each replica of this process."""
    weight = np.empty(0, np.float32) if dataset.weight is None else dataset.weight
    arrays = (dataset.sequence, dataset.expression, weight)
    devices = replicas.devices
    residents = []
    for device in devices:
        # Plain variables: a strategy would send its variables to every other worker.
        with tf.device(device):
            residents.append(Resident(*(tf.Variable(array, trainable=False) for array in arrays)))
    return residents


def take_batch(
    data: Batches, index: tf.Tensor, replicas: Replicas, residents: Sequence[Resident]
) -> Batch:
    """This replica's part of batch `index` (int64) of the chunk."""
    begin, end = data.start[index], data.start[index + 1]
    place = replicas.place_in_worker()
    if replicas.local > 1:
        count = end - begin
        begin, end = (begin + (place + i) * count // replicas.local for i in (0, 1))
    rows = end - begin
    if replicas.count > 1:
        # A replica without rows computes with the dummy row that `as_batches` added.
        end = tf.maximum(end, begin + 1)
    if not residents:
        sequence, expression = data.sequence[begin:end], data.expression[begin:end]
        return Batch(sequence, expression, data.weight[begin:end], rows, data.size[index])
    own, order = residents[place], data.order[begin:end]
    weight = tf.gather(own.weight, order) if own.weight.shape[0] else data.weight
    sequence, expression = tf.gather(own.sequence, order), tf.gather(own.expression, order)
    return Batch(sequence, expression, weight, rows, data.size[index])


class BatchShare:
    """A replica's share of a batch's loss and gradient; the shares of all replicas add up to it.

    Args:
        batch: the replica's part.
        loss_is_sum: whether losses are sums over sequences rather than means.
        replicas: all replicas of the run.
    """

    def __init__(self, batch: Batch, loss_is_sum: bool, replicas: Replicas) -> None:
        self._batch = batch
        self._is_sum = loss_is_sum
        self._replicas = replicas

    def of_loss(self, loss: tf.Tensor) -> tf.Tensor:
        """The part of the batch's loss that comes from this replica's rows."""
        if self._replicas.count == 1:
            return loss
        rows = tf.cast(self._batch.rows, tf.float64)
        whole = 1.0 if self._is_sum else tf.cast(self._batch.size, tf.float64)
        part = tf.minimum(rows, 1.0) if self._is_sum else rows
        return loss * tf.cast(part / whole, loss.dtype)

    def of_penalty(self, penalized: tf.Tensor) -> tf.Tensor:
        """This replica's part of the penalty; every replica computes the whole penalty."""
        return penalized if self._replicas.count == 1 else penalized / self._replicas.count

    def before_optimizer(
        self, gradient: tf.Tensor, optimizer: keras.optimizers.Optimizer
    ) -> tf.Tensor:
        """The gradient to pass to the optimizer, which adds up the gradients of all replicas.

        With a loss scale all replicas return the same mean gradient, since the loss scale checks
        the gradient before the optimizer adds up and must see the same values in all of them.
        """
        count = self._replicas.count
        if count == 1 or not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            return gradient
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, gradient) / count

    def sums(self, loss: tf.Tensor, penalized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Loss and penalty, float64, times the number of sequences."""
        rows = tf.cast(self._batch.rows, tf.float64)
        of_loss = rows
        if self._is_sum and self._replicas.count > 1:
            of_loss = tf.minimum(rows, 1.0) * tf.cast(self._batch.size, tf.float64)
        return of_loss * tf.cast(loss, tf.float64), rows * tf.cast(penalized, tf.float64)
