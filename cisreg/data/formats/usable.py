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
from cisreg.number_text import LARGEST_FLOAT32, is_float
from cisreg.sequences import text_buffers

logger = logging.getLogger("cisreg.data")

# The IUPAC letters of nucleotides. All except A, C, G, T and U are read as an unknown base.
NUCLEOTIDES = "ACGTUNRYSWKMBDHV"
FOREIGN_LETTER = re.compile(f"[^{NUCLEOTIDES}{NUCLEOTIDES.lower()}]")
# Letters other than A, C, G, T, U, N. Column names such as "dna" consist of IUPAC letters too, but
# contain one of these.
FOREIGN_TO_MOST = re.compile("[^ACGTUNacgtun]")

EMPTY = "an empty sequence"
FOREIGN = "letters that are no nucleotide codes"
NO_NUMBER = "no finite number as expression"
NO_WEIGHT = "no finite number of 0 or more as weight"
NOT_MISSING = "a measurement that is neither a finite number nor missing"
# Indexed by the numbers of `_faults`; 0 is a usable row.
_REASONS = ("", EMPTY, FOREIGN, NO_NUMBER, NOT_MISSING, NO_WEIGHT)
# How files write, in letters of any case, that a measurement is missing.
_MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none", "-", ".")


@dataclass(frozen=True)
class Fault:
    """A line or record that is not a row or cannot be used.

    Attributes:
        place: "file:line".
        reason: the reason under which it is counted.
        message: what was expected, what came, and what to do.
    """

    place: str
    reason: str
    message: str


@dataclass(frozen=True)
class RawRows:
    """Rows as they were read from a file, not checked yet.

    Attributes:
        sequence: Arrow strings or bytes [n], 64-bit offsets, null for rows without one.
        expression: Arrow numbers or strings [n], one array for each measurement.
        weight: the same, or None if the file has none.
        place: returns the place of the row of an index, as "file:line".
        faults: lines or records that are not rows; the first of them is before these rows.
        name: Arrow strings or bytes [n], or None.
        extra: further columns by name, Arrow arrays [n].
        number: int64 [n], the line of text or row of Parquet that each row is; None: not known.
    """

    sequence: pa.Array
    expression: Sequence[pa.Array]
    weight: pa.Array | None
    place: Callable[[int], str]
    faults: Sequence[Fault] = field(default=())
    name: pa.Array | None = None
    extra: Mapping[str, pa.Array] = field(default_factory=dict)
    number: np.ndarray | None = None


def check_rows(
    raw: RawRows,
    unusable: Unusable,
    *,
    strict: bool,
    letters: bool = True,
    partly_measured: bool = False,
    exposure: bool = False,
) -> tuple[Rows, np.ndarray]:
    """Reads the numbers, finds the usable rows, and counts the others.

    Args:
        raw: the rows as they were read.
        unusable: counts of rows left out; those found here are added to it.
        strict: whether a row that cannot be used is an error.
        letters: whether to check the sequences too, not only the numbers.
        partly_measured: whether one of several measurements is enough; those that a row lacks are
            NaN. What is neither a number nor says that there is none, such as a word or infinity,
            still makes a row unusable.
        exposure: whether the others are relative to the first measurement, without which none of
            them is of use.

    Returns:
        (all rows, which of them are usable, bool [n]).

    Raises:
        ValueError: "file:line: expected …, got …; …" under strict.
    """
    expression = np.empty((len(raw.sequence), len(raw.expression)), np.float32)
    for column, numbers in enumerate(raw.expression):
        expression[:, column] = to_float32(numbers)
    weight = None if raw.weight is None else to_float32(raw.weight)
    unmeasured = _unmeasured(raw.expression, expression, partly_measured, exposure)
    faults = _faults(raw.sequence if letters else None, unmeasured, weight)
    wrong = np.flatnonzero(faults)
    if strict and raw.faults:
        raise ValueError(f"{raw.faults[0].place}: {raw.faults[0].message}")
    if strict and wrong.size:
        row = int(wrong[0])
        raise ValueError(f"{raw.place(row)}: {_message(raw, row, int(faults[row]))}")
    for fault in raw.faults:
        unusable.add(fault.reason, 1, fault.place)
    # Most blocks have no fault, so this loop is short.
    for number in np.unique(faults[wrong]).tolist():
        rows = wrong[faults[wrong] == number]
        reason = _REASONS[number]
        if reason == NO_NUMBER:
            reason = NO_NUMBER if partly_measured else no_number_among(len(raw.expression))
        unusable.add(reason, len(rows), raw.place(int(rows[0])))
    name = None if raw.name is None else to_text(raw.name)
    rows = Rows(raw.sequence, expression, weight, name, raw.extra, raw.place, raw.number)
    return rows, faults == 0


def no_number_among(measurements: int) -> str:
    """The reason under which rows are counted that lack one of so many measurements.

    Example:
        >>> no_number_among(1)
        'no finite number as expression'
        >>> no_number_among(2)
        'no finite number in at least one of the 2 columns of expression'
    """
    if measurements == 1:
        return NO_NUMBER
    return f"no finite number in at least one of the {measurements} columns of expression"


def usable_rows(
    raw: RawRows,
    unusable: Unusable,
    *,
    strict: bool,
    partly_measured: bool = False,
    exposure: bool = False,
) -> Rows:
    """The usable rows, with their sequences as text; see `check_rows`."""
    rows, usable = check_rows(
        raw, unusable, strict=strict, partly_measured=partly_measured, exposure=exposure
    )
    if not usable.all():
        rows = rows.take(np.flatnonzero(usable))
    return replace(rows, sequence=rows.sequence.cast(pa.large_string()))


def tell_gaps(called: str, count: int, measurements: int) -> None:
    """Logs how many rows lack some of their measurements, if any do."""
    if count:
        logger.info(
            "%s: %s rows lack some of the %d measurements; the others of these rows are used",
            *(called, f"{count:,}", measurements),
        )


def to_text(column: pa.Array) -> pa.Array:
    """A column as strings with 64-bit offsets; bytes that are not UTF-8 are replaced by U+FFFD.

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


def _unmeasured(
    columns: Sequence[pa.Array], expression: np.ndarray, partly_measured: bool, exposure: bool
) -> np.ndarray:
    """For each row the index in _REASONS of what its measurements lack, or 0; uint8 [n]."""
    lacking = np.isnan(expression)
    faults = np.zeros(len(expression), np.uint8)
    partly_measured = partly_measured and len(columns) > 1
    nothing = lacking.all(1) if partly_measured else lacking.any(1)
    if exposure and partly_measured:
        nothing |= lacking[:, 0] | lacking[:, 1:].all(1)
    faults[nothing] = _REASONS.index(NO_NUMBER)
    if partly_measured:
        for column, rows in zip(columns, lacking.T, strict=True):
            wrong = np.flatnonzero(rows & (faults == 0))
            wrong = wrong[~_says_missing(column.take(pa.array(wrong)))]
            faults[wrong] = _REASONS.index(NOT_MISSING)
    return faults


def _says_missing(column: pa.Array) -> np.ndarray:
    """Which fields, of those that are no finite numbers, are missing measurements, bool [n]."""
    if is_text(column.type):
        text = compute.utf8_lower(compute.utf8_trim_whitespace(to_text(column)))
        said = compute.is_in(text, pa.array(_MISSING, text.type))
    else:
        said = compute.is_null(column, nan_is_null=True)
    return said.to_numpy(zero_copy_only=False)


def _faults(
    sequence: pa.Array | None, unmeasured: np.ndarray, weight: np.ndarray | None
) -> np.ndarray:
    """For each row the index of the first of _REASONS that applies, or 0; uint8 [n]."""
    faults = np.zeros(len(unmeasured), np.uint8)
    if sequence is not None:
        faults = native_module().sequence_faults(*text_buffers(sequence))
        if sequence.null_count:
            faults[sequence.is_null().to_numpy(zero_copy_only=False)] = _REASONS.index(EMPTY)
    faults = np.where(faults, faults, unmeasured)
    if weight is not None:
        faults[(faults == 0) & ~(weight >= 0)] = _REASONS.index(NO_WEIGHT)
    return faults


def to_float32(column: pa.Array) -> np.ndarray:
    """Numbers or text as float32 [n]; NaN for anything that is not a finite float32 number.

    Example:
        >>> to_float32(pa.array(["1.5", "high", "1e99", None]))
        array([1.5, nan, nan, nan], dtype=float32)
    """
    if is_text(column.type):
        numbers = _parsed(column)
    else:
        numbers = compute.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.where(np.abs(numbers) <= LARGEST_FLOAT32, numbers, np.nan).astype(np.float32)


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
    """Raises ValueError if a sequence is not text, or a measurement or weight not a number.

    Args:
        name: name of the table, for errors.
        places: positions of the columns that are read.
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
    """The column as one array; text becomes bytes, since in Parquet it may not be UTF-8."""
    if is_text(column.type):
        # Offsets of 64 bits hold any number of bases.
        column = column.cast(pa.large_binary())
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def as_numbers(array: pa.Array) -> pa.Array:
    """A column of numbers; text bytes become strings again, without a check that they are UTF-8."""
    return array.view(pa.large_string()) if is_text(array.type) else array


def as_text(array: pa.Array) -> pa.Array:
    """A further column: text becomes strings, all other types stay unchanged."""
    return to_text(array) if is_text(array.type) else array


def _parsed(column: pa.Array) -> np.ndarray:
    try:
        trimmed = compute.ascii_trim_whitespace(column)
        return compute.cast(trimmed, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        # Arrow does not say which value is not a number, so try each one.
        texts = column.cast(pa.large_binary()).to_pylist()
        return np.array([_number(text) for text in texts], np.float64)


def _number(text: bytes | None) -> float:
    stripped = "" if text is None else text.strip().decode("utf-8", "replace")
    return float(stripped) if is_float(stripped) else np.nan


def _message(raw: RawRows, row: int, fault: int) -> str:
    """What was expected of a row, and what came."""
    reason = _REASONS[fault]
    todo = "correct or remove it"
    if reason == EMPTY:
        return f"expected a sequence, got none; {todo}"
    if reason == FOREIGN:
        text = raw.sequence[row].cast(pa.large_binary()).as_py().decode("utf-8", "replace")
        match = FOREIGN_LETTER.search(text)
        assert match is not None  # the native code found such a letter
        return (
            f"expected a sequence of nucleotide letters ({NUCLEOTIDES}), got {match.group()!r} at "
            f"base {match.start() + 1}; {todo}"
        )
    if reason == NO_WEIGHT:
        assert raw.weight is not None  # the only fault left is a wrong weight
        return (
            f"expected a finite number of 0 or more as weight, got {_value(raw.weight, row)}; "
            f"{todo}"
        )
    fields = [column.slice(row, 1) for column in raw.expression]
    lacking = [index for index, field in enumerate(fields) if np.isnan(to_float32(field))[0]]
    if reason == NOT_MISSING:
        wrong = next(index for index in lacking if not _says_missing(fields[index])[0])
        return (
            f"expected finite numbers, or an empty field or NA for a missing one, as expression, "
            f"got {_value(raw.expression[wrong], row)}; {todo}"
        )
    came = _value(raw.expression[lacking[0]], row)
    return f"expected a finite number as expression, got {came}; {todo}"


def _value(column: pa.Array, row: int) -> str:
    """A field as errors show it."""
    value = column[row]
    if is_text(column.type) and value.is_valid:
        text = value.cast(pa.large_binary()).as_py().decode("utf-8", "replace")
        return repr(text if len(text) <= 60 else f"{text[:60]}…")
    return "none" if not value.is_valid else str(value.as_py())
