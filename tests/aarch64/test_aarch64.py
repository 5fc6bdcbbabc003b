"""The kernels compiled for 64-bit Arm and run in an emulator, against those of this processor."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_conditions import several, some_conditions
from test_occupancy import example, random_range, random_upstream, relative_error

from cisreg import _native
from cisreg.oracle import occupancy_oracle, occupancy_oracle_gradient

ROOT = Path(__file__).parents[2]
COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64"
# (sequences, length, width, motifs): next to every multiple of a vector and of a block.
SHAPES = [
    (1, 1, 1, 1),
    (5, 13, 30, 9),
    (3, 20, 3, 31),
    (130, 11, 2, 17),
    (2, 1100, 31, 3),
    (40, 110, 30, 24),
]
NAMES = ("bound", "weighted", "log_kd", "log_concentration", "position_weight")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which(COMPILER) and shutil.which(EMULATOR)),
        reason=f"{COMPILER} or {EMULATOR} is missing (Debian: g++-aarch64-linux-gnu, qemu-user)",
    ),
]


def build_with(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The kernels as CMake builds them for that processor, with a program that calls them."""
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
    build_with(
        *(COMPILER, "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror"),
        *(f"-I{ROOT / 'csrc'}", f"-I{ROOT}", ROOT / "tests/aarch64/run_kernels.cc"),
        *build.glob("CMakeFiles/cisreg_scan.dir/csrc/scan/*.o"),
        *("-o", build / "run_kernels", f"-L{build}", "-lcisreg_kernels", "-lpthread"),
        f"-Wl,-rpath,{build}",
    )
    return build / "run_kernels"


def run(program, kernels, problems):
    """What the program writes for these problems: arrays of each, one after the other."""
    given = b"".join(np.ascontiguousarray(each).tobytes() for each in problems)
    libraries = Path("/usr/aarch64-linux-gnu")
    words = [EMULATOR, "-L", libraries, program, kernels]
    done = subprocess.run(words, input=given, capture_output=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def occupancy_cases():
    """Arguments, options and incoming gradients of each problem."""
    for number, shape in enumerate(SHAPES):
        for reduction in ("expected", "log_unbound"):
            arguments = example(shape, seed=number)
            options = {"reduction": reduction, "padding": "same"}
            if number % 2:
                options["column_range"] = random_range(shape[2], shape[3])
                edges = np.random.default_rng(number).integers(0, shape[1] + 1, (shape[0], 2))
                options["span"] = np.sort(edges).astype(np.int32)
            if number % 3 == 2:
                length = np.random.default_rng(number).integers(0, shape[1] + 1, shape[0])
                options["length"] = length.astype(np.int32)
                arguments["log_concentration"][::3] = -np.inf
            sums = np.empty((shape[0], 2, shape[3]))
            yield arguments, options, random_upstream([sums, sums], seed=number)
            arguments = several(shape, 3, 2)
            if number % 2:
                options = options | {"condition": some_conditions(shape, 3)}
            sums = occupancy_oracle(**arguments, **options)
            yield arguments, options, random_upstream(sums, seed=number)


def occupancy_problem(arguments, options, upstream):
    width, _, motifs = arguments["log_kd"].shape
    rest = [options.get(name) for name in ("column_range", "span", "length", "condition")]
    sets = int(np.prod(arguments["position_weight"].shape[:-3]))
    sizes = [0, *arguments["sequence"].shape, width, motifs, 1]
    sizes += [int(options["reduction"] == "log_unbound"), sets]
    of_rest = [0 if each is None else each.size for each in rest]
    sizes += [*of_rest[:3], arguments["log_concentration"].size // motifs, of_rest[3]]
    arrays = [each for each in rest if each is not None]
    return [np.array(sizes), *arguments.values(), *arrays, *upstream]


def on_this_processor(arguments, options, upstream, instruction_set):
    weight = arguments["position_weight"]
    before = list(arguments.values())[:3]
    chosen = {**options, "instruction_set": instruction_set}
    forward = _native.occupancy_forward(*before, weight, **chosen)
    return [*forward, *_native.occupancy_backward(*before, weight, *upstream, **chosen)]


@pytest.mark.parametrize(("kernels", "like"), [("neon", "avx2"), ("portable", "portable")])
def test_occupancy(program, kernels, like):
    """To the bit as on x86: the same order of sums, and products fused with sums alike."""
    cases = list(occupancy_cases())
    problems = [each for case in cases for each in occupancy_problem(*case)]
    written = np.frombuffer(run(program, kernels, problems), np.float32)
    for arguments, options, upstream in cases:
        oracle = occupancy_oracle(**arguments, **options)
        gradient = occupancy_oracle_gradient(
            **arguments, **options, grad_bound=upstream[0], grad_weighted=upstream[1]
        )
        expected = dict(zip(NAMES, (*oracle, *(gradient[name] for name in NAMES[2:])), strict=True))
        same = None
        if like in _native.instruction_sets():
            same = on_this_processor(arguments, options, upstream, like)
        for index, (name, value) in enumerate(expected.items()):
            actual, written = written[: value.size].reshape(value.shape), written[value.size :]
            assert relative_error(actual, value) <= (2e-6 if index < 2 else 1e-5), name
            if same is not None:
                np.testing.assert_array_equal(
                    actual.view(np.int32), same[index].view(np.int32), err_msg=name
                )
    assert not len(written)


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
    written = run(program, kernels, problems)
    assert written == b"".join(np.ascontiguousarray(each).tobytes() for each in expected)
