"""Writes recipes as TOML text, so that a run can be repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from cisreg.recipes.reading import SCHEDULES
from cisreg.recipes.recipe import Recipe


def format_recipe(recipe: Recipe) -> str:
    """The recipe as TOML text, from which `read_recipe` makes an equal recipe.

    Example:
        >>> print(format_recipe(read_recipe("quick")))  # doctest: +SKIP
    """
    motifs = {"width": recipe.motif_width, "flank": recipe.motif_flank}
    top = ("validation", "precision", "standardize", *(["outputs"] if recipe.outputs else []))
    parts = ["".join(f"{name} = {_value(getattr(recipe, name))}\n" for name in top)]
    for name, table in (
        ("motifs", motifs),
        ("model", recipe.model),
        *([] if recipe.loss is None else [("loss", recipe.loss.to_dict())]),
        ("penalty", _changed(recipe.penalty)),
    ):
        parts.append(_table(f"[{name}]", table))
    parts += [_table("[[stage]]", _changed(stage)) for stage in recipe.stages]
    parts += [_table("[[variant]]", variant) for variant in recipe.variants]
    return "\n".join(parts)


def _changed(value: Any) -> dict[str, Any]:
    """The fields of a dataclass that differ from their defaults."""
    return {
        each.name: getattr(value, each.name)
        for each in fields(value)
        if getattr(value, each.name) != each.default
    }


def _table(heading: str, table: Mapping[str, Any]) -> str:
    lines = [f"{key} = {_value(value)}" for key, value in table.items() if value is not None]
    return "\n".join([heading, *lines]) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value, value)) + "]"
    if is_dataclass(value):
        names = {schedule: name for name, schedule in SCHEDULES.items()}
        name = names.get(type(value))
        table = ({"name": name} if name else {}) | _changed(value)
        return "{ " + ", ".join(f"{key} = {_value(each)}" for key, each in table.items()) + " }"
    # Numbers, booleans and text are written the same way in JSON and TOML.
    return json.dumps(value)
