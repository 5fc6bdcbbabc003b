"""Which columns of a table hold what, where nobody said so, and where they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cisreg.data.formats.rows import Columns

_NUMBERED = re.compile(r"expression_[0-9]+")


@dataclass(frozen=True)
class Places:
    """Positions of the columns in a file, from 0.

    Attributes:
        sequence: of the text of the sequence.
        expression: one for each measurement.
        weight: of the weight, or None.
        names: of those of the expression, for people.
    """

    sequence: int
    expression: tuple[int, ...]
    weight: int | None
    names: tuple[str, ...]

    @property
    def all(self) -> tuple[int, ...]:
        """Every position, in the order sequence, expression, weight."""
        weight = () if self.weight is None else (self.weight,)
        return (self.sequence, *self.expression, *weight)


def default_columns(place: str, names: Sequence[str], *, key: str = "sequence") -> Columns:
    """The columns by their names, as far as they have those that are usual, else by position.

    Args:
        place: of the names, for errors.
        names: of all columns, in their order.
        key: the name of the first one, in lower case.

    Returns:
        The column named `key`, else the first one; those named "expression", else "expression_1",
        "expression_2" and so on, else the second one (the first one where the second is the key's),
        none where there is no other; the one named "weight", or none. Case does not matter.

    Raises:
        ValueError: two columns of one of these names.

    Example:
        >>> default_columns("x.tsv:1", ["Expression", "id", "sequence"])
        Columns(sequence='sequence', expression=('Expression',), weight=None)
    """
    sequence = _named(place, names, key)
    expression = _named(place, names, "expression")
    weight = _named(place, names, "weight")
    numbered = tuple(name for name in names if _NUMBERED.fullmatch(name.lower()))
    found: tuple[int | str, ...] = numbered
    if expression is not None:
        found = (expression,)
    if not found:
        taken = [names.index(name) for name in (sequence, weight) if name is not None]
        taken += [0] if sequence is None else []
        found = tuple(position for position in (1, 0) if position not in taken)[:1]
        found = tuple(position for position in found if position < len(names))
    return Columns(0 if sequence is None else sequence, found, weight)


def _named(place: str, names: Sequence[str], wanted: str) -> str | None:
    matches = [name for name in names if name.lower() == wanted]
    if len(matches) > 1:
        raise ValueError(
            f"{place}: expected one column named {wanted!r}, got "
            f"{' and '.join(map(repr, matches))}; say which with columns"
        )
    return matches[0] if matches else None


def has_usual_names(names: Sequence[str], *, key: str = "sequence") -> bool:
    """Whether any of these is a name that `default_columns` looks for.

    Example:
        >>> has_usual_names(["promoter", "Expression"])
        True
    """
    usual = {key, "expression", "weight"}
    return any(name.lower() in usual or _NUMBERED.fullmatch(name.lower()) for name in names)


def find_places(place: str, columns: Columns, names: Sequence[str] | None, count: int) -> Places:
    """Where the columns are in a file.

    Args:
        place: of the names, for errors.
        columns: which are wanted.
        names: of all columns, or None where the file does not name them.
        count: of all columns.

    Raises:
        ValueError: one of them is not there, or there twice, or two of them are the same.

    Example:
        >>> find_places("x.tsv:1", Columns("dna", (0,)), ["level", "dna"], 2).all
        (1, 0)
    """
    sequence = _position(place, columns.sequence, names, count)
    expression = tuple(_position(place, each, names, count) for each in columns.expression)
    weight = None
    if columns.weight is not None:
        weight = _position(place, columns.weight, names, count)
    places = Places(sequence, expression, weight, _expression_names(expression, names))
    if len(set(places.all)) < len(places.all):
        raise ValueError(
            f"{place}: expected another column for each role, got "
            f"{_listed_roles(places, names)}; say which with columns"
        )
    return places


def _listed_roles(places: Places, names: Sequence[str] | None) -> str:
    roles = ["sequence", *["expression"] * len(places.expression), "weight"]
    columns = [f"position {each}" if names is None else repr(names[each]) for each in places.all]
    return ", ".join(f"{each} as {role}" for each, role in zip(columns, roles, strict=False))


def _expression_names(expression: tuple[int, ...], names: Sequence[str] | None) -> tuple[str, ...]:
    if names is not None:
        return tuple(names[position] for position in expression)
    if len(expression) == 1:
        return ("expression",)
    return tuple(f"expression_{number}" for number in range(1, len(expression) + 1))


def _position(place: str, column: int | str, names: Sequence[str] | None, count: int) -> int:
    if isinstance(column, str):
        found = [] if names is None else [i for i, name in enumerate(names) if name == column]
        if len(found) != 1:
            listed = ", ".join(map(repr, names)) if names else f"{count} without names"
            raise ValueError(
                f"{place}: expected one column named {column!r}, got {listed}"
                f"{'; give its position' if found else ''}"
            )
        return found[0]
    if not 0 <= column < count:
        raise ValueError(
            f"{place}: expected a column at position {column}, counted from 0, got {count} "
            "column(s); those of text are separated by tabs or commas"
        )
    return column
