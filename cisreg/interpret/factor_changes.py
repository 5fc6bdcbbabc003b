"""Expression where one factor at a time binds differently.

Independent factors need one scan for all of them. Where sites exclude each other, the others take a
freed place: each change is a scan of its own. So it is at other concentrations where factors act in
pairs; a factor that is absent is in none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.read_out import (
    ModelScan,
    limited_contribution,
    paired_effects,
    position_weight,
    read_out,
    scan_model,
    strand_activity,
    strand_contribution,
)
from cisreg.links import link_value, sigmoid
from cisreg.spec import check_overflow


def absent(scan: ModelScan) -> ModelScan:
    """The scan of the same sequences if there were no factors: nothing is bound."""
    return scan.changed(np.zeros_like)


def concentration_changes(
    model: AnyModel,
    codes: np.ndarray,
    scan: ModelScan,
    places: np.ndarray,
    log_times: float,
    *,
    threads: int | None = None,
) -> np.ndarray:
    """The change of expression if the concentration of one factor at a time is another one.

    Args:
        model: the model.
        codes: uint8 [N, L].
        scan: of these sequences.
        places: int [K], the factors.
        log_times: what is added to a log concentration; minus infinity is a knock-out.
        threads: how many threads compute.

    Returns:
        float64 [N, K], expression with the change minus expression without it.

    Example:
        >>> concentration_changes(model, codes, scan, np.arange(245), -np.inf)  # doctest: +SKIP
    """
    gone = np.isneginf(log_times)
    if not model.spec.competition and (gone or not model.spec.pairs):
        if gone:
            return factor_changes(model, scan, absent(scan), places)
        other = with_concentrations(model, slice(None), log_times)
        return factor_changes(model, scan, scan_model(other, codes, threads=threads), places)
    before = read_out(model, scan).expression
    changes = np.empty((len(codes), len(places)))
    for column, place in enumerate(places):
        other = with_concentrations(model, int(place), log_times)
        after = read_out(other, scan_model(other, codes, threads=threads)).expression
        changes[:, column] = after - before
    return changes


def with_concentrations(model: AnyModel, places: int | slice, log_times: float) -> AnyModel:
    """The model with another log concentration of some factors."""
    concentration = np.array(model.parameters["log_concentration"], np.float32)
    concentration[places] += np.float32(log_times)
    changed: Any = model
    return replace(changed, parameters={**model.parameters, "log_concentration": concentration})


def factor_changes(
    model: AnyModel, scan: ModelScan, other: ModelScan, places: np.ndarray
) -> np.ndarray:
    """The change of expression if one factor binds as in `other`, and all else as in `scan`.

    Accessibility changes with the factor, and with it the contributions of all other factors. No
    sequence is scanned again: the sums of all other factors are those of all minus its own.

    Args:
        model: the model that was scanned.
        scan: N sequences.
        other: the same sequences with other concentrations, or `absent(scan)`. In models with
            pairs of factors only that: what two factors do at other concentrations of both is not
            what they do where one of them has another.
        places: int [K], the factors.

    Returns:
        float64 [N, K], expression with the change minus expression without it.

    Raises:
        OverflowError: expression is beyond float32.

    Example:
        >>> factor_changes(model, scan, absent(scan), np.arange(245))  # doctest: +SKIP
    """
    spec, before = model.spec, read_out(model, scan)
    opening = (other.opening - scan.opening)[:, places]
    accessibility = np.ones((len(opening), len(places)))
    if spec.potentiation:
        potentiation = model.parameters["potentiation"].astype(np.float64)
        signal = model.parameters["potentiation_bias"] + scan.opening @ potentiation
        accessibility = sigmoid(signal[:, np.newaxis] + opening * potentiation[places])
    totals = _totals(model, scan, accessibility)
    own = np.ones_like(scan.opening)
    own[:, places] = accessibility
    replaced, new = (strand_contribution(model, each, own).sum(axis=1) for each in (scan, other))
    totals += (new - replaced)[:, places]
    if spec.pairs:
        # What a factor does in pairs with others is by half among what these do.
        partners = _partners_halves(model, other) - _partners_halves(model, scan)
        totals += accessibility * partners[:, places]
    if spec.accessibility_activity:
        totals += model.parameters["accessibility_activity"] * accessibility
    after = link_value(spec.link, model.parameters, totals + model.parameters["bias"])
    check_overflow("expression at another concentration", after, model.parameters)
    return after - before.expression[:, np.newaxis]


def _totals(model: AnyModel, scan: ModelScan, accessibility: np.ndarray) -> np.ndarray:
    """Contributions of all factors together at each of K accessibilities, float64 [N, K]."""
    linear = _linear(model, scan)
    together = np.zeros((len(linear), 1))
    if model.spec.pairs:
        effects = paired_effects(model.spec, model.parameters, scan)
        together = effects.sum(axis=(1, 2, 3))[:, np.newaxis]
    if not model.spec.binding_limit:
        return accessibility * (linear.sum(axis=1, keepdims=True) + together)
    limit = np.exp(model.parameters["log_binding_limit"].astype(np.float64))
    excess = None if scan.site is None else _Excess(model, scan.site, limit)
    totals = np.empty_like(accessibility)
    for place, accessible in enumerate(accessibility.T):
        each = accessible[:, np.newaxis] * linear
        if excess is not None:
            each -= excess.at(accessible)
        totals[:, place] = limited_contribution(model, each).sum(axis=1)
    return totals + accessibility * together


def _partners_halves(model: AnyModel, scan: ModelScan) -> np.ndarray:
    """The other halves of what each factor does in pairs with other factors, float64 [N, M]."""
    effects = paired_effects(model.spec, model.parameters, scan).sum(axis=(1, 2)) / 2
    found = np.zeros((len(effects), model.spec.motif_count))
    for number, (a, b) in enumerate(model.spec.pairs):
        if a != b:
            found[:, [a, b]] += effects[:, [number]]
    return found


def _linear(model: AnyModel, scan: ModelScan) -> np.ndarray:
    """What each factor would add in open chromatin without any limit, float64 [N, M]."""
    activity = strand_activity(model.spec, model.parameters).astype(np.float64)
    if scan.site is None:
        return (scan.acting * activity).sum(axis=1)
    weight = position_weight(model.spec, model.parameters).astype(np.float64)
    return (np.einsum("nspm,spm->nsm", scan.site, weight) * activity).sum(axis=1)


class _Excess:
    """What the limits of single sites take away: only of sites that can exceed them."""

    def __init__(self, model: AnyModel, site: np.ndarray, limit: np.ndarray) -> None:
        row, strand, window, motif = np.nonzero(site > limit)
        weight = position_weight(model.spec, model.parameters).astype(np.float64)
        activity = np.broadcast_to(
            strand_activity(model.spec, model.parameters), (2, model.spec.motif_count)
        )
        self._shape = (len(site), model.spec.motif_count)
        self._row, self._place = row, row * self._shape[1] + motif
        self._occupancy, self._limit = site[row, strand, window, motif], limit[motif]
        self._slope = weight[strand, window, motif] * activity[strand, motif]

    def at(self, accessibility: np.ndarray) -> np.ndarray:
        """It at an accessibility [N], as float64 [N, M]."""
        above = np.maximum(accessibility[self._row] * self._occupancy - self._limit, 0.0)
        flat = np.bincount(self._place, above * self._slope, minlength=np.prod(self._shape))
        return flat.reshape(self._shape)
