"""Who imports whom: the package knows nothing of its tests, and no modules import each other."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUTSIDE = {"benchmarks", "tests", "verification"}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in (ROOT / "cisreg").rglob("*.py")}


def named(node):
    """Modules that an import statement names, and what may be a module in them."""
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
    return []


def imported(name):
    """Modules of the package that one imports anywhere, in functions and for types as well."""
    nodes = ast.walk(ast.parse(MODULES[name].read_text()))
    return {other for node in nodes for other in named(node) if other in MODULES} - {name}


def test_the_package_imports_neither_its_tests_nor_what_they_verify_with():
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            for other in named(node):
                assert other.split(".")[0] not in OUTSIDE, name


def test_no_modules_import_each_other():
    graph = {name: imported(name) for name in MODULES}
    # A package's own module gathers names of its modules, which import each other by their own.
    packages = {name for name in graph if MODULES[name].name == "__init__.py"}
    for name in graph:
        graph[name] -= {other for other in packages if name.startswith(f"{other}.")}
    graphlib.TopologicalSorter(graph).prepare()  # raises a CycleError that shows them
