"""The one contract of the operation: what every implementation may rely on, and who refuses what.

`as_inputs` converts what users pass and checks types and sizes as far as they are known: when the
operation is called or, in a graph, traced. `checked` checks the rest for standard operations, when
they run, in the words that the fused operation has for it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from cisreg.arguments import (
    LARGEST,
    as_integers,
    as_parameter,
    as_sequence,
    is_soft,
    padded_rows,
)
from cisreg.choices import Padding, check_choice
from cisreg.occupancy_checks import BASES, CONCENTRATION, UNKNOWN, check_shapes
from cisreg.xla import traces_for_xla


class Inputs(NamedTuple):
    """Arguments of the operation, converted.

    Attributes:
        sequence: uint8 base codes [N, L], or soft sequences, float32 [N, L, 4].
        log_kd: float32 [W, 4, M].
        log_concentration: float32 [M] or [C, M].
        position_weight: float32 [2, P, M] or [K, 2, P, M], or None.
        column_range: int32 [2, M], or None.
        span: int32 [2] or [N, 2], or None.
        length: int32 [N], or None.
        condition: int32 [N], or None.
    """

    sequence: tf.Tensor
    log_kd: tf.Tensor
    log_concentration: tf.Tensor
    position_weight: tf.Tensor | None = None
    column_range: tf.Tensor | None = None
    span: tf.Tensor | None = None
    length: tf.Tensor | None = None
    condition: tf.Tensor | None = None

    @property
    def has_conditions(self) -> bool:
        """Whether sums have an axis of conditions."""
        return self.log_concentration.shape.rank == 2 and self.condition is None

    @property
    def has_sets(self) -> bool:
        """Whether weighted sums have an axis of sets of weights."""
        return self.position_weight is not None and self.position_weight.shape.rank == 4


# What must hold, and what to say where it does not: text, and tensors of one number or a shape.
_Check = tuple[tf.Tensor, Callable[[], list[Any]]]


def as_inputs(
    sequence: Any,
    log_kd: Any,
    log_concentration: Any,
    *,
    position_weight: Any = None,
    column_range: Any = None,
    span: Any = None,
    length: Any = None,
    condition: Any = None,
    padding: Padding = "same",
) -> Inputs:
    """Converts the arguments of `cisreg.occupancy`, and checks all but their values.

    Codes of other integer types become uint8; those that are no codes are refused, since uint8
    might not hold them.

    Raises:
        ValueError: an argument is not numbers, or has the wrong type, or a size that does not fit.
        tf.errors.InvalidArgumentError: an integer that is no base code.

    Example:
        >>> as_inputs([[0, 1, 4]], np.zeros((2, 4, 5)), np.zeros(5)).sequence.dtype.name
        'uint8'
    """
    check_choice("padding", padding, Padding)
    log_kd = as_parameter("log_kd", log_kd)
    if isinstance(sequence, tf.RaggedTensor):
        if traces_for_xla():
            raise ValueError(
                "sequence: expected base codes [N, L] under jit_compile=True, got ragged rows, "
                "which XLA cannot pad; give value.to_tensor(4), made before, and "
                "length=value.row_lengths()"
            )
        shortest = 0 if padding == "same" or log_kd.shape.rank != 3 else tf.shape(log_kd)[0]
        sequence, length = padded_rows(sequence, length, shortest)
    inputs = Inputs(
        as_sequence(sequence),
        log_kd,
        as_parameter("log_concentration", log_concentration),
        None if position_weight is None else as_parameter("position_weight", position_weight),
        None if column_range is None else as_integers("column_range", column_range),
        None if span is None else as_integers("span", span),
        None if length is None else as_integers("length", length),
        None if condition is None else as_integers("condition", condition),
    )
    _check_known_sizes(inputs, padding)
    return inputs._replace(sequence=_narrow(inputs.sequence))


def sequence_input(sequence: Any) -> tf.Tensor:
    """A sequence as the operation takes it: uint8 codes [N, L], or soft, float32 [N, L, 4].

    Raises:
        ValueError: not numbers, or a type or rank that does not fit.
        tf.errors.InvalidArgumentError: an integer that is no base code.

    Example:
        >>> sequence_input(tf.constant([[0, 1, 4]], tf.int64)).dtype.name
        'uint8'
    """
    sequence = as_sequence(sequence)
    _check_known_sequence(sequence)
    return _narrow(sequence)


def checked(inputs: Inputs, padding: Padding) -> Inputs:
    """The same inputs, after checks of what only a run can tell; for standard operations.

    In a graph, the inputs have their ranks then, and wait for the checks. XLA drops checks: there,
    numbers that are refused elsewhere become NaN, and sizes that do not fit end the compilation.

    Raises:
        tf.errors.InvalidArgumentError: a code above 4, a number that is not finite, a column range,
            span, length or condition out of bounds, or a size that does not fit and was not known
            before.

    Example:
        >>> checked(as_inputs([[0, 1, 4]], np.zeros((2, 4, 5)), np.zeros(5)), "same").span is None
        True
    """
    if tf.executing_eagerly():
        _enforce(_value_checks(inputs))
        return inputs
    inputs = _with_ranks(inputs)
    inputs = _behind(inputs, _size_checks(inputs, padding))
    inputs = _with_sizes(inputs)
    return _spoilt(_behind(inputs, _value_checks(inputs)))


def require(condition: tf.Tensor, message: Callable[[], list[Any]]) -> list[tf.Operation]:
    """Raises InvalidArgumentError unless the condition holds: now, or when the graph runs.

    Args:
        condition: bool, one value.
        message: gives text and tensors, which the message joins.

    Returns:
        In a graph, what the guarded tensors must wait for; otherwise nothing.

    Example:
        >>> require(tf.constant(True), lambda: ["never"])
        []
    """
    if not tf.executing_eagerly():
        # The raw operation: tf.debugging.Assert would wrap floating-point numbers in a condition,
        # which other programs that read the graph may not know.
        return [tf.raw_ops.Assert(condition=condition, data=message(), summarize=8)]
    if not bool(condition):
        text = "".join(each if isinstance(each, str) else _shown(each) for each in message())
        raise tf.errors.InvalidArgumentError(None, None, text)
    return []


def _shown(value: Any) -> str:
    value = np.asarray(value)
    if value.dtype == object:
        return repr(value.item().decode("utf-8", "replace"))
    return str(value) if value.ndim == 0 else f"[{','.join(map(str, value))}]"


def _check_known_sizes(inputs: Inputs, padding: Padding) -> None:
    _check_known_sequence(inputs.sequence)
    shapes = {
        name: None if value.shape.rank is None else value.shape.as_list()
        for name, value in inputs._asdict().items()
        if value is not None
    }
    if is_soft(inputs.sequence):
        shapes["sequence"] = shapes["sequence"] and shapes["sequence"][:2]
    check_shapes(shapes, padding)
    for name, shape in shapes.items():
        # Standard operations and GPU kernels count in 32 bits.
        if any(size is not None and size > LARGEST for size in shape or ()):
            raise ValueError(f"{name}: expected sizes below 2**31, got shape {shape}")


def _check_known_sequence(sequence: tf.Tensor) -> None:
    shape = sequence.shape
    wanted = [None, None, BASES] if is_soft(sequence) else [None, None]
    if not shape.is_compatible_with(wanted):
        raise ValueError(
            "sequence: expected base codes [N, L], got shape "
            f"{shape.as_list()}; one sequence is a batch of one, sequence[tf.newaxis], and soft "
            "sequences are [N, L, 4]"
        )


def _narrow(sequence: tf.Tensor) -> tf.Tensor:
    """Codes as uint8. Where nothing can be refused, in XLA, 255 stands for what is no code."""
    if is_soft(sequence) or sequence.dtype == tf.uint8:
        return sequence
    narrow = sequence.dtype.size < 4 or sequence.dtype == tf.int32
    wide = tf.cast(sequence, tf.int32 if narrow else tf.int64)
    ok = (wide >= 0) & (wide <= UNKNOWN)
    with tf.control_dependencies(_enforce([_code_check(sequence, ok)])):
        return tf.cast(tf.where(ok, wide, 255), tf.uint8)


def _code_check(codes: tf.Tensor, ok: tf.Tensor) -> _Check:
    def message() -> list[Any]:
        at, code = _first_bad(ok, codes)
        width = tf.maximum(tf.shape(codes)[-1], 1)
        return [
            "sequence: expected base codes 0 to 4 (A C G T other), got ",
            *(code, " in sequence ", at // width, " at base ", at % width),
            "; encode text with cisreg.encode",
        ]

    return tf.reduce_all(ok), message


def _first_bad(ok: tf.Tensor, *values: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Flat index of the first value that is not ok, and what `values` have there."""
    # One more at the end: there may be no values at all, and then nothing is said.
    flat = tf.concat([tf.reshape(ok, [-1]), [False]], 0)
    at = tf.argmax(tf.cast(~flat, tf.int32), output_type=tf.int32)
    return at, *(
        tf.gather(tf.concat([tf.reshape(each, [-1]), tf.zeros([1], each.dtype)], 0), at)
        for each in values
    )


def _finite_check(name: str, value: tf.Tensor, ok: tf.Tensor, expected: str) -> _Check:
    def message() -> list[Any]:
        at, number = _first_bad(ok, value)
        index = [" at flat index ", at, " of shape ", tf.shape(value)]
        return [f"{name}: expected {expected}, got ", number, *index]

    return tf.reduce_all(ok), message


def _allowed(name: str, value: tf.Tensor) -> tf.Tensor:
    """Whether each number of a floating-point input is allowed."""
    finite = tf.math.is_finite(value)
    return finite | tf.equal(value, -np.inf) if name == "log_concentration" else finite


_FINITE = dict.fromkeys(("log_kd", "position_weight"), "finite numbers") | {
    "log_concentration": CONCENTRATION
}


def _value_checks(inputs: Inputs) -> Iterator[_Check]:
    """In the order of the fused operation."""
    sequence = inputs.sequence
    if is_soft(sequence):
        ok = tf.math.is_finite(sequence)
        yield _finite_check("sequence", sequence, ok, "finite numbers")
    else:
        yield _code_check(sequence, sequence <= UNKNOWN)
    for name, expected in _FINITE.items():
        value = getattr(inputs, name)
        if value is not None:
            yield _finite_check(name, value, _allowed(name, value), expected)
    if inputs.column_range is not None:
        yield column_range_check(inputs.column_range, tf.shape(inputs.log_kd)[0])
    if inputs.span is not None:
        yield _span_check(inputs.span, tf.shape(sequence)[1])
    if inputs.length is not None:
        yield _length_check(inputs.length, tf.shape(sequence)[1])
    if inputs.condition is not None:
        yield _condition_check(inputs.condition, tf.shape(inputs.log_concentration)[0])


def column_range_check(column_range: tf.Tensor, width: tf.Tensor) -> _Check:
    """A check that 0 <= first <= end <= W for every motif.

    Example:
        >>> bool(column_range_check(tf.constant([[0], [2]]), tf.constant(3))[0])
        True
    """
    first, end = tf.unstack(column_range)
    ok = (first >= 0) & (first <= end) & (end <= width)

    def message() -> list[Any]:
        motif, low, high = _first_bad(ok, first, end)
        return [
            *("column_range: expected 0 <= first <= end <= W = ", width, ", got ", low, " and "),
            *(high, " for motif ", motif),
        ]

    return tf.reduce_all(ok), message


def _span_check(span: tf.Tensor, length: tf.Tensor) -> _Check:
    pairs = tf.reshape(span, [-1, 2])
    ok = tf.reduce_all((pairs >= 0) & (pairs <= length), axis=1)

    def message() -> list[Any]:
        row, begin, end = _first_bad(ok, pairs[:, 0], pairs[:, 1])
        bounds = ["span: expected begin and end between 0 and L = ", length, ", got ", begin]
        return [*bounds, " and ", end, *([] if span.shape.rank == 1 else [" for sequence ", row])]

    return tf.reduce_all(ok), message


def _length_check(length: tf.Tensor, longest: tf.Tensor) -> _Check:
    ok = (length >= 0) & (length <= longest)

    def message() -> list[Any]:
        row, bases = _first_bad(ok, length)
        return [
            *("length: expected 0 to L = ", longest, " bases for each sequence, got ", bases),
            *(" for sequence ", row, "; count the bases before the padding"),
        ]

    return tf.reduce_all(ok), message


def _condition_check(condition: tf.Tensor, count: tf.Tensor) -> _Check:
    ok = (condition >= 0) & (condition < count)

    def message() -> list[Any]:
        row, of_row = _first_bad(ok, condition)
        return [
            *("condition: expected 0 to C - 1 = ", count - 1, " for each sequence, got ", of_row),
            *(" for sequence ", row),
            "; conditions are rows of log_concentration, counted from 0",
        ]

    return tf.reduce_all(ok), message


def _enforce(checks: Iterator[_Check] | Sequence[_Check]) -> list[tf.Operation]:
    return [waited for check in checks for waited in require(*check)]


def _behind(inputs: Inputs, checks: Iterator[_Check]) -> Inputs:
    """The inputs, computed after the checks; only in graphs."""
    waited = _enforce(checks)
    if not waited:
        return inputs
    with tf.control_dependencies(waited):
        return Inputs(*(None if each is None else tf.identity(each) for each in inputs))


_RANKS = {
    "log_kd": (3, "log_kd: expected [W, 4, M] with W and M of at least 1, got shape "),
    "log_concentration": (1, "log_concentration: expected shape [M], got "),
    "position_weight": (3, "position_weight: expected shape [2, P, M], got "),
    "column_range": (2, "column_range: expected shape [2, M], got "),
    "length": (1, "length: expected shape [N], got "),
    "condition": (1, "condition: expected shape [N], got "),
}
# Those that may have one axis more, of conditions or of sets: their rank and shape then.
_STACKED = {
    "log_concentration": (2, "[C, M]"),
    "position_weight": (4, "[K, 2, P, M]"),
}


def _ranks(inputs: Inputs) -> dict[str, tuple[int, str]]:
    """Ranks by name of the input, and the beginning of the message, except for the span.

    Where the rank of an input is not known, it has no axis of conditions or of sets, unless each
    sequence has a condition.
    """
    expected = "sequence: expected base codes [N, L], got shape "
    if is_soft(inputs.sequence):
        expected = "sequence: expected soft sequences [N, L, 4], got shape "
    ranks = {"sequence": (3 if is_soft(inputs.sequence) else 2, expected), **_RANKS}
    stacked = {
        "log_concentration": inputs.has_conditions or inputs.condition is not None,
        "position_weight": inputs.has_sets,
    }
    for name, (rank, letters) in _STACKED.items():
        if stacked[name]:
            ranks[name] = (rank, f"{name}: expected shape {letters}, got ")
    return ranks


def _with_shape(expected: str, value: tf.Tensor) -> list[Any]:
    return [expected, tf.shape(value)]


def _with_ranks(inputs: Inputs) -> Inputs:
    """The inputs with ranks that are known, behind a check where they were not."""
    changed = {}
    for name, (rank, expected) in _ranks(inputs).items():
        value = getattr(inputs, name)
        if value is not None and value.shape.rank is None:
            message = functools.partial(_with_shape, expected, value)
            changed[name] = _of_rank(value, rank, require(tf.equal(tf.rank(value), rank), message))
    return inputs._replace(**changed)


def _of_rank(value: tf.Tensor, rank: int, waited: list[tf.Operation]) -> tf.Tensor:
    """The same tensor with the rank that a check has found.

    Not by tf.ensure_shape, of which TensorFlow would conclude that the tensor had this rank all
    along, and remove the check; nor by tf.identity, past which it would read the shape too soon.
    """
    with tf.control_dependencies(waited):
        size = tf.slice(tf.shape(value), [0], [rank])
    return tf.reshape(value, tf.ensure_shape(size, [rank]))


def _size_checks(inputs: Inputs, padding: Padding) -> Iterator[_Check]:
    """Sizes that were not known when the graph was traced, in the order of the fused operation."""
    sequence, log_kd = inputs.sequence, inputs.log_kd
    count, length, *_ = _sizes(sequence)
    width, _, motifs = _sizes(log_kd)
    if is_soft(sequence) and sequence.shape[2] is None:
        yield (
            tf.equal(tf.shape(sequence)[2], BASES),
            lambda: _with_shape(_ranks(inputs)["sequence"][1], sequence),
        )
    if None in log_kd.shape.as_list():
        yield (
            tf.equal(tf.shape(log_kd)[1], BASES) & tf.reduce_all(tf.shape(log_kd) > 0),
            lambda: _with_shape(_RANKS["log_kd"][1], log_kd),
        )
    if padding == "valid" and None in (sequence.shape[1], log_kd.shape[0]):
        yield (
            tf.greater_equal(length, width),
            lambda: [
                "padding: 'valid' expects sequences at least as long as the motifs, got L = ",
                *(length, " and W = ", width, "; use padding = 'same'"),
            ],
        )
    windows = length if padding == "same" else length - width + 1
    by_motif, by_window = log_kd.shape[2:], [*sequence.shape[1:2], *log_kd.shape]
    expected = {
        "log_concentration": ("[M]", [motifs], by_motif),
        "position_weight": ("[2, P, M]", [2, windows, motifs], by_window),
        "column_range": ("[2, M]", [2, motifs], by_motif),
        "length": ("[N]", [count], sequence.shape[:1]),
        "condition": ("[N]", [count], sequence.shape[:1]),
    }
    for name, (rank, letters) in _STACKED.items():
        value = getattr(inputs, name)
        if value is not None and value.shape.rank == rank:
            yield from _some_check(name, value, letters)
            _, sizes, known = expected[name]
            expected[name] = (letters, [_sizes(value)[0], *sizes], known)
    for name, (letters, sizes, known) in expected.items():
        value = getattr(inputs, name)
        # Where all sizes were known, they were checked when the graph was traced.
        if value is not None and None in [*value.shape, *known]:
            yield _shape_check(name, value, letters, sizes)
    yield from _span_shape_check(inputs.span, count, sequence)


def _some_check(name: str, value: tf.Tensor, letters: str) -> Iterator[_Check]:
    """One condition or set at least."""
    if value.shape[0] is None:
        expected = f"{name}: expected {letters} with {letters[1]} of at least 1, got shape "
        yield tf.greater(tf.shape(value)[0], 0), lambda: _with_shape(expected, value)


def _shape_check(name: str, value: tf.Tensor, letters: str, sizes: list[Any]) -> _Check:
    wanted = tf.stack(sizes)
    ok = tf.reduce_all(tf.equal(tf.shape(value), wanted))
    return ok, lambda: [f"{name}: expected shape {letters} = ", wanted, ", got ", tf.shape(value)]


def _span_shape_check(
    span: tf.Tensor | None, count: tf.Tensor, sequence: tf.Tensor
) -> Iterator[_Check]:
    if span is None:
        return
    if span.shape.is_fully_defined() and (span.shape.rank == 1 or sequence.shape[0] is not None):
        return
    shape = tf.shape(span)
    one, each = tf.constant([2]), tf.stack([count, 2])
    # Compared as padded vectors, since the rank may not be known.
    padded = tf.concat([shape, tf.zeros([2], tf.int32)], 0)[:2]
    is_one = tf.equal(tf.rank(span), 1) & tf.equal(padded[0], one[0])
    is_each = tf.equal(tf.rank(span), 2) & tf.reduce_all(tf.equal(padded, each))
    yield (
        is_one | is_each,
        lambda: [
            "span: expected shape [2], begin and end for all sequences, or [N, 2] = ",
            *(each, ", one pair for each, got ", shape),
        ],
    )


def _with_sizes(inputs: Inputs) -> Inputs:
    """Sizes that the operations after these checks must know; no broadcasting without checks."""
    count, length, *_ = _sizes(inputs.sequence)
    width, _, motifs = _sizes(inputs.log_kd)
    wanted = {
        "log_kd": [width, BASES, motifs],
        "log_concentration": [motifs],
        "column_range": [2, motifs],
        "length": [count],
        "condition": [count],
    }
    if inputs.log_concentration.shape.rank == 2:
        wanted["log_concentration"] = [_sizes(inputs.log_concentration)[0], motifs]
    if is_soft(inputs.sequence):
        wanted["sequence"] = [count, length, BASES]
    values = {name: getattr(inputs, name) for name in wanted}
    return inputs._replace(
        **{
            name: tf.reshape(value, wanted[name])
            for name, value in values.items()
            if value is not None and not value.shape.is_fully_defined()
        }
    )


def _sizes(value: tf.Tensor) -> list[Any]:
    """The sizes of a tensor: numbers where they are known."""
    shape = tf.shape(value)
    return [shape[axis] if size is None else size for axis, size in enumerate(value.shape)]


def _spoilt(inputs: Inputs) -> Inputs:
    """NaN in place of numbers that are not allowed, for graphs in which checks are dropped.

    Soft sequences and motifs that are not finite make NaN without this.
    """
    values = {name: getattr(inputs, name) for name in ("log_concentration", "position_weight")}
    return inputs._replace(
        **{
            name: tf.where(_allowed(name, value), value, np.nan)
            for name, value in values.items()
            if value is not None
        }
    )
