"""The Makefile and pyproject.toml agree."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def build_requirements():
    text = (ROOT / "pyproject.toml").read_text()
    (listed,) = re.findall(r"^\[build-system\]$.*?^requires = \[(.*?)\]$", text, re.M | re.S)
    return set(re.findall(r'"(.*?)"', listed))


def test_what_a_build_needs_is_installed_before_it():
    (line,) = re.findall(r"^BUILD_TOOLS := (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert set(re.findall(r"'(.*?)'", line)) == build_requirements()


def test_every_target_that_help_names_is_there():
    text = (ROOT / "Makefile").read_text()
    named = re.findall(r'@echo "make ([\w-]+)', text)
    assert len(named) > 5
    for target in named:
        assert re.search(rf"^{target}:", text, re.M), target
