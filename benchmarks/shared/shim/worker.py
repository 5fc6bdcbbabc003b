"""Runs the kernels in a shim library, in a separate process: `python worker.py library`.

Requests and answers are pickles on the standard streams: ("run", request) gives {"error": text} or
{"arrays": {name: array}}, ("record", request) {"launches": [...], "error": text}; ("call", request)
and ("record_call", request) the same for any function of the library. The parent starts this
process with the sanitizer preloaded; whatever that finds ends the process, with a report.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import sys

import numpy as np

COMPUTE_TYPES = ["float32", "bfloat16", "float16"]
INPUTS = ["sequence", "log_kd", "log_concentration", "position_weight"]
INPUTS += ["column_range", "span", "own_length", "condition"]
GRADIENTS = ["log_kd_gradient", "log_concentration_gradient", "position_weight_gradient"]
ADDRESSES = [*INPUTS, "workspace", "bound", "weighted_sums", *GRADIENTS]


class Problem(ctypes.Structure):
    """`Problem` of api.cc."""

    _fields_ = (
        [(name, ctypes.c_int64) for name in ("sequences", "length", "width", "motifs")]
        + [
            (name, ctypes.c_int32)
            for name in ("same", "log_unbound", "compute_type", "weight_sets")
        ]
        + [(name, ctypes.c_int32) for name in ("capability", "multiprocessors")]
        + [(name, ctypes.c_int64) for name in ("shared_memory", "span_stride", "conditions")]
        + [(name, ctypes.c_void_p) for name in ADDRESSES]
    )


class Record(ctypes.Structure):
    """`Record` of fibers.h."""

    _fields_ = [
        ("symbol", ctypes.c_char_p),
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared_bytes", ctypes.c_uint64),
        ("params", ctypes.c_void_p),
        ("params_bytes", ctypes.c_uint64),
    ]


Recorder = ctypes.CFUNCTYPE(None, ctypes.POINTER(Record))


def load(path):
    """The library, with the types of its functions."""
    # All of it at once: kernels that miss a symbol should say so here.
    library = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_LOCAL)
    library.cisreg_shim_seed.argtypes = [ctypes.c_uint64]
    library.cisreg_shim_allocate.argtypes = [ctypes.c_int64]
    library.cisreg_shim_allocate.restype = ctypes.c_void_p
    library.cisreg_shim_free.argtypes = [ctypes.c_void_p]
    if not hasattr(library, "cisreg_shim_forward"):
        return library  # kernels of a test's own
    problem = ctypes.POINTER(Problem)
    for name in ("workspace", "forward", "backward"):
        function = getattr(library, f"cisreg_shim_{name}")
        function.argtypes, function.restype = [problem], ctypes.c_char_p
    library.cisreg_shim_workspace.argtypes += [ctypes.c_int, ctypes.POINTER(ctypes.c_int64)]
    return library


def problem_of(request):
    """Everything but addresses; whether there is one of `condition` counts for sizes."""
    count, length, width, motifs = request["shape"]
    problem = Problem(
        count,
        length,
        width,
        motifs,
        request["padding"] == "same",
        request["reduction"] == "log_unbound",
        COMPUTE_TYPES.index(request["compute_dtype"]),
        request["weight_sets"],
        *request["device"],
        request["span_stride"],
        request["conditions"],
    )
    if "condition" in request["arrays"]:
        problem.condition = 1
    return problem


class Memory:
    """Buffers of exactly the bytes asked for, where the sanitizer watches their ends."""

    def __init__(self, library):
        self.library = library
        self.addresses = []

    def take(self, size):
        """The address of a new buffer."""
        self.addresses.append(self.library.cisreg_shim_allocate(size))
        return self.addresses[-1]

    def copy(self, array):
        """The address of a buffer with these numbers."""
        array = np.ascontiguousarray(array)
        address = self.take(array.nbytes)
        ctypes.memmove(address, array.ctypes.data, array.nbytes)
        return address

    def free(self):
        """Gives all back."""
        for address in self.addresses:
            self.library.cisreg_shim_free(address)


def workspace_bytes(library, problem, backward):
    """What the launcher asks for, and its error as text."""
    size = ctypes.c_int64(-1)
    error = library.cisreg_shim_workspace(ctypes.byref(problem), backward, ctypes.byref(size))
    return size.value, error.decode()


def run(library, request):
    """The kernels on the host: inputs by name in, outputs by name out."""
    problem, memory = problem_of(request), Memory(library)
    backward = request["backward"]
    size, error = workspace_bytes(library, problem, backward)
    if error:
        return {"error": error}
    try:
        problem.workspace = memory.take(size)
        for name, array in request["arrays"].items():
            setattr(problem, name, memory.copy(array))
        for name, shape in request["outputs"].items():
            setattr(problem, name, memory.take(4 * int(np.prod(shape))))
        library.cisreg_shim_seed(request["seed"])
        launch = library.cisreg_shim_backward if backward else library.cisreg_shim_forward
        error = launch(ctypes.byref(problem)).decode()
        if error:
            return {"error": error}
        arrays = {}
        for name, shape in request["outputs"].items():
            arrays[name] = np.empty(shape, np.float32)
            ctypes.memmove(arrays[name].ctypes.data, getattr(problem, name), arrays[name].nbytes)
        return {"arrays": arrays}
    finally:
        memory.free()


def record(library, request):
    """The launches of a problem whose buffers lie at the addresses of the request."""
    problem = problem_of(request)
    size, error = workspace_bytes(library, problem, request["backward"])
    if error or "addresses" not in request:
        return {"error": error, "workspace_bytes": size}
    for name, address in request["addresses"].items():
        setattr(problem, name, address)

    launch = library.cisreg_shim_backward if request["backward"] else library.cisreg_shim_forward
    return recorded(library, lambda: launch(ctypes.byref(problem)))


def recorded(library, launch):
    """What a function launches, which returns an error; nothing runs."""
    launches = []

    def receive(pointer):
        launch = pointer.contents
        launches.append(
            {
                "symbol": launch.symbol.decode(),
                "grid": tuple(launch.grid),
                "block": tuple(launch.block),
                "shared": launch.shared_bytes,
                "params": ctypes.string_at(launch.params, launch.params_bytes),
            }
        )

    recorder = Recorder(receive)
    library.cisreg_shim_record(recorder)
    error = launch().decode()
    library.cisreg_shim_record(ctypes.cast(None, Recorder))
    return {"error": error, "launches": launches}


def record_call(library, request):
    """The launches of any function of the library, whose buffers lie at these addresses."""
    function = getattr(library, request["function"])
    function.restype = ctypes.c_char_p
    # Arrays are the host's own.
    addresses = [
        each.ctypes.data_as(ctypes.c_void_p)
        if isinstance(each, np.ndarray)
        else ctypes.c_void_p(each)
        for each in request["addresses"]
    ]
    numbers = map(ctypes.c_int64, request["numbers"])
    return recorded(library, lambda: function(*addresses, *numbers))


def call(library, request):
    """Any function of the library: copies arrays in, gives them back as they are afterwards."""
    memory = Memory(library)
    try:
        addresses = [memory.copy(array) for array in request["arrays"]]
        library.cisreg_shim_seed(request["seed"])
        function = getattr(library, request["function"])
        function.restype = ctypes.c_char_p
        numbers = [ctypes.c_int64(number) for number in request["numbers"]]
        error = function(*map(ctypes.c_void_p, addresses), *numbers).decode()
        arrays = [np.empty_like(array) for array in request["arrays"]]
        for array, address in zip(arrays, addresses, strict=True):
            ctypes.memmove(array.ctypes.data, address, array.nbytes)
        return {"error": error, "arrays": arrays}
    finally:
        memory.free()


def main():
    """Answers requests until there are no more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not end up among the answers
    library = load(sys.argv[1])
    tasks = {"run": run, "record": record, "call": call, "record_call": record_call}
    while True:
        try:
            task, request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(tasks[task](library, request), answers)
        answers.flush()


if __name__ == "__main__":
    main()
