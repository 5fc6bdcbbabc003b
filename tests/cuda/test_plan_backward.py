"""How the gradient's work is split, who writes which part, how much memory: asked without a GPU."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmarks.shared.executors import shim_library, worker

# Compute capability times 10, multiprocessors, bytes of shared memory that a block may ask for, and
# warps of a multiprocessor that registers leave room for, without position weights and with them.
CHIPS = {
    "H100": (90, 132, 227 << 10, 12, 8),
    "A100": (80, 108, 163 << 10, 12, 8),
    "L4": (89, 58, 99 << 10, 12, 8),
    "T4": (75, 40, 64 << 10, 8, 8),
}
of_each_chip = pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)
weighted_and_not = pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])


def ask(function, arrays, *numbers):
    """Calls a function of plan_backward_checks.cc; the arrays as they are afterwards."""
    own = (Path(__file__).with_name("plan_backward_checks.cc"),)
    request = {"function": function, "arrays": arrays, "numbers": numbers, "seed": 0}
    return worker(shim_library(900, own=own)).ask("call", request)["arrays"]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What `SplitBackward`, `ShareBackward` and `DivideBackward` say."""

    warps: int
    tile_blocks: int
    strip_tiles: int
    strips: int
    items: int
    shares: int
    parts: int
    weight_parts: int
    shared_bytes: int
    longest: int
    resident: int
    pairs: int

    @property
    def busy(self):
        """Work of all warps, over that of the longest share times all warps that fit."""
        return self.items * self.pairs / (self.resident * self.warps * self.longest)


def plan_of(chip, sequences, windows, motifs, weighted=False, conditions=1):
    """The plan for motifs of 32 columns in float32, for the blocks that fit on a chip at a time.

    `weighted` may also be the number of sets of position weights.
    """
    capability, multiprocessors, shared, plain_warps, weighted_warps = chip
    pairs = -(-motifs // 8)
    numbers = [sequences, windows, 2 * pairs, 4, 2, weighted, conditions, capability, shared]

    def plan(resident):
        arrays = [np.array([*numbers, resident], np.int64), np.zeros(10, np.int64)]
        return Plan(*ask("cisreg_plan_backward", arrays)[1].tolist(), resident, pairs)

    # As the runtime says: what registers and shared memory leave room for, of which a
    # multiprocessor keeps 1 KiB for each block and has 1 KiB more than a block may.
    block = plan(1)
    fitting = (shared + 1024) // (block.shared_bytes + 1024)
    warps = weighted_warps if weighted or conditions > 1 else plain_warps
    return plan(multiprocessors * max(1, min(warps // block.warps, fitting)))


@pytest.mark.parametrize("most", [1, 2, 7, 396])
@pytest.mark.parametrize("items", [0, 1, 2, 6, 7, 8, 395, 396, 397, 1000, 8456])
def test_every_item_has_one_share(items, most):
    begins, owners = ask(
        "cisreg_plan_shares",
        [np.full(most + 1, -1, np.int64), np.full(max(items, 1), -1, np.int64)],
        *(items, most),
    )
    begins = begins[begins >= 0]
    assert begins[0] == 0 and begins[-1] == items
    lengths = np.diff(begins)
    if items:
        assert lengths.min() > 0 and lengths.max() <= lengths.min() + 1
        # No longer than with all the shares that there may be.
        assert lengths.max() == -(-items // most)
    np.testing.assert_array_equal(owners[:items], np.repeat(np.arange(len(lengths)), lengths))


@weighted_and_not
@pytest.mark.parametrize(("sequences", "windows", "motifs"), [(7, 250, 70), (40, 110, 33)])
def test_every_part_has_one_writer(sequences, windows, motifs, weighted):
    """Shares and blocks of tiles that have items in common have a number of their own."""
    plan = plan_of(CHIPS["H100"], sequences, windows, motifs, weighted)
    total = plan.items * plan.tile_blocks
    owners = ask(
        "cisreg_plan_shares",
        [np.zeros(plan.shares + 1, np.int64), np.zeros(total, np.int64)],
        *(total, plan.shares),
    )[1]
    pieces, parts = plan.tile_blocks, plan.parts
    if weighted:
        pieces, parts = plan.tile_blocks * plan.strips, plan.weight_parts
    piece = np.arange(total) // (total // pieces)
    pairs = np.unique(np.stack([owners, piece]), axis=1)
    numbers = np.unique(pairs.sum(axis=0))
    assert len(numbers) == pairs.shape[1] and numbers.max() < parts


# What a model with activity and potentiation by position asks for, also under some conditions.
@pytest.mark.parametrize(("sets", "conditions"), [(2, 1), (0, 4), (2, 4), (3, 2)])
@pytest.mark.parametrize("windows", [40, 110, 330])
@pytest.mark.parametrize("chip", list(CHIPS))
def test_a_few_sets_and_conditions_fit(chip, windows, sets, conditions):
    plan = plan_of(CHIPS[chip], 1024, windows, 245, sets, conditions)
    assert plan.shared_bytes <= CHIPS[chip][2]
    # Fewer warps take the same items, for more blocks of tiles.
    assert plan.items == plan.strips * 1024
    assert plan.warps * plan.tile_blocks >= plan.pairs > plan.warps * (plan.tile_blocks - 1)


def scratch_bytes(chip, sequences, length, motifs):
    """What the launcher asks for beside inputs and outputs."""
    request = {
        "shape": (sequences, length, 30, motifs),
        "padding": "same",
        "reduction": "expected",
        "compute_dtype": "float32",
        "weight_sets": 0,
        "conditions": 1,
        "span_stride": 0,
        "device": chip[:3],
        "backward": True,
        "arrays": {},
    }
    answer = worker(shim_library(750 if chip[0] < 80 else 900)).ask("record", request)
    return answer["workspace_bytes"]


@pytest.mark.parametrize("length", [1_000_000, 250_000_000])
@pytest.mark.parametrize("motifs", [8, 245])
@pytest.mark.parametrize("chip", list(CHIPS))
def test_memory_does_not_grow_with_the_length(chip, motifs, length):
    bytes_of_one = scratch_bytes(CHIPS[chip], 1, length, motifs)
    plan = plan_of(CHIPS[chip], 1, length, motifs)
    assert plan.parts <= plan.resident + plan.tile_blocks - 1
    assert 0 < bytes_of_one < 100e6


@of_each_chip
@weighted_and_not
@pytest.mark.parametrize("windows", [1, 15, 16, 17, 64, 65, 110, 112, 113, 250, 5000])
def test_two_blocks_fit(chip, windows, weighted):
    """One, with position weights on the 64 KiB of a T4."""
    plan = plan_of(chip, 100, windows, 245, weighted)
    assert plan.resident >= (1 if weighted and chip == CHIPS["T4"] else 2) * chip[1]
    tiles = -(-windows // 16)
    assert tiles <= plan.strips * plan.strip_tiles < tiles + plan.strips


@pytest.mark.parametrize(
    ("motifs", "warps"), [(1, 1), (8, 1), (9, 2), (17, 3), (25, 4), (33, 1), (41, 3), (245, 4)]
)
def test_few_motifs_have_fewer_warps_in_a_block(motifs, warps):
    """No warp is without tiles, where there is a way."""
    assert plan_of(CHIPS["H100"], 100, 110, motifs).warps == warps


def test_nothing_to_do_has_no_parts():
    for sequences, windows in [(0, 110), (5, 0)]:
        plan = plan_of(CHIPS["H100"], sequences, windows, 9)
        assert (plan.shares, plan.parts, plan.weight_parts) == (0, 0, 0)


@weighted_and_not
@pytest.mark.parametrize("sequences", [1056, 1057, 2113, 2200, 4096, 8192, 10_000])
@of_each_chip
def test_no_block_waits_for_a_last_wave(chip, sequences, weighted):
    assert plan_of(chip, sequences, 110, 245, weighted).busy >= 0.9


@weighted_and_not
@pytest.mark.parametrize("motifs", [1000, 10_000, 13_000, 26_000, 100_000])
@of_each_chip
def test_no_block_waits_where_there_are_many_motifs(chip, motifs, weighted):
    assert plan_of(chip, 1024, 110, motifs, weighted).busy >= 0.9


@weighted_and_not
@pytest.mark.parametrize("motifs", [8, 245])
@of_each_chip
def test_one_long_sequence_keeps_all_blocks_at_work(chip, motifs, weighted):
    assert plan_of(chip, 1, 1_000_000, motifs, weighted).busy >= 0.9


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
@of_each_chip
def test_no_number_of_the_largest_problems_overflows(chip, sequences, windows, motifs):
    assert 0.9 <= plan_of(chip, sequences, windows, motifs).busy <= 1


@weighted_and_not
@pytest.mark.parametrize("sequences", [0, 1, 17, 1057])
@of_each_chip
def test_a_block_fits_into_shared_memory(chip, sequences, weighted):
    plan = plan_of(chip, sequences, 110, 245, weighted)
    assert plan.shared_bytes <= chip[2]
    assert plan.shares <= plan.resident
    assert plan.tile_blocks * plan.warps >= plan.pairs
