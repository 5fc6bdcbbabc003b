"""Intervals from the curvature of the squared error: Laplace's approximation.

Near its least, the squared error is a parabola, and the estimates scatter around the truth with the
covariance s² (Σ w J Jᵀ)⁻¹, where J are the slopes of expression by the parameters and s² the
variance of the noise (Seber and Wild, 2003, Nonlinear Regression, chapter 5); intervals are as many
standard errors wide as Student's t says for the N - K degrees of freedom. The robust covariance
(Liang and Zeger, 1986, Biometrika 73, 13-22) takes the scatter from the residuals themselves,
family by family, so that the noise may differ between sequences.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from cisreg.data import Dataset
from cisreg.interpret.batches import sequence_names
from cisreg.quantiles import student_width
from cisreg.trained_model import Model
from cisreg.uncertainty.coordinates import Coordinates
from cisreg.uncertainty.effects import effect_slopes, site_effects
from cisreg.uncertainty.intervals import Intervals, PredictionIntervals
from cisreg.uncertainty.jacobian import jacobian, row_batches
from cisreg.uncertainty.normal_equations import Measured, normal_equations
from cisreg.uncertainty.refitting import Refit, least_squares, warn_unless_converged

logger = logging.getLogger("cisreg.uncertainty")

# Directions with a smaller share of the information of their numbers alone are not determined.
_LEAST_INFORMATION = 1e-8
# What a number, or an expression, may have of such a direction and still be determined.
_SHARE = 1e-4
# Most steps of the refit.
_STEPS = 100
_MORE_STEPS = (
    "the intervals are not reliable; refit with more steps first, and estimate from "
    "cisreg.uncertainty.refit(model, dataset, steps=1000).model"
)


@dataclass(frozen=True, eq=False, repr=False)
class Certainty:
    """How sure the parameters of a model are, given the data; made by `estimate_certainty`.

    Attributes:
        model: the model that the intervals are around.
        refit: how it came from the trained model; None where it is the trained model itself.
        coordinates: the K numbers that vary; all others are taken for known.
        covariance: float64 [K, K], without the directions that the data do not determine.
        open_directions: float64 [K, D], the D directions that the data do not determine, of length
            1 in units of `scale`.
        scale: float64 [K], the standard error of each number if it were the only one unknown.
        noise: standard deviation of the measurements around the model, in the unit of expression:
            the root of their mean variance, which is the inverse of the weight of each.
        count: number of measurements.
    """

    model: Model
    refit: Refit | None
    coordinates: Coordinates
    covariance: np.ndarray
    open_directions: np.ndarray
    scale: np.ndarray
    noise: float
    count: int
    threads: int | None = field(default=None)

    def __repr__(self) -> str:
        return (
            f"Certainty({len(self.coordinates):,} numbers, {self.open_directions.shape[1]} "
            f"directions undetermined, {self.count:,} sequences, noise {self.noise:.4g})"
        )

    @cached_property
    def standard_error(self) -> np.ndarray:
        """float64 [K], infinite for numbers that the data do not determine."""
        return self._error_of(np.eye(len(self.coordinates)))

    def parameters(self, level: float = 0.9) -> Intervals:
        """Intervals of the parameters that vary, apart from those of the motifs.

        Example:
            >>> certainty.parameters(0.9).to_frame()  # doctest: +SKIP
        """
        shown = np.array([name != "log_kd" for name in self.coordinates.parameter])
        names, factors = (
            [name for name, show in zip(each, shown, strict=True) if show]
            for each in (self.coordinates.parameter, self.coordinates.factor)
        )
        values = self.coordinates.values(self.model)[shown]
        return _intervals(
            names, factors, values, self.standard_error[shown], self._width(level), level
        )

    def effects(self, level: float = 0.9) -> Intervals:
        """Intervals of the effects of each factor's strongest site, see `site_effects`.

        They are often surer than activity and concentration: of weak binding, the data determine
        the product.

        Example:
            >>> certainty.effects(0.9).to_frame()  # doctest: +SKIP
        """
        effects, motifs = site_effects(self.model), self.model.motif_names
        return _intervals(
            [name for name in effects for _ in motifs],
            [*motifs] * len(effects),
            np.concatenate(list(effects.values())),
            self._error_of(effect_slopes(self.model, self.coordinates)),
            self._width(level),
            level,
        )

    def predict(self, sequence: Any, level: float = 0.9) -> PredictionIntervals:
        """Intervals of the expression of sequences, given as to `Model.predict`.

        Example:
            >>> certainty.predict(["ACGT" * 27]).to_frame()  # doctest: +SKIP
        """
        codes = self.model.encode(sequence)
        expression, error = np.empty(len(codes)), np.empty(len(codes))
        for rows in row_batches(len(codes), len(self.coordinates)):
            expression[rows], slopes = self._slopes(codes[rows])
            error[rows] = self._error_of(slopes)
        name = sequence_names(sequence)
        return prediction_intervals(expression, error, self._width(level), level, name)

    def difference(self, first: Any, second: Any, level: float = 0.9) -> PredictionIntervals:
        """Intervals of the expression of `second` minus that of `first`, row by row.

        What both share does not count, so that a difference may be surer than either.

        Raises:
            ValueError: different numbers of sequences.

        Example:
            >>> certainty.difference(["ACGT" * 27], ["ACGA" * 27]).expression  # doctest: +SKIP
            array([0.31])
        """
        codes = paired_codes(self.model, first, second)
        change, error = np.empty(len(codes[0])), np.empty(len(codes[0]))
        for rows in row_batches(len(change), len(self.coordinates)):
            (before, slopes), (after, other) = (self._slopes(each[rows]) for each in codes)
            change[rows], error[rows] = after - before, self._error_of(other - slopes)
        name = sequence_names(second)
        return prediction_intervals(change, error, self._width(level), level, name)

    def _width(self, level: float) -> float:
        """Half the width of intervals, in standard errors."""
        determined = len(self.coordinates) - self.open_directions.shape[1]
        return student_width(level, self.count - determined)

    def _slopes(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return jacobian(self.model, codes, self.coordinates, threads=self.threads)

    def _error_of(self, slopes: np.ndarray) -> np.ndarray:
        """Standard errors [R] of quantities with these slopes [R, K] by the coordinates."""
        variance = np.einsum("rk,rk->r", slopes @ self.covariance, slopes)
        scaled = slopes * self.scale
        open_part = ((scaled @ self.open_directions) ** 2).sum(axis=1)
        is_open = open_part > _SHARE * (scaled**2).sum(axis=1)
        return np.where(is_open, np.inf, np.sqrt(np.maximum(variance, 0.0)))

    def intervals_of(self, slopes: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Standard errors [R] and half the widths of intervals of sums of numbers.

        Args:
            slopes: float64 [R, K], how often each number is in each sum.
            level: the share of such intervals that are meant to hold the truth.
        """
        error = self._error_of(slopes)
        return error, self._width(level) * error


def estimate_certainty(
    model: Model,
    dataset: Dataset,
    *,
    parameters: Sequence[str] | None = None,
    refit: bool = True,
    robust: bool = False,
    threads: int | None = None,
    progress: bool = False,
) -> Certainty:
    """How sure the parameters of a trained model are, from the curvature of its squared error.

    The numbers in `parameters` are first moved to where the squared error is least; everything else
    is taken for known. So with the default, intervals are those of concentrations, activities and
    potentiations if the motifs are right.

    Args:
        model: a trained model.
        dataset: what it was trained on. Several measurements of a sequence count as their mean, k
            of K with the weight k / K; a weight says how much more often a row counts.
        parameters: names of the parameters that vary; None: all but the motifs (log_kd) and the
            position weights. With "log_kd" the memory grows with the square of all columns of all
            motifs: for small models.
        refit: False: take intervals around the trained model as it is.
        robust: True: take the scatter from the residuals, family by family, where the noise is not
            the same everywhere; equal sequences and reverse complements are one family.
        threads: of the scans; None: one for each core. The result does not depend on it.
        progress: whether to show a progress bar on a terminal.

    Returns:
        A Certainty, which gives intervals of any level. The log warns if the least squared error
        was not reached, and if motifs that training changed are taken for known.

    Raises:
        ValueError: parameters that the model does not have or that cannot vary here, fewer rows
            than numbers that vary, or too little memory.
        TypeError: `dataset` is no Dataset.

    Example:
        >>> certainty = cisreg.uncertainty.estimate_certainty(model, data)  # doctest: +SKIP
        >>> certainty.effects(0.9).to_frame()  # doctest: +SKIP
    """
    coordinates = Coordinates.of(model, parameters)
    how: dict[str, Any] = {"refit": refit, "robust": robust, "threads": threads}
    if holds_learned_motifs(model, coordinates):
        logger.warning(
            "estimate_certainty: the motifs were trained and are taken for known, so that all "
            "intervals are far too narrow; let motifs vary (parameters with log_kd) where there "
            "are few, or train an ensemble (cisreg.uncertainty.fit_ensemble), which shows the "
            "scatter of training but not its bias"
        )
    return certainty_of(model, dataset, coordinates, progress=progress, **how)


def certainty_of(
    model: Model,
    dataset: Dataset,
    coordinates: Coordinates,
    *,
    refit: bool,
    robust: bool,
    threads: int | None,
    progress: bool,
) -> Certainty:
    """`estimate_certainty` of these coordinates, also of a model of several outputs."""
    measured = Measured.of(model, dataset)
    size = len(coordinates)
    if measured.count <= size:
        raise ValueError(
            f"dataset: expected more measurements than the {size:,} numbers that vary, got "
            f"{measured.count:,}; name fewer parameters, or use cisreg.uncertainty.fit_ensemble"
        )
    found = None
    if refit:
        found = least_squares(
            *(model, measured, coordinates, np.arange(size)),
            steps=_STEPS,
            threads=threads,
            progress=progress,
        )
        warn_unless_converged(found, _STEPS, "estimate_certainty", _MORE_STEPS)
        model = found.model
    sums = normal_equations(model, measured, coordinates, scatter=robust, threads=threads)
    inverse, open_directions, scale = _inverse(sums.information)
    freedom = measured.count - (size - open_directions.shape[1])
    variance = sums.loss / freedom
    covariance = variance * inverse
    if sums.scatter is not None:
        families = int(measured.family.max()) + 1
        correction = families / max(families - 1, 1) * (measured.count - 1) / freedom
        covariance = correction * (inverse @ sums.scatter @ inverse)
    noise = float(np.sqrt(variance * measured.mean_variance))
    return Certainty(
        *(model, found, coordinates, covariance, open_directions, scale, noise, measured.count),
        threads=threads,
    )


def holds_learned_motifs(model: Model, coordinates: Coordinates) -> bool:
    """Whether motifs that training changed are taken for known."""
    first = model.initial_motifs
    learned = first is not None and (first.log_kd != model.parameters["log_kd"]).any()
    return bool(learned) and "log_kd" not in coordinates.names


def parameter_intervals(
    model: Model, dataset: Dataset, level: float = 0.9, **options: Any
) -> Intervals:
    """Intervals of the parameters of a model; `estimate_certainty` says how they are made.

    Args:
        model: a trained model.
        dataset: what it was trained on.
        level: the share of such intervals that are meant to hold the true number.
        options: of `estimate_certainty`.

    Raises:
        The same exceptions as `estimate_certainty`.

    Example:
        >>> parameter_intervals(model, data, 0.9).to_frame()  # doctest: +SKIP
    """
    return estimate_certainty(model, dataset, **options).parameters(level)


def _inverse(information: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The inverse without undetermined directions, these directions, and the scale of numbers."""
    own = np.diag(information)
    scale = np.where(own > 0, 1 / np.sqrt(np.where(own > 0, own, 1.0)), 1.0)
    values, vectors = np.linalg.eigh(information * np.outer(scale, scale))
    known = values > _LEAST_INFORMATION
    kept = vectors[:, known] * scale[:, np.newaxis]
    return (kept / values[known]) @ kept.T, vectors[:, ~known], scale


def paired_codes(model: Model, first: Any, second: Any) -> tuple[np.ndarray, np.ndarray]:
    """Two lists of sequences as the model's input, of one length.

    Raises:
        ValueError: different numbers of sequences.
    """
    codes = model.encode(first), model.encode(second)
    if len(codes[0]) != len(codes[1]):
        raise ValueError(
            f"second: expected {len(codes[0]):,} sequences, one for each of the first, got "
            f"{len(codes[1]):,}"
        )
    return codes


def prediction_intervals(
    expression: np.ndarray,
    standard_error: np.ndarray,
    width: float,
    level: float,
    name: pa.Array | None,
) -> PredictionIntervals:
    """Intervals of `width` standard errors on both sides."""
    reach = width * standard_error
    return PredictionIntervals(
        expression, standard_error, expression - reach, expression + reach, level, name
    )


def _intervals(
    parameter: Sequence[str],
    factor: Sequence[str],
    estimate: np.ndarray,
    standard_error: np.ndarray,
    width: float,
    level: float,
) -> Intervals:
    reach = width * standard_error
    return Intervals(
        parameter, factor, estimate, standard_error, estimate - reach, estimate + reach, level
    )
