"""Blocks of code that do not say their language: commands of a shell are coloured as such."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

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


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the transform."""
    app.add_transform(CodeLanguages)
    return {"parallel_read_safe": True}
