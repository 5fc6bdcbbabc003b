"""Folds from the values of a column: which rows to train on, and which to hold out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

# Sides of a row. Rows of a test set are used neither for training nor for validation.
TRAINING, HELD_OUT, NEITHER = 0, 1, 2

_NAMES = {
    "train": TRAINING,
    "training": TRAINING,
    "validation": HELD_OUT,
    "valid": HELD_OUT,
    "val": HELD_OUT,
    "dev": HELD_OUT,
    "test": NEITHER,
    "testing": NEITHER,
}
_MOST_FOLDS = 1000
_LISTED = 8


def fold_sides(values: pa.Array, fold: str | int | None) -> np.ndarray:
    """The side of every row.

    Args:
        values: Arrow strings [N].
        fold: the value whose rows are held out; all others are for training. None: the values are
            "train", "validation" and "test" (or training, valid, val, dev, testing), in upper or
            lower case.

    Returns:
        uint8 [N]: TRAINING, HELD_OUT or NEITHER.

    Raises:
        ValueError: the values do not say which rows are held out, or one of the sides has no row;
            the message lists the values.

    Example:
        >>> fold_sides(pa.array(["1", "2", "1"], pa.large_string()), 2).tolist()
        [0, 1, 0]
    """
    return sides_of(values, sides_by_value(rows_by_value(values), fold))


def rows_by_value(values: pa.Array) -> dict[str, int]:
    """How many rows have each value, in the order in which the values first occur."""
    found = values.dictionary_encode()
    rows = np.bincount(found.indices, minlength=len(found.dictionary))
    return dict(zip(found.dictionary.to_pylist(), rows.tolist(), strict=True))


def sides_of(values: pa.Array, side_of: Mapping[str, int]) -> np.ndarray:
    """The side of every row, uint8 [N], looked up by its value."""
    found = values.dictionary_encode()
    sides = np.array([side_of[name] for name in found.dictionary.to_pylist()], np.uint8)
    return sides[found.indices.to_numpy()]


def provisional_sides(values: pa.Array, fold: str | int | None) -> np.ndarray:
    """The side of every row of a part of the data; errors are left to a check of all rows."""
    names = rows_by_value(values)
    if fold is not None:
        wanted = str(fold).strip()
        return sides_of(values, {each: HELD_OUT if each == wanted else TRAINING for each in names})
    return sides_of(values, {each: _NAMES.get(each.strip().lower(), TRAINING) for each in names})


def sides_by_value(rows: Mapping[str, int], fold: str | int | None) -> dict[str, int]:
    """The side of each value; `rows` is the number of rows by value. See `fold_sides`."""
    if len(rows) > _MOST_FOLDS:
        raise ValueError(
            f"folds: expected {_MOST_FOLDS} different values at most, got {len(rows)}; a column "
            "whose rows are to stay together is one of groups"
        )
    if fold is not None:
        wanted = str(fold).strip()
        if any(not value.strip() for value in rows):
            raise ValueError(
                f"folds: expected a value in every row, got {_listed(rows)}; give each a fold, or "
                "leave these rows out"
            )
        if wanted not in rows:
            raise ValueError(f"fold: expected one of {_listed(rows)}, got {wanted}")
        sides = {value: HELD_OUT if value == wanted else TRAINING for value in rows}
    else:
        foreign = [value for value in rows if value.strip().lower() not in _NAMES]
        if foreign:
            raise ValueError(
                f"folds: expected train, validation and test, got {_listed(rows)}; where these are "
                "folds, say which one is held out with --fold, in Python fold="
            )
        sides = {value: _NAMES[value.strip().lower()] for value in rows}
    for side, what in ((TRAINING, "to train on"), (HELD_OUT, "to hold out")):
        if side not in sides.values():
            raise ValueError(
                f"folds: expected rows {what}, got {_listed(rows)}; say which value's rows "
                "are held out with --fold, in Python fold="
            )
    return sides


def _listed(rows: Mapping[str, int]) -> str:
    """The values with their numbers of rows; only a few of them if there are many."""
    names = [f"{value.strip() or 'no value'} ({count:,} rows)" for value, count in rows.items()]
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
