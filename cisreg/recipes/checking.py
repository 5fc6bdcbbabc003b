"""Checks the types of values in a recipe's file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from cisreg.recipes.recipe import check_keys

_EXPECTED = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "text",
    tuple: "a list of texts",
    list: "a list of tables, each under [[stage]]",
}


def check_types(place: str, table: Any, hints: Mapping[str, Any]) -> None:
    """Raises ValueError that names `place` and key where `table` does not go by `hints`."""
    if not isinstance(table, Mapping):
        raise ValueError(f"{place}: expected a table, got {table!r}")
    check_keys(place, table, tuple(hints))
    for key, value in table.items():
        check_value(f"{place}: {key}", value, hints[key])


def check_value(place: str, value: Any, hint: Any) -> None:
    """Raises ValueError that names `place` where `value` is not what the type hint asks for.

    Other hints, such as the classes of schedules, are not checked here.
    """
    kind = _kind(hint)
    if kind in _EXPECTED and not _fits(value, kind):
        raise ValueError(f"{place}: expected {_EXPECTED[kind]}, got {value!r}")


def _kind(hint: Any) -> Any:
    """The plain type behind an optional, literal or generic one."""
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
    # In Python a boolean is an integer, in TOML it is not.
    return isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
