"""Other concentrations of factors: changed models, knock-outs, overexpression."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa

from cisreg.data import Dataset
from cisreg.display import counted, html_table
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.batches import batches, encode_some, factor_places
from cisreg.interpret.factor_changes import concentration_changes
from cisreg.interpret.read_out import read_out, scan_model
from cisreg.metrics import pearson_correlation

if TYPE_CHECKING:
    import pandas as pd

# A smaller standard deviation, relative to the mean, is rounding.
_SMALLEST_SPREAD = 1e-13

SomeModel = TypeVar("SomeModel", bound=AnyModel)


def change_concentration(model: SomeModel, times: Mapping[str, float]) -> SomeModel:
    """The model with other concentrations of some factors, for example of a mutant strain.

    Args:
        model: a trained model; it stays as it is.
        times: by the name of a factor, the number that its concentration is multiplied by; 0 is a
            knock-out.

    Returns:
        A model that is the same otherwise.

    Raises:
        ValueError: a name that the model does not have, or a number that is negative or not finite.

    Example:
        >>> doubled = change_concentration(model, {"Reb1": 2.0, "Abf1": 0})  # doctest: +SKIP
        >>> doubled.predict(sequences).expression  # doctest: +SKIP
    """
    places = factor_places(model, list(times))
    concentration = np.array(model.parameters["log_concentration"], np.float32)
    for place, (name, number) in zip(places, times.items(), strict=True):
        concentration[place] += _log_times(f"times of {name}", number)
    changed: Any = model
    return replace(changed, parameters={**model.parameters, "log_concentration": concentration})


def _log_times(what: str, number: float) -> float:
    if isinstance(number, bool) or not isinstance(number, (int, float, np.number)):
        raise TypeError(f"{what}: expected a number, got {number!r}")
    if not (number >= 0 and math.isfinite(number)):
        raise ValueError(
            f"{what}: expected a finite number of 0 or more, got {number}; 0 is a knock-out, and "
            "0.5 half of the concentration"
        )
    return math.log(number) if number else -math.inf


@dataclass(frozen=True, eq=False)
class ConcentrationEffects:
    """What it does to expression if the concentration of one factor at a time is another one.

    Attributes:
        factor: K names of the factors.
        times: the number that each concentration was multiplied by; 0: knock-outs.
        mean_effect: float64 [K], mean over the sequences of expression with the higher of the two
            concentrations minus that with the lower: positive for a factor that raises expression.
        importance: float64 [K], mean over the sequences of the absolute difference.
        count: number of sequences, N.
        pearson: Pearson's r of predicted and measured expression; None without measurements, and
            for a model of counts.
        lost_pearson: float64 [K], `pearson` minus r with the changed concentration: the loss of
            accuracy. NaN where r is undefined. None without measurements.
        unit: the unit of expression; empty if it is not known.
    """

    factor: tuple[str, ...]
    times: float
    mean_effect: np.ndarray
    importance: np.ndarray
    count: int
    pearson: float | None = None
    lost_pearson: np.ndarray | None = None
    unit: str = ""

    def __len__(self) -> int:
        """K, the number of factors."""
        return len(self.factor)

    def __repr__(self) -> str:
        return f"ConcentrationEffects({self._title()})"

    def _title(self) -> str:
        return (
            f"{counted(len(self), 'factor')} at {self.times:g} times its concentration, "
            f"{counted(self.count, 'sequence')}"
        )

    def _repr_html_(self) -> str:
        columns = {name: column.to_pylist() for name, column in self._columns().items()}
        return html_table(self._title(), columns, len(self))

    def _columns(self) -> dict[str, pa.Array]:
        order = np.argsort(-self.importance, kind="stable")
        columns = {
            "factor": pa.array([self.factor[place] for place in order], pa.string()),
            "times": pa.array([self.times] * len(self), pa.float64()),
            "mean_effect": pa.array(self.mean_effect[order]),
            "importance": pa.array(self.importance[order]),
        }
        if self.lost_pearson is not None:
            columns["lost_pearson"] = pa.array(self.lost_pearson[order])
        return columns

    def to_table(self) -> pa.Table:
        """An Arrow table with a row for each factor, the most important one first.

        Example:
            >>> knock_outs(model, sequences).to_table().column_names  # doctest: +SKIP
            ['factor', 'times', 'mean_effect', 'importance']
        """
        return pa.table(self._columns())

    def to_frame(self) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()


def knock_outs(
    model: AnyModel,
    sequences: Any,
    *,
    factors: Sequence[str] | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> ConcentrationEffects:
    """The effect of each factor on expression: with it, and without all of its sites.

    In a knock-out the concentration of the factor is 0. It is bound nowhere, so that it also opens
    or closes no chromatin for the others. All knock-outs come from one scan of the sequences; where
    sites exclude each other, each one is a scan of its own, since others take the freed places.

    Args:
        model: a trained model.
        sequences: whatever `Model.predict` takes. With a `Dataset` of measured expression the
            result also says how much of Pearson's r is lost without each factor.
        factors: names of the factors; None: all of them.
        batch_size: sequences scanned at a time; None: as many as take a few hundred megabytes.
        threads: how many threads compute; None: one for each core.
        progress: whether to show a progress bar.

    Raises:
        ValueError: no sequences, a name that the model does not have, or sequences as `predict`
            refuses them.

    Example:
        >>> knock_outs(model, data).to_frame().head()  # doctest: +SKIP
    """
    return change_each_concentration(
        *(model, sequences, 0.0),
        factors=factors,
        batch_size=batch_size,
        threads=threads,
        progress=progress,
    )


def change_each_concentration(
    model: AnyModel,
    sequences: Any,
    times: float,
    *,
    factors: Sequence[str] | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> ConcentrationEffects:
    """The effect on expression of another concentration of each factor, one factor at a time.

    Args:
        model: a trained model.
        sequences: as for `knock_outs`.
        times: the number that the concentration is multiplied by: 2 is overexpression, 0 a
            knock-out. 1 changes nothing, and is refused.
        factors: as for `knock_outs`.
        batch_size: as for `knock_outs`.
        threads: as for `knock_outs`.
        progress: as for `knock_outs`.

    Raises:
        ValueError: as for `knock_outs`, or `times` is negative, not finite or 1.

    Example:
        >>> change_each_concentration(model, data, 2.0).to_frame().head()  # doctest: +SKIP
    """
    log_times = check_times(times)
    places = factor_places(model, factors)
    codes = encode_some(model, sequences)
    sums = _Sums(len(places), _measured(model, sequences))
    asked = {"batch_size": batch_size, "progress": progress, "description": "factors"}
    for rows, part in batches(model, codes, **asked):  # type: ignore[arg-type]
        scan = scan_model(model, part, threads=threads)
        change = concentration_changes(model, part, scan, places, log_times, threads=threads)
        sums.add(rows, read_out(model, scan).expression, change)
    sign = 1.0 if times > 1 else -1.0
    return ConcentrationEffects(
        tuple(model.motif_names[place] for place in places),
        float(times),
        sign * sums.change / len(codes),
        sums.absolute / len(codes),
        len(codes),
        *sums.accuracy(),
        unit=model.unit,
    )


def check_times(times: float) -> float:
    """The logarithm of what all concentrations are multiplied by.

    Raises:
        ValueError: it is negative, not finite or 1.

    Example:
        >>> check_times(1.5) > 0
        True
    """
    log_times = _log_times("times", times)
    if times == 1:
        raise ValueError("times: expected another number than 1, which changes nothing, got 1")
    return log_times


def _measured(model: AnyModel, sequences: Any) -> np.ndarray | None:
    """Measured expression, float64 [N], if the sequences are a Dataset that has it."""
    if not isinstance(sequences, Dataset) or not sequences.expression.size:
        return None
    # A table that was read for its sequences may have its counts in any order, or a part of them.
    if model.noise is not None and model.noise.counts:
        return None
    return sequences.mean_expression.astype(np.float64)


class _Sums:
    """Sums over sequences of the changes of K factors, and of what Pearson's r is made of."""

    def __init__(self, count: int, measured: np.ndarray | None) -> None:
        self.change, self.absolute = np.zeros(count), np.zeros(count)
        self._measured = measured
        # Sums of predicted, of its square and of its product with measured, around `_centre`.
        self._moments = np.zeros((3, count))
        self._centre: np.ndarray | None = None
        self._expression: list[np.ndarray] = []

    def add(self, rows: slice, expression: np.ndarray, change: np.ndarray) -> None:
        """Adds some sequences: their expression [n], and its change by each factor [n, K]."""
        self.change += change.sum(axis=0)
        self.absolute += np.abs(change).sum(axis=0)
        if self._measured is None:
            return
        predicted = expression[:, np.newaxis] + change
        if self._centre is None:
            self._centre = predicted.mean(axis=0)
        self._expression.append(expression)
        predicted = predicted - self._centre
        measured = (self._measured - self._measured.mean())[rows]
        self._moments += predicted.sum(axis=0), (predicted**2).sum(axis=0), measured @ predicted

    def accuracy(self) -> tuple[float | None, np.ndarray | None]:
        """Pearson's r, and what is lost of it by each change; None without measurements."""
        if self._measured is None:
            return None, None
        assert self._centre is not None
        pearson = pearson_correlation(np.concatenate(self._expression), self._measured)
        total, square, product = self._moments
        count = len(self._measured)
        spread = square - total**2 / count
        # What is left of equal predictions is rounding.
        spread[spread <= count * (_SMALLEST_SPREAD * self._centre) ** 2] = np.nan
        deviations = np.sum((self._measured - self._measured.mean()) ** 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            return pearson, pearson - product / np.sqrt(spread * deviations)
