"""Rows that were read from a file: which columns they have, and how many cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

Column = int | str
# Measurements that are counts, in tables of known origin: of sorting bins, or behind those that
# they are relative to.
Counted = Literal["bins", "exposure"]


@dataclass(frozen=True)
class Columns:
    """The column of each role in a table, by name or by position from 0.

    Roles that are not given are found by usual names. docs/reference/tables.md lists these
    names and says what happens if there is none.

    Attributes:
        sequence: the sequence; None: found.
        expression: one column for each measurement, or a single name or position; (): none is
            read; None: found.
        weight: factor of the loss of each sequence; True: the column named weight, if there is one;
            False or None: none is read.
        name: names of the sequences; True: the column with a usual name, if there is one, for FASTA
            the first word of the header; False or None: none is read. In a table of measurements it
            is the name of the record.
        extra: further columns to keep unchanged; True: all others.
        counted: where the measurements of a table of MAVE-NN are not given, take its counts: of
            sorting bins ("bins"), or of all molecules and of those of interest ("exposure"). None:
            no counts.

    Raises:
        ValueError: the same column in two roles.

    Example:
        >>> Columns(sequence="promoter", expression=("replicate_1", "replicate_2")).expression
        ('replicate_1', 'replicate_2')
    """

    sequence: Column | None = None
    expression: tuple[Column, ...] | None = None
    weight: Column | bool = True
    name: Column | bool = False
    extra: tuple[Column, ...] | Literal[True] = ()
    counted: Counted | None = None

    def __post_init__(self) -> None:
        for role in ("weight", "name"):
            if getattr(self, role) is None:
                object.__setattr__(self, role, False)
        for role in ("expression", "extra"):
            value = getattr(self, role)
            if isinstance(value, int | str) and value is not True:
                object.__setattr__(self, role, (value,))
            elif isinstance(value, list):
                object.__setattr__(self, role, tuple(value))
        if len(set(self.roles)) < len(self.roles):
            raise ValueError(
                "columns: expected another column for each role, got "
                f"{', '.join(map(repr, self.roles))}"
            )

    @property
    def roles(self) -> tuple[Column, ...]:
        """Every column that is given, in the order sequence, expression, weight, name."""
        said = (self.sequence, *(self.expression or ()), self.weight, self.name)
        return tuple(each for each in said if each is not None and not isinstance(each, bool))

    @property
    def described(self) -> str:
        """A description of the columns for logs and errors.

        Example:
            >>> Columns("promoter", (1,), weight=False).described
            "sequence from 'promoter', expression from column 2"
        """
        roles = [("sequence", self.sequence), ("weight", self.weight), ("name", self.name)]
        roles[1:1] = [("expression", each) for each in self.expression or ()]
        # Position 0 is a column, although 0 == False.
        said = [(role, each) for role, each in roles if each is not None and each is not False]
        return ", ".join(f"{role} from {_label(each)}" for role, each in said) or "no columns"

    def or_else(self, usual: Columns) -> Columns:
        """These columns; roles that are not given here are taken from `usual`."""
        return replace(
            self,
            sequence=usual.sequence if self.sequence is None else self.sequence,
            expression=usual.expression if self.expression is None else self.expression,
            weight=usual.weight if self.weight is True else self.weight,
        )

    def to_json(self) -> dict[str, Any]:
        """The columns as JSON values; `Columns(**value)` gives an equal object.

        Example:
            >>> Columns("promoter", (1,), weight=False).to_json()["expression"]
            [1]
        """
        return {
            role: list(value) if isinstance(value, tuple) else None if value is False else value
            for role, value in vars(self).items()
            # Only asked for: a table that was read has the columns themselves.
            if role != "counted" or value is not None
        }


def _label(column: Column | bool) -> str:
    if column is True:
        return "the headers"
    return repr(column) if isinstance(column, str) else f"column {column + 1}"


@dataclass(frozen=True)
class Rows:
    """Rows of a file, in its order, as text and numbers.

    Attributes:
        sequence: Arrow strings or bytes [n] with 64-bit offsets. Sequences of usable rows are not
            empty and have only nucleotide letters.
        expression: float32 [n, K]; NaN for anything that is not a finite number. K is 0 if no
            measurement is read.
        weight: float32 [n], NaN likewise, or None.
        name: Arrow strings [n], or None.
        extra: further columns by name, Arrow arrays [n].
        place: returns the place of the row of an index, as "file:line".
        number: int64 [n], the line of text or row of Parquet that each row is; None: not known.
    """

    sequence: pa.Array
    expression: np.ndarray
    weight: np.ndarray | None = None
    name: pa.Array | None = None
    extra: Mapping[str, pa.Array] = field(default_factory=dict)
    place: Callable[[int], str] = "row {}".format
    number: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.sequence)

    def slice(self, first: int, stop: int | None = None) -> Rows:
        """The rows from `first` to before `stop`, without a copy."""
        return self._of(lambda array: array[first:stop], lambda row: self.place(first + row))

    def take(self, rows: np.ndarray) -> Rows:
        """The rows of these indices, integers [m], in this order."""
        index = pa.array(rows)

        def chosen(array: Any) -> Any:
            return array[rows] if isinstance(array, np.ndarray) else array.take(index)

        return self._of(chosen, lambda row: self.place(int(rows[row])))

    def without_sequences(self) -> Rows:
        """The same rows with empty sequences, so that `take` is fast."""
        nothing = pa.nulls(len(self), pa.null())
        return replace(self, sequence=nothing)

    def _of(self, chosen: Callable[[Any], Any], place: Callable[[int], str]) -> Rows:
        return replace(
            self,
            sequence=chosen(self.sequence),
            expression=chosen(self.expression),
            weight=None if self.weight is None else chosen(self.weight),
            name=None if self.name is None else chosen(self.name),
            extra={name: chosen(array) for name, array in self.extra.items()},
            place=place,
            number=None if self.number is None else chosen(self.number),
        )


@dataclass
class Unusable:
    """How many rows were left out, and why.

    Attributes:
        reasons: number of rows by reason, for example "an empty sequence".
        first: "file:line" or "file, row" of the first one for each reason.
    """

    reasons: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, count: int, place: str) -> None:
        """Adds `count` rows for this reason, the first of them at `place`."""
        if count:
            self.reasons[reason] = self.reasons.get(reason, 0) + count
            self.first.setdefault(reason, place)

    def add_all(self, later: Unusable) -> None:
        """Adds the counts of later rows."""
        for reason, count in later.reasons.items():
            self.add(reason, count, later.first[reason])

    def none_left(self, name: str) -> str:
        """The error message for a file of this name without usable rows."""
        return (
            f"{name}: expected rows that can be used, got none; "
            f"{self if self.count else 'there are no rows'}"
        )

    @property
    def count(self) -> int:
        """Number of rows left out, for all reasons."""
        return sum(self.reasons.values())

    def __str__(self) -> str:
        return "; ".join(
            f"{count:,} with {reason} (first: {self.first[reason]})"
            for reason, count in self.reasons.items()
        )
