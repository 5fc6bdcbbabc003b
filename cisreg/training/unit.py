"""The unit that training computes in, so that the unit of the measurements does not matter.

Learning rates, penalties and the initial activities depend on the unit of expression. Training
computes in the standard unit, in which every set of measurements has the same mean and standard
deviation; its results are in the unit of the measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from cisreg.losses import Noise, is_sum, unit_exponent
from cisreg.spec import Link
from cisreg.start import STANDARD_DEVIATION, STANDARD_MEAN

# As many squared standard units as a nat counts in the objective: twice the variance that a recipe
# leaves unexplained, so that its penalties mean for a likelihood what they mean for squared errors.
NAT = 6.0
# Parameters in the unit of expression; some also depend on the zero of the unit. Behind a link of
# its own, the score has no unit, and only the parameters of the link have one.
_SCALED: tuple[str, ...] = (
    *("activity", "activity_difference", "accessibility_activity", "pair_effect"),
)
_SHIFTED: tuple[str, ...] = ("bias",)
_SCALED_LINK = ("link_scale",)
_SHIFTED_LINK = ("link_floor", "link_ceiling")


@dataclass(frozen=True)
class Unit:
    """A unit of measurements: measured = scale * standard + shift.

    Attributes:
        scale: above 0, a float32 number.
        shift: a float32 number.

    Example:
        >>> Unit(scale=2.0, shift=100.0).to_standard({"bias": np.float32(104.0)})
        {'bias': array(2., dtype=float32)}
    """

    scale: float = 1.0
    shift: float = 0.0

    @property
    def is_standard(self) -> bool:
        """Whether this is the standard unit, so that nothing is converted."""
        return self == STANDARD

    def to_standard(
        self, parameters: Mapping[str, np.ndarray], standard: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        """Converts parameters from the unit of the measurements to the standard unit.

        Args:
            parameters: float32 arrays by name.
            standard: parameters that are in the standard unit already, and are not converted.
        """
        converted = {name: np.array(value, np.float32) for name, value in parameters.items()}
        if self.is_standard:
            return converted
        for name, zero in self._zeros(converted, standard or {}).items():
            converted[name] = np.asarray((np.float64(converted[name]) - zero) / self.scale, "f4")
        return converted

    def from_standard(self, parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Converts parameters, float32 by name, from the standard unit to that of the measurements.

        A model with the converted parameters predicts expression in the unit of the measurements.
        """
        converted = dict(parameters)
        if self.is_standard:
            return converted
        for name, zero in self._zeros(converted, {}).items():
            converted[name] = np.asarray(np.float64(converted[name]) * self.scale + zero, "f4")
        return converted

    def _zeros(
        self, parameters: Mapping[str, object], standard: Mapping[str, object]
    ) -> dict[str, float]:
        """What the standard unit's 0 is for the parameters that have a unit, but for `standard`."""
        has_link = any(name in parameters for name in (*_SCALED_LINK, *_SHIFTED_LINK))
        scaled = _SCALED_LINK if has_link else _SCALED
        shifted = _SHIFTED_LINK if has_link else _SHIFTED
        zeros = dict.fromkeys(scaled, 0.0) | dict.fromkeys(shifted, self.shift)
        return {
            name: zero
            for name, zero in zeros.items()
            if name in parameters and name not in standard
        }

    def measured(self, expression: np.ndarray) -> np.ndarray:
        """Measurements in the standard unit, float64."""
        return (np.float64(expression) - self.shift) / self.scale


STANDARD = Unit()


def unit_of(
    expression: np.ndarray,
    weight: np.ndarray | None = None,
    *,
    link: Link = "identity",
    outputs: bool = False,
) -> Unit:
    """The unit of these measurements.

    Several outputs have one unit together: a parameter that they share is the same number in the
    unit of the measurements only if it is the same number in training. Its mean is that over the
    outputs of their means, its variance that of their variances, without differences of the means.

    Args:
        expression: float [N], or [N, K], of which the means over the K measurements are used, NaN
            where one is missing.
        weight: float [N], weight of each sequence; None: equal weights.
        link: of the model.
        outputs: whether the K measurements are those of K outputs, and not replicates.

    Returns:
        The unit: in the standard unit these measurements have STANDARD_MEAN and STANDARD_DEVIATION.
        Measurements that are all equal have no standard deviation: they are only shifted. With a
        link above 0 ("softplus", "exponential"), 0 stays 0: these have only STANDARD_MEAN.

    Raises:
        ValueError: the mean is not above 0, which such a link needs.

    Example:
        >>> unit_of(np.array([1.0, 3.0])).scale == np.float32(1 / STANDARD_DEVIATION)
        True
    """
    values = np.asarray(expression, np.float64)
    if values.ndim == 2 and not outputs:
        values = np.nanmean(values, axis=1)
    counts = np.ones(len(values)) if weight is None else np.asarray(weight, np.float64)
    columns = [(values, counts)]
    if outputs:
        measured = [(column, np.isfinite(column)) for column in values.T]
        columns = [(column[there], counts[there]) for column, there in measured if there.any()]
    moments = np.array([_moments(*each) for each in columns])
    mean, variance, equal = moments[:, 0].mean(), moments[:, 1].mean(), moments[:, 2].all()
    if link in ("softplus", "exponential") and np.isfinite(mean):
        if not mean > 0:
            raise ValueError(
                f'link: expected measurements with a mean above 0, as the link "{link}" predicts '
                f'them, got a mean of {mean:g}; choose the link "identity" or "logistic"'
            )
        return Unit(scale=float(np.float32(mean / STANDARD_MEAN)))
    scale = 1.0 if equal else float(np.float32(np.sqrt(variance) / STANDARD_DEVIATION))
    shift = float(np.float32(mean - scale * STANDARD_MEAN))
    # Values that are not finite are refused by the first training step, with a better message.
    return Unit(scale, shift) if np.isfinite([scale, shift]).all() and scale > 0 else STANDARD


def _moments(values: np.ndarray, counts: np.ndarray) -> tuple[float, float, bool]:
    """Weighted mean and variance of measurements [N], and whether they are all equal."""
    if not counts.sum() > 0:
        counts = np.ones(len(values))
    mean = np.average(values, weights=counts)
    variance = np.average((values - mean) ** 2, weights=counts)
    return mean, variance, np.ptp(values[counts > 0]) == 0


class StandardLoss(NamedTuple):
    """A loss of predictions in the standard unit.

    Attributes:
        of_prepared: (predicted in the standard unit, prepared[, weight]) to a scalar.
        prepare: gives `prepared` for measurements in their own unit, row by row; training prepares
            many batches at a time.
        factor: the loss is multiplied by it for reports.
    """

    of_prepared: Callable[..., tf.Tensor]
    prepare: Callable[[tf.Tensor], tf.Tensor]
    factor: float

    def __call__(
        self, predicted: tf.Tensor, measured: tf.Tensor, *weight: tf.Tensor, **noise: Any
    ) -> tf.Tensor:
        """The loss for measurements in their own unit; of a noise model, with its `parameters`."""
        return self.of_prepared(predicted, self.prepare(measured), *weight, **noise)


def standard_loss(loss: Callable[..., tf.Tensor], unit: Unit) -> StandardLoss:
    """The loss of predictions in the standard unit.

    A noise model is computed in the unit of the measurements, with the numbers of its own as a
    further argument `parameters`; its log likelihood counts `NAT` times in the objective. A loss
    that says how it scales with the unit (`cisreg.losses.unit_exponent`) is computed in the
    standard unit; multiplied by the factor, it is the loss in the unit of the measurements. Any
    other loss is computed in the unit of the measurements; its factor is 1.

    Args:
        loss: (predicted [N], measured [N] or [N, K][, weight [N]]) to a scalar.
        unit: of the measurements.
    """
    if isinstance(loss, Noise):
        return _of_noise(loss, unit)
    if unit.is_standard:
        return StandardLoss(loss, tf.identity, 1.0)
    scale, shift = tf.constant(unit.scale), tf.constant(unit.shift)
    exponent = unit_exponent(loss)
    if exponent is not None:
        return StandardLoss(loss, lambda measured: (measured - shift) / scale, unit.scale**exponent)

    def computed(predicted: tf.Tensor, measured: tf.Tensor, *weight: tf.Tensor) -> tf.Tensor:
        return loss(predicted * scale + shift, measured, *weight)

    computed.is_sum = is_sum(loss)  # type: ignore[attr-defined]
    return StandardLoss(computed, tf.identity, 1.0)


def _of_noise(noise: Noise, unit: Unit) -> StandardLoss:
    scale, shift = tf.constant(unit.scale), tf.constant(unit.shift)

    def computed(
        predicted: tf.Tensor,
        measured: tf.Tensor,
        weight: tf.Tensor | None = None,
        *,
        parameters: Mapping[str, tf.Tensor],
    ) -> tf.Tensor:
        in_unit = predicted if unit.is_standard else predicted * scale + shift
        return NAT * noise(in_unit, measured, weight, parameters)

    return StandardLoss(computed, tf.identity, 1 / NAT)
