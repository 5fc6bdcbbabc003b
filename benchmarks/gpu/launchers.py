"""The CUDA kernels alone on this machine's GPU: right or wrong, and how fast.

    python -m benchmarks.gpu.launchers --json launchers.json --page launchers.html

Wants Python with NumPy and pybind11, CMake, nvcc and g++, but neither TensorFlow nor an installed
cisreg: it builds the module that needs none into a temporary folder, for the GPU at hand (or for
CISREG_CUDA_ARCHITECTURES, where that is set), compares with the float64 oracle, and times launches
by CUDA's own events. The exit status is 3 where there is no GPU, and 1 where a result is wrong.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from benchmarks.gpu.limit import Size
from benchmarks.gpu.report import (
    BACKWARD,
    FORWARD,
    NO_GPU,
    SIZES,
    Table,
    draw,
    make_row,
    make_tables,
    print_tables,
    write_page,
)
from benchmarks.shared.suite import Row, tell_progress, write_json
from cisreg import oracle

ROOT = Path(__file__).parents[2]
# Architecture that --dry-run builds for if there is no GPU.
ANY_ARCHITECTURE = "90-real"
KERNELS, HELD = "kernels", "kernels, zero columns held"
# Allowed errors, relative to the norm of the sums of absolute terms, and to that of the gradients.
LARGEST_ERRORS = {
    "float32": (3e-6, 1e-5),
    "float16": (0.02, 0.02),
    "bfloat16": (0.08, 0.08),
}
FEWEST_SEQUENCES_IN_16_BITS = 30
# (sequences, length, width, motifs): nothing, single numbers, the headline's, and odd ones.
SHAPES = (
    (0, 10, 3, 2),
    (1, 1, 1, 1),
    (3, 1, 6, 2),
    (5, 13, 30, 9),
    (33, 17, 4, 17),
    (40, 110, 30, 245),
    (2, 1100, 31, 3),
    (130, 25, 12, 70),
)


class Case(NamedTuple):
    """Shape and options of a problem; its numbers follow from them."""

    shape: tuple[int, int, int, int]
    reduction: str
    padding: str
    compute_dtype: str
    marks: tuple[str, ...]  # "weighted", "held", "spans"

    @property
    def options(self) -> dict[str, str]:
        """The options that the oracle knows too."""
        return {"reduction": self.reduction, "padding": self.padding}


class Problem(NamedTuple):
    """Arguments by name, for the kernels and, with zeros in held columns, for the oracle."""

    arguments: dict[str, Any]
    plain: dict[str, Any]
    upstream: list[np.ndarray]
    column_range: np.ndarray | None
    trained: np.ndarray
    span: np.ndarray | None

    @property
    def spanned(self) -> dict[str, Any]:
        """The arguments of the oracle for the span."""
        return {} if self.span is None else {"span": self.span, "column_range": self.column_range}


class Checked(NamedTuple):
    """Largest relative errors of one case, and whether all are small enough."""

    case: str
    sums: float
    gradients: float
    right: bool


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dry-run", action="store_true", help="build and import; needs no GPU")
    parser.add_argument("--repeats", type=int, default=20, help="launches (default %(default)s)")
    parser.add_argument("--json", type=Path, help="write the measurements here")
    parser.add_argument("--page", type=Path, help="write tables and a plot here (HTML)")
    return parser.parse_args()


def architecture_here() -> str | None:
    """Architecture to build for: from the environment, or of this machine's first GPU."""
    if os.environ.get("CISREG_CUDA_ARCHITECTURES"):
        return os.environ["CISREG_CUDA_ARCHITECTURES"]
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True)
    capabilities = done.stdout.split() if done.returncode == 0 else []
    return f"{capabilities[0].replace('.', '')}-real" if capabilities else None


def load(name: str, path: Path) -> ModuleType:
    """Imports a module from its file, without its package."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(folder: Path, architecture: str) -> ModuleType:
    """Builds `_native` with CUDA and without TensorFlow, and imports it."""
    configure = [
        *("cmake", "-S", str(ROOT), "-B", str(folder), f"-DPython3_EXECUTABLE={sys.executable}"),
        *("-DCISREG_TENSORFLOW=OFF", "-DCISREG_CUDA=on", f"-DCISREG_OUTPUT={folder / 'library'}"),
        f"-DCISREG_CUDA_ARCHITECTURES={architecture}",
    ]
    cores = str(os.cpu_count() or 1)
    compile_ = ["cmake", "--build", str(folder), "--target", "_native", "--parallel", cores]
    for command in (configure, compile_):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return load("_native", next((folder / "library").glob("_native*.so")))


def make_arguments(shape: tuple[int, int, int, int]) -> dict[str, Any]:
    """Random arguments of the operation by name, a tenth of the bases unknown, no weights."""
    count, length, width, motifs = shape
    random = np.random.default_rng(0)
    sequence = random.integers(0, 4, (count, length)).astype(np.uint8)
    sequence[random.random(sequence.shape) < 0.1] = 4
    scale = 1.5 / np.sqrt(width / 5 + 1)
    return {
        "sequence": sequence,
        "log_kd": random.normal(0, scale, (width, 4, motifs)).astype(np.float32),
        "log_concentration": random.normal(-2, 2, motifs).astype(np.float32),
    }


def make_problem(case: Case) -> Problem:
    """Numbers of a case."""
    count, length, width, motifs = case.shape
    random = np.random.default_rng(1)
    arguments = make_arguments(case.shape)
    sums = (count, 2, motifs)
    upstream = [random.normal(size=sums).astype(np.float32)]
    if "weighted" in case.marks:
        windows = oracle.window_count(length, width, case.padding)
        weight = random.normal(1, 1, (2, windows, motifs)).astype(np.float32)
        arguments["position_weight"] = weight
        upstream.append(random.normal(size=sums).astype(np.float32))
    held, trained = None, np.ones((width, 1, motifs), bool)
    if "held" in case.marks:
        held = np.sort(random.integers(0, width + 1, (2, motifs)), axis=0).astype(np.int32)
        column = np.arange(width)[:, None]
        trained = ((column >= held[0]) & (column < held[1]))[:, None]
    plain = arguments | {"log_kd": arguments["log_kd"] * trained}
    span = None
    if "spans" in case.marks:
        span = np.sort(random.integers(0, length + 1, (count, 2)), axis=1).astype(np.int32)
    return Problem(arguments, plain, upstream, held, trained, span)


def errors_of(
    found: Sequence[np.ndarray | None],
    expected: Sequence[np.ndarray | None],
    norms: Sequence[np.ndarray | None],
) -> list[float]:
    """Root mean square errors in units of those of `norms`; NaN where a number is none."""
    errors = []
    for actual, value, norm in zip(found, expected, norms, strict=True):
        if actual is not None and value is not None and norm is not None:
            unit = float(np.linalg.norm(norm)) or 1.0
            errors.append(float(np.linalg.norm(actual.astype(np.float64) - value)) / unit)
    return errors


def sum_errors(native: ModuleType, case: Case) -> list[float]:
    """Of the outputs, in units of the sums of absolute terms."""
    problem = make_problem(case)
    absolute = dict(problem.plain)
    if "position_weight" in absolute:
        absolute["position_weight"] = np.abs(absolute["position_weight"])
    found = native.cuda_occupancy_forward(
        **problem.arguments,
        **case.options,
        column_range=problem.column_range,
        span=problem.span,
        compute_dtype=case.compute_dtype,
    )
    options = case.options | problem.spanned
    expected = oracle.occupancy_oracle(**problem.plain, **options)
    return errors_of(found, expected, oracle.occupancy_oracle(**absolute, **options))


def gradient_errors(native: ModuleType, case: Case) -> list[float]:
    """Of the gradients."""
    problem = make_problem(case)
    found = native.cuda_occupancy_backward(
        **{"position_weight": None, **problem.arguments},
        **dict(zip(("bound_gradient", "weighted_gradient"), problem.upstream, strict=False)),
        **case.options,
        column_range=problem.column_range,
        span=problem.span,
        compute_dtype=case.compute_dtype,
    )
    gradient = oracle.occupancy_oracle_gradient(
        **problem.plain,
        **case.options,
        **problem.spanned,
        **dict(zip(("grad_bound", "grad_weighted"), problem.upstream, strict=False)),
    )
    gradient["log_kd"] = gradient["log_kd"] * problem.trained
    names = ("log_kd", "log_concentration", "position_weight")
    expected = [gradient.get(name) for name in names]
    return errors_of(found, expected, expected)


def check(native: ModuleType, case: Case) -> Checked:
    """Compares both directions with the oracle."""
    sums = sum_errors(native, case)
    gradients = gradient_errors(native, case)
    largest = LARGEST_ERRORS[case.compute_dtype]
    # Number by number, since max() would drop NaN.
    right = all(error <= largest[0] for error in sums)
    right &= all(error <= largest[1] for error in gradients)
    words = ("x".join(map(str, case.shape)), case.reduction, case.padding, case.compute_dtype)
    return Checked(" ".join((*words, *case.marks)), max(sums), max(gradients), right)


def cases() -> Iterator[Case]:
    """Every shape with every option; 16 bits only where no single site dominates the error."""
    for shape, reduction, padding, dtype, marks in itertools.product(
        SHAPES,
        ("expected", "log_unbound"),
        ("same", "valid"),
        LARGEST_ERRORS,
        ((), ("weighted",), ("weighted", "held"), ("weighted", "held", "spans")),
    ):
        if padding == "valid" and shape[1] < shape[2]:
            continue
        if dtype == "float32" or shape[0] >= FEWEST_SEQUENCES_IN_16_BITS:
            yield Case(shape, reduction, padding, dtype, marks)


def measure_all(native: ModuleType, device: dict[str, Any], repeats: int) -> list[Row]:
    """A row per direction and size, every column used, or a third of them and the others held."""
    rows = []
    points = list(itertools.product((FORWARD, BACKWARD), SIZES, (KERNELS, HELD)))
    for done, (task, size, name) in enumerate(points):
        tell_progress(done, len(points), f"{task}, {name}, {size}")
        times = time_launches(native, size, task, name, repeats)
        rows.append(make_row(task, name, size, times, device))
    return rows


def time_launches(
    native: ModuleType, size: Size, task: str, name: str, repeats: int
) -> list[float]:
    """Milliseconds of each launch."""
    arguments = make_arguments((size.sequence_count, size.length, size.width, size.motif_count))
    held = None
    if name == HELD:
        edges = [[size.width // 3] * size.motif_count, [2 * size.width // 3] * size.motif_count]
        held = np.array(edges, np.int32)
    return native.cuda_time(
        **arguments,
        column_range=held,
        compute_dtype=size.dtype,
        direction=task,
        repeats=repeats,
    )


def table_of(checked: list[Checked]) -> Table:
    """All cases that are wrong, or else the largest errors."""
    wrong = [each for each in checked if not each.right]
    worst = [
        max(checked, key=lambda each: each.sums),
        max(checked, key=lambda each: each.gradients),
    ]
    cells = [
        [each.case, f"{each.sums:.1e}", f"{each.gradients:.1e}", "right" if each.right else "WRONG"]
        for each in wrong or worst
    ]
    title = f"against the oracle: {len(checked) - len(wrong)} right, {len(wrong)} wrong"
    return Table(title, ("problem", "error of sums", "of gradients", ""), cells)


def main() -> None:
    """Builds, checks, measures, prints, writes."""
    arguments = parse_arguments()
    architecture = architecture_here()
    if architecture is None and not arguments.dry_run:
        print("no GPU: nvidia-smi finds none on this machine", file=sys.stderr)
        raise SystemExit(NO_GPU)
    with tempfile.TemporaryDirectory(prefix="cisreg-") as folder:
        native = build(Path(folder), architecture or ANY_ARCHITECTURE)
    devices = native.cuda_devices()
    facts = {**native.build_info(), "numpy": np.__version__}
    if arguments.dry_run:
        print(f"built and imported: {facts}, GPUs: {len(devices)}")
        return
    if not devices:
        print("no GPU: CUDA finds none on this machine", file=sys.stderr)
        raise SystemExit(NO_GPU)
    facts = {"device": devices[0]["name"], **devices[0], **facts}
    del facts["name"]
    print(", ".join(f"{key} {value}" for key, value in facts.items()))
    checked = [check(native, case) for case in cases()]
    rows = measure_all(native, devices[0], arguments.repeats)
    tables = [table_of(checked), *make_tables(rows, KERNELS)]
    print_tables(tables)
    write_json(arguments.json, facts, [*(each._asdict() for each in checked), *rows])
    title = f"The CUDA kernels on {facts['device']}"
    write_page(arguments.page, title, facts, tables, draw(rows, facts))
    if not all(each.right for each in checked):
        raise SystemExit("wrong results, see above")


if __name__ == "__main__":
    main()
