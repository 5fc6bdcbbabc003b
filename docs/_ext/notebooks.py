"""Tutorials as notebooks to download: each page of docs/tutorials links its own .ipynb."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jupytext
from sphinx.application import Sphinx


def write_notebooks(app: Sphinx, error: Exception | None) -> None:
    """Writes the notebooks beside their pages, without results."""
    if error or app.builder.name != "html":
        return
    folder = Path(app.outdir, "tutorials")
    for source in _sources(app):
        folder.mkdir(exist_ok=True)
        jupytext.write(jupytext.read(source), folder / f"{source.stem}.ipynb")


def add_link(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Puts the link to the notebook below the title of its page."""
    folder, _, name = page.rpartition("/")
    if folder == "tutorials" and name in {source.stem for source in _sources(app)}:
        link = f'<p><a href="{name}.ipynb" download>Download this notebook</a></p>'
        context["body"] = context["body"].replace("</h1>", f"</h1>\n{link}", 1)


def _sources(app: Sphinx) -> list[Path]:
    return sorted(Path(app.srcdir, "tutorials").glob("*.py"))


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the link and the step after the build."""
    app.connect("html-page-context", add_link)
    app.connect("build-finished", write_notebooks)
    return {"parallel_read_safe": True}
