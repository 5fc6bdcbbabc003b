"""How the forward kernel cuts its work: a planner in plain C++, asked without a GPU."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmarks.shared.executors import CUDA, shim_library, worker

TILE_WINDOWS, TALL, SHORT = 16, 112, 64
# A strip's one-hot windows take about as long to build as 1.2 tiles to scan.
ITEM_COST = 1.2
SCRATCH_BYTES = 32 << 20


def ask(function, arrays, *numbers):
    """Calls a function of plan_checks.cc; the arrays as they are afterwards."""
    own = (Path(__file__).with_name("plan_checks.cc"), CUDA / "plan_forward.cc")
    request = {"function": function, "arrays": arrays, "numbers": numbers, "seed": 0}
    return worker(shim_library(900, own=own)).ask("call", request)["arrays"]


@dataclasses.dataclass(frozen=True)
class Plan:
    """`ForwardPlan`, `ForwardScratch` and `ForwardLoad`."""

    slices: int
    slice_tiles: int
    blocks: int
    strips: int
    chunk_sequences: int
    chunk_strips: int
    shared_bytes: int
    strip_sums: int
    group_sums: int
    carried: int
    units: int
    items: int
    copied: int
    shares_weights: int


H100 = (132, 227 << 10, True, 16, 1)
A100 = (108, 163 << 10, True, 16, 1)
T4 = (40, 64 << 10, False, 16, 1)
CHIPS = pytest.mark.parametrize("chip", [H100, A100, T4], ids=["H100", "A100", "T4"])


def tiles_of(motifs):
    """Tiles of 8 motifs on one strand."""
    return 2 * -(-motifs // 8)


def plan_of(chip, sequences, windows, motifs, *, lengths=False, weighted=False, terms=2, steps=4):
    """The plan of a problem with motifs of 32 columns."""
    positions = (TALL if chip[2] and windows > SHORT else SHORT) + 8 * steps + 12
    problem = [sequences, windows, lengths, tiles_of(motifs), 2 * motifs]
    weight_bytes = 32 * covered(windows, chip[2]) if weighted else 0
    problem += [steps * terms * 512 + 68, weight_bytes, chip[3] * positions * 12]
    arrays = [np.array(problem, np.int64), np.array(chip, np.int64), np.zeros(14, np.int64)]
    return Plan(*ask("cisreg_plan_forward", arrays)[2].tolist())


def covered(windows, takes_tall=True):
    """Windows that the strips of a sequence of at most this many cover."""
    return int(ask("cisreg_plan_covered", [np.zeros(1, np.int64)], windows, takes_tall)[0][0])


def strips_of(windows, takes_tall=True):
    """First windows and heights, and the most strips of any sequence up to this one."""
    count, strips = ask(
        "cisreg_plan_strips",
        [np.zeros(2, np.int64), np.zeros((windows // SHORT + 2, 2), np.int64)],
        *(windows, takes_tall),
    )
    return strips[: count[0]].tolist(), int(count[1])


def greedy(windows, takes_tall):
    """The same split, found strip by strip."""
    strips, first = [], 0
    while first < windows:
        tiles = -(-(windows - first) // TILE_WINDOWS)
        is_short = not takes_tall or tiles <= 4 or tiles in (8, 12, 16)
        strips.append([first, SHORT if is_short else TALL])
        first += strips[-1][1]
    return strips


@pytest.mark.parametrize("takes_tall", [True, False])
def test_strips_cover_a_sequence(takes_tall):
    most = 1
    for windows in [*range(1, 700), 10_007, 100_000]:
        strips, said = strips_of(windows, takes_tall)
        assert strips == greedy(windows, takes_tall), windows
        if windows < 700:
            most = max(most, len(strips))
            # At least as many as any shorter sequence has that may come in its place.
            assert said >= len(strips)
    assert said >= most
    assert strips_of(0)[0] == []


def test_the_most_strips_of_any_length():
    counts = [len(greedy(windows, True)) for windows in range(1, 1200)]
    for windows in range(1, 1200, 7):
        assert strips_of(windows)[1] == max(counts[:windows]), windows


def test_weights_are_there_for_all_rows_of_all_strips():
    ends = [sum(greedy(windows, True)[-1]) for windows in range(1, 1200)]
    for windows in range(1, 1200, 7):
        assert covered(windows) == max(ends[:windows]), windows


@pytest.mark.parametrize(("windows", "are_shared"), [(110, True), (500, True), (2000, False)])
def test_weights_lie_beside_the_energies_where_that_pays(windows, are_shared):
    plan = plan_of(H100, 1024, windows, 245, weighted=True)
    assert plan.shares_weights == are_shared
    assert plan.shared_bytes <= H100[1]
    assert efficiency(H100, 8192, windows, 245, weighted=True) >= 0.9


@pytest.mark.parametrize(
    ("sequences", "strips", "tiles", "slices", "blocks", "warps"),
    [
        (1, 1, 1, 1, 1, 16),
        (1, 1, 62, 62, 62, 16),
        (7, 1, 62, 3, 12, 16),
        (33, 1, 5, 2, 12, 12),
        (5, 9, 10, 4, 7, 16),
        (97, 3, 7, 7, 132, 16),
        (1, 500, 2, 1, 60, 16),
        (2, 3, 4, 2, 24, 16),
    ],
)
def test_every_unit_is_done_once(sequences, strips, tiles, slices, blocks, warps):
    visits = np.zeros((sequences, strips, tiles), np.int32)
    numbers = sequences, strips, tiles, slices, blocks, warps
    assert (ask("cisreg_plan_visits", [visits], *numbers)[0] == 1).all()


def efficiency(chip, sequences, windows, motifs, *, weighted=False):
    """Work of all warps, over that of the busiest one times all warps that fit."""
    plan = plan_of(chip, sequences, windows, motifs, weighted=weighted)
    units = plan.chunk_sequences * plan.chunk_strips * tiles_of(motifs)
    warps = chip[0] * chip[3] * chip[4]
    needed = units * (1 + ITEM_COST / plan.slice_tiles)
    return needed / (warps * (plan.units + ITEM_COST * plan.items))


@pytest.mark.parametrize("sequences", [1056, 1057, 2112, 2113, 2200, 4096, 8192, 10_000])
@CHIPS
def test_no_warp_waits_for_a_last_wave(chip, sequences):
    assert efficiency(chip, sequences, 110, 245) >= 0.9


@pytest.mark.parametrize("motifs", [1000, 10_000, 13_000, 26_000, 100_000])
@CHIPS
def test_no_block_waits_where_there_are_many_motifs(chip, motifs):
    assert efficiency(chip, 1024, 110, motifs) >= 0.9


@pytest.mark.parametrize("motifs", [8, 245])
@CHIPS
def test_one_long_sequence_keeps_all_warps_at_work(chip, motifs):
    assert efficiency(chip, 1, 1_000_000, motifs) >= 0.9


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize(
    ("sequences", "windows", "motifs"),
    [
        (8192, 110, 245),
        (8192, 250, 245),
        (1024, 10_000, 245),
        (1, 1_000_000, 10_000),
        (1, 250_000_000, 245),
        (3, 2_000_000, 8),
    ],
)
def test_sums_of_strips_have_bounded_memory(sequences, windows, motifs, lengths):
    """And chunks are whole groups of strips, so that the order of the sums stays."""
    plan = plan_of(H100, sequences, windows, motifs, lengths=lengths)
    assert 4 * plan.strip_sums <= SCRATCH_BYTES
    assert 4 * (plan.strip_sums + plan.group_sums + plan.carried) <= 1.1 * SCRATCH_BYTES
    if plan.strips == 1:
        assert plan.strip_sums == 0
        return
    assert plan.strip_sums == plan.chunk_sequences * plan.chunk_strips * 2 * motifs
    if plan.chunk_strips < plan.strips:
        assert plan.chunk_sequences == 1
        assert plan.chunk_strips % 64 == 0


# Sizes of 2^31 sequences or bases are the largest that are taken, and 262,140 motifs.
LARGEST = [
    (2**31 - 1, 1, 8),
    (2**31 - 1, 110, 8),
    (1, 2**31 - 1, 245),
    (1000, 10**9, 8),
    (1, 10**9, 262_140),
    (10**6, 110, 262_140),
]


@pytest.mark.parametrize(("sequences", "windows", "motifs"), LARGEST)
@CHIPS
def test_no_number_of_the_largest_problems_overflows(chip, sequences, windows, motifs):
    assert 0.9 <= efficiency(chip, sequences, windows, motifs) <= 1


def test_motifs_that_do_not_fit_are_said():
    assert plan_of(H100, 10, 110, 8, steps=400).slices == 0


def test_few_sequences_take_small_slices():
    """Blocks copy no more energies than they use, or nearly so."""
    plan = plan_of(H100, 1, 110, 245)
    assert plan.slice_tiles == 1
    assert plan.blocks == tiles_of(245)
    assert plan_of(H100, 8192, 110, 245).slices == 2
