"""The benchmark index lists every script, and every documented command runs an existing one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
INDEX = (BENCHMARKS / "README.md").read_text()
ROOMS = ("operation", "training", "interpret", "data", "reads", "gpu")
# Programs that other scripts start for comparison, and modules used only by other scripts.
NO_COMMANDS = {"reads.collapse_plain", "reads.merge_pairs_plain"}
NO_COMMANDS |= {"gpu.budget", "gpu.checks", "gpu.clocks", "gpu.findings", "gpu.limit"}
NO_COMMANDS |= {"gpu.machine_code", "gpu.report", "gpu.tensorflow_tasks", "gpu.work", "gpu.worker"}
COMMAND = re.compile(r"-m benchmarks\.(\w+)\.(\w+)")


def scripts():
    found = {
        f"{room}.{path.stem}"
        for room in ROOMS
        for path in (BENCHMARKS / room).glob("*.py")
        if path.stem != "__init__"
    }
    return found - NO_COMMANDS


def test_every_script_is_in_the_index():
    assert {".".join(found) for found in COMMAND.findall(INDEX)} == scripts()


def test_every_folder_is_a_room_of_the_index():
    folders = {path.parent.name for path in BENCHMARKS.glob("*/*.py")}
    assert folders == {*ROOMS, "shared"}
    assert all(f"**{room}/**" in INDEX for room in ROOMS)


@pytest.mark.parametrize(
    "page",
    [
        ROOT / "Makefile",
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("**/*.md")),
        *sorted(BENCHMARKS.glob("*/*.py")),
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_commands_and_paths_of_a_page_are_there(page):
    text = page.read_text()
    for room, script in COMMAND.findall(text):
        assert (BENCHMARKS / room / f"{script}.py").is_file(), f"{room}.{script}"
    for path in re.findall(r"\bbenchmarks/[\w/]+\.(?:py|md)\b", text):
        assert (ROOT / path).is_file(), path


@pytest.mark.parametrize("row", re.findall(r"^\| \w+ \|.*", INDEX, re.MULTILINE)[1:])
def test_the_page_of_a_script_speaks_of_it(row):
    script = row.split("|")[1].strip()
    pages = re.findall(r"\((\.\./docs/[\w/]+\.md)(?:#[\w-]+)?\)", row)
    assert pages
    assert any(script in (BENCHMARKS / page).read_text() for page in pages)


def imported(path):
    """Names of the modules that a file imports, and "tests" if the file contains that string."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
        elif isinstance(node, ast.Constant) and node.value == "tests":
            yield "tests"


def test_nothing_imports_the_tests():
    helpers = {path.stem for path in (ROOT / "tests").rglob("*.py")} - {"__init__", "conftest"}
    for path in BENCHMARKS.rglob("*.py"):
        for name in imported(path):
            assert name.split(".")[0] not in {*helpers, "tests"}, path
