"""Who can run the CUDA kernels of pairs of factors, as `benchmarks.shared.executors` has it.

A problem is a dict of what `_native.pair_forward` takes.
"""

from __future__ import annotations

import numpy as np

from benchmarks.shared.executors import (
    CUDA,
    MissingError,
    Simulator,
    import_ptxsim,
    ptx_kernels,
    shim_library,
    worker,
)
from cisreg import _native

INPUTS = ("sequence", "log_kd", "log_concentration", "column_range", "span", "effect", "pair")
TRAINED = ("log_kd", "log_concentration", "effect")
NOTHING = np.zeros(0, np.int32)


def numbers_of(problem, padding, backward):
    """Sizes, in the order of benchmarks/shared/shim/pairs.cc."""
    count, length = problem["sequence"].shape
    width, _, motifs = problem["log_kd"].shape
    pairs, _, knots = problem["effect"].shape
    sizes = [count, length, width, motifs, padding == "same", pairs, knots, problem["distance"]]
    return [*map(int, sizes), int(backward)]


def options_of(problem):
    """Whether there are columns, and from one sequence's span to the next."""
    span = problem.get("span")
    stride = -1 if span is None else 0 if span.ndim == 1 else 2
    return [int("column_range" in problem), stride]


def arrays_of(problem, workspace, upstream, fill):
    """All buffers by name, in the order of the C function."""
    buffers = {name: problem.get(name, NOTHING) for name in INPUTS}
    buffers["workspace"] = np.full(workspace, fill, np.uint8)
    score = np.full(len(problem["sequence"]), np.nan, np.float32)
    buffers["score"] = score if upstream is None else upstream
    for name in TRAINED:
        shape = problem[name].shape if upstream is not None else (0,)
        buffers[f"{name}_gradient"] = np.full(shape, np.nan, np.float32)
    return buffers


class PairExecutor:
    """What all executors share: `_run(problem, padding, upstream) -> arrays by name`."""

    def forward(self, problem, padding="same"):
        """Scores [N]."""
        return self._run(problem, padding, None)["score"]

    def backward(self, problem, upstream, padding="same"):
        """Gradients by name."""
        found = self._run(problem, padding, upstream)
        return {name: found[f"{name}_gradient"] for name in TRAINED}


class PairShim(PairExecutor):
    """The kernels compiled by g++, one fiber a thread; the order of threads follows the seed."""

    def __init__(self, seed=1, sanitized=False, cuda=CUDA, fill=0xFF):
        self.seed, self.sanitized, self.cuda, self.fill = seed, sanitized, cuda, fill

    def __str__(self):
        return "shim-sanitized" if self.sanitized else "shim"

    def workspace(self, problem, padding="same", backward=False, capability=90):
        """Bytes of the workspace."""
        size = np.zeros(1, np.int64)
        numbers = [*numbers_of(problem, padding, backward), capability]
        return int(self._call("cisreg_shim_pair_workspace", [size], numbers)[0][0])

    def _call(self, function, arrays, numbers):
        library = shim_library(900, self.sanitized, self.cuda)
        request = {"function": function, "arrays": arrays, "numbers": numbers, "seed": self.seed}
        return worker(library, self.sanitized).ask("call", request)["arrays"]

    def _run(self, problem, padding, upstream):
        backward = upstream is not None
        size = self.workspace(problem, padding, backward)
        buffers = arrays_of(problem, size, upstream, self.fill)
        numbers = [*numbers_of(problem, padding, backward), *options_of(problem)]
        found = self._call("cisreg_shim_pairs", list(buffers.values()), numbers)
        return dict(zip(buffers, found, strict=True))


class PairSimulator(PairExecutor):
    """The PTX that nvcc makes, simulated with all checks; launches are those the shim records."""

    def __init__(self, arch, cuda=CUDA, fill=0xFF, **options):
        self.arch, self.cuda, self.fill = arch, cuda, fill
        self.simulator = Simulator(arch, cuda=cuda, **options)
        self.stats = []  # of the launches of the last run

    def __str__(self):
        return f"ptx{self.arch}"

    def _run(self, problem, padding, upstream):
        ptxsim = import_ptxsim()
        ptx_kernels(self.arch, self.cuda)
        backward = upstream is not None
        size = PairShim(cuda=self.cuda).workspace(problem, padding, backward)
        arrays = arrays_of(problem, size, upstream, self.fill)
        buffers = {name: ptxsim.DeviceArray(x, name) for name, x in arrays.items() if x.size}
        try:
            request = {
                "function": "cisreg_shim_pairs",
                "addresses": [buffers[x].address if x in buffers else None for x in arrays],
                "numbers": [*numbers_of(problem, padding, backward), *options_of(problem)],
            }
            recorder = worker(shim_library(900, False, self.cuda))
            launches = recorder.ask("record_call", request)["launches"]
            outputs = [f"{name}_gradient" for name in TRAINED] if backward else ["score"]
            outputs = [name for name in outputs if name in buffers]
            self.stats = self.simulator.launch_all(ptxsim, launches, buffers, outputs)
            found = {name: buffers[name].array.view(np.ndarray) for name in outputs}
            return {
                name: found[name].view(np.float32).reshape(arrays[name].shape)
                if name in found
                else arrays[name]
                for name in arrays
            }
        finally:
            for buffer in buffers.values():
                buffer.free()


class PairDevice(PairExecutor):
    """The kernels as built into the package, on the first GPU."""

    def __str__(self):
        return "device"

    def _options(self, padding):
        if not hasattr(_native, "cuda_pair_forward"):
            raise MissingError("cisreg was built without CUDA kernels")
        if not _native.cuda_devices():
            raise MissingError("no GPU here that the CUDA kernels run on")
        return {"padding": padding}

    def _run(self, problem, padding, upstream):
        options = self._options(padding)
        if upstream is None:
            return {"score": _native.cuda_pair_forward(**problem, **options)}
        found = _native.cuda_pair_backward(**problem, score_gradient=upstream, **options)
        return dict(zip([f"{name}_gradient" for name in TRAINED], found, strict=True))
