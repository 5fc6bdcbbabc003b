"""The least time that a processor's arithmetic allows for the work of a point: a stated model.

Counted are the vector instructions of the algorithm, whatever the kernels do beside it. A vector
holds sites of as many motifs as it has lanes.

    scan       one table row per three columns: a load each, an addition each but the first
    sigmoid    1 / (1 + 2^x): 2^x, one addition, and a division that serves two sites for one more
               addition and one more product; the sum of p is that of the two quotients
    backward   the scan and the sigmoid of each site alone again, its slope, its product with the
               incoming gradient, its part of the concentration's gradient and one store; and, per
               three columns, a load and an addition to sum the slopes of sites with equal bases

Each vector of sites then takes as many cycles as its busiest unit: vector arithmetic, loads or the
divider. Left out, so that no program reaches the limit: encoding, tables, loop counters, cache
misses, addresses, and the instructions that turn sums of tables into gradients.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import time
from dataclasses import dataclass

import numpy as np
from problem import Point, make_motifs
from rivals import FUSED_HELD

STRANDS = 2
COLUMNS_PER_ROW = 3
# Round x (2) and subtract (1), polynomial of degree 5 (5), shift and add the exponent (2).
EXP2 = 10
# 1 + power; half of an addition and half of a product to share the division; half of the sum.
SHARED_SIGMOID = EXP2 + 1 + 0.5 + 0.5 + 0.5
# 1 + power; slope = power * p * p (2), times upstream (1), into the concentration's sum (1).
SIGMOID_AND_SLOPE = EXP2 + 1 + 2 + 1 + 1


@dataclass(frozen=True)
class Processor:
    """Throughput of one core under one instruction set, per cycle.

    Attributes:
        lanes: float32 numbers in a vector.
        arithmetic: vector additions, products and fused multiply-adds.
        loads: vector loads from the first-level cache.
        divide_cycles: cycles between two divisions of a vector.
    """

    lanes: int
    arithmetic: float
    loads: float
    divide_cycles: float


# Intel from Ice Lake to Sapphire Rapids and AMD Zen 2 to 4 agree on these to within the model's
# purpose (uops.info; Agner Fog, Instruction tables): two units for additions and multiply-adds,
# two loads, VDIVPS of 8 lanes every 5 cycles. In AVX-512 two units of 16 lanes are those of
# server processors; the divider takes 8 lanes at a time.
PROCESSORS = {
    "portable": Processor(lanes=4, arithmetic=2, loads=2, divide_cycles=4),
    "avx2": Processor(lanes=8, arithmetic=2, loads=2, divide_cycles=5),
    "avx512": Processor(lanes=16, arithmetic=2, loads=2, divide_cycles=10),
}
# 16-bit numbers pass the scan's additions and loads two to a lane; the sigmoid is float32.
SCAN_NUMBERS_PER_LANE = {"float32": 1, "bfloat16": 2, "float16": 2}

# Dependent integer additions take one cycle each on every processor since 2000: this counts them.
#   xor eax,eax; mov ecx,1; again: 64 times add rax,rcx; dec rdi; jnz again; ret
_ADDITIONS = 64
_CLOCK_CODE = (
    bytes.fromhex("31c0 b901000000")
    + bytes.fromhex("4801c8") * _ADDITIONS
    + bytes.fromhex("48ffcf 0f85")
    + (-(3 * _ADDITIONS + 9)).to_bytes(4, "little", signed=True)
    + bytes.fromhex("c3")
)


def measure_clock() -> float:
    """Cycles per second of a busy core: dependent additions, the best of several runs.

    Raises:
        RuntimeError: the processor is none that runs the loop; give the clock by hand.
    """
    if platform.machine() != "x86_64":
        raise RuntimeError(
            f"clock: expected an x86_64 processor to measure it on, got {platform.machine()}; "
            "give it with --clock"
        )
    code = mmap.mmap(-1, len(_CLOCK_CODE), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(_CLOCK_CODE)
    buffer = ctypes.c_char.from_buffer(code)
    loop = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_uint64)(ctypes.addressof(buffer))
    repeats, best = 200_000, float("inf")
    for _ in range(10):
        before = time.perf_counter()
        if loop(repeats) != repeats * _ADDITIONS:
            raise RuntimeError("clock: the loop of additions gave a wrong sum; give --clock")
        best = min(best, time.perf_counter() - before)
    return repeats * _ADDITIONS / best


def _table_rows(columns: np.ndarray) -> float:
    """Rows that a site reads, the mean over motifs of these many columns."""
    return float(np.mean(np.ceil(np.maximum(columns, 1) / COLUMNS_PER_ROW)))


def forward_cycles(processor: Processor, rows: float, dtype: str) -> float:
    """Cycles that one core needs for a vector of sites that read this many table rows each.

    Example:
        >>> forward_cycles(PROCESSORS["avx2"], 10, "float32")
        10.75
    """
    numbers = SCAN_NUMBERS_PER_LANE[dtype]
    return max(
        ((rows - 1) / numbers + SHARED_SIGMOID) / processor.arithmetic,
        rows / numbers / processor.loads,
        processor.divide_cycles / 2,
    )


def backward_cycles(processor: Processor, rows: float, dtype: str) -> float:
    """The same for the gradient, which scans again and sums into as many rows as it reads."""
    numbers = SCAN_NUMBERS_PER_LANE[dtype]
    return max(
        ((rows - 1) / numbers + SIGMOID_AND_SLOPE + rows) / processor.arithmetic,
        (rows / numbers + rows) / processor.loads,
        processor.divide_cycles,
    )


def limit_milliseconds(
    point: Point, instruction_set: str, clock: float, *, backward: bool
) -> float:
    """Least time of a point on this processor.

    Columns outside a motif are zero, so that the forward scan can always skip them. The gradient
    scans and sums those that train: every stored column, or the motif's own where the others are
    held.

    Args:
        point: the shapes; its implementation says whether zero columns are held.
        instruction_set: a name of `PROCESSORS`.
        clock: cycles per second.
        backward: forward and backward, else forward alone.
    """
    processor = PROCESSORS[instruction_set]
    widths = make_motifs(point.motifs, point.motif_count, point.width).widths
    cycles = forward_cycles(processor, _table_rows(widths), point.dtype)
    if backward:
        trained = widths if point.implementation == FUSED_HELD else np.array([point.width])
        cycles += backward_cycles(processor, _table_rows(trained), point.dtype)
    vectors = STRANDS * point.sequence_count * point.length * point.motif_count / processor.lanes
    return 1e3 * vectors * cycles / (clock * point.threads)
