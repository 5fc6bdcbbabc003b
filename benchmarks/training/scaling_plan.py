"""A model of many GPUs: bytes sent in a step, and how much faster more GPUs train.

    python -m benchmarks.training.scaling_plan

Nothing here is measured on a GPU. A step of n GPUs takes the kernels' time for its part of the
batch, what surrounds them, and an all-reduce of the gradient that begins when the gradient is done:

    t = batch / n * kernel + surroundings + all-reduce(n)
    all-reduce(n) = 2 (n - 1) / n * bytes / bandwidth + 2 log2(n) * latency

The kernels' time is that of docs/measurements/gpu.md for an H100, between its lower bound and what
follows if tensor cores and the busiest other unit took turns. Inside a machine of 8 GPUs the
all-reduce goes over NVLink, between machines over one network port a GPU.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from benchmarks.shared.suite import Row, print_table, write_json

# Microseconds for 8,192 sequences of 110 bases, 245 motifs: forward and gradient
# (docs/measurements/gpu.md).
SEQUENCES = 8192
KERNELS_BOUND = 182 + 641
KERNELS_WITHOUT_OVERLAP = 162 / 0.46 + 487 / 0.42
# Launching 45 operations a step (docs/measurements/gpu.md), 2 to 5 microseconds each: the middle.
SURROUNDINGS = 160.0
GPUS_OF_A_MACHINE = 8
# Bytes a microsecond, and microseconds: NVLink within a machine; a port of 400 Gbit/s and a switch
# hop with its software between them.
NVLINK_BANDWIDTH, NVLINK_LATENCY = 150e3, 5.0
NETWORK_BANDWIDTH, NETWORK_LATENCY = 40e3, 15.0

BATCHES = {1 << 16: (1, 2, 4, 8, 16, 64), 1 << 20: (8, 64, 256, 1024), 1 << 23: (64, 256, 1024)}


def parameter_count(motifs: int, width: int) -> int:
    """Trained numbers of a stranded model without positions."""
    return motifs * (4 * width + 4) + 2


def all_reduce(size: float, gpus: int) -> float:
    """Microseconds of an all-reduce of so many bytes."""
    if gpus == 1:
        return 0.0
    inside = min(gpus, GPUS_OF_A_MACHINE)
    machines = gpus / inside
    time = 2 * (inside - 1) / inside * size / NVLINK_BANDWIDTH
    time += 2 * math.log2(inside) * NVLINK_LATENCY
    if machines > 1:
        time += 2 * (machines - 1) / machines * size / NETWORK_BANDWIDTH
        time += 2 * math.log2(machines) * NETWORK_LATENCY
    return time


def plan(gpus: int, batch: int, motifs: int = 245, width: int = 30) -> Row:
    """Time of a step of this global batch on this many GPUs."""
    size = 4.0 * parameter_count(motifs, width)
    kernels = [
        kernel * batch / gpus / SEQUENCES for kernel in (KERNELS_BOUND, KERNELS_WITHOUT_OVERLAP)
    ]
    wire = all_reduce(size, gpus)
    times = [kernel + SURROUNDINGS + wire for kernel in kernels]
    alone = [
        batch / SEQUENCES * kernel + SURROUNDINGS
        for kernel in (KERNELS_BOUND, KERNELS_WITHOUT_OVERLAP)
    ]
    return {
        "GPUs": gpus,
        "batch": batch,
        "of each GPU": batch // gpus,
        "kernels, µs": f"{kernels[0]:,.0f} to {kernels[1]:,.0f}",
        "all-reduce, µs": round(wire),
        "step, µs": f"{times[0]:,.0f} to {times[1]:,.0f}",
        "million sequences/s": f"{batch / times[1]:,.1f} to {batch / times[0]:,.1f}",
        "efficiency": " to ".join(
            f"{100 * one / (gpus * time):.0f} %" for one, time in zip(alone, times, strict=True)
        ),
    }


def wire_row(motifs: int, width: int) -> Row:
    """Bytes that each GPU sends in a step."""
    size = 4 * parameter_count(motifs, width)
    return {
        "motifs": motifs,
        "width": width,
        "parameters": f"{size // 4:,}",
        "gradient, kB": f"{size / 1e3:,.0f}",
        "sent by each of 8 GPUs, kB": f"{2 * 7 / 8 * size / 1e3:,.0f}",
        "sent by each machine of 128, kB": f"{2 * 127 / 128 * size / 1e3:,.0f}",
    }


def efficiencies(gpus: int, batch: int) -> list[float]:
    """Efficiency on this many GPUs: the lower and the upper end of the band."""
    wire = all_reduce(4.0 * parameter_count(245, 30), gpus)
    result = []
    for kernel in (KERNELS_WITHOUT_OVERLAP, KERNELS_BOUND):
        alone = batch / SEQUENCES * kernel
        result.append((alone + SURROUNDINGS) / (alone + gpus * (SURROUNDINGS + wire)))
    return sorted(result)


def draw(path: Path) -> None:
    """Efficiency against GPUs, a band for each batch."""
    from benchmarks.shared.suite import (
        FUSED_COLOUR,
        HELD_COLOUR,
        RIVAL_COLOURS,
        log_scale,
        subplots,
    )

    figure, axes = subplots(1, 1, 6.4, 3.4)
    axis = axes[0, 0]
    counts = [2**power for power in range(11)]
    colours = (RIVAL_COLOURS[1], HELD_COLOUR, FUSED_COLOUR)
    for batch, colour in zip(BATCHES, colours, strict=True):
        bands = [[100 * each for each in efficiencies(count, batch)] for count in counts]
        low, high = zip(*bands, strict=True)
        axis.fill_between(counts, low, high, color=colour, alpha=0.35, linewidth=0)
        axis.plot(counts, high, color=colour, label=f"{batch:,} sequences a step")
    axis.set_xscale("log", base=2)
    log_scale(axis.xaxis)
    axis.set_xticks(counts)
    axis.set(xlabel="GPUs", ylabel="efficiency, %", ylim=(0, 105), xlim=(1, 1024))
    axis.set_title("245 motifs, H100, on paper: nothing of it is measured")
    axis.legend(title="global batch", loc="lower left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def show(title: str, rows: list[Row]) -> None:
    """A table of rows."""
    print_table(title, list(rows[0]), [[str(value) for value in row.values()] for row in rows])


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write the numbers here")
    parser.add_argument("--plot", type=Path, help="draw the efficiency here (PNG)")
    arguments = parser.parse_args()
    sizes = [wire_row(motifs, 30) for motifs in (245, 1000, 2000)]
    rows = [plan(gpus, batch) for batch, counts in BATCHES.items() for gpus in counts]
    show("Bytes of a step", sizes)
    show("A step on paper", rows)
    write_json(arguments.json, {}, [*sizes, *rows])
    if arguments.plot is not None:
        draw(arguments.plot)


if __name__ == "__main__":
    main()
