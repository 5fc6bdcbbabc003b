"""Slopes of expression by the parameters of a model, from the scan of the fused kernels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from cisreg.interpret.exclusive_sites import exclusive_slopes
from cisreg.interpret.read_out import (
    ModelScan,
    exclusive_arguments,
    read_out,
    scan_model,
    scan_weights,
    strand_activity,
)
from cisreg.links import link_parameter_slopes, link_slope
from cisreg.trained_model import Model
from cisreg.uncertainty.coordinates import CONTRASTS, Coordinates

# Half the distance, in nats, of the two scans that give a slope by a concentration or a motif. The
# slope of a sigmoid is then wrong by its square over six, 4e-4, at most. A smaller one would leave
# more of the scan's float32 rounding, which is divided by it.
STEP = 0.05


def jacobian(
    model: Model, codes: np.ndarray, coordinates: Coordinates, *, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Expression and its slopes by the coordinates.

    A motif's binding depends on its own numbers alone, so that two scans give the slopes by the
    concentrations of all factors, and two more for each direction of a column of all motifs. Where
    sites exclude each other it depends on all, and the gradient of each sequence is computed.

    Args:
        model: the model.
        codes: uint8 [N, L].
        coordinates: K numbers that vary.
        threads: of the scans.

    Returns:
        (expression float64 [N], slopes float64 [N, K]).
    """
    scan = scan_model(model, codes, threads=threads)
    slopes = _slopes(model, scan)
    link, score = model.spec.link, slopes.score
    parts = link_parameter_slopes(link, model.parameters, score)
    exclusive = {}
    of_binding = {"log_kd", "log_concentration", "nucleosome_log_odds"}
    if model.spec.competition and of_binding & set(coordinates.names):
        exclusive = _of_exclusive_binding(model, codes, coordinates, slopes, threads)
    for name in coordinates.names:
        if name in parts:
            continue
        if name in exclusive:
            parts[name] = exclusive[name]
        elif name == "log_kd":
            parts[name] = _of_log_kd(model, codes, coordinates, slopes, threads)
        elif name == "log_concentration":
            change = np.full(model.spec.motif_count, STEP)
            changed = _changes(model, name, change)
            parts[name] = _of_binding(model, codes, changed, slopes, threads)
        else:
            parts[name] = _of_read_out(name, model, scan, slopes)
        if link != "identity":
            by_score = link_slope(link, model.parameters, score)
            parts[name] = parts[name].reshape(len(codes), -1) * by_score[:, np.newaxis]
    columns = [parts[name].reshape(len(codes), -1) for name in coordinates.names]
    return slopes.expression, np.concatenate(columns, axis=1)


class _Slopes(NamedTuple):
    """Expression and score, and the slopes of the score by what it is made of.

    Attributes:
        expression: [N].
        score: [N].
        accessibility: [N].
        signal: [N], by the log odds of accessibility.
        acting: [N, S, M], by the binding that acts on expression.
        free: [N, M], whether the contribution of a motif is within its limit.
        most: [N, M], whether it is at its limit.
    """

    expression: np.ndarray
    score: np.ndarray
    accessibility: np.ndarray
    signal: np.ndarray
    acting: np.ndarray
    free: np.ndarray
    most: np.ndarray


def _slopes(model: Model, scan: ModelScan) -> _Slopes:
    spec, parameters = model.spec, model.parameters
    made = read_out(model, scan)
    activity = strand_activity(spec, parameters).astype(np.float64)
    opened = made.accessibility[:, np.newaxis]
    whole = opened * (scan.acting * activity).sum(axis=1)
    free, most = np.ones(whole.shape, bool), np.zeros(whole.shape, bool)
    if spec.binding_limit:
        limit = parameters["activity"] * np.exp(parameters["log_binding_limit"].astype(np.float64))
        most = (np.sign(whole) == np.sign(limit)) & (np.abs(whole) > np.abs(limit))
        free = ~most & (np.sign(whole) == np.sign(limit))
    acting = (opened * free)[:, np.newaxis] * np.broadcast_to(activity, scan.acting.shape)
    signal = np.zeros(len(whole))
    if spec.potentiation:
        by_accessibility = (whole * free).sum(axis=1)
        if spec.accessibility_activity:
            by_accessibility += made.accessibility * float(parameters["accessibility_activity"])
        signal = (1 - made.accessibility) * by_accessibility
    return _Slopes(made.expression, made.score, made.accessibility, signal, acting, free, most)


def _of_read_out(name: str, model: Model, scan: ModelScan, slopes: _Slopes) -> np.ndarray:
    """The slopes of the score by a parameter of the layers behind the binding."""
    parameters = model.parameters
    opened = slopes.accessibility[:, np.newaxis]
    if name == "bias":
        return np.ones(len(opened))
    if name == "accessibility_activity":
        return slopes.accessibility
    if name == "potentiation_bias":
        return slopes.signal
    if name == "potentiation":
        return slopes.signal[:, np.newaxis] * scan.opening
    if name == "activity_difference":
        return opened * slopes.free * scan.acting[:, 1]
    if name == "log_binding_limit":
        limit = np.exp(parameters[name].astype(np.float64))
        return slopes.most * (parameters["activity"] * limit)
    by_activity = opened * slopes.free * scan.acting.sum(axis=1)
    if model.spec.binding_limit:
        by_activity += slopes.most * np.exp(parameters["log_binding_limit"].astype(np.float64))
    return by_activity


def _of_binding(
    model: Model,
    codes: np.ndarray,
    changed: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]],
    slopes: _Slopes,
    threads: int | None,
) -> np.ndarray:
    """The slopes [N, M] of the score by a number that changes a motif's binding, by two scans."""
    below, above = (
        scan_model(replace(model, parameters=each), codes, threads=threads) for each in changed
    )
    by_number = (slopes.acting * (above.acting - below.acting)).sum(axis=1)
    if model.spec.potentiation:
        opening = (above.opening - below.opening) * model.parameters["potentiation"]
        by_number += slopes.signal[:, np.newaxis] * opening
    return by_number / (2 * STEP)


def _of_exclusive_binding(
    model: Model,
    codes: np.ndarray,
    coordinates: Coordinates,
    slopes: _Slopes,
    threads: int | None,
) -> dict[str, np.ndarray]:
    """The slopes of the score by concentrations and motifs whose sites exclude each other."""
    weights = scan_weights(model)
    upstream = {"acting": (weights.get("position_weight"), slopes.acting)}
    if model.spec.potentiation:
        opening = slopes.signal[:, np.newaxis] * model.parameters["potentiation"]
        weight = weights.get("potentiation_position_weight")
        upstream["opening"] = (weight, np.repeat(opening[:, np.newaxis], 2, axis=1))
    by_concentration, by_log_kd, by_log_odds = exclusive_slopes(
        exclusive_arguments(model, codes), upstream, threads
    )
    along = np.einsum("kb,nwbm->nkwm", CONTRASTS, by_log_kd.astype(np.float64))
    return {
        "log_concentration": by_concentration.astype(np.float64),
        "log_kd": along[:, :, coordinates.own],
        "nucleosome_log_odds": by_log_odds.astype(np.float64),
    }


def _of_log_kd(
    model: Model,
    codes: np.ndarray,
    coordinates: Coordinates,
    slopes: _Slopes,
    threads: int | None,
) -> np.ndarray:
    by_number = np.empty((len(codes), len(CONTRASTS), *coordinates.own.shape))
    for direction, contrast in enumerate(CONTRASTS):
        for column, own in enumerate(coordinates.own):
            change = np.zeros(model.parameters["log_kd"].shape)
            change[column] = STEP * contrast[:, np.newaxis] * own
            changed = _changes(model, "log_kd", change)
            by_number[:, direction, column] = _of_binding(model, codes, changed, slopes, threads)
    return by_number[:, :, coordinates.own]


def _changes(
    model: Model, name: str, change: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The parameters with one of them lowered, and with it raised."""
    value = model.parameters[name]
    below, above = (np.asarray(value + sign * change, np.float32) for sign in (-1, 1))
    return {**model.parameters, name: below}, {**model.parameters, name: above}


def row_batches(count: int, columns: int) -> Iterator[slice]:
    """Slices of rows whose slopes take up to about 64 MB."""
    size = max(64, min(4096, (1 << 23) // max(columns, 1)))
    for begin in range(0, count, size):
        yield slice(begin, min(begin + size, count))
