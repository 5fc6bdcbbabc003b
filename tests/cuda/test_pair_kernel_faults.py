"""Faults planted into a copy of the kernels of pairs: `test_pair_kernels` must notice each one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_faults import WRONG_NUMBERS, Fault, plant
from test_pair_kernels import CASES, SIMULATED, check, problem_of, with_constants

from benchmarks.shared.executors import KernelError, scratch
from benchmarks.shared.pair_executors import PairShim, PairSimulator

EXECUTORS = {
    "shim": lambda cuda: [PairShim(cuda=cuda)],
    "shim in any order": lambda cuda: [PairShim(seed=seed, cuda=cuda) for seed in range(4)],
    "simulator": lambda cuda: [PairSimulator(900, cuda=cuda)],
}

FAULTS = [
    # The scan.
    Fault(
        "reverse strand without complement",
        "pair_sites.cu",
        "own[(width - 1 - column) * kBases + kBases - 1 - code]",
        "own[(width - 1 - column) * kBases + code]",
        "shim",
    ),
    Fault(
        "reverse strand not mirrored",
        "pair_sites.cu",
        "own[(width - 1 - column) * kBases + kBases - 1 - code]",
        "own[column * kBases + kBases - 1 - code]",
        "shim",
    ),
    Fault(
        "the first chunk of columns alone",
        "pair_sites.cu",
        "first < params.shape.width; first += kPairColumns",
        "first < 1; first += kPairColumns",
        "shim",
    ),
    Fault(
        "columns that are held count",
        "pair_sites.cu",
        "if (column >= own.first && column < own.end) {",
        "if (column >= own.first) {",
        "shim",
    ),
    Fault(
        "a span is as wide as the window",
        "pair_sites.cu",
        "forward = own.first < own.end && Counts(span, own, index);",
        "forward = own.first < own.end && Counts(span, {0, width}, index);",
        "shim",
    ),
    Fault(
        "columns of the reverse strand not mirrored for a span",
        "pair_sites.cu",
        "Counts(span, {width - own.end, width - own.first}, index)",
        "Counts(span, own, index)",
        "shim",
    ),
    # Effects.
    Fault(
        "knots one base off",
        "pair_sites.cu",
        "(place + params.distance) / params.spacing;",
        "(place + params.distance + 1) / params.spacing;",
        "shim",
    ),
    Fault(
        "a site acts on itself",
        "pair_sites.cu",
        "if (itself) effect = place == 0 ? 0.0f : 0.5f * effect;",
        "if (itself) effect = 0.5f * effect;",
        "shim",
    ),
    Fault(
        "two sites of a factor count twice",
        "pair_sites.cu",
        "place == 0 ? 0.0f : 0.5f * effect;",
        "place == 0 ? 0.0f : effect;",
        "shim",
    ),
    Fault(
        "the reverse strand reads the distance forward",
        "pair_taps.cuh",
        "const int64_t tap = first_tap + i, turned = taps - 1 - tap;",
        "const int64_t tap = first_tap + i, turned = tap;",
        "shim",
    ),
    Fault(
        "second sites see as first ones",
        "pair_taps.cuh",
        "onward = sees_first ? turned : tap,",
        "onward = tap,",
        "shim",
    ),
    Fault(
        "effects behind the last distance",
        "pair_taps.cuh",
        "if (tap < taps) {",
        "if (tap <= taps) {",
        "shim",
    ),
    Fault(
        "windows behind the last one",
        "pair_taps.cuh",
        "if (window < 0 || window >= windows) return",
        "if (window < 0) return",
        "shim",
    ),
    Fault(
        "blocks of taps that see windows are left out",
        "pair_taps.cuh",
        "first + kPairStrip + kPairTaps - 1 > 0;",
        "first + kPairStrip > 0;",
        "shim",
    ),
    # Sums.
    Fault(
        "the first warp alone",
        "pair_sums.cu",
        "warp < kPairThreads / kWarp; ++warp",
        "warp < 1; ++warp",
        "shim",
    ),
    Fault(
        "the first strip of each sequence alone",
        "pair_sums.cu",
        "const int64_t parts = params.pair_count * params.strip_count;",
        "const int64_t parts = params.pair_count;",
        "shim",
    ),
    Fault(
        "scores of the first launch alone",
        "pair_sums.cu",
        "params.score[params.first_sequence + sequence]",
        "params.score[sequence]",
        "shim",
    ),
    Fault(
        "gains of first sites alone",
        "pair_sums.cu",
        "for (int place = 0; place < 2; ++place) {",
        "for (int place = 0; place < 1; ++place) {",
        "shim",
    ),
    Fault(
        "slopes behind the last window",
        "pair_sums.cu",
        "    if (window >= windows) continue;\n",
        "",
        "shim",
    ),
    Fault(
        "upstream gradients of the first sequences",
        "pair_sums.cu",
        "params.upstream[params.first_sequence + sequence]",
        "params.upstream[sequence]",
        "shim",
    ),
    # Gradients.
    Fault(
        "sums begin anew with each launch",
        "pair_gradient.cu",
        "if (!params.is_first) total.sum = *sum;",
        "",
        "shim",
    ),
    Fault(
        "the last slice is left out",
        "pair_gradient.cu",
        "SumRows({params.slice_sums, params.sums, 1, params.slice_count,",
        "SumRows({params.slice_sums, params.sums, 1, max(params.slice_count - 1, 1),",
        "shim",
    ),
    Fault(
        "slopes of the neighbouring column",
        "pair_gradient.cu",
        "const int behind = kPairColumns - 1 -",
        "const int behind = kPairColumns - 2 -",
        "shim",
    ),
    Fault(
        "columns that are held move",
        "pair_gradient.cu",
        "if (params.column_range == nullptr) return false;",
        "return false;",
        "shim",
    ),
    Fault(
        "the gradient's reverse strand not mirrored",
        "pair_gradient.cu",
        "reverse[width * kBases - 1 - row]",
        "reverse[row]",
        "shim",
    ),
    Fault(
        "knots without a share",
        "pair_gradient.cu",
        "total.Add(share * (",
        "total.Add((",
        "shim",
    ),
    Fault(
        "two sites in one window train the knots",
        "pair_gradient.cu",
        "if (itself && near == 0) continue;",
        "",
        "shim",
    ),
    Fault(
        "effects of sites of the reverse strand forward",
        "pair_gradient.cu",
        "reverse[farthest - near]",
        "reverse[farthest + near]",
        "shim",
    ),
    # Synchronisation.
    Fault(
        "no barrier before the taps",
        "pair_taps.cuh",
        "      memory.other[i] = others.At(first + i);\n    }\n    __syncthreads();",
        "      memory.other[i] = others.At(first + i);\n    }",
        "shim in any order",
    ),
    Fault(
        "no barrier after the taps",
        "pair_taps.cuh",
        "    __syncthreads();\n    FillTaps(",
        "    FillTaps(",
        "simulator",
        "RaceError|UninitError",
    ),
    Fault(
        "no barrier between strips",
        "pair_gradient.cu",
        "    __syncthreads();\n    for (int i = threadIdx.x; i < kPairStrip; i += kPairTaps) {",
        "    for (int i = threadIdx.x; i < kPairStrip; i += kPairTaps) {",
        "simulator",
        "RaceError|UninitError",
    ),
]


def plant_in_pieces(fault):
    """The kernels with the fault, and few sequences and slices at a time.

    In the simulator several strips of a slice, so that they can meet.
    """
    sites = "2000" if fault.executor == "simulator" else "400"
    few = with_constants(Path(scratch()) / f"few-{fault}", kPairSites=sites, kPairSlices="3")
    cuda = plant(fault)
    (cuda / "tiles.h").write_text((few / "tiles.h").read_text())
    return cuda


def first_sign(fault):
    """The first sign of a fault: the error of a kernel, or WRONG_NUMBERS."""
    cuda = plant_in_pieces(fault)
    for case in SIMULATED if fault.executor == "simulator" else CASES:
        for executor in EXECUTORS[fault.executor](cuda):
            try:
                check(executor, problem_of(case), case[-1])
            except KernelError as error:
                return str(error)
            except AssertionError:
                return WRONG_NUMBERS
    return pytest.fail("nobody noticed")


def fault_parameters():
    """All faults are slow tests, except one."""
    slow = [pytest.mark.slow, pytest.mark.thorough]
    fast = FAULTS[-6].name
    return [
        pytest.param(each, id=str(each), marks=[] if each.name == fast else slow) for each in FAULTS
    ]


@pytest.mark.parametrize("fault", fault_parameters())
def test_planted_faults_are_noticed(fault):
    sign = first_sign(fault)
    if fault.error is WRONG_NUMBERS:
        assert sign is WRONG_NUMBERS, sign
    else:
        assert re.search(fault.error, sign or "only wrong numbers")


def test_the_page_names_as_many_faults_as_there_are():
    page = (Path(__file__).parents[2] / "docs/measurements/gpu.md").read_text(encoding="utf-8")
    assert re.findall(r"(\d+) faults of the kernels of pairs", page) == [str(len(FAULTS))]
