"""The occupancy operation on NumPy arrays, without TensorFlow: values and gradients.

The kernels are those of `cisreg.occupancy`, and the results have the same bits as there on a CPU.
For programs in plain NumPy, and for other frameworks: docs/howto/frameworks.md has the lines
that make it a function of JAX or PyTorch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cisreg.arrays import as_array
from cisreg.choices import Padding, Reduction, check_choice
from cisreg.library import native_module
from cisreg.limits import thread_count
from cisreg.occupancy_checks import check_shapes, check_values

__all__ = [
    "ExclusiveOccupancy",
    "Occupancy",
    "OccupancyGradient",
    "exclusive_occupancy",
    "occupancy",
    "occupancy_gradient",
]


def __dir__() -> list[str]:
    return __all__


# The optional arguments and their types.
_OPTIONAL = {
    "position_weight": np.float32,
    "column_range": np.int32,
    "span": np.int32,
    "length": np.int32,
    "condition": np.int32,
    "footprint": np.int32,
    "competitor_width": np.int32,
    "competitor_log_odds": np.float32,
}
# Rough cycles of the kernels for a window of a block of motifs; a problem of fewer cycles than
# the last number is computed sooner by one thread, as in the TensorFlow operation.
_BLOCK_MOTIFS, _FORWARD_CYCLES, _BACKWARD_CYCLES, _WORTH_SHARING = 8, 8, 24, 500_000


class Occupancy(NamedTuple):
    """What `occupancy` returns, float32.

    Attributes:
        bound: [N, 2, M], the expected number of bound sites or the log probability of none, for
            each strand (0 forward, 1 reverse complement); for the reduction "probability" [N, M],
            the probability that at least one site on either strand is bound. With conditions
            [N, C, 2, M] or [N, C, M].
        weighted: [N, 2, M], the sum of position weight times occupancy; None without weights. With
            sets of weights [N, K, 2, M]; with conditions [N, C, 2, M] or [N, C, K, 2, M].
    """

    bound: np.ndarray
    weighted: np.ndarray | None


class ExclusiveOccupancy(NamedTuple):
    """What `exclusive_occupancy` returns, float32.

    Attributes:
        bound: [N, 2, M], the expected number of bound sites of each motif on each strand.
        weighted: [N, 2, M], the sum of position weight times occupancy; None without weights.
        log_partition: [N], the log of the sum over all configurations.
        competitors: [N, Q], the expected number of bound competitors; None without any.
    """

    bound: np.ndarray
    weighted: np.ndarray | None
    log_partition: np.ndarray
    competitors: np.ndarray | None = None


class OccupancyGradient(NamedTuple):
    """What `occupancy_gradient` returns, float32.

    Attributes:
        log_kd: [W, 4, M]; 0 in the columns outside of `column_range`.
        log_concentration: [M] or [C, M].
        position_weight: [2, P, M] or [K, 2, P, M]; None without weights.
    """

    log_kd: np.ndarray
    log_concentration: np.ndarray
    position_weight: np.ndarray | None


def occupancy(
    sequence: npt.ArrayLike,
    log_kd: npt.ArrayLike,
    log_concentration: npt.ArrayLike,
    *,
    position_weight: npt.ArrayLike | None = None,
    column_range: npt.ArrayLike | None = None,
    span: npt.ArrayLike | None = None,
    length: npt.ArrayLike | None = None,
    condition: npt.ArrayLike | None = None,
    reduction: Reduction = "expected",
    padding: Padding = "same",
    threads: int | None = None,
) -> Occupancy:
    """Occupancy of every motif on every sequence, as `cisreg.occupancy` computes it on a CPU.

    The law, and what each argument means, is described there. Arguments are NumPy arrays, lists,
    pandas or Arrow columns, or whatever else NumPy converts, of any type of number that holds the
    values; they need not be contiguous.

    Args:
        sequence: base codes [N, L], integers 0 to 4; see `cisreg.encode` for text.
        log_kd: [W, 4, M], nats; rounded to float32, as all that follows.
        log_concentration: [M], nats; -inf where there is no factor. Or [C, M], a row for each
            condition.
        position_weight: [2, P, M], or None; P = L for "same", L - W + 1 for "valid". Or
            [K, 2, P, M], sets of weights with sums of their own.
        column_range: integers [2, M], first column of each motif and one past its last; None: all.
        span: integers [2] or [N, 2], begin and end of the bases that count; None: all.
        length: integers [N], 0 to L: the number of bases of each sequence. Codes behind them count
            as unknown, and windows that a sequence of this length does not have do not exist: the
            result is that of each sequence alone. None: every sequence has L bases. It does not fit
            sequences that are padded on the left.
        condition: integers [N], 0 to C - 1: the row of `log_concentration` that each sequence has.
            None: each has sums with every row.
        reduction: what `bound` holds: "expected", "log_unbound" or "probability".
        padding: "same" or "valid".
        threads: how many threads compute; None: one for each core that this process may use, or
            one in all if the problem is small. The result does not depend on it.

    Returns:
        Occupancy(bound, weighted). The same bits as `cisreg.occupancy`; for "probability" the last
        bits may differ, since TensorFlow computes the exponential that it ends with.

    Raises:
        ValueError: shapes that do not fit, numbers that the type cannot hold, a code above 4, a
            number that is not finite, or an unknown option; the message names the argument.
        TypeError: `threads` is no whole number.
        LibraryError: cisreg's compiled module does not load.

    Example:
        >>> sequence = cisreg.encode(["ACGTTGCA", "TTTTACGT"])
        >>> occupancy(sequence, np.zeros((3, 4, 5)), np.zeros(5)).bound[:, 0, 0].tolist()
        [4.0, 4.0]
    """
    check_choice("reduction", reduction, Reduction)
    check_choice("padding", padding, Padding)
    arrays = _checked(
        *(padding, sequence, log_kd, log_concentration),
        position_weight=position_weight,
        column_range=column_range,
        span=span,
        length=length,
        condition=condition,
    )
    bound, weighted = native_module().occupancy_forward(
        **arrays,
        reduction="expected" if reduction == "expected" else "log_unbound",
        padding=padding,
        threads=_threads(threads, arrays, _FORWARD_CYCLES),
    )
    if reduction == "probability":
        bound = -np.expm1(bound.sum(axis=-2))
    return Occupancy(bound, weighted)


def occupancy_gradient(
    sequence: npt.ArrayLike,
    log_kd: npt.ArrayLike,
    log_concentration: npt.ArrayLike,
    bound_gradient: npt.ArrayLike,
    weighted_gradient: npt.ArrayLike | None = None,
    *,
    position_weight: npt.ArrayLike | None = None,
    column_range: npt.ArrayLike | None = None,
    span: npt.ArrayLike | None = None,
    length: npt.ArrayLike | None = None,
    condition: npt.ArrayLike | None = None,
    reduction: Reduction = "expected",
    padding: Padding = "same",
    threads: int | None = None,
) -> OccupancyGradient:
    """Gradients of a loss by log Kd, log concentration and position weights, in reverse mode.

    The scan is computed again: nothing has to be kept from `occupancy`. For "probability" there is
    a second scan, since the gradient depends on the result.

    Args:
        sequence: as for `occupancy`, like all arguments but the next two.
        log_kd: [W, 4, M], nats.
        log_concentration: [M] or [C, M], nats.
        bound_gradient: the loss's gradient by `bound`, of its shape.
        weighted_gradient: the loss's gradient by `weighted`, of its shape; given exactly where
            `position_weight` is.
        position_weight: [2, P, M] or [K, 2, P, M], or None.
        column_range: integers [2, M], or None.
        span: integers [2] or [N, 2], or None.
        length: integers [N], or None.
        condition: integers [N], or None.
        reduction: "expected", "log_unbound" or "probability".
        padding: "same" or "valid".
        threads: as for `occupancy`. The result does not depend on it.

    Returns:
        OccupancyGradient(log_kd, log_concentration, position_weight). The same bits as TensorFlow's
        gradient of `cisreg.occupancy`; for "probability" the last bits may differ.

    Raises:
        ValueError: as for `occupancy`; or gradients of another shape.
        TypeError: `threads` is no whole number.
        LibraryError: cisreg's compiled module does not load.

    Example:
        >>> sequence, log_kd = cisreg.encode(["A"]), np.zeros((1, 4, 1))
        >>> gradient = occupancy_gradient(sequence, log_kd, np.zeros(1), np.ones((1, 2, 1)))
        >>> gradient.log_concentration.tolist()
        [0.5]
    """
    check_choice("reduction", reduction, Reduction)
    check_choice("padding", padding, Padding)
    arrays = _checked(
        *(padding, sequence, log_kd, log_concentration),
        position_weight=position_weight,
        column_range=column_range,
        span=span,
        length=length,
        condition=condition,
    )
    if (position_weight is None) != (weighted_gradient is None):
        raise ValueError(
            "position_weight, weighted_gradient: expected both or neither, got one; pass the other "
            "too"
        )
    by_strand, of_weighted = _output_shapes(arrays)
    of_bound = (*by_strand[:-2], by_strand[-1]) if reduction == "probability" else by_strand
    upstream = as_array(bound_gradient, "bound_gradient", np.float32, of_bound)
    if weighted_gradient is not None:
        weighted_gradient = as_array(
            weighted_gradient, "weighted_gradient", np.float32, of_weighted
        )
    workers = _threads(threads, arrays, _BACKWARD_CYCLES)
    if reduction == "probability":
        scanned = {name: value for name, value in arrays.items() if name != "position_weight"}
        log_unbound, _ = native_module().occupancy_forward(
            **scanned, reduction="log_unbound", padding=padding, threads=workers
        )
        slope = -upstream * np.exp(log_unbound.sum(axis=-2))
        upstream = np.broadcast_to(np.expand_dims(slope, -2), by_strand)
    return OccupancyGradient(
        *native_module().occupancy_backward(
            **{"position_weight": None, **arrays},
            bound_gradient=upstream,
            weighted_gradient=weighted_gradient,
            reduction="expected" if reduction == "expected" else "log_unbound",
            padding=padding,
            threads=workers,
        )
    )


def exclusive_occupancy(
    sequence: npt.ArrayLike,
    log_kd: npt.ArrayLike,
    log_concentration: npt.ArrayLike,
    *,
    position_weight: npt.ArrayLike | None = None,
    column_range: npt.ArrayLike | None = None,
    footprint: npt.ArrayLike | None = None,
    span: npt.ArrayLike | None = None,
    length: npt.ArrayLike | None = None,
    competitor_width: npt.ArrayLike | None = None,
    competitor_log_odds: npt.ArrayLike | None = None,
    padding: Padding = "same",
    threads: int | None = None,
) -> ExclusiveOccupancy:
    """Occupancy where sites exclude each other, as `cisreg.exclusive_occupancy` on a CPU.

    The law, and what each argument means, is described there.

    Args:
        sequence: base codes [N, L], integers 0 to 4.
        log_kd: [W, 4, M], nats; rounded to float32, as all that follows.
        log_concentration: [M], nats; -inf where there is no factor.
        position_weight: [2, P, M], or None.
        column_range: integers [2, M], or None: all columns. What a site covers, without a
            footprint.
        footprint: integers [2, M], the bases that a site covers, from the first base of its window
            on; or None.
        span: integers [2] or [N, 2], or None.
        length: integers [N], or None.
        competitor_width: integers [Q], or None: bases that a competitor covers.
        competitor_log_odds: [Q], of each competitor at each place; given with the widths.
        padding: "same" or "valid".
        threads: as for `occupancy`. The result does not depend on it.

    Returns:
        ExclusiveOccupancy(bound, weighted, log_partition, competitors). The same bits as the fused
        operation.

    Raises:
        ValueError: as for `occupancy`; or a footprint without a base, or too far from its window.
        TypeError: `threads` is no whole number.
        LibraryError: cisreg's compiled module does not load.

    Example:
        >>> sequence = cisreg.encode(["ACGT"])
        >>> sums = exclusive_occupancy(sequence, np.zeros((4, 4, 1)), np.zeros(1), padding="valid")
        >>> sums.bound.round(3).tolist(), np.exp(sums.log_partition).round(3).tolist()
        ([[[0.333], [0.333]]], [3.0])
    """
    check_choice("padding", padding, Padding)
    arrays = _checked(
        *(padding, sequence, log_kd, log_concentration),
        position_weight=position_weight,
        column_range=column_range,
        span=span,
        length=length,
        footprint=footprint,
        competitor_width=competitor_width,
        competitor_log_odds=competitor_log_odds,
    )
    workers = _threads(threads, arrays, 2 * _FORWARD_CYCLES)
    found = native_module().exclusive_forward(**arrays, padding=padding, threads=workers)
    return ExclusiveOccupancy(*found[:4])


def _checked(
    padding: str, sequence: Any, log_kd: Any, log_concentration: Any, **optional: Any
) -> dict[str, np.ndarray]:
    """The arguments that are given, by name, as arrays that the kernels take."""
    arrays = {
        "sequence": _codes(sequence),
        "log_kd": as_array(log_kd, "log_kd", np.float32, (...,)),
        "log_concentration": as_array(log_concentration, "log_concentration", np.float32, (...,)),
    }
    for name, value in optional.items():
        if value is not None:
            arrays[name] = as_array(value, name, _OPTIONAL[name], (...,))
    check_shapes({name: array.shape for name, array in arrays.items()}, padding)
    check_values(arrays)
    return arrays


def _output_shapes(arrays: dict[str, np.ndarray]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of the sums by strand: of those of occupancy, and of the weighted ones."""
    bound: tuple[int, ...] = (len(arrays["sequence"]),)
    if arrays["log_concentration"].ndim == 2 and "condition" not in arrays:
        bound = (*bound, len(arrays["log_concentration"]))
    sets = arrays["position_weight"].shape[:-3] if "position_weight" in arrays else ()
    last = (2, arrays["log_kd"].shape[2])
    return (*bound, *last), (*bound, *sets, *last)


def _codes(sequence: Any) -> np.ndarray:
    try:
        return np.asarray(as_array(sequence, "sequence", np.uint8, (...,)))
    except ValueError as error:
        got = str(error).partition(", got ")[2]
        raise ValueError(
            f"sequence: expected base codes 0 to 4 (A C G T other), got {got}; encode text with "
            "cisreg.encode"
        ) from None


def _threads(threads: int | None, arrays: dict[str, np.ndarray], cycles: int) -> int:
    if threads is not None:
        return thread_count(threads)
    blocks = -(-arrays["log_kd"].shape[2] // _BLOCK_MOTIFS)
    small = arrays["sequence"].size * blocks * cycles < _WORTH_SHARING
    return 1 if small else thread_count(None)
