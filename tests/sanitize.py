"""Builds the native code with sanitizers, and runs the tests of it: `make sanitize`.

AddressSanitizer ends the process at an access out of bounds, UndefinedBehaviorSanitizer at one that
is not aligned and at any other undefined behaviour. The build has a folder of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "sanitize"
# What calls native code: readers, kernels and their fuzz tests.
TESTS = (
    "fuzz/test_fuzz_native.py",
    "fuzz/test_fuzz_readers.py",
    "test_native_sequence.py",
    "test_native.py",
    "test_native_exclusive.py",
    "test_native_pairs.py",
    "test_length.py",
    "scan/test_scan_native.py",
    "scan/test_best_hits.py",
    "scan/test_p_values.py",
    "interpret/test_native_mutations.py",
    "genome/test_fasta.py",
    "genome/test_fasta_text.py",
    "genome/test_hit_files.py",
    "prepare/test_cluster.py",
    "prepare/test_merge_pairs.py",
    "data/formats/test_one_hot.py",
)
# The tests take less than ten minutes on two idle cores: what takes as long as this hangs.
LONGEST_SECONDS = 1800
# Python and TensorFlow keep memory until the end; memory that cannot be had is an error there.
ADDRESS = "detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=0"
UNDEFINED = "print_stacktrace=1:halt_on_error=1"


def build() -> Path:
    """The sanitized module, without TensorFlow and CUDA; its kernels lie beside it."""
    options = {
        "CISREG_SANITIZE": "ON",
        "CISREG_TENSORFLOW": "",
        "CISREG_CUDA": "off",
        "CMAKE_BUILD_TYPE": "Debug",
        "CMAKE_CXX_FLAGS_DEBUG": "",
        "Python3_EXECUTABLE": sys.executable,
    }
    configure = ["cmake", "-S", str(ROOT), "-B", str(BUILD), "-Wno-dev"]
    configure += [f"-D{name}={value}" for name, value in options.items()]
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    jobs = str(os.cpu_count() or 1)
    subprocess.run(["cmake", "--build", str(BUILD), "--parallel", jobs, "--", "-s"], check=True)
    return BUILD / f"_native{sysconfig.get_config_var('EXT_SUFFIX')}"


def runtime() -> str:
    """Libraries that must be loaded before everything else: AddressSanitizer's, and that of C++.

    AddressSanitizer looks for the functions that it replaces when it is loaded.
    """
    compiler = os.environ.get("CXX", "c++")
    asked = [
        subprocess.run(
            [compiler, f"-print-file-name={name}"], check=True, capture_output=True, text=True
        )
        for name in ("libasan.so", "libstdc++.so")
    ]
    return " ".join(each.stdout.strip() for each in asked)


def main(words: list[str]) -> int:
    """Builds and tests; `words` are for pytest in place of the usual tests."""
    started = time.monotonic()
    library = build()
    built = time.monotonic()
    environment = os.environ | {
        "CISREG_SANITIZED": str(library),
        "LD_PRELOAD": runtime(),
        "ASAN_OPTIONS": ADDRESS,
        "UBSAN_OPTIONS": UNDEFINED,
        # Memory that is had from the system is watched.
        "PYTHONMALLOC": "malloc",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "PYTHONPATH": os.pathsep.join((str(ROOT / "tests"), os.environ.get("PYTHONPATH", ""))),
    }
    command = [sys.executable, "-m", "pytest", "-p", "sanitized_native", "-q"]
    command += ["-p", "no:cacheprovider"]
    command += ["--numprocesses", "auto", "--maxprocesses", "4", "--dist", "worksteal"]
    command += words or [str(ROOT / "tests" / test) for test in TESTS]
    status = subprocess.run(command, cwd=ROOT, env=environment, timeout=LONGEST_SECONDS).returncode
    done = time.monotonic()
    print(f"sanitizers: {built - started:.0f} s to build, {done - built:.0f} s of tests")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
