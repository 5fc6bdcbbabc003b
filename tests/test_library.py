"""Which compiled library is chosen, what it exports, and the messages where none can be used."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

import cisreg
from cisreg import _native, library
from cisreg.library import (
    LibraryError,
    build_info,
    built_versions,
    load_ops,
    ops_library,
)
from cisreg.tensorflow_package import installed_tensorflow, minor_version, package_in

ROOT = Path(__file__).parents[1]
KERNELS = Path(library.__file__).with_name("libcisreg_kernels.so")
NATIVE = Path(_native.__file__)
OPS = Path(ops_library())
XLA = OPS.with_name(OPS.name.replace("_ops", "_xla"))


def symbols(path, *options):
    if shutil.which("nm") is None:
        pytest.skip("nm, of the compiler's tools, is not here")
    return subprocess.check_output(["nm", "-D", *options, str(path)], text=True)


def test_build_is_recorded():
    info = build_info()
    assert minor_version(tf.__version__) in info["tensorflow"].split(", ")
    assert re.fullmatch(r"off|\d+\.\d+ \(.+\)", info["cuda"])


def test_tensorflow_is_found_without_importing_it():
    package = installed_tensorflow()
    assert package.version == tf.__version__
    assert package.folder == Path(tf.__file__).parent


@pytest.mark.parametrize("name", ["tensorflow", "tensorflow_cpu", "tf_nightly"])
def test_every_distribution_of_tensorflow_counts(tmp_path, name):
    folder = tmp_path / "tensorflow"
    for part, text in {
        "tensorflow_hub-1.0.dist-info/METADATA": "Name: tensorflow_hub\nVersion: 1.0\n",
        "tensorflow_hub-1.0.dist-info/RECORD": "tensorflow_hub/__init__.py,,\n",
        f"{name}-2.19.1.dist-info/METADATA": f"Name: {name}\nVersion: 2.19.1\n",
        f"{name}-2.19.1.dist-info/RECORD": "tensorflow/libtensorflow_framework.so.2,,\n",
    }.items():
        (tmp_path / part).parent.mkdir(exist_ok=True)
        (tmp_path / part).write_text(text)
    assert package_in(folder) == ("2.19.1", folder)
    (tmp_path / f"{name}-2.19.1.dist-info" / "METADATA").unlink()
    (tmp_path / f"{name}-2.19.1.dist-info" / "RECORD").unlink()
    assert package_in(folder) is None


def test_the_library_is_that_of_the_minor_version():
    assert Path(cisreg.ops_library()).name == "_ops_{}_{}.so".format(*tf.__version__.split(".")[:2])
    assert minor_version(tf.__version__) in built_versions()


@pytest.mark.parametrize(
    ("built", "message"),
    [
        (("2_9", "2_18"), r"built for TensorFlow 2\.9, 2\.18, and TensorFlow 2\.17\.1 is here: "
         r'run pip install "tensorflow==2\.18\.\*", or, in an environment with that .* install \.'),
        ((), r"built without TensorFlow, and TensorFlow 2\.17\.1 is here: in an environment"),
    ],
)  # fmt: skip
def test_no_library_for_this_tensorflow(monkeypatch, tmp_path, built, message):
    for minor in built:
        (tmp_path / f"_ops_{minor}.so").touch()
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    with pytest.raises(LibraryError, match=message):
        ops_library("2.17.1")
    for minor in built:
        name = minor.replace("_", ".")
        assert ops_library(f"{name}.3") == str(tmp_path / f"_ops_{minor}.so")


def test_exports_are_what_is_looked_up_and_no_more():
    assert symbols(OPS, "--defined-only") == ""
    assert re.findall(r" [A-Z] (.+)", symbols(XLA, "--defined-only")) == ["cisreg_xla_platforms"]
    assert re.findall(r" [A-Z] (.+)", symbols(NATIVE, "--defined-only")) == ["PyInit__native"]
    exported = re.findall(r" [A-Z] ([\w:]+)", symbols(KERNELS, "--defined-only", "--demangle"))
    marked = r"^(?:class )?CISREG_EXPORT [\w:*& ]*?\b(\w+)[({ ]*[({]"
    headers = [*ROOT.glob("csrc/*/*.h")]
    headers += [*ROOT.glob("cuda/*.h")] if build_info()["cuda"] != "off" else []
    expected = {
        name for header in headers for name in re.findall(marked, header.read_text(), re.MULTILINE)
    }
    assert {"FindKernels", "OccupancyLaunch"} <= expected
    # Functions and classes begin with a capital, namespaces do not.
    assert {re.search(r"::([A-Z]\w*)", name)[1] for name in exported} == expected


@pytest.mark.parametrize(
    "path", [OPS, XLA, NATIVE, KERNELS], ids=["ops", "xla", "native", "kernels"]
)
def test_no_other_cuda_runtime_is_looked_for(path):
    """TensorFlow's library exports functions of the same names, but of a different version."""
    assert "cuda" not in symbols(path, "--undefined-only").lower()


def test_kernels_need_neither_tensorflow_nor_python():
    undefined = symbols(KERNELS, "--undefined-only")
    assert not re.search(r"tensorflow|absl|\bPy[A-Z]", undefined)


@pytest.fixture
def not_loaded():
    load_ops.cache_clear()
    yield
    load_ops.cache_clear()


def test_damaged_library(monkeypatch, not_loaded, tmp_path):
    (tmp_path / OPS.name).write_text("no library")
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    with pytest.raises(LibraryError, match=rf"cannot load .*{OPS.name}.*; build cisreg again"):
        load_ops()


FALL_BACK = """
import logging
logging.basicConfig(format="%(levelname)s %(message)s")
import pathlib
from cisreg import _native, library
library.FOLDER = pathlib.Path("/nowhere")
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
    assert "is here: in an environment with that TensorFlow" in done.stderr.splitlines()[-1]
