"""The Makefile and pyproject.toml agree."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def build_requirements():
    text = (ROOT / "pyproject.toml").read_text()
    (listed,) = re.findall(r"^\[build-system\]$.*?^requires = \[(.*?)\]$", text, re.M | re.S)
    return set(re.findall(r'"(.*?)"', listed))


def test_what_a_build_needs_is_installed_before_it():
    (line,) = re.findall(r"^BUILD_TOOLS := (.*)$", (ROOT / "Makefile").read_text(), re.M)
    tensorflow = {each for each in re.findall(r"'(.*?)'", line) if each.startswith("tensorflow")}
    assert set(re.findall(r"'(.*?)'", line)) == build_requirements() | tensorflow


def test_every_target_that_help_names_is_there():
    text = (ROOT / "Makefile").read_text()
    named = re.findall(r'@echo "make ([\w-]+)', text)
    assert len(named) > 5
    for target in named:
        assert re.search(rf"^{target}:", text, re.M), target


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_systems_on_which_it_is_not_built_are_said(system):
    code = (
        "import runpy, sys; sys.argv = ['setup.py', '--name']; "
        f"runpy.run_path('setup.py')['check_platform']({system!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        f"cisreg: expected Linux on x86-64 or 64-bit Arm, got {system}; on Windows"
    )
