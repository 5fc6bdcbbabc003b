"""Problems for the C functions of exclusive_kernels.cc and pair_kernels.cc, and what is right."""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import numpy as np
import test_native_pairs
from planted_faults import compiled, library_of, sources_with
from test_exclusive_oracle import COMPETITORS, random_problem
from test_native_exclusive import upstream_of
from test_occupancy import relative_error

from cisreg.exclusive_oracle import exclusive_oracle, exclusive_oracle_gradient

FUNCTIONS = ("RunExclusive", "RunPairs")
# The arrays that each function takes and fills, in order.
EXCLUSIVE = (
    *("sequence", "log_kd", "log_concentration", "position_weight", "column_range", "span"),
    *("length", "footprint", "competitor_width", "competitor_log_odds"),
    *("grad_bound", "grad_weighted", "grad_log_partition", "grad_competitors"),
)
EXCLUSIVE_OUTPUTS = ("bound", "weighted", "log_partition", "competitors")
EXCLUSIVE_GRADIENTS = ("log_kd", "log_concentration", "position_weight", "competitor_log_odds")
PAIRS = (
    *("sequence", "log_kd", "log_concentration", "column_range", "span", "pair", "effect"),
    "grad_score",
)
PAIR_GRADIENTS = ("log_kd", "log_concentration", "effect")


class Right(NamedTuple):
    """What an array must hold, and the largest relative error."""

    value: np.ndarray
    limit: float


class Case(NamedTuple):
    """A problem of a function. None: an array that is not there."""

    function: str
    sizes: tuple[int, ...]
    given: list[np.ndarray | None]
    right: list[Right | None]

    def empty(self):
        """Arrays for the function to fill."""
        return [
            None if each is None else np.full(each.value.shape, np.nan, np.float32)
            for each in self.right
        ]

    def is_right(self, filled):
        """Whether no array differs by more than its limit."""
        with np.errstate(all="ignore"):
            return all(
                relative_error(array, each.value) <= each.limit
                for array, each in zip(filled, self.right, strict=True)
                if each is not None
            )


def in_order(names, arrays):
    return [np.ascontiguousarray(arrays[name]) if name in arrays else None for name in names]


def right_of(names, values, limit):
    return [None if values.get(name) is None else Right(values[name], limit) for name in names]


def exclusive_case(problem):
    count, length = problem["sequence"].shape
    width, _, motifs = problem["log_kd"].shape
    upstream = upstream_of(problem)
    outputs = exclusive_oracle(**problem)._asdict()
    gradients = exclusive_oracle_gradient(**problem, **upstream)
    given = {**problem, **upstream}
    if "span" in given:
        given["span"] = np.broadcast_to(given["span"], (count, 2))
    return Case(
        "RunExclusive",
        (count, length, width, motifs, len(problem.get("competitor_width", ()))),
        in_order(EXCLUSIVE, given),
        right_of(EXCLUSIVE_OUTPUTS, outputs, 5e-6) + right_of(EXCLUSIVE_GRADIENTS, gradients, 2e-5),
    )


def pair_case(problem):
    count, length = problem["sequence"].shape
    width, _, motifs = problem["log_kd"].shape
    pairs, _, knots = problem["effect"].shape
    upstream = test_native_pairs.upstream_of(problem)
    score, gradients = test_native_pairs.expected_of(problem, upstream)
    return Case(
        "RunPairs",
        (count, length, width, motifs, pairs, knots, problem["distance"]),
        in_order(PAIRS, {**problem, "grad_score": upstream}),
        [Right(score, 1e-5), *right_of(PAIR_GRADIENTS, gradients, 2e-5)],
    )


def strong_sites():
    """Sums beyond a double, of sites of two widths."""
    problem = random_problem((2, 300, 9, 3), options=("position_weight",))
    problem["column_range"] = np.array([[0, 2, 3], [9, 5, 5]], np.int32)
    column = np.arange(9)[:, None]
    held = (column < problem["column_range"][0]) | (column >= problem["column_range"][1])
    problem["log_kd"] = np.where(held[:, None], 0, problem["log_kd"]).astype(np.float32)
    problem["log_concentration"] += 40
    return problem


def strong_pairs():
    """Log odds that are summed, in place of products of odds; a factor is absent."""
    problem = test_native_pairs.random_problem((3, 40, 8, 7), options=("span",), seed=4)
    problem["log_concentration"] += 45
    problem["log_concentration"][2] = -np.inf
    return problem


def exclusive_cases():
    options = ("position_weight", "column_range", *COMPETITORS)
    return [
        exclusive_case(random_problem((60, 40, 6, 19), options=options)),
        exclusive_case(
            random_problem((2, 600, 8, 17), options=("column_range", "span", "length"), seed=1)
        ),
        exclusive_case(
            random_problem((3, 25, 30, 5), options=("position_weight", "footprint"), seed=2)
        ),
        exclusive_case(strong_sites()),
    ]


def pair_cases():
    problem = test_native_pairs.random_problem
    every = ("column_range", "span")
    return [
        pair_case(problem((130, 31, 4, 9), (9, 5), options=every)),  # knots three bases apart
        pair_case(problem((3, 40, 5, 17), (8, 15), options=every, seed=1)),  # at every distance
        pair_case(problem((2, 700, 31, 3), (300, 5), options=("column_range",), seed=2)),
        pair_case(problem((5, 9, 12, 4), (60, 23), seed=3)),  # beyond every sequence
        pair_case(strong_pairs()),
    ]


def call(library, case, kernels="portable"):
    """Runs the function of a case in a library of this processor: the arrays that it filled."""
    filled = case.empty()
    arrays = [*case.given, *filled]
    pointers = (ctypes.c_void_p * len(arrays))(
        *(None if each is None else each.ctypes.data for each in arrays)
    )
    sizes = (ctypes.c_int64 * len(case.sizes))(*case.sizes)
    getattr(library, case.function)(kernels.encode(), sizes, pointers)
    return filled


def problem_of(case):
    """What tests/aarch64/run_arrays.cc reads: arrays, one after the other."""
    arrays = [*case.given, *case.empty()]
    counts = [FUNCTIONS.index(case.function), len(case.sizes), len(case.given), len(case.right)]
    sizes = [0 if each is None else each.nbytes for each in arrays]
    numbers = np.array([*counts, *case.sizes, *sizes], np.int64)
    return [numbers, *(each for each in case.given if each is not None)]


def filled_from(cases, written):
    """The arrays of each case from what that program writes."""
    written = np.frombuffer(written, np.float32)
    for case in cases:
        filled = case.empty()
        for each in filled:
            if each is not None:
                each[...] = written[: each.size].reshape(each.shape)
                written = written[each.size :]
        yield filled
    assert not len(written)


def is_noticed(fault, folder, faulty, other_objects, cases):
    """Whether any number of the kernels with a fault (or None) is wrong in these cases.

    Args:
        fault: planted in the sources.
        folder: an empty one, for them.
        faulty: the files of csrc that are compiled with the fault.
        other_objects: all other objects that they need.
        cases: of this module.
    """
    sources = sources_with(fault, folder)
    objects = compiled([sources / each for each in faulty], folder, sources)
    library = library_of([*objects, *other_objects], folder)
    return not all(case.is_right(call(library, case)) for case in cases)
