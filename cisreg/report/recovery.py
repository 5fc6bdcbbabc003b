"""Comparison of learned parameters with the true ones of a simulation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cisreg.interpret.factors import factor_effects
from cisreg.metrics import pearson_correlation
from cisreg.trained_model import Model


class ParameterComparison(NamedTuple):
    """One parameter of the factors that two models share.

    Attributes:
        name: "activity" or "potentiation".
        motif_names: K names of the shared motifs, in the order of the learned model.
        learned: float64 [K], effect of each factor's strongest site.
        true: float64 [K], the same in the true model.
    """

    name: str
    motif_names: tuple[str, ...]
    learned: np.ndarray
    true: np.ndarray

    @property
    def pearson(self) -> float:
        """Pearson's r of learned and true values; NaN where it is undefined."""
        return pearson_correlation(self.learned, self.true)


def compare_parameters(learned: Model, truth: Model) -> list[ParameterComparison]:
    """Compares the effects of the factors that two models share.

    The effect is that of the strongest site, as `cisreg.interpret.factor_effects` gives it:
    activity (or potentiation) times the occupancy of the site that the motif binds best. Activity
    and concentration cannot be compared separately: where binding is weak, half the activity at
    twice the concentration predicts the same. For a stranded or positional model, the effect is
    averaged over strands and windows.

    Returns:
        Comparisons of activity and, where both models have it, potentiation.

    Raises:
        ValueError: fewer than 2 motifs have the same name in both models.

    Example:
        >>> [comparison.name for comparison in compare_parameters(model, model)]  # doctest: +SKIP
        ['activity', 'potentiation']
    """
    names = tuple(name for name in learned.motif_names if name in truth.motif_names)
    if len(names) < 2:
        raise ValueError(
            f"truth: expected at least 2 motifs of the model ({', '.join(learned.motif_names[:3])} "
            f"...), got {len(names)} with the same name; use the simulation that the model was "
            "trained on"
        )
    learned_values, true_values = strongest_site_effects(learned), strongest_site_effects(truth)
    learned_index = [learned.motif_names.index(name) for name in names]
    true_index = [truth.motif_names.index(name) for name in names]
    return [
        ParameterComparison(name, names, value[learned_index], true_values[name][true_index])
        for name, value in learned_values.items()
        if name in true_values
    ]


def strongest_site_effects(model: Model) -> dict[str, np.ndarray]:
    """The effect of each factor's strongest site, float64 [M] by the name of the parameter."""
    effects = factor_effects(model)
    strands = [effects.effect]
    if effects.effect_reverse is not None:
        strands.append(effects.effect_reverse)
    values = {"activity": np.mean(strands, axis=0)}
    if effects.potentiation_effect is not None:
        values["potentiation"] = effects.potentiation_effect
    return values
