"""Sites that exclude each other, in standard TensorFlow operations.

Used where the fused operation cannot be loaded and on GPUs, under XLA, as the reference in
benchmarks, and for second derivatives and soft sequences.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from cisreg.arguments import as_integers, as_parameter
from cisreg.choices import Padding
from cisreg.contract import Inputs, checked, require
from cisreg.reference import site_log_odds

# Log odds above this count as this, log(2^100), so that odds and their sums stay within float32.
MOST_LOG_ODDS = 100 * math.log(2.0)
# Bases that a footprint may reach beyond its window, on either side.
FARTHEST = 10_000


class ExclusiveOccupancy(NamedTuple):
    """What `exclusive_occupancy` returns, float32.

    Attributes:
        bound: [N, 2, M], the expected number of bound sites of each motif on each strand (0
            forward, 1 reverse complement).
        weighted: [N, 2, M], the sum of position weight times occupancy; None without weights.
        log_partition: [N], the log of the sum over all configurations. Its gradient by the log
            concentrations is the number of bound sites.
        competitors: [N, Q], the expected number of bound competitors; None without any.
    """

    bound: tf.Tensor
    weighted: tf.Tensor | None
    log_partition: tf.Tensor
    competitors: tf.Tensor | None = None


class Competitors(NamedTuple):
    """The arguments `competitor_width` and `competitor_log_odds` of `exclusive_occupancy`."""

    width: tf.Tensor  # int32 [Q]
    log_odds: tf.Tensor  # float32 [Q]


class _Places(NamedTuple):
    """Where sites lie: a place is a base, counted from the first that any site covers."""

    first: tf.Tensor  # int32 [2, M], first place of the sites of window 0 on each strand
    width: tf.Tensor  # int32 [M], places that a site covers
    reach: int | tf.Tensor  # places that the sites of one window reach
    widest: int | tf.Tensor
    window: int | tf.Tensor = 0  # place of the first base of window 0


def as_footprint(footprint: object, inputs: Inputs) -> tf.Tensor | None:
    """The argument `footprint` of `cisreg.exclusive_occupancy`, int32 [2, M].

    Raises:
        ValueError: not integers, or a shape that does not fit.

    Example:
        >>> inputs = as_inputs([[0, 1, 4]], np.zeros((2, 4, 1)), np.zeros(1))
        >>> as_footprint([[-1], [3]], inputs).numpy().tolist()
        [[-1], [3]]
    """
    if footprint is None:
        return None
    given = as_integers("footprint", footprint)
    motifs = inputs.log_kd.shape[2] if inputs.log_kd.shape.rank == 3 else None
    if not given.shape.is_compatible_with([2, motifs]):
        raise ValueError(
            f"footprint: expected shape [2, M] = [2, {'?' if motifs is None else motifs}], got "
            f"{given.shape.as_list()}"
        )
    return given


def as_competitors(width: object, log_odds: object) -> Competitors | None:
    """The arguments `competitor_width` and `competitor_log_odds`, or None where there are none.

    Raises:
        ValueError: one without the other, not numbers, or shapes that do not fit.

    Example:
        >>> as_competitors([147], [-3.0]).width.numpy().tolist()
        [147]
    """
    if (width is None) != (log_odds is None):
        raise ValueError(
            "competitor_width, competitor_log_odds: expected both or neither, got one; give both"
        )
    if width is None:
        return None
    found = Competitors(
        as_integers("competitor_width", width), as_parameter("competitor_log_odds", log_odds)
    )
    for each in found:
        same = each.shape.is_compatible_with(found.width.shape)
        if not (same and each.shape.is_compatible_with([None])):
            raise ValueError(
                "competitor_width, competitor_log_odds: expected shape [Q] both, got "
                f"{found.width.shape.as_list()} and {found.log_odds.shape.as_list()}"
            )
    return found


def exclusive_sums(
    inputs: Inputs,
    footprint: tf.Tensor | None,
    padding: Padding,
    competitors: Competitors | None = None,
) -> ExclusiveOccupancy:
    """`cisreg.exclusive_occupancy` of inputs that the contract has converted.

    Every site is kept, [N, 2, P, M]; the recursion over places is computed in float64.

    Example:
        >>> inputs = as_inputs([[0, 1]], np.zeros((2, 4, 1)), np.zeros(1), padding="valid")
        >>> round(float(tf.exp(exclusive_sums(inputs, None, "valid").log_partition[0])), 3)
        3.0
    """
    inputs = checked(inputs, padding)
    covered = _covered(inputs, footprint)
    places = _places(inputs, footprint, covered)
    if competitors is not None:
        competitors = _checked_competitors(competitors)
        places = _with_competitors(places, inputs, competitors)
    logit, counted = site_log_odds(inputs, padding)
    odds = _odds(logit) if counted is None else tf.where(counted, _odds(logit), 0.0)
    by_place = _odds_by_place(odds, places)
    if competitors is not None:
        of_competitors = _competitor_odds(inputs, competitors, places, padding, _sizes(by_place)[1])
        by_place += tf.math.unsorted_segment_sum(
            of_competitors, competitors.width, places.widest + 1
        )
    before, behind = _log_sums(by_place)
    factor = _factors(before, behind, places.widest)
    place = tf.range(tf.shape(odds)[2])[:, tf.newaxis] + places.first[:, tf.newaxis]
    # Behind each other, since TensorFlow gathers nothing by several indices where N is 0.
    widths, count, sequences = _sizes(factor)
    of_site = tf.gather(
        tf.reshape(factor, [widths * count, sequences]), places.width * count + place
    )
    site = odds * tf.transpose(of_site, [3, 0, 1, 2])
    weighted = None
    if inputs.position_weight is not None:
        weighted = tf.reduce_sum(site * inputs.position_weight, axis=2)
    log_partition = tf.cast(before[-1], tf.float32)
    sums = ExclusiveOccupancy(tf.reduce_sum(site, axis=2), weighted, log_partition)
    if competitors is None:
        return sums
    bound = of_competitors * tf.gather(factor, competitors.width)
    return sums._replace(competitors=tf.transpose(tf.reduce_sum(bound, axis=1)))


def _odds(logit: tf.Tensor) -> tf.Tensor:
    """Odds; sites that are very strong act like weaker ones, but keep their gradients."""
    most = tf.constant(MOST_LOG_ODDS, tf.float32)
    return tf.exp(tf.where(logit > most, most + (logit - tf.stop_gradient(logit)), logit))


def _checked_competitors(competitors: Competitors) -> Competitors:
    """Behind checks of their numbers."""
    width, log_odds = competitors
    at = tf.concat([tf.cast((width < 1) | (width > FARTHEST), tf.int32), [1]], 0)
    bad = tf.argmax(at, output_type=tf.int32)
    got = tf.concat([width, [0]], 0)[bad]
    bounds = f"competitor_width: expected 1 to {FARTHEST} bases, got "
    waited = require(
        tf.reduce_all((width >= 1) & (width <= FARTHEST)),
        lambda: [bounds, got, " for competitor ", bad],
    )
    message = "competitor_log_odds: expected finite numbers or minus infinity, got "
    waited += require(tf.reduce_all(log_odds <= log_odds.dtype.max), lambda: [message, log_odds])
    waited += require(
        tf.reduce_all(tf.equal(tf.shape(width), tf.shape(log_odds))),
        lambda: [
            "competitor_width, competitor_log_odds: expected shape [Q] both, got ",
            *(tf.shape(width), " and ", tf.shape(log_odds)),
        ],
    )
    with tf.control_dependencies(waited):
        return Competitors(tf.identity(width), tf.identity(log_odds))


def _with_competitors(places: _Places, inputs: Inputs, competitors: Competitors) -> _Places:
    """Places of all bases, and of everything that covers so many."""
    width = _sizes(inputs.log_kd)[0]
    known = tf.get_static_value(competitors.width)
    sizes = (places.reach, places.widest, places.window, width)
    if known is not None and all(isinstance(each, int) for each in sizes):
        reach = max(places.reach, places.window + width)
        widest = max(places.widest, int(known.max(initial=1)))
        return places._replace(reach=reach, widest=widest)
    return places._replace(
        reach=tf.maximum(places.reach, places.window + width),
        widest=tf.maximum(places.widest, tf.reduce_max(tf.concat([competitors.width, [1]], 0))),
    )


def _competitor_odds(
    inputs: Inputs,
    competitors: Competitors,
    places: _Places,
    padding: Padding,
    count: int | tf.Tensor,
) -> tf.Tensor:
    """The odds of each competitor by the place that it begins at, [Q, places, N]."""
    sequences, length = _sizes(inputs.sequence)[:2]
    width = _sizes(inputs.log_kd)[0]
    first = places.window + ((width - 1) // 2 if padding == "same" else 0)
    base = tf.range(count) - first
    end = base + competitors.width[:, tf.newaxis]
    bases = tf.fill([sequences], length) if inputs.length is None else inputs.length
    fits = (base >= 0)[:, tf.newaxis] & (end[..., tf.newaxis] <= bases)
    return tf.where(fits, _odds(competitors.log_odds)[:, tf.newaxis, tf.newaxis], 0.0)


def _covered(inputs: Inputs, footprint: tf.Tensor | None) -> tf.Tensor | None:
    """The bases that a site covers, int32 [2, M], behind a check; None: those of the window."""
    width, _, motifs = _sizes(inputs.log_kd)
    covered = inputs.column_range if footprint is None else footprint
    if covered is None:
        return None
    waited = []
    if not covered.shape.is_fully_defined():
        given, wanted = tf.shape(covered), tf.stack([2, motifs])
        # Padded, since the rank may not be known.
        same = tf.reduce_all(tf.equal(tf.concat([given, [0, 0]], 0)[:2], wanted))
        message = ["footprint: expected shape [2, M] = ", wanted, ", got ", given]
        waited = require(same & tf.equal(tf.rank(covered), 2), lambda: message)
    with tf.control_dependencies(waited):
        covered = tf.reshape(covered, [2, motifs])
    with tf.control_dependencies(require(*_footprint_check(covered, width, footprint is None))):
        return tf.identity(covered)


def _footprint_check(
    covered: tf.Tensor, width: int | tf.Tensor, own: bool
) -> tuple[tf.Tensor, Callable[[], list[Any]]]:
    first, end = tf.unstack(covered)
    ok = first < end
    if not own:
        ok &= (first >= -FARTHEST) & (end <= width + FARTHEST)

    def message() -> list[Any]:
        # One more at the end: there may be no motifs.
        at = tf.argmax(tf.concat([tf.cast(~ok, tf.int32), [1]], 0), output_type=tf.int32)
        low, high = (tf.concat([each, [0]], 0)[at] for each in (first, end))
        got = [", got ", low, " and ", high, " for motif ", at]
        if own:
            return [
                "column_range: expected first < end, since a site covers its motif's columns",
                *(*got, "; or give the footprint"),
            ]
        bounds = [f"footprint: expected {-FARTHEST} <= first < end <= ", width + FARTHEST]
        return [*bounds, *got]

    return tf.reduce_all(ok), message


def _places(inputs: Inputs, footprint: tf.Tensor | None, covered: tf.Tensor | None) -> _Places:
    width, motifs = inputs.log_kd.shape[0], tf.shape(inputs.log_kd)[2]
    columns = tf.shape(inputs.log_kd)[0]
    if width is None:
        width = columns
    if covered is None:
        return _Places(tf.zeros([2, motifs], tf.int32), tf.fill([motifs], columns), width, width)
    first = tf.stack([covered[0], columns - covered[1]])
    if footprint is None:
        # Within the window: sizes that do not depend on the range, as XLA needs.
        return _Places(first, covered[1] - covered[0], width, width)
    known = tf.get_static_value(footprint)
    if known is not None and isinstance(width, int):
        low, high = known.astype(int)
        least = min(low.min(initial=0), (width - high).min(initial=0))
        most = max(high.max(initial=1), (width - low).max(initial=1))
        widest = int((high - low).max(initial=1))
        widths = covered[1] - covered[0]
        return _Places(first - least, widths, int(most - least), widest, -int(least))
    least = tf.minimum(tf.reduce_min(first), 0)
    most = tf.maximum(tf.reduce_max(tf.stack([covered[1], columns - covered[0]])), 1)
    widths = covered[1] - covered[0]
    return _Places(first - least, widths, most - least, tf.reduce_max(widths), -least)


def _odds_by_place(odds: tf.Tensor, places: _Places) -> tf.Tensor:
    """Odds of all sites that cover so many places from a place on, [widest + 1, places, N]."""
    windows = tf.shape(odds)[2] if odds.shape[2] is None else odds.shape[2]
    count = windows - 1 + places.reach
    # [2, M, places]: which window's sites begin at a place.
    window = tf.range(count) - places.first[:, :, tf.newaxis]
    exists = (window >= 0) & (window < windows)
    by_window = tf.transpose(odds, [1, 3, 2, 0])
    by_place = tf.gather(by_window, tf.clip_by_value(window, 0, windows - 1), axis=2, batch_dims=2)
    by_place = tf.where(exists[..., tf.newaxis], by_place, 0.0)
    # Both strands of a motif cover as many places.
    by_motif = tf.reduce_sum(by_place, axis=0)
    return tf.math.unsorted_segment_sum(by_motif, places.width, places.widest + 1)


def _log_sums(odds: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Logs of the sums over configurations before and behind each place, float64 [places + 1, N].

    Ratios of neighbouring sums are computed, which stay within float64 however large the sums are.
    """
    odds = tf.cast(odds, tf.float64)
    widths, count, sequences = _sizes(odds)
    width = tf.range(widths)[:, tf.newaxis]
    begin = tf.range(1, count + 1) - width
    ending = tf.gather(odds, tf.clip_by_value(begin, 0, count - 1), axis=1, batch_dims=1)
    ending = tf.where((begin >= 0)[..., tf.newaxis], ending, tf.constant(0.0, tf.float64))
    # Sums of the places before, as parts of the last one: at the end there is only that one.
    first = tf.concat(
        [tf.zeros([1, sequences], tf.float64), tf.ones([1, sequences], tf.float64)], 0
    )
    first = tf.pad(first, [[0, widths - 2], [0, 0]])

    def step(
        state: tuple[tf.Tensor, tf.Tensor], odds_here: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        parts, _ = state
        ratio = 1.0 + tf.reduce_sum(odds_here * parts, axis=0)
        moved = tf.concat([parts[:1], tf.ones_like(parts[:1]), parts[1:-1] / ratio], 0)
        return moved, tf.math.log(ratio)

    def sums(odds_of_places: tf.Tensor, reverse: bool) -> tf.Tensor:
        start = (first, tf.zeros([sequences], tf.float64))
        _, logs = tf.scan(step, odds_of_places, start, reverse=reverse)
        return tf.cumsum(logs, axis=0, reverse=reverse)

    zero = tf.zeros([1, sequences], tf.float64)
    before = sums(tf.transpose(ending, [1, 0, 2]), reverse=False)
    behind = sums(tf.transpose(odds, [1, 0, 2]), reverse=True)
    return tf.concat([zero, before], 0), tf.concat([behind, zero], 0)


def _factors(before: tf.Tensor, behind: tf.Tensor, widest: int | tf.Tensor) -> tf.Tensor:
    """What a site's odds are multiplied by, float32 [widest + 1, places, N].

    Beyond the last place, where no site ends, the numbers mean nothing.
    """
    places = before.shape[0] or tf.shape(before)[0]
    end = tf.range(places - 1) + tf.range(widest + 1)[:, tf.newaxis]
    others = before[:-1] - before[-1] + tf.gather(behind, tf.minimum(end, places - 1))
    return tf.cast(tf.exp(others), tf.float32)


def _sizes(value: tf.Tensor) -> list[int | tf.Tensor]:
    """The sizes of a tensor: numbers where they are known, as XLA needs them."""
    shape = tf.shape(value)
    return [shape[axis] if size is None else size for axis, size in enumerate(value.shape)]
