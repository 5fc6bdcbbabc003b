"""Pairs of factors whose sites act together, by their orientation and distance.

The sites of two factors a and b of a pair add to the score::

    accessibility * sum over sites of a and of b: p_a * p_b * f(orientation, distance)

p is the occupancy of a site. The distance is that of the centres of both windows, in bases, as a
reads: above 0 where b is downstream of a, below 0 upstream. The orientation is "same" where both
are on one strand, else "opposite". So the reverse complement of a sequence has the same effects.
Motifs that were read from files lie in the middle of their windows, so that the distance is that of
the middles of both sites, within half a base for each motif of an even number of columns.

f is a straight line from knot to knot, and 0 from `pair_distance` on. Sites that overlap count as
well: what a factor does to another one's sites near its own is a negative effect there. Of a pair
of a factor with itself, every two sites count once, and two sites in the same window do not count:
they are one place, read in both directions. f of the orientation "same" is then symmetric.

Neither position weights nor binding limits apply to effects of pairs. A site that does not count
(at constant ends) is in no pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cisreg.spec import ModelSpec
from cisreg.spline import knot_places, linear_basis

ORIENTATIONS = ("same", "opposite")


class PairMotifs(NamedTuple):
    """The motifs that are in pairs.

    Attributes:
        motifs: int64 [C], their places among all M, in rising order.
        first: int64 [Q], where the first motif of each pair is among these.
        second: int64 [Q], where the second one is.
    """

    motifs: np.ndarray
    first: np.ndarray
    second: np.ndarray


def pair_motifs(spec: ModelSpec) -> PairMotifs:
    """The motifs of the pairs of a model, which has some.

    Example:
        >>> pair_motifs(ModelSpec(9, 3, 20, pairs=((5, 2), (5, 5)))).first.tolist()
        [1, 1]
    """
    motifs, place = np.unique(np.array(spec.pairs), return_inverse=True)
    first, second = place.reshape(-1, 2).T
    return PairMotifs(motifs, first, second)


def pair_names(spec: ModelSpec, motif_names: Sequence[str]) -> list[tuple[str, str]]:
    """The names of both factors of each pair.

    Example:
        >>> pair_names(ModelSpec(2, 3, 20, pairs=((1, 0),)), ["Abf1", "Reb1"])
        [('Reb1', 'Abf1')]
    """
    return [(motif_names[a], motif_names[b]) for a, b in spec.pairs]


def named_pairs(
    pairs: Sequence[Sequence[str]], motif_names: Sequence[str]
) -> tuple[tuple[int, int], ...]:
    """The places of the motifs of named pairs, for `cisreg.ModelSpec`.

    Raises:
        ValueError: a name that no motif has, or a pair that is named twice.

    Example:
        >>> named_pairs([("Reb1", "Abf1")], ["Abf1", "Reb1"])
        ((1, 0),)
    """
    places = {name: place for place, name in enumerate(motif_names)}
    for name in (name for pair in pairs for name in pair):
        if name not in places:
            shown = ", ".join(motif_names[:5]) + (", ..." if len(motif_names) > 5 else "")
            raise ValueError(f"pairs: expected names of motifs ({shown}), got {name!r}")
    for number, pair in enumerate(pairs):
        if set(pair) in [set(each) for each in pairs[:number]]:
            raise ValueError(
                f"pairs: expected each pair once, in either order, got {':'.join(pair)} again"
            )
    return tuple((places[a], places[b]) for a, b in pairs)


def carried_pairs(spec: ModelSpec, effect: np.ndarray, other: ModelSpec) -> np.ndarray:
    """The knots of another model's pairs that give the same curves; 0 for pairs it has alone.

    With other knots they lie on the curves.

    Args:
        spec: a model with pairs.
        effect: [Q, 2, K], its `pair_effect`.
        other: the other model; its pairs may name both factors in the other order.

    Returns:
        float32 [Q, 2, K] of the other model.

    Example:
        >>> spec = ModelSpec(2, 3, 20, pairs=((0, 1),), pair_distance=2, pair_knots=1)
        >>> more = ModelSpec(2, 3, 20, pairs=((1, 1), (1, 0)), pair_distance=2, pair_knots=3)
        >>> carried_pairs(spec, np.ones((1, 2, 1)), more)[:, 0].tolist()
        [[0.0, 0.0, 0.0], [0.5, 1.0, 0.5]]
    """
    distance, curves = pair_curves(spec, effect)
    places = knot_places(other.pair_knots, other.pair_distance)
    known = dict(zip(spec.pairs, curves, strict=True))
    for (a, b), (same, opposite) in zip(spec.pairs, curves, strict=True):
        # As the second factor reads, the first one is upstream where the second is downstream.
        known.setdefault((b, a), np.stack([same[::-1], opposite]))
    carried = np.zeros(other.parameter_shapes["pair_effect"], np.float32)
    for number, pair in enumerate(other.pairs):
        for orientation, curve in enumerate(known.get(pair, ())):
            carried[number, orientation] = np.interp(places, distance, curve, left=0, right=0)
    return carried


def pair_bases(spec: ModelSpec, distance: np.ndarray) -> np.ndarray:
    """What each knot of each pair has to do with two sites at these distances, float32 [Q, D, K].

    Half for a factor with itself, of which both sites are once the first: and 0 for one place.

    Args:
        spec: a model with pairs.
        distance: [D], integers.
    """
    basis = linear_basis(distance, spec.pair_knots, spec.pair_distance)
    itself = 0.5 * np.where((distance == 0)[:, np.newaxis], np.float32(0), basis)
    return np.stack([itself if a == b else basis for a, b in spec.pairs]).astype(np.float32)


def pair_curves(spec: ModelSpec, effect: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The effect of two fully occupied sites by their distance.

    Args:
        spec: a model with pairs.
        effect: [Q, 2, K], its `pair_effect`.

    Returns:
        (distances, int64 [D], from -pair_distance to pair_distance; effects, float64 [Q, 2, D] for
        the same and the opposite orientation). For a factor with itself those of "same" are
        symmetric; at distance 0, which is one place, they are not used.

    Example:
        >>> spec = ModelSpec(1, 3, 20, pairs=((0, 0),), pair_distance=2, pair_knots=1)
        >>> pair_curves(spec, np.ones((1, 2, 1)))[1][0, 0].tolist()
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    distance = np.arange(-spec.pair_distance, spec.pair_distance + 1)
    basis = linear_basis(distance, spec.pair_knots, spec.pair_distance).astype(np.float64)
    curve = np.asarray(effect, np.float64) @ basis.T
    for number, (a, b) in enumerate(spec.pairs):
        if a == b:
            curve[number, 0] = (curve[number, 0] + curve[number, 0, ::-1]) / 2
    return distance, curve


def pair_sums(spec: ModelSpec, site: np.ndarray) -> np.ndarray:
    """What each knot of each pair is multiplied by: the read-out is linear in these sums.

    Args:
        spec: a model with pairs.
        site: [N, 2, P, C], the occupancies of the sites of its `pair_motifs`.

    Returns:
        float64 [N, 2, 2, Q, K], by the strand of the first and of the second site; those on the
        same strand go with knots of "same". The sum of their products with `pair_effect` over
        strands, pairs and knots is the effect of all pairs where all chromatin is accessible.

    Example:
        >>> spec = ModelSpec(2, 3, 20, pairs=((0, 1),))
        >>> pair_sums(spec, np.ones((5, 2, 20, 2))).shape
        (5, 2, 2, 1, 23)
    """
    motifs = pair_motifs(spec)
    count, _, windows, _ = site.shape
    reach, knots = spec.pair_distance, spec.pair_knots
    spacing = 2 * reach // (knots + 1)
    # Each site's share of a knot at its place: all knots are shifts of one.
    hat = linear_basis(np.arange(1 - spacing, spacing), 1, spacing)[:, 0].astype(np.float64)
    wide = np.zeros((count, 2, windows + 2 * reach, site.shape[3]))
    for shift, share in enumerate(hat, start=reach - spacing + 1):
        wide[:, :, shift : shift + windows] += share * site
    at = knot_places(knots, reach).astype(int)
    sums = np.empty((count, 2, 2, len(spec.pairs), knots))
    for number, (a, b) in enumerate(zip(motifs.first, motifs.second, strict=True)):
        for strand in (0, 1):
            own = site[:, strand, :, a].astype(np.float64)
            for knot, place in enumerate(-at if strand else at):
                near = wide[:, :, reach + place : reach + place + windows, b]
                sums[:, strand, :, number, knot] = np.einsum("np,nsp->ns", own, near)
        if a == b:
            same_place = np.einsum("nsp,ntp->nst", site[..., a], site[..., a], dtype=np.float64)
            at_zero = linear_basis(np.zeros(1), knots, reach)[0].astype(np.float64)
            sums[:, :, :, number] -= same_place[..., np.newaxis] * at_zero
            sums[:, :, :, number] /= 2
    return sums


def by_strands(effect: np.ndarray) -> np.ndarray:
    """The knots [Q, 2, K] of the pairs by the strands of both sites, float64 [2, 2, Q, K].

    Example:
        >>> by_strands(np.zeros((5, 2, 23))).shape
        (2, 2, 5, 23)
    """
    same, opposite = np.moveaxis(np.asarray(effect, np.float64), 1, 0)
    return np.stack([np.stack([same, opposite]), np.stack([opposite, same])])


def site_effects(spec: ModelSpec, site: np.ndarray, effect: np.ndarray) -> np.ndarray:
    """What each site does in pairs where all chromatin is accessible, float64 [N, 2, P, C].

    Half of what two sites do together belongs to each of them.

    Args:
        spec: a model with pairs.
        site: [N, 2, P, C], the occupancies of the sites of its `pair_motifs`.
        effect: [Q, 2, K], its `pair_effect`.
    """
    motifs, windows = pair_motifs(spec), site.shape[2]
    done = np.zeros(site.shape)
    window = np.arange(windows)
    distance = window - window[:, np.newaxis]
    reach = spec.pair_distance
    shown = np.clip(distance, -reach, reach) + reach
    bases = pair_bases(spec, np.arange(-reach, reach + 1)).astype(np.float64)
    curves = np.einsum("qok,qdk->qod", np.asarray(effect, np.float64), bases)
    for curve, a, b in zip(curves, motifs.first, motifs.second, strict=True):
        for strand in (0, 1):
            for other in (0, 1):
                of = curve[int(strand != other)][shown]
                own, near = site[:, strand, :, a], site[:, other, :, b]
                together = (of.T if strand else of) / 2
                done[:, strand, :, a] += own * (near @ together.T)
                done[:, other, :, b] += near * (own @ together)
    return done
