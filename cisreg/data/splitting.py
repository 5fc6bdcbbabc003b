"""Division of a dataset by seed."""

from __future__ import annotations

import numpy as np

from cisreg.data.dataset import Dataset
from cisreg.data.feeding.order import epoch_order

# The order of this epoch decides a split; training counts its epochs from 1.
_SPLIT_EPOCH = 0


def split(dataset: Dataset, fraction: float, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Splits off a random `fraction` of the rows, at least one; both parts keep the rows' order.

    Returns:
        (the rest, the part split off).

    Raises:
        ValueError: `fraction` outside (0, 1), or fewer than 2 rows.

    Example:
        >>> data = Dataset(np.zeros((10, 5), np.uint8), np.zeros(10, np.float32))
        >>> [len(part) for part in split(data, 0.2)]
        [8, 2]
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction: expected a number between 0 and 1, got {fraction}")
    if len(dataset) < 2:
        raise ValueError(f"dataset: expected at least 2 rows to split, got {len(dataset)}")
    count = min(max(round(fraction * len(dataset)), 1), len(dataset) - 1)
    order = epoch_order(len(dataset), seed, _SPLIT_EPOCH)
    return dataset.take(np.sort(order[count:])), dataset.take(np.sort(order[:count]))
