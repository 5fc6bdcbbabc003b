"""The effects of each factor's strongest site, and their slopes by the parameters."""

from __future__ import annotations

import numpy as np

from cisreg.interpret.factors import strongest_site_occupancy
from cisreg.interpret.read_out import position_weight, strand_activity
from cisreg.trained_model import Model
from cisreg.uncertainty.coordinates import CONTRASTS, Coordinates


def site_effects(model: Model) -> dict[str, np.ndarray]:
    """The effects of each factor's strongest site by name, float64 [M] each.

    `effect` is activity * occupancy of the strongest site, where all chromatin is accessible; in a
    stranded model it is that on the forward strand, and `effect_reverse` is beside it; in a
    positional one it is multiplied by the mean position weight. `potentiation_effect` is
    potentiation * occupancy of the site, with positional potentiation times the mean of its
    position weights: by how much the log odds of accessibility rise. The names
    are those of `cisreg.interpret.factor_effects`, whose numbers these are but for binding limits,
    which are left out here.

    Example:
        >>> site_effects(model)["effect"]  # doctest: +SKIP
        array([ 1.27, -0.3 ])
    """
    occupancy = strongest_site_occupancy(model)
    return {name: weight * occupancy for name, (weight, _) in _weights(model).items()}


def _weights(model: Model) -> dict[str, tuple[np.ndarray, dict[str, np.ndarray]]]:
    """What multiplies the occupancy in each effect, [M], and its slopes by parameters."""
    spec, parameters = model.spec, model.parameters
    by_position = np.ones((2, spec.motif_count))
    if spec.positional:
        by_position = position_weight(spec, parameters).mean(axis=1, dtype=np.float64)
    activity = np.broadcast_to(strand_activity(spec, parameters), (2, spec.motif_count))
    found = {}
    if spec.stranded:
        forward, reverse = by_position
        found["effect"] = (activity[0] * forward, {"activity": forward})
        slopes = {"activity": reverse, "activity_difference": reverse}
        found["effect_reverse"] = (activity[1] * reverse, slopes)
    else:
        found["effect"] = (activity[0] * by_position[0], {"activity": by_position[0]})
    if spec.potentiation:
        potentiation = parameters["potentiation"].astype(np.float64)
        mean = np.ones(spec.motif_count)
        if spec.positional_potentiation:
            weight = position_weight(spec, parameters, "potentiation_position_weight")
            mean = weight.mean(axis=(0, 1), dtype=np.float64)
        found["potentiation_effect"] = (potentiation * mean, {"potentiation": mean})
    return found


def effect_slopes(model: Model, coordinates: Coordinates) -> np.ndarray:
    """The slopes of all effects, one name after the other, float64 [E * M, K]."""
    occupancy = strongest_site_occupancy(model)
    motifs = np.arange(model.spec.motif_count)
    parts = []
    for weight, of_weight in _weights(model).values():
        slopes = np.zeros((len(motifs), len(coordinates)))
        for name, slope in of_weight.items():
            if name in coordinates.places:
                slopes[motifs, coordinates.places[name].start + motifs] = slope * occupancy
        by_log_odds = weight * occupancy * (1 - occupancy)
        if "log_concentration" in coordinates.places:
            begin = coordinates.places["log_concentration"].start
            slopes[motifs, begin + motifs] = by_log_odds
        if "log_kd" in coordinates.places:
            place = coordinates.places["log_kd"]
            best = model.parameters["log_kd"].argmin(axis=1)
            along = CONTRASTS[:, best][:, coordinates.own].ravel()
            of_motif = coordinates.of_motif[place]
            slopes[of_motif, np.arange(place.start, place.stop)] = -along * by_log_odds[of_motif]
        parts.append(slopes)
    return np.concatenate(parts)
