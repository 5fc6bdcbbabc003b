"""Which nvcc a build takes, for which GPUs, and what it says of the machine's driver.

The functions of cmake/toolkit.cmake run as a script, on programs that only say their release and on
a driver that only says its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "cmake" / "toolkit.cmake"


def run_cmake(text, folder, **environment):
    """What a script says after the functions are defined, on both streams."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    cmake = shutil.which("cmake", path=path)
    if cmake is None:
        pytest.skip("cmake is not here")
    script = folder / "script.cmake"
    script.write_text(f'include("{SCRIPT}")\n{text}\n')
    environment = {"PATH": "/nowhere"} | environment
    done = subprocess.run(
        [cmake, "-P", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def make_nvcc(path, release):
    """A program that says this release, or nothing."""
    path.parent.mkdir(parents=True)
    said = f"Cuda compilation tools, release {release}, V{release}.86" if release else ""
    path.write_text(f"#!/bin/sh\necho '{said}'\n")
    path.chmod(0o755)
    return path


def chosen(folder, **environment):
    """The nvcc that is found, below a folder in place of /usr/local."""
    text = f'find_nvcc(nvcc "{folder}")\nmessage("<${{nvcc}}>")'
    return run_cmake(text, folder, **environment).strip().strip("<>")


@pytest.mark.parametrize(
    ("releases", "expected"),
    [
        (["12.8", "12.9", "13.0"], "12.9"),
        (["12.8", "13.0", "12.6"], "12.8"),
        (["13.0", "12.5"], "12.5"),
        (["12.4", "13.1", "13.0", "14.0"], "13.0"),
        (["12.10", "12.9"], "12.10"),
        (["11.8", "12.4", None], "11.8"),
        ([None, "13.0"], "13.0"),
    ],
)
def test_the_order_of_toolkits(tmp_path, releases, expected):
    for release in releases:
        make_nvcc(tmp_path / f"cuda-{release}" / "bin" / "nvcc", release)
    assert chosen(tmp_path) == str(tmp_path / f"cuda-{expected}" / "bin" / "nvcc")


def test_path_counts_as_one_of_them(tmp_path):
    in_path = make_nvcc(tmp_path / "bin" / "nvcc", "13.0")
    assert chosen(tmp_path, PATH=str(in_path.parent)) == str(in_path)
    other = make_nvcc(tmp_path / "cuda-12.9" / "bin" / "nvcc", "12.9")
    assert chosen(tmp_path, PATH=str(in_path.parent)) == str(other)


def test_what_is_named_is_taken(tmp_path):
    make_nvcc(tmp_path / "cuda-12.9" / "bin" / "nvcc", "12.9")
    home = make_nvcc(tmp_path / "home" / "bin" / "nvcc", "13.0")
    named = make_nvcc(tmp_path / "named" / "my-nvcc", "13.1")
    homes = {"CUDA_HOME": str(tmp_path / "home")}
    assert chosen(tmp_path, **homes) == str(home)
    assert chosen(tmp_path, CUDACXX=str(named), **homes) == str(named)
    # Runtimes alone are toolkits without nvcc.
    assert "cuda-12.9" in chosen(tmp_path, CUDA_HOME=str(tmp_path / "nothing"))
    assert chosen(tmp_path, CUDACXX=str(tmp_path / "nothing"), **homes) == ""


@pytest.mark.parametrize(
    ("nvcc", "release", "environment", "expected"),
    [
        ("", None, {}, "nvcc is neither in CUDACXX"),
        ("", None, {"CUDACXX": "/no/nvcc"}, "CUDACXX is '/no/nvcc', which is no program"),
        ("cuda/bin/nvcc", "12.4", {}, "is of CUDA 12.4, expected 12.5 or later"),
        ("cuda/bin/nvcc", "", {}, "names no release"),
        ("cuda/bin/nvcc", "12.5", {}, "<>"),
    ],
)
def test_why_there_are_no_kernels(tmp_path, nvcc, release, environment, expected):
    path = make_nvcc(tmp_path / nvcc, release) if nvcc else ""
    said = run_cmake(
        f'check_nvcc(reason "{path}")\nmessage("<${{reason}}>")', tmp_path, **environment
    )
    assert expected in said


@pytest.mark.parametrize(
    ("release", "blackwell"), [("12.5", False), ("12.7", False), ("12.8", True), ("13.0", True)]
)
def test_all_gpus_that_nvcc_knows(tmp_path, release, blackwell):
    text = f'default_architectures(found "{release}")\nmessage("${{found}}")'
    found = run_cmake(text, tmp_path).strip().split(";")
    assert found == [
        *("75-real", "80-real", "86-real", "89-real", "90"),
        *(["100-real", "120-real"] if blackwell else []),
    ]


def driver_said(folder, release):
    """What is said of a driver that knows a release of CUDA, given as a number, or of none."""
    environment = {}
    if release is not None:
        (folder / "driver.c").write_text(
            f"int cuDriverGetVersion(int* version) {{ *version = {release}; return 0; }}\n"
        )
        library = folder / "libcuda.so.1"
        subprocess.run(["gcc", "-shared", "-o", library, folder / "driver.c"], check=True)
        environment["LD_LIBRARY_PATH"] = str(folder)
    text = f'read_driver(driver "{sys.executable}")\ncompare_driver(12.9 "${{driver}}")'
    return " ".join(run_cmake(text, folder, **environment).split())


@pytest.mark.skipif(shutil.which("gcc") is None, reason="the driver is made by gcc")
def test_a_driver_is_compared(tmp_path):
    old = driver_said(tmp_path, 11080)
    assert "driver of this machine is of CUDA 11.8" in old
    assert "run with drivers of CUDA 12 and later" in old
    assert "name an nvcc" in old
    older = driver_said(tmp_path, 12020)
    assert "of CUDA 12.2, older than nvcc of CUDA 12.9" in older and "cannot translate" in older
    assert driver_said(tmp_path, 12090) == driver_said(tmp_path, 13000) == ""


@pytest.mark.skipif(Path("/proc/driver/nvidia").exists(), reason="this machine has a driver")
def test_where_there_is_no_driver_nothing_is_said(tmp_path):
    assert driver_said(tmp_path, None) == ""
