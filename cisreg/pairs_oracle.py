"""Effects of pairs of factors in NumPy float64, site by site: what the tests of pairs trust.

Like `cisreg.oracle` it needs only NumPy. It knows nothing of how the package computes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cisreg.oracle import by_base, own_columns, site_log_odds


def pair_oracle(
    sequence: np.ndarray,
    log_kd: np.ndarray,
    log_concentration: np.ndarray,
    pairs: Sequence[tuple[int, int]],
    pair_effect: np.ndarray,
    pair_distance: int,
    *,
    column_range: np.ndarray | None = None,
    span: np.ndarray | tuple[int, int] | None = None,
    padding: str = "same",
) -> np.ndarray:
    """The effect of each pair of factors on the score, where all chromatin is accessible.

    Every two sites of a pair are looked at one after the other, so this is slow.

    Args:
        sequence: [N, L] base codes.
        log_kd: [W, 4, M], nats.
        log_concentration: [M], nats.
        pairs: Q pairs of places of motifs.
        pair_effect: [Q, 2, K].
        pair_distance: where the effects end.
        column_range: as for `cisreg.oracle.occupancy_oracle`.
        span: as for `cisreg.oracle.occupancy_oracle`.
        padding: "same" or "valid".

    Returns:
        float64 [N, Q].

    Example:
        >>> sequence, log_kd = np.zeros((1, 2), np.uint8), np.zeros((1, 4, 2))
        >>> pair_oracle(sequence, log_kd, np.zeros(2), [(0, 1)], np.ones((1, 2, 1)), 2).tolist()
        [[3.0]]
    """
    log_odds, _ = site_log_odds(
        *(sequence, log_kd, log_concentration),
        column_range=column_range,
        span=span,
        padding=padding,
    )
    site = 1 / (1 + np.exp(-log_odds))
    windows = site.shape[2]
    places = [(strand, window) for strand in (0, 1) for window in range(windows)]
    total = np.zeros((len(site), len(pairs)))
    for number, (a, b) in enumerate(pairs):
        for order, one in enumerate(places):
            for other in places[order + 1 :] if a == b else places:
                if a == b and one[1] == other[1]:
                    continue  # one place, read in both directions
                effect = _effect(pair_effect[number], one, other, pair_distance)
                if a == b:
                    # Either may be called the first one.
                    back = _effect(pair_effect[number], other, one, pair_distance)
                    effect = (effect + back) / 2
                total[:, number] += (
                    effect * site[:, one[0], one[1], a] * site[:, other[0], other[1], b]
                )
    return total


def _effect(knots: np.ndarray, one: tuple[int, int], other: tuple[int, int], reach: int) -> float:
    """The effect f of two sites, given by strand and window, by linear interpolation."""
    distance = other[1] - one[1]
    if one[0] == 1:
        distance = -distance
    orientation = int(one[0] != other[0])
    place = np.linspace(-reach, reach, knots.shape[1] + 2)
    value = np.concatenate([[0.0], knots[orientation], [0.0]])
    return float(np.interp(distance, place, value))


def pair_oracle_gradient(
    sequence: np.ndarray,
    log_kd: np.ndarray,
    log_concentration: np.ndarray,
    pairs: Sequence[tuple[int, int]],
    pair_effect: np.ndarray,
    pair_distance: int,
    *,
    grad_score: np.ndarray,
    column_range: np.ndarray | None = None,
    span: np.ndarray | tuple[int, int] | None = None,
    padding: str = "same",
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The effect of all pairs together, and its gradient, with a table of every two sites.

    Args:
        sequence: [N, L] base codes.
        log_kd: [W, 4, M], nats.
        log_concentration: [M], nats.
        pairs: Q pairs of places of motifs.
        pair_effect: [Q, 2, K].
        pair_distance: where the effects end.
        grad_score: [N], the gradient with respect to the effects on each sequence.
        column_range: as for `cisreg.oracle.occupancy_oracle`.
        span: as for `cisreg.oracle.occupancy_oracle`.
        padding: "same" or "valid".

    Returns:
        (float64 [N]; float64 arrays "log_kd", "log_concentration" and "pair_effect").

    Example:
        >>> sequence, log_kd = np.zeros((1, 2), np.uint8), np.zeros((1, 4, 2))
        >>> score, gradient = pair_oracle_gradient(
        ...     *(sequence, log_kd, np.zeros(2), [(0, 1)], np.ones((1, 2, 1)), 2),
        ...     grad_score=np.ones(1),
        ... )
        >>> score.tolist(), gradient["pair_effect"].tolist()
        ([3.0], [[[1.5], [1.5]]])
    """
    log_odds, shown = site_log_odds(
        *(sequence, log_kd, log_concentration),
        column_range=column_range,
        span=span,
        padding=padding,
    )
    count, _, windows, motifs = log_odds.shape
    by_site = log_odds.reshape(count, 2 * windows, motifs)
    # As written, 1 - p would lose the digits of strong sites.
    site, unbound = (np.exp(-np.logaddexp(0, sign * by_site)) for sign in (-1, 1))
    score, gain = np.zeros(count), np.zeros(site.shape)
    of_effect = np.zeros(pair_effect.shape)
    for number, (a, b) in enumerate(pairs):
        for orientation, knot in np.ndindex(pair_effect.shape[1:]):
            share = _share_of_knot(windows, orientation, knot, pair_effect.shape[2], pair_distance)
            if a == b:
                # Both orders of every two sites are in the table.
                window = np.arange(2 * windows) % windows
                share = np.where(window[:, None] == window, 0, share) / 2
            near, own = site[:, :, b] @ share.T, site[:, :, a] @ share
            together = (site[:, :, a] * near).sum(axis=1)
            of_effect[number, orientation, knot] = grad_score @ together
            effect = float(pair_effect[number, orientation, knot])
            score += effect * together
            gain[:, :, a] += effect * near
            gain[:, :, b] += effect * own
    of_logit = grad_score[:, None, None] * gain * site * unbound
    of_logit = of_logit.reshape(log_odds.shape)
    own_base = own_columns(log_kd, column_range)
    return score, {
        "log_kd": np.where(own_base[:, None], by_base(shown, of_logit), 0.0),
        "log_concentration": of_logit.sum(axis=(0, 1, 2)),
        "pair_effect": of_effect,
    }


def _share_of_knot(windows: int, orientation: int, knot: int, knots: int, reach: int) -> np.ndarray:
    """What a knot has to do with every two sites, float64 [2 * P, 2 * P], strand by strand."""
    strand, window = np.divmod(np.arange(2 * windows), max(windows, 1))
    distance = (window - window[:, None]) * np.where(strand == 0, 1, -1)[:, None]
    value = np.zeros(knots + 2)
    value[knot + 1] = 1
    share = np.interp(distance, np.linspace(-reach, reach, knots + 2), value)
    return np.where((strand != strand[:, None]) == bool(orientation), share, 0.0)
