"""The first minutes on a GPU: are the CUDA kernels right, how fast are they, what decides it?

    python -m benchmarks.gpu.launchers --json launchers.json --page launchers.html

Wants Python with NumPy and pybind11, CMake, nvcc and g++, but neither TensorFlow nor an installed
cisreg: it builds the module that needs none into a temporary folder, for the GPU at hand (or for
CISREG_CUDA_ARCHITECTURES, where that is set). In five minutes, the build included, and in this
order: one problem of every kind against the float64 oracle, each twice, to the same bits; the rates
of tensor cores (rates.py); times of launches by CUDA's own events; all other problems; times at
more sizes, and with a cold cache; the same law in PyTorch, in float32 and TF32; a few problems
under compute-sanitizer. What finds no time, or is not installed, is named. A kernel that does not
end is ended, and the rest goes on.

Clocks are watched, and locked only where --lock-clocks asks for it: others may use the GPU.

The exit status is 3 where there is no GPU, and 1 where a result is wrong or missing.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import functools
import itertools
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.gpu import clocks, rates
from benchmarks.gpu.budget import Deadline, Outcome, Result, Task, TaskError, run_tasks
from benchmarks.gpu.checks import first_cases, judge, other_cases, reference, same_bits, sum_error
from benchmarks.gpu.findings import Timed, is_right, words_of, write_findings
from benchmarks.gpu.limit import PLAIN, SEVERAL, Axes, Size
from benchmarks.gpu.report import BACKWARD, FORWARD, FORWARD_BACKWARD, NO_GPU
from benchmarks.gpu.static import find_nvcc
from benchmarks.gpu.worker import Worker, device, load, pytorch, stand_in
from benchmarks.shared.cuda_cases import Case

ROOT = Path(__file__).parents[2]
# Architecture that --dry-run builds for if there is no GPU.
ANY_ARCHITECTURE = "90-real"
SECONDS = 300.0
# Of a measurement: seconds of its launches, and their number.
TIMED_SECONDS, FEWEST_LAUNCHES, MOST_LAUNCHES = 0.2, 5, 50
# What a task may take.
CHECK_SECONDS, TIME_SECONDS, RATES_SECONDS, RIVAL_SECONDS, SANITIZER_SECONDS = 30, 10, 20, 30, 45
SANITIZERS = ("memcheck", "racecheck", "synccheck")
SANITIZED_CASES = 3
COUNTS = (1, 100, 128, 1000, 1100, 8192, 10_000)
LENGTHS = (1000, 10_000, 100_000, 1_000_000)
MOTIFS = (8, 64, 1000, 10_000)
RIVAL_COUNTS = (128, 1000, 8192)
RIVAL_ERROR_SIZE = Size(40)


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dry-run", action="store_true", help="build and import; needs no GPU")
    parser.add_argument(
        "--stand-in",
        action="store_true",
        help="a few small problems on this machine's processor, to record a run without a GPU",
    )
    parser.add_argument(
        "--installed", action="store_true", help="measure the package's own kernels, build nothing"
    )
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="for everything (default %(default)s)"
    )
    parser.add_argument("--lock-clocks", type=int, metavar="MHZ", help="by nvidia-smi, if it may")
    parser.add_argument("--json", type=Path, help="write the measurements here")
    parser.add_argument("--page", type=Path, help="write tables and a plot here (HTML)")
    return parser.parse_args()


# ------------------------------------------------------------------------------ the build


def architecture_here() -> str | None:
    """Architecture to build for: from the environment, or of this machine's first GPU."""
    if os.environ.get("CISREG_CUDA_ARCHITECTURES"):
        return os.environ["CISREG_CUDA_ARCHITECTURES"]
    capability = clocks.query(["compute_cap"])
    return f"{capability[0].replace('.', '')}-real" if capability else None


def build(folder: Path, architecture: str) -> Path:
    """Builds `_native` with CUDA and without TensorFlow; returns its file."""
    configure = [
        *("cmake", "-S", str(ROOT), "-B", str(folder), f"-DPython3_EXECUTABLE={sys.executable}"),
        *("-DCISREG_TENSORFLOW=", "-DCISREG_CUDA=on", f"-DCISREG_OUTPUT={folder / 'library'}"),
        f"-DCISREG_CUDA_ARCHITECTURES={architecture}",
    ]
    cores = str(os.cpu_count() or 1)
    compile_ = ["cmake", "--build", str(folder), "--target", "_native", "--parallel", cores]
    for command in (configure, compile_):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return next((folder / "library").glob("_native*.so"))


# ---------------------------------------------------------------------------- what is done


class Rival(NamedTuple):
    """The same law in PyTorch, at one size."""

    task: str
    size: Size
    tf32: bool
    compiled: bool

    @property
    def implementation(self) -> str:
        """Its name in tables; products of 16 bits know no TF32."""
        words = "PyTorch compiled" if self.compiled else "PyTorch"
        if self.size.dtype != "float32":
            return words
        return f"{words}, {'TF32' if self.tf32 else 'FP32'}"


def case_of(size: Size, marks: str, axes: Axes = PLAIN) -> Case:
    """Random numbers of a size; strongest sites are half bound."""
    shape = (size.sequence_count, size.length, size.width, size.motif_count)
    case = Case(*shape, "expected", "same", size.dtype, marks, (0.0,))
    if axes.sets > 1:
        case = dataclasses.replace(case, sets=axes.sets)
    return dataclasses.replace(case, conditions=axes.conditions) if axes.conditions > 1 else case


def launches_within(milliseconds: float) -> int:
    """How many launches of this length fill the time of a measurement."""
    wanted = round(1e3 * TIMED_SECONDS / max(milliseconds, 1e-3))
    return min(MOST_LAUNCHES, max(FEWEST_LAUNCHES, wanted))


class Lab:
    """Does the tasks: what they need is here, and no decisions.

    Args:
        kernels: the worker that runs the kernels.
        references: where the oracle computes.
        rivals: the worker that has PyTorch.
        library: the file of the module that was built, or None for the package's own.
        rates_program: what `rates.compile_command` built, or None where it was not built.
    """

    def __init__(
        self,
        kernels: Worker,
        references: concurrent.futures.Executor,
        rivals: Worker,
        library: Path | None = None,
        rates_program: Path | None = None,
    ) -> None:
        self.kernels, self.rivals = kernels, rivals
        self._pool = references
        self._references: dict[str, concurrent.futures.Future[dict[str, Any]]] = {}
        self._library, self._rates_program = library, rates_program

    def expect(self, case: Case) -> None:
        """Lets the oracle begin, so that nobody has to wait for it."""
        self._references[str(case)] = self._pool.submit(reference, case)

    def check(self, case: Case, seconds: float) -> Result:
        """Both directions twice, against the oracle and each other."""
        self.kernels.begin()
        runs, deadline = [], Deadline(seconds)
        for _ in range(2):
            sums = self.kernels.ask("forward", case, seconds=deadline.left())
            runs.append((sums, self.kernels.ask("backward", case, seconds=deadline.left())))
        try:
            expected = self._references[str(case)].result(timeout=deadline.left())
        except concurrent.futures.TimeoutError:
            raise TaskError(f"the oracle took more than {seconds} s") from None
        known = dataclasses.replace(case)
        known.__dict__.update(expected)
        (sums, gradients), (sums_again, gradients_again) = runs
        repeats = same_bits(sums, sums_again) and same_bits(
            list(gradients.values()), list(gradients_again.values())
        )
        judged = judge(known, sums, gradients)
        return {**judged, "repeats": repeats, "right": judged["right"] and repeats}

    def time(self, timed: Timed, seconds: float) -> Result:
        """Milliseconds of launches."""
        self.kernels.begin()
        deadline = Deadline(seconds)

        def times(repeats: int) -> list[float]:
            case = case_of(timed.size, timed.marks, timed.axes)
            arguments = (case, timed.task, repeats, timed.cold)
            return self.kernels.ask("time", *arguments, seconds=deadline.left())

        found = times(launches_within(*times(1)))
        return {**timed.describe(), "milliseconds": found}

    def rates(self, seconds: float) -> Result:
        """Rates of tensor cores."""
        if self._rates_program is None:
            raise TaskError("the program of rates.cu was not built")
        return {"rows": rates.run(self._rates_program, seconds)}

    def rival(self, rival: Rival, seconds: float) -> Result:
        """Milliseconds of PyTorch's calls."""
        self.rivals.begin()
        arguments, deadline = case_of(rival.size, "").arguments, Deadline(seconds)
        options = {"dtype": rival.size.dtype, "tf32": rival.tf32, "compiled": rival.compiled}

        def times(repeats: int) -> list[float]:
            call = ("time", arguments, rival.task, repeats)
            return self.rivals.ask(*call, seconds=deadline.left(), **options)

        found = times(launches_within(*times(1)))
        described = {"task": rival.task, "implementation": rival.implementation}
        return {**described, **rival.size._asdict(), "milliseconds": found}

    def rival_error(self, tf32: bool, seconds: float) -> Result:
        """How exact PyTorch's sums are, which products of matrices decide."""
        case = case_of(RIVAL_ERROR_SIZE, "")
        found = self.rivals.ask("sums", case.arguments, tf32=tf32, seconds=seconds)
        return {
            "implementation": f"PyTorch, {'TF32' if tf32 else 'FP32'}",
            "error": sum_error(case, [found, None]),
        }

    def sanitize(self, tool: str, names: list[str], seconds: float) -> Result:
        """A few problems under a tool of compute-sanitizer."""
        program = shutil.which("compute-sanitizer")
        if program is None:
            raise TaskError("compute-sanitizer is not here")
        worker = [sys.executable, "-m", "benchmarks.gpu.worker", str(self._library or "")]
        command = [program, "--tool", tool, "--error-exitcode", "86", *worker, *names]
        try:
            done = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            raise TaskError(f"compute-sanitizer took more than {seconds} s") from None
        said = (done.stdout + done.stderr).strip().splitlines()
        return {"tool": tool, "right": done.returncode == 0, "said": said[-20:]}


# ------------------------------------------------------------------------ which, and when


def timed_points() -> Iterator[tuple[int, Timed]]:
    """What is timed, with its priority: the headline first, then sizes, then a cold cache."""
    both = (FORWARD, BACKWARD)
    for marks, task in itertools.product(("", "weighted"), both):
        yield 2, Timed(task, Size(8192), marks)
    for axes, task in itertools.product(SEVERAL, both):
        yield 4, Timed(task, Size(8192), "weighted" if axes.sets else "", axes=axes)
    for count, marks, task in itertools.product(COUNTS, ("", "weighted"), both):
        yield 4, Timed(task, Size(count), marks)
    for length, motifs, task in itertools.product(LENGTHS, (245, 8), both):
        yield 5, Timed(task, Size(1, length=length, motif_count=motifs))
    for length, task in itertools.product(LENGTHS, both):
        yield 5, Timed(task, Size(1, length=length, motif_count=8), "weighted")
    for motifs, task in itertools.product(MOTIFS, both):
        yield 5, Timed(task, Size(128, motif_count=motifs))
    for dtype, count, task in itertools.product(("float16", "bfloat16"), (128, 1000, 8192), both):
        yield 5, Timed(task, Size(count, dtype=dtype))
    for width, task in itertools.product((8, 64), both):
        yield 5, Timed(task, Size(1000, width=width))
    for task in both:
        yield 5, Timed(task, Size(8192), "held")
    for count, task in itertools.product(COUNTS, both):
        yield 6, Timed(task, Size(count), cold=True)


def rivals() -> Iterator[Rival]:
    """Eager PyTorch at several sizes, compiled at one."""
    for count, tf32, task in itertools.product(
        RIVAL_COUNTS, (False, True), (FORWARD, FORWARD_BACKWARD)
    ):
        yield Rival(task, Size(count), tf32, False)
    for task in (FORWARD, FORWARD_BACKWARD):
        yield Rival(task, Size(8192, dtype="bfloat16"), False, False)
        yield Rival(task, Size(8192), True, True)


def shrunk(size: Size) -> Size:
    """A size for the stand-in."""
    return Size(
        min(size.sequence_count, 3),
        min(size.length, 40),
        min(size.width, 8),
        min(size.motif_count, 9),
        size.dtype,
    )


def make_tasks(lab: Lab, *, small: bool) -> list[Task]:
    """All there is to do.

    Args:
        lab: does it.
        small: only what the stand-in does in a minute: kinds of problems, and tiny sizes.
    """
    first, others = first_cases(), [] if small else other_cases()
    tasks = [_check_task(lab, 0, case) for case in first]
    tasks += [_check_task(lab, 3, case) for case in others]
    tasks.append(Task("rates of tensor cores", "rates", 1, RATES_SECONDS, lab.rates))
    for priority, timed in timed_points():
        shown = timed._replace(size=shrunk(timed.size)) if small else timed
        perform = functools.partial(lab.time, shown)
        tasks.append(Task(str(shown), "times", priority, TIME_SECONDS, perform))
    if not small:
        tasks += _rival_tasks(lab)
    names = [str(case) for case in first[:SANITIZED_CASES]]
    for tool in SANITIZERS:
        perform = functools.partial(lab.sanitize, tool, names)
        tasks.append(Task(f"compute-sanitizer {tool}", "sanitizer", 8, SANITIZER_SECONDS, perform))
    return list({task.name: task for task in reversed(tasks)}.values())[::-1]


def _check_task(lab: Lab, priority: int, case: Case) -> Task:
    lab.expect(case)
    perform = functools.partial(lab.check, case)
    return Task(f"right: {case}", "checks", priority, CHECK_SECONDS, perform)


def _rival_tasks(lab: Lab) -> list[Task]:
    tasks = [
        Task(
            f"error of PyTorch, {'TF32' if tf32 else 'FP32'}",
            "rival errors",
            7,
            RIVAL_SECONDS,
            functools.partial(lab.rival_error, tf32),
        )
        for tf32 in (False, True)
    ]
    for rival in rivals():
        words = (rival.task, rival.implementation, words_of(rival.size))
        perform = functools.partial(lab.rival, rival)
        tasks.append(Task(" ".join(words), "times", 7, RIVAL_SECONDS, perform))
    return tasks


# ---------------------------------------------------------------------------------- main


@contextlib.contextmanager
def built(arguments: argparse.Namespace) -> Iterator[tuple[Path | None, Path | None]]:
    """The module that was built, and the program of rates.cu; None for what was not."""
    if arguments.stand_in:
        yield None, None
        return
    architecture = architecture_here()
    if architecture is None and not arguments.dry_run:
        print("no GPU: nvidia-smi finds none on this machine", file=sys.stderr)
        raise SystemExit(NO_GPU)
    architecture = architecture or ANY_ARCHITECTURE
    with tempfile.TemporaryDirectory(prefix="cisreg-") as folder:
        program = Path(folder) / "rates"
        compiling = compile_rates(program, architecture)
        library = None if arguments.installed else build(Path(folder), architecture)
        if compiling is not None:
            compiling.wait()
        yield library, program if program.exists() else None


def compile_rates(program: Path, architecture: str) -> subprocess.Popen[bytes] | None:
    """Begins to compile rates.cu; None where there is no nvcc."""
    if find_nvcc() is None:
        return None
    number = architecture.split(";")[0].partition("-")[0]
    command = rates.compile_command(program, f"sm_{number}")
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def do_all(arguments: argparse.Namespace, began: float) -> tuple[dict[str, Any], list[Outcome]]:
    """Facts about what was measured, and what became of every task."""
    context = multiprocessing.get_context("spawn")
    cores = max(1, len(os.sched_getaffinity(0)) - 1)
    with (
        concurrent.futures.ProcessPoolExecutor(cores, context, os.nice, (10,)) as pool,
        built(arguments) as (library, program),
    ):
        make = functools.partial(device, None if library is None else str(library))
        kernels = Worker(stand_in if arguments.stand_in else make)
        torch = Worker(pytorch)
        try:
            facts = kernels.ask("describe", seconds=60)
        except TaskError as error:
            print(f"no GPU: {error}", file=sys.stderr)
            raise SystemExit(NO_GPU) from error
        facts = {"device": facts.pop("name"), **facts}
        lab = Lab(kernels, pool, torch, library, program)
        tasks = make_tasks(lab, small=arguments.stand_in)
        print(", ".join(f"{key} {value}" for key, value in facts.items()))
        with clocks.locked(arguments.lock_clocks) as how, clocks.Watch() as watch:
            left = arguments.seconds - (time.monotonic() - began)
            outcomes = run_tasks(tasks, left, tell=lambda name: print(name, file=sys.stderr))
        kernels.end()
        torch.end()
        pool.shutdown(cancel_futures=True)
    facts |= {**clocks.facts(), "clocks": how, "watched": watch.found}
    facts |= {"numpy": np.__version__, "seconds": round(time.monotonic() - began)}
    return facts, outcomes


def main() -> None:
    """Builds, measures, prints, writes."""
    began = time.monotonic()
    arguments = parse_arguments()
    if arguments.dry_run:
        with built(arguments) as (library, program):
            native = load("_native", library) if library else None
            facts = native.build_info() if native else {}
            devices = len(native.cuda_devices()) if native else 0
            print(f"built and imported: {facts}, rates: {program is not None}, GPUs: {devices}")
        return
    facts, outcomes = do_all(arguments, began)
    write_findings(facts, outcomes, arguments.json, arguments.page)
    if not is_right(outcomes):
        raise SystemExit("wrong or missing results, see above")


if __name__ == "__main__":
    main()
