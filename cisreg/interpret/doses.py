"""Expression at other concentrations of one factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cisreg.display import counted, html_table
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.batches import (
    batches,
    encode_some,
    factor_places,
    sequence_column,
    sequence_names,
)
from cisreg.interpret.concentrations import change_concentration
from cisreg.interpret.read_out import ModelScan, read_out, scan_model
from cisreg.limits import check_memory

if TYPE_CHECKING:
    import pandas as pd

# From a hundredth to a hundred times the concentration, four steps for each factor of ten.
TIMES = tuple(float(times) for times in np.logspace(-2, 2, 17))


@dataclass(frozen=True, eq=False)
class DoseResponse:
    """Expression of N sequences at K concentrations of one factor.

    Attributes:
        factor: its name.
        times: float64 [K], the number that the concentration is multiplied by.
        expression: float64 [K, N].
        accessibility: float64 [K, N]; 1 without the potentiation layer.
        name: names of the sequences, Arrow strings [N]; None if they have none.
        unit: the unit of expression; empty if it is not known.
    """

    factor: str
    times: np.ndarray
    expression: np.ndarray
    accessibility: np.ndarray
    name: pa.Array | None = None
    unit: str = ""

    def __len__(self) -> int:
        """K, the number of concentrations."""
        return len(self.times)

    def __repr__(self) -> str:
        return f"DoseResponse({self._title()})"

    def _title(self) -> str:
        return (
            f"{self.factor} at {counted(len(self), 'concentration')}, "
            f"{counted(self.expression.shape[1], 'sequence')}"
        )

    def _repr_html_(self) -> str:
        table = self.to_table()
        columns = {name: table[name].to_pylist() for name in table.column_names}
        return html_table(self._title(), columns, len(table))

    def to_table(self) -> pa.Table:
        """An Arrow table with a row for each sequence and concentration.

        Example:
            >>> dose_response(model, data, "Reb1").to_table().column_names  # doctest: +SKIP
            ['sequence', 'factor', 'times', 'expression', 'accessibility']
        """
        doses, count = self.expression.shape
        return pa.table(
            {
                "sequence": sequence_column(self.name, np.repeat(np.arange(count), doses)),
                "factor": pa.array([self.factor] * self.expression.size, pa.string()),
                "times": pa.array(np.tile(self.times, count)),
                "expression": pa.array(self.expression.T.ravel()),
                "accessibility": pa.array(self.accessibility.T.ravel()),
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()


def dose_response(
    model: AnyModel,
    sequences: Any,
    factor: str,
    times: Sequence[float] = TIMES,
    *,
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> DoseResponse:
    """Expression along the concentration of a factor, all else unchanged.

    Only the factor is scanned again for each concentration; where sites exclude each other, or
    factors act in pairs, all factors.

    Args:
        model: a trained model.
        sequences: whatever `Model.predict` takes.
        factor: its name.
        times: K numbers of 0 or more that the learned concentration is multiplied by; 0 is a
            knock-out.
        batch_size: sequences scanned at a time; None: as many as take a few hundred megabytes.
        threads: how many threads compute; None: one for each core.
        progress: whether to show a progress bar.

    Raises:
        ValueError: no sequences or concentrations, a factor that the model does not have, or a
            number that is negative or not finite.

    Example:
        >>> dose_response(model, data, "Reb1", [0, 1, 10]).expression.shape  # doctest: +SKIP
        (3, 1000)
    """
    if not len(times):
        raise ValueError("times: expected one or more numbers, got none; leave it out for 17")
    place = int(factor_places(model, [factor])[0])
    scanned = model if _acts_on_others(model) else _one_factor(model, place)
    doses = [change_concentration(scanned, {factor: each}) for each in times]
    codes = encode_some(model, sequences)
    check_memory(
        f"{counted(len(doses), 'concentration')} of {counted(len(codes), 'sequence')}",
        16 * len(doses) * len(codes),
        "give fewer sequences at once",
    )
    expression, accessibility = np.empty((2, len(doses), len(codes)))
    how: dict[str, Any] = {"batch_size": batch_size, "progress": progress}
    for rows, part in batches(model, codes, description="doses", **how):
        scan = scan_model(model, part, threads=threads)
        for dose, changed in enumerate(doses):
            other = scan_model(changed, part, threads=threads)
            if not _acts_on_others(model):
                other = _with_factor(scan, place, other)
            found = read_out(model, other)
            expression[dose, rows], accessibility[dose, rows] = found[:2]
    return DoseResponse(
        factor,
        np.array(times, np.float64),
        expression,
        accessibility,
        sequence_names(sequences),
        model.unit,
    )


def _acts_on_others(model: AnyModel) -> bool:
    """Whether what other factors do depends on the concentration of one."""
    return model.spec.competition or bool(model.spec.pairs)


def _one_factor(model: AnyModel, place: int) -> AnyModel:
    """The model of one factor of a model, to scan with."""
    each: Any = model
    shapes = model.spec.parameter_shapes
    parameters = {
        name: value[..., place : place + 1] if shapes[name] else value
        for name, value in model.parameters.items()
    }
    columns = model.column_range
    return replace(
        each,
        spec=replace(model.spec, motif_count=1),
        parameters=parameters,
        motif_names=(model.motif_names[place],),
        initial_motifs=None,
        column_range=None if columns is None else columns[:, place : place + 1],
    )


def _with_factor(scan: ModelScan, place: int, other: ModelScan) -> ModelScan:
    """The scan in which one factor binds as in the scan of this factor alone."""
    made = scan.changed(np.copy)
    for part, of_factor in zip(made, other, strict=True):
        if part is not None and of_factor is not None:
            part[..., place] = of_factor[..., 0]
    return made
