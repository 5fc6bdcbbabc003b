"""Tutorials: each page of docs/tutorials links its own .ipynb, and shows whole lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jupytext
from myst_nb.core import render
from nbformat import NotebookNode
from sphinx.application import Sphinx

_streams_of_myst = render.coalesce_streams


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


def join_pieces(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Streams of a cell as MyST shows them, without a line end after each piece.

    A cell of %%bash prints in pieces of 100 characters, and MyST ends a line after each.
    """
    joined: list[NotebookNode] = []
    for output in outputs:
        same = [
            each
            for each in joined
            if each.output_type == output.output_type == "stream" and each.name == output.name
        ]
        if same:
            same[0].text += output.text
        else:
            joined.append(output)
    return _streams_of_myst(joined)


def _sources(app: Sphinx) -> list[Path]:
    return sorted(Path(app.srcdir, "tutorials").glob("*.py"))


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the link and the step after the build."""
    render.coalesce_streams = join_pieces
    app.connect("html-page-context", add_link)
    app.connect("build-finished", write_notebooks)
    return {"parallel_read_safe": True}
