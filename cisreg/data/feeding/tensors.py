"""Encoded rows as TensorFlow datasets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from cisreg.data.dataset import Dataset

if TYPE_CHECKING:
    import tensorflow as tf


def to_tf(
    batches: Iterable[Dataset], *, length: int | None, measurements: int, weighted: bool
) -> tf.data.Dataset:
    """Batches as a TensorFlow dataset; nothing is copied into its graph.

    Args:
        batches: iterated again in every pass over the dataset.
        length: L of all batches; None: it differs between batches.
        measurements: K.
        weighted: whether there are weights.

    Returns:
        A tf.data.Dataset of (uint8 [B, L], float32 [B], or [B, K] if K is not 1), with a third
        float32 [B] if there are weights.

    Example:
        >>> rows = Dataset(np.zeros((2, 5), np.uint8), np.zeros(2, np.float32))
        >>> dataset = to_tf([rows], length=5, measurements=1, weighted=False)
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

    def elements() -> Iterator[tuple[np.ndarray, ...]]:
        for rows in batches:
            element = (rows.sequence, rows.expression)
            yield element if rows.weight is None else (*element, rows.weight)

    return tf.data.Dataset.from_generator(
        elements, output_signature=tuple(signature[: 3 if weighted else 2])
    )
