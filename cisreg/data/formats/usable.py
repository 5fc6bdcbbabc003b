"""Which rows of a file can be used, and what is wrong with the others."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute

from cisreg.data.formats.columns import Places
from cisreg.data.formats.rows import Rows, Unusable
from cisreg.library import native_module
from cisreg.sequences import text_buffers

logger = logging.getLogger("cisreg.data")

# The IUPAC letters of nucleotides: what is neither A, C, G, T nor U is read as an unknown base.
NUCLEOTIDES = "ACGTUNRYSWKMBDHV"
FOREIGN_LETTER = re.compile(f"[^{NUCLEOTIDES}{NUCLEOTIDES.lower()}]")
# Names of columns such as "dna" are spelled with those letters too, but not with these alone.
FOREIGN_TO_MOST = re.compile("[^ACGTUNacgtun]")
LARGEST = float(np.finfo(np.float32).max)

EMPTY = "an empty sequence"
FOREIGN = "letters that are no nucleotide codes"
NO_NUMBER = "no finite number as expression"
NO_WEIGHT = "no finite number of 0 or more as weight"
# By their number in `_faults`; 0 is a row that can be used.
_REASONS = ("", EMPTY, FOREIGN, NO_NUMBER, NO_WEIGHT)

# What Arrow reads as a number, the names of infinity and NaN excepted.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Fault:
    """A line or record that is not a row, or can never be used.

    Attributes:
        place: "file:line".
        reason: by which it is counted.
        message: what was expected, what came, and what to do.
    """

    place: str
    reason: str
    message: str


@dataclass(frozen=True)
class RawRows:
    """Rows as a file has them.

    Attributes:
        sequence: Arrow strings or bytes [n], 64-bit offsets, null where the file has none.
        expression: Arrow numbers or strings [n], one array for each measurement.
        weight: the same, or None where the file has none.
        place: says where the row of an index is, as "file:line".
        faults: what else was found; the first of them stands before the rows.
        name: Arrow strings or bytes [n], or None.
        extra: further columns by name, Arrow arrays [n].
    """

    sequence: pa.Array
    expression: Sequence[pa.Array]
    weight: pa.Array | None
    place: Callable[[int], str]
    faults: Sequence[Fault] = field(default=())
    name: pa.Array | None = None
    extra: Mapping[str, pa.Array] = field(default_factory=dict)


def check_rows(
    raw: RawRows, unusable: Unusable, *, strict: bool, letters: bool = True
) -> tuple[Rows, np.ndarray]:
    """Reads the numbers, finds the rows that can be used, and counts the others.

    Args:
        raw: as they were read.
        unusable: what is left out is added to it.
        strict: whether anything to be left out is an error.
        letters: whether the sequences are looked at, and not the numbers alone.

    Returns:
        (all rows, bool [n] which of them can be used).

    Raises:
        ValueError: "file:line: expected …, got …; …" under strict.
    """
    expression = np.empty((len(raw.sequence), len(raw.expression)), np.float32)
    for column, numbers in enumerate(raw.expression):
        expression[:, column] = to_float32(numbers)
    weight = None if raw.weight is None else to_float32(raw.weight)
    faults = _faults(raw.sequence if letters else None, expression, weight)
    wrong = np.flatnonzero(faults)
    if strict and raw.faults:
        raise ValueError(f"{raw.faults[0].place}: {raw.faults[0].message}")
    if strict and wrong.size:
        row = int(wrong[0])
        raise ValueError(f"{raw.place(row)}: {_message(raw, row, int(faults[row]))}")
    for fault in raw.faults:
        unusable.add(fault.reason, 1, fault.place)
    # Most blocks have none.
    for number in np.unique(faults[wrong]).tolist():
        rows = wrong[faults[wrong] == number]
        unusable.add(_REASONS[number], len(rows), raw.place(int(rows[0])))
    name = None if raw.name is None else to_text(raw.name)
    return Rows(raw.sequence, expression, weight, name, raw.extra, raw.place), faults == 0


def usable_rows(raw: RawRows, unusable: Unusable, *, strict: bool) -> Rows:
    """The rows that can be used, their sequences as text; see `check_rows`."""
    rows, usable = check_rows(raw, unusable, strict=strict)
    if not usable.all():
        rows = rows.take(np.flatnonzero(usable))
    return replace(rows, sequence=rows.sequence.cast(pa.large_string()))


def to_text(column: pa.Array) -> pa.Array:
    """A column as strings with 64-bit offsets; bytes that are not UTF-8 become marks.

    Example:
        >>> to_text(pa.array([1, None])).to_pylist()
        ['1', '']
    """
    try:
        text = column.cast(pa.large_string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        values = column.to_pylist()
        text = pa.array(
            [
                each.decode("utf-8", "replace") if isinstance(each, bytes) else each and str(each)
                for each in values
            ],
            pa.large_string(),
        )
    return text.fill_null("") if text.null_count else text


def _faults(
    sequence: pa.Array | None, expression: np.ndarray, weight: np.ndarray | None
) -> np.ndarray:
    """uint8 [n], for each row the index of the first of _REASONS that holds, or 0."""
    faults = np.zeros(len(expression), np.uint8)
    if sequence is not None:
        faults = native_module().sequence_faults(*text_buffers(sequence))
        if sequence.null_count:
            faults[sequence.is_null().to_numpy(zero_copy_only=False)] = _REASONS.index(EMPTY)
    no_number = np.isnan(expression).any(1)
    faults[(faults == 0) & no_number] = _REASONS.index(NO_NUMBER)
    if weight is not None:
        faults[(faults == 0) & ~(weight >= 0)] = _REASONS.index(NO_WEIGHT)
    return faults


def to_float32(column: pa.Array) -> np.ndarray:
    """Numbers or text as float32 [n]; NaN where there is no number that is finite in float32.

    Example:
        >>> to_float32(pa.array(["1.5", "high", "1e99", None]))
        array([1.5, nan, nan, nan], dtype=float32)
    """
    if is_text(column.type):
        numbers = _parsed(column)
    else:
        numbers = compute.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.where(np.abs(numbers) <= LARGEST, numbers, np.nan).astype(np.float32)


def is_number(kind: pa.DataType) -> bool:
    """Whether a type holds numbers."""
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def is_text(kind: pa.DataType) -> bool:
    """Whether a type holds text, or the bytes of text."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def check_types(name: str, places: Places, columns: Sequence[tuple[str, pa.DataType]]) -> None:
    """Raises ValueError where a sequence is not text, or a measurement or weight not a number.

    Args:
        name: of the table, for errors.
        places: of the columns that are read.
        columns: names and types of all columns.
    """
    column, kind = columns[places.key]
    if not is_text(kind):
        raise ValueError(
            f"{name}: expected text in the column {column!r} of the sequence, got {kind}"
        )
    weight = () if places.weight is None else (places.weight,)
    for column, kind in (columns[each] for each in (*places.expression, *weight)):
        if not (is_number(kind) or pa.types.is_null(kind) or is_text(kind)):
            raise ValueError(f"{name}: expected numbers in the column {column!r}, got {kind}")


def joined(column: pa.ChunkedArray) -> pa.Array:
    """One array; of text bytes, since Parquet does not promise that text is UTF-8."""
    if is_text(column.type):
        # Offsets of 64 bits hold any number of bases.
        column = column.cast(pa.large_binary())
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def as_numbers(array: pa.Array) -> pa.Array:
    """A column of numbers; text as strings again, with no look at its letters."""
    return array.view(pa.large_string()) if is_text(array.type) else array


def as_text(array: pa.Array) -> pa.Array:
    """A further column: text as strings, all else as it is."""
    return to_text(array) if is_text(array.type) else array


def _parsed(column: pa.Array) -> np.ndarray:
    try:
        trimmed = compute.ascii_trim_whitespace(column)
        return compute.cast(trimmed, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        # Arrow does not say which one is not a number.
        texts = column.cast(pa.large_binary()).to_pylist()
        return np.array([_number(text) for text in texts], np.float64)


def _number(text: bytes | None) -> float:
    stripped = "" if text is None else text.strip().decode("utf-8", "replace")
    return float(stripped) if _NUMBER.fullmatch(stripped) else np.nan


def _message(raw: RawRows, row: int, fault: int) -> str:
    """What was expected of a row, and what came."""
    reason = _REASONS[fault]
    todo = "correct or remove it"
    if reason == EMPTY:
        return f"expected a sequence, got none; {todo}"
    if reason == FOREIGN:
        text = raw.sequence[row].cast(pa.large_binary()).as_py().decode("utf-8", "replace")
        match = FOREIGN_LETTER.search(text)
        assert match is not None  # the native code found one
        return (
            f"expected a sequence of nucleotide letters ({NUCLEOTIDES}), got {match.group()!r} at "
            f"base {match.start() + 1}; {todo}"
        )
    if reason == NO_WEIGHT:
        assert raw.weight is not None  # it is the weight that is wrong
        return (
            f"expected a finite number of 0 or more as weight, got {_value(raw.weight, row)}; "
            f"{todo}"
        )
    wrong = next(column for column in raw.expression if np.isnan(to_float32(column.slice(row, 1))))
    return f"expected a finite number as expression, got {_value(wrong, row)}; {todo}"


def _value(column: pa.Array, row: int) -> str:
    """A field as errors show it."""
    value = column[row]
    if is_text(column.type) and value.is_valid:
        text = value.cast(pa.large_binary()).as_py().decode("utf-8", "replace")
        return repr(text if len(text) <= 60 else f"{text[:60]}…")
    return "none" if not value.is_valid else str(value.as_py())
