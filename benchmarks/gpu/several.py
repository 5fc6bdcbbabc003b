"""What several sets of position weights and conditions cost the CUDA kernels, in counted work.

    python -m benchmarks.gpu.several --simulator ../shared/tools/ptxsim

No GPU, no times: the simulator of PTX counts the instructions of all launches of a small problem.
Numbers are ratios to one set, or to one condition.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.gpu.lengths import count
from benchmarks.gpu.limit import PLAIN, SEVERAL, Axes
from benchmarks.gpu.static import print_markdown
from benchmarks.gpu.work import CHIPS, make_work
from benchmarks.shared import executors
from benchmarks.shared.problem import Point

POINT = Point(
    "fused", sequence_count=32, length=110, motif_count=48, motifs="every column", dtype="float32"
)


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--simulator", type=Path, default=executors.PTXSIM, help="folder of ptxsim")
    parser.add_argument("--chip", default="H100", choices=CHIPS)
    return parser.parse_args()


def instructions(chip: str, axes: Axes) -> list[float]:
    """Of all launches: forward, backward, both."""
    _, forward, _, backward = count(chip, make_work(POINT, axes))
    return [forward, backward, forward + backward]


def main() -> None:
    """Counts and prints."""
    arguments = parse_arguments()
    try:
        executors.import_ptxsim(arguments.simulator)
    except executors.MissingError as error:
        raise SystemExit(f"--simulator: {error}") from error
    usual = {axes: instructions(arguments.chip, axes) for axes in (PLAIN, Axes(sets=1))}
    rows = []
    for axes in SEVERAL:
        of_one = usual[Axes(sets=min(axes.sets, 1))]
        found = instructions(arguments.chip, axes)
        ratios = (f"{own / one:.2f}" for own, one in zip(found, of_one, strict=True))
        rows.append([str(axes), "one set" if axes.sets else "one condition", *ratios])
    print_markdown(
        f"Instructions of {POINT.sequence_count} sequences of {POINT.length} bases, "
        f"{POINT.motif_count} motifs of {POINT.width} columns, {arguments.chip}",
        ["what", "as a multiple of", "forward", "backward", "both"],
        rows,
    )


if __name__ == "__main__":
    main()
