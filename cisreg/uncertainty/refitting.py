"""Least squares from a trained model on, by the method of Levenberg and Marquardt.

Training ends early, in batches, and with penalties, so that its result is not where the squared
error of the data is least. Standard errors are those of the least squares.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cisreg.data import Dataset
from cisreg.number_text import LARGEST_FLOAT32
from cisreg.progress import progress_bar
from cisreg.trained_model import Model
from cisreg.uncertainty.coordinates import Coordinates
from cisreg.uncertainty.normal_equations import (
    Measured,
    NormalEquations,
    normal_equations,
    squared_loss,
)

logger = logging.getLogger("cisreg.uncertainty")

# Ends where the loss that a step is expected to gain is this small, in units of the noise variance:
# the optimum is then within 0.03 standard errors in every direction.
_TOLERANCE = 1e-3
# Beyond this damping, float32 rounding of the scan hides what a step gains.
_MOST_DAMPING = 1e8
# Parameters of models are float32.
_FARTHEST = LARGEST_FLOAT32 / 2
# Damping of directions that the data do not determine, relative to the numbers' own information.
_LEAST_DAMPING = 1e-9


class Refit(NamedTuple):
    """The result of `refit`.

    Attributes:
        model: the model of least squares.
        loss: the sum of weight (measured - predicted)² over the rows.
        distance: how far the least squares still are, in standard errors.
        start_distance: how far the given model was from them, in standard errors, as its slopes
            say.
        steps: how many steps were taken.
        converged: whether it ended because the optimum was reached.
    """

    model: Model
    loss: float
    distance: float
    start_distance: float
    steps: int
    converged: bool


def refit(
    model: Model,
    dataset: Dataset,
    *,
    parameters: Sequence[str] | None = None,
    steps: int = 100,
    threads: int | None = None,
    progress: bool = False,
) -> Refit:
    """Moves some parameters of a model to where its squared error is least.

    There are no penalties, and nothing is held out: this is for standard errors, not for better
    predictions.

    Args:
        model: a trained model.
        dataset: what it was trained on.
        parameters: names of the parameters that vary; None: all but the motifs (log_kd) and the
            position weights, which are held as they are.
        steps: most steps.
        threads: of the scans; None: one for each core.
        progress: whether to show a progress bar on a terminal.

    Returns:
        A Refit. The log warns if the optimum was not reached.

    Raises:
        ValueError: parameters that the model does not have or that cannot vary here, or no rows.
        TypeError: `dataset` is no Dataset.

    Example:
        >>> refit(model, data).model.parameters["activity"]  # doctest: +SKIP
        array([1.27, -0.3 ], dtype=float32)
    """
    coordinates = Coordinates.of(model, parameters)
    measured = Measured.of(model, dataset)
    free = np.arange(len(coordinates))
    found = least_squares(
        *(model, measured, coordinates, free), steps=steps, threads=threads, progress=progress
    )
    warn_unless_converged(found, steps, "refit", "give more steps")
    return found


def warn_unless_converged(found: Refit, steps: int, caller: str, more_steps: str) -> None:
    """Warns in the log of a refit that ended before its optimum.

    Args:
        found: the refit.
        steps: the most steps that it was given.
        caller: the function to name.
        more_steps: what to do if it ended because these were used up.
    """
    if found.converged:
        return
    to_do = "no further step lowers the squared error in float32; vary fewer parameters"
    logger.warning(
        "%s: after %d steps the least squared error is still about %.2g standard errors away; %s",
        *(caller, found.steps, found.distance, more_steps if found.steps >= steps else to_do),
    )


def least_squares(
    model: Model,
    measured: Measured,
    coordinates: Coordinates,
    free: np.ndarray,
    *,
    steps: int,
    threads: int | None,
    progress: bool = False,
) -> Refit:
    """`refit` along the coordinates `free`, int [F]."""
    start, total = model, np.zeros(len(coordinates))
    damping, first, taken = 1e-3, None, 0
    freedom = max(1, measured.count - len(free))
    with progress_bar(show=progress, transient=True) as bar:
        task = bar.add_task("least squares", total=steps)
        while True:
            sums = normal_equations(model, measured, coordinates, threads=threads)
            distance = np.sqrt(_gain(sums, free, freedom))
            first = distance if first is None else first
            if distance**2 < _TOLERANCE or taken == steps:
                break
            better = None
            while better is None and damping < _MOST_DAMPING:
                step = total.copy()
                step[free] += _step(sums, free, damping)
                tried, loss = _tried(coordinates, start, step, measured, threads)
                better = step if loss < sums.loss else None
                damping = max(damping / 10, _LEAST_DAMPING) if loss < sums.loss else 10 * damping
            if better is None:
                break
            total, model, taken = better, tried, taken + 1
            bar.advance(task)
    # Where rounding hides the way, what is left of it is small.
    converged = bool(distance**2 < (_TOLERANCE if taken == steps else 0.1))
    return Refit(model, sums.loss, float(distance), float(first), taken, converged)


def _tried(
    coordinates: Coordinates,
    start: Model,
    step: np.ndarray,
    measured: Measured,
    threads: int | None,
) -> tuple[Model, float]:
    """The model after a step, and its loss; infinite where parameters or predictions overflow."""
    if np.abs(step).max(initial=0.0) > _FARTHEST:
        return start, float("inf")
    moved = coordinates.moved(start, step)
    try:
        return moved, squared_loss(moved, measured, threads)
    except OverflowError:
        return moved, float("inf")


def _scaled(sums: NormalEquations, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The information of numbers that are scaled to an own information of 1, and the scale."""
    information = sums.information[np.ix_(free, free)]
    scale = np.sqrt(np.diag(information))
    scale = np.where(scale > 0, scale, 1.0)
    return information / np.outer(scale, scale), scale


def _step(sums: NormalEquations, free: np.ndarray, damping: float) -> np.ndarray:
    information, scale = _scaled(sums, free)
    damped = information + damping * np.eye(len(free))
    return np.linalg.solve(damped, sums.gradient[free] / scale) / scale


def _gain(sums: NormalEquations, free: np.ndarray, freedom: int) -> float:
    """What a whole step is expected to gain, in units of the noise variance."""
    if not len(free) or sums.loss <= 0:
        return 0.0
    step = _step(sums, free, 1e-8)
    return max(0.0, float(step @ sums.gradient[free]) * freedom / sums.loss)
