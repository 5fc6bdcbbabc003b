"""What the factors of simulated promoters bind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cisreg.motifs import MotifSet
from cisreg.numpy import ExclusiveOccupancy, Occupancy, exclusive_occupancy, occupancy
from cisreg.spec import NUCLEOSOME_WIDTH, ModelSpec

# Log odds of a nucleosome are looked for between these, to within the step.
_NUCLEOSOME_LOG_ODDS = (-40.0, 400.0)
_NUCLEOSOME_STEP = 1e-3


class TrueBinding:
    """The binding to sequences that a true model has.

    Args:
        spec: the true model.
        motif_set: its motifs.

    Attributes:
        spec: the true model.
        column_range: int32 [2, M], the columns that a site covers; None without competition.

    Example:
        >>> from cisreg.motifs import demo_motifs
        >>> motifs = demo_motifs()
        >>> bind = TrueBinding(ModelSpec(len(motifs), motifs.width, 30, competition=True), motifs)
        >>> parameters = {"log_kd": motifs.log_kd, "log_concentration": motifs.lowest_log_kd()}
        >>> bind(parameters, np.zeros((2, 30), np.uint8))[0].shape
        (2, 16)
    """

    def __init__(self, spec: ModelSpec, motif_set: MotifSet) -> None:
        self.spec = spec
        self.column_range = motif_set.column_range() if spec.competition else None

    def __call__(
        self, parameters: Mapping[str, Any], sequence: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What opens chromatin, and expected occupancy where all is open, float64 [N, M] both."""
        weight = parameters.get("potentiation_position_weight")
        found = self._sums(
            parameters,
            sequence,
            position_weight=None if weight is None else np.repeat(weight, 2, axis=0),
        )
        binding = found.bound.sum(axis=1, dtype=np.float64)
        if found.weighted is None:
            return binding, binding
        return found.weighted.sum(axis=1, dtype=np.float64), binding

    def _sums(
        self, parameters: Mapping[str, Any], sequence: np.ndarray, **options: Any
    ) -> Occupancy | ExclusiveOccupancy:
        arguments = (sequence, parameters["log_kd"], parameters["log_concentration"])
        if not self.spec.competition:
            return occupancy(*arguments, **options)
        if self.spec.nucleosome:
            options["competitor_width"] = [NUCLEOSOME_WIDTH]
            options["competitor_log_odds"] = np.reshape(parameters["nucleosome_log_odds"], 1)
        return exclusive_occupancy(*arguments, column_range=self.column_range, **options)

    def nucleosome_log_odds(self, parameters: Mapping[str, Any], sequence: np.ndarray) -> float:
        """Those at which a sequence has half a nucleosome for each that fits, on average."""
        low, high = _NUCLEOSOME_LOG_ODDS
        wanted = 0.5 * (self.spec.sequence_length // NUCLEOSOME_WIDTH)
        while high - low > _NUCLEOSOME_STEP:
            middle = (low + high) / 2
            found = self._sums({**parameters, "nucleosome_log_odds": middle}, sequence)
            bound = found.competitors.mean()  # type: ignore[union-attr]
            low, high = (middle, high) if bound < wanted else (low, middle)
        return (low + high) / 2
