"""The kernels compiled for 64-bit Arm and run in an emulator, against those of this processor."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from kernel_arrays import call, exclusive_cases, filled_from, pair_cases, problem_of
from kernel_program import build_with, check, occupancy_cases, occupancy_problem, results_of, run
from planted_faults import compiled, library_of

import cisreg
from cisreg import _native

ROOT = Path(__file__).parents[2]
COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which(COMPILER) and shutil.which(EMULATOR)),
        reason=f"{COMPILER} or {EMULATOR} is missing (Debian: g++-aarch64-linux-gnu, qemu-user)",
    ),
]


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """The folder of the kernels as CMake builds them for that processor."""
    build = tmp_path_factory.mktemp("aarch64")
    settings = {
        "CMAKE_SYSTEM_NAME": "Linux",
        "CMAKE_SYSTEM_PROCESSOR": "aarch64",
        "CMAKE_CXX_COMPILER": COMPILER,
        "CISREG_CUDA": "off",
        "CISREG_WARNINGS_AS_ERRORS": "ON",
        "Python3_EXECUTABLE": sys.executable,
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    cmake = shutil.which("cmake", path=path)
    definitions = [f"-D{name}={value}" for name, value in settings.items()]
    build_with(cmake, "-S", ROOT, "-B", build, *definitions)
    build_with(cmake, "--build", build, "-j2", "--target", "cisreg_kernels", "cisreg_scan")
    return build


def program_of(build, name, *more):
    """A program for that processor that calls the kernels."""
    path = build / name
    build_with(
        *(COMPILER, "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror"),
        *(f"-I{ROOT / 'csrc'}", f"-I{ROOT}", ROOT / f"tests/aarch64/{name}.cc", *more),
        *("-o", path, f"-L{build}", "-lcisreg_kernels", "-lpthread", f"-Wl,-rpath,{build}"),
    )
    return path


@pytest.fixture(scope="module")
def program(libraries):
    scan = libraries.glob("CMakeFiles/cisreg_scan.dir/csrc/scan/*.o")
    return program_of(libraries, "run_kernels", *scan)


FUNCTIONS = [ROOT / f"tests/{name}_kernels.cc" for name in ("exclusive", "pair")]


@pytest.fixture(scope="module")
def program_of_arrays(libraries):
    return program_of(libraries, "run_arrays", *FUNCTIONS)


@pytest.fixture(scope="module")
def functions(tmp_path_factory):
    """The same functions for this processor, with the kernels of the package."""
    package = Path(cisreg.__file__).parent
    objects = compiled(FUNCTIONS, tmp_path_factory.mktemp("functions"))
    return library_of([*objects, f"-L{package}", "-lcisreg_kernels"], objects[0].parent)


def run_emulated(program, kernels, problems):
    return run([EMULATOR, "-L", Path("/usr/aarch64-linux-gnu"), program, kernels], problems)


def on_this_processor(arguments, options, upstream, instruction_set):
    weight = arguments.get("position_weight")
    before = list(arguments.values())[:3]
    chosen = {**options, "instruction_set": instruction_set}
    forward = _native.occupancy_forward(*before, weight, **chosen)
    backward = _native.occupancy_backward(*before, weight, *upstream, **chosen)
    return [each for each in (*forward, *backward) if each is not None]


@pytest.mark.parametrize(("kernels", "like"), [("neon", "avx2"), ("portable", "portable")])
def test_occupancy(program, kernels, like):
    """To the bit as on x86: the same order of sums, and products fused with sums alike."""
    cases = list(occupancy_cases())
    written = run_emulated(
        program, kernels, [x for case in cases for x in occupancy_problem(*case)]
    )
    for case, found in zip(cases, results_of(cases, written), strict=True):
        check(case, found)
        if like in _native.instruction_sets():
            for actual, same in zip(found, on_this_processor(*case, like), strict=True):
                np.testing.assert_array_equal(actual.view(np.int32), same.view(np.int32))


@pytest.mark.parametrize("kernels", ["neon", "portable"])
def test_scan(program, kernels):
    """Hits and strongest sites do not depend on the kernels: the same bits as here."""
    random = np.random.default_rng(0)
    cases = []
    for unknown in ("skip", "neutral", "worst"):
        for count, length, width, motifs in [(3, 300, 8, 5), (7, 64, 20, 17), (2, 5, 6, 3)]:
            base = random.integers(0, 4 + (unknown != "skip"), (count, length))
            log_kd = random.normal(0, 2, (width, 4, motifs)).astype(np.float32)
            edges = np.array([[0] * motifs, random.integers(1, width + 1, motifs)], np.int32)
            threshold = np.full(motifs, -4, np.float32)
            cases.append((unknown, base.astype(np.uint8), log_kd, edges, threshold))
    problems = []
    for unknown, *arrays in cases:
        sizes = [1, *arrays[0].shape, arrays[1].shape[0], arrays[1].shape[2]]
        problems += [np.array([*sizes, ["skip", "neutral", "worst"].index(unknown)]), *arrays]
    expected, found = [], 0
    for unknown, base, log_kd, edges, threshold in cases:
        count, length = base.shape
        first = np.arange(count) * length
        text = base.reshape(-1), np.stack([first, first + length])
        expected += _native.best_sites(*text, log_kd, edges, unknown=unknown)
        limits = np.stack([threshold] * 2)
        distributions = _native.ScoreDistributions(
            *(log_kd, edges, np.array([[0.3, 0.2, 0.2, 0.3]] * 2)), limit=limits
        )
        scanner = _native.SiteScanner(
            *(log_kd, edges, limits), distributions=distributions, unknown=unknown
        )
        *hits, _ = scanner.hits(*text, enough=1 << 20)
        expected += [np.array([len(hits[0])]), *hits]
        found += len(hits[0])
    assert found > 100
    written = run_emulated(program, kernels, problems)
    assert written == b"".join(np.ascontiguousarray(each).tobytes() for each in expected)


@pytest.mark.parametrize("kernels", ["neon", "portable"])
def test_exclusive_sites_and_pairs(program_of_arrays, functions, kernels):
    """Portable kernels to the bit as on x86; vectors of other lengths add in another order."""
    cases = [*exclusive_cases(), *pair_cases()]
    problems = [each for case in cases for each in problem_of(case)]
    written = run_emulated(program_of_arrays, kernels, problems)
    for case, filled in zip(cases, filled_from(cases, written), strict=True):
        assert case.is_right(filled), case.function
        if kernels == "portable":
            for actual, same in zip(filled, call(functions, case), strict=True):
                if actual is not None:
                    np.testing.assert_array_equal(actual.view(np.int32), same.view(np.int32))
