"""Tutorials as notebooks to download: each page of docs/tutorials links its own .ipynb."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jupytext
from sphinx.application import Sphinx

_LINK = "\n\n{{download}}`Download this notebook <{name}.ipynb>`\n"


def write_notebooks(app: Sphinx, error: Exception | None) -> None:
    """Writes the notebooks beside their pages, without results."""
    if error or app.builder.format != "html":
        return
    folder = Path(app.outdir, "tutorials")
    for source in sorted(Path(app.srcdir, "tutorials").glob("*.py")):
        folder.mkdir(exist_ok=True)
        jupytext.write(jupytext.read(source), folder / f"{source.stem}.ipynb")


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the step after the build."""
    app.connect("build-finished", write_notebooks)
    return {"parallel_read_safe": True}
