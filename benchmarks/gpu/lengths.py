"""What lengths of rows save the CUDA kernels, in counted work: no GPU, no times.

    python -m benchmarks.gpu.lengths --simulator ../shared/tools/ptxsim

The simulator of PTX counts the instructions of all launches and, of these, the products of
matrices, for batches of 330 bases whose rows have other lengths. Numbers are parts of the counts
without lengths.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.gpu.static import print_markdown
from benchmarks.gpu.work import CHIPS, Launch, Work, count_work, make_work
from benchmarks.shared import executors
from benchmarks.shared.problem import Point

LENGTH, SEQUENCES, MOTIFS, MULTIPROCESSORS = 330, 32, 48, 4


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--simulator", type=Path, default=executors.PTXSIM, help="folder of ptxsim")
    parser.add_argument("--chip", default="H100", choices=CHIPS)
    return parser.parse_args()


def cases() -> dict[str, np.ndarray]:
    """Lengths of the rows by the name of the case."""
    random = np.random.default_rng(0)
    return {
        "all 330, but given": np.full(SEQUENCES, LENGTH, np.int32),
        "random, 30 to 330": random.integers(30, LENGTH + 1, SEQUENCES, np.int32),
        "random, 0 to 330": random.integers(0, LENGTH + 1, SEQUENCES, np.int32),
        "all 110": np.full(SEQUENCES, 110, np.int32),
        "all 0": np.zeros(SEQUENCES, np.int32),
    }


def counts(launches: Sequence[Launch]) -> tuple[float, float]:
    """Products of matrices, and all instructions, of the warps of some launches."""
    classes = [each.stats["classes"] for each in launches]
    warps = [(kind, count["warp"]) for each in classes for kind, count in each.items()]
    return sum(warp for kind, warp in warps if kind.startswith("mma")), sum(w for _, w in warps)


def count(chip: str, work: Work) -> list[float]:
    """Products and instructions forward, products and instructions backward."""
    both = (counts(count_work(chip, MULTIPROCESSORS, work, back)) for back in (False, True))
    return [number for pair in both for number in pair]


def main() -> None:
    """Counts and prints."""
    arguments = parse_arguments()
    try:
        executors.import_ptxsim(arguments.simulator)
    except executors.MissingError as error:
        raise SystemExit(f"--simulator: {error}") from error
    point = Point(
        "fused",
        sequence_count=SEQUENCES,
        length=LENGTH,
        motif_count=MOTIFS,
        motifs="every column",
    )
    work = make_work(point)
    usual = count(arguments.chip, work)
    rows = []
    for name, lengths in cases().items():
        found = count(
            arguments.chip,
            Work(work.problem, work.compute_dtype, work.upstream, own_length=lengths),
        )
        parts = [lengths.mean() / LENGTH, *np.divide(found, usual)]
        rows.append([name, *(f"{part:.0%}" for part in parts)])
    print_markdown(
        f"Lengths of {SEQUENCES} rows of {LENGTH} bases, {MOTIFS} motifs, {arguments.chip}",
        [
            *("lengths", "bases", "products forward", "instructions forward"),
            *("products backward", "instructions backward"),
        ],
        rows,
    )


if __name__ == "__main__":
    main()
