"""The fused operation on this machine's GPU against standard operations: time and peak memory.

    python -m benchmarks.gpu.check --json results/gpu.json --page results/gpu.html

Rivals are TensorFlow's conv1d and sigmoid, called one by one, as a graph and under XLA. A time is
that of calls handed over together, results left on the GPU, divided by their number; a peak is what
a call needs of the GPU's memory beside its inputs. The limit is what the GPU's arithmetic allows,
see limit.py. The exit status is 3 where there is no GPU or no kernel for it.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from benchmarks.gpu.limit import Size
from benchmarks.gpu.report import (
    FORWARD,
    FORWARD_BACKWARD,
    NO_GPU,
    SIZES,
    draw,
    make_row,
    make_tables,
    missing_row,
    print_tables,
    write_page,
)
from benchmarks.shared.problem import Point, make_problem
from benchmarks.shared.rivals import FUSED
from benchmarks.shared.rivals_tensorflow import ON_GPU
from benchmarks.shared.suite import Row, print_machine, tell_progress, version, write_json
from cisreg import _native
from cisreg.diagnosis import OPERATIONS, registered_devices
from cisreg.library import build_info, load_ops

GPU = "GPU:0"
MEBIBYTE = 2**20
# Seconds of one sample, and of all samples of a measurement.
SAMPLE_SECONDS, SECONDS = 0.02, 0.5
FEWEST_SAMPLES, MOST_CALLS = 3, 200


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--find", action="store_true", help="only say whether there is a GPU")
    parser.add_argument("--quick", action="store_true", help="the first sizes only")
    parser.add_argument("--json", type=Path, help="write the measurements here")
    parser.add_argument("--page", type=Path, help="write tables and a plot here (HTML)")
    return parser.parse_args()


def why_not() -> str | None:
    """The reason why nothing can be measured here, or None."""
    if not tf.config.list_physical_devices("GPU"):
        return "no GPU: TensorFlow finds none on this machine; cisreg doctor tells more"
    load_ops()
    if any("GPU" not in registered_devices(operation) for operation in OPERATIONS):
        return (
            "no GPU kernel: this build of cisreg has none; build it again with CISREG_CUDA=on "
            "where nvcc of the CUDA toolkit is"
        )
    return None


def describe(device: dict[str, Any]) -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "device": device["name"],
        "compute_capability": device["compute_capability"],
        "multiprocessors": device["multiprocessor_count"],
        "clock_ghz": device["clock_ghz"],
        "memory_mebibytes": device["memory"] // MEBIBYTE,
        "cuda": build_info()["cuda"],
        **{package: version(package) for package in ("cisreg", "tensorflow")},
    }


def wait() -> None:
    """Waits until the GPU has finished all its work."""
    tf.test.experimental.sync_devices()


def seconds_of(call: Callable[[], object], count: int) -> float:
    """Of `count` calls, one after the other."""
    began = time.perf_counter()
    for _ in range(count):
        call()
    wait()
    return time.perf_counter() - began


def peak_mebibytes(call: Callable[[], object]) -> float:
    """GPU memory that a call needs, beyond what was in use before it."""
    tf.config.experimental.reset_memory_stats(GPU)
    before = tf.config.experimental.get_memory_info(GPU)["current"]
    call()
    wait()
    return (tf.config.experimental.get_memory_info(GPU)["peak"] - before) / MEBIBYTE


def sample(call: Callable[[], object]) -> list[float]:
    """Milliseconds per call; each number is the mean over one sample of calls."""
    once = seconds_of(call, 1)
    count = min(MOST_CALLS, max(1, round(SAMPLE_SECONDS / max(once, 1e-6))))
    samples = max(FEWEST_SAMPLES, round(SECONDS / max(count * once, SAMPLE_SECONDS)))
    return [1e3 * seconds_of(call, count) / count for _ in range(samples)]


def measure(task: str, name: str, size: Size, device: dict[str, Any]) -> Row:
    """One task of one implementation at one size."""
    problem = make_problem(Point(name, **size._asdict()))
    try:
        with tf.device(GPU):
            call = getattr(ON_GPU[name](problem), task)
            # Compiles, and chooses algorithms.
            call()
            wait()
            return make_row(task, name, size, sample(call), device, peak_mebibytes(call))
    except tf.errors.OpError as error:
        line = (error.message.splitlines() or [""])[0]
        return missing_row(task, name, size, f"{type(error).__name__}: {line}"[:100])


def measure_all(device: dict[str, Any], *, quick: bool) -> list[Row]:
    """A row per task, size and implementation."""
    sizes = SIZES[:2] if quick else SIZES
    points = list(itertools.product((FORWARD, FORWARD_BACKWARD), sizes, ON_GPU))
    rows = []
    for done, (task, size, name) in enumerate(points):
        tell_progress(done, len(points), f"{task}, {name}, {size}")
        rows.append(measure(task, name, size, device))
    return rows


def main() -> None:
    """Measures, prints, writes."""
    arguments = parse_arguments()
    reason = why_not()
    if reason is not None:
        print(reason, file=sys.stderr)
        raise SystemExit(NO_GPU)
    device = _native.cuda_devices()[0]
    facts = describe(device)
    print_machine(facts)
    if arguments.find:
        return
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    rows = measure_all(device, quick=arguments.quick)
    tables = make_tables(rows, FUSED)
    print_tables(tables)
    write_json(arguments.json, facts, rows)
    title = f"The fused operation on {facts['device']}"
    write_page(arguments.page, title, facts, tables, draw(rows, facts))


if __name__ == "__main__":
    main()
