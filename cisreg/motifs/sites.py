"""The sites of a motif: all sites up to a log Kd, and random sites."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cisreg.motifs.checking import check_one_motif, check_probabilities

# Points of the grid on which sites are counted if there are too many to list.
_GRID_POINTS = 20_000


class Sites(NamedTuple):
    """Sites of one motif, strongest first; equally strong sites in alphabetical order.

    Attributes:
        codes: uint8 [sites, width], base codes; `cisreg.decode` turns them into text.
        log_kd: [sites], log Kd in nats; the dtype is that of the matrix.
    """

    codes: np.ndarray
    log_kd: np.ndarray


def sites_within(log_kd: np.ndarray, threshold: float, *, limit: int = 1_000_000) -> Sites:
    """Every sequence of the motif's width whose log Kd is at most the threshold.

    Log Kd is the sum of the columns' entries, added from the first to the last column, in float32
    for a float32 matrix and otherwise in float64. In float32 it is bit for bit what `cisreg.scan`
    finds.

    The sites are built column by column. A prefix is kept only if the strongest site that begins
    with it passes the threshold, so time and memory depend only on the number of sites found.

    Args:
        log_kd: [width, 4], nats. For log odds give the negative matrix and the negative of the
            lowest score.
        threshold: largest log Kd of a site, nats.
        limit: largest number of sites; if there are more, an error says about how many there are.

    Returns:
        Sites(codes, log_kd), sorted by log Kd.

    Raises:
        ValueError: wrong shape, numbers that are not finite, a threshold that is NaN, a negative
            limit, or more sites than the limit.

    Example:
        >>> from cisreg.sequences import decode
        >>> codes, energies = sites_within(np.array([[-2, 0, 1, 1], [3, -1, 3, 0]]), -1)
        >>> decode(codes), energies.tolist()
        (['AC', 'AT', 'CC'], [-3.0, -2.0, -1.0])
    """
    dtype = np.float32 if getattr(log_kd, "dtype", None) == np.float32 else np.float64
    matrix = check_one_motif("log_kd", log_kd).astype(dtype)
    if np.isnan(threshold):
        raise ValueError("threshold: expected a number, got NaN; give log Kd in nats")
    if limit < 0:
        raise ValueError(f"limit: expected 0 or more sites, got {limit}; try 1_000_000")
    highest = np.asarray(threshold, dtype)
    codes, energy = np.zeros((1, 0), np.uint8), np.zeros(1, dtype)
    lowest = matrix.min(axis=1)
    for column, entries in enumerate(matrix):
        total = (energy[:, np.newaxis] + entries).ravel()
        # Rounding keeps the order: no sum is lower than that of the lowest entries in this order.
        strongest = total.copy()
        for entry in lowest[column + 1 :]:
            strongest += entry
        kept = np.flatnonzero(strongest <= highest)
        if len(kept) > limit:
            raise ValueError(
                f"limit: expected at most {limit:,} sites, got about "
                f"{_describe_count(_approximate_count(matrix, threshold))}; lower the threshold or "
                "raise the limit"
            )
        base = (kept % 4).astype(np.uint8)[:, np.newaxis]
        codes, energy = np.concatenate([codes[kept // 4], base], axis=1), total[kept]
    order = np.argsort(energy, kind="stable")
    return Sites(codes[order], energy[order])


def sample_sites(
    probabilities: npt.ArrayLike, count: int, random: np.random.Generator
) -> np.ndarray:
    """Random sites; each base is drawn independently with its column's probabilities.

    Args:
        probabilities: [width, 4], each column summing to 1. `log_kd_to_probabilities` gives those
            of a position Kd matrix.
        count: number of sites, 0 or more.
        random: the random generator, such as `np.random.default_rng(1)`.

    Returns:
        uint8 [count, width], base codes 0 to 3. A base of probability 0 never occurs.

    Raises:
        ValueError: bad probabilities, or a negative count.

    Example:
        >>> sample_sites([[1, 0, 0, 0], [0, 0, 0, 1]], 2, np.random.default_rng(1))
        array([[0, 3],
               [0, 3]], dtype=uint8)
    """
    array = check_probabilities("probabilities", check_one_motif("probabilities", probabilities))
    if count < 0:
        raise ValueError(f"count: expected 0 or more sites, got {count}; give how many to draw")
    cumulative = np.cumsum(array, axis=1)
    # The last sum may round to less than 1; without the division, a base of probability 0 could
    # then be drawn.
    threshold = cumulative[:, :3] / cumulative[:, 3:]
    draw = random.random((count, len(array)))
    codes = np.zeros(draw.shape, np.uint8)
    for base in range(3):
        codes += draw >= threshold[:, base]
    return codes


def _describe_count(count: float) -> str:
    return f"{count:,.0f}" if count < 1e21 else f"{count:.3g}"


def _approximate_count(matrix: np.ndarray, threshold: float) -> float:
    """Approximate number of sites with a log Kd of at most the threshold.

    It is computed from the distribution of log Kd on a grid; exact if all sites pass.
    """
    energy = matrix.astype(np.float64)
    lowest = energy.min(axis=1)
    spare = threshold - lowest.sum()
    excess = energy - lowest[:, np.newaxis]
    if excess.max(axis=1).sum() <= spare:
        return float(4 ** len(energy)) if len(energy) < 500 else float("inf")
    # If the threshold is the lowest log Kd, only sites as strong as the strongest count.
    step = max(spare, 1e-6) / _GRID_POINTS
    grid = np.minimum(np.rint(excess / step), _GRID_POINTS + 1).astype(np.int64)
    count = np.zeros(_GRID_POINTS + 1)
    count[0] = 1
    for column in grid:
        wider = np.zeros_like(count)
        for shift in column:
            wider[shift:] += count[: len(count) - shift]
        count = wider
    return float(count.sum())
