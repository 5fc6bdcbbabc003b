"""The public names of cisreg: where each of them is described."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from functools import cache
from typing import Any

import cisreg


@dataclass(frozen=True)
class PublicName:
    """A public name, the object, and the module whose page describes it."""

    module: str
    name: str
    value: Any
    home: str


def public_modules() -> list[str]:
    """Full names of the package and of its modules with public names."""
    # A function has the name of the last one, which `dir` lists as a name of the package.
    inner = set(dir(cisreg)) - {*cisreg.__all__, "__version__"} | {"scan"}
    return ["cisreg", *(f"cisreg.{name}" for name in sorted(inner))]


@cache
def public_names() -> tuple[PublicName, ...]:
    """All of them; what is public in several modules is described in the first."""
    homes: dict[tuple[str, int], str] = {}
    found = []
    for module in public_modules():
        loaded = importlib.import_module(module)
        for name in getattr(loaded, "__all__", ()):
            value = getattr(loaded, name)
            home = homes.setdefault((name, id(value)), module)
            found.append(PublicName(module, name, value, home))
    return tuple(found)


@cache
def bare_names() -> dict[str, str]:
    """Full names by names that can be meant alone in a docstring: classes, and longer functions."""
    found = {}
    for each in reversed(public_names()):
        if inspect.isclass(each.value) or (inspect.isroutine(each.value) and "_" in each.name):
            found[each.name] = f"{each.home}.{each.name}"
    return found


def documented_name(value: Any, asked: str) -> str | None:
    """The name under which an object of cisreg, or the attribute of one, is described."""
    for each in public_names():
        if each.value is value:
            return f"{each.home}.{each.name}"
    owner, _, attribute = asked.rpartition(".")
    for each in public_names():
        if inspect.isclass(each.value) and owner.rpartition(".")[2] == each.name:
            return f"{each.home}.{each.name}.{attribute}"
    return None
