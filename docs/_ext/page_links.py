"""Pages that docstrings and help name by their file become links."""

from __future__ import annotations

import re

_PAGE = re.compile(r"\bdocs/([\w/]+)\.md\b")


def link_pages(text: str) -> str:
    """Text in reStructuredText in which docs/explanation/model.md is a link to that page."""
    return _PAGE.sub(r":doc:`/\1`", text)
