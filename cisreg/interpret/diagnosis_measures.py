"""What a diagnosis measures: of each factor alone, and over sequences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.batches import batches
from cisreg.interpret.factor_changes import concentration_changes
from cisreg.interpret.factors import strongest_site_occupancy
from cisreg.interpret.read_out import position_weight, read_out, scan_model, strand_activity
from cisreg.links import effect_of_score
from cisreg.start import STANDARD_DEVIATION, STANDARD_MEAN

# Of more sequences, so many evenly spaced ones are taken: a share is known to 1 % then.
MOST_SEQUENCES = 2000
# Half the change of log concentration for the slope of binding; a slope of 0.95 is known to 0.001.
_STEP = 0.05


class Trained(NamedTuple):
    """The measurements that the model was trained on: their mean and standard deviation."""

    mean: float
    deviation: float


def trained_on(model: AnyModel) -> Trained | None:
    """As model.json knows it; None for models that were imported or trained without a unit.

    Neither is it known of a link above 0, whose unit says nothing of the deviation.
    """
    unit = model.metadata.get("standard_unit") or {}
    scale, shift = unit.get("scale", 1.0), unit.get("shift", 0.0)
    if (scale, shift) == (1.0, 0.0) or model.spec.link in ("softplus", "exponential"):
        return None
    return Trained(STANDARD_MEAN * scale + shift, STANDARD_DEVIATION * scale)


@dataclass(frozen=True, eq=False)
class OwnMeasures:
    """What the parameters alone say of each of M factors.

    Attributes:
        occupancy: float64 [M], how much of the time the strongest site is bound.
        log_odds: float64 [M], log concentration minus log Kd of the strongest site, nats.
        effect: float64 [M], the larger of what the strongest site adds to expression on either
            strand, in open chromatin; in a positional model with the largest position weight.
            With a link, where that is steepest (`cisreg.links.effect_of_score`).
        opening: float64 [M], what the strongest site adds to the log odds of accessibility; with
            positional potentiation at the largest of its position weights.
    """

    occupancy: np.ndarray
    log_odds: np.ndarray
    effect: np.ndarray
    opening: np.ndarray


def own_measures(model: AnyModel) -> OwnMeasures:
    """Measures that need no sequences."""
    spec, parameters = model.spec, model.parameters
    occupancy = strongest_site_occupancy(model)
    lowest = parameters["log_kd"].min(axis=1).sum(axis=0, dtype=np.float64)
    weight = np.ones((2, 1, spec.motif_count))
    if spec.positional:
        weight = np.abs(position_weight(spec, parameters)).astype(np.float64)
    activity = np.abs(strand_activity(spec, parameters)).astype(np.float64)
    effect = (weight.max(axis=1) * activity).max(axis=0) * occupancy
    effect *= effect_of_score(spec.link, parameters)
    opening = np.zeros_like(effect)
    if spec.potentiation:
        opening = np.abs(parameters["potentiation"]) * occupancy
    if spec.positional_potentiation:
        weight = position_weight(spec, parameters, "potentiation_position_weight")
        opening = opening * np.abs(weight).max(axis=(0, 1)).astype(np.float64)
    return OwnMeasures(occupancy, parameters["log_concentration"] - lowest, effect, opening)


@dataclass(frozen=True, eq=False)
class Measures:
    """What N sequences say of a model and its M factors.

    Attributes:
        codes: uint8 [N, L], the sequences.
        expression: float64 [N], predictions.
        accessibility: float64 [N].
        binding: float32 [N, M], where all chromatin is accessible.
        contribution: float64 [M], mean of |contribution to expression|.
        importance: float64 [M], mean of |expression minus expression with the factor knocked out|.
        slope: float64 [M], slope of log mean binding on log concentration: 1 where sites are rarely
            bound, 0 where they always are.
        share_of_ends: float64 [M], share of the mean binding that is lost if the bases of the
            constant ends are unknown; 0 without such ends.
    """

    codes: np.ndarray
    expression: np.ndarray
    accessibility: np.ndarray
    binding: np.ndarray
    contribution: np.ndarray
    importance: np.ndarray
    slope: np.ndarray
    share_of_ends: np.ndarray

    @property
    def variation(self) -> np.ndarray:
        """Standard deviation of the binding over the sequences by its mean, float64 [M]."""
        mean = self.binding.mean(axis=0, dtype=np.float64)
        spread = self.binding.std(axis=0, dtype=np.float64)
        return np.divide(spread, mean, out=np.full(len(mean), np.inf), where=mean > 0)


def measure(
    model: AnyModel, codes: np.ndarray, *, threads: int | None = None, progress: bool = False
) -> Measures:
    """Measures over sequences, at most `MOST_SEQUENCES` of them, evenly spaced.

    Args:
        model: the model.
        codes: uint8 [N, L], one or more.
        threads: how many threads compute; None: one for each core.
        progress: whether to show a progress bar.
    """
    codes = codes[:: -(-len(codes) // MOST_SEQUENCES)]
    spec, count = model.spec, model.spec.motif_count
    other_models = [_at_concentration(model, _STEP), _at_concentration(model, -_STEP)]
    if spec.has_span and spec.constant_ends == "context":
        other_models.append(_changed(model, spec=replace(spec, constant_ends="trim")))
    expression, accessibility = np.empty(len(codes)), np.empty(len(codes))
    binding = np.empty((len(codes), count), np.float32)
    contribution, importance = np.zeros(count), np.zeros(count)
    others = np.zeros((len(other_models), count))
    for rows, part in batches(model, codes, progress=progress, description="diagnosis"):
        scan = scan_model(model, part, threads=threads)
        read = read_out(model, scan)
        expression[rows], accessibility[rows] = read.expression, read.accessibility
        binding[rows] = scan.binding
        contribution += np.abs(read.contribution).sum(axis=0)
        changes = concentration_changes(
            model, part, scan, np.arange(count), -np.inf, threads=threads
        )
        importance += np.abs(changes).sum(axis=0)
        for place, other in enumerate(other_models):
            others[place] += scan_model(other, part, threads=threads).binding.sum(axis=0)
    more, less, *without_ends = others
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.log(more / less) / (2 * _STEP)
        lost = 1 - without_ends[0] / binding.sum(axis=0, dtype=np.float64) if without_ends else 0.0
    return Measures(
        *(codes, expression, accessibility, binding),
        contribution * effect_of_score(spec.link, model.parameters) / len(codes),
        importance / len(codes),
        slope,
        np.nan_to_num(np.broadcast_to(lost, count)),
    )


def _at_concentration(model: AnyModel, step: float) -> AnyModel:
    moved = model.parameters["log_concentration"] + np.float32(step)
    return _changed(model, parameters={**model.parameters, "log_concentration": moved})


def _changed(model: Any, **parts: Any) -> AnyModel:
    changed: AnyModel = replace(model, **parts)
    return changed
