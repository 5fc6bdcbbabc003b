"""P-values of sites, and the thresholds that they give."""

from __future__ import annotations

import logging
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from cisreg.library import native_module
from cisreg.limits import available_cores
from cisreg.motifs import MotifSet
from cisreg.motifs.checking import check_background
from cisreg.scan.inputs import Motifs, as_motifs, as_rows

logger = logging.getLogger("cisreg.scan")


def p_value_threshold(
    motifs: MotifSet | npt.ArrayLike, p_value: float, *, background: Any = None
) -> np.ndarray:
    """The threshold that a random site passes with a probability of at most `p_value`.

    This holds for each strand separately: the probability that a window is a hit on its forward
    strand is at most `p_value`, and so is the probability for its reverse strand. The two differ if
    the background differs from its complement, since the reverse strand has as many A as the
    forward strand has T. The threshold is the stricter one of the two strands.

    The distribution of log Kd over sites of independent bases is computed on a grid of 1/1024 nats
    (coarser for thresholds more than 97 nats above the strongest site), and every column is
    rounded towards stronger binding. So the probability is never above `p_value`, and the threshold
    is too strict by at most one grid step per column. `scan` with `p_value` has no such loss, and a
    limit for each strand. The p-value is for a single site. A sequence has about two sites per
    base; there is no correction for multiple testing.

    Args:
        motifs: a motif set, or [W, 4, M] position Kd matrices in nats.
        p_value: probability that a random site on one strand is a hit, above 0 and below 1.
        background: probabilities of A, C, G and T on the forward strand, 0 or more, which sum to 1
            within 0.02 and are normalised; or a dict or Series that names the bases. None for 1/4
            each.

    Returns:
        float32 [M], nats, for `scan`. It is -infinity, which no site passes, if even the motif's
        strongest site has a probability above `p_value` on one of the strands. The log says how
        many such motifs there are.

    Raises:
        ValueError: an argument has the wrong shape or values; the message names it.

    Example:
        >>> threshold = cisreg.p_value_threshold(motifs, 1e-4)
        >>> hits = cisreg.scan(chromosome, motifs, threshold)
    """
    arrays = as_motifs(motifs)
    distributions = distributions_up_to(arrays, p_value, background)
    return strictest_threshold(distributions, p_value)


def distributions_up_to(motifs: Motifs, p_value: float, background: Any) -> Any:
    """Distributions of the motifs' scores, up to a p-value, on both strands.

    Raises:
        ValueError: a p-value or a background out of range.

    Example:
        >>> distributions_up_to(as_motifs(demo_motifs()), 0.01, None).thresholds().shape
        (2, 4)
    """
    if not isinstance(p_value, Real) or not 0 < p_value < 1:
        raise ValueError(f"p_value: expected a number above 0 and below 1, got {p_value!r}")
    return _distributions(motifs, background, p_value=float(p_value))


def distributions_within(motifs: Motifs, limits: np.ndarray, background: Any) -> Any:
    """Distributions of the motifs' scores, as far as sites within a log Kd need them.

    Args:
        motifs: the motifs.
        limits: float32 [2, M], the largest log Kd of a hit on each strand.
        background: see `p_value_threshold`.

    Raises:
        ValueError: a background out of range.

    Example:
        >>> motifs = as_motifs(demo_motifs())
        >>> found = distributions_within(motifs, np.zeros((2, motifs.number), np.float32), None)
    """
    return _distributions(motifs, background, limit=limits)


def strictest_threshold(distributions: Any, p_value: float) -> np.ndarray:
    """The threshold of `p_value_threshold` from distributions up to this p-value.

    Example:
        >>> strictest_threshold(distributions_up_to(as_motifs(demo_motifs()), 0.01, None), 0.01)
        array([...
    """
    threshold = distributions.thresholds().min(axis=0)
    unreachable = int(np.isneginf(threshold).sum())
    if unreachable:
        logger.warning(
            "the strongest sites of %d of %d motifs are likelier than p-value %g on one of the "
            "strands: no site of theirs can pass it",
            *(unreachable, len(threshold), p_value),
        )
    # If rounding to float32 went up, take the next lower float32.
    rounded = threshold.astype(np.float32)
    lower = np.nextafter(rounded, np.float32(-np.inf))
    return np.asarray(np.where(rounded > threshold, lower, rounded))


def site_p_values(
    sites: Any, motifs: MotifSet | npt.ArrayLike, *, background: Any = None
) -> np.ndarray:
    """The p-value of each site for each motif, read on the given strand.

    The p-value of a site is the probability that a random one of the motif's width binds as
    strongly or more strongly. Each entry of the motif is rounded down to a multiple of 1/1024 nats
    above the strongest base of its column (of 8/1024, and so on, where the weakest site is more
    than 97 nats above the strongest); the score is the sum, and the probability of every score is
    exact. FIMO's p-values are defined in this way too, on a coarser grid (Grant, Bailey
    and Noble, Bioinformatics 2011; Staden, CABIOS 1989). `scan` gives the same numbers, for hits on
    the reverse strand with the background's complement.

    Args:
        sites: strings, or base codes [N, L]; as long as the motif is wide.
        motifs: a motif set, or [W, 4, M] position Kd matrices in nats.
        background: see `p_value_threshold`.

    Returns:
        float64 [N, M]; NaN where a site is not as long as the motif, or holds an unknown base.

    Raises:
        ValueError: an argument has the wrong shape or values; the message names it.

    Example:
        >>> motifs = cisreg.MotifSet.from_matrices(["GATA"], [consensus_matrix("GATA")])
        >>> site_p_values(["GATA"], motifs).tolist()
        [[0.00390625]]
    """
    arrays, rows = as_motifs(motifs), as_rows(sites)
    limits = np.full((2, arrays.number), np.inf, np.float32)
    distributions = distributions_within(arrays, limits, background)
    limits[1] = -np.inf
    scanner = native_module().SiteScanner(
        arrays.log_kd, arrays.column_range, limits, distributions=distributions
    )
    number, position, _, motif, _, p_value, _ = scanner.hits(
        rows.codes, rows.bounds, enough=2**62, threads=available_cores()
    )
    length = np.diff(rows.bounds, axis=0)[0]
    whole = (position == 0) & (length[number] == arrays.widths[motif])
    values = np.full((len(length), arrays.number), np.nan)
    values[number[whole], motif[whole]] = p_value[whole]
    return values


def _distributions(motifs: Motifs, background: Any, **wanted: Any) -> Any:
    forward = check_background(background, zero_allowed=True)
    return native_module().ScoreDistributions(
        motifs.log_kd,
        motifs.column_range,
        # Reversing the order A C G T gives the complements.
        np.stack([forward, forward[::-1]]),
        threads=available_cores(),
        **wanted,
    )
