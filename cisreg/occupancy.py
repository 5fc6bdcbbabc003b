"""The occupancy operation: its gradient, and the choice between its implementations."""

from __future__ import annotations

import functools
import logging
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import tensorflow as tf

from cisreg.arrays import as_array
from cisreg.choices import ComputeDtype, Padding, Reduction, check_choice
from cisreg.forking import check_not_forked
from cisreg.library import LibraryError, load_ops
from cisreg.reference import occupancy_standard

logger = logging.getLogger("cisreg.occupancy")

Implementation = Literal["auto", "fused", "standard"]


class Occupancy(NamedTuple):
    """What `occupancy` returns, float32.

    Attributes:
        bound: [N, 2, M], the expected number of bound sites or the log probability of none, for
            each strand (0 forward, 1 reverse complement); for the reduction "probability" [N, M],
            the probability that at least one site on either strand is bound.
        weighted: [N, 2, M], the sum of position weight times occupancy; None without weights.
    """

    bound: tf.Tensor
    weighted: tf.Tensor | None


def occupancy(
    sequence: tf.Tensor,
    log_kd: tf.Tensor,
    log_concentration: tf.Tensor,
    *,
    position_weight: tf.Tensor | None = None,
    column_range: tf.Tensor | None = None,
    span: tf.Tensor | None = None,
    reduction: Reduction = "expected",
    padding: Padding = "same",
    compute_dtype: ComputeDtype = "float32",
    implementation: Implementation = "auto",
) -> Occupancy:
    """Occupancy of every motif on every sequence: scan, occupancy law and sum in one operation.

    The occupancy of a site is p = sigmoid(log_concentration - log Kd). Its log Kd is the sum of
    `log_kd` over the bases under the motif (de Boer et al. 2020, Nature Biotechnology 38, 56-65).
    Unknown bases and positions outside the sequence contribute 0: a motif that extends over an end
    of the sequence or over unknown bases still binds with its other columns, and a window without
    any known base has p = sigmoid(log_concentration). The reductions over the P windows are
    "expected" (sum of p), "log_unbound" (sum of log(1 - p)) and "probability"
    (1 - exp of log_unbound summed over both strands).

    Args:
        sequence: uint8 base codes [N, L]; 0 A, 1 C, 2 G, 3 T, 4 anything else. The standard
            implementation also takes soft sequences, float32 [N, L, 4]. Tensors must have the dtype
            given here and below; lists, NumPy, pandas and Arrow are converted.
        log_kd: float32 [W, 4, M], nats; contribution of each base to log Kd, order A C G T.
        log_concentration: float32 [M], nats.
        position_weight: float32 [2, P, M], or None; P = L for "same", L - W + 1 for "valid".
        column_range: int32 [2, M], or None. First column of each motif, and one past its last: all
            other columns count as zero, are not trained, and take no time; see
            `MotifSet.column_range`. None: all W columns belong to the motif.
        span: int32 [2], begin and end of the bases that count, for all sequences; or [N, 2], one
            pair for each. A window counts only if the motif's own columns (those of
            `column_range`, mirrored on the reverse strand) overlap at least one of the bases begin
            to end - 1. Other windows add nothing to sums or gradients and take almost no time. If
            begin >= end, no window counts. None: every window counts, even one in which the motif's
            own columns are completely outside the sequence.
        reduction: what `bound` holds.
        padding: "same" places windows as tf.nn.conv1d does; "valid" keeps whole windows only.
        compute_dtype: dtype in which sites may be computed: "float32", "bfloat16" or "float16".
            Parameters, sums over windows, results and gradients are always float32. On a CPU the
            fused op is not faster in 16 bits and therefore always computes in float32. The standard
            implementation stores every site in this dtype. On yeast promoters and motifs the root
            mean square error of its sums and gradients is 1 to 4 % for "bfloat16" and 0.1 to 0.5 %
            for "float16", in which occupancies below 6e-8 become 0.
        implementation: "fused" is the custom op: it stores no per-site tensor and recomputes the
            scan for its gradient. "standard" is the same law in standard TensorFlow ops; it also
            has second derivatives and gradients of soft sequences. "auto" is fused if the compiled
            library can be loaded, otherwise standard, with one warning. The fused op has no XLA
            kernel: do not use jit_compile.

    Returns:
        Occupancy(bound, weighted). The same inputs give the same bits on every run and for every
        number of threads.

    Raises:
        ValueError: an option has an unknown value, static shapes disagree, or a list or array
            cannot be converted to the dtype.
        tf.errors.InvalidArgumentError: an input has the wrong dtype or shape, a code above 4, a
            non-finite number, or a begin or end outside 0 to L; the message names the input, what
            was expected and what came. On a GPU the fused op does not check values: sites with such
            a code and motifs with such a number become NaN, as do the sums that contain them; a
            span is clipped to the sequence.
        tf.errors.UnimplementedError: the GPU or its driver is too old for the fused op, or the
            problem too large for it.
        LibraryError: implementation is "fused" and the compiled library does not load.

    Example:
        >>> sequence = cisreg.encode(["ACGTTGCA", "TTTTACGT"])
        >>> cisreg.occupancy(sequence, log_kd, log_concentration).bound.shape
        TensorShape([2, 2, 245])
        >>> no_site = cisreg.occupancy(sequence, log_kd, log_concentration, span=(4, 4))
        >>> float(tf.reduce_sum(no_site.bound))
        0.0
    """
    check_not_forked()
    check_choice("reduction", reduction, Reduction)
    check_choice("padding", padding, Padding)
    check_choice("compute_dtype", compute_dtype, ComputeDtype)
    check_choice("implementation", implementation, Implementation)
    sequence = _sequence_tensor(sequence)
    log_kd = _tensor("log_kd", log_kd, tf.float32)
    log_concentration = _tensor("log_concentration", log_concentration, tf.float32)
    if position_weight is not None:
        position_weight = _tensor("position_weight", position_weight, tf.float32)
    if column_range is not None:
        column_range = _tensor("column_range", column_range, tf.int32)
    if span is not None:
        span = _tensor("span", span, tf.int32)
    if _choose_fused(implementation, sequence):
        _check_dtype("sequence", sequence, tf.uint8, "encode text with cisreg.encode")
        return _occupancy_fused(
            *(sequence, log_kd, log_concentration, position_weight, column_range, span),
            reduction=reduction,
            padding=padding,
            compute_dtype=compute_dtype,
        )
    bound, weighted = occupancy_standard(
        sequence,
        log_kd,
        log_concentration,
        position_weight=position_weight,
        column_range=column_range,
        span=span,
        reduction=reduction,
        padding=padding,
        compute_dtype=compute_dtype,
    )
    return Occupancy(bound, weighted)


def _check_dtype(argument: str, value: tf.Tensor, expected: tf.DType, advice: str) -> None:
    if value.dtype != expected:
        raise tf.errors.InvalidArgumentError(
            None,
            None,
            f"{argument}: expected {expected.name}, got {value.dtype.name}; {advice}",
        )


def _tensor(argument: str, value: Any, dtype: tf.DType) -> tf.Tensor:
    """A tensor of this dtype; arrays and lists are converted, tensors must already have it."""
    if not _holds_tensors(value):
        value = as_array(value, argument, dtype.as_numpy_dtype, (...,))
    tensor = tf.convert_to_tensor(value)
    _check_dtype(argument, tensor, dtype, "cast it with tf.cast")
    return tensor


def _sequence_tensor(sequence: Any) -> tf.Tensor:
    """Base codes [N, L], or soft sequences [N, L, 4]."""
    if _holds_tensors(sequence):
        return tf.convert_to_tensor(sequence)
    is_soft = getattr(sequence, "ndim", 2) == 3
    dtype = np.float32 if is_soft else np.uint8
    return tf.convert_to_tensor(as_array(sequence, "sequence", dtype, (...,)))


def _holds_tensors(value: Any) -> bool:
    """Whether a value is a tensor or contains tensors, which must not be converted to NumPy."""
    if isinstance(value, (list, tuple)):
        return any(map(_holds_tensors, value))
    plain = (np.ndarray, np.generic, int, float, str, pa.Array, pa.ChunkedArray, pa.Table)
    return not (isinstance(value, plain) or hasattr(value, "iloc"))


def _choose_fused(implementation: str, sequence: tf.Tensor) -> bool:
    if implementation == "auto":
        return not sequence.dtype.is_floating and fused_available()
    return implementation == "fused"


@functools.cache
def fused_available() -> bool:
    """Whether the compiled library can be loaded; if not, a warning gives the reason once."""
    try:
        load_ops()
    except LibraryError as error:
        logger.warning("the fused operation is not available, standard ops are used: %s", error)
        return False
    return True


def _occupancy_fused(
    sequence: tf.Tensor,
    log_kd: tf.Tensor,
    log_concentration: tf.Tensor,
    position_weight: tf.Tensor | None,
    column_range: tf.Tensor | None,
    span: tf.Tensor | None,
    *,
    reduction: str,
    padding: str,
    compute_dtype: str,
) -> Occupancy:
    bound, weighted = load_ops().cisreg_occupancy(
        sequence=sequence,
        log_kd=log_kd,
        log_concentration=log_concentration,
        position_weight=[] if position_weight is None else [position_weight],
        column_range=[] if column_range is None else [column_range],
        span=[] if span is None else [span],
        reduction="expected" if reduction == "expected" else "log_unbound",
        padding=padding,
        compute_dtype=compute_dtype,
    )
    if reduction == "probability":
        bound = -tf.math.expm1(tf.reduce_sum(bound, axis=1))
    return Occupancy(bound, weighted[0] if weighted else None)


@tf.RegisterGradient("Cisreg>Occupancy")
def _occupancy_gradient(op: tf.Operation, *upstream: tf.Tensor) -> list[tf.Tensor | None]:
    """Recomputes the scan; base codes, column ranges and spans have no gradient."""
    weight_count, range_count = op.get_attr("weight_count"), op.get_attr("range_count")
    ranges_at = 3 + weight_count
    span_at = ranges_at + range_count
    gradients: Any = load_ops().cisreg_occupancy_grad(
        sequence=op.inputs[0],
        log_kd=op.inputs[1],
        log_concentration=op.inputs[2],
        position_weight=list(op.inputs[3:ranges_at]),
        column_range=list(op.inputs[ranges_at:span_at]),
        span=list(op.inputs[span_at:]),
        bound_gradient=upstream[0],
        weighted_gradient=list(upstream[1:]),
        reduction=op.get_attr("reduction"),
        padding=op.get_attr("padding"),
        compute_dtype=op.get_attr("compute_dtype"),
    )
    no_gradient = [None] * (len(op.inputs) - ranges_at)
    return [None, gradients[0], gradients[1], *gradients[2], *no_gradient]


@tf.RegisterGradient("Cisreg>OccupancyGrad")
def _second_derivative(op: tf.Operation, *upstream: tf.Tensor) -> None:
    raise LookupError(
        "the fused occupancy operation supports first derivatives in reverse mode only; use "
        'implementation="standard" for second derivatives or forward mode'
    )


# Registers the operation on import, so that a SavedModel that contains it can be loaded.
fused_available()
