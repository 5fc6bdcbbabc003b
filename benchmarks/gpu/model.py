"""How long the CUDA kernels take at least on GPUs that are not here: a model from counted work.

    python -m benchmarks.gpu.model --simulator ../shared/tools/ptxsim

A functional simulator of PTX runs what nvcc made of the kernels, as on the GPU but for a part of
its multiprocessors and of the sequences, and counts what every unit had to do. Instructions are
those of the machine code, counted by machine_code.py where nvdisasm is; else those of PTX. The
chip's peak rates turn counts into seconds; the busiest unit binds. So all times are lower bounds:
latency, and what does not overlap, come on top.

The limit beside it is what no program of this kind can do without: the products of matrices with
the motifs' own columns, at the rate that mma.sync reaches, and 1.25 special functions a site (under
several conditions: 1, and 0.25 for each). Both
are given for sparse products twice as fast as dense ones, as the maker says, and no faster, as they
may turn out to be through mma.sync.

Bytes of the rivals are counted op by op: every tensor of sites that an operation reads or writes.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.gpu import machine_code
from benchmarks.gpu.limit import PLAIN, SEVERAL, Axes
from benchmarks.gpu.static import find_nvdisasm, print_markdown
from benchmarks.gpu.work import CHIPS, Launch, count_work, make_work
from benchmarks.shared import executors
from benchmarks.shared.problem import EVERY_COLUMN, Point
from benchmarks.shared.suite import Row, number, print_table, write_json

# For each site: one, and a part of a division that four sites share under each condition.
SPECIAL_FUNCTIONS, DIVISIONS = 1.0, 0.25
# Float32 numbers per site that standard operations move, as `occupancy_standard` has them. Eager
# forward: the convolution writes; concentration minus log Kd, the transposition and the sigmoid
# read and write; the sum reads. Eager backward: the sum's gradient is spread out (write); the
# sigmoid's gradient reads two and writes; transposition and negation read and write; the
# concentration's gradient and the convolution's read. XLA fuses what lies between convolution and
# sum, and between the sum's gradient and that of the convolution.
EAGER = {"forward": 1 + 2 + 2 + 2 + 1, "backward": 1 + 3 + 2 + 2 + 1 + 1}
XLA = {"forward": 1 + 1, "backward": 1 + 1 + 2}
# Whose bytes these are, as `Axes` print them; weights are not counted.
FOR_RIVALS = ("", "weights")
# Multiprocessors that are simulated: work is dealt to all of them evenly.
SAMPLE = 2
# What the simulator counts in PTX although the machine code is known: it knows what goes where in
# memory, and conversions are the same.
OF_PTX = ("shared", "cvt", "cvt_narrow", "dram")
LANES = 32


class Assumption(NamedTuple):
    """What is not known of a chip: how fast sparse products are, and which clock it holds."""

    sparse_factor: float
    at_base_clock: bool


PEAK = Assumption(2.0, False)
DENSE = Assumption(1.0, False)
BASE = Assumption(2.0, True)


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--simulator", type=Path, default=executors.PTXSIM, help="folder of ptxsim")
    parser.add_argument(
        "--sequences", type=int, nargs="+", default=[8192], help="N, of 1,000 or more"
    )
    parser.add_argument("--motifs", default=EVERY_COLUMN, help="'every column' or a folder")
    parser.add_argument("--chips", nargs="+", default=list(CHIPS), choices=CHIPS)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "float16"])
    parser.add_argument("--weighted", nargs="*", default=["H100"], help="chips with weights, too")
    parser.add_argument(
        "--several", nargs="*", default=[], help="chips with several sets and conditions, too"
    )
    parser.add_argument("--markdown", action="store_true", help="print tables as Markdown")
    parser.add_argument("--json", type=Path, help="file to write all counts to")
    return parser.parse_args()


# ----------------------------------------------------------------------------- counting


@functools.cache
def code_of(architecture: int) -> dict[str, list[machine_code.Block]]:
    """The machine code of all kernels, by their mangled names; empty without nvdisasm."""
    if find_nvdisasm() is None:
        return {}
    blocks: dict[str, list[machine_code.Block]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for ptx in executors.ptx_files(architecture):
            cubin = Path(folder) / f"{ptx.stem}.cubin"
            blocks |= machine_code.disassemble(
                machine_code.assemble(ptx, architecture // 10, cubin)
            )
    return blocks


def opcodes_of(chip: str, launch: Launch) -> Counter[str] | None:
    """Executed machine instructions of a launch, in warps; None where they are not known."""
    blocks = code_of(CHIPS[chip].architecture).get(launch.symbol)
    if blocks is None:
        return None
    return machine_code.executed(blocks, machine_code.line_counts(launch.stats))


def certainty_of(chip: str, launch: Launch) -> float | None:
    """How sure the count of machine instructions is; None where they are not known."""
    blocks = code_of(CHIPS[chip].architecture).get(launch.symbol)
    if blocks is None:
        return None
    return machine_code.certainty(blocks, machine_code.line_counts(launch.stats))


def agreement(launch: Launch, opcodes: Counter[str]) -> dict[str, list[int]]:
    """Products and exponentials that PTX and machine code execute: the same ones.

    Not reciprocals, of which the assembler makes divisions of integers, too.
    """
    rows = launch.stats["instructions"]
    pairs = (("products", "mma.s", "HMMA"), ("exponentials", "ex2.", "MUFU.EX2"))
    return {
        name: [
            sum(row["warp"] for row in rows if row["text"].startswith(of_ptx)),
            sum(number for opcode, number in opcodes.items() if opcode.startswith(of_machine)),
        ]
        for name, of_ptx, of_machine in pairs
    }


# -------------------------------------------------------------------------------- times


def is_whole(symbol: str) -> bool:
    """Whether a kernel is simulated for the whole chip, as it runs there.

    Preparing the motifs does not grow with the sequences, and what adds up parts of sums grows with
    the blocks that wrote them.
    """
    whole = ("PrepareParams", "MergeParams", "ConditionParams", "Finish")
    return any(word in symbol for word in whole)


def multiprocessors_of(rates: dict[str, Any], launch: Launch) -> int:
    """How many the launch keeps at work: all, or as many as a small one has blocks."""
    return min(rates["sms"], launch.stats["blocks"]) if is_whole(launch.symbol) else rates["sms"]


def matrix_seconds(rates: dict[str, Any], stats: Any, assumed: Assumption) -> float:
    """Of the tensor cores of the whole chip, at the clock that data sheets count with."""
    seconds = 0.0
    for kind, operations in stats["mma"]["flops_by_type"].items():
        name, _, sparse = kind.partition(".")
        rate = rates["mma"][name] * (assumed.sparse_factor if sparse else 1)
        seconds += operations / (rate * rates["mma_clock"] * rates["mma_sync"] * rates["sms"])
    return seconds


def unit_seconds(
    ptxsim: Any, chip: str, launch: Launch, opcodes: Counter[str] | None, assumed: Assumption
) -> dict[str, float]:
    """Seconds of each unit of the whole chip for what was simulated, at the boost clock."""
    rates, found = ptxsim.GPUS[chip], ptxsim.roofline(launch.stats, chip)
    multiprocessors = multiprocessors_of(rates, launch)
    share = found["sms_used"] / multiprocessors
    of_ptx = {
        unit: seconds * (1 if unit == "dram" else share)
        for unit, seconds in found["resources"].items()
    }
    of_ptx["mma"] = matrix_seconds(rates, launch.stats, assumed)
    if opcodes is None:
        return of_ptx
    units = {unit: of_ptx.get(unit, 0.0) for unit in (*OF_PTX, "mma")}
    pipes = machine_code.by_pipe(opcodes)
    per_second = rates["clock"] * multiprocessors
    units["issue"] = pipes["issue"] / (rates["issue"] * per_second)
    units["fp32"] = max(
        LANES * (pipes["fp32"] + pipes["imad"]) / (rates["fp32"] * per_second),
        LANES * pipes["imad"] / (rates["imul"] * per_second),
    )
    for unit in ("alu", "mufu", "lsu"):
        units[unit] = LANES * pipes[unit] / (rates[unit] * per_second)
    return units


def at_clock(
    rates: dict[str, Any], chip: str, units: dict[str, float], assumed: Assumption
) -> dict[str, float]:
    """The same at the clock that is assumed; memory has its own."""
    if not assumed.at_base_clock:
        return units
    base = CHIPS[chip].base_ghz * 1e9
    slower = {"dram": 1.0, "mma": rates["mma_clock"] / base}
    return {
        unit: seconds * slower.get(unit, rates["clock"] / base) for unit, seconds in units.items()
    }


def bound_seconds(kernels: Sequence[dict[str, float]]) -> float:
    """Kernels run one after the other, and none is faster than its busiest unit."""
    return sum(max(units.values()) for units in kernels)


def total_seconds(kernels: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of each unit in all kernels."""
    names = dict.fromkeys(name for units in kernels for name in units)
    return {name: sum(units.get(name, 0.0) for units in kernels) for name in names}


def limit_seconds(
    rates: dict[str, Any],
    sites: float,
    point: Point,
    backward: bool,
    assumed: Assumption,
    conditions: int = 1,
) -> dict[str, float]:
    """Least time that the algorithm needs on one chip: tensor cores, special functions."""
    terms = 2 if point.dtype == "float32" else 1
    operations = 2 * 4 * point.width * terms * sites
    dense = rates["mma"]["F16"] * rates["mma_clock"] * rates["mma_sync"] * rates["sms"]
    tensor = operations / (dense * (assumed.sparse_factor if "sparse" in rates else 1))
    if backward:
        tensor += operations / dense
    functions = SPECIAL_FUNCTIONS + DIVISIONS * conditions
    special = functions * sites / (rates["mufu"] * rates["clock"] * rates["sms"])
    return {"tensor cores": tensor, "special functions": special}


def cache_seconds(chip: str, launch: Launch) -> float:
    """Of the second-level cache, if no first-level cache caught anything: at most."""
    rows = launch.stats["instructions"]
    sectors = sum(row["sectors"] for row in rows if row["cls"].endswith("_global"))
    return 32 * sectors / CHIPS[chip].cache_bytes


# --------------------------------------------------------------------------------- rows


@dataclasses.dataclass(frozen=True)
class Counted:
    """The launches of one direction on one chip, and what times follow from them."""

    ptxsim: Any
    chip: str
    point: Point
    backward: bool
    axes: Axes
    launches: Sequence[Launch]
    opcodes: Sequence[Counter[str] | None]
    scale: float  # of the whole problem on the whole chip to what was simulated

    @property
    def rates(self) -> dict[str, Any]:
        """The simulator's, of the chip."""
        return self.ptxsim.GPUS[self.chip]

    @property
    def sites(self) -> float:
        """Windows on both strands, for all motifs."""
        return 2.0 * self.point.sequence_count * self.point.length * self.point.motif_count

    def kernels(self, assumed: Assumption) -> list[dict[str, float]]:
        """Microseconds of each unit, kernel by kernel."""
        found = []
        for launch, opcodes in zip(self.launches, self.opcodes, strict=True):
            units = unit_seconds(self.ptxsim, self.chip, launch, opcodes, assumed)
            units = at_clock(self.rates, self.chip, units, assumed)
            scale = 1e6 * self.scale_of(launch)
            found.append({unit: scale * seconds for unit, seconds in units.items()})
        return found

    def scale_of(self, launch: Launch) -> float:
        """How many times what was simulated the launch does."""
        return 1.0 if is_whole(launch.symbol) else self.scale

    def limit(self, assumed: Assumption) -> tuple[float, str]:
        """Microseconds of the limit, and its unit."""
        found = limit_seconds(
            *(self.rates, self.sites, self.point, self.backward, assumed, self.axes.conditions)
        )
        unit = max(found, key=lambda unit: found[unit])
        return 1e6 * found[unit], unit

    def rival(self, numbers_per_site: int) -> float:
        """Microseconds of operations that move so many numbers for each site."""
        return 1e6 * 4 * numbers_per_site * self.sites / self.rates["dram"]


def count(ptxsim: Any, chip: str, point: Point, backward: bool, axes: Axes) -> Counted:
    """Simulates a part of the problem on a part of the chip, and whole what is no such part."""
    multiprocessors = CHIPS[chip].multiprocessors
    sequences = max(1, round(point.sequence_count * SAMPLE / multiprocessors))
    part = make_work(point._replace(sequence_count=sequences), axes)
    # The others are prepared for, so that all must run.
    found = count_work(chip, SAMPLE, part, backward)
    launches = [launch for launch in found if not is_whole(launch.symbol)]
    whole = make_work(point, axes)
    launches += count_work(chip, multiprocessors, whole, backward, is_whole)
    opcodes = [opcodes_of(chip, launch) for launch in launches]
    scale = point.sequence_count / sequences
    return Counted(ptxsim, chip, point, backward, axes, launches, opcodes, scale)


def make_row(counted: Counted) -> Row:
    """One row of the table."""
    direction = "backward" if counted.backward else "forward"
    units = total_seconds(counted.kernels(PEAK))
    bound, dense_bound = (bound_seconds(counted.kernels(each)) for each in (PEAK, DENSE))
    limit, limited_by = counted.limit(PEAK)
    others = max(seconds for unit, seconds in units.items() if unit != "mma")
    of_launches = list(zip(counted.launches, counted.opcodes, strict=True))
    known = [(launch, own) for launch, own in of_launches if own is not None]
    ptx = [
        counted.scale_of(each)
        * unit_seconds(counted.ptxsim, counted.chip, each, None, PEAK)["issue"]
        for each in counted.launches
    ]
    return {
        "chip": counted.chip,
        "sequences": counted.point.sequence_count,
        "direction": direction,
        "dtype": counted.point.dtype,
        "axes": str(counted.axes),
        "instructions": "machine code" if len(known) == len(of_launches) else "PTX",
        "microseconds": bound,
        "bound_by": max(units, key=lambda unit: units[unit]),
        "limit_microseconds": limit,
        "limited_by": limited_by,
        "share": limit / bound,
        "share_without_overlap": limit / (units["mma"] + others),
        "dense_microseconds": dense_bound,
        "dense_share": counted.limit(DENSE)[0] / dense_bound,
        "base_microseconds": bound_seconds(counted.kernels(BASE)),
        "eager_microseconds": counted.rival(EAGER[direction]),
        "xla_microseconds": counted.rival(XLA[direction]),
        "units": units,
        "cache_microseconds_at_most": 1e6
        * sum(
            counted.scale_of(launch) * cache_seconds(counted.chip, launch)
            for launch in counted.launches
        ),
        "ptx_issue_microseconds": 1e6 * sum(ptx),
        "agreement": [agreement(launch, own) for launch, own in known],
        "kernels": [
            {
                "kernel": launch.stats["kernel"],
                "units": own,
                "certainty": certainty_of(counted.chip, launch),
            }
            for launch, own in zip(counted.launches, counted.kernels(PEAK), strict=True)
        ],
    }


def fault_of(row: Row) -> str | None:
    """What shows that a row's counts are wrong; None where nothing does."""
    pairs = [pair for each in row["agreement"] for pair in each.values()]
    if any(machine != ptx for ptx, machine in pairs):
        return f"PTX and machine code disagree: {row['agreement']}"
    if row["share"] > 1 or row["dense_share"] > 1:
        return "faster than the limit: products are missing"
    return None


def cells(row: Row) -> list[str]:
    """One row as text."""
    bound = row["microseconds"]
    return [
        row["chip"],
        f"{row['sequences']:,}",
        _direction(row),
        row["dtype"],
        number(bound),
        row["bound_by"],
        f"{row['share']:.0%}",
        f"{row['share_without_overlap']:.0%}",
        number(row["dense_microseconds"]),
        f"{row['dense_share']:.0%}",
        number(row["base_microseconds"]),
        *(
            f"{number(row[rival])} ({row[rival] / bound:.1f}x)" if row["axes"] in FOR_RIVALS else ""
            for rival in ("eager_microseconds", "xla_microseconds")
        ),
    ]


def _direction(row: Row) -> str:
    return ", ".join(word for word in (row["direction"], row["axes"]) if word)


def points(arguments: argparse.Namespace) -> Iterator[tuple[str, Point, Axes]]:
    """Chips and problems; in float32 on some chips also with sets of weights and conditions."""
    for chip, dtype, sequences in itertools.product(
        arguments.chips, arguments.dtypes, arguments.sequences
    ):
        point = Point("fused", sequence_count=sequences, dtype=dtype, motifs=arguments.motifs)
        yield chip, point, PLAIN
        if dtype != "float32":
            continue
        if chip in arguments.weighted:
            yield chip, point, Axes(sets=1)
        if chip in arguments.several:
            yield from ((chip, point, axes) for axes in SEVERAL)


COLUMNS = [
    *(
        "chip",
        "N",
        "direction",
        "dtype",
        "µs at least",
        "bound by",
        "of the limit",
        "without overlap",
    ),
    *("sparse as dense, µs", "of that limit", "at base clock, µs", "eager ops, µs", "XLA, µs"),
]


def main() -> None:
    """Counts, prints, writes."""
    arguments = parse_arguments()
    try:
        ptxsim = executors.import_ptxsim(arguments.simulator)
    except executors.MissingError as error:
        raise SystemExit(f"--simulator: {error}") from error
    rows = [
        make_row(count(ptxsim, chip, point, backward, axes))
        for chip, point, axes in points(arguments)
        for backward in (False, True)
    ]
    show = print_markdown if arguments.markdown else print_table
    size = f"L=110, M=245, W=30, {arguments.motifs}"
    show(f"Least times, {size}", COLUMNS, [cells(row) for row in rows])
    show(
        "Microseconds of each unit",
        [
            *("chip", "N", "direction", "dtype", "units"),
            *("instructions of PTX", "second-level cache, at most"),
        ],
        [_unit_cells(row) for row in rows],
    )
    for row in (row for row in rows if fault_of(row) is not None):
        print(f"WRONG: {row['chip']} {row['direction']}: {fault_of(row)}")
    if find_nvdisasm() is None:
        print("Instructions are those of PTX: nvdisasm is not here (pip: nvidia-cuda-nvdisasm)")
    write_json(arguments.json, {"sequences": arguments.sequences}, rows)


def _unit_cells(row: Row) -> list[str]:
    ordered = sorted(row["units"].items(), key=lambda item: -item[1])
    units = ", ".join(f"{unit} {number(value)}" for unit, value in ordered if value > 1)
    others = (row["ptx_issue_microseconds"], row["cache_microseconds_at_most"])
    place = [row["chip"], f"{row['sequences']:,}", _direction(row), row["dtype"]]
    return [*place, units, *map(number, others)]


if __name__ == "__main__":
    main()
