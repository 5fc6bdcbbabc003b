"""Designed sequences as a result: names, changes and tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cisreg.display import counted, html_table
from cisreg.interpret.design_search import Step, Target

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Designs:
    """Designed sequences, in the order of their starts; those of one start with the best first.

    Attributes:
        name: D distinct names.
        sequence: D texts, without padding.
        codes: uint8 [D, L], as the model takes them.
        expression: float64 [D], predicted by the model, in the unit of the training data.
        start: D names of the starts.
        start_sequence: D texts, without padding. If starts were repaired, this is before.
        start_expression: float64 [D].
        changes: for each design the changes of the start, such as "A34G": the base of the start,
            its position and the new base. Positions count from 0, from the first base of the text.
        extrapolation: why each design lies beyond what training saw, "" if nothing says so; None if
            nothing is known of training.
        steps: the way of the search for each design, of its start: number of evaluations
            (sequences whose expression was computed) and expression of the best design so far.
        target: "max", "min", or the wanted expression.
        method: how they were found.
        unit: the unit of expression, as text; empty if not known.
    """

    name: tuple[str, ...]
    sequence: tuple[str, ...]
    codes: np.ndarray
    expression: np.ndarray
    start: tuple[str, ...]
    start_sequence: tuple[str, ...]
    start_expression: np.ndarray
    changes: tuple[tuple[str, ...], ...]
    extrapolation: tuple[str, ...] | None
    steps: tuple[tuple[Step, ...], ...]
    target: Target
    method: str
    unit: str = ""

    def __len__(self) -> int:
        """D, the number of designs."""
        return len(self.sequence)

    def __repr__(self) -> str:
        return (
            f"Designs({counted(len(self), 'sequence')}, target {self.target}, {self.method}, "
            f"expression {self.expression.min():.4g} to {self.expression.max():.4g})"
        )

    def _repr_html_(self) -> str:
        columns = {name: column.to_pylist() for name, column in self.columns().items()}
        return html_table(repr(self), columns, len(self))

    @property
    def change_count(self) -> np.ndarray:
        """Number of bases that differ from the start, int64 [D]."""
        return np.array([len(each) for each in self.changes], np.int64)

    def columns(self) -> dict[str, Any]:
        """The designs as Arrow columns, see `to_table`."""
        reasons = self.extrapolation or (None,) * len(self)
        flags = [None if reason is None else bool(reason) for reason in reasons]
        return {
            "design": pa.array(self.name, pa.string()),
            "start": pa.array(self.start, pa.string()),
            "expression": pa.array(self.expression, pa.float64()),
            "start_expression": pa.array(self.start_expression, pa.float64()),
            "change_count": pa.array(self.change_count, pa.int64()),
            "changes": pa.array([",".join(each) for each in self.changes], pa.string()),
            "extrapolation": pa.array(flags, pa.bool_()),
            "why": pa.array(reasons, pa.string()),
            "sequence": pa.array(self.sequence, pa.string()),
        }

    def to_table(self) -> pa.Table:
        """An Arrow table with one row per design.

        Its columns are design (the name), start (its name), expression, start_expression,
        change_count, changes (separated by commas), extrapolation (true or false; missing if
        nothing is known of training), why (the reasons) and sequence.
        """
        return pa.table(self.columns())

    def to_frame(self) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()

    def steps_table(self) -> pa.Table:
        """An Arrow table of the way to each design.

        Its columns are design, step (0 is the start), evaluations and expression (of the best
        design so far).
        """
        rows = [
            (name, number, *step)
            for name, steps in zip(self.name, self.steps, strict=True)
            for number, step in enumerate(steps)
        ]
        names = ("design", "step", "evaluations", "expression")
        types = (pa.string(), pa.int64(), pa.int64(), pa.float64())
        columns = zip(*rows, strict=True) if rows else [()] * len(names)
        return pa.table(
            {
                name: pa.array(column, kind)
                for name, kind, column in zip(names, types, columns, strict=True)
            }
        )

    def to_fasta(self) -> str:
        """The designs as FASTA text: name, expression and number of changes in each header.

        Example:
            >>> print(designs.to_fasta())  # doctest: +SKIP
            >design0 start=0 expression=12.31 changes=5 extrapolation=no
            ACGTTACGGA
        """
        lines = []
        for row, name in enumerate(self.name):
            beyond = "unknown"
            if self.extrapolation is not None:
                beyond = "yes" if self.extrapolation[row] else "no"
            header = {
                "start": "_".join(self.start[row].split()),
                "expression": f"{self.expression[row]:.6g}",
                "changes": len(self.changes[row]),
                "extrapolation": beyond,
            }
            words = [name, *(f"{key}={value}" for key, value in header.items())]
            lines.append(f">{' '.join(words)}\n{self.sequence[row]}\n")
        return "".join(lines)


def changes_between(start: str, design: str) -> tuple[str, ...]:
    """The substitutions that make a design of its start.

    Example:
        >>> changes_between("ACGT", "ATGA")
        ('C1T', 'T3A')
    """
    pairs = enumerate(zip(start, design, strict=True))
    return tuple(f"{old}{place}{new}" for place, (old, new) in pairs if old != new)
