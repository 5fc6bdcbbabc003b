"""Who can run the CUDA kernels: fibers of the host, the PTX simulator, a device.

All have `forward(case) -> (bound, weighted)` and `backward(case) -> gradients by name`. What goes
wrong inside a kernel is a `KernelError`; what this machine lacks is a `MissingError`, upon which a
test skips.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import fcntl
import functools
import hashlib
import importlib
import os
import pickle
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.shared.cuda_cases import condition_count, sum_shapes, weight_sets
from cisreg import _native

ROOT = Path(__file__).parents[2]
CUDA = ROOT / "cuda"
SHIM = Path(__file__).parent / "shim"
API = tuple(SHIM / name for name in ("api.cc", "exclusive.cc", "pairs.cc"))
# What was compiled stays, for other processes and later runs; named by what it was compiled from.
CACHE = ROOT / "build" / "executors"
PTXSIM = ROOT.parent / "shared" / "tools" / "ptxsim"

# (compute capability, multiprocessors, bytes of shared memory that a block may ask for). Few
# multiprocessors, so that small problems are cut into few parts as well as into many.
DEVICES = {750: (75, 8, 64 << 10), 800: (80, 5, 163 << 10), 900: (90, 12, 227 << 10)}
SANITIZERS = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
SANITIZER_OPTIONS = {
    # Python itself does not give all back; the sanitizer's own exit code tells a report.
    "ASAN_OPTIONS": "detect_leaks=0:exitcode=99",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


class KernelError(Exception):
    """A kernel did what it must not do."""


class MissingError(Exception):
    """This machine lacks something that an executor needs; the message says what."""


def scratch():
    """A folder for what this process compiles."""
    return Path(_scratch().name)


@functools.cache
def _scratch():
    folder = tempfile.TemporaryDirectory(prefix="cisreg-cuda-")
    atexit.register(folder.cleanup)
    return folder


def compile_units(command, units, include, suffix):
    """Compiles units, two at a time, unless the same text was compiled before; returns the results.

    The text of a unit is its own and that of all it includes from the folders `include`.
    """
    flags = [f"-I{folder}" for folder in include]

    def compile_one(unit):
        texts = [path.read_bytes() for path in included_files(unit, include)]
        name = f"{unit.stem}-{digest_of(repr([command, suffix]).encode(), *texts)}"
        return compiled(CACHE / f"{name}{suffix}", [*command, *flags, unit])

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(compile_one, units))


def included_files(unit, folders):
    """A source file and all files that it includes, directly or not, in the order of first use."""
    found, pending = {}, [unit]
    while pending:
        path = pending.pop(0)
        if path not in found:
            found[path] = None
            names = re.findall(r'^\s*#\s*include\s*["<]([^">]+)', path.read_text(), re.MULTILINE)
            places = [folder / name for name in names for folder in (path.parent, *folders)]
            pending += [place for place in places if place.is_file()]
    return list(found)


def digest_of(*texts):
    """Some letters that tell these texts from others."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(len(text).to_bytes(8, "little") + text)
    return digest.hexdigest()[:16]


def compiled(target, command):
    """Runs a compiler unless its target is there."""

    def compile_to(partial):
        done = subprocess.run([*command, "-o", partial], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, done.args))}\n{done.stderr}")

    return made_once(target, compile_to)


def made_once(target, make):
    """Calls `make` with the path of a file to write, unless `target` is there, which it becomes.

    Processes that want the same target wait for the first of them.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            partial = target.with_suffix(".partial")
            make(partial)
            partial.replace(target)
    return target


def cuda_units(cuda):
    """What there is to compile in a folder of kernels."""
    return sorted([*cuda.glob("*.cu"), *cuda.glob("*.cc")])


# ---------------------------------------------------------------------------------- the shim


@functools.cache
def shim_library(arch, sanitized=False, cuda=CUDA, own=API):
    """Compiles units for the host with the shim; with its API also the kernels of a folder."""
    if shutil.which("g++") is None or platform.machine() != "x86_64":
        raise MissingError("the shim needs g++ and an x86-64 processor")
    flags = ["-std=c++17", "-DCISREG_CUDA_SHIM", f"-DCISREG_CUDA_ARCH={arch}", "-fPIC"]
    flags += ["-Wall", "-Wno-unknown-pragmas"]
    # Shared memory changes its type as it is used again; nothing is fused but what is written so.
    flags += ["-fno-strict-aliasing", "-ffp-contract=off"]
    flags += SANITIZERS if sanitized else ["-O1"]
    units = [SHIM / "fibers.cc", *own, *(cuda_units(cuda) if own == API else ())]
    include = [SHIM, cuda, ROOT / "csrc"]
    objects = compile_units(["g++", *flags, "-x", "c++", "-c"], units, include, ".o")
    link = ["-fsanitize=address,undefined"] if sanitized else []
    name = f"shim-{digest_of(repr([link, objects]).encode())}.so"
    return compiled(CACHE / name, ["g++", "-shared", *link, *objects, "-ldl", "-Wl,-z,defs"])


class Worker:
    """A process that holds a library of the shim; started again where a kernel has ended it."""

    def __init__(self, library, sanitized):
        self.library, self.sanitized = library, sanitized
        self.process = None

    def ask(self, task, request):
        """The answer to a request; an error of the kernels, or their end, is a KernelError."""
        if self.process is None:
            self._start()
        try:
            pickle.dump((task, request), self.process.stdin)
            self.process.stdin.flush()
            answer = pickle.load(self.process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            raise KernelError(self._last_words()) from None
        if answer.get("error"):
            raise KernelError(answer["error"])
        return answer

    def _start(self):
        environment = dict(os.environ)
        if self.sanitized:
            name = ["g++", "-print-file-name=libasan.so"]
            preload = subprocess.run(name, check=True, capture_output=True, text=True).stdout
            environment |= {**SANITIZER_OPTIONS, "LD_PRELOAD": preload.strip()}
        self.errors = (scratch() / f"worker{id(self)}").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, SHIM / "worker.py", self.library],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=environment,
        )
        atexit.register(self.stop)

    def _last_words(self):
        code = self.process.wait()
        self.errors.seek(0)
        text = self.errors.read().decode(errors="replace")
        self.process = None
        return f"the kernels ended their process ({code}):\n{text[:6000]}"

    def stop(self):
        """Ends the process, if it runs."""
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()
            self.process = None


@functools.cache
def worker(library, sanitized=False):
    """The one process that holds a library."""
    return Worker(library, sanitized)


GRADIENT_NAMES = {
    "log_kd": "log_kd_gradient",
    "log_concentration": "log_concentration_gradient",
    "position_weight": "position_weight_gradient",
}


def request_of(case, arch, backward):
    """The problem as the worker expects it: numbers, inputs by name, shapes of outputs by name."""
    arrays = dict(case.arguments)
    if case.column_range is not None:
        arrays["column_range"] = case.column_range
    if case.spans is not None:
        arrays["span"] = case.spans
    if case.own_length is not None:
        arrays["own_length"] = case.own_length
    if case.condition is not None:
        arrays["condition"] = case.condition
    names = ["bound", "weighted_sums"][: 1 + case.weighted]
    if backward:
        arrays |= dict(zip(names, case.upstream, strict=False))
        outputs = {
            target: case.arguments[name].shape
            for name, target in GRADIENT_NAMES.items()
            if name in case.arguments
        }
    else:
        outputs = dict(zip(names, sum_shapes(case), strict=False))
    return {
        "shape": case.shape,
        **case.options,
        "compute_dtype": case.compute_dtype,
        "weight_sets": weight_sets(case),
        "conditions": condition_count(case),
        "span_stride": 0 if case.spans is None or case.spans.ndim == 1 else 2,
        "device": DEVICES[arch],
        "backward": backward,
        "arrays": arrays,
        "outputs": outputs,
    }


class Executor:
    """What all executors share: `_run(request) -> outputs by name`."""

    arch = 900

    def forward(self, case):
        """Sums of a case, (bound, weighted)."""
        outputs = self._run(request_of(case, self.arch, False))
        return outputs["bound"], outputs.get("weighted_sums")

    def backward(self, case):
        """Gradients of a case by name."""
        outputs = self._run(request_of(case, self.arch, True))
        return {name: outputs[key] for name, key in GRADIENT_NAMES.items() if key in outputs}


class Shim(Executor):
    """The kernels compiled by g++, one fiber a thread; the order of threads follows the seed."""

    def __init__(self, arch, seed=1, sanitized=False, cuda=CUDA):
        self.arch, self.seed, self.sanitized, self.cuda = arch, seed, sanitized, cuda

    def __str__(self):
        return f"shim{self.arch}" + ("-sanitized" if self.sanitized else "")

    def _run(self, request):
        library = shim_library(self.arch, self.sanitized, self.cuda)
        request = {**request, "seed": self.seed}
        return worker(library, self.sanitized).ask("run", request)["arrays"]

    def time(self, case, direction, repeats, cold=False):
        """Milliseconds that this machine's processor takes: nothing about any GPU, hot or cold."""
        times = []
        for _ in range(repeats):
            began = time.perf_counter()
            getattr(self, direction)(case)
            times.append(1e3 * (time.perf_counter() - began))
        return times

    def describe(self):
        """What results come from, as `_native.cuda_devices` has it."""
        capability, multiprocessors, shared_memory = DEVICES[self.arch]
        return {
            "name": "the shim, a stand-in for a GPU",
            "compute_capability": f"{capability / 10}",
            "multiprocessor_count": multiprocessors,
            "shared_memory_per_block": shared_memory,
        }


# ----------------------------------------------------------------------------- the simulator


def import_ptxsim(folder=PTXSIM):
    """The simulator's module, from the folder where it was first found."""
    if "ptxsim" not in sys.modules:
        if not folder.is_dir():
            raise MissingError(f"the PTX simulator is not here: {folder}")
        sys.path.append(str(folder))
    return importlib.import_module("ptxsim")


def find_nvcc():
    """Its path, from CUDACXX, PATH or /usr/local/cuda."""
    for nvcc in (os.environ.get("CUDACXX"), shutil.which("nvcc"), "/usr/local/cuda/bin/nvcc"):
        if nvcc and Path(nvcc).exists():
            return nvcc
    raise MissingError("nvcc, which compiles kernels to PTX, is not here")


@functools.cache
def ptx_kernels(arch, cuda=CUDA):
    """All kernels of a folder by their mangled names."""
    ptxsim = import_ptxsim()
    modules = [ptxsim.Module.from_file(target) for target in ptx_files(arch, cuda)]
    return {name: module for module in modules for name in module.kernels}


@functools.cache
def ptx_files(arch, cuda=CUDA):
    """PTX of every unit of a folder that has kernels."""
    nvcc = find_nvcc()
    flags = ["-ptx", f"-arch=sm_{arch // 10}", "-O3", "-lineinfo", "-std=c++17"]
    units = [unit for unit in cuda_units(cuda) if "__global__" in unit.read_text()]
    return compile_units([nvcc, *flags], units, [cuda, ROOT / "csrc"], ".ptx")


class Simulator(Executor):
    """The PTX that nvcc makes, simulated with all checks; launches are those that the shim records.

    Buffers and workspace hold `fill` beforehand: results must not depend on it.
    """

    def __init__(self, arch, order="forward", schedule="lockstep", seed=0, fill=0xFF, cuda=CUDA):
        self.arch, self.cuda, self.fill = arch, cuda, fill
        self.options = {"order": order, "schedule": schedule, "seed": seed}

    def __str__(self):
        return f"ptx{self.arch}"

    def _run(self, request):
        ptxsim = import_ptxsim()
        ptx_kernels(self.arch, self.cuda)
        recorder = worker(shim_library(750 if self.arch < 800 else 900, False, self.cuda))
        size = recorder.ask("record", request)["workspace_bytes"]
        buffers = {name: ptxsim.DeviceArray(x, name) for name, x in request["arrays"].items()}
        for name, shape in request["outputs"].items():
            buffers[name] = ptxsim.DeviceArray(self._filled(4 * int(np.prod(shape))), name)
        buffers["workspace"] = ptxsim.DeviceArray(self._filled(size), "workspace")
        try:
            addresses = {name: buffer.address for name, buffer in buffers.items()}
            launches = recorder.ask("record", {**request, "addresses": addresses})["launches"]
            self.launch_all(ptxsim, launches, buffers, request["outputs"])
            return {
                name: buffers[name].array.view(np.ndarray).view(np.float32).reshape(shape)
                for name, shape in request["outputs"].items()
            }
        finally:
            for buffer in buffers.values():
                buffer.free()

    def _filled(self, size):
        return np.full(size, self.fill, np.uint8)

    def launch_all(self, ptxsim, launches, buffers, outputs):
        """Simulates launches, whose statistics it returns; buffers hold what they write."""
        stats = []
        for buffer in (buffers[name] for name in outputs):
            buffer.array = buffer.array.view(ptxsim.OutArray)
        for number, launch in enumerate(launches):
            # The simulator forgets between launches what was written, so that it can tell reads of
            # never-written workspace in the first one alone; `fill` tells the others.
            kind = ptxsim.OutArray if number == 0 else np.ndarray
            buffers["workspace"].array = buffers["workspace"].array.view(kind)
            stats.append(self._launch(ptxsim, launch))
        return stats

    def _launch(self, ptxsim, launch):
        module = ptx_kernels(self.arch, self.cuda)[launch["symbol"]]
        try:
            stats = module[launch["symbol"]].launch(
                launch["grid"],
                launch["block"],
                launch["shared"],
                [launch["params"]],
                racecheck="raise",
                warp_racecheck="raise",
                host_threads=1,
                **self.options,
            )
        except ptxsim.SimError as error:
            raise KernelError(f"{type(error).__name__}: {error}") from error
        for what, found in (
            ("writes by two blocks", stats["races"]["global"]),
            ("reads of what nobody wrote", stats["uninit_reads"]),
        ):
            if found["count"]:
                raise KernelError(f"{stats['kernel']}: {found['count']} {what}: {found['first']}")
        return stats


# --------------------------------------------------------------------------------- a device


class Device(Executor):
    """The kernels as built into the package, on the first GPU."""

    def __init__(self, ordinal=0):
        self.ordinal = ordinal

    def __str__(self):
        return "device"

    def _options(self, case):
        if not hasattr(_native, "cuda_devices"):
            raise MissingError("cisreg was built without CUDA kernels")
        if len(_native.cuda_devices()) <= self.ordinal:
            raise MissingError("no GPU here that the CUDA kernels run on")
        return {
            "column_range": case.column_range,
            "span": case.spans,
            "length": case.own_length,
            "condition": case.condition,
            **case.options,
            "compute_dtype": case.compute_dtype,
            "device": self.ordinal,
        }

    def forward(self, case):
        """Sums of a case, (bound, weighted)."""
        options = self._options(case)
        arguments = case.arguments
        return _native.cuda_occupancy_forward(
            arguments["sequence"],
            arguments["log_kd"],
            arguments["log_concentration"],
            arguments.get("position_weight"),
            **options,
        )

    def backward(self, case):
        """Gradients of a case by name."""
        options = self._options(case)
        arguments = case.arguments
        gradients = _native.cuda_occupancy_backward(
            arguments["sequence"],
            arguments["log_kd"],
            arguments["log_concentration"],
            arguments.get("position_weight"),
            *case.upstream,
            **options,
        )
        return {
            name: gradient
            for name, gradient in zip(GRADIENT_NAMES, gradients, strict=True)
            if gradient is not None
        }

    def time(self, case, direction, repeats, cold=False):
        """Milliseconds of each of some launches, with data in the second-level cache or not."""
        arguments = case.arguments
        return _native.cuda_time(
            arguments["sequence"],
            arguments["log_kd"],
            arguments["log_concentration"],
            arguments.get("position_weight"),
            direction=direction,
            repeats=repeats,
            cold=cold,
            **self._options(case),
        )

    def describe(self):
        """The device, and what the kernels were built with."""
        if not hasattr(_native, "cuda_time"):
            raise MissingError("cisreg was built without CUDA kernels")
        devices = _native.cuda_devices()
        if len(devices) <= self.ordinal:
            raise MissingError("no GPU here that the CUDA kernels run on")
        return {**devices[self.ordinal], **_native.build_info()}
