"""The operation of competition: occupancy where sites exclude each other, and its gradient."""

from __future__ import annotations

import functools
import logging
from typing import Any

import numpy as np
import tensorflow as tf

from cisreg.arguments import is_soft
from cisreg.autograph import as_written
from cisreg.choices import Padding, check_choice
from cisreg.contract import Inputs, as_inputs
from cisreg.devices import gpu_here, traces_for_any_device
from cisreg.exclusive_reference import (
    ExclusiveOccupancy,
    as_competitors,
    as_footprint,
    exclusive_sums,
)
from cisreg.forking import check_not_forked
from cisreg.implementation import Implementation, examine, fused_available, gpu_limits
from cisreg.library import load_ops, native_module, registered_devices
from cisreg.once import once
from cisreg.self_test import why_unlike_cpu
from cisreg.xla import traces_for_xla

logger = logging.getLogger("cisreg.occupancy")

OPERATIONS = ("Cisreg>ExclusiveOccupancy", "Cisreg>ExclusiveOccupancyGrad")
# Sizes that a graph does not know. Longer sequences need no more shared memory than these.
_ANY_COUNT, _ANY_LENGTH = 1024, 4096

# The lists of optional inputs, in the order of the operation, and the attributes that count them.
_OPTIONAL = {
    "position_weight": "weight_count",
    "column_range": "range_count",
    "span": "span_count",
    "length": "length_count",
    "footprint": "footprint_count",
    "competitor_width": "competitor_count",
    "competitor_log_odds": "competitor_count",
}


@as_written
def exclusive_occupancy(
    sequence: tf.Tensor,
    log_kd: tf.Tensor,
    log_concentration: tf.Tensor,
    *,
    position_weight: tf.Tensor | None = None,
    column_range: tf.Tensor | None = None,
    footprint: tf.Tensor | None = None,
    span: tf.Tensor | None = None,
    length: tf.Tensor | None = None,
    competitor_width: tf.Tensor | None = None,
    competitor_log_odds: tf.Tensor | None = None,
    padding: Padding = "same",
    implementation: Implementation = "auto",
    name: str | None = None,
) -> ExclusiveOccupancy:
    """Occupancy of every motif on every sequence where sites exclude each other.

    A configuration is a set of sites, of all motifs on both strands, no two of which cover the same
    base. Its weight is the product of the odds of its sites, exp(log_concentration - log Kd); a
    site's occupancy is the share that the configurations with this site have of the sum over all
    configurations (the exact partition function of hard rods on DNA; Wasson & Hartemink 2009,
    Genome Research 19, 2101-2112). Sites that overlap no other are as in `cisreg.occupancy`.

    A site covers its footprint: the motif's own columns, or the bases that `footprint` says. Bases
    outside the sequence can be covered too: two sites that reach over an end and overlap there
    exclude each other. Windows that `length` or `span` leave out have no site. Odds above 2^100
    count as 2^100.

    Args:
        sequence: base codes [N, L], as for `cisreg.occupancy`; or soft sequences [N, L, 4], which
            standard operations compute.
        log_kd: float32 [W, 4, M], nats.
        log_concentration: float32 [M], nats; minus infinity where there is no factor.
        position_weight: float32 [2, P, M], or None; P = L for "same", L - W + 1 for "valid".
        column_range: int32 [2, M], or None: first column of each motif, and one past its last, as
            for `cisreg.occupancy`. Without a footprint it is what a site covers, so that each
            motif needs at least one column. None: all W columns.
        footprint: int32 [2, M], or None: the bases that a site covers on the forward strand, from
            the first base of its window on: the first of them and one past the last; mirrored on
            the reverse strand. May begin up to 10,000 bases before the window, and end as far
            behind it. `column_range + [[-2], [2]]` covers two bases more on both sides.
        span: int32 [2] or [N, 2], or None, as for `cisreg.occupancy`.
        length: int32 [N], or None, as for `cisreg.occupancy`.
        competitor_width: int32 [Q], or None: bases that a competitor covers, such as the 147 of a
            nucleosome. It can lie on any stretch of so many bases within the sequence (its first
            `length` bases), whatever they are and whatever the span.
        competitor_log_odds: float32 [Q], the log of the odds of each competitor at each such place;
            minus infinity where there is no such competitor. Given exactly when the widths are.
        padding: "same" or "valid", as for `cisreg.occupancy`.
        implementation: "fused" is the custom operation, on a CPU or a GPU: two scans with a
            recursion for each sequence between them; it stores no site and recomputes the scans for
            its gradient. "standard" is the same in standard TensorFlow operations, with every site
            in memory; it also has second derivatives. "auto" is fused where it can be: not under
            `jit_compile=True`, not for soft sequences, and on a GPU only with CUDA kernels in the
            build, compute capability 8.0 or later and motifs narrow enough for its memory.
        name: of the operations in a graph.

    Returns:
        ExclusiveOccupancy(bound, weighted, log_partition, competitors). The fused operation gives
        the same bits on every run and, on a CPU, for every number of threads.

    Raises:
        ValueError: what is wrong whatever the numbers are: an option with an unknown value, no
            numbers, a wrong type or rank, or sizes that do not fit; "fused" with soft sequences.
        tf.errors.InvalidArgumentError: numbers that are not allowed, as for `cisreg.occupancy`; a
            footprint without a base, or one too far from its window. The message names the input,
            what was expected and what came. On a GPU only `column_range`, footprints and widths of
            competitors are checked; numbers that are not finite give NaN.
        tf.errors.UnimplementedError: implementation is "fused" under XLA, or on a GPU that cannot
            compute it; the message says why.
        LibraryError: implementation is "fused" and the compiled library does not load.

    Example:
        >>> sequence = cisreg.encode(["ACGT", "ACGT"])
        >>> log_kd = np.zeros((4, 4, 1))  # One window fits, with two sites of odds 1.
        >>> sums = cisreg.exclusive_occupancy(sequence, log_kd, np.zeros(1), padding="valid")
        >>> np.round(sums.bound[0, :, 0], 3).tolist(), np.exp(sums.log_partition).tolist()
        ([0.333, 0.333], [3.0, 3.0])
    """
    check_not_forked()
    check_choice("padding", padding, Padding)
    check_choice("implementation", implementation, Implementation)
    with tf.name_scope(name or "exclusive_occupancy"):
        inputs = as_inputs(
            *(sequence, log_kd, log_concentration),
            position_weight=position_weight,
            column_range=column_range,
            span=span,
            length=length,
            padding=padding,
        )
        _check_ranks(inputs)
        given = as_footprint(footprint, inputs)
        competitors = as_competitors(competitor_width, competitor_log_odds)
        if not _takes_fused(inputs, padding, implementation):
            return exclusive_sums(inputs, given, padding, competitors)
        width, log_odds = competitors or (None, None)
        values = {
            **inputs._asdict(),
            "footprint": given,
            "competitor_width": width,
            "competitor_log_odds": log_odds,
        }
        optional = {each: [] if values[each] is None else [values[each]] for each in _OPTIONAL}
        bound, weighted, log_partition, bound_competitors = load_ops().cisreg_exclusive_occupancy(
            sequence=inputs.sequence,
            log_kd=inputs.log_kd,
            log_concentration=inputs.log_concentration,
            **optional,
            padding=padding,
        )
        return ExclusiveOccupancy(
            bound,
            weighted[0] if weighted else None,
            log_partition,
            bound_competitors[0] if bound_competitors else None,
        )


def _check_ranks(inputs: Inputs) -> None:
    for name, rank, letters in (
        ("log_concentration", 1, "[M]"),
        ("position_weight", 3, "[2, P, M]"),
    ):
        value = getattr(inputs, name)
        if value is not None and value.shape.rank not in (None, rank):
            raise ValueError(
                f"{name}: expected shape {letters} where sites exclude each other, got "
                f"{value.shape.as_list()}; call once for each of its rows"
            )


def _takes_fused(inputs: Inputs, padding: Padding, implementation: Implementation) -> bool:
    soft = is_soft(inputs.sequence)
    if implementation == "standard" or (implementation == "auto" and soft):
        return False
    if soft:
        raise ValueError(
            'implementation: expected "auto" or "standard" for soft sequences, got "fused", which '
            "reads base codes"
        )
    if not fused_available():
        return implementation == "fused"  # whose error says why
    reason = _why_not_fused(inputs, padding)
    if implementation == "auto":
        if reason:
            _say_standard(reason)
        return not reason
    if reason:
        raise tf.errors.UnimplementedError(
            None, None, f'{reason}; use implementation="auto", which takes standard operations'
        )
    return True


def _why_not_fused(inputs: Inputs, padding: Padding) -> str:
    if traces_for_xla():
        return "XLA cannot compile the fused operation of sites that exclude each other"
    if traces_for_any_device() or not (gpu := gpu_here()):
        return ""
    if not all("GPU" in registered_devices(operation) for operation in OPERATIONS):
        return "this build of cisreg has no CUDA kernels of sites that exclude each other"
    short = gpu.rpartition("device:")[2]
    # Where the operation of occupancies is not right, nothing is.
    reason = examine(gpu, "float32").reason or _why_too_large(gpu, inputs, padding)
    reason = reason or why_wrong_on(gpu)
    return f"{short}: {reason}" if reason else ""


def _why_too_large(gpu: str, inputs: Inputs, padding: Padding) -> str:
    count, length = inputs.sequence.shape[:2]
    width, _, motifs = inputs.log_kd.shape
    if width is None or motifs is None or not (limits := gpu_limits(gpu)):
        return ""
    count = _ANY_COUNT if count is None else count
    length = max(_ANY_LENGTH, width) if length is None else length
    weighted = inputs.position_weight is not None
    return _refusal(limits, (count, length, width, motifs), weighted, padding)


@functools.lru_cache(maxsize=1024)
def _refusal(
    limits: tuple[int, int, int], sizes: tuple[int, int, int, int], weighted: bool, padding: str
) -> str:
    """Why a GPU with these limits cannot compute a problem of these sizes or its gradient."""
    return native_module().cuda_exclusive_refusal(limits, sizes, weighted=weighted, padding=padding)


@functools.cache
def why_wrong_on(device: str) -> str:
    """What is wrong with the fused operation on a device; "" where its numbers are the CPU's.

    A small problem is computed, forward and backward, on both.

    Example:
        >>> why_wrong_on("CPU:0")
        ''
    """
    return why_unlike_cpu(device, _small_problem)


def _small_problem(device: str) -> dict[str, np.ndarray]:
    """Sums and gradients; there are two of every piece that the kernels cut a problem into."""
    random = np.random.default_rng(1)
    count, length, width, motifs = 3, 150, 35, 9

    def floats(*shape: int) -> tf.Tensor:
        return tf.constant(random.normal(0, 0.5, shape), tf.float32)

    with tf.device(device):
        first = random.integers(0, 9, motifs)
        columns = np.stack([first, first + random.integers(5, 26, motifs)])
        arguments: dict[str, Any] = {
            "sequence": tf.constant(random.integers(0, 5, (count, length)), tf.uint8),
            "log_kd": floats(width, 4, motifs),
            "log_concentration": floats(motifs),
            "position_weight": [floats(2, length, motifs)],
            "column_range": [tf.constant(columns, tf.int32)],
            "span": [],
            "length": [tf.constant([length, 0, 77])],
            "footprint": [],
            "competitor_width": [tf.constant([60])],
            "competitor_log_odds": [tf.constant([1.0])],
            "padding": "same",
        }
        sums: Any = load_ops().cisreg_exclusive_occupancy(**arguments)
        gradients: Any = load_ops().cisreg_exclusive_occupancy_grad(
            **arguments,
            bound_gradient=floats(count, 2, motifs),
            weighted_gradient=[floats(count, 2, motifs)],
            log_partition_gradient=floats(count),
            competitor_gradient=[floats(count, 1)],
        )
    parts = [*sums[:1], *sums[1], sums[2], *sums[3]]
    found = dict(zip(("bound", "weighted", "log_partition", "competitors"), parts, strict=True))
    trained = ("log_kd", "log_concentration", "position_weight", "competitor_log_odds")
    parts = [*gradients[:2], *gradients[2], *gradients[3]]
    found |= {f"the gradient of {x}": part for x, part in zip(trained, parts, strict=True)}
    return {name: value.numpy() for name, value in found.items()}


@functools.cache
def _say_standard(reason: str) -> None:
    logger.warning("%s: standard operations are used, which keep every site in memory", reason)


@once(tf.RegisterGradient("Cisreg>ExclusiveOccupancy"))
def _gradient(op: tf.Operation, *upstream: tf.Tensor) -> list[tf.Tensor | None]:
    """Recomputes the scans; all integers have no gradient."""
    optional: dict[str, list[tf.Tensor]] = {}
    at = 3
    for name, count in _OPTIONAL.items():
        end = at + op.get_attr(count)
        optional[name] = list(op.inputs[at:end])
        at = end
    weights = op.get_attr("weight_count")
    gradients: Any = load_ops().cisreg_exclusive_occupancy_grad(
        sequence=op.inputs[0],
        log_kd=op.inputs[1],
        log_concentration=op.inputs[2],
        **optional,
        bound_gradient=upstream[0],
        weighted_gradient=list(upstream[1 : 1 + weights]),
        log_partition_gradient=upstream[1 + weights],
        competitor_gradient=list(upstream[2 + weights :]),
        padding=op.get_attr("padding"),
    )
    log_kd, log_concentration, weight, log_odds = gradients
    no_gradient = [None] * (len(op.inputs) - 3 - len(weight) - len(log_odds))
    return [None, log_kd, log_concentration, *weight, *no_gradient, *log_odds]


@once(tf.RegisterGradient("Cisreg>ExclusiveOccupancyGrad"))
def _second_derivative(op: tf.Operation, *upstream: tf.Tensor) -> None:
    raise LookupError(
        "the fused operation of sites that exclude each other supports first derivatives in "
        'reverse mode only; use implementation="standard" for second derivatives or forward mode'
    )


# Registers the operation on import, so that a SavedModel that contains it can be loaded.
fused_available()
