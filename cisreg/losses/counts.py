"""Noise models of counts: of reads, or of molecules told apart by barcodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

import numpy as np

from cisreg.losses.arguments import where_measured
from cisreg.losses.noise import POSITIVE, Form, Noise

if TYPE_CHECKING:
    import tensorflow as tf

_Own = TypeVar("_Own", bound="Poisson")

# Means below this count as this: a prediction of 0 or less would make any count impossible.
_LEAST_MEAN = 1e-6


def _from_free_sizes(free: tf.Tensor) -> tf.Tensor:
    """Sizes with a mean of 1: their scale is that of the predictions."""
    import tensorflow as tf

    return free.shape[0] * tf.nn.softmax(free)


_SIZES = Form(np.log, _from_free_sizes)


@dataclass(frozen=True)
class Poisson(Noise):
    """Poisson noise of counts: nothing but the chance of counting.

    The mean count is prediction times library size (times exposure). Predictions must be positive:
    use a model with a positive link.

    Attributes:
        library_size: what a prediction of 1 counts in each column, such as reads in millions; None:
            trained, with a mean of 1. Training begins with the totals of the columns.
        exposure: whether the first column is no measurement but what the others are relative to,
            row by row: DNA counts before RNA counts, or total counts before those of an exon.

    Raises:
        ValueError: library sizes that are not finite or not above 0.

    Example:
        >>> noise = Poisson(library_size=(10.0,))
        >>> noise.log_likelihood(tf.constant([0.5]), tf.constant([3.0])).numpy().round(4)
        array([-1.9635], dtype=float32)
    """

    library_size: tuple[float, ...] | None = None
    exposure: bool = False

    name: ClassVar[str] = "poisson"
    counts: ClassVar[bool] = True
    forms: ClassVar[Mapping[str, Form]] = {"library_size": _SIZES}

    def __post_init__(self) -> None:
        self._check_positive("library_size")

    @property
    def counted(self) -> Literal["exposure"] | None:
        """With an exposure, the first column is what the others are relative to."""
        return "exposure" if self.exposure else None

    def of_output(self: _Own, index: int) -> _Own:
        """Counts with the library size of this output."""
        sizes = self.library_size
        return self if sizes is None else replace(self, library_size=(sizes[index],))

    def levels(self, measured: np.ndarray) -> np.ndarray:
        """Counts by library size and exposure, float64 [N, K]; NaN where the exposure is 0."""
        exposure, counts = self._parts(np.asarray(measured, np.float64))
        sizes = self.library_size
        size = _relative_totals(counts) if sizes is None else np.asarray(sizes)
        with np.errstate(invalid="ignore", divide="ignore"):
            levels = counts / (size * exposure)
        return np.where(np.isfinite(levels), levels, np.nan)

    def check(self, measured: np.ndarray) -> None:
        """Raises ValueError for numbers that are no counts, or another number of columns."""
        check_counts(measured, self.name)
        columns = 1 if np.ndim(measured) == 1 else np.shape(measured)[1]
        counts = columns - self.exposure
        if counts < 1:
            raise ValueError(
                f"loss: expected a column of counts behind that of the exposure, got {columns}; "
                "name both"
            )
        if self.library_size is not None and len(self.library_size) != counts:
            raise ValueError(
                f"loss: expected a library size for each of {counts} columns of counts, got "
                f"{len(self.library_size)}"
            )

    def _parts(self, measured: np.ndarray) -> tuple[np.ndarray | float, np.ndarray]:
        columns = measured[:, np.newaxis] if measured.ndim == 1 else measured
        return (columns[:, :1], columns[:, 1:]) if self.exposure else (1.0, columns)

    def _begin(self, measured: np.ndarray) -> dict[str, Any]:
        return {"library_size": _relative_totals(self._parts(measured)[1])}

    def _log_likelihood(
        self, predicted: tf.Tensor, measured: tf.Tensor, numbers: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        import tensorflow as tf

        one = measured.shape.rank == 1
        # In float64: the log of a factorial has more digits than float32 before it cancels.
        columns = tf.cast(measured[:, tf.newaxis] if one else measured, tf.float64)
        predicted = tf.cast(
            predicted[:, tf.newaxis] if predicted.shape.rank == 1 else predicted, tf.float64
        )
        numbers = {field: tf.cast(each, tf.float64) for field, each in numbers.items()}
        size = numbers["library_size"]
        there, counts = where_measured(columns)
        if self.exposure:
            size = size * counts[:, :1]
            there = there[:, 1:] & there[:, :1] & (counts[:, :1] > 0)
            counts = counts[:, 1:]
        mean = tf.maximum(predicted * size, _LEAST_MEAN)
        each = self._of_mean(mean, counts, numbers)
        each = tf.where(there, each, tf.zeros_like(each))
        return tf.cast(each[:, 0] if one else each, tf.float32)

    def _of_mean(
        self, mean: tf.Tensor, counts: tf.Tensor, numbers: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        import tensorflow as tf

        return counts * tf.math.log(mean) - mean - tf.math.lgamma(counts + 1)

    def _sample(
        self,
        predicted: np.ndarray,
        random: np.random.Generator,
        numbers: Mapping[str, np.ndarray],
        reads: np.ndarray | None,
    ) -> np.ndarray:
        mean = predicted[:, np.newaxis] * numbers["library_size"]
        if self.exposure:
            if reads is None:
                raise ValueError("reads: expected the exposure of each sequence, got None")
            exposure = np.asarray(reads, np.float64)[:, np.newaxis]
            return np.concatenate([exposure, self._draw(mean * exposure, random, numbers)], axis=1)
        drawn = self._draw(mean, random, numbers)
        return drawn[:, 0] if drawn.shape[1] == 1 else drawn

    def _draw(
        self, mean: np.ndarray, random: np.random.Generator, numbers: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        return random.poisson(mean).astype(np.float64)


@dataclass(frozen=True)
class NegativeBinomial(Poisson):
    """Counts that vary more than by chance: variance = mean + dispersion mean².

    Attributes:
        library_size: as that of `Poisson`.
        exposure: as that of `Poisson`.
        dispersion: None: trained.

    Raises:
        ValueError: a number that is not finite or not above 0.

    Example:
        >>> noise = NegativeBinomial(library_size=(1.0,), dispersion=1.0)
        >>> noise.log_likelihood(tf.constant([1.0]), tf.constant([2.0])).numpy().round(4)
        array([-2.0794], dtype=float32)
    """

    dispersion: float | None = None

    name: ClassVar[str] = "negative_binomial"
    forms: ClassVar[Mapping[str, Form]] = {
        "library_size": _SIZES,
        "dispersion": POSITIVE,
    }

    def __post_init__(self) -> None:
        self._check_positive("library_size", "dispersion")

    def _begin(self, measured: np.ndarray) -> dict[str, Any]:
        return {**super()._begin(measured), "dispersion": 0.3}

    def _of_mean(
        self, mean: tf.Tensor, counts: tf.Tensor, numbers: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        import tensorflow as tf

        size = 1.0 / numbers["dispersion"]
        combinations = tf.math.lgamma(counts + size) - tf.math.lgamma(size)
        combinations -= tf.math.lgamma(counts + 1)
        log_ratio = tf.math.log(mean) - tf.math.log(size)
        # log(mean / (mean + size)) and log(size / (mean + size)).
        return combinations - counts * tf.nn.softplus(-log_ratio) - size * tf.nn.softplus(log_ratio)

    def _draw(
        self, mean: np.ndarray, random: np.random.Generator, numbers: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        dispersion = numbers["dispersion"]
        varied = random.gamma(1 / dispersion, dispersion, mean.shape)
        return random.poisson(mean * varied).astype(np.float64)


def check_counts(measured: np.ndarray, name: str) -> None:
    """Raises ValueError for numbers that are no counts; NaN is a missing one."""
    values = np.asarray(measured)
    there = values[np.isfinite(values)]
    wrong = there[(there < 0) | (there != np.rint(there))]
    if wrong.size:
        raise ValueError(
            f"loss: expected counts (whole numbers of 0 or more) for {name}, got {wrong[0]:g}; "
            "name the columns of counts, or choose a loss for numbers on a continuous scale"
        )


def _relative_totals(counts: np.ndarray) -> np.ndarray:
    """The total of each column, relative to their mean; 1 for columns without counts.

    Where counts are missing, a column counts as if it had its mean there.
    """
    totals = np.nansum(counts, axis=0)
    there = np.isfinite(counts).sum(axis=0)
    if (there < len(counts)).any():
        totals = totals * len(counts) / np.maximum(there, 1)
    if not totals.all():
        return np.ones(len(totals))
    return totals / totals.mean()
