"""Sums over a dataset that least squares and its standard errors need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cisreg.data import Dataset
from cisreg.data.splitting import sequence_hashes
from cisreg.interpret.read_out import read_out, scan_model
from cisreg.trained_model import Model
from cisreg.uncertainty.coordinates import Coordinates
from cisreg.uncertainty.jacobian import jacobian, row_batches


@dataclass(frozen=True, eq=False)
class Measured:
    """Sequences with measurements, as least squares takes them.

    Attributes:
        codes: uint8 [N, L].
        expression: float64 [N], the mean of the measurements of each sequence.
        weight: float64 [N].
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
        expression = dataset.mean_expression[rows].astype(np.float64)
        return cls(codes, expression, weight[rows].astype(np.float64), family)

    def __len__(self) -> int:
        return len(self.codes)


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
    for rows in row_batches(len(measured), size):
        expression, slopes = jacobian(model, measured.codes[rows], coordinates, threads=threads)
        residual, weight = measured.expression[rows] - expression, measured.weight[rows]
        weighted = slopes * weight[:, np.newaxis]
        information += weighted.T @ slopes
        gradient += residual @ weighted
        loss += float(weight @ residual**2)
        if scores is not None:
            np.add.at(scores, measured.family[rows], weighted * residual[:, np.newaxis])
    return NormalEquations(
        information, gradient, None if scores is None else scores.T @ scores, loss
    )


def squared_loss(model: Model, measured: Measured, threads: int | None = None) -> float:
    """The sum of weight (measured - predicted)²."""
    total = 0.0
    for rows in row_batches(len(measured), 2 * model.spec.motif_count):
        expression = read_out(
            model, scan_model(model, measured.codes[rows], threads=threads)
        ).expression
        total += float(measured.weight[rows] @ (measured.expression[rows] - expression) ** 2)
    return total
