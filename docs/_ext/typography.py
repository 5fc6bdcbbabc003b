"""How text looks: commands of a shell are coloured, and lists of arguments have dashes."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

_PROGRAMS = {"cisreg", "python", "make", "pip", "export", "srun", "#!/bin/bash"}


class CodeLanguages(SphinxTransform):
    """Gives indented blocks the language of a shell, or none."""

    default_priority = 200

    def apply(self, **options: Any) -> None:
        """Looks at every block without a language."""
        for block in self.document.findall(nodes.literal_block):
            if block.get("language") in (None, "default", "none"):
                words = block.astext().split(None, 1)
                first = words[0] if words else ""
                block["language"] = "bash" if first in _PROGRAMS else "text"


class Dashes(SphinxPostTransform):
    """Replaces the two hyphens that Sphinx puts between an argument and its description."""

    default_priority = 900

    def run(self, **options: Any) -> None:
        """Looks at every text; those of options begin with two hyphens and stay."""
        for text in list(self.document.findall(nodes.Text)):
            if text == " -- ":
                text.parent.replace(text, nodes.Text(" \u2013 "))


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the transform."""
    app.add_transform(CodeLanguages)
    app.add_post_transform(Dashes)
    return {"parallel_read_safe": True}
