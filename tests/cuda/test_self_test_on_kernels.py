"""The problem of the self-test on the CUDA kernels: they pass, and faults are noticed."""

from __future__ import annotations

import types

import pytest
from test_faults import EXECUTORS, FAULTS, plant

from benchmarks.shared.executors import Shim
from cisreg.self_test import LIMITS, PARTS, compare, output_names, problem


def case_of(part, compute_dtype="float32"):
    """A part of the self-test as executors take it."""
    inputs = problem(part)
    weighted = "position_weight" in inputs
    names = ("sequence", "log_kd", "log_concentration", "position_weight")
    count, length = inputs["sequence"].shape
    width, _, motifs = inputs["log_kd"].shape
    return types.SimpleNamespace(
        arguments={name: inputs[name] for name in names if name in inputs},
        upstream=[inputs["grad_bound"], *([inputs["grad_weighted"]] if weighted else [])],
        column_range=inputs["column_range"],
        own_length=inputs["length"],
        condition=inputs.get("condition"),
        spans=None,
        shape=(count, length, width, motifs),
        sequences=count,
        motifs=motifs,
        options={"reduction": PARTS[part], "padding": "same"},
        compute_dtype=compute_dtype,
        weighted=weighted,
    )


def compared_on(executor, compute_dtype="float32"):
    found = []
    for part in PARTS:
        case, names = case_of(part, compute_dtype), output_names(part)
        bound, weighted = executor.forward(case)
        values = {"bound": bound, "weighted": weighted, **executor.backward(case)}
        found += [compare(called, values[name]) for name, called in names.items()]
    return found


@pytest.mark.parametrize("compute_dtype", LIMITS)
@pytest.mark.parametrize("arch", [900, 750])
def test_the_kernels_pass(arch, compute_dtype):
    for each in compared_on(Shim(arch), compute_dtype):
        assert each.error < LIMITS[compute_dtype] / 4, each


@pytest.mark.parametrize(
    "name",
    [
        "reverse strand without complement",
        pytest.param("low terms forgotten", marks=pytest.mark.slow),
        pytest.param("bases of the second product", marks=pytest.mark.slow),
    ],
)
def test_faults_of_kernels_are_noticed(name):
    (fault,) = (each for each in FAULTS if each.name == name)
    (executor,) = EXECUTORS[fault.executor](plant(fault))
    assert not all(each.error <= LIMITS["float32"] for each in compared_on(executor))
