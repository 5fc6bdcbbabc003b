"""Sites that exclude each other, in NumPy float64: what the tests of competition trust.

Like `cisreg.oracle` it needs only NumPy, and looks every window up base by base.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from cisreg.oracle import by_base, own_columns, site_log_odds

# Log odds above this count as this, log(2^100): odds and their sums stay within float32.
MOST_LOG_ODDS = 100 * np.log(2.0)


class ExclusiveSums(NamedTuple):
    """What `exclusive_oracle` returns, float64.

    Attributes:
        bound: [N, 2, M], the expected number of bound sites.
        weighted: [N, 2, M], the sum of position weight times occupancy; None without weights.
        log_partition: [N], the log of the sum over all configurations.
        competitors: [N, Q], the expected number of bound competitors; None without any.
        competitor_site: [N, Q, L], their occupancy by the first base that they cover; None without.
    """

    bound: np.ndarray
    weighted: np.ndarray | None
    log_partition: np.ndarray
    competitors: np.ndarray | None = None
    competitor_site: np.ndarray | None = None


class _Sites(NamedTuple):
    """Every site: its log odds, and the bases that it covers, counted from the first of all.

    S sites: those of the motifs, and behind them the places of competitors.
    """

    log_odds: np.ndarray  # [N, S]
    begin: np.ndarray  # [S]
    end: np.ndarray  # [S]
    windows: np.ndarray  # [N, 2, P, W], base codes
    shape: tuple[int, ...]  # (2, P, M), of those of the motifs

    def of_motifs(self, each: np.ndarray) -> np.ndarray:
        """Numbers [N, S] of the sites of motifs, [N, 2, P, M]."""
        return each[:, : math.prod(self.shape)].reshape(len(each), *self.shape)

    def of_competitors(self, each: np.ndarray, count: int) -> np.ndarray:
        """Numbers [N, S] of the places of Q competitors, [N, Q, L]."""
        places = each[:, math.prod(self.shape) :]
        return places.reshape(len(each), count, places.shape[1] // max(count, 1))


def exclusive_oracle(
    sequence: np.ndarray,
    log_kd: np.ndarray,
    log_concentration: np.ndarray,
    *,
    position_weight: np.ndarray | None = None,
    column_range: np.ndarray | None = None,
    footprint: np.ndarray | None = None,
    span: np.ndarray | tuple[int, int] | None = None,
    length: np.ndarray | None = None,
    competitor_width: np.ndarray | None = None,
    competitor_log_odds: np.ndarray | None = None,
    padding: str = "same",
) -> ExclusiveSums:
    """Occupancy where no base is covered twice, by forward-backward over logarithms.

    Args:
        sequence: [N, L] base codes.
        log_kd: [W, 4, M], nats.
        log_concentration: [M], nats; minus infinity where there is no such factor.
        position_weight: [2, P, M], or None.
        column_range: [2, M], or None; the other columns are zero and have no gradient.
        footprint: [2, M], or None; as for `cisreg.exclusive_occupancy`.
        span: [2] or [N, 2], or None; as for `cisreg.occupancy`.
        length: [N], or None; as for `cisreg.occupancy`.
        competitor_width: [Q], or None; as for `cisreg.exclusive_occupancy`.
        competitor_log_odds: [Q], or None; minus infinity where there is no such competitor.
        padding: "same" or "valid".

    Returns:
        ExclusiveSums(bound, weighted, log_partition, competitors, competitor_site).

    Example:
        >>> log_kd, codes = np.zeros((2, 4, 1)), np.zeros((1, 2), np.uint8)
        >>> sums = exclusive_oracle(codes, log_kd, np.zeros(1), padding="valid")
        >>> sums.bound.round(3).tolist(), np.exp(sums.log_partition).round(3).tolist()
        ([[[0.333], [0.333]]], [3.0])
    """
    sites = _sites(
        *(sequence, log_kd, log_concentration, column_range, footprint, span, length),
        *(competitor_width, competitor_log_odds, padding),
    )
    before, behind = _log_sums(sites)
    all_sites = _occupancy(sites, before, behind)
    site = sites.of_motifs(all_sites)
    weighted = None if position_weight is None else (site * position_weight).sum(axis=2)
    sums = ExclusiveSums(site.sum(axis=2), weighted, before[:, -1])
    if competitor_width is None:
        return sums
    of_competitors = sites.of_competitors(all_sites, len(competitor_width))
    return sums._replace(competitors=of_competitors.sum(axis=2), competitor_site=of_competitors)


def exclusive_oracle_gradient(
    sequence: np.ndarray,
    log_kd: np.ndarray,
    log_concentration: np.ndarray,
    *,
    grad_bound: np.ndarray,
    grad_weighted: np.ndarray | None = None,
    grad_log_partition: np.ndarray | None = None,
    grad_competitors: np.ndarray | None = None,
    position_weight: np.ndarray | None = None,
    column_range: np.ndarray | None = None,
    footprint: np.ndarray | None = None,
    span: np.ndarray | tuple[int, int] | None = None,
    length: np.ndarray | None = None,
    competitor_width: np.ndarray | None = None,
    competitor_log_odds: np.ndarray | None = None,
    padding: str = "same",
) -> dict[str, np.ndarray]:
    """Gradient of the sum of outputs times `grad_...`, derived by hand.

    With the gain g of a site, what its being bound adds to this sum, the gradient by the log odds
    of a site is the covariance of its occupancy and the gain of all bound sites together: p times
    (the mean gain of configurations with this site less that of all configurations).

    Args:
        sequence: [N, L] base codes.
        log_kd: [W, 4, M], nats.
        log_concentration: [M], nats.
        grad_bound: [N, 2, M].
        grad_weighted: [N, 2, M]; given exactly when position_weight is.
        grad_log_partition: [N], or None for zeros.
        grad_competitors: [N, Q]; given exactly when there are competitors.
        position_weight: [2, P, M], or None.
        column_range: [2, M], or None.
        footprint: [2, M], or None.
        span: [2] or [N, 2], or None.
        length: [N], or None.
        competitor_width: [Q], or None.
        competitor_log_odds: [Q], or None.
        padding: "same" or "valid".

    Returns:
        float64 arrays "log_kd" [W, 4, M], "log_concentration" [M] and, with position weights,
        "position_weight" [2, P, M], with competitors "competitor_log_odds" [Q].

    Example:
        >>> log_kd, codes = np.zeros((1, 4, 1)), np.zeros((1, 1), np.uint8)
        >>> gradient = exclusive_oracle_gradient(
        ...     codes, log_kd, np.zeros(1), grad_bound=np.ones((1, 2, 1))
        ... )
        >>> gradient["log_concentration"].round(3).tolist()
        [0.222]
    """
    sites = _sites(
        *(sequence, log_kd, log_concentration, column_range, footprint, span, length),
        *(competitor_width, competitor_log_odds, padding),
    )
    before, behind = _log_sums(sites)
    all_sites = _occupancy(sites, before, behind)
    site = sites.of_motifs(all_sites)
    gain = np.broadcast_to(grad_bound[:, :, None], site.shape)
    gradient = {}
    if position_weight is not None and grad_weighted is not None:
        gain = gain + grad_weighted[:, :, None] * position_weight
        gradient["position_weight"] = (grad_weighted[:, :, None] * site).sum(axis=0)
    gain = gain.reshape(len(site), math.prod(sites.shape))
    if grad_competitors is not None:
        places = np.shape(sequence)[1]
        gain = np.concatenate([gain, np.repeat(grad_competitors, places, axis=1)], axis=1)
    gain_before, gain_behind = _mean_gains(sites, before, behind, gain)
    with_site = gain_before[:, sites.begin] + gain + gain_behind[:, sites.end]
    all_grads = all_sites * (with_site - gain_before[:, -1, None])
    if grad_log_partition is not None:
        all_grads = all_grads + all_sites * grad_log_partition[:, None]
    if competitor_width is not None:
        of_competitors = sites.of_competitors(all_grads, len(competitor_width))
        gradient["competitor_log_odds"] = of_competitors.sum(axis=(0, 2))
    grad_logit = sites.of_motifs(all_grads)
    gradient["log_concentration"] = grad_logit.sum(axis=(0, 1, 2))
    own = own_columns(log_kd, column_range)
    gradient["log_kd"] = np.where(own[:, None], by_base(sites.windows, grad_logit), 0.0)
    return gradient


def _sites(
    sequence: np.ndarray,
    log_kd: np.ndarray,
    log_concentration: np.ndarray,
    column_range: np.ndarray | None,
    footprint: np.ndarray | None,
    span: np.ndarray | tuple[int, int] | None,
    length: np.ndarray | None,
    competitor_width: np.ndarray | None,
    competitor_log_odds: np.ndarray | None,
    padding: str,
) -> _Sites:
    width, _, motifs = np.shape(log_kd)
    log_odds, windows = site_log_odds(
        *(sequence, log_kd, log_concentration),
        column_range=column_range,
        span=span,
        length=length,
        padding=padding,
    )
    shape = log_odds.shape[1:]
    covered = footprint if footprint is not None else column_range
    first, end = ([0] * motifs, [width] * motifs) if covered is None else covered
    first, end = np.asarray(first), np.asarray(end)
    window = np.arange(log_odds.shape[2])[:, None]
    begin = np.stack([window + first, window + width - end])
    stop = np.stack([window + end, window + width - first])
    begin, stop = begin.ravel(), stop.ravel()
    log_odds = log_odds.reshape(len(log_odds), math.prod(shape))
    if competitor_width is not None:
        # Places are counted from the first base of window 0.
        first_base = (width - 1) // 2 if padding == "same" else 0
        at, odds = _competitors(sequence, length, competitor_width, competitor_log_odds)
        begin = np.concatenate([begin, (at[:, 0] + first_base)])
        stop = np.concatenate([stop, (at[:, 1] + first_base)])
        log_odds = np.concatenate([log_odds, odds], axis=1)
    origin = begin.min(initial=0)
    log_odds = np.minimum(log_odds, MOST_LOG_ODDS)
    return _Sites(log_odds, begin - origin, stop - origin, windows, shape)


def _competitors(
    sequence: np.ndarray,
    length: np.ndarray | None,
    competitor_width: np.ndarray,
    competitor_log_odds: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """First base and the one behind the last [Q * L, 2], and log odds [N, Q * L], of competitors.

    Where one would reach over the end of a sequence its odds are 0.
    """
    count, bases = np.shape(sequence)
    lengths = np.full(count, bases) if length is None else np.asarray(length)
    begin = np.arange(bases)
    end = begin + np.asarray(competitor_width)[:, None]
    fits = end <= lengths[:, None, None]
    odds = np.where(fits, np.asarray(competitor_log_odds, float)[:, None], -np.inf)
    at = np.stack([np.broadcast_to(begin, end.shape), end], axis=-1)
    return at.reshape(-1, 2), odds.reshape(count, end.size)


def _log_sums(sites: _Sites) -> tuple[np.ndarray, np.ndarray]:
    """Logs of the sums over configurations of the bases before, and behind, each place, [N, T]."""
    count, places = len(sites.log_odds), int(sites.end.max(initial=0)) + 1
    before, behind = np.zeros((count, places)), np.zeros((count, places))
    for place in range(1, places):
        ending = sites.end == place
        terms = sites.log_odds[:, ending] + before[:, sites.begin[ending]]
        before[:, place] = _log_sum(before[:, place - 1, None], terms)
    for place in reversed(range(places - 1)):
        beginning = sites.begin == place
        terms = sites.log_odds[:, beginning] + behind[:, sites.end[beginning]]
        behind[:, place] = _log_sum(behind[:, place + 1, None], terms)
    return before, behind


def _mean_gains(
    sites: _Sites, before: np.ndarray, behind: np.ndarray, gain: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean gain of the configurations of the bases before, and behind, each place, [N, T]."""
    gain_before, gain_behind = np.zeros_like(before), np.zeros_like(behind)
    for place in range(1, before.shape[1]):
        ending = sites.end == place
        begin = sites.begin[ending]
        share = np.exp(sites.log_odds[:, ending] + before[:, begin] - before[:, place, None])
        unbound = np.exp(before[:, place - 1] - before[:, place])
        gain_before[:, place] = unbound * gain_before[:, place - 1] + (
            share * (gain[:, ending] + gain_before[:, begin])
        ).sum(axis=1)
    for place in reversed(range(behind.shape[1] - 1)):
        beginning = sites.begin == place
        end = sites.end[beginning]
        share = np.exp(sites.log_odds[:, beginning] + behind[:, end] - behind[:, place, None])
        unbound = np.exp(behind[:, place + 1] - behind[:, place])
        gain_behind[:, place] = unbound * gain_behind[:, place + 1] + (
            share * (gain[:, beginning] + gain_behind[:, end])
        ).sum(axis=1)
    return gain_before, gain_behind


def _occupancy(sites: _Sites, before: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """Occupancy of every site, [N, S]."""
    others = before[:, sites.begin] + behind[:, sites.end] - before[:, -1, None]
    return np.exp(sites.log_odds + others)


def _log_sum(first: np.ndarray, terms: np.ndarray) -> np.ndarray:
    return np.logaddexp.reduce(np.concatenate([first, terms], axis=1), axis=1)
