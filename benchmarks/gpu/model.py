"""How long the CUDA kernels take at least on GPUs that are not here: a model from counted work.

    python -m benchmarks.gpu.model --simulator ../shared/tools/ptxsim

A functional simulator of PTX runs what nvcc made of the kernels, block for block as on the GPU but
for a part of the sequences, and counts what every unit had to do; the chip's peak rates turn counts
into seconds. The busiest unit binds. It is a lower bound: latency and what does not overlap come on
top. The limit beside it is what no program of this kind can do without: the products of matrices
with the motifs' own columns, at the rate that mma.sync reaches, and 1.25 special functions a site.

Bytes of the rivals are counted op by op: every tensor of sites that an operation reads or writes.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.static import print_markdown
from benchmarks.shared import executors
from benchmarks.shared.problem import EVERY_COLUMN, Point, Problem, make_problem
from benchmarks.shared.suite import Row, number, print_table, write_json

# Name in the simulator's table of rates: compute capability times 10 of the PTX, multiprocessors,
# bytes of shared memory that a block may ask for.
CHIPS = {
    "H100": (900, 132, 227 << 10),
    "A100": (800, 108, 163 << 10),
    "L4": (890, 58, 99 << 10),
    "T4": (750, 40, 64 << 10),
}
SPECIAL_FUNCTIONS = 1.25
# Float32 numbers per site that standard operations move, as `occupancy_standard` has them. Eager
# forward: the convolution writes; concentration minus log Kd, the transposition and the sigmoid
# read and write; the sum reads. Eager backward: the sum's gradient is spread out (write); the
# sigmoid's gradient reads two and writes; transposition and negation read and write; the
# concentration's gradient and the convolution's read. XLA fuses what lies between convolution and
# sum, and between the sum's gradient and that of the convolution.
EAGER = {"forward": 1 + 2 + 2 + 2 + 1, "backward": 1 + 3 + 2 + 2 + 1 + 1}
XLA = {"forward": 1 + 1, "backward": 1 + 1 + 2}
# Blocks of the gradient kernel that a multiprocessor holds, as cuda/tiles.h has it.
BACKWARD_BLOCKS, BLOCK_TILES, TILE_MOTIFS = 3, 8, 8


@dataclasses.dataclass(frozen=True)
class Work:
    """A problem as the executors expect it."""

    problem: Problem
    compute_dtype: str
    upstream: Sequence[np.ndarray | None]
    column_range: np.ndarray | None = None
    spans: np.ndarray | None = None
    weighted: bool = False

    @property
    def options(self) -> dict[str, str]:
        """What is the same for all rows."""
        return {"reduction": "expected", "padding": "same"}

    @property
    def arguments(self) -> dict[str, np.ndarray]:
        """Inputs by name."""
        names = ("sequence", "log_kd", "log_concentration")
        return {name: np.asarray(getattr(self.problem, name)) for name in names}

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, L, W, M."""
        width, _, motifs = self.problem.log_kd.shape
        return (*self.problem.sequence.shape, width, motifs)

    @property
    def sequences(self) -> int:
        """N."""
        return self.shape[0]

    @property
    def motifs(self) -> int:
        """M."""
        return self.shape[3]


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--simulator", type=Path, default=executors.PTXSIM, help="folder of ptxsim")
    parser.add_argument("--sequences", type=int, default=8192, help="N of the whole problem")
    parser.add_argument("--motifs", default=EVERY_COLUMN, help="'every column' or a folder")
    parser.add_argument("--chips", nargs="+", default=list(CHIPS), choices=CHIPS)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "float16"])
    parser.add_argument("--markdown", action="store_true", help="print tables as Markdown")
    parser.add_argument("--json", type=Path, help="file to write all counts to")
    return parser.parse_args()


def make_work(point: Point) -> Work:
    """Random sequences and upstream gradients under the point's motifs."""
    problem = make_problem(point)
    random = np.random.default_rng(2)
    upstream = random.normal(size=(point.sequence_count, 2, point.motif_count))
    return Work(problem, point.dtype, [upstream.astype(np.float32), None])


def count_work(chip: str, sample: int, work: Work, backward: bool) -> list[Any]:
    """Statistics of every launch, on a chip cut down to `sample` multiprocessors."""
    architecture, _, shared = CHIPS[chip]
    executors.DEVICES[architecture] = (architecture // 10, sample, shared)
    executor = executors.Simulator(architecture)
    launches: list[Any] = []

    def launch(_: Any, found: dict[str, Any]) -> None:
        kernel = executors.ptx_kernels(architecture)[found["symbol"]][found["symbol"]]
        launches.append(
            kernel.launch(
                found["grid"],
                found["block"],
                found["shared"],
                [found["params"]],
                racecheck=False,
                global_racecheck=False,
            )
        )

    executor._launch = launch
    (executor.backward if backward else executor.forward)(work)
    return launches


def sample_of(chip: str, tiles: int, sequences: int, backward: bool) -> tuple[int, int]:
    """Multiprocessors and sequences of one of the equal parts that the chip is divided into."""
    _, multiprocessors, _ = CHIPS[chip]
    if backward:
        blocks = -(-tiles // BLOCK_TILES)
        slices = multiprocessors * BACKWARD_BLOCKS // blocks
        return -(-blocks // BACKWARD_BLOCKS), -(-sequences // slices)
    # Forward: as many multiprocessors as there are slices of motifs, rounded up to a whole share.
    sample = 8
    return sample, sequences * sample // multiprocessors


def seconds_by_unit(ptxsim: Any, chip: str, launches: Sequence[Any], scale: float) -> Row:
    """Seconds of each unit for the whole problem, and the busiest unit of each kernel."""
    units: Row = {}
    bound = 0.0
    for stats in launches:
        found = ptxsim.roofline(stats, chip)
        share = found["sms_used"] / ptxsim.GPUS[chip]["sms"]
        own = {
            unit: seconds * (1 if unit == "dram" else share) * scale
            for unit, seconds in found["resources"].items()
        }
        bound += max(own.values())
        for unit, seconds in own.items():
            units[unit] = units.get(unit, 0.0) + seconds
    return {"units": units, "bound": bound}


def limit_seconds(rates: dict[str, Any], sites: float, point: Point, backward: bool) -> Row:
    """Least time that the algorithm needs on one chip: tensor cores, special functions."""
    terms = 2 if point.dtype == "float32" else 1
    operations = 2 * 4 * point.width * terms * sites
    dense = rates["mma"]["F16"] * rates["mma_clock"] * rates["mma_sync"] * rates["sms"]
    tensor = operations / (dense * rates.get("sparse", 1))
    if backward:
        tensor += operations / dense
    special = SPECIAL_FUNCTIONS * sites / (rates["mufu"] * rates["clock"] * rates["sms"])
    return {"tensor cores": tensor, "special functions": special}


def measure(ptxsim: Any, chip: str, point: Point, backward: bool) -> Row:
    """One row of the table."""
    tiles = 2 * -(-point.motif_count // TILE_MOTIFS)
    sample, sequences = sample_of(chip, tiles, point.sequence_count, backward)
    work = make_work(point._replace(sequence_count=sequences))
    launches = count_work(chip, sample, work, backward)
    scale = point.sequence_count / sequences
    sites = 2.0 * point.sequence_count * point.length * point.motif_count
    rates = ptxsim.GPUS[chip]
    direction = "backward" if backward else "forward"
    found = seconds_by_unit(ptxsim, chip, launches, scale)
    limits = limit_seconds(rates, sites, point, backward)
    binding = max(limits, key=lambda unit: limits[unit])
    others = max(seconds for unit, seconds in found["units"].items() if unit != "mma")
    return {
        "chip": chip,
        "direction": direction,
        "dtype": point.dtype,
        "microseconds": 1e6 * found["bound"],
        "bound_by": max(found["units"], key=lambda unit: found["units"][unit]),
        "limit_microseconds": 1e6 * limits[binding],
        "limited_by": binding,
        "share": limits[binding] / found["bound"],
        "share_without_overlap": limits[binding] / (found["units"]["mma"] + others),
        "eager_microseconds": 1e6 * 4 * EAGER[direction] * sites / rates["dram"],
        "xla_microseconds": 1e6 * 4 * XLA[direction] * sites / rates["dram"],
        "units": {unit: 1e6 * seconds for unit, seconds in found["units"].items()},
        "per_site": {
            kind: 32
            * sum(x["classes"].get(kind, {"warp": 0})["warp"] for x in launches)
            * scale
            / sites
            for kind in sorted({kind for x in launches for kind in x["classes"]})
        },
    }


def cells(row: Row) -> list[str]:
    """One row as text."""
    return [
        row["chip"],
        row["direction"],
        row["dtype"],
        number(row["microseconds"]),
        row["bound_by"],
        number(row["limit_microseconds"]),
        row["limited_by"],
        f"{row['share']:.0%}",
        f"{row['share_without_overlap']:.0%}",
        *(
            f"{number(row[rival])} ({row[rival] / row['microseconds']:.1f}x)"
            for rival in ("eager_microseconds", "xla_microseconds")
        ),
    ]


def main() -> None:
    """Counts, prints, writes."""
    arguments = parse_arguments()
    try:
        ptxsim = executors.import_ptxsim(arguments.simulator)
    except executors.MissingError as error:
        raise SystemExit(f"--simulator: {error}") from error

    rows = []
    for chip in arguments.chips:
        for dtype in arguments.dtypes:
            point = Point(
                "fused",
                sequence_count=arguments.sequences,
                dtype=dtype,
                motifs=arguments.motifs,
            )
            rows += [measure(ptxsim, chip, point, back) for back in (False, True)]
    show = print_markdown if arguments.markdown else print_table
    show(
        f"Model of the time, N={arguments.sequences}, L=110, M=245, W=30, {arguments.motifs}",
        [
            *("chip", "direction", "dtype", "µs at least", "bound by", "limit, µs", "limited by"),
            *("of the limit", "without overlap", "eager ops, µs", "XLA, µs"),
        ],
        [cells(row) for row in rows],
    )
    show(
        "Microseconds of each unit",
        ["chip", "direction", "dtype", "units"],
        [[row["chip"], row["direction"], row["dtype"], _units(row["units"])] for row in rows],
    )
    write_json(arguments.json, {"sequences": arguments.sequences}, rows)


def _units(units: Row) -> str:
    ordered = sorted(units.items(), key=lambda item: -item[1])
    return ", ".join(f"{unit} {number(value)}" for unit, value in ordered if value > 1)


if __name__ == "__main__":
    main()
