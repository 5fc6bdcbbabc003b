"""Problems for tests/aarch64/run_kernels.cc, a program of the kernels alone, and its answers."""

from __future__ import annotations

import subprocess

import numpy as np
from test_conditions import several, some_conditions
from test_occupancy import example, random_range, random_upstream, relative_error

from cisreg.oracle import occupancy_oracle, occupancy_oracle_gradient

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


def build_with(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def run(command, problems):
    """What the program writes for these problems: arrays of each, one after the other."""
    given = b"".join(np.ascontiguousarray(each).tobytes() for each in problems)
    done = subprocess.run(command, input=given, capture_output=True, timeout=600, check=False)
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
            arguments = several(shape, 3, 0)
            options = {name: options[name] for name in ("reduction", "padding")}
            sums = occupancy_oracle(**arguments, **options)
            yield arguments, options, random_upstream(sums, seed=number)


def occupancy_problem(arguments, options, upstream):
    width, _, motifs = arguments["log_kd"].shape
    rest = [options.get(name) for name in ("column_range", "span", "length", "condition")]
    weight = arguments.get("position_weight")
    sets = 0 if weight is None else int(np.prod(weight.shape[:-3]))
    sizes = [0, *arguments["sequence"].shape, width, motifs, 1]
    sizes += [int(options["reduction"] == "log_unbound"), sets]
    of_rest = [0 if each is None else each.size for each in rest]
    sizes += [*of_rest[:3], arguments["log_concentration"].size // motifs, of_rest[3]]
    arrays = [each for each in (*rest, *upstream) if each is not None]
    return [np.array(sizes), *arguments.values(), *arrays]


def results_of(cases, written):
    """Float32 arrays of each problem: its sums and gradients, in the order of NAMES.

    Without position weights there are none of theirs.
    """
    written = np.frombuffer(written, np.float32)
    found = []
    for arguments, options, _ in cases:
        sums = occupancy_oracle(**arguments, **options)
        given = [*sums, *(arguments.get(name) for name in NAMES[2:])]
        shapes = [each.shape for each in given if each is not None]
        arrays = []
        for shape in shapes:
            size = int(np.prod(shape))
            arrays.append(written[:size].reshape(shape))
            written = written[size:]
        found.append(arrays)
    assert not len(written)
    return found


def check(case, found):
    """Compares the results of a problem with the oracle."""
    arguments, options, upstream = case
    gradient = occupancy_oracle_gradient(
        **arguments, **options, grad_bound=upstream[0], grad_weighted=upstream[1]
    )
    sums = occupancy_oracle(**arguments, **options)
    expected = dict(zip(NAMES[:2], sums, strict=True)) | gradient
    there = [name for name in NAMES if expected.get(name) is not None]
    for name, actual in zip(there, found, strict=True):
        value = expected[name]
        assert relative_error(actual, value) <= (2e-6 if name in NAMES[:2] else 1e-5), name
        # An absent motif has no sum and no gradient, not small ones.
        assert not np.any(actual[value == 0]), name
