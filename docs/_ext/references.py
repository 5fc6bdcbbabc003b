"""Links from docstrings: `cisreg.train` leads to its description, and a wrong name is a warning."""

from __future__ import annotations

import importlib
import re
from functools import cache
from typing import Any

from docutils import nodes
from page_links import link_pages
from public_names import bare_names, documented_name
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

_DOTTED = re.compile(r"cisreg(\.\w+)+")


@cache
def find(name: str) -> Any:
    """The object of a dotted name, or None."""
    words = name.split(".")
    for end in range(len(words), 0, -1):
        try:
            found = importlib.import_module(".".join(words[:end]))
        except ImportError:
            continue
        for word in words[end:]:
            try:
                found = getattr(found, word)
            except AttributeError:
                annotations = getattr(found, "__annotations__", {})
                return annotations.get(word)
        return found
    return None


class CodeRole(SphinxRole):
    """What stands in single backticks: a link if it is a name of cisreg, else code."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """The nodes of the text."""
        literal = nodes.literal(self.rawtext, self.text)
        target = self.text.partition("(")[0]
        first, dot, rest = target.partition(".")
        if first in bare_names():
            target = bare_names()[first] + dot + rest
        if not _DOTTED.fullmatch(target):
            return [literal], []
        reference = pending_xref(
            self.rawtext,
            literal,
            refdomain="py",
            reftype="obj",
            reftarget=target,
            refdoc=self.env.docname,
            refwarn=True,
        )
        self.set_source_info(reference)
        return [reference], []


def resolve(app: Sphinx, env: Any, node: pending_xref, content: nodes.Element) -> Any:
    """Follows names that are public in several places, and lets names of other packages be."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    if not target.startswith("cisreg."):
        is_annotation = node.get("reftype") in ("class", "exc", "obj")
        return content if is_annotation else None
    found = find(target)
    if found is None:
        return None
    known = documented_name(found, target)
    domain = env.domains["py"]
    for wanted in (known, target):
        if wanted and wanted in domain.objects:
            return domain.resolve_xref(
                env, node["refdoc"], app.builder, "obj", wanted, node, content
            )
    return content


def link_docstring(
    app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]
) -> None:
    """Makes links of the pages that a docstring names."""
    lines[:] = [link_pages(line) for line in lines]


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the role of single backticks and the resolver."""
    app.add_role("cisreg-code", CodeRole())
    app.config.default_role = "cisreg-code"
    app.connect("missing-reference", resolve)
    app.connect("autodoc-process-docstring", link_docstring)
    return {"parallel_read_safe": True}
