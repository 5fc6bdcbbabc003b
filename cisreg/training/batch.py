"""The rows of a call, a replica's part of a batch, and its share of loss and gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cisreg.data import Dataset
from cisreg.data.feeding.feed import Chunk
from cisreg.layers import between_ends
from cisreg.spec import ModelSpec
from cisreg.training.replicas import Replicas


class Batches(NamedTuple):
    """The tensors of a chunk of batches, so that nothing is retraced.

    What says where batches lie is int32, which TensorFlow keeps in the memory of the host even if
    it computes on a GPU; everything else is used on the device.

    Attributes:
        sequence: uint8 [n, L].
        expression: float32 [n] or [n, K].
        weight: float32 [n], or empty.
        order: int64 [n], or empty.
        start: int32 [steps + 1], first row of each batch of this worker, and the end of the last.
        share: float32 [steps, replicas of this worker], the part of each batch's rows that a
            replica computes.
    """

    sequence: tf.Tensor
    expression: tf.Tensor
    weight: tf.Tensor
    order: tf.Tensor
    start: tf.Tensor
    share: tf.Tensor


class BatchChunk(NamedTuple):
    """A `cisreg.data.feeding.feed.Chunk` of batches for the compiled steps.

    Attributes:
        batches: the tensors.
        rows: int64 [steps], rows of each batch, summed over all workers.
        first: the step within the epoch of the first batch.
    """

    batches: Batches
    rows: np.ndarray
    first: int


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


def as_batches(chunk: Chunk, replicas: Replicas) -> BatchChunk:
    """A worker's chunk as tensors, with the rows of its batches over all workers.

    Raises:
        ValueError: a batch has no usable row, or more rows than int32 counts.
    """
    own = np.diff(chunk.start)
    rows = replicas.total(own)
    if not rows.all():
        step = chunk.first_step + int(np.flatnonzero(rows == 0)[0]) + 1
        raise ValueError(
            f"dataset: expected usable rows in each batch, got none in the one of step {step} of "
            "the epoch; leave unusable rows out with cisreg convert"
        )
    if (most := int(chunk.start[-1]) * replicas.local) > tf.int32.max:
        raise ValueError(
            f"batch_size: expected at most {tf.int32.max:,} rows of a batch times devices in a "
            f"process, got {most:,}; use smaller batches"
        )
    arrays = [chunk.sequence, chunk.expression, chunk.weight, chunk.order]
    if replicas.count > 1:
        # A dummy row for replicas that get no rows of a batch, see `prepare_rows`.
        arrays = [_with_another_row(array) for array in arrays]
    sequence, expression, weight, order = map(tf.constant, arrays)
    bounds = np.stack([own * place // replicas.local for place in range(replicas.local + 1)])
    batches = Batches(
        sequence=sequence,
        expression=expression,
        weight=weight,
        order=order,
        start=tf.constant(chunk.start, tf.int32),
        share=tf.constant(np.diff(bounds, axis=0).T / rows[:, np.newaxis], tf.float32),
    )
    return BatchChunk(batches, rows, chunk.first_step)


def _with_another_row(array: np.ndarray) -> np.ndarray:
    return np.concatenate([array, np.zeros_like(array, shape=(1, *array.shape[1:]))])


class Rows(NamedTuple):
    """The rows of some batches of a chunk as a replica computes with them, prepared once a call.

    Attributes:
        first: int32 scalar, the row of the chunk that is the first of them.
        sequence: uint8 [n, L], trimmed if the model trims constant ends.
        span: int64 [n], the two int32 of each row's span; empty if the model has no span. As int32
            the rows would be kept in the memory of the host.
        expression: float32 [n] or [n, K], as the loss takes it.
        weight: float32 [n], or empty.
    """

    first: tf.Tensor
    sequence: tf.Tensor
    span: tf.Tensor
    expression: tf.Tensor
    weight: tf.Tensor


class Batch(NamedTuple):
    """The rows of a batch that one replica computes.

    Attributes:
        sequence: uint8 [n, L]; a dummy row if the replica has no rows of the batch.
        span: int32 [n, 2], or None.
        expression: float32 [n] or [n, K].
        weight: float32 [n], or empty.
        share: float32 scalar, n as a part of the rows of all replicas; 0 for a dummy row.
    """

    sequence: tf.Tensor
    span: tf.Tensor | None
    expression: tf.Tensor
    weight: tf.Tensor
    share: tf.Tensor


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


def prepare_rows(
    data: Batches,
    begin: tf.Tensor,
    stop: tf.Tensor,
    spec: ModelSpec,
    prepare: Callable[[tf.Tensor], tf.Tensor],
    replicas: Replicas,
    residents: Sequence[Resident],
) -> Rows:
    """The rows of batches `begin` to `stop` (int32, exclusive) on the device of this replica.

    Args:
        data: the chunk.
        begin: the first of these batches of the chunk.
        stop: the batch behind the last.
        spec: the model; it says which ends of the sequences are constant.
        prepare: of the expression, see `cisreg.training.unit.StandardLoss`.
        replicas: all replicas of the run.
        residents: the data set on each device of this process; empty: the chunk has the rows.
    """
    first, end = data.start[begin], data.start[stop]
    if replicas.count > 1:
        # The dummy row that `as_batches` added, or the first row of another batch.
        end += 1
    sequence, expression = data.sequence[first:end], data.expression[first:end]
    weight = data.weight[first:end]
    if residents:
        own, order = residents[replicas.place_in_worker()], data.order[first:end]
        sequence = tf.gather(own.sequence, order)
        expression = tf.gather(own.expression, order)
        weight = tf.gather(own.weight, order) if own.weight.shape[0] else weight
    sequence, span = between_ends(spec, sequence)
    packed = tf.zeros([0], tf.int64) if span is None else tf.bitcast(span, tf.int64)
    return Rows(first, sequence, packed, prepare(expression), weight)


def take_batch(
    rows: Rows, data: Batches, index: tf.Tensor, spec: ModelSpec, replicas: Replicas
) -> Batch:
    """This replica's part of batch `index` (int32) of the chunk, which is among the rows."""
    begin, end = (data.start[index + i] - rows.first for i in (0, 1))
    place = replicas.place_in_worker()
    if replicas.local > 1:
        count = end - begin
        begin, end = (begin + (place + i) * count // replicas.local for i in (0, 1))
    if replicas.count > 1:
        # A replica without rows computes with a dummy row, see `prepare_rows`.
        end = tf.maximum(end, begin + 1)
    return Batch(
        rows.sequence[begin:end],
        tf.bitcast(rows.span[begin:end], tf.int32) if spec.has_span else None,
        rows.expression[begin:end],
        rows.weight[begin:end],
        data.share[index, place],
    )


class BatchShare:
    """A replica's share of a batch's loss and gradient; the shares of all replicas add up to it.

    Args:
        batch: the replica's part.
        loss_is_sum: whether losses are sums over sequences rather than means.
        replicas: all replicas of the run.
    """

    def __init__(self, batch: Batch, loss_is_sum: bool, replicas: Replicas) -> None:
        self._replicas = replicas
        # A sum counts as it is, unless it is that of a dummy row.
        self._share = tf.sign(batch.share) if loss_is_sum else batch.share

    def of_loss(self, loss: tf.Tensor) -> tf.Tensor:
        """The part of the batch's loss, or of its derivative, that this replica's rows make."""
        return loss if self._replicas.count == 1 else loss * self._share

    def of_penalty(self, penalized: tf.Tensor) -> tf.Tensor:
        """This replica's part of the penalty; every replica computes the whole penalty."""
        return penalized if self._replicas.count == 1 else penalized / self._replicas.count

    def gradient_of_all(self, gradient: tf.Tensor) -> tf.Tensor:
        """The sum of the gradients of all replicas, the same in each of them."""
        if self._replicas.count == 1:
            return gradient
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, gradient)
