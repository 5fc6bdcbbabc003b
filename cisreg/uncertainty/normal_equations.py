"""Sums over a dataset that least squares and its standard errors need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cisreg.data import Dataset
from cisreg.data.splitting import sequence_hashes
from cisreg.interpret.read_out import read_out, scan_model
from cisreg.outputs import each_output
from cisreg.trained_model import Model
from cisreg.uncertainty.coordinates import Coordinates
from cisreg.uncertainty.jacobian import jacobian, row_batches


@dataclass(frozen=True, eq=False)
class Measured:
    """Sequences with measurements, as least squares takes them.

    Attributes:
        codes: uint8 [N, L].
        expression: float64 [N], the mean of the measurements of each sequence; of several outputs
            [N, T], NaN where one is missing.
        weight: float64 [N]; of the means of replicates, those of fewer weigh less, as in training.
        family: int [N], the number of the family of each row: equal sequences and reverse
            complements are one.
    """

    codes: np.ndarray
    expression: np.ndarray
    weight: np.ndarray
    family: np.ndarray

    @classmethod
    def of(cls, model: Model, dataset: Dataset) -> Measured:
        """The rows of a dataset whose weight is not 0.

        Raises:
            TypeError: not a Dataset.
            ValueError: no rows, sequences of another length, or a model of counts.
        """
        if model.noise is not None and model.noise.counts:
            raise ValueError(
                "model: expected one of measurements on a continuous scale, whose squared errors "
                f"say how certain it is, got the noise model {model.noise.name}; use "
                "cisreg.uncertainty.fit_ensemble (cisreg ensemble train) for counts"
            )
        if not isinstance(dataset, Dataset):
            raise TypeError(
                f"dataset: expected a cisreg.Dataset, got {type(dataset).__name__}; "
                "cisreg.read_dataset reads one"
            )
        weight = np.ones(len(dataset)) if dataset.weight is None else dataset.weight
        rows = np.flatnonzero(weight > 0)
        if not len(rows):
            raise ValueError(
                f"dataset: expected rows with a weight above 0, got none of {len(dataset):,}"
            )
        codes = model.encode(dataset)[rows]
        _, family = np.unique(sequence_hashes(codes), return_inverse=True)
        outputs = model.spec.output_count
        if outputs > 1 and dataset.expression.shape[1:] != (outputs,):
            raise ValueError(
                f"dataset: expected measurements [N, {outputs}] of the model's {outputs} outputs, "
                f"got {list(dataset.expression.shape)}"
            )
        values = dataset.expression
        if outputs == 1:
            values, weight = dataset.mean_expression, dataset.mean_weight
        expression = values[rows].astype(np.float64)
        return cls(codes, expression, weight[rows].astype(np.float64), family)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def count(self) -> int:
        """How many measurements there are."""
        return int(np.isfinite(self.expression).sum())

    @property
    def mean_variance(self) -> float:
        """The mean of 1 / weight of the measurements: their variance, if that of weight 1 is 1."""
        there = np.isfinite(self.expression).reshape(len(self), -1).sum(axis=1)
        return float((there / self.weight).sum()) / self.count

    def of_output(self, output: int) -> tuple[np.ndarray, np.ndarray]:
        """The measurements of one output, and their weights: 0 where one is missing."""
        if self.expression.ndim == 1:
            return self.expression, self.weight
        there = np.isfinite(self.expression[:, output])
        return np.where(there, self.expression[:, output], 0.0), np.where(there, self.weight, 0.0)


class NormalEquations(NamedTuple):
    """Sums over N rows with slopes J, residuals r (measured - predicted) and weights w.

    Attributes:
        information: float64 [K, K], the sum of w J Jᵀ.
        gradient: float64 [K], the sum of w r J.
        scatter: float64 [K, K], the sum over families of the outer square of their sum of w r J;
            None if it was not asked for.
        loss: the sum of w r².
    """

    information: np.ndarray
    gradient: np.ndarray
    scatter: np.ndarray | None
    loss: float


def normal_equations(
    model: Model,
    measured: Measured,
    coordinates: Coordinates,
    *,
    scatter: bool = False,
    threads: int | None = None,
) -> NormalEquations:
    """The sums over all rows, batch by batch."""
    size = len(coordinates)
    information, gradient, loss = np.zeros((size, size)), np.zeros(size), 0.0
    families = int(measured.family.max()) + 1
    scores = np.zeros((families, size)) if scatter else None
    for output, (_, one) in enumerate(each_output(model)):
        own, places = coordinates.of_output(output)
        among, column = np.ix_(places, places), measured.of_output(output)
        for rows in row_batches(len(measured), size):
            expression, slopes = jacobian(one, measured.codes[rows], own, threads=threads)
            residual, weight = column[0][rows] - expression, column[1][rows]
            weighted = slopes * weight[:, np.newaxis]
            information[among] += weighted.T @ slopes
            gradient[places] += residual @ weighted
            loss += float(weight @ residual**2)
            if scores is not None:
                part = np.zeros((len(residual), size))
                part[:, places] = weighted * residual[:, np.newaxis]
                np.add.at(scores, measured.family[rows], part)
    return NormalEquations(
        information, gradient, None if scores is None else scores.T @ scores, loss
    )


def squared_loss(model: Model, measured: Measured, threads: int | None = None) -> float:
    """The sum of weight (measured - predicted)²."""
    total = 0.0
    for output, (_, one) in enumerate(each_output(model)):
        values, weight = measured.of_output(output)
        for rows in row_batches(len(measured), 2 * model.spec.motif_count):
            scan = scan_model(one, measured.codes[rows], threads=threads)
            residual = values[rows] - read_out(one, scan).expression
            total += float(weight[rows] @ residual**2)
    return total
