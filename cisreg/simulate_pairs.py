"""Pairs of factors in simulated promoters: which, their curves, and sites that show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cisreg.interpret.read_out import paired_effects, scan_model
from cisreg.motifs import MotifSet
from cisreg.spec import ModelSpec
from cisreg.spline import knot_places
from cisreg.trained_model import Model

# Standard deviation over the promoters of what one pair does, before noise and link.
PAIR_DEVIATION = 0.7
# The share of promoters that sites of a pair are planted in, and of these, that with the
# orientation and about the distance at which they act.
_PLANTED, _FITTING = 0.5, 0.5
# Where an effect is largest, in shares of the largest distance, and how wide it is, in bases.
_NEAREST, _FARTHEST, _WIDTH = 0.25, 0.6, 8.0
# Tries to find a place for two sites at a distance.
_TRIES = 20


def draw_pairs(count: int, motif_count: int, random: np.random.Generator) -> list[tuple[int, int]]:
    """Pairs of different motifs; as long as there are enough motifs, each is in one pair.

    Raises:
        ValueError: more pairs than there are.

    Example:
        >>> len(draw_pairs(2, 4, np.random.default_rng(0)))
        2
    """
    most = motif_count * (motif_count - 1) // 2
    if not 0 <= count <= most:
        raise ValueError(f"pairs: expected 0 to {most} pairs of {motif_count} motifs, got {count}")
    order = random.permutation(motif_count)
    pairs = [(int(a), int(b)) for a, b in zip(order[::2], order[1::2], strict=False)][:count]
    known = {frozenset(pair) for pair in pairs}
    while len(pairs) < count:
        a, b = (int(each) for each in random.choice(motif_count, 2, replace=False))
        if frozenset((a, b)) not in known:
            pairs.append((a, b))
            known.add(frozenset((a, b)))
    return pairs


class Hill(NamedTuple):
    """Where two sites act together most.

    Attributes:
        orientation: 0 same strand, 1 opposite.
        distance: in bases.
    """

    orientation: int
    distance: float


def draw_hills(spec: ModelSpec, random: np.random.Generator) -> list[Hill]:
    """One place for each pair."""
    return [
        Hill(
            int(random.integers(2)),
            random.choice((-1, 1)) * spec.pair_distance * random.uniform(_NEAREST, _FARTHEST),
        )
        for _ in spec.pairs
    ]


def curves_of(spec: ModelSpec, hills: Sequence[Hill]) -> np.ndarray:
    """Hills of height 1, every other one a valley, float64 [Q, 2, K]."""
    places = knot_places(spec.pair_knots, spec.pair_distance)
    effect = np.zeros((len(spec.pairs), 2, spec.pair_knots))
    for number, (orientation, distance) in enumerate(hills):
        sign = 1 if number % 2 == 0 else -1
        effect[number, orientation] = sign * np.exp(-(((places - distance) / _WIDTH) ** 2) / 2)
    return effect


def plant_pairs(
    sequence: np.ndarray,
    spec: ModelSpec,
    motif_set: MotifSet,
    hills: Sequence[Hill],
    site_of: Mapping[int, np.ndarray],
    random: np.random.Generator,
) -> None:
    """Plants sites of each pair that do not overlap, half of them about where they act.

    Args:
        sequence: uint8 [N, L], changed.
        spec: a model with pairs.
        motif_set: the motifs.
        hills: where the pairs act.
        site_of: by the place of a motif in pairs, forward sites of it, uint8 [any, width].
        random: of the places.
    """
    for pair, hill in zip(spec.pairs, hills, strict=True):
        for row in np.flatnonzero(random.random(len(sequence)) < _PLANTED):
            for _ in range(_TRIES):
                strands, distance = _arrangement(spec, hill, random)
                begins = _places(spec, motif_set, pair, strands, distance, random)
                if begins is None:
                    continue
                for at, motif, strand in zip(begins, pair, strands, strict=True):
                    site = random.choice(site_of[motif])
                    sequence[row, at : at + len(site)] = 3 - site[::-1] if strand else site
                break


def _arrangement(
    spec: ModelSpec, hill: Hill, random: np.random.Generator
) -> tuple[tuple[int, int], int]:
    """The strands of two sites, and their distance."""
    first, orientation = int(random.integers(2)), int(random.integers(2))
    distance = float(random.uniform(-spec.pair_distance, spec.pair_distance))
    if random.random() < _FITTING:
        orientation, distance = hill.orientation, random.normal(hill.distance, _WIDTH)
    return (first, first ^ orientation), round(distance)


def _places(
    spec: ModelSpec,
    motif_set: MotifSet,
    pair: tuple[int, int],
    strands: tuple[int, int],
    distance: int,
    random: np.random.Generator,
) -> list[int] | None:
    """The first bases of two sites; None where they would overlap or be outside the sequence."""
    window = int(random.integers(-spec.motif_width, spec.sequence_length))
    windows = (window, window + (-distance if strands[0] else distance))
    begins, ends = [], []
    for at, motif, strand in zip(windows, pair, strands, strict=True):
        first, width = int(motif_set.first_column[motif]), int(motif_set.widths[motif])
        begins.append(at + (spec.motif_width - first - width if strand else first))
        ends.append(begins[-1] + width)
    outside = min(begins) < 0 or max(ends) > spec.sequence_length
    return None if outside or max(begins) < min(ends) else begins


def pair_binding(
    spec: ModelSpec, parameters: Mapping[str, np.ndarray], sequence: np.ndarray
) -> np.ndarray:
    """What each pair adds where all chromatin is accessible, float64 [N, Q].

    Args:
        spec: a model with pairs.
        parameters: log_kd, log_concentration and pair_effect of it.
        sequence: uint8 [N, L].
    """
    shapes = spec.parameter_shapes
    values = {
        name: np.asarray(parameters.get(name, np.zeros(shape)), np.float32)
        for name, shape in shapes.items()
    }
    model = Model(spec, values, tuple(f"motif_{each}" for each in range(spec.motif_count)))
    return paired_effects(spec, values, scan_model(model, sequence)).sum(axis=(1, 2))
