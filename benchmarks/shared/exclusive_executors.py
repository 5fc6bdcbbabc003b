"""Who can run the CUDA kernels of sites that exclude each other, as `executors` has it.

A problem is a dict of what `_native.exclusive_forward` takes.
"""

from __future__ import annotations

import numpy as np

from benchmarks.shared.executors import (
    CUDA,
    DEVICES,
    MissingError,
    Simulator,
    import_ptxsim,
    ptx_kernels,
    shim_library,
    worker,
)
from cisreg import _native

HOST = ("column_range", "footprint", "competitor_width")
INPUTS = ("sequence", "log_kd", "log_concentration", "position_weight", "span", "length")
INPUTS += ("competitor_log_odds",)
SUMS = ("bound", "weighted", "log_partition", "competitors")
TRAINED = ("log_kd", "log_concentration", "position_weight", "competitor_log_odds")
NOTHING = np.zeros(0, np.int32)


def shapes_of_sums(problem):
    """Shapes of the outputs by name, those that there are."""
    count, motifs = len(problem["sequence"]), problem["log_kd"].shape[2]
    shapes = {"bound": (count, 2, motifs), "log_partition": (count,)}
    if "position_weight" in problem:
        shapes["weighted"] = (count, 2, motifs)
    if "competitor_width" in problem:
        shapes["competitors"] = (count, len(problem["competitor_width"]))
    return shapes


def numbers_of(problem, padding, backward, arch):
    """What the C function takes behind addresses and before what it shall do."""
    span = problem.get("span")
    width, _, motifs = problem["log_kd"].shape
    numbers = ["column_range" in problem, "footprint" in problem, "position_weight" in problem]
    numbers += [-1 if span is None else 0 if span.ndim == 1 else 2, "length" in problem]
    numbers += [len(problem.get("competitor_width", ())), *problem["sequence"].shape]
    return [*map(int, [*numbers, width, motifs, padding == "same", backward])], DEVICES[arch]


def arrays_of(problem, workspace, upstream, fill):
    """All buffers by name, in the order of the C function."""
    host = [np.ravel(problem[name]) for name in HOST if name in problem]
    buffers = {"host": np.concatenate([NOTHING, *host]).astype(np.int32)}
    buffers |= {name: problem.get(name, NOTHING) for name in INPUTS}
    buffers["workspace"] = np.full(workspace, fill, np.uint8)
    buffers["bytes"] = np.zeros(1, np.int64)
    shapes = shapes_of_sums(problem)
    for name in SUMS:
        if upstream is None:
            buffers[name] = np.full(shapes.get(name, (0,)), np.nan, np.float32)
        else:
            buffers[name] = upstream.get(f"grad_{name}", NOTHING)
    for name in TRAINED:
        is_there = upstream is not None and name in problem
        shape = problem[name].shape if is_there else (0,)
        buffers[f"{name}_gradient"] = np.full(shape, np.nan, np.float32)
    return buffers


class ExclusiveExecutor:
    """What all executors share: `_run(problem, padding, upstream) -> arrays by name`."""

    def forward(self, problem, padding="same"):
        """Sums by name."""
        found = self._run(problem, padding, None)
        return {name: found[name] for name in SUMS if name in shapes_of_sums(problem)}

    def backward(self, problem, upstream, padding="same"):
        """Gradients by name."""
        found = self._run(problem, padding, upstream)
        return {name: found[f"{name}_gradient"] for name in TRAINED if name in problem}


class ExclusiveShim(ExclusiveExecutor):
    """The kernels compiled by g++, one fiber a thread; the order of threads follows the seed."""

    def __init__(self, arch=900, seed=1, sanitized=False, cuda=CUDA, fill=0xFF):
        self.arch, self.seed, self.sanitized = arch, seed, sanitized
        self.cuda, self.fill = cuda, fill

    def __str__(self):
        return "shim-sanitized" if self.sanitized else "shim"

    def workspace(self, problem, padding="same", upstream=None):
        """Bytes of the workspace."""
        return int(self._call(problem, padding, upstream, 0, False)["bytes"][0])

    def _call(self, problem, padding, upstream, size, runs):
        library = shim_library(750 if self.arch < 800 else 900, self.sanitized, self.cuda)
        buffers = arrays_of(problem, size, upstream, self.fill)
        numbers, device = numbers_of(problem, padding, upstream is not None, self.arch)
        request = {"function": "cisreg_shim_exclusive", "arrays": list(buffers.values())}
        request |= {"numbers": [*numbers, int(runs), *device], "seed": self.seed}
        found = worker(library, self.sanitized).ask("call", request)["arrays"]
        return dict(zip(buffers, found, strict=True))

    def _run(self, problem, padding, upstream):
        size = self.workspace(problem, padding, upstream)
        return self._call(problem, padding, upstream, size, True)


class ExclusiveSimulator(ExclusiveExecutor):
    """The PTX that nvcc makes, simulated with all checks; launches are those the shim records."""

    def __init__(self, arch, cuda=CUDA, fill=0xFF, **options):
        self.arch, self.cuda, self.fill = arch, cuda, fill
        self.simulator = Simulator(arch, cuda=cuda, **options)

    def __str__(self):
        return f"ptx{self.arch}"

    def _run(self, problem, padding, upstream):
        ptxsim = import_ptxsim()
        ptx_kernels(self.arch, self.cuda)
        size = ExclusiveShim(self.arch, cuda=self.cuda).workspace(problem, padding, upstream)
        arrays = arrays_of(problem, size, upstream, self.fill)
        # The launcher reads the host's numbers itself.
        buffers = {
            name: ptxsim.DeviceArray(x, name)
            for name, x in arrays.items()
            if x.size and name not in ("host", "bytes")
        }
        names = SUMS if upstream is None else [f"{name}_gradient" for name in TRAINED]
        outputs = [name for name in names if name in buffers]
        try:
            self.simulator.launch_all(
                ptxsim,
                self._launches(problem, padding, upstream, arrays, buffers),
                buffers,
                outputs,
            )
            found = {name: buffers[name].array.view(np.ndarray) for name in outputs}
            return {
                name: found[name].view(np.float32).reshape(x.shape) if name in found else x
                for name, x in arrays.items()
            }
        finally:
            for buffer in buffers.values():
                buffer.free()

    def _launches(self, problem, padding, upstream, arrays, buffers):
        numbers, device = numbers_of(problem, padding, upstream is not None, self.arch)
        addresses = [buffers[x].address if x in buffers else None for x in arrays]
        addresses[0] = arrays["host"]
        request = {"function": "cisreg_shim_exclusive", "addresses": addresses}
        request["numbers"] = [*numbers, 1, *device]
        recorder = worker(shim_library(750 if self.arch < 800 else 900, False, self.cuda))
        return recorder.ask("record_call", request)["launches"]


class ExclusiveDevice(ExclusiveExecutor):
    """The kernels as built into the package, on the first GPU."""

    def __str__(self):
        return "device"

    def _run(self, problem, padding, upstream):
        if not hasattr(_native, "cuda_exclusive_forward"):
            raise MissingError("cisreg was built without CUDA kernels")
        if not _native.cuda_devices():
            raise MissingError("no GPU here that the CUDA kernels run on")
        if upstream is None:
            found = _native.cuda_exclusive_forward(**problem, padding=padding)
            return dict(zip(SUMS, found, strict=True))
        found = _native.cuda_exclusive_backward(
            **{"position_weight": None, **problem},
            bound_gradient=upstream["grad_bound"],
            weighted_gradient=upstream.get("grad_weighted"),
            log_partition_gradient=upstream["grad_log_partition"],
            competitor_gradient=upstream.get("grad_competitors"),
            padding=padding,
        )
        return dict(zip([f"{name}_gradient" for name in TRAINED], found, strict=True))
