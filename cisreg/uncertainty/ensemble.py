"""Several models of the same data, and the intervals that their differences give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from cisreg.arrays import as_array
from cisreg.data import Dataset
from cisreg.display import counted, html_table
from cisreg.interpret.batches import sequence_names
from cisreg.metrics import Metrics, agreement
from cisreg.outputs import check_one_output
from cisreg.quantiles import student_width
from cisreg.trained_model import Model
from cisreg.uncertainty.differences import Differences, check_outputs
from cisreg.uncertainty.effects import site_effects
from cisreg.uncertainty.intervals import Intervals, PredictionIntervals
from cisreg.uncertainty.laplace import paired_codes, prediction_intervals

if TYPE_CHECKING:
    import pandas as pd

Resampling = Literal["bootstrap", "seeds"]


class EnsembleAgreement(NamedTuple):
    """How well an ensemble predicts measurements; made by `Ensemble.evaluate`.

    Attributes:
        mean: metrics of the mean of the members' predictions.
        members: those of each member.
    """

    mean: Metrics
    members: tuple[Metrics, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Ensemble:
    """Models of the same motifs, trained on other rows, from other seeds or with other layers.

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
        ValueError: fewer than 2 models, or models of different motifs, outputs or lengths of
            sequences.
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
            if _takes(model) != _takes(first):
                raise ValueError(
                    "models: expected the same motifs, outputs and length of sequences in all, got "
                    f"others in number {number} than in number 0"
                )

    def __len__(self) -> int:
        return len(self.models)

    def __repr__(self) -> str:
        motifs = counted(len(self.models[0].motif_names), "motif")
        return f"Ensemble({len(self)} models of {motifs}, {self.resampling})"

    def _repr_html_(self) -> str:
        if not self._alike or self.output_names:
            layers = [repr(model.spec) for model in self.models]
            return html_table(repr(self), {"layers of member": layers}, len(self))
        columns = {name: each.to_pylist() for name, each in self.parameters().columns().items()}
        return html_table(repr(self), columns, len(columns["estimate"]))

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of several outputs, in the order of all arrays; () of one output."""
        return self.models[0].output_names

    def output(self, name: str) -> Ensemble:
        """The ensemble of one of several outputs, see `Model.output`.

        Raises:
            ValueError: there is no output of that name.

        Example:
            >>> ensemble.output("galactose").effects(0.9).to_frame()  # doctest: +SKIP
        """
        return Ensemble(tuple(model.output(name) for model in self.models), self.resampling)

    def predict(self, sequence: Any, level: float = 0.9) -> PredictionIntervals:
        """Intervals of the expression of sequences, given as to `Model.predict`.

        Example:
            >>> ensemble.predict(["ACGT" * 27]).to_frame()  # doctest: +SKIP
        """
        return self.intervals_of(self.expression(sequence), level, sequence_names(sequence))

    def expression(self, sequence: Any) -> np.ndarray:
        """What each member predicts for sequences, given as to `Model.predict`, float64 [B, N].

        Of T outputs it is [B, N, T].

        Example:
            >>> ensemble.expression(["ACGT" * 27]).std(axis=0, ddof=1)  # doctest: +SKIP
            array([0.21])
        """
        codes = self.models[0].encode(sequence)
        return np.stack([model.predict(codes).expression for model in self.models]).astype(float)

    def intervals_of(
        self, values: np.ndarray, level: float = 0.9, name: pa.Array | None = None
    ) -> PredictionIntervals:
        """Intervals of numbers of which each member has its own.

        Args:
            values: float64 [B, N], such as `expression`, or what is computed from it; of T
                outputs [B, N, T].
            level: the share of such intervals that are meant to hold the true number.
            name: Arrow strings [N], or None.

        Raises:
            ValueError: not a row for each member, or a level that is none.

        Example:
            >>> ratio = ensemble.expression(mutants) / ensemble.expression(wild)  # doctest: +SKIP
            >>> ensemble.intervals_of(ratio).to_frame()  # doctest: +SKIP
        """
        outputs = self.output_names
        shape = (len(self), "N", len(outputs)) if outputs else (len(self), "N")
        values = as_array(values, "values", np.float64, shape)
        found = prediction_intervals(*self._summary(values, level), level, name)
        return replace(found, output_names=outputs)

    def evaluate(self, dataset: Dataset) -> EnsembleAgreement:
        """Metrics of the mean of the members, and of each member, against measurements.

        The mean predicts better than most members do: their differences cancel. Rows that members
        were trained on say nothing of new sequences.

        Args:
            dataset: sequences with measurements, 2 or more; several of a sequence are averaged.
                Counts, for members with a noise model of counts, are compared as `Model.levels`.

        Raises:
            ValueError: fewer than 2 rows, no measurements, or several outputs, of which
                `cisreg.outputs.data_of_outputs` gives the ensemble and the rows of each.

        Example:
            >>> ensemble.evaluate(test).mean.pearson  # doctest: +SKIP
            0.92
        """
        check_one_output(self, "ensemble")
        if len(dataset) < 2 or not dataset.expression.size:
            raise ValueError(
                f"dataset: expected 2 or more rows with measurements, got {len(dataset):,} rows"
            )
        leveled = self.models[0].with_levels(dataset)
        values, measured = self.expression(leveled), leveled.expression
        return EnsembleAgreement(
            agreement(values.mean(axis=0), measured),
            tuple(agreement(each, measured) for each in values),
        )

    def difference(self, first: Any, second: Any, level: float = 0.9) -> PredictionIntervals:
        """Intervals of the expression of `second` minus that of `first`, row by row.

        Each member predicts both, so that what they share does not count.

        Raises:
            ValueError: different numbers of sequences.

        Example:
            >>> ensemble.difference(["ACGT" * 27], ["ACGA" * 27]).to_frame()  # doctest: +SKIP
        """
        before, after = map(self.expression, paired_codes(self.models[0], first, second))
        return self.intervals_of(after - before, level, sequence_names(second))

    def parameters(self, level: float = 0.9) -> Intervals:
        """Intervals of the parameters that factors have one of, and of those that have no factor.

        Raises:
            ValueError: members of different layers, whose parameters mean different things; or of
                several outputs.

        Example:
            >>> ensemble.parameters(0.9).to_frame()  # doctest: +SKIP
        """
        return self._intervals(_parameters, level)

    def effects(self, level: float = 0.9) -> Intervals:
        """Intervals of the effects of each factor's strongest site, see `site_effects`.

        Raises:
            ValueError: members of different layers, whose effects mean different things; or of
                several outputs.

        Example:
            >>> ensemble.effects(0.9).to_frame()  # doctest: +SKIP
        """
        return self._intervals(site_effects, level)

    def differences(self, level: float = 0.9, reference: str | None = None) -> Differences:
        """Intervals of what differs between the outputs, from what each member learned.

        Unlike `difference_intervals`, they show what training does to the motifs, and its
        penalties, too.

        Args:
            level: the share of such intervals that are meant to hold the true difference.
            reference: name of the output that the others are compared with; None: the first.

        Raises:
            ValueError: an ensemble of one output or of which nothing differs, no output of this
                name, or members of different layers.

        Example:
            >>> ensemble.differences(0.9).to_frame()  # doctest: +SKIP
        """
        first = self.models[0]
        index = check_outputs(first, reference)
        if not first.spec.differ:
            raise ValueError("models: expected parameters that differ between outputs, got none")
        outputs = [self.output(name)._numbers(_parameters) for name in self.output_names]
        own = [place for place, name in enumerate(outputs[0][1]) if name in first.spec.differ]
        others = [place for place in range(len(outputs)) if place != index]
        values = np.concatenate(
            [(outputs[place][0] - outputs[index][0])[:, own] for place in others], axis=1
        )
        mean, error, width = self._summary(values, level)
        reach = width * error
        return Differences(
            [outputs[0][1][place] for place in own] * len(others),
            [outputs[0][2][place] for place in own] * len(others),
            *(mean, error, mean - reach, mean + reach, level),
            output=[self.output_names[place] for place in others for _ in own],
            reference=self.output_names[index],
        )

    def to_table(self) -> pa.Table:
        """An Arrow table with a row for each parameter of each member.

        The columns are member (from 0), parameter, factor (missing where there is none) and value.

        Raises:
            ValueError: members of different layers, or of several outputs.

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

    @property
    def _alike(self) -> bool:
        """Whether all members have the same layers."""
        return all(model.spec == self.models[0].spec for model in self.models)

    def _summary(self, values: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray, float]:
        """Mean and standard error of each column, and the width in standard errors."""
        error = values.std(axis=0, ddof=1) * np.sqrt(1 + 1 / len(self))
        return values.mean(axis=0), error, student_width(level, len(self) - 1)

    def _numbers(
        self, of_model: Callable[[Model], dict[str, np.ndarray]]
    ) -> tuple[np.ndarray, list[str], list[str]]:
        """Numbers of each member [B, K], their K names, and the factors that they belong to."""
        check_one_output(self, "ensemble")
        if not self._alike:
            raise ValueError(
                "models: expected members of the same layers, whose parameters can be compared, "
                "got others, since their recipe has variants; only what they predict has intervals"
            )
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


def _takes(model: Model) -> tuple[Any, ...]:
    """What all members must share to predict the same sequences with the same factors."""
    spec = model.spec
    return model.motif_names, model.output_names, spec.sequence_length, model.padding_side


def _parameters(model: Model) -> dict[str, np.ndarray]:
    """The parameters with one number for each factor, or one in all."""
    spec = model.spec
    return {
        name: np.asarray(model.parameters[name], np.float64)
        for name, shape in spec.parameter_shapes.items()
        if shape in ((spec.motif_count,), ())
    }
