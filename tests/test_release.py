"""The lists of supported versions, which several files have, are the same."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / "release" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def minors(text):
    return sorted(set(re.findall(r"\b[23]\.\d\d\b", text)))


wheel, install_matrix = load("wheel"), load("install_matrix")
PROJECT = (ROOT / "pyproject.toml").read_text()
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


def test_tensorflow_versions():
    setup = (ROOT / "setup.py").read_text()
    assert list(wheel.TENSORFLOW) == minors(re.search(r"SUPPORTED = (.*)", setup)[1])
    first, beyond = re.search(r'"tensorflow>=2\.(\d+),<2\.(\d+)"', PROJECT).groups()
    assert list(wheel.TENSORFLOW) == [f"2.{minor}" for minor in range(int(first), int(beyond))]


def test_the_matrix_has_two_pythons_for_every_tensorflow():
    for minor in wheel.TENSORFLOW:
        cells = [cell for cell in install_matrix.MATRIX if cell.tensorflow == minor]
        assert len({cell.python for cell in cells}) >= 2
        assert {cell.distribution for cell in cells} == {"tensorflow", "tensorflow-cpu"}
    assert {cell.python for cell in install_matrix.MATRIX} == set(PYTHONS)


def test_python_versions():
    assert minors(re.search(r"classifiers = \[(.*?)\]", PROJECT, re.DOTALL)[1]) == PYTHONS
    assert '">=3.10,<3.14"' in PROJECT
    workflow = (ROOT / ".github" / "workflows" / "wheels.yml").read_text()
    assert re.findall(r"--python /opt/python/cp3(\d+)-", workflow) == ["10", "11", "12", "13"]
    assert re.findall(r"^ +(3\.\d+)$", workflow, re.MULTILINE) == PYTHONS


def test_a_failed_environment_does_not_stop_the_others(monkeypatch, tmp_path, capsys):
    def install(self, python, wheels):
        if self.cell.python == "3.12":
            raise RuntimeError("no such package")
        return 0

    def check(self, command, *paths):
        if command == "read":
            return {path.name: "ok" for path in paths}
        (paths[0] / "numbers.npz").touch()
        return {"tensorflow": "2.18.1", "warnings": ["said once"]}

    monkeypatch.setattr(install_matrix.Environment, "install", install)
    monkeypatch.setattr(install_matrix.Environment, "check", check)
    cells = [cell for cell in install_matrix.MATRIX if cell.tensorflow == "2.18"]
    results = install_matrix.run_matrix(cells, {"3.10": "", "3.12": ""}, tmp_path, tmp_path)
    assert results["2.18-3.10"]["reads"] == {"2.18-3.10": "ok"}
    assert results["2.18-cpu-3.12"] == {"error": "no such package"}
    assert install_matrix.table(results).splitlines()[2:] == [
        "| 2.18-3.10 | 2.18.1 |  |  | ok |  | said once | 1 of 1 |",
        "| 2.18-cpu-3.12 |  |  |  | no such package |  | none |  |",
    ]
    assert "2.18-cpu-3.12: no such package" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("tensorflow/include/tensorflow/core/framework/op.h", True),
        ("tensorflow/libtensorflow_framework.so.2", True),
        ("tensorflow_cpu-2.21.0.dist-info/RECORD", True),
        ("tensorflow/python/_pywrap_tensorflow_internal.so", False),
        ("tensorflow/__init__.py", False),
    ],
)
def test_what_is_unpacked_of_tensorflow(name, wanted):
    assert wheel.is_wanted(name) == wanted
