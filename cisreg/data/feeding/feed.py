"""Input of training: the batches of an epoch, a chunk of them at a time."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, Protocol

import numpy as np

from cisreg.ahead import read_ahead
from cisreg.data.dataset import Dataset
from cisreg.data.feeding.order import batch_bounds, epoch_order

# Largest size of a chunk's sequences in bytes; a single batch may be larger.
_CHUNK_BYTES = 1 << 24
_SAMPLE_ROWS = 1024


class Chunk(NamedTuple):
    """Consecutive batches of an epoch.

    Attributes:
        sequence: uint8 [n, L]; empty if the rows are on the device already.
        expression: float32 [n] or [n, K]; likewise.
        weight: float32 [n], or empty if there are no weights; likewise.
        order: int64 [n], indices of rows on the device; empty if `sequence` holds the rows.
        start: int64 [steps + 1], where each batch begins in these arrays, and where the last ends.
        first_step: the step of the epoch that the first batch belongs to.
    """

    sequence: np.ndarray
    expression: np.ndarray
    weight: np.ndarray
    order: np.ndarray
    start: np.ndarray
    first_step: int

    @property
    def stop(self) -> int:
        """The step after its last one."""
        return self.first_step + len(self.start) - 1


class Steps(NamedTuple):
    """Steps of an epoch to read, and for which worker.

    Attributes:
        epoch: number of the epoch in the whole run, from 1.
        steps: number of steps of the epoch.
        first: the first step to read, from 0.
        per_chunk: batches of a chunk.
        worker: number of the worker whose part of each batch is read, from 0.
        workers: number of workers that each batch is divided among.
    """

    epoch: int
    steps: int
    first: int
    per_chunk: int
    worker: int = 0
    workers: int = 1


class Feed(Protocol):
    """A set of sequences that training goes through, epoch by epoch."""

    @property
    def count(self) -> int:
        """Rows of an epoch."""

    @property
    def sequence_length(self) -> int:
        """L."""

    @property
    def resident(self) -> Dataset | None:
        """The rows to put on the device before training; chunks then hold row numbers only."""

    def sample(self) -> Dataset:
        """Some of the rows, always the same ones."""

    def measurements(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Expression [n] or [n, K] and weight [n] of a fixed sample of rows, spread over all."""

    def fingerprint(self) -> str:
        """Text that differs for a different set, or a different order of visiting it."""

    def chunks(self, wanted: Steps) -> Generator[Chunk, None, None]:
        """The batches of an epoch."""


class MemoryFeed:
    """Sequences in memory, visited in an order that is exactly random.

    Args:
        dataset: the sequences.
        seed: seed of the order, 0 or more.
        on_device: whether the device holds the sequences, so that chunks hold row numbers only.

    Example:
        >>> feed = MemoryFeed(dataset, seed=0)  # doctest: +SKIP
        >>> for chunk in feed.chunks(Steps(epoch=1, steps=70, first=0, per_chunk=64)):
        ...     print(chunk.sequence.shape)  # doctest: +SKIP
    """

    def __init__(self, dataset: Dataset, seed: int, *, on_device: bool = False) -> None:
        self.dataset = dataset
        self._seed = seed
        self._on_device = on_device

    @property
    def count(self) -> int:
        """Rows of an epoch."""
        return len(self.dataset)

    @property
    def sequence_length(self) -> int:
        """L."""
        return self.dataset.sequence.shape[1]

    @property
    def resident(self) -> Dataset | None:
        """The sequences, if the device holds them."""
        return self.dataset if self._on_device else None

    def sample(self) -> Dataset:
        """The first rows."""
        return self.dataset.take(np.arange(min(self.count, _SAMPLE_ROWS)))

    def measurements(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Expression [N] or [N, K] and weight [N] of all rows."""
        return self.dataset.expression, self.dataset.weight

    def fingerprint(self) -> str:
        """A checksum of the dataset."""
        return self.dataset.fingerprint()

    def chunks(self, wanted: Steps) -> Generator[Chunk, None, None]:
        """The batches of an epoch; a thread prepares them ahead of their use."""
        return read_ahead(self._chunks(wanted))

    def _chunks(self, wanted: Steps) -> Generator[Chunk, None, None]:
        order = epoch_order(self.count, self._seed, wanted.epoch)
        for first in range(wanted.first, wanted.steps, wanted.per_chunk):
            stop = min(first + wanted.per_chunk, wanted.steps)
            bounds = batch_bounds(self.count, wanted.steps, first, stop)
            begin, size = bounds[:-1], np.diff(bounds)
            own = begin + size * wanted.worker // wanted.workers
            end = begin + size * (wanted.worker + 1) // wanted.workers
            if wanted.workers == 1:
                rows = order[bounds[0] : bounds[-1]]
            else:
                rows = np.concatenate([order[i:j] for i, j in zip(own, end, strict=True)])
            yield self._chunk(rows, np.concatenate([[0], np.cumsum(end - own)]), first)

    def _chunk(self, rows: np.ndarray, start: np.ndarray, first: int) -> Chunk:
        data = self.dataset
        order = rows if self._on_device else rows[:0]
        rows = rows[:0] if self._on_device else rows
        # take is several times as fast as indexing by numbers.
        return Chunk(
            np.take(data.sequence, rows, axis=0),
            np.take(data.expression, rows, axis=0),
            np.empty(0, np.float32) if data.weight is None else np.take(data.weight, rows),
            order,
            start,
            first,
        )


def steps_per_chunk(batch_size: int, sequence_length: int, wanted: int) -> int:
    """Batches of a chunk: `wanted`, or fewer so that the chunk is not too large.

    Example:
        >>> steps_per_chunk(1024, 110, 64), steps_per_chunk(65536, 110, 64)
        (64, 2)
    """
    return min(wanted, max(1, _CHUNK_BYTES // max(batch_size * sequence_length, 1)))
