"""Single sites, and slopes for single sequences, where sites exclude each other.

Both are gradients of the fused kernels for one sequence: the slope of the sum of weight * occupancy
by a position weight is the occupancy of that site.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from cisreg.library import native_module
from cisreg.limits import thread_count
from cisreg.spec import ModelSpec


def exclusive_site_occupancy(
    spec: ModelSpec, arguments: Mapping[str, Any], threads: int | None = None
) -> np.ndarray:
    """The occupancy of every site of N sequences, float32 [N, 2, P, M].

    Args:
        spec: the layers.
        arguments: of `cisreg.numpy.exclusive_occupancy`, all but position weights.
        threads: how many threads compute; None: one for each core.
    """
    by_strand = (1, 2, spec.motif_count)
    nothing, ones = np.zeros(by_strand, np.float32), np.ones(by_strand, np.float32)
    weight = np.zeros((2, spec.window_count, spec.motif_count), np.float32)
    site = np.empty((len(arguments["sequence"]), *weight.shape), np.float32)

    def fill(row: int) -> None:
        _, _, site[row], _ = _gradient(arguments, row, weight, nothing, ones)

    _for_each_row(fill, len(site), threads)
    return site


def exclusive_slopes(
    arguments: Mapping[str, Any],
    upstream: Mapping[str, tuple[np.ndarray | None, np.ndarray]],
    threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slopes of a sum over sites by each log concentration and each log Kd, for each sequence.

    Args:
        arguments: as for `exclusive_site_occupancy`.
        upstream: of each part of the sum, by name: its position weights [2, P, M] or None, and the
            numbers, [N, 2, M], that binding with these weights is multiplied by.
        threads: how many threads compute; None: one for each core.

    Returns:
        (float32 [N, M], float32 [N, W, 4, M], by the log odds of the competitors [N, Q]).
    """
    count = len(arguments["sequence"])
    log_kd = np.zeros((count, *np.shape(arguments["log_kd"])), np.float32)
    concentration = np.zeros((count, log_kd.shape[-1]), np.float32)
    competitors = np.zeros((count, len(arguments.get("competitor_width", ()))), np.float32)

    def fill(row: int) -> None:
        for weight, factor in upstream.values():
            of_row = np.ascontiguousarray(factor[row : row + 1], np.float32)
            bound = of_row if weight is None else np.zeros_like(of_row)
            weighted = None if weight is None else of_row
            by_kd, by_concentration, _, by_odds = _gradient(arguments, row, weight, bound, weighted)
            log_kd[row] += by_kd
            concentration[row] += by_concentration
            if by_odds is not None:
                competitors[row] += by_odds

    _for_each_row(fill, count, threads)
    return concentration, log_kd, competitors


def _gradient(
    arguments: Mapping[str, Any],
    row: int,
    weight: np.ndarray | None,
    bound: np.ndarray,
    weighted: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Gradients of one sequence by log Kd, log concentration, position weight and competitors."""
    of_row = dict(arguments)
    for name in ("sequence", "span"):
        if of_row[name] is not None:
            of_row[name] = of_row[name][row : row + 1]
    competitors = len(of_row.get("competitor_width", ()))
    return native_module().exclusive_backward(
        **of_row,
        position_weight=None if weight is None else np.ascontiguousarray(weight, np.float32),
        bound_gradient=bound,
        weighted_gradient=weighted,
        log_partition_gradient=np.zeros(1, np.float32),
        competitor_gradient=np.zeros((1, competitors), np.float32) if competitors else None,
        threads=1,
    )


def _for_each_row(fill: Callable[[int], None], count: int, threads: int | None) -> None:
    """The kernels let other threads of Python run."""
    with ThreadPoolExecutor(thread_count(threads)) as pool:
        list(pool.map(fill, range(count)))
