"""The result of a training run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from cisreg.display import html_table
from cisreg.losses import Noise
from cisreg.training.state import EpochRecord
from cisreg.training.unit import STANDARD, Unit

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_EPOCHS = 10


@dataclasses.dataclass(frozen=True, repr=False)
class FitResult:
    """The result of a training run.

    Attributes:
        parameters: float32 arrays by name, from the end of the last stage, in the unit of the
            measurements.
        history: one record for each epoch of all stages.
        best_epoch: the epoch after which the model had these parameters, counted over the whole run
            (`EpochRecord.total_epoch`): the last one, or with early stopping the best one of the
            last stage.
        seconds: time that the training steps took.
        unit: the unit of the measurements, as computed from the training data.
        interrupted: whether an interrupt (Ctrl-C) ended the run early.
        noise: the noise model with the numbers that were trained; None for another loss.
    """

    parameters: dict[str, np.ndarray]
    history: list[EpochRecord]
    best_epoch: int
    seconds: float
    unit: Unit = STANDARD
    interrupted: bool = False
    noise: Noise | None = None

    def __repr__(self) -> str:
        return f"FitResult({', '.join(self._summary())})"

    def _repr_html_(self) -> str:
        """A table of the last epochs, for notebooks."""
        table = self.to_table()[-_SHOWN_EPOCHS:]
        known = [name for name in table.column_names if table[name].null_count < len(table)]
        columns = {name: table[name].to_pylist() for name in known}
        return html_table(repr(self), columns, len(table))

    def _summary(self) -> list[str]:
        parts = [f"{len(self.history)} epochs", f"{self.seconds:.1f} s"]
        made = next((each for each in self.history if each.total_epoch == self.best_epoch), None)
        if made is not None:
            parts.append(f"loss {made.loss:.4g}")
            if made.validation_r is not None:
                parts.append(f"validation r {made.validation_r:.4f}")
        return parts + ["interrupted"] * self.interrupted

    def to_table(self) -> pa.Table:
        """The history as an Arrow table, a row for each epoch and a column for each field.

        Example:
            >>> result.to_table()["validation_r"].to_pylist()  # doctest: +SKIP
        """
        return history_table(self.history)

    def to_frame(self) -> pd.DataFrame:
        """The history as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.

        Example:
            >>> result.to_frame().plot(x="total_epoch", y="validation_r")  # doctest: +SKIP
        """
        return self.to_table().to_pandas()


_INTEGERS = ("stage", "epoch", "total_epoch", "step")


def history_table(history: Sequence[EpochRecord]) -> pa.Table:
    """Epochs as an Arrow table, a row for each and a column for each field.

    Example:
        >>> history_table([]).column_names[:2]
        ['stage', 'epoch']
    """
    names = [field.name for field in dataclasses.fields(EpochRecord)]
    types = [pa.int64() if name in _INTEGERS else pa.float64() for name in names]
    return pa.table(
        {
            name: pa.array([getattr(record, name) for record in history], kind)
            for name, kind in zip(names, types, strict=True)
        }
    )
