"""A bootstrap that moves a trained model to other rows' least squares, instead of training anew."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cisreg.data import Dataset
from cisreg.progress import progress_bar
from cisreg.trained_model import Model
from cisreg.uncertainty.coordinates import Coordinates
from cisreg.uncertainty.ensemble import Ensemble
from cisreg.uncertainty.normal_equations import Measured
from cisreg.uncertainty.refitting import least_squares

logger = logging.getLogger("cisreg.uncertainty")

_STEPS = 100


def refit_ensemble(
    model: Model,
    dataset: Dataset,
    *,
    members: int = 30,
    parameters: Sequence[str] | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: bool = False,
) -> Ensemble:
    """A bootstrap of `refit`: seconds instead of a training for each member.

    Each member is the least squares of families of rows that are drawn with replacement, equal
    sequences and reverse complements being a family. Like `estimate_certainty` it takes motifs and
    position weights for known; unlike it, it needs no parabola.

    Args:
        model: a trained model.
        dataset: what it was trained on.
        members: how many, 2 or more.
        parameters: names of the parameters that vary; None: all but the motifs (log_kd) and the
            position weights.
        seed: of the draws.
        threads: of the scans; None: one for each core.
        progress: whether to show a progress bar on a terminal.

    Returns:
        An Ensemble. The log warns if members did not reach their optimum.

    Raises:
        ValueError, TypeError: as `refit`; or fewer than 2 members.

    Example:
        >>> refit_ensemble(model, data, members=30).effects(0.9).to_frame()  # doctest: +SKIP
    """
    if members < 2:
        raise ValueError(f"members: expected 2 or more, got {members}")
    coordinates = Coordinates.of(model, parameters)
    measured, free = Measured.of(model, dataset), np.arange(len(coordinates))
    start = least_squares(model, measured, coordinates, free, steps=_STEPS, threads=threads).model
    families, missed, models = int(measured.family.max()) + 1, 0, []
    with progress_bar(show=progress, transient=True) as bar:
        for member in bar.track(range(members), description="members"):
            drawn = np.random.default_rng([seed, member]).integers(0, families, families)
            times = np.bincount(drawn, minlength=families)[measured.family]
            rows = np.flatnonzero(times)
            resampled = replace(
                measured,
                codes=measured.codes[rows],
                expression=measured.expression[rows],
                weight=(measured.weight * times)[rows],
                family=measured.family[rows],
            )
            found = least_squares(
                start, resampled, coordinates, free, steps=_STEPS, threads=threads
            )
            models.append(found.model)
            missed += not found.converged
    if missed:
        logger.warning(
            "refit_ensemble: %d of %d members did not reach their optimum", missed, members
        )
    return Ensemble(tuple(models), "bootstrap")
