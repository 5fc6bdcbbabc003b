"""The examples of the documentation give the results that they show."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "motifs.md"
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


def test_the_page_on_motifs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
    parsed = doctest.DocTestParser().get_doctest(examples, {}, PAGE.name, str(PAGE), 0)
    failed, tried = doctest.DocTestRunner().run(parsed)
    assert failed == 0
    assert tried > 10
