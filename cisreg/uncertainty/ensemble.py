"""Several models of the same data, and the intervals that their differences give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from cisreg.display import counted, html_table
from cisreg.interpret.batches import sequence_names
from cisreg.trained_model import Model
from cisreg.uncertainty.effects import site_effects
from cisreg.uncertainty.intervals import Intervals, PredictionIntervals
from cisreg.uncertainty.laplace import paired_codes, prediction_intervals
from cisreg.uncertainty.quantiles import student_width

if TYPE_CHECKING:
    import pandas as pd

Resampling = Literal["bootstrap", "seeds"]


@dataclass(frozen=True, eq=False, repr=False)
class Ensemble:
    """Models that were trained alike, each on other rows or from another seed.

    Factors keep their names from model to model, since each motif starts from the one of its name.

    Intervals are mean ± t s √(1 + 1/B) of the B members, with their standard deviation s and the
    quantile t of Student's distribution with B - 1 degrees of freedom. With "bootstrap" the members
    scatter around the estimate as the estimate does around the truth (Efron and Tibshirani, 1993,
    An Introduction to the Bootstrap), so that these are intervals of the true number, unless
    training is biased. With "seeds" they say where one more training would end, and nothing of the
    noise of the data.

    Attributes:
        models: B models.
        resampling: "bootstrap" or "seeds".

    Raises:
        ValueError: fewer than 2 models, or models of different layers or motifs.
    """

    models: tuple[Model, ...]
    resampling: Resampling

    def __post_init__(self) -> None:
        if len(self.models) < 2:
            raise ValueError(
                f"models: expected 2 or more, whose differences say how sure they are, got "
                f"{len(self.models)}"
            )
        first = self.models[0]
        for number, model in enumerate(self.models):
            if model.spec != first.spec or model.motif_names != first.motif_names:
                raise ValueError(
                    f"models: expected the same layers and motifs in all, got others in number "
                    f"{number} than in number 0"
                )

    def __len__(self) -> int:
        return len(self.models)

    def __repr__(self) -> str:
        motifs = counted(len(self.models[0].motif_names), "motif")
        return f"Ensemble({len(self)} models of {motifs}, {self.resampling})"

    def _repr_html_(self) -> str:
        columns = {name: each.to_pylist() for name, each in self.parameters().columns().items()}
        return html_table(repr(self), columns, len(columns["estimate"]))

    def predict(self, sequence: Any, level: float = 0.9) -> PredictionIntervals:
        """Intervals of the expression of sequences, given as to `Model.predict`.

        Example:
            >>> ensemble.predict(["ACGT" * 27]).to_frame()  # doctest: +SKIP
        """
        expression = self._expression(self.models[0].encode(sequence))
        return self._predicted(expression, level, sequence)

    def difference(self, first: Any, second: Any, level: float = 0.9) -> PredictionIntervals:
        """Intervals of the expression of `second` minus that of `first`, row by row.

        Each member predicts both, so that what they share does not count.

        Raises:
            ValueError: different numbers of sequences.

        Example:
            >>> ensemble.difference(["ACGT" * 27], ["ACGA" * 27]).to_frame()  # doctest: +SKIP
        """
        before, after = map(self._expression, paired_codes(self.models[0], first, second))
        return self._predicted(after - before, level, second)

    def parameters(self, level: float = 0.9) -> Intervals:
        """Intervals of the parameters that factors have one of, and of those that have no factor.

        Example:
            >>> ensemble.parameters(0.9).to_frame()  # doctest: +SKIP
        """
        return self._intervals(_parameters, level)

    def effects(self, level: float = 0.9) -> Intervals:
        """Intervals of the effects of each factor's strongest site, see `site_effects`.

        Example:
            >>> ensemble.effects(0.9).to_frame()  # doctest: +SKIP
        """
        return self._intervals(site_effects, level)

    def to_table(self) -> pa.Table:
        """An Arrow table with a row for each parameter of each member.

        The columns are member (from 0), parameter, factor (missing where there is none) and value.

        Example:
            >>> ensemble.to_table().column_names  # doctest: +SKIP
            ['member', 'parameter', 'factor', 'value']
        """
        values, names, factors = self._numbers(_parameters)
        return pa.table(
            {
                "member": np.repeat(np.arange(len(self)), values.shape[1]),
                "parameter": pa.array(names * len(self), pa.string()),
                "factor": pa.array([name or None for name in factors] * len(self), pa.string()),
                "value": values.ravel(),
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()

    def _expression(self, codes: np.ndarray) -> np.ndarray:
        """float64 [B, N]."""
        return np.stack([model.predict(codes).expression for model in self.models]).astype(float)

    def _predicted(self, values: np.ndarray, level: float, sequence: Any) -> PredictionIntervals:
        mean, error, width = self._summary(values, level)
        name = sequence_names(sequence)
        return prediction_intervals(mean, error, width, level, name)

    def _summary(self, values: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray, float]:
        """Mean and standard error of each column, and the width in standard errors."""
        error = values.std(axis=0, ddof=1) * np.sqrt(1 + 1 / len(self))
        return values.mean(axis=0), error, student_width(level, len(self) - 1)

    def _numbers(
        self, of_model: Callable[[Model], dict[str, np.ndarray]]
    ) -> tuple[np.ndarray, list[str], list[str]]:
        """Numbers of each member [B, K], their K names, and the factors that they belong to."""
        each = [of_model(model) for model in self.models]
        values = np.stack([np.concatenate([np.ravel(part) for part in of.values()]) for of in each])
        motifs = self.models[0].motif_names
        factors = {name: motifs if np.ndim(part) else ("",) for name, part in each[0].items()}
        names = [name for name in factors for _ in factors[name]]
        return values, names, [factor for of in factors.values() for factor in of]

    def _intervals(
        self, of_model: Callable[[Model], dict[str, np.ndarray]], level: float
    ) -> Intervals:
        values, names, factors = self._numbers(of_model)
        mean, error, width = self._summary(values, level)
        reach = width * error
        return Intervals(names, factors, mean, error, mean - reach, mean + reach, level)


def _parameters(model: Model) -> dict[str, np.ndarray]:
    """The parameters with one number for each factor, or one in all."""
    spec = model.spec
    return {
        name: np.asarray(model.parameters[name], np.float64)
        for name, shape in spec.parameter_shapes.items()
        if shape in ((spec.motif_count,), ())
    }
