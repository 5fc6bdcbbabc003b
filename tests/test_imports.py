"""Imports between modules, read from the sources: no cycles, and only from higher to lower rows."""

from __future__ import annotations

import ast
import graphlib
import importlib.util
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

import cisreg

ROOT = Path(cisreg.__file__).parent

# Rooms from top to bottom: each one imports only from its own row and those below.
ROWS = [
    ("__main__", "cli"),
    ("legacy", "diagnosis", "uncertainty", "checks"),
    ("recipes",),
    ("report",),
    ("training", "keras"),
    ("saved_model",),
    ("window_prediction",),
    ("storage", "trained_model", "simulate", "simulate_binding", "simulate_pairs", "datasets"),
    ("interpret",),
    ("prediction",),
    ("batch_prediction",),
    ("model", "losses"),
    (
        *("layers", "competition", "links", "outputs", "pair_layer", "pairs"),
        *("simulated_outputs", "start", "spec", "spline"),
    ),
    ("scan", "motifs", "genome"),
    ("registration",),
    ("occupancy", "exclusive", "pair_operation", "numpy"),
    ("vectorization", "implementation"),
    ("one_hot", "reference", "exclusive_reference", "products", "sequence_codes"),
    ("contract", "self_test"),
    ("arguments", "autograph", "devices", "xla"),
    ("data", "prepare"),
    ("sequences",),
    (
        *("streams", "writing", "processes", "metrics", "information", "quantiles"),
        *("display", "progress", "quiet", "forking"),
    ),
    ("run_folder", "saved_model_folder"),
    (
        *("ahead", "arrays", "choices", "files", "library", "names", "number_text", "once"),
        *("occupancy_checks", "oracle", "exclusive_oracle", "pairs_oracle", "strict_json"),
        "strict_toml",
    ),
    ("delayed_signals", "file_checks", "lazy", "limits", "locks", "tensorflow_package", "version"),
]
# The same of the modules and folders of cisreg/data.
DATA_ROWS = [
    ("opening", "conversion"),
    ("files",),
    ("reading",),
    ("identity", "passes", "feeding", "ends", "replicates"),
    ("splitting",),
    ("dataset", "folds"),
    ("frames", "row_places"),
    ("formats",),
]
RANK = {room: len(ROWS) - row for row, rooms in enumerate(ROWS) for room in rooms}
# Importing these does not import TensorFlow, which takes seconds.
WITHOUT_TENSORFLOW = (
    *("data", "genome", "motifs", "sequences", "scan", "prepare", "streams", "writing"),
    *("checks", "interpret"),
    *("ahead", "metrics", "information", "quantiles", "display"),
    *("progress", "quiet", "arrays", "choices", "files", "file_checks"),
    *("locks", "library", "limits", "numpy", "occupancy_checks", "registration"),
    *("names", "number_text", "run_folder", "saved_model_folder", "cli", "tensorflow_package"),
    *("trained_model", "batch_prediction", "storage", "simulate", "report", "window_prediction"),
    *("datasets", "strict_toml"),
    *(
        "pairs",
        "spec",
        "start",
        "outputs",
        "simulated_outputs",
        "spline",
        "losses",
        "lazy",
        "version",
        "oracle",
        "strict_json",
        "strict_toml",
    ),
)


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in ROOT.rglob("*.py")}


def imported(node):
    """The modules, of this package or others, that an import statement names."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    full = {f"{node.module}.{alias.name}" for alias in node.names}
    return {name if name in FILES else node.module for name in full}


def imports_of(path, *, at_start):
    """What a file imports anywhere; with `at_start`, only what is imported along with the file."""
    statements, pending = [], [ast.parse(path.read_text())]
    while pending:
        for child in ast.iter_child_nodes(pending.pop()):
            if isinstance(child, (ast.Import, ast.ImportFrom)):
                statements.append(child)
            elif not (at_start and (isinstance(child, ast.FunctionDef) or is_for_types(child))):
                pending.append(child)
    return set().union(*map(imported, statements))


def is_for_types(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def graph(*, at_start):
    """Imports within the package, except those of `cisreg` itself, which imports on request."""
    edges = {}
    for name, path in FILES.items():
        if name != "cisreg":
            wanted = imports_of(path, at_start=at_start)
            edges[name] = {other for other in wanted if other in FILES and other != "cisreg"}
    return edges


def room(module):
    return module.split(".")[1]


def test_no_modules_import_each_other_in_a_circle():
    try:
        graphlib.TopologicalSorter(graph(at_start=False)).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"these import each other, inside functions or for types too: {error.args[1]}")


def test_the_package_imports_neither_its_tests_nor_what_they_verify_with():
    oracles = {"cisreg.oracle", "cisreg.exclusive_oracle", "cisreg.pairs_oracle"}
    for name, path in FILES.items():
        imported = imports_of(path, at_start=False)
        assert not {other.split(".")[0] for other in imported} & {"benchmarks", "tests"}, name
        assert name in oracles or not oracles & set(imported), name


def test_a_circle_is_noticed():
    edges = graph(at_start=False)
    edges["cisreg.arrays"] = {"cisreg.cli.app"}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(edges).prepare()


def test_every_room_has_its_place():
    assert {room(name) for name in FILES if name != "cisreg"} == set(RANK), "list it in ROWS"


def test_dependencies_point_down():
    wrong = [
        f"{name} imports {other}"
        for name, others in graph(at_start=False).items()
        for other in others
        if RANK[room(name)] < RANK[room(other)]
    ]
    assert not wrong


def test_dependencies_within_data_point_down():
    rank = {part: -row for row, parts in enumerate(DATA_ROWS) for part in parts}
    parts = {name: name.split(".")[2] for name in FILES if name.startswith("cisreg.data.")}
    assert set(parts.values()) == set(rank), "list it in DATA_ROWS"
    known = defaultdict(set)
    for name, others in graph(at_start=False).items():
        if name in parts:
            known[parts[name]] |= {parts[other] for other in others if other in parts}
    wrong = [(a, b) for a, others in known.items() for b in others if rank[a] < rank[b]]
    assert not wrong
    assert known["formats"] == {"formats"}
    below = {"feeding", "dataset", "formats", "row_places", "splitting", "folds"}
    assert known["feeding"] == below


def test_rooms_beside_the_model_know_nothing_of_tensorflow():
    edges = defaultdict(set)
    for name, path in FILES.items():
        if name != "cisreg":
            edges[name] = imports_of(path, at_start=True)
    for start in FILES:
        if start == "cisreg" or room(start) not in WITHOUT_TENSORFLOW:
            continue
        seen, pending = {start}, [start]
        while pending:
            for other in edges[pending.pop()] - seen:
                assert other.split(".")[0] not in ("tensorflow", "keras"), (start, seen)
                seen.add(other)
                # Importing a module also imports its parent packages.
                pending += [other, *([other.rpartition(".")[0]] if "." in other else [])]


def test_benchmarks_import_what_there_is():
    """Most of them run in the slow tests alone, and import within functions."""
    missing = [
        f"{path.name}:{node.lineno}: {node.module}.{alias.name}"
        for path in (ROOT.parent / "benchmarks").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cisreg")
        for alias in node.names
        if f"{node.module}.{alias.name}" not in FILES
        and not hasattr(importlib.import_module(node.module), alias.name)
        and importlib.util.find_spec(f"{node.module}.{alias.name}") is None  # compiled
    ]
    assert not missing


def test_a_function_with_the_name_of_its_module_stays_a_function():
    code = (
        "import importlib, cisreg, cisreg.interpret as room\n"
        "for names in room._MODULES: importlib.import_module(names)\n"
        "assert callable(cisreg.occupancy) and callable(room.read_out)\n"
        "assert not [name for name in room.__all__ if not callable(getattr(room, name))]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
