"""The page of the keys of recipes, from the classes that read them."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

from page_links import link_pages

from cisreg.losses import Penalty
from cisreg.losses.named import NOISES
from cisreg.recipes.reading import SCHEDULES
from cisreg.recipes.recipe import SIZES, Recipe
from cisreg.spec import ModelSpec
from cisreg.training.stages import Stage

_ENTRY = re.compile(r"^    (\w[\w, ]*): (.+?)(?=^    \w|\Z|^\w)", re.MULTILINE | re.DOTALL)
_WORDS = {bool: "true or false", int: "integer", float: "number", str: "text", tuple: "texts"}


def recipe_pages() -> dict[str, str]:
    """The reStructuredText of the page, by its name."""
    return {"keys": "".join(_page())}


def _page() -> Iterator[str]:
    yield "Keys of a recipe\n================\n\n"
    yield "A key that is not given has its default. Unknown keys are an error.\n\n"
    top = {name: name for name in ("validation", "precision", "standardize", "outputs")}
    yield _table("Before the first table", Recipe, top)
    yield _table("[motifs]", Recipe, {"width": "motif_width", "flank": "motif_flank"})
    layers = [each.name for each in dataclasses.fields(ModelSpec) if each.name not in SIZES]
    yield _table("[model]", ModelSpec, {name: name for name in layers})
    yield _title("[loss]")
    yield 'Its ``name`` is ``"squared_error"`` (the default) or that of a noise model. Its numbers '
    yield "are trained where they are not given.\n\n"
    for name, noise in NOISES.items():
        yield _table(f'[loss] name = "{name}"', noise, _fields(noise))
    yield _table("[penalty]", Penalty, _fields(Penalty))
    yield _table("[[stage]]", Stage, _fields(Stage))
    yield _title("[[variant]]") + "Keys of ``[model]``, but for those of constant ends.\n\n"
    for name, schedule in SCHEDULES.items():
        title = f'schedule = {{ name = "{name}", ... }}'
        yield _title(title) + (inspect.getdoc(schedule) or "").split("\n")[0] + "\n\n"
        if dataclasses.fields(schedule):
            yield _rows(schedule, _fields(schedule))


def _fields(kind: Any) -> dict[str, str]:
    return {each.name: each.name for each in dataclasses.fields(kind)}


def _title(text: str) -> str:
    return f"{text}\n{'-' * len(text)}\n\n"


def _table(title: str, kind: Any, keys: Mapping[str, str]) -> str:
    return _title(title) + _rows(kind, keys)


def _rows(kind: Any, keys: Mapping[str, str]) -> str:
    said, hints = _attributes(kind), get_type_hints(kind)
    defaults = {each.name: each for each in dataclasses.fields(kind)}
    text = ".. list-table::\n   :header-rows: 1\n   :widths: 20 25 55\n\n"
    text += "   * - key\n     - value, default\n     - meaning\n"
    for key, field in keys.items():
        value = f"{_value(hints[field])}; {_default(defaults[field])}"
        text += f"   * - ``{key}``\n     - {value}\n     - {said[field]}\n"
    return text + "\n"


def _attributes(kind: Any) -> dict[str, str]:
    """What the docstring of a class says of its attributes."""
    _, _, section = (inspect.getdoc(kind) or "").partition("Attributes:\n")
    found = {}
    for names, text in _ENTRY.findall(section.split("\n\n")[0] + "\n"):
        for name in names.split(", "):
            found[name] = link_pages(" ".join(text.split()))
    return found


def _value(hint: Any) -> str:
    kinds = [each for each in get_args(hint) if each is not type(None)]
    if get_origin(hint) is Literal:
        return ", ".join(f'``"{each}"``' for each in kinds)
    if type(None) in get_args(hint):
        return _value(kinds[0])
    if get_origin(hint) is tuple and float in get_args(hint):
        return "numbers"
    kind = get_origin(hint) or hint
    return _WORDS.get(kind, "a table")


def _default(field: Any) -> str:
    if field.default is None:
        return "none"
    if isinstance(field.default, bool):
        return f"``{str(field.default).lower()}``"
    if field.default is not dataclasses.MISSING:
        quoted = f'"{field.default}"' if isinstance(field.default, str) else field.default
        return f"``{quoted}``"
    return "required" if field.default_factory is dataclasses.MISSING else "none"
