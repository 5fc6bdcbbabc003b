"""Finds the column of each role in a table: given by the caller, or found by its name.

A column is never chosen by its position. If a role is not clear, an error lists the columns and
says how to choose one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Literal

from cisreg.data.formats.known_tables import KnownTable, known_table, marks_parts, plain_name
from cisreg.data.formats.rows import Column, Columns, Counted
from cisreg.number_text import is_float

SEQUENCE_NAMES = (
    *("sequence", "sequences", "seq", "dna", "dna_sequence", "nucleotide_sequence"),
    *("promoter_sequence", "enhancer_sequence", "oligo_sequence"),
)
EXPRESSION_NAMES = ("expression", "mean_expression", "expression_mean", "measured_expression")
WEIGHT_NAMES = ("weight",)
# In order of preference. A choice among several is harmless: names do not affect any number.
RECORD_NAMES = (
    *("name", "id", "sequence_name", "sequence_id", "seq_name", "seq_id", "record"),
    *("identifier", "accession", "oligo_name"),
)
_NUMBERED = re.compile(r"expression_[0-9]+")
# Names of columns that are an index; pandas writes the first three.
_INDEX = re.compile(r"|unnamed:_[0-9]+|__index_level_[0-9]+__|index|row|row_number|rank")

# Text that stands for a missing number in tables.
MISSING = ("", "-", ".", "na", "n/a", "nan", "null", "none", "inf", "+inf", "-inf", "<na>")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?")
_NUCLEOTIDES = re.compile("[ACGTUNRYSWKMBDHVacgtunryswkmbdhv]+")
_PLAIN = re.compile("[ACGTUNacgtun]")
# Of two columns that look like sequences, one is the sequence if it has at least this many times
# the bases of the other.
_CLEARLY_MORE = 4
_SHOWN = 24
# For errors: what one of two columns must clearly hold, so that both roles are clear.
_CLEAR = {
    "sequence": "sequences",
    "expression": "sequences and the other one numbers",
    "weight": "sequences",
    "name": "numbers",
}

Kind = Literal["number", "sequence", "text", "none"]
# What identifies the rows of a table: sequences, or names of records.
Key = Literal["sequence", "name"]


@dataclass(frozen=True)
class TableStart:
    """The beginning of a table.

    Attributes:
        place: "file" or "file:line", for errors.
        names: names of all columns, or None if the file does not name them.
        count: number of columns.
        values: returns the first values of a column as text; "" for a missing value.
        hint: text to add to an error about the columns.
        option: the option with which the caller chooses the column of a role, for errors.
    """

    place: str
    names: tuple[str, ...] | None
    count: int
    values: Callable[[int], Sequence[str]]
    hint: str = ""
    option: str = "--{role}-column NAME|NUMBER, in Python columns=Columns({role}=...)"

    def kind(self, column: int) -> Kind:
        """What most of the first values of a column look like."""
        return kind_of(self.values(column))

    def label(self, column: int) -> Column:
        """A column's name if it is unique, else its position."""
        names = self.names
        once = names is not None and names.count(names[column]) == 1
        return names[column] if once and names is not None else column

    def described(self) -> str:
        """All columns, each with a value, for errors."""
        return ", ".join(map(self._described, range(self.count))) or "no columns"

    def known(self) -> KnownTable | None:
        """What is known of the columns from where the table comes; None if nothing is.

        Values must agree with the names: a table of MAVE-NN that has proteins is none of sequences.
        """
        found = known_table(self.names)
        if found is None or found.parts is None:
            return found
        agree = marks_parts(self.values(found.parts))
        is_sequence = found.sequence is None or self.kind(found.sequence) == "sequence"
        return found if agree and is_sequence else None

    def unread_parts(self, places: Places) -> Column | None:
        """The column that marks the rows of training, validation and test, if it is not read."""
        known = self.known()
        if known is None or known.parts is None or known.parts in places.all:
            return None
        return self.label(known.parts)

    def _described(self, column: int) -> str:
        value = next((each for each in self.values(column) if each), "")
        value = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
        name = f"column {column + 1}" if self.names is None else repr(self.names[column])
        return f"{name} ({value})" if value else f"{name} (empty)"


@dataclass(frozen=True)
class Places:
    """Positions of the columns that are read, from 0.

    Attributes:
        key: position of the sequence; in a table of measurements, of the name.
        expression: one position for each measurement.
        weight: position of the weight, or None.
        name: position of the names of sequences, or None.
        extra: positions of further columns.
        names: names of the measurements.
        extra_names: names of the further columns.
    """

    key: int
    expression: tuple[int, ...]
    weight: int | None
    name: int | None
    extra: tuple[int, ...]
    names: tuple[str, ...]
    extra_names: tuple[str, ...]

    @property
    def all(self) -> tuple[int, ...]:
        """Every position once: key, expression, weight and name, then further columns."""
        single = tuple(each for each in (self.weight, self.name) if each is not None)
        return tuple(dict.fromkeys((self.key, *self.expression, *single, *self.extra)))


def kind_of(values: Iterable[str]) -> Kind:
    """What most of the values look like; "none" if all are missing.

    Example:
        >>> kind_of(["ACGT", "TTN"]), kind_of(["1.5", "NA"]), kind_of(["high"]), kind_of([""])
        ('sequence', 'number', 'text', 'none')
    """
    given = [each.strip() for each in values if each.strip().lower() not in MISSING]
    numbers = sum(is_number(each) for each in given)
    bases = sum(count_bases(each) > 0 for each in given)
    if not given:
        return "none"
    if numbers and numbers >= bases:
        return "number"
    return "sequence" if bases else "text"


def is_number(text: str) -> bool:
    """Whether a field is a number, with a decimal point or a decimal comma."""
    return is_float(text.replace(",", ".", 1))


def has_decimal_comma(text: str) -> bool:
    """Whether a field is a number with a decimal comma."""
    return _DECIMAL_COMMA.fullmatch(text) is not None


def count_bases(text: str) -> int:
    """Number of letters if the field looks like a sequence (mostly A, C, G, T, U, N), else 0."""
    if text.lower() in MISSING or not _NUCLEOTIDES.fullmatch(text):
        return 0
    return len(text) if 2 * len(_PLAIN.findall(text)) >= len(text) else 0


def is_usual(name: str) -> bool:
    """Whether a column of this name has a role by default.

    Example:
        >>> is_usual("DNA sequence"), is_usual("promoter")
        (True, False)
    """
    usual = (*SEQUENCE_NAMES, *EXPRESSION_NAMES, *WEIGHT_NAMES, *RECORD_NAMES)
    return plain_name(name) in usual or _NUMBERED.fullmatch(plain_name(name)) is not None


def is_expression(name: str) -> bool:
    """Whether a column of this name is the expression by default.

    Example:
        >>> is_expression("Mean expression")
        True
    """
    return plain_name(name) in EXPRESSION_NAMES


def find_columns(start: TableStart, asked: Columns, key: Key = "sequence") -> Places:
    """Finds the columns of a table.

    Args:
        start: beginning of the table.
        asked: which columns to read.
        key: "name" for a table of measurements; `asked.name` is then the name of the record.

    Raises:
        ValueError: a column that is missing, or several possible ones; the message lists all
            columns.

    Example:
        >>> values = [["a"], ["5.5"], ["ACGT"]]
        >>> start = TableStart("x.tsv:1", ("id", "expression", "seq"), 3, values.__getitem__)
        >>> find_columns(start, Columns(name=True)).all
        (2, 1, 0)
    """
    # A column that the caller names is not used for a different role.
    taken = {_asked(start, each) for each in asked.roles}
    if key == "name":
        text = _asked(start, asked.name) if asked.name is not True else _find_record(start, taken)
    elif asked.sequence is not None:
        text = _asked(start, asked.sequence)
    else:
        text = _find_sequence(start, taken)
    taken.add(text)
    weight = _find_weight(start, asked.weight, taken)
    taken |= set() if weight is None else {weight}
    if asked.expression is None:
        expression = _find_counts(start, asked.counted, taken) or _find_expression(start, taken)
    else:
        expression = tuple(_asked(start, each) for each in asked.expression)
    taken |= set(expression)
    places = Places(
        *(text, expression, weight),
        _find_name(start, asked.name, taken) if key == "sequence" else None,
        (),
        _measurement_names(start, expression),
        (),
    )
    _check_apart(start, places, key)
    return _with_extra(start, places, asked.extra)


def resolved(start: TableStart, places: Places, key: Key = "sequence") -> Columns:
    """The columns that were found, by name if names are unique; for other files and for records."""

    def label(column: int | None) -> Column | bool:
        return False if column is None else start.label(column)

    own = start.label(places.key)
    return Columns(
        own if key == "sequence" else None,
        tuple(start.label(each) for each in places.expression),
        label(places.weight),
        own if key == "name" else label(places.name),
        tuple(start.label(each) for each in places.extra),
    )


class ColumnNameError(ValueError):
    """A table has no column, or several, of a name that was asked for."""


def _asked(start: TableStart, column: Column) -> int:
    """The position of a column that the caller names."""
    names = start.names
    if isinstance(column, str):
        found = [] if names is None else [i for i, each in enumerate(names) if each == column]
        if len(found) == 1:
            return found[0]
        listed = ", ".join(map(repr, names)) if names else f"{start.count} without names"
        raise ColumnNameError(
            f"{start.place}: expected one column named {column!r}, got {listed}"
            f"{'; give its position' if found else ''}"
        )
    if not 0 <= column < start.count:
        raise ValueError(
            f"{start.place}: expected a column at position {column}, counted from 0 (on the "
            f"command line {column + 1}), got {start.count} column(s); those of text are separated "
            "by tabs, commas or semicolons"
        )
    return column


def _find_sequence(start: TableStart, taken: Set[int]) -> int:
    named = _named(start, SEQUENCE_NAMES, taken)
    known = start.known()
    if known is not None and known.sequence is not None and known.sequence not in taken:
        named.append(known.sequence)
    if len(named) > 1:
        # If "sequence" holds numbers and "seq" letters, the former is a running number.
        named = [each for each in named if start.kind(each) == "sequence"] or named
    if len(named) == 1:
        return named[0]
    if start.count == 1:
        return 0
    if not named and start.count == 2:
        bases = [sum(map(count_bases, start.values(each))) for each in (0, 1)]
        kinds = [start.kind(each) for each in (0, 1)]
        for one, other in ((0, 1), (1, 0)):
            more = bases[one] >= _CLEARLY_MORE * bases[other]
            if kinds[one] == "sequence" and (kinds[other] != "sequence" or more):
                return one
    raise _unclear(start, "sequence", SEQUENCE_NAMES)


def _find_record(start: TableStart, taken: Set[int]) -> int:
    """The column of the names in a table of measurements."""
    named = _named(start, RECORD_NAMES, taken)
    if len(named) > 1:
        best = [each for each in named if plain_name(_name(start, each)) == RECORD_NAMES[0]]
        named = best or named
    if len(named) == 1:
        return named[0]
    left = [each for each in range(start.count) if each not in taken]
    if not named and len(left) == 1:
        return left[0]
    if not named and start.count == 2:
        numbers = [each for each in (0, 1) if start.kind(each) in ("number", "none")]
        if len(numbers) == 1:
            return 1 - numbers[0]
    raise _unclear(start, "name", RECORD_NAMES)


def _find_weight(start: TableStart, asked: Column | bool, taken: Set[int]) -> int | None:
    if not isinstance(asked, bool):
        return _asked(start, asked)
    named = _named(start, WEIGHT_NAMES, taken) if asked else []
    if len(named) > 1:
        raise _unclear(start, "weight", WEIGHT_NAMES)
    return named[0] if named else None


def _find_counts(start: TableStart, counted: Counted | None, taken: Set[int]) -> tuple[int, ...]:
    """The counts of a known table, if they are asked for and no other role has them."""
    known = start.known()
    if known is None or counted is None:
        return ()
    found = known.bins if counted == "bins" else known.exposure
    return () if taken & set(found) else found


def _find_expression(start: TableStart, taken: Set[int]) -> tuple[int, ...]:
    named = _named(start, EXPRESSION_NAMES, taken)
    known = start.known()
    if known is not None and known.expression is not None and known.expression not in taken:
        named.append(known.expression)
    numbered = [each for each in _numbered(start) if each not in taken]
    if len(named) == 1 and not numbered:
        return tuple(named)
    if numbered and not named:
        return tuple(numbered)
    left = [each for each in range(start.count) if each not in taken]
    measured = [each for each in left if start.kind(each) in ("number", "none")]
    if start.names is None and start.count == 2:
        # Take the other column. If it holds no numbers, every row is reported as unusable.
        return tuple(left)
    if not named and not measured:
        return ()
    if not named and start.count == 2 and not any(_counts(start, each) for each in measured):
        return tuple(measured)
    raise _unclear(start, "expression", EXPRESSION_NAMES)


def _find_name(start: TableStart, asked: Column | bool, taken: Set[int]) -> int | None:
    if not isinstance(asked, bool):
        return _asked(start, asked)
    named = _named(start, RECORD_NAMES, taken) if asked else []
    ranks = {each: RECORD_NAMES.index(plain_name(_name(start, each))) for each in named}
    return min(named, key=ranks.__getitem__, default=None)


def _with_extra(
    start: TableStart, places: Places, extra: tuple[Column, ...] | Literal[True]
) -> Places:
    if extra is True:
        found = tuple(each for each in range(start.count) if each not in places.all)
    else:
        found = tuple(_asked(start, each) for each in extra)
    names = tuple(_name(start, each) for each in found)
    if len(set(names)) < len(names):
        raise ValueError(
            f"{start.place}: expected further columns of different names, got "
            f"{', '.join(map(repr, names))}; ask for each once"
        )
    fields = vars(places) | {"extra": found, "extra_names": names}
    return Places(**fields)


def _named(start: TableStart, usual: Sequence[str], taken: Set[int]) -> list[int]:
    """The columns with one of these names that do not have a role yet."""
    names = enumerate(start.names or ())
    return [i for i, name in names if plain_name(name) in usual and i not in taken]


def _numbered(start: TableStart) -> list[int]:
    return [i for i, name in enumerate(start.names or ()) if _NUMBERED.fullmatch(plain_name(name))]


def _counts(start: TableStart, column: int) -> bool:
    """Whether a column is, by its name, an index or the names of sequences."""
    name = "" if start.names is None else plain_name(start.names[column])
    return start.names is not None and (name in RECORD_NAMES or bool(_INDEX.fullmatch(name)))


def _name(start: TableStart, column: int) -> str:
    return f"column_{column + 1}" if start.names is None else start.names[column]


def _measurement_names(start: TableStart, expression: tuple[int, ...]) -> tuple[str, ...]:
    if start.names is not None:
        return tuple(start.names[column] for column in expression)
    if len(expression) == 1:
        return ("expression",)
    return tuple(f"expression_{number}" for number in range(1, len(expression) + 1))


def _unclear(start: TableStart, role: str, usual: Sequence[str]) -> ValueError:
    """The error for a role that no column has, or several could have."""
    known = start.known()
    return ValueError(
        f"{start.place}: expected one column named {usual[0]}, or two columns of which one clearly "
        f"has {_CLEAR[role]}, got {start.described()}; say which is the {role} with "
        f"{start.option.format(role=role)}{start.hint}{known.advice if known else ''}"
    )


def _check_apart(start: TableStart, places: Places, key: Key) -> None:
    positions = [places.key, *places.expression]
    roles = [key, *["expression"] * len(places.expression)]
    for role, position in (("weight", places.weight), ("name", places.name)):
        if position is not None:
            positions.append(position)
            roles.append(role)
    if len(set(positions)) < len(positions):
        listed = ", ".join(
            f"{start.label(each)!r} as {role}" for each, role in zip(positions, roles, strict=True)
        )
        raise ValueError(
            f"{start.place}: expected another column for each role, got {listed}; say which with "
            "columns"
        )
