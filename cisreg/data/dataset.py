"""Encoded sequences with their measurements."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Dataset:
    """N sequences and what was measured for each.

    Attributes:
        sequence: uint8 [N, L], base codes 0 A, 1 C, 2 G, 3 T, 4 unknown or padding.
        expression: float32 [N], finite; [N, K] where K things were measured, for a loss of one's
            own; [N, 1] becomes [N].
        weight: float32 [N], finite and 0 or more, what the loss of each sequence is multiplied by;
            None: 1 for all.
        name: Arrow strings [N], or None.

    Raises:
        ValueError: another dtype or shape, a code above 4, or numbers that are not finite.

    Example:
        >>> data = Dataset(np.zeros((2, 5), np.uint8), np.ones(2, np.float32))
        >>> len(data), len(data[:1])
        (2, 1)
    """

    sequence: np.ndarray
    expression: np.ndarray
    weight: np.ndarray | None = None
    name: pa.Array | None = None

    def __post_init__(self) -> None:
        _check(self.sequence, "sequence", np.uint8, (2,))
        if self.sequence.size and self.sequence.max() > 4:
            raise ValueError(f"sequence: expected codes 0 to 4, got {self.sequence.max()}")
        self._check_numbers(self.expression, "expression", (1, 2))
        if self.weight is not None:
            self._check_numbers(self.weight, "weight", (1,))
            if self.weight.size and self.weight.min() < 0:
                raise ValueError(f"weight: expected 0 or more, got {self.weight.min()}")
        if self.name is not None:
            self._check_count(len(self.name), "name")
        object.__setattr__(self, "expression", _flat(self.expression))

    def _check_numbers(self, numbers: np.ndarray, name: str, ranks: tuple[int, ...]) -> None:
        _check(numbers, name, np.float32, ranks)
        self._check_count(len(numbers), name)
        finite = np.isfinite(numbers)
        if not finite.all():
            row = int(np.argwhere(~finite)[0, 0])
            raise ValueError(
                f"{name}: expected finite numbers, got {numbers[row]} in row {row}; remove such "
                "rows"
            )

    def _check_count(self, count: int, name: str) -> None:
        if len(self.sequence) != count:
            raise ValueError(
                f"{name}: expected one for each of {len(self.sequence)} sequences, got {count}"
            )

    @classmethod
    def unchecked(
        cls,
        sequence: np.ndarray,
        expression: np.ndarray,
        weight: np.ndarray | None = None,
        name: pa.Array | None = None,
    ) -> Dataset:
        """A Dataset of arrays that are known to be right, without a pass over their numbers."""
        data = object.__new__(cls)
        data.__dict__.update(
            sequence=sequence, expression=_flat(expression), weight=weight, name=name
        )
        return data

    def __len__(self) -> int:
        return len(self.sequence)

    def __getitem__(self, rows: slice | np.ndarray | Sequence[int]) -> Dataset:
        """The Dataset of these rows: a slice is a view, numbers are as in `take`."""
        if not isinstance(rows, slice):
            return self.take(np.asarray(rows))
        name = None
        if self.name is not None:
            # Arrow slices have no steps.
            begin, end, step = rows.indices(len(self))
            name = self.name[begin : max(end, begin)] if step == 1 else self._names(rows)
        weight = None if self.weight is None else self.weight[rows]
        return Dataset.unchecked(self.sequence[rows], self.expression[rows], weight, name)

    def _names(self, rows: slice) -> pa.Array:
        assert self.name is not None  # or nobody would ask
        return self.name.take(pa.array(np.arange(len(self))[rows]))

    def take(self, rows: np.ndarray) -> Dataset:
        """The Dataset of these rows, in this order; `rows` are integers [K] or booleans [N]."""
        rows = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        weight = None if self.weight is None else self.weight[rows]
        name = None if self.name is None else self.name.take(pa.array(rows))
        return Dataset.unchecked(self.sequence[rows], self.expression[rows], weight, name)

    def copy(self) -> Dataset:
        """The same rows in memory of their own, which keeps no others."""
        weight = None if self.weight is None else self.weight.copy()
        name = None if self.name is None else pa.concat_arrays([self.name])
        return Dataset.unchecked(self.sequence.copy(), self.expression.copy(), weight, name)

    @property
    def mean_expression(self) -> np.ndarray:
        """float32 [N], the mean of the K measurements of each sequence."""
        one = self.expression.ndim == 1
        return self.expression if one else self.expression.mean(axis=1)

    def fingerprint(self) -> str:
        """Hex digits that other sequences and numbers do not have; names do not count."""
        total = hashlib.sha256()
        arrays = (self.sequence, self.expression, self.weight)
        for array in (np.ascontiguousarray(each) for each in arrays if each is not None):
            total.update(f"{array.dtype.str} {array.shape} ".encode())
            total.update(array.reshape(-1).view(np.uint8).data)
        return total.hexdigest()


def _flat(expression: np.ndarray) -> np.ndarray:
    """Measurements as losses take them: [N] where there is one a sequence, else [N, K]."""
    one = expression.ndim == 2 and expression.shape[1] == 1
    return expression[:, 0] if one else expression


def _check(array: np.ndarray, name: str, dtype: type, ranks: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.ndim not in ranks:
        raise ValueError(
            f"{name}: expected {np.dtype(dtype)} with {' or '.join(map(str, ranks))} dimension(s), "
            f"got {array.dtype} with shape {array.shape}"
        )


def join(parts: Sequence[Dataset]) -> Dataset:
    """The rows of datasets of one length, one after another.

    Weights and names are kept where all parts have them.

    Raises:
        ValueError: no part, other lengths, or another number of measurements.

    Example:
        >>> data = Dataset(np.zeros((2, 5), np.uint8), np.ones(2, np.float32))
        >>> len(join([data, data[:1]]))
        3
    """
    if len(parts) == 1:
        return parts[0]
    if len({(part.sequence.shape[1], part.expression.shape[1:]) for part in parts}) != 1:
        raise ValueError(
            "parts: expected datasets of one length and number of measurements, got "
            f"{', '.join(f'{p.sequence.shape} {p.expression.shape}' for p in parts) or 'none'}"
        )
    weights = [part.weight for part in parts if part.weight is not None]
    names = [part.name for part in parts if part.name is not None]
    return Dataset.unchecked(
        np.concatenate([part.sequence for part in parts]),
        np.concatenate([part.expression for part in parts]),
        np.concatenate(weights) if len(weights) == len(parts) else None,
        pa.concat_arrays(names) if len(names) == len(parts) else None,
    )
