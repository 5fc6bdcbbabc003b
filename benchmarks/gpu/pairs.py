"""What the CUDA kernels of pairs of factors take: registers, shared memory, counted instructions.

    python -m benchmarks.gpu.pairs --simulator ../shared/tools/ptxsim

No GPU, no times: nvcc tells registers, and the simulator of PTX counts the instructions of all
launches for a few promoters. Wants nvcc.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.static import print_markdown, resources
from benchmarks.shared import executors
from benchmarks.shared.pair_executors import PairSimulator

SEQUENCES, LENGTH, WIDTH, MOTIFS, PAIRS, DISTANCE, KNOTS = 8, 110, 30, 10, 5, 60, 23
ARCHITECTURE = 90


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--simulator", type=Path, default=executors.PTXSIM, help="folder of ptxsim")
    return parser.parse_args()


def make_problem() -> dict[str, Any]:
    """Promoters, of every factor one site in 30 bases that is bound half of the time."""
    random = np.random.default_rng(0)
    return {
        "sequence": random.integers(0, 4, (SEQUENCES, LENGTH)).astype(np.uint8),
        "log_kd": random.normal(0, 1, (WIDTH, 4, MOTIFS)).astype(np.float32),
        "log_concentration": np.zeros(MOTIFS, np.float32),
        "effect": random.normal(0, 1, (PAIRS, 2, KNOTS)).astype(np.float32),
        "pair": np.arange(2 * PAIRS, dtype=np.int32).reshape(PAIRS, 2),
        "distance": DISTANCE,
    }


def counted(stats: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    """Kernel, instructions of its warps, bytes of shared memory, in the order of the launches."""
    found = []
    for each in stats:
        name = re.search(r"(\w+Kernel)", each["kernel"])
        assert name is not None, each["kernel"]
        warps = sum(count["warp"] for count in each["classes"].values())
        found.append((re.sub(r"^.*?gpu\d+", "", name[1]), warps, each["dynamic_shared"]))
    return found


def main() -> None:
    """Counts and prints."""
    arguments = parse_arguments()
    try:
        executors.import_ptxsim(arguments.simulator)
        simulator, problem = PairSimulator(10 * ARCHITECTURE), make_problem()
        simulator.forward(problem)
        forward = simulator.stats
        simulator.backward(problem, np.ones(SEQUENCES, np.float32))
    except executors.MissingError as error:
        raise SystemExit(f"--simulator: {error}") from error
    compiled = {
        row["kernel"]: row
        for units in ("pair_*.cu", "sum_rows.cu")
        for row in resources([ARCHITECTURE], units=units)
    }
    rows = []
    for direction, stats in (("forward", forward), ("backward", simulator.stats)):
        for kernel, instructions, shared in counted(stats):
            row = compiled[kernel]
            spills = f"{row['spill_store_bytes']}/{row['spill_load_bytes']}"
            numbers = (row["registers"], spills, shared, f"{instructions / SEQUENCES:,.0f}")
            rows.append([kernel, direction, *map(str, numbers)])
    print_markdown(
        f"{SEQUENCES} sequences of {LENGTH} bases, {MOTIFS} motifs of {WIDTH} columns, {PAIRS} "
        f"pairs, effects up to {DISTANCE} bases, {KNOTS} knots, sm_{ARCHITECTURE}",
        [
            *("kernel", "direction", "registers", "spills, bytes"),
            *("shared memory, bytes", "instructions of warps for each sequence"),
        ],
        rows,
    )


if __name__ == "__main__":
    main()
