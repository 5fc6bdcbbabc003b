"""Writes the pages of the reference that come from the code, before the site is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from api_pages import api_pages
from command_pages import command_pages
from recipe_pages import recipe_pages
from sphinx.application import Sphinx

_ALIAS = re.compile(r"TypeAliasForwardRef\('([\w.]+)'\)")


def write_pages(app: Sphinx) -> None:
    """Writes what changed, and removes pages of what is gone."""
    made = {"api": api_pages(), "commands": command_pages(), "recipes": recipe_pages()}
    for folder, pages in made.items():
        target = Path(app.srcdir, "reference", folder)
        for page in target.glob("*.rst"):
            if page.stem not in pages:
                page.unlink()
        for name, text in pages.items():
            page = target / f"{name}.rst"
            if not page.exists() or page.read_text(encoding="utf-8") != text:
                page.write_text(text, encoding="utf-8")


def skip_fields(
    app: Sphinx, what: str, name: str, value: Any, skip: bool, options: Any
) -> bool | None:
    """Leaves out the fields of named tuples, which their class describes."""
    return True if type(value).__name__ == "_tuplegetter" else None


def short_types(
    app: Sphinx, what: str, name: str, value: Any, options: Any, signature: str, returned: str
) -> tuple[str | None, str | None]:
    """Writes aliases of types in unions by their names alone, such as ArrayLike."""
    return tuple(text and _ALIAS.sub(r"\1", text) for text in (signature, returned))


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the step before the build."""
    app.connect("builder-inited", write_pages)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("autodoc-process-signature", short_types)
    return {"parallel_read_safe": True}
