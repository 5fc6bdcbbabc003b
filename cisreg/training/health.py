"""Warnings about models that do not learn, each with advice."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np

logger = logging.getLogger("cisreg.training")

# Accessibility this close to 0 or 1 is saturated: potentiations get almost no gradient.
_SATURATED = 0.001
_NEARLY_ALL = 0.99
# Predictions are practically constant if they explain less than this share of the variance, for
# this many epochs in a row.
_EXPLAINS_NOTHING = 0.02
_STUCK_EPOCHS = 3
_REMEDIES = {
    "0": "look for strongly negative potentiations or a strongly negative potentiation_bias",
    "1": "look for motifs that bind everywhere (log_concentration far too high) or a strongly "
    "positive potentiation_bias",
}
# Far above the values in trained models: |log Kd| up to 20, |log concentration| up to 45 nats,
# |activity| up to 10 and |potentiation| up to 1 standard deviations of the measurements.
_EXTREME = {"log_kd": 50.0, "log_concentration": 100.0, "potentiation": 100.0}
_EXTREME_ACTIVITY = 1000.0
# A mean weight above this, or below its inverse, is probably a mistake.
_EXTREME_WEIGHT = 1e6
# Beyond these sizes, losses and gradients reach the ends of float32.
_SMALL, _LARGE = 1e-34, 1e34
# The standard deviation of the measurements should be at least this many rounding steps of float32.
_FEWEST_STEPS = 100


class HealthCheck:
    """Checks the model after each epoch; warns of each problem once per stage.

    At the start it also warns of measurements and weights that nothing can be learned from.

    Args:
        expression: float32 [N] or [N, K], the measurements of the training data.
        weight: float32 [N], or None.
    """

    def __init__(self, expression: np.ndarray, weight: np.ndarray | None = None) -> None:
        self._extreme = dict(_EXTREME)
        _warn_of_measurements(expression)
        if weight is not None:
            _warn_of_weights(weight)
        if np.ptp(expression) > 0:
            activities = ("activity", "activity_difference", "accessibility_activity")
            limit = _EXTREME_ACTIVITY * float(np.std(expression, dtype=np.float64))
            self._extreme |= dict.fromkeys(activities, limit)
        self._said: set[tuple[int, str]] = set()
        self._stuck = 0

    def check(
        self,
        stage: int,
        parameters: Mapping[str, np.ndarray],
        accessibility: np.ndarray | None,
        r_squared: float,
        *,
        beyond_table: str = "",
    ) -> None:
        """Warns of saturation, extreme parameters and predictions that explain nothing.

        Args:
            stage: counted from 1.
            parameters: float32 arrays by name.
            accessibility: float32 [N], of a sample of sequences, or None.
            r_squared: explained share of the variance of the same sample, or NaN.
            beyond_table: predictions beyond the table of a likelihood, as text; "" for none.
        """
        if beyond_table:
            self._warn(
                stage,
                "table",
                f"predictions: {beyond_table}; for these the standard deviation at its end is used",
            )
        if accessibility is not None:
            self._check_accessibility(stage, accessibility)
        for name, limit in self._extreme.items():
            values = np.asarray(parameters.get(name, np.zeros(1)))
            # A factor that is knocked out has a log concentration of minus infinity.
            largest = float(np.abs(values[~np.isneginf(values)]).max(initial=0.0))
            if largest > limit:
                self._warn(
                    stage,
                    name,
                    f"{name} has run to extremes (up to {largest:.3g} in size, beyond "
                    f"{limit:.3g}); lower learning_rate or add a penalty",
                )
        self._stuck = self._stuck + 1 if abs(r_squared) < _EXPLAINS_NOTHING else 0
        if self._stuck >= _STUCK_EPOCHS:
            self._warn(
                stage,
                "variance",
                f"the error is stuck at the variance of the data for {self._stuck} epochs: "
                "predictions hardly depend on the sequences; lower learning_rate, start from other "
                "parameters, or check that sequences and expression belong together",
            )

    def _check_accessibility(self, stage: int, accessibility: np.ndarray) -> None:
        for end, share in (
            ("0", np.mean(accessibility < _SATURATED)),
            ("1", np.mean(accessibility > 1 - _SATURATED)),
        ):
            if share > _NEARLY_ALL:
                self._warn(
                    stage,
                    "accessibility" + end,
                    f"accessibility is saturated at {end} for {share:.1%} of the sequences, so "
                    f"that potentiations cannot learn; {_REMEDIES[end]}, or lower learning_rate",
                )

    def _warn(self, stage: int, kind: str, text: str) -> None:
        if (stage, kind) not in self._said:
            self._said.add((stage, kind))
            logger.warning("stage %d: %s", stage, text)


def _warn_of_measurements(expression: np.ndarray) -> None:
    """Warns of measurements that are all equal, or nearly equal in float32."""
    if np.ptp(expression) == 0:
        logger.warning(
            "all measurements are equal (%g), so that there is nothing to learn; check the "
            "column of the expression",
            expression.flat[0],
        )
        return
    largest = np.abs(expression).max()
    step, deviation = float(np.spacing(largest)), float(np.std(expression, dtype=np.float64))
    if largest > _LARGE or deviation < _SMALL:
        logger.warning(
            "the measurements, of up to %g and of a standard deviation of %g, are near the ends of "
            "single precision; %s",
            *(largest, deviation),
            "divide them, or look for outliers" if largest > _LARGE else "multiply them",
        )
    if deviation < _FEWEST_STEPS * step:
        logger.warning(
            "the measurements, of up to %g, differ by a standard deviation of %g only, and are "
            "rounded to steps of %g in single precision; subtract a constant from them",
            *(largest, deviation, step),
        )


def _warn_of_weights(weight: np.ndarray) -> None:
    """Warns of weights so small or so large that the loss is all penalty or all measurements."""
    mean = float(np.mean(weight, dtype=np.float64))
    if not 1 / _EXTREME_WEIGHT < mean < _EXTREME_WEIGHT:
        logger.warning(
            "the mean of the weights is %g: %s; check the column of the weights, or divide them "
            "by their mean",
            mean,
            "nothing is learned from the measurements"
            if mean == 0
            else "they multiply the loss, which is far from the size of the penalties then",
        )
