"""The ways to say which sites are strong enough, all turned into the largest log Kd of a hit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cisreg.arrays import as_array
from cisreg.motifs import MotifSet
from cisreg.scan.inputs import Motifs, as_motifs
from cisreg.scan.p_values import distributions_up_to, strictest_threshold

WAYS = """\
  threshold=          the largest log Kd of a hit in nats, a number or one per motif;
                      "motif" for the thresholds that the motifs' file states
  p_value=            the largest p-value of a hit
  share_of_best=      its score, -log Kd, as a share of the strongest site's
  relative_score=     where its score lies between the weakest site's (0) and the strongest's (1)
  occupancy=          how much of the time it is bound, with log_concentration="""


@dataclass(frozen=True, eq=False)
class Threshold:
    """Which sites are hits.

    Attributes:
        log_kd: float32 [M], nats; sites whose log Kd is at most this are hits.
        way: the option that it came from, such as "p_value".
        value: what was given.
        distributions: of the motifs' scores, for thresholds by p-value. A hit then has a p-value
            of at most `value` on its own strand, even if its log Kd is above `log_kd`, which both
            strands keep to.
    """

    log_kd: np.ndarray
    way: str
    value: Any
    distributions: Any = None

    def limits(self, strands: str) -> np.ndarray:
        """The largest log Kd of a hit on each strand, float32 [2, M]; -inf on one not asked for."""
        by_p_value = self.distributions is not None
        limits = self.distributions.limits() if by_p_value else np.stack([self.log_kd] * 2)
        if strands != "both":
            limits[0 if strands == "reverse" else 1] = -np.inf
        return np.asarray(limits)


def make_threshold(
    motifs: MotifSet | npt.ArrayLike,
    threshold: npt.ArrayLike | str | None = None,
    *,
    p_value: float | None = None,
    share_of_best: float | None = None,
    relative_score: float | None = None,
    occupancy: float | None = None,
    log_concentration: npt.ArrayLike | None = None,
    background: Any = None,
) -> Threshold:
    """The largest log Kd of a hit of each motif, from one of several options.

    The score is -log Kd in nats. So for motifs made from frequencies it is their log odds.

    Args:
        motifs: a motif set, or [W, 4, M] position Kd matrices in nats.
        threshold: the largest log Kd of a hit in nats, one number or [M], rounded to float32 like
            log Kd; infinity gives every site, -infinity none. Or "motif": what the motifs' file
            states for each (`MotifSet.details`), such as HOMER's.
        p_value: the largest p-value of a hit, above 0 and below 1.
        share_of_best: a hit has at least this share of the strongest site's score, above 0 and at
            most 1: log Kd <= share * lowest log Kd. Strongest sites need a log Kd below 0. This is
            `min.score="80%"` of Biostrings' matchPWM.
        relative_score: 0 to 1: score >= weakest + relative * (strongest - weakest), with the scores
            of the motif's weakest and strongest site. This is the relative profile score of JASPAR
            and TFBSTools.
        occupancy: a hit is bound at least this much of the time, above 0 and below 1, at the given
            concentration: log Kd <= log concentration - ln(occupancy / (1 - occupancy)).
        log_concentration: one number or [M], nats; with `occupancy` alone.
        background: probabilities of A, C, G and T, for `p_value`; see `p_value_threshold`.

    Returns:
        The threshold.

    Raises:
        ValueError: not exactly one way was given, or a value is out of its range.

    Example:
        >>> make_threshold(demo_motifs(), share_of_best=1).log_kd == demo_motifs().lowest_log_kd()
        array([ True,  True, ...
    """
    arrays = as_motifs(motifs)
    ways = {
        "threshold": threshold,
        "p_value": p_value,
        "share_of_best": share_of_best,
        "relative_score": relative_score,
        "occupancy": occupancy,
    }
    given = [name for name, value in ways.items() if value is not None]
    if len(given) != 1:
        got = " and ".join(f"{name}=" for name in given) or "none"
        raise ValueError(f"threshold: expected exactly one of the following, got {got}\n{WAYS}")
    if (log_concentration is None) == (occupancy is not None):
        raise ValueError(
            "log_concentration: expected together with occupancy=, and only then; log Kd and log "
            "concentration in nats of the same unit"
        )
    (way,) = given
    if way == "threshold":
        return Threshold(_given_limits(motifs, arrays, threshold), way, threshold)
    if p_value is not None:
        distributions = distributions_up_to(arrays, p_value, background)
        strictest = strictest_threshold(distributions, p_value)
        return Threshold(strictest, way, p_value, distributions)
    lowest, highest = _extremes(arrays)
    if way == "share_of_best":
        share = _number(way, share_of_best, least=0, most=1, least_allowed=False)
        _check_scores(arrays, lowest)
        limits = share * lowest
    elif way == "relative_score":
        relative = _number(way, relative_score, least=0, most=1)
        limits = lowest if relative == 1 else highest - relative * (highest - lowest)
    else:
        share = _number(way, occupancy, least=0, most=1, least_allowed=False, most_allowed=False)
        limits = _per_motif("log_concentration", arrays, log_concentration).astype(np.float64)
        limits = limits - np.log(share / (1 - share))
    return Threshold(_rounded_down(limits), way, ways[way])


def _given_limits(motifs: Any, arrays: Motifs, threshold: Any) -> np.ndarray:
    if isinstance(threshold, str):
        if threshold != "motif":
            raise ValueError(f'threshold: expected numbers in nats or "motif", got {threshold!r}')
        return _stated_limits(motifs)
    limits = _per_motif("threshold", arrays, threshold)
    if np.isnan(limits).any():
        raise ValueError("threshold: expected numbers, got NaN; infinity asks for every site")
    return limits


def _stated_limits(motifs: Any) -> np.ndarray:
    """The thresholds of the motifs' details."""
    details = getattr(motifs, "details", None)
    stated = [each.threshold for each in details or ()]
    missing = [
        name
        for name, value in zip(getattr(motifs, "names", ()), stated, strict=False)
        if value is None
    ]
    if not stated or missing:
        whose = f"of {missing[0]!r} and {len(missing) - 1} others" if missing else "of none"
        raise ValueError(
            'threshold: expected motifs whose file states thresholds for "motif", as HOMER\'s '
            f"does; got no threshold {whose}; give one of\n{WAYS}"
        )
    return np.asarray(stated, np.float32)


def _per_motif(argument: str, arrays: Motifs, value: Any) -> np.ndarray:
    """One number, or one per motif, as float32 [M]."""
    limits = as_array(value, argument, np.float32, (...,))
    if limits.shape not in ((), (arrays.number,)):
        raise ValueError(
            f"{argument}: expected one number or shape [{arrays.number}], one per motif, got "
            f"{list(limits.shape)}"
        )
    return np.broadcast_to(limits, arrays.number)


def _number(
    argument: str,
    value: Any,
    *,
    least: float,
    most: float,
    least_allowed: bool = True,
    most_allowed: bool = True,
) -> float:
    low = f"{'of at least' if least_allowed else 'above'} {least:g}"
    high = f"{'at most' if most_allowed else 'below'} {most:g}"
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    inside = least <= number <= most
    inside &= (least_allowed or number != least) and (most_allowed or number != most)
    if isinstance(value, str) or not inside:
        raise ValueError(f"{argument}: expected a number {low} and {high}, got {value!r}")
    return number


def _extremes(arrays: Motifs) -> tuple[np.ndarray, np.ndarray]:
    """Log Kd of each motif's strongest and weakest site, to the bit as the scanner adds it."""
    total = np.zeros((2, arrays.number), np.float32)
    # Columns outside a motif are zeros in a motif set: adding them changes nothing.
    for column in arrays.log_kd:
        total += np.stack([column.min(axis=0), column.max(axis=0)])
    lowest, highest = total.astype(np.float64)
    return lowest, highest


def _check_scores(arrays: Motifs, lowest: np.ndarray) -> None:
    bad = np.flatnonzero(lowest >= 0)
    if len(bad):
        name = repr(arrays.names[bad[0]]) if arrays.names else f"number {bad[0]}"
        raise ValueError(
            "share_of_best: expected motifs whose strongest site has a log Kd below 0, a score "
            f"above 0, got {lowest[bad[0]]:g} of motif {name}; relative_score= has a meaning for "
            "all motifs"
        )


def _rounded_down(limits: np.ndarray) -> np.ndarray:
    """As float32, the next lower number where it is none."""
    rounded = limits.astype(np.float32)
    return np.where(rounded > limits, np.nextafter(rounded, np.float32(-np.inf)), rounded)
