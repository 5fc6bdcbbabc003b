"""Preparation of motifs: their order, and launches of the largest problems."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cuda_checks import check_gradients, check_sums

from benchmarks.shared.cuda_cases import Case
from benchmarks.shared.executors import (
    CUDA,
    DEVICES,
    KernelError,
    Simulator,
    request_of,
    shim_library,
    worker,
)

SORT = Path(__file__).with_name("sort_motifs.cu")
COLUMNS_BYTES = 20  # MotifColumns of cuda/columns.h
MOST_MOTIFS = 262140


def sorted_by_the_kernels(log_kd, seed, sanitized=False):
    """The motif of each place, -1 behind the last."""
    width, _, motifs = log_kd.shape
    places = -(-motifs // 8) * 8
    request = {
        "function": "cisreg_shim_sort",
        "arrays": [
            log_kd,
            np.zeros(motifs, np.float32),
            np.zeros(2 * motifs, np.uint64),
            np.zeros(COLUMNS_BYTES * motifs, np.uint8),
            np.full(places, 77, np.int32),
        ],
        "numbers": [width, motifs],
        "seed": seed,
    }
    library = shim_library(900, sanitized, own=(SORT, CUDA / "prepare.cu", CUDA / "sort.cu"))
    return worker(library, sanitized).ask("call", request)["arrays"][-1]


def sorted_by_hand(first, end):
    """Widest first, then by the first column, then as they come."""
    order = np.lexsort([first, first - end])
    return np.append(order, np.full(-len(order) % 8, -1))


def make_ranges(width, motifs):
    """Columns of each motif; most widths and many columns come more than once, and some are 0."""
    random = np.random.default_rng(motifs)
    first, end = np.sort(random.integers(0, width + 1, (2, motifs)), axis=0)
    return np.where(first < end, first, 0), np.where(first < end, end, 0)


def check_order(width, motifs, seed, sanitized=False):
    first, end = make_ranges(width, motifs)
    column = np.arange(width)[:, None]
    own = (column >= first) & (column < end)
    log_kd = np.repeat(own.astype(np.float32)[:, None], 4, axis=1)
    found = sorted_by_the_kernels(log_kd, seed, sanitized)
    np.testing.assert_array_equal(found, sorted_by_hand(first, end))


# Next to a block's motifs, and to those of all runs that are merged at a time; several merges.
@pytest.mark.parametrize("motifs", [1, 7, 8, 255, 256, 257, 300, 4095, 4096, 4097, 10000])
@pytest.mark.parametrize("seed", [0, 3])
def test_motifs_are_sorted(motifs, seed):
    check_order(5, motifs, seed)


def test_wide_motifs_are_sorted():
    check_order(700, 600, 1)


@pytest.mark.parametrize("motifs", [257, 4100])
def test_nothing_is_read_that_was_not_written(motifs):
    check_order(3, motifs, 2, sanitized=True)


def test_the_most_motifs_are_sorted():
    check_order(3, MOST_MOTIFS, 0)


@pytest.mark.parametrize(
    "case",
    [
        Case(1, 4, 2, 300, "expected", "same", "float32", "narrow"),
        Case(1, 2, 2, 4100, "log_unbound", "same", "float32", "narrow held"),
    ],
    ids=str,
)
@pytest.mark.parametrize("arch", [900, 750])
def test_sorted_runs_in_the_simulator(arch, case):
    check_sums(case, Simulator(arch).forward(case))
    check_gradients(case, Simulator(arch).backward(case))


def record(device, shape, backward):
    """Records the launches of a problem; the shim refuses grids that CUDA does not have."""
    case = Case(*shape)
    # Only sizes count: nothing is read. Rows of concentrations tell how many conditions there are.
    case.__dict__["arguments"] = {"log_concentration": np.empty(case.motifs, np.float32)}
    case.__dict__["upstream"] = []
    request = request_of(case, 900, backward) | {"device": device}
    recorder = worker(shim_library(900))
    assert recorder.ask("record", request)["workspace_bytes"] > 0
    addresses = dict.fromkeys(["workspace", "bound"], 1 << 40)
    assert recorder.ask("record", request | {"addresses": addresses})["launches"]


@pytest.mark.parametrize("motifs", [MOST_MOTIFS - 4, MOST_MOTIFS - 3, MOST_MOTIFS])
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("device", [(75, 40, 64 << 10), (89, 58, 99 << 10), (90, 132, 227 << 10)])
@pytest.mark.parametrize("sequences", [1, 100000])
def test_the_most_motifs_have_a_grid(motifs, backward, device, sequences):
    """Up to the widest motifs, of which a single tile fits into shared memory, or is taken."""
    width = 32
    refusal = r"do not fit into the .* shared memory|at most 262140 motifs of 4096 columns"
    with pytest.raises(KernelError, match=refusal):
        while width < 20000:
            record(device, (sequences, 110, width, motifs), backward)
            # The gradient kernel counts the places of all tiles' energies in 32 bits.
            assert 2 * -(-motifs // 8) * (width // 8) * 64 <= 1 << 31
            width += 32
    assert width > 64


def test_more_motifs_are_refused():
    with pytest.raises(KernelError, match=f"at most {MOST_MOTIFS} motifs"):
        record(DEVICES[900], (1, 110, 32, MOST_MOTIFS + 1), False)
