"""Faults planted in a copy of the sources, which is compiled and run."""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from kernel_program import build_with

ROOT = Path(__file__).parents[1]
COMPILER = os.environ.get("CXX", "c++")
OPTIONS = ("-std=c++17", "-O0", "-fPIC", "-ffp-contract=off", "-Wno-psabi", "-w")


class Fault(NamedTuple):
    name: str
    file: str  # in csrc
    old: str
    new: str

    def __str__(self):
        return self.name.replace(" ", "-")


def parameters_of(faults):
    """The first one shows that faults are planted and noticed; `make test-all` has the others."""
    return [
        pytest.param(each, id=str(each), marks=pytest.mark.thorough if number else ())
        for number, each in enumerate(faults)
    ]


def sources_with(fault, folder):
    """A copy of the sources, with the fault planted unless it is None."""
    sources = folder / "csrc"
    shutil.copytree(ROOT / "csrc", sources)
    if fault is not None:
        path = sources / fault.file
        text = path.read_text()
        assert text.count(fault.old) == 1, f"{fault.file}: adapt this fault to the new text"
        path.write_text(text.replace(fault.old, fault.new))
    return sources


def compiled(sources, folder, headers=ROOT / "csrc"):
    """The objects of these files, which include others of `headers`."""
    objects = []
    for source in sources:
        objects.append(folder / f"{source.parent.name}_{source.stem}.o")
        includes = (f"-I{headers}", f"-I{ROOT}")
        build_with(COMPILER, *OPTIONS, *includes, "-c", source, "-o", objects[-1])
    return objects


def library_of(objects, folder):
    """A library that is loaded into this process."""
    path = folder / "kernels.so"
    bound_here = "-Wl,-Bsymbolic"  # not to what another library of this process has
    build_with(COMPILER, "-shared", bound_here, *objects, "-o", path)
    return ctypes.CDLL(str(path))
