"""The examples of the documentation give the results that they show."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
# The second goes on with the names of the first.
PAGES = (DOCS / "explanation" / "matrices.md", DOCS / "howto" / "motif_files.md")
MODULES = [
    *("checking", "conversion", "editing", "gomer", "information"),
    *("motif_set", "pkdm", "sites", "writing"),
]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(importlib.import_module(f"cisreg.motifs.{name}"))
    assert failed == 0
    assert tried > 0


def test_the_pages_on_motifs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    examples = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    parsed = doctest.DocTestParser().get_doctest(examples, {}, "motifs", None, 0)
    failed, tried = doctest.DocTestRunner().run(parsed)
    assert failed == 0
    assert tried > 10
