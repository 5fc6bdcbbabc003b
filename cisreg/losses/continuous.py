"""Noise models of measurements on a continuous scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cisreg.losses.arguments import where_measured
from cisreg.losses.noise import ANY, OF_THE_DATA, POSITIVE, Form, Noise, spread_of

if TYPE_CHECKING:
    import tensorflow as tf

_LOG_ROOT_2_PI = 0.5 * math.log(2 * math.pi)
# The log deviation is a curve within this many standard deviations of the measurements around
# their mean, and constant beyond: a parabola would run to extremes there.
_CURVE = 3.0
# Student's t: degrees of freedom from 1 (Cauchy) to 100 (practically normal).
_LEAST_INVERSE_DEGREES = 0.01


@dataclass(frozen=True)
class Gaussian(Noise):
    """Normal noise of one standard deviation.

    Attributes:
        deviation: the standard deviation, in the unit of the measurements; None: trained.

    Raises:
        ValueError: a number that is not finite or not above 0.

    Example:
        >>> noise = Gaussian(deviation=1.0)
        >>> noise.log_likelihood(tf.constant([0.0]), tf.constant([2.0])).numpy().round(4)
        array([-2.9189], dtype=float32)
    """

    deviation: float | None = None

    name: ClassVar[str] = "gaussian"
    forms: ClassVar[Mapping[str, Form]] = {"deviation": POSITIVE}

    def __post_init__(self) -> None:
        self._check_positive("deviation")

    def _begin(self, measured: np.ndarray) -> dict[str, Any]:
        return {"deviation": spread_of(measured)[1]}

    def _log_likelihood(
        self, predicted: tf.Tensor, measured: tf.Tensor, numbers: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        import tensorflow as tf

        return _normal(predicted, measured, tf.math.log(numbers["deviation"]))

    def _sample(
        self,
        predicted: np.ndarray,
        random: np.random.Generator,
        numbers: Mapping[str, np.ndarray],
        reads: np.ndarray | None,
    ) -> np.ndarray:
        return predicted + numbers["deviation"] * random.standard_normal(predicted.shape)


@dataclass(frozen=True)
class Heteroscedastic(Noise):
    """Normal noise whose standard deviation depends on the prediction.

    log deviation = c0 + c1 z + c2 z², with z = (prediction - center) / spread, held between -3 and
    3 (as the Gaussian noise model of MAVE-NN, Tareen et al. 2022, whose polynomial has no ends).

    Attributes:
        center, spread: of the predictions, in the unit of the measurements; None: mean and standard
            deviation of the training data.
        coefficients: (c0, c1, c2), log of the unit of the measurements; None: trained.

    Raises:
        ValueError: numbers that are not finite, a spread that is not above 0, or other than three
            coefficients.

    Example:
        >>> noise = Heteroscedastic(center=0.0, spread=1.0, coefficients=(0.0, 0.5, 0.0))
        >>> noise.deviation(np.array([0.0, 1.0])).round(4)
        array([1.    , 1.6487])
    """

    center: float | None = None
    spread: float | None = None
    coefficients: tuple[float, ...] | None = None

    name: ClassVar[str] = "heteroscedastic"
    forms: ClassVar[Mapping[str, Form]] = {
        "center": OF_THE_DATA,
        "spread": OF_THE_DATA,
        "coefficients": ANY,
    }

    def __post_init__(self) -> None:
        self._check_positive("spread")
        if self.center is not None and not math.isfinite(self.center):
            raise ValueError(
                f"Heteroscedastic.center: expected a finite number, got {self.center!r}"
            )
        if self.coefficients is not None:
            given = tuple(float(each) for each in self.coefficients)
            if len(given) != 3 or not np.isfinite(given).all():
                raise ValueError(
                    "Heteroscedastic.coefficients: expected three finite numbers, got "
                    f"{self.coefficients!r}"
                )
            object.__setattr__(self, "coefficients", given)

    def deviation(self, predicted: np.ndarray) -> np.ndarray:
        """The standard deviation of measurements at these predictions, float64; all fields given.

        Raises:
            ValueError: a field is None.
        """
        if self.center is None or self.spread is None or self.coefficients is None:
            raise ValueError(
                f"Heteroscedastic: expected all numbers, got none for {', '.join(self.unknown)}; "
                "train with this loss, and take the noise of the trained model"
            )
        z = (np.asarray(predicted, np.float64) - self.center) / self.spread
        z = np.clip(z, -_CURVE, _CURVE)
        return np.exp(np.polynomial.polynomial.polyval(z, self.coefficients))

    def _begin(self, measured: np.ndarray) -> dict[str, Any]:
        mean, deviation = spread_of(measured)
        return {
            "center": mean,
            "spread": deviation,
            "coefficients": np.array([math.log(deviation), 0.0, 0.0]),
        }

    def _log_likelihood(
        self, predicted: tf.Tensor, measured: tf.Tensor, numbers: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        import tensorflow as tf

        z = (predicted - numbers["center"]) / numbers["spread"]
        z = tf.clip_by_value(z, -_CURVE, _CURVE)
        constant, slope, bend = tf.unstack(numbers["coefficients"])
        return _normal(predicted, measured, constant + z * (slope + z * bend))

    def _sample(
        self,
        predicted: np.ndarray,
        random: np.random.Generator,
        numbers: Mapping[str, np.ndarray],
        reads: np.ndarray | None,
    ) -> np.ndarray:
        return predicted + self.deviation(predicted) * random.standard_normal(predicted.shape)


def _to_free_degrees(degrees: np.ndarray) -> np.ndarray:
    share = (1 / degrees - _LEAST_INVERSE_DEGREES) / (1 - _LEAST_INVERSE_DEGREES)
    return np.log(share / (1 - share))


def _from_free_degrees(free: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    return 1.0 / (_LEAST_INVERSE_DEGREES + (1 - _LEAST_INVERSE_DEGREES) * tf.sigmoid(free))


@dataclass(frozen=True)
class StudentT(Noise):
    """Noise with heavy tails: Student's t distribution, whose outliers pull a model little.

    Attributes:
        scale: in the unit of the measurements; None: trained. The standard deviation is larger by
            the root of degrees / (degrees - 2), and infinite for 2 degrees of freedom or fewer.
        degrees: degrees of freedom, 1 (Cauchy's distribution) to 100 (practically normal); None:
            trained.

    Raises:
        ValueError: a number out of its range.

    Example:
        >>> noise = StudentT(scale=1.0, degrees=1.0)
        >>> noise.log_likelihood(tf.constant([0.0]), tf.constant([1.0])).numpy().round(4)
        array([-1.8379], dtype=float32)
    """

    scale: float | None = None
    degrees: float | None = None

    name: ClassVar[str] = "student_t"
    forms: ClassVar[Mapping[str, Form]] = {
        "scale": POSITIVE,
        "degrees": Form(_to_free_degrees, _from_free_degrees),
    }

    def __post_init__(self) -> None:
        self._check_positive("scale")
        if self.degrees is not None and not 1 <= self.degrees <= 100:
            raise ValueError(f"StudentT.degrees: expected 1 to 100, got {self.degrees!r}")

    def _begin(self, measured: np.ndarray) -> dict[str, Any]:
        return {"scale": spread_of(measured)[1], "degrees": 5.0}

    def _log_likelihood(
        self, predicted: tf.Tensor, measured: tf.Tensor, numbers: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        import tensorflow as tf

        scale, degrees = numbers["scale"], numbers["degrees"]
        there, measured = where_measured(measured)
        squared = tf.square((measured - predicted) / scale)
        half = (degrees + 1) / 2
        constant = tf.math.lgamma(half) - tf.math.lgamma(degrees / 2)
        constant -= 0.5 * tf.math.log(math.pi * degrees) + tf.math.log(scale)
        return _where(there, constant - half * tf.math.log1p(squared / degrees))

    def _sample(
        self,
        predicted: np.ndarray,
        random: np.random.Generator,
        numbers: Mapping[str, np.ndarray],
        reads: np.ndarray | None,
    ) -> np.ndarray:
        return predicted + numbers["scale"] * random.standard_t(numbers["degrees"], predicted.shape)


@dataclass(frozen=True)
class Huber(Noise):
    """Normal noise with exponential tails: Huber's loss, as a likelihood.

    The density is that of a normal distribution up to `threshold` scales from the prediction, and
    falls exponentially beyond (Huber 1964, Robust estimation of a location parameter).

    Attributes:
        scale: in the unit of the measurements; None: trained.
        threshold: where the tails begin, in scales. At 1.345 the estimate of a mean has 95 % of the
            best precision if the noise is normal after all.

    Raises:
        ValueError: a number that is not finite or not above 0.

    Example:
        >>> noise = Huber(scale=1.0, threshold=1.0)
        >>> near, far = noise.log_likelihood(tf.zeros(2), tf.constant([1.0, 3.0])).numpy()
        >>> round(float(near - far), 4)
        2.0
    """

    scale: float | None = None
    threshold: float = 1.345

    name: ClassVar[str] = "huber"
    forms: ClassVar[Mapping[str, Form]] = {"scale": POSITIVE}

    def __post_init__(self) -> None:
        self._check_positive("scale", "threshold")

    def _begin(self, measured: np.ndarray) -> dict[str, Any]:
        return {"scale": spread_of(measured)[1]}

    def _log_likelihood(
        self, predicted: tf.Tensor, measured: tf.Tensor, numbers: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        import tensorflow as tf

        scale, threshold = numbers["scale"], self.threshold
        there, measured = where_measured(measured)
        distance = tf.abs((measured - predicted) / scale)
        inner = tf.minimum(distance, threshold)
        cost = inner * (distance - 0.5 * inner)
        return _where(there, -cost - tf.math.log(scale) - math.log(sum(self._areas)))

    @property
    def _areas(self) -> tuple[float, float]:
        """The area below exp(-cost), for a scale of 1: of the middle, and of both tails."""
        middle = math.sqrt(2 * math.pi) * math.erf(self.threshold / math.sqrt(2))
        return middle, 2 / self.threshold * math.exp(-0.5 * self.threshold**2)

    def _sample(
        self,
        predicted: np.ndarray,
        random: np.random.Generator,
        numbers: Mapping[str, np.ndarray],
        reads: np.ndarray | None,
    ) -> np.ndarray:
        middle, tails = self._areas
        error = random.exponential(1 / self.threshold, predicted.shape) + self.threshold
        error *= random.choice((-1.0, 1.0), predicted.shape)
        near = random.random(predicted.shape) < middle / (middle + tails)
        # A normal distribution without its tails, by rejection.
        while near.any():
            drawn = random.standard_normal(int(near.sum()))
            place = np.flatnonzero(near)
            kept = np.abs(drawn) <= self.threshold
            error[place[kept]] = drawn[kept]
            near[place[kept]] = False
        return predicted + numbers["scale"] * error


def _normal(predicted: tf.Tensor, measured: tf.Tensor, log_deviation: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    there, measured = where_measured(measured)
    z = (measured - predicted) * tf.exp(-log_deviation)
    return _where(there, -0.5 * tf.square(z) - log_deviation - _LOG_ROOT_2_PI)


def _where(there: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    return tf.where(there, values, tf.zeros_like(values))
