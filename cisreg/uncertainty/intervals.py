"""Tables of intervals: of parameters and effects, and of predictions and differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cisreg.display import counted, html_table

if TYPE_CHECKING:
    import pandas as pd

_AROUND = ("standard_error", "lower", "upper")


@dataclass(frozen=True, eq=False, repr=False)
class Intervals:
    """Intervals of K numbers of a model.

    Attributes:
        parameter: K names of what the numbers are: parameters, or effects.
        factor: K names of the factors that they belong to; empty where there is none.
        estimate: float64 [K].
        standard_error: float64 [K]; infinite where the data say nothing.
        lower: float64 [K].
        upper: float64 [K].
        level: the share of such intervals that are meant to hold the true number.
    """

    parameter: Sequence[str]
    factor: Sequence[str]
    estimate: np.ndarray
    standard_error: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    level: float

    def __len__(self) -> int:
        return len(self.estimate)

    def __repr__(self) -> str:
        return f"Intervals({counted(len(self), 'number')}, level {self.level:g})"

    def _repr_html_(self) -> str:
        columns = {name: column.to_pylist() for name, column in self.columns().items()}
        return html_table(repr(self), columns, len(self))

    def columns(self) -> dict[str, pa.Array]:
        """The columns parameter, factor, estimate, standard_error, lower and upper."""
        return {
            "parameter": pa.array(list(self.parameter), pa.string()),
            "factor": pa.array([name or None for name in self.factor], pa.string()),
            **columns_of_outputs(
                {each: getattr(self, each) for each in ("estimate", *_AROUND)}, ()
            ),
        }

    def to_table(self) -> pa.Table:
        """An Arrow table, a row for each number; `factor` is missing where there is none.

        Example:
            >>> zero, one = np.zeros(1), np.ones(1)
            >>> Intervals(["bias"], [""], zero, one, -one, one, 0.9).to_table()["upper"].to_pylist()
            [1.0]
        """
        return pa.table(self.columns())

    def to_frame(self) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()


@dataclass(frozen=True, eq=False, repr=False)
class PredictionIntervals:
    """Intervals of the expression of N sequences, or of N differences of expression.

    They are of what the model is meant to predict, the mean of many measurements. A single
    measurement scatters more, by the noise. Of T outputs all arrays are [N, T].

    Attributes:
        expression: float64 [N], in the unit of expression.
        standard_error: float64 [N].
        lower: float64 [N].
        upper: float64 [N].
        level: the share of such intervals that are meant to hold the true expression.
        name: Arrow strings [N], or None.
        output_names: names of several outputs.
    """

    expression: np.ndarray
    standard_error: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    level: float
    name: pa.Array | None = None
    output_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.expression)

    def __repr__(self) -> str:
        return f"PredictionIntervals({counted(len(self), 'sequence')}, level {self.level:g})"

    def _repr_html_(self) -> str:
        columns = {name: column.to_pylist() for name, column in self.columns().items()}
        return html_table(repr(self), columns, len(self))

    def columns(self) -> dict[str, Any]:
        """The columns name (if there are names), expression, standard_error, lower and upper.

        Of several outputs there are expression_NAME and so on of each, output by output.
        """
        names = {} if self.name is None else {"name": self.name}
        columns = {each: getattr(self, each) for each in ("expression", *_AROUND)}
        return {**names, **columns_of_outputs(columns, self.output_names)}

    def to_table(self) -> pa.Table:
        """An Arrow table, a row for each sequence.

        Example:
            >>> zero, one = np.zeros(1), np.ones(1)
            >>> PredictionIntervals(zero, one, -one, one, 0.9).to_table().column_names
            ['expression', 'standard_error', 'lower', 'upper']
        """
        return pa.table(self.columns())

    def to_frame(self) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()


def columns_of_outputs(
    columns: Mapping[str, np.ndarray], outputs: Sequence[str]
) -> dict[str, pa.Array]:
    """Columns of a table; of several outputs those of each, with its name behind theirs.

    Args:
        columns: float64 [N] by name; of T outputs [N, T].
        outputs: names of T outputs, or ().

    Example:
        >>> list(columns_of_outputs({"lower": np.zeros((3, 2))}, ("one", "two")))
        ['lower_one', 'lower_two']
    """
    if not outputs:
        return {name: pa.array(each, pa.float64()) for name, each in columns.items()}
    return {
        f"{name}_{output}": pa.array(each[:, index], pa.float64())
        for index, output in enumerate(outputs)
        for name, each in columns.items()
    }
