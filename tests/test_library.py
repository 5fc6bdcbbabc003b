"""The messages about a compiled library that cannot be used."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from cisreg import _native, library
from cisreg.library import LibraryError, build_info, check_versions, load_ops


def test_build_is_recorded():
    info = build_info()
    assert info["tensorflow_version"] == tf.__version__
    assert re.fullmatch(r"off|\d+\.\d+ \(.+\)", info["cuda"])


def test_patch_versions_are_alike_and_minor_versions_are_not():
    check_versions("2.21.0", "2.21.3")
    with pytest.raises(
        LibraryError, match=r'2\.21\.0 but TensorFlow 2\.22\.1 .* "tensorflow==2.21'
    ):
        check_versions("2.21.0", "2.22.1")


IMPORT_UNDER_ANOTHER_TENSORFLOW = """
import warnings
from importlib import metadata
version = metadata.version
metadata.version = lambda name: "2.22.0" if name == "tensorflow" else version(name)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import cisreg
print(*(str(warning.message) for warning in caught))
"""


def test_import_says_that_tensorflow_is_another():
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_UNDER_ANOTHER_TENSORFLOW],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "TensorFlow 2.22.0 is installed: run pip install" in done.stdout


@pytest.mark.parametrize(
    ("file", "names"), [("_ops.so", set()), (Path(_native.__file__).name, {"PyInit__native"})]
)
def test_libraries_export_what_is_looked_up_and_no_more(file, names):
    if shutil.which("nm") is None:
        pytest.skip("nm, of the compiler's tools, is not here")
    path = Path(library.__file__).with_name(file)
    listed = subprocess.check_output(["nm", "-D", "--defined-only", str(path)], text=True)
    assert {line.split()[-1] for line in listed.splitlines()} == names


@pytest.mark.parametrize("file", ["_ops.so", Path(_native.__file__).name])
def test_no_other_cuda_runtime_is_looked_for(file):
    """TensorFlow's library exports functions of the same names, but of a different version."""
    if shutil.which("nm") is None:
        pytest.skip("nm, of the compiler's tools, is not here")
    path = Path(library.__file__).with_name(file)
    listed = subprocess.check_output(["nm", "-D", "--undefined-only", str(path)], text=True)
    assert "cuda" not in listed.lower()


@pytest.fixture
def not_loaded():
    load_ops.cache_clear()
    yield
    load_ops.cache_clear()


def test_missing_library(monkeypatch, not_loaded):
    monkeypatch.setattr(library, "OPS_FILE", "_missing.so")
    with pytest.raises(LibraryError, match=r"_missing.so is missing: build it with pip install"):
        load_ops()


def test_damaged_library(monkeypatch, not_loaded):
    monkeypatch.setattr(library, "OPS_FILE", "library.py")
    with pytest.raises(LibraryError, match=r"cannot load .*library.py.*; build cisreg again"):
        load_ops()


FALL_BACK = """
import logging
logging.basicConfig(format="%(levelname)s %(message)s")
from cisreg import _native, library
library.OPS_FILE = "_missing.so"
import numpy as np, cisreg
arguments = np.zeros((1, 3), np.uint8), np.zeros((2, 4, 5), np.float32), np.zeros(5, np.float32)
print(cisreg.occupancy(*arguments).bound.numpy()[0, 0, 0])
print(cisreg.occupancy(*arguments).bound.numpy()[0, 0, 0])
cisreg.occupancy(*arguments, implementation="fused")
"""


def test_without_the_library_standard_operations_serve_and_say_so_once():
    done = subprocess.run([sys.executable, "-c", FALL_BACK], capture_output=True, text=True)
    assert done.stdout.split() == ["1.5", "1.5"]
    assert done.stderr.count("WARNING the fused operation is not available") == 1
    assert "LibraryError" in done.stderr.splitlines()[-1]
    assert "is missing: build it with" in done.stderr.splitlines()[-1]
