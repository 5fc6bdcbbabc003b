"""Encoded sequences with their measurements, split by seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from cisreg.data.order import epoch_order

# The order of this epoch decides a split; training counts its epochs from 1.
_SPLIT_EPOCH = 0


@dataclass(frozen=True, eq=False)
class Dataset:
    """N sequences and what was measured for each.

    Attributes:
        sequence: uint8 [N, L], base codes 0 A, 1 C, 2 G, 3 T, 4 unknown or padding.
        expression: float32 [N], finite; [N, K] where K things were measured, for a loss of one's
            own.
        weight: float32 [N], finite and 0 or more, what the loss of each sequence is multiplied by;
            None: 1 for all.

    Raises:
        ValueError: another dtype or shape, a code above 4, or numbers that are not finite.

    Example:
        >>> data = Dataset(np.zeros((2, 5), np.uint8), np.ones(2, np.float32))
        >>> len(data)
        2
    """

    sequence: np.ndarray
    expression: np.ndarray
    weight: np.ndarray | None = None

    def __post_init__(self) -> None:
        _check(self.sequence, "sequence", np.uint8, (2,))
        if self.sequence.size and self.sequence.max() > 4:
            raise ValueError(f"sequence: expected codes 0 to 4, got {self.sequence.max()}")
        self._check_numbers(self.expression, "expression", (1, 2))
        if self.weight is not None:
            self._check_numbers(self.weight, "weight", (1,))
            if self.weight.size and self.weight.min() < 0:
                raise ValueError(f"weight: expected 0 or more, got {self.weight.min()}")

    def _check_numbers(self, numbers: np.ndarray, name: str, ranks: tuple[int, ...]) -> None:
        _check(numbers, name, np.float32, ranks)
        if len(self.sequence) != len(numbers):
            raise ValueError(
                f"{name}: expected one number for each of {len(self.sequence)} sequences, "
                f"got {len(numbers)}"
            )
        finite = np.isfinite(numbers)
        if not finite.all():
            row = int(np.argwhere(~finite)[0, 0])
            raise ValueError(
                f"{name}: expected finite numbers, got {numbers[row]} in row {row}; remove such "
                "rows"
            )

    def __len__(self) -> int:
        return len(self.sequence)

    @property
    def mean_expression(self) -> np.ndarray:
        """float32 [N], the mean of the K measurements of each sequence."""
        one = self.expression.ndim == 1
        return self.expression if one else self.expression.mean(axis=1)

    def fingerprint(self) -> str:
        """Hex digits that other data do not have."""
        total = hashlib.sha256()
        arrays = (self.sequence, self.expression, self.weight)
        for array in (np.ascontiguousarray(each) for each in arrays if each is not None):
            total.update(f"{array.dtype.str} {array.shape} ".encode())
            total.update(array.reshape(-1).view(np.uint8).data)
        return total.hexdigest()

    def take(self, rows: np.ndarray) -> Dataset:
        """The Dataset of these rows, in this order; `rows` are integers [K]."""
        weight = None if self.weight is None else self.weight[rows]
        return Dataset(self.sequence[rows], self.expression[rows], weight)


def _check(array: np.ndarray, name: str, dtype: type, ranks: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.ndim not in ranks:
        raise ValueError(
            f"{name}: expected {np.dtype(dtype)} with {' or '.join(map(str, ranks))} dimension(s), "
            f"got {array.dtype} with shape {array.shape}"
        )


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
