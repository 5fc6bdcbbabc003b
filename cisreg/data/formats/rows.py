"""Rows of a file on their way to a dataset: as text, as numbers, and which of them are of use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Columns:
    """Which columns of a table hold what, by name or by position from 0.

    Attributes:
        sequence: the text of the sequence.
        expression: one column for each measurement; empty: none is read.
        weight: what the loss of each sequence is multiplied by; None: there is no such column.

    Raises:
        ValueError: one column in two roles.

    Example:
        >>> Columns(sequence="promoter", expression=("replicate_1", "replicate_2"))
        Columns(sequence='promoter', expression=('replicate_1', 'replicate_2'), weight=None)
    """

    sequence: int | str = 0
    expression: tuple[int | str, ...] = (1,)
    weight: int | str | None = None

    def __post_init__(self) -> None:
        if len(set(self.all)) < len(self.all):
            raise ValueError(
                "columns: expected another column for each role, got "
                f"{', '.join(map(repr, self.all))}"
            )

    @property
    def all(self) -> tuple[int | str, ...]:
        """Every column that is read, in the order sequence, expression, weight."""
        weight = () if self.weight is None else (self.weight,)
        return (self.sequence, *self.expression, *weight)


class Rows(NamedTuple):
    """Usable rows of a file, in its order, as they are read.

    Attributes:
        sequence: Arrow large strings [n], not empty, nucleotide letters alone.
        expression: float32 [n, K], finite; K is 0 where none is read.
        weight: float32 [n], finite and 0 or more, or None.
    """

    sequence: pa.Array
    expression: np.ndarray
    weight: np.ndarray | None

    @property
    def count(self) -> int:  # type: ignore[override]  # no row is ever looked for by value
        """How many rows."""
        return len(self.sequence)

    def slice(self, first: int, stop: int | None = None) -> Rows:
        """The rows from `first` to before `stop`."""
        weight = None if self.weight is None else self.weight[first:stop]
        return Rows(self.sequence[first:stop], self.expression[first:stop], weight)


@dataclass
class Unusable:
    """How many rows were left out, and why.

    Attributes:
        reasons: number of rows by reason, for example "no number as expression".
        first: "file:line" or "file, row" of the first one for each reason.
    """

    reasons: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, count: int, place: str) -> None:
        """`count` more rows of this reason, the first of them at `place`."""
        if count:
            self.reasons[reason] = self.reasons.get(reason, 0) + count
            self.first.setdefault(reason, place)

    def add_all(self, later: Unusable) -> None:
        """Those of rows that stand behind."""
        for reason, count in later.reasons.items():
            self.add(reason, count, later.first[reason])

    def none_left(self, name: str) -> str:
        """What an error says where no other rows are in the file of this name."""
        return (
            f"{name}: expected rows that can be used, got none; "
            f"{self if self.count else 'there are no rows'}"
        )

    @property
    def count(self) -> int:
        """Rows left out for any reason."""
        return sum(self.reasons.values())

    def __str__(self) -> str:
        return "; ".join(
            f"{count:,} with {reason} (first: {self.first[reason]})"
            for reason, count in self.reasons.items()
        )
