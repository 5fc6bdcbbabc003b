"""Faults planted into a copy of the CUDA kernels of competition: their checks must notice each."""

from __future__ import annotations

import re

import numpy as np
import pytest
from test_exclusive_kernels import (
    CASES,
    check,
    problem_of,
    sites_beyond_the_limit,
    strong_sites,
)
from test_exclusive_oracle import COMPETITORS, random_problem
from test_faults import WRONG_NUMBERS, Fault, plant

from benchmarks.shared.exclusive_executors import ExclusiveShim
from benchmarks.shared.executors import ROOT, KernelError

EXECUTORS = {
    "shim": lambda cuda: [ExclusiveShim(cuda=cuda)],
    "shim in any order": lambda cuda: [ExclusiveShim(seed=seed, cuda=cuda) for seed in range(4)],
}

FAULTS = [
    Fault(
        "sites of the reverse strand lie where those of the forward strand do",
        "exclusive_scan.cu",
        "params.places.motif[strand * params.motifs.motif_count + motif]",
        "params.places.motif[motif]",
        "shim",
    ),
    Fault(
        "every motif of a tile is a group of its own",
        "exclusive_scan.cu",
        "groups[same].columns |= 1 << i;",
        "groups[same].columns = 1 << i;",
        "shim",
    ),
    Fault(
        "rows of a group in the wrong lanes",
        "exclusive_scan.cu",
        "const int row = 8 * (4 * k + t) + g;",
        "const int row = 8 * (4 * k + (t ^ 1)) + g;",
        "shim",
    ),
    Fault(
        "windows behind the last one count",
        "exclusive_scan.cu",
        "FinishLogOdds(odds, offset, rows, lane);",
        "FinishLogOdds(odds, offset, kRows, lane);",
        "shim",
    ),
    Fault(
        "sums of odds not cleared",
        "exclusive_scan.cu",
        "for (int64_t i = lane; i < numbers; i += kWarp) sums[i] = 0.0f;",
        "",
        "shim",
    ),
    Fault(
        "gains without position weights",
        "exclusive_scan.cu",
        "own[h][k] * fmaf(upstream.weighted[h], h == 0 ? weight.x : weight.y, upstream.bound[h]);",
        "own[h][k] * upstream.bound[h];",
        "shim",
    ),
    Fault(
        "strips outside of the span are not written",
        "exclusive_scan.cu",
        "    WriteZeros(params, row, part, params.parts, lane);\n",
        "",
        "shim",
    ),
    Fault(
        "odds are not limited",
        "exclusive_law.cuh",
        "log2_odds > exclusive::kStrongestPower ? exclusive::kStrongestPower : log2_odds",
        "log2_odds",
        "shim",
    ),
    Fault(
        "the first part of the motifs alone",
        "exclusive_sequence.cu",
        "for (int part = 0; part < params.parts; ++part) {",
        "for (int part = 0; part < 1; ++part) {",
        "shim",
    ),
    Fault(
        "competitors reach over the end",
        "exclusive_sequence.cu",
        "return max(OwnLength(params.shape, n) - params.competitors.width[q] + 1, int64_t{0});",
        "return OwnLength(params.shape, n);",
        "shim",
    ),
    Fault(
        "the recursion from behind reads odds of the other end",
        "exclusive_sequence.cu",
        "(Before ? from : next)) * kNumbers",
        "(Before ? next : from)) * kNumbers",
        "shim",
    ),
    Fault(
        "sums of before are not brought to the scale of now",
        "exclusive_sequence.cu",
        "const double scaled = ScaleOf(to.power[from] - power) * to.sum[from];",
        "const double scaled = to.sum[from];",
        "shim",
    ),
    Fault(
        "gains of before are not brought to the scale of now",
        "exclusive_sequence.cu",
        "numbers[0] * (ScaleOf(to.power[from] - power) * to.gain[from])",
        "numbers[0] * to.gain[from]",
        "shim",
    ),
    Fault(
        "the scale is not in the log of the sum",
        "exclusive_sequence.cu",
        "own.before.power[own.places] * kLogOfScale",
        "0 * kLogOfScale",
        "shim",
    ),
    Fault(
        "factors before the other direction is there",
        "exclusive_sequence.cu",
        "SumUpTo<false, Gains>(params.places, own, own.behind, lane);\n  }\n  __syncthreads();",
        "SumUpTo<false, Gains>(params.places, own, own.behind, lane);\n  }",
        "shim in any order",
    ),
    Fault(
        "slopes without the mean gain of all",
        "exclusive_sequence.cu",
        "of.before.gain[at] + of.behind.gain[at + width] - others",
        "of.before.gain[at] + of.behind.gain[at + width]",
        "shim",
    ),
    Fault(
        "slopes of the sites alone, not of those beside them",
        "exclusive_slopes.cuh",
        "odds * fmaf(own.x, gain[h], own.y)",
        "odds * own.x * gain[h]",
        "shim",
    ),
]

LENGTHS = random_problem((3, 80, 6, 40), options=("column_range", "length", *COMPETITORS), seed=4)


def problems():
    """The fewest that differ in kind: all arguments, a span, strong sites, many parts."""
    yield LENGTHS
    for case in (CASES[5], CASES[6], CASES[7]):
        yield problem_of(case)
    span = random_problem((2, 150, 6, 9), options=("position_weight", "column_range"), seed=1)
    yield {**span, "span": np.array([[3, 40], [90, 140]], np.int32)}
    yield strong_sites([-90, 0, 30, 59, 90, 110])
    yield sites_beyond_the_limit()


def first_sign(executors):
    """The first sign of a fault: the error of a kernel, or WRONG_NUMBERS."""
    for problem in problems():
        for executor in executors:
            try:
                check(executor, problem)
            except KernelError as error:
                return str(error)
            except AssertionError:
                return WRONG_NUMBERS
    return pytest.fail("nobody noticed")


def fault_parameters():
    """All faults are slow tests, except one of each file that is compiled alone."""
    parameters, seen = [], set()
    for fault in FAULTS:
        fast = fault.file.endswith(".cu") and fault.file not in seen
        marks = [] if fast else [pytest.mark.slow, pytest.mark.thorough]
        parameters.append(pytest.param(fault, id=str(fault), marks=marks))
        seen.add(fault.file)
    return parameters


@pytest.mark.parametrize("fault", fault_parameters())
def test_planted_faults_are_noticed(fault):
    assert first_sign(EXECUTORS[fault.executor](plant(fault))) is WRONG_NUMBERS


def test_without_a_fault_nothing_is_noticed():
    with pytest.raises(pytest.fail.Exception, match="nobody noticed"):
        first_sign([ExclusiveShim()])


def test_the_page_names_as_many_faults_as_there_are():
    page = (ROOT / "docs" / "measurements" / "faults.md").read_text(encoding="utf-8")
    named = re.findall(
        r"(\d+) faults planted one by one in the CUDA kernels of sites that ex", page
    )
    assert [int(each) for each in named] == [len(FAULTS)]
