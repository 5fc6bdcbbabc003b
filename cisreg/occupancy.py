"""The occupancy operation: its gradient, and the choice between its implementations."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import tensorflow as tf

from cisreg.arguments import is_soft
from cisreg.autograph import as_written
from cisreg.choices import ComputeDtype, Padding, Reduction, check_choice
from cisreg.contract import Inputs, as_inputs
from cisreg.forking import check_not_forked
from cisreg.implementation import Implementation, fused_available, takes_fused
from cisreg.library import load_ops
from cisreg.once import once
from cisreg.one_hot import codes_if_known, codes_or_refusal, with_gradient
from cisreg.reference import bound_probability, standard_sums


class Occupancy(NamedTuple):
    """What `occupancy` returns, float32.

    Attributes:
        bound: [N, 2, M], the expected number of bound sites or the log probability of none, for
            each strand (0 forward, 1 reverse complement); for the reduction "probability" [N, M],
            the probability that at least one site on either strand is bound. With conditions
            [N, C, 2, M] or [N, C, M], unless each sequence has a condition of its own.
        weighted: [N, 2, M], the sum of position weight times occupancy; None without weights. With
            sets of weights [N, K, 2, M]; with conditions [N, C, 2, M] or [N, C, K, 2, M].
    """

    bound: tf.Tensor
    weighted: tf.Tensor | None


@as_written
def occupancy(
    sequence: tf.Tensor,
    log_kd: tf.Tensor,
    log_concentration: tf.Tensor,
    *,
    position_weight: tf.Tensor | None = None,
    column_range: tf.Tensor | None = None,
    span: tf.Tensor | None = None,
    length: tf.Tensor | None = None,
    condition: tf.Tensor | None = None,
    reduction: Reduction = "expected",
    padding: Padding = "same",
    compute_dtype: ComputeDtype = "float32",
    implementation: Implementation = "auto",
    name: str | None = None,
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
        sequence: base codes [N, L]; 0 A, 1 C, 2 G, 3 T, 4 anything else. uint8 is what the
            operation reads; other integers are converted, and refused if they are no codes. Rows of
            different lengths may be a tf.RaggedTensor [N, None], which has the meaning of
            `length`. Or soft sequences [N, L, 4], weights of A, C, G and T in any type of number:
            if all bases are exactly one-hot or zero, and this is known when the operation is
            called, codes are made of them, which the log says once; otherwise, and always in a
            graph, "auto" computes them in standard ops. They have a gradient in both cases.
            Tensors and variables must have the types given here and below, and are cast with
            tf.cast; lists, NumPy, pandas and Arrow are converted by value.
        log_kd: float32 [W, 4, M], nats; contribution of each base to log Kd, order A C G T.
        log_concentration: float32 [M], nats; minus infinity where a factor is knocked out: it is
            bound nowhere, and all gradients of the motif are 0. Or [C, M], a row for each of C
            conditions, such as cell types or treatments, in which the factors have other
            concentrations: `bound` then has an axis of them, and one scan serves all. Where the
            sequences of a batch have concentrations of their own, C is N and `condition` range(N).
        position_weight: float32 [2, P, M], or None; P = L for "same", L - W + 1 for "valid". Or
            [K, 2, P, M], K sets of weights: `weighted` then has an axis of them, and one scan
            serves all.
        column_range: int32 [2, M], or None. First column of each motif, and one past its last: all
            other columns count as zero, are not trained, and take no time; see
            `MotifSet.column_range`. None: all W columns belong to the motif.
        span: int32 [2], begin and end of the bases that count, for all sequences; or [N, 2], one
            pair for each. A window counts only if the motif's own columns (those of
            `column_range`, mirrored on the reverse strand) overlap at least one of the bases begin
            to end - 1. Other windows add nothing to sums or gradients and take almost no time. If
            begin >= end, no window counts. None: every window counts, even one in which the motif's
            own columns are completely outside the sequence.
        length: int32 [N], or None. The sequence of row n is its first length[n] bases: codes behind
            them count as unknown, and windows that a sequence of this length does not have do not
            exist, so that a batch that is padded on the right equals its rows one by one. With a
            span, bases behind the sequence are on no span. Not for batches that are padded on the
            left. None: all rows have L bases.
        condition: int32 [N], or None. The row of `log_concentration` [C, M] that each sequence has,
            from 0 to C - 1: the outputs then have no axis of conditions. None: each sequence has
            outputs in every condition.
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
            has second derivatives, forward mode and gradients of soft sequences. "auto" is fused if
            the compiled library can be loaded and, on a GPU, computes there what it should;
            otherwise standard, with one warning. Soft sequences that are not known to be one-hot
            are always standard. "fused" with one-hot sequences in a graph makes codes of them
            there, and refuses others when the graph runs.
        name: of the operations in a graph.

    Returns:
        Occupancy(bound, weighted). The same inputs give the same bits on every run and for every
        number of threads.

    Raises:
        ValueError: what is wrong whatever the numbers are: an option with an unknown value, no
            numbers, a wrong type or rank, or sizes that do not fit. Raised when the operation is
            called or, in a tf.function, traced.
        tf.errors.InvalidArgumentError: numbers that are not allowed: a code above 4 or below 0, a
            parameter that is not finite (except a log concentration of minus infinity), a column
            range, span, length or condition out of bounds; and sizes that were not known when a
            graph was traced. Raised when the operation runs. The message names the input, what was
            expected and what came; both implementations say the same. On a GPU, and in standard ops
            that XLA compiled, numbers are not checked: sites with such a code and motifs with such
            a number become NaN, as do the sums that contain them; column ranges, spans, lengths and
            conditions are clipped.
        tf.errors.UnimplementedError: implementation is "fused" and the GPU cannot compute it: the
            GPU or its driver is too old, the problem too large, or its self-test failed. A graph
            that was traced elsewhere may raise it with "auto" too.
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
    with tf.name_scope(name or "occupancy"):
        inputs = as_inputs(
            *(sequence, log_kd, log_concentration),
            position_weight=position_weight,
            column_range=column_range,
            span=span,
            length=length,
            condition=condition,
            padding=padding,
        )
        options = reduction, padding, compute_dtype
        fused = takes_fused(inputs, padding, compute_dtype, implementation)
        codes = _codes(inputs.sequence, implementation) if fused else None
        if codes is None:
            return Occupancy(*standard_sums(inputs, *options))
        sums = _fused_sums(inputs._replace(sequence=codes), *options)
        if is_soft(inputs.sequence):
            sums = with_gradient(
                *(sums, inputs.sequence),
                lambda soft: standard_sums(inputs._replace(sequence=soft), *options),
            )
        return Occupancy(*sums)


def _codes(sequence: tf.Tensor, implementation: str) -> tf.Tensor | None:
    """Base codes for the fused operation; None if standard operations compute soft sequences."""
    if not is_soft(sequence):
        return sequence
    return codes_or_refusal(sequence) if implementation == "fused" else codes_if_known(sequence)


def _fused_sums(
    inputs: Inputs, reduction: str, padding: str, compute_dtype: str
) -> tuple[tf.Tensor, tf.Tensor | None]:
    bound, weighted = load_ops().cisreg_occupancy(
        sequence=inputs.sequence,
        log_kd=inputs.log_kd,
        log_concentration=inputs.log_concentration,
        position_weight=_listed(inputs.position_weight),
        column_range=_listed(inputs.column_range),
        span=_listed(inputs.span),
        length=_listed(inputs.length),
        condition=_listed(inputs.condition),
        reduction="expected" if reduction == "expected" else "log_unbound",
        padding=padding,
        compute_dtype=compute_dtype,
    )
    if reduction == "probability":
        bound = bound_probability(tf.reduce_sum(bound, axis=-2))
    return bound, weighted[0] if weighted else None


def _listed(value: tf.Tensor | None) -> list[tf.Tensor]:
    """Optional inputs of the operation are lists of one tensor or none."""
    return [] if value is None else [value]


@once(tf.RegisterGradient("Cisreg>Occupancy"))
def _occupancy_gradient(op: tf.Operation, *upstream: tf.Tensor) -> list[tf.Tensor | None]:
    """Recomputes the scan; base codes, column ranges, spans, lengths and conditions have none."""
    ranges_at = 3 + op.get_attr("weight_count")
    span_at = ranges_at + op.get_attr("range_count")
    length_at = span_at + op.get_attr("span_count")
    condition_at = length_at + op.get_attr("length_count")
    gradients: Any = load_ops().cisreg_occupancy_grad(
        sequence=op.inputs[0],
        log_kd=op.inputs[1],
        log_concentration=op.inputs[2],
        position_weight=list(op.inputs[3:ranges_at]),
        column_range=list(op.inputs[ranges_at:span_at]),
        span=list(op.inputs[span_at:length_at]),
        length=list(op.inputs[length_at:condition_at]),
        condition=list(op.inputs[condition_at:]),
        bound_gradient=upstream[0],
        weighted_gradient=list(upstream[1:]),
        reduction=op.get_attr("reduction"),
        padding=op.get_attr("padding"),
        compute_dtype=op.get_attr("compute_dtype"),
    )
    no_gradient = [None] * (len(op.inputs) - ranges_at)
    return [None, gradients[0], gradients[1], *gradients[2], *no_gradient]


@once(tf.RegisterGradient("Cisreg>OccupancyGrad"))
def _second_derivative(op: tf.Operation, *upstream: tf.Tensor) -> None:
    raise LookupError(
        "the fused occupancy operation supports first derivatives in reverse mode only; use "
        'implementation="standard" for second derivatives or forward mode'
    )


# Registers the operation on import, so that a SavedModel that contains it can be loaded.
fused_available()
# A TensorFlow without this interface maps the operation by a loop.
with contextlib.suppress(ModuleNotFoundError):
    import cisreg.vectorization  # noqa: F401, registers how the operation is mapped
