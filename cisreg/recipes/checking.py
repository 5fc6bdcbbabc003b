"""Checks the types of values in the file of a recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from cisreg.recipes.recipe import check_keys

_EXPECTED = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "text",
    tuple: "a list of texts",
    list: "a list of tables, such as those under [[stage]]",
}


def check_types(place: str, table: Any, hints: Mapping[str, Any]) -> None:
    """Raises ValueError, with `place` and key, if a value in `table` does not fit `hints`."""
    if not isinstance(table, Mapping):
        raise ValueError(f"{place}: expected a table, got {table!r}")
    check_keys(place, table, tuple(hints))
    for key, value in table.items():
        check_value(f"{place}: {key}", value, hints[key])


def check_value(place: str, value: Any, hint: Any) -> None:
    """Raises ValueError, with `place`, if `value` does not have the type of the hint.

    Types that TOML does not have, such as schedules, are not checked here.
    """
    kind = _kind(hint)
    if kind in _EXPECTED and not _fits(value, kind):
        raise ValueError(f"{place}: expected {_EXPECTED[kind]}, got {value!r}")
    # TOML has nan and inf.
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{place}: expected a finite number, got {value!r}")


def _kind(hint: Any) -> Any:
    """The plain type of an optional, literal or generic hint."""
    kinds = [each for each in get_args(hint) if each is not type(None)]
    if type(None) in get_args(hint):
        return _kind(kinds[0])
    if get_origin(hint) is Literal:
        return str
    return get_origin(hint) or hint


def _fits(value: Any, kind: type) -> bool:
    if kind is tuple:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if kind is list:
        return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)
    if kind is float:
        kind = int if isinstance(value, int) else float
    # A boolean is an integer in Python, but not in TOML.
    return isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
