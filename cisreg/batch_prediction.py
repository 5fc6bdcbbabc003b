"""Predictions as NumPy arrays, with names and as tables; nothing here needs TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cisreg.display import counted, html_table
from cisreg.names import check_names
from cisreg.outputs import default_output_names, output_index

if TYPE_CHECKING:
    import pandas as pd

BATCH_SIZE = 1024


@dataclass(frozen=True, eq=False)
class BatchPrediction:
    """A model's predictions for N sequences, as NumPy arrays.

    Of a model of T outputs, the arrays have an axis of them behind N: [N, T], [N, T], [N, T, 2, M].

    Attributes:
        expression: float32 [N], in the unit of the training data.
        accessibility: float32 [N], between 0 and 1; None without the potentiation layer.
        binding: float32 [N, 2, M], accessible binding of each motif to each strand; None if it was
            not requested.
        name: Arrow strings [N], names of the sequences; None if they have no names.
        motif_names: M names of the motifs.
        output_names: T names of the outputs; () for a model of one.
    """

    expression: np.ndarray
    accessibility: np.ndarray | None = None
    binding: np.ndarray | None = None
    name: pa.Array | None = None
    motif_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        """N, the number of sequences."""
        return len(self.expression)

    def __repr__(self) -> str:
        return f"BatchPrediction({counted(len(self), 'sequence')}: {', '.join(self._names())})"

    def _repr_html_(self) -> str:
        known = replace(self, binding=None).columns()
        columns = {name: np.asarray(each).tolist() for name, each in known.items()}
        return html_table(f"Predictions of {counted(len(self), 'sequence')}", columns, len(self))

    def _names(self) -> list[str]:
        """Names of all columns except the many columns of binding."""
        names = ("name", "expression", "accessibility")
        return [name for name in names if getattr(self, name) is not None]

    def columns(self) -> dict[str, Any]:
        """The predictions as columns: name, expression, accessibility and binding, if not None.

        Binding has two columns per motif, forward_NAME and reverse_NAME. Of a model of several
        outputs, each has columns of its own, such as expression_OUTPUT and forward_NAME_OUTPUT.

        Raises:
            ValueError: binding without a distinct name for each motif.
        """
        columns: dict[str, Any] = {} if self.name is None else {"name": self.name}
        if self.expression.ndim == 1:
            return columns | self._of_one()
        names = self.output_names or default_output_names(self.expression.shape[1])
        parts = [self._output(index)._of_one() for index in range(len(names))]
        return columns | {
            f"{kind}_{name}": each[kind]
            for kind in parts[0]
            for name, each in zip(names, parts, strict=True)
        }

    def output(self, name: str) -> BatchPrediction:
        """The predictions of one output, as of a model of that output alone.

        Raises:
            ValueError: there is no output of that name.

        Example:
            >>> both = BatchPrediction(np.array([[1, 2]], np.float32), output_names=("a", "b"))
            >>> both.output("b").expression
            array([2.], dtype=float32)
        """
        return self._output(output_index(self.output_names, name))

    def _output(self, index: int) -> BatchPrediction:
        return replace(
            self,
            expression=self.expression[:, index],
            accessibility=None if self.accessibility is None else self.accessibility[:, index],
            binding=None if self.binding is None else self.binding[:, index],
            output_names=(),
        )

    def _of_one(self) -> dict[str, Any]:
        """The columns of one output."""
        columns: dict[str, Any] = {"expression": np.ascontiguousarray(self.expression)}
        if self.accessibility is not None:
            columns["accessibility"] = np.ascontiguousarray(self.accessibility)
        if self.binding is not None:
            check_names("motif_names", self.motif_names)
            if len(self.motif_names) != self.binding.shape[2]:
                raise ValueError(
                    f"motif_names: expected {self.binding.shape[2]} names, one for each motif of "
                    f"binding, got {len(self.motif_names)}"
                )
            for index, motif in enumerate(self.motif_names):
                columns[f"forward_{motif}"] = self.binding[:, 0, index]
                columns[f"reverse_{motif}"] = self.binding[:, 1, index]
        return columns

    def to_table(self) -> pa.Table:
        """An Arrow table of `columns`, one row per sequence.

        Example:
            >>> prediction = BatchPrediction(np.zeros(2, np.float32), name=pa.array(["a", "b"]))
            >>> prediction.to_table().column_names
            ['name', 'expression']
        """
        return pa.table(self.columns())

    def to_frame(self) -> pd.DataFrame:
        """A pandas DataFrame of `columns`, one row per sequence.

        Raises:
            ImportError: pandas is not installed.

        Example:
            >>> BatchPrediction(np.zeros(2, np.float32)).to_frame().shape
            (2, 1)
        """
        return self.to_table().to_pandas()


def join_predictions(batches: Iterable[BatchPrediction]) -> BatchPrediction:
    """Joins the predictions of one or more batches, in order."""
    parts = list(batches)
    names = [part.name for part in parts if part.name is not None]

    def joined(arrays: list[np.ndarray | None]) -> np.ndarray | None:
        there = [array for array in arrays if array is not None]
        return np.concatenate(there) if there else None

    return BatchPrediction(
        np.concatenate([part.expression for part in parts]),
        joined([part.accessibility for part in parts]),
        joined([part.binding for part in parts]),
        pa.concat_arrays(names) if names else None,
        parts[0].motif_names,
        parts[0].output_names,
    )
