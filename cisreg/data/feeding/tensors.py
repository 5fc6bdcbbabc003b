"""Encoded rows as TensorFlow datasets."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from cisreg.data.dataset import Dataset

if TYPE_CHECKING:
    import tensorflow as tf


def to_tf(
    batches: Callable[[int], Iterator[Dataset]],
    *,
    length: int | None,
    measurements: int,
    weighted: bool,
    count: int,
) -> tf.data.Dataset:
    """Batches as a TensorFlow dataset; nothing is copied into its graph.

    Args:
        batches: gives the batches of a pass by its number, counted from 0; called when an
            iteration of the dataset begins, or a repetition of it.
        length: L of all batches; None: it differs between batches.
        measurements: K.
        weighted: whether there are weights.
        count: number of batches of a pass, which the dataset has as its cardinality.

    Returns:
        A tf.data.Dataset of (uint8 [B, L], float32 [B], or [B, K] if K is not 1), with a third
        float32 [B] if there are weights.

    Example:
        >>> rows = Dataset(np.zeros((2, 5), np.uint8), np.zeros(2, np.float32))
        >>> dataset = to_tf(
        ...     lambda number: iter([rows]), length=5, measurements=1, weighted=False, count=1
        ... )
        >>> dataset.element_spec[0].shape
        TensorShape([None, 5])
    """
    import tensorflow as tf

    shape = [None] if measurements == 1 else [None, measurements]
    signature = [
        tf.TensorSpec([None, length], tf.uint8),
        tf.TensorSpec(shape, tf.float32),
        tf.TensorSpec([None], tf.float32),
    ]

    numbers = itertools.count()

    def elements() -> Iterator[tuple[np.ndarray, ...]]:
        for number, rows in enumerate(batches(next(numbers))):
            if not len(rows):
                raise ValueError(
                    "dataset: expected usable rows in each batch, got none in batch "
                    f"{number}, counted from 0; leave unusable rows out with cisreg convert"
                )
            element = (rows.sequence, rows.expression)
            yield element if rows.weight is None else (*element, rows.weight)

    dataset = tf.data.Dataset.from_generator(
        elements, output_signature=tuple(signature[: 3 if weighted else 2])
    )
    return dataset.apply(tf.data.experimental.assert_cardinality(count))
