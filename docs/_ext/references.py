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
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxRole

_DOTTED = re.compile(r"cisreg(\.\w+)+")
# Names of other kinds: a call in a program of XLA, a key of the metadata of Parquet.
_NOT_PYTHON = ("cisreg.occupancy_gradient", "cisreg.remark")

MISSING = object()


@cache
def find(name: str) -> Any:
    """The object of a dotted name, or MISSING."""
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
                # A field of a dataclass, which only its objects have.
                return getattr(found, "__dataclass_fields__", {}).get(word, MISSING)
        return found
    return MISSING


def linked(text: str, page: str) -> nodes.Node:
    """Code, as a link if it is a name of cisreg."""
    literal = nodes.literal(text, text)
    target = text.partition("(")[0]
    first, dot, rest = target.partition(".")
    if first in bare_names():
        target = bare_names()[first] + dot + rest
    if not _DOTTED.fullmatch(target) or target in _NOT_PYTHON:
        return literal
    reference = pending_xref(
        text, literal, refdomain="py", reftype="obj", reftarget=target, refdoc=page, refwarn=True
    )
    reference["py:module"] = reference["py:class"] = None
    return reference


class CodeInPages(SphinxTransform):
    """Names of cisreg in pages of Markdown are links like those in docstrings."""

    default_priority = 210

    def apply(self, **options: Any) -> None:
        """Looks at all code within sentences, but not in headings and links."""
        if self.env.docname.startswith(("reference/api/", "project/changelog")):
            return
        for literal in list(self.document.findall(nodes.literal)):
            if not isinstance(literal.parent, (nodes.title, nodes.reference, pending_xref)):
                reference = linked(literal.astext(), self.env.docname)
                reference.source, reference.line = literal.source, literal.line
                literal.parent.replace(literal, reference)


class CodeRole(SphinxRole):
    """What stands in single backticks: a link if it is a name of cisreg, else code."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """The nodes of the text."""
        found = linked(self.text, self.env.docname)
        self.set_source_info(found)
        return [found], []


def resolve(app: Sphinx, env: Any, node: pending_xref, content: nodes.Element) -> Any:
    """Follows names that are public in several places, and lets names of other packages be."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    if not target.startswith("cisreg."):
        is_annotation = node.get("reftype") in ("class", "exc", "obj")
        return content if is_annotation else None
    found = find(target)
    if found is MISSING:
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
    app.add_transform(CodeInPages)
    app.connect("missing-reference", resolve)
    app.connect("autodoc-process-docstring", link_docstring)
    return {"parallel_read_safe": True}
