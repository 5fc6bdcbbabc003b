"""The least time that a processor's arithmetic allows for the work of a point: a stated model.

Counted are the vector instructions of the algorithm, whatever the kernels do beside it. A vector
holds sites of as many motifs as it has lanes.

    scan       one table row per three columns that are not zero: a load each, a product each but
               the first
    occupancy  1 + odds; two sites are added as fractions, two products and one multiply-add, and
               share a division; the sum of p is that of the quotients
    backward   the scan again, 1 + odds, one division for two sites and three products to share it;
               p, its slope, the product with the incoming gradient, the concentration's part and
               one store; and, per three columns that train, a load and an addition to sum the
               slopes of sites with equal bases

Each vector of sites then takes as many cycles as its busiest unit: products, all arithmetic, loads
or the divider. Left out, so that no program reaches the limit: encoding, tables, loop counters,
cache misses, addresses, and the instructions that turn sums of tables into gradients.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.shared.problem import Point, make_motifs
from benchmarks.shared.rivals import FUSED_HELD

STRANDS = 2
COLUMNS_PER_ROW = 3
# Operations per site besides the scan: products and multiply-adds, and additions.
FORWARD_PRODUCTS, FORWARD_ADDITIONS = 1.5, 1.5
BACKWARD_PRODUCTS, BACKWARD_ADDITIONS = 1.5 + 3, 2
# Number of sites that share a division.
DIVISIONS = 0.5


@dataclass(frozen=True)
class Processor:
    """Throughput of one core under one instruction set, per cycle.

    Attributes:
        lanes: float32 numbers in a vector.
        products: vector products and fused multiply-adds.
        arithmetic: these and additions together.
        loads: vector loads from the first-level cache.
        divide_cycles: cycles between two divisions of a vector.
    """

    lanes: int
    products: float
    arithmetic: float
    loads: float
    divide_cycles: float


# Intel from Ice Lake and AMD from Zen 2 agree on these to within the model's purpose (uops.info;
# Agner Fog, Instruction tables): two units for products, a third at least for additions, two loads,
# VDIVPS of 8 lanes every 5 cycles. In AVX-512 the two units of 16 lanes are those of server
# processors; the divider takes 8 lanes at a time.
PROCESSORS = {
    "portable": Processor(lanes=4, products=2, arithmetic=3, loads=2, divide_cycles=4),
    "avx2": Processor(lanes=8, products=2, arithmetic=3, loads=2, divide_cycles=5),
    "avx512": Processor(lanes=16, products=2, arithmetic=2, loads=2, divide_cycles=10),
}

# Counts cycles: a dependent integer addition takes one on every processor since 2000.
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


def _cycles(processor: Processor, products: float, additions: float, loads: float) -> float:
    return max(
        products / processor.products,
        (products + additions) / processor.arithmetic,
        loads / processor.loads,
        DIVISIONS * processor.divide_cycles,
    )


def forward_cycles(processor: Processor, rows: float) -> float:
    """Cycles that one core needs for a vector of sites that read this many table rows each.

    Example:
        >>> forward_cycles(PROCESSORS["avx2"], 10)
        5.25
    """
    return _cycles(processor, rows - 1 + FORWARD_PRODUCTS, FORWARD_ADDITIONS, rows)


def backward_cycles(processor: Processor, scanned_rows: float, trained_rows: float) -> float:
    """The same for the gradient, which scans again and sums into the rows that train."""
    return _cycles(
        processor,
        scanned_rows - 1 + BACKWARD_PRODUCTS,
        BACKWARD_ADDITIONS + trained_rows,
        scanned_rows + trained_rows,
    )


def limit_milliseconds(
    point: Point, instruction_set: str, clock: float, *, backward: bool
) -> float:
    """Least time of a point on this processor.

    Columns outside a motif are zero, so that a scan can always skip them. The gradient sums those
    that train: every stored column, or the motif's own where the others are held. 16-bit types are
    computed in float32.

    Args:
        point: the shapes; its implementation says whether zero columns are held.
        instruction_set: a name of `PROCESSORS`.
        clock: cycles per second.
        backward: forward and backward, else forward alone.
    """
    processor = PROCESSORS[instruction_set]
    widths = make_motifs(point.motifs, point.motif_count, point.width).widths
    rows = _table_rows(widths)
    cycles = forward_cycles(processor, rows)
    if backward:
        trained = widths if point.implementation == FUSED_HELD else np.array([point.width])
        cycles += backward_cycles(processor, rows, _table_rows(trained))
    vectors = STRANDS * point.sequence_count * point.length * point.motif_count / processor.lanes
    return 1e3 * vectors * cycles / (clock * point.threads)
