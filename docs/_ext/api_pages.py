"""Pages of the API: each public module, with a table of its names and their descriptions."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

from public_names import PublicName, public_modules, public_names

import cisreg


def api_pages() -> dict[str, str]:
    """The reStructuredText of each module's page, by the module's name."""
    return {module: "".join(_page(module)) for module in public_modules()}


def _page(module: str) -> Iterator[str]:
    loaded = importlib.import_module(module)
    names = [each for each in public_names() if each.module == module]
    yield f"{module}\n{'=' * len(module)}\n\n"
    if not callable(getattr(cisreg, module.rpartition(".")[2], None)):
        yield f".. py:module:: {module}\n   :no-index-entry:\n\n"
    yield f"{inspect.getdoc(loaded)}\n\n"
    yield ".. list-table::\n   :widths: 35 65\n\n"
    for each in names:
        yield f"   * - :py:obj:`{each.name} <{each.home}.{each.name}>`\n"
        yield f"     - {_first_sentence(each.value)}\n"
    yield "\n"
    for each in names:
        if each.home == module:
            yield _description(each)


def _first_sentence(value: Any) -> str:
    text = " ".join((_own_doc(value) or "").split("\n\n")[0].split())
    return re.split(r"(?<=[.:]) (?=[A-Z])", text)[0]


def _own_doc(value: Any) -> str | None:
    is_described = inspect.isclass(value) or inspect.isroutine(value)
    return inspect.getdoc(value) if is_described else None


def _description(each: PublicName) -> str:
    full = f"{each.module}.{each.name}"
    if inspect.isclass(each.value):
        bases = each.value.__mro__[1:]
        foreign = [base.__name__ for base in bases if not base.__module__.startswith("cisreg.")]
        inherited = f"   :inherited-members: {', '.join(foreign)}\n"
        return f".. autoclass:: {full}\n   :members:\n{inherited}\n"
    if inspect.isroutine(each.value):
        return f".. autofunction:: {full}\n\n"
    return f".. autodata:: {full}\n\n"
