"""The squared error along one parameter, with the others fitted anew at each of its values."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cisreg.arrays import as_array
from cisreg.data import Dataset
from cisreg.display import counted, html_table
from cisreg.progress import progress_bar
from cisreg.quantiles import normal_width
from cisreg.trained_model import Model
from cisreg.uncertainty.coordinates import Coordinates
from cisreg.uncertainty.laplace import estimate_certainty
from cisreg.uncertainty.normal_equations import Measured
from cisreg.uncertainty.refitting import least_squares

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger("cisreg.uncertainty")

# Values without an argument: so many, up to so many standard errors from the estimate.
_POINTS, _REACH = 13, 3.0


@dataclass(frozen=True, eq=False, repr=False)
class Profile:
    """The squared error along one parameter.

    Attributes:
        parameter: its name.
        factor: the factor that it belongs to; None where there is none.
        estimate: its value where the squared error is least.
        value: float64 [V], rising.
        loss: float64 [V], the least sum of weight (measured - predicted)² with this value.
        excess: float64 [V], how much larger that is than the least of all, in units of the noise
            variance. It is chi-square distributed with one degree of freedom where the value is the
            true one, so that 2.7 is the end of a 90 % interval (Seber and Wild, 2003, chapter 5).
        noise: standard deviation of the measurements around the model.
    """

    parameter: str
    factor: str | None
    estimate: float
    value: np.ndarray
    loss: np.ndarray
    excess: np.ndarray
    noise: float

    def __len__(self) -> int:
        return len(self.value)

    def __repr__(self) -> str:
        of = "" if self.factor is None else f" of {self.factor}"
        return f"Profile({self.parameter}{of}, {counted(len(self), 'value')})"

    def _repr_html_(self) -> str:
        table = self.to_table()
        columns = {name: table[name].to_pylist() for name in table.column_names}
        return html_table(repr(self), columns, len(self))

    def interval(self, level: float = 0.9) -> tuple[float, float]:
        """Where the excess crosses its limit; infinite on a side where it does not.

        Example:
            >>> profile(model, data, "activity", "Reb1").interval(0.9)  # doctest: +SKIP
            (1.1, 1.6)
        """
        limit = normal_width(level)
        value = np.concatenate([self.value, [self.estimate]])
        order = np.argsort(value, kind="stable")
        root = np.sqrt(np.maximum(np.concatenate([self.excess, [0.0]]), 0.0))[order]
        value = value[order]
        middle = int(np.argmax(order == len(self)))
        below = _crossing(value[middle::-1], root[middle::-1], limit)
        above = _crossing(value[middle:], root[middle:], limit)
        return (-np.inf if below is None else below, np.inf if above is None else above)

    def to_table(self) -> pa.Table:
        """An Arrow table with the columns value, loss and excess."""
        return pa.table({"value": self.value, "loss": self.loss, "excess": self.excess})

    def to_frame(self) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()


def profile(
    model: Model,
    dataset: Dataset,
    parameter: str,
    factor: str | None = None,
    values: npt.ArrayLike | None = None,
    *,
    parameters: Sequence[str] | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Profile:
    """The squared error along one parameter, with the others fitted anew at each of its values.

    Unlike the intervals of `estimate_certainty` it needs no parabola: where the squared error rises
    on one side alone, or nowhere, the profile shows it.

    Args:
        model: a trained model.
        dataset: what it was trained on.
        parameter: the name of the parameter, such as "activity".
        factor: the factor, for a parameter that each factor has.
        values: float [V], values to try; None: 13 values up to 3 standard errors on both sides of
            the estimate, or 3 units where the standard error is infinite.
        parameters: names of the parameters that are fitted, the given one among them; None: all but
            the motifs and position weights.
        threads: of the scans; None: one for each core.
        progress: whether to show a progress bar on a terminal.

    Returns:
        A Profile. The log warns if fits did not reach their optimum.

    Raises:
        ValueError: no such parameter or factor, or values that are not finite.

    Example:
        >>> profile(model, data, "activity", "Reb1").to_frame()  # doctest: +SKIP
    """
    # Before the work.
    index = Coordinates.of(model, parameters).index(parameter, factor)
    certainty = estimate_certainty(model, dataset, parameters=parameters, threads=threads)
    coordinates, best = certainty.coordinates, certainty.model
    estimate = float(coordinates.values(best)[index])
    if values is None:
        error = float(certainty.standard_error[index])
        reach = _REACH * error if np.isfinite(error) else _REACH
        values = estimate + np.linspace(-reach, reach, _POINTS)
    tried = np.sort(as_array(values, "values", np.float64, ("V",), finite=True))
    measured, free = Measured.of(model, dataset), np.delete(np.arange(len(coordinates)), index)
    loss, missed = np.empty(len(tried)), 0
    above = tried >= estimate
    with progress_bar(show=progress, transient=True) as bar:
        task = bar.add_task("profile", total=len(tried))
        # Outwards from the optimum, each from the fit before.
        for side in (np.flatnonzero(above), np.flatnonzero(~above)[::-1]):
            present = best
            for place in side:
                step = np.zeros(len(coordinates))
                step[index] = tried[place] - coordinates.values(present)[index]
                found = least_squares(
                    coordinates.moved(present, step),
                    *(measured, coordinates, free),
                    steps=50,
                    threads=threads,
                )
                present, loss[place] = found.model, found.loss
                missed += not found.converged
                bar.advance(task)
    if missed:
        logger.warning(
            "profile: %d of %d fits did not reach their optimum, so that their loss is too large",
            *(missed, len(tried)),
        )
    variance = certainty.noise**2 / measured.mean_variance
    least = certainty.refit.loss if certainty.refit is not None else loss.min()
    excess = (loss - least) / variance
    return Profile(parameter, factor, estimate, tried, loss, excess, certainty.noise)


def _crossing(value: np.ndarray, root: np.ndarray, limit: float) -> float | None:
    """Where the root of the excess first reaches the limit, between two values; None: nowhere."""
    beyond = np.flatnonzero(root >= limit)
    if not len(beyond) or not beyond[0]:
        return None
    pair = slice(beyond[0] - 1, beyond[0] + 1)
    return float(np.interp(limit, root[pair], value[pair]))
