"""How fast this GPU's tensor cores are through mma.sync: dense, sparse, and beside other work.

    python -m benchmarks.gpu.rates

Compiles rates.cu by nvcc and runs it. The model of the kernels' time assumes that sparse products
are twice as fast as dense ones; this decides it, and tells how well both kinds overlap with the
instructions of the occupancy law. Rates are per cycle of a multiprocessor, so that the clock does
not matter; the clock beside them is what the GPU held meanwhile.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu.budget import TaskError
from benchmarks.gpu.static import find_nvcc

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_name("rates.cu")
# Operations of a product, zeros of sparse operands counted; a product and an addition are two.
OPERATIONS = {"dense half": 2 * 16 * 8 * 16, "sparse half": 2 * 16 * 8 * 32}
OPERATIONS["dense bfloat"] = OPERATIONS["dense half"]
OTHERS = "other instructions"

Measured = dict[str, Any]


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--architecture", default="native", help="of nvcc (default %(default)s)")
    return parser.parse_args()


def compile_command(target: Path, architecture: str) -> list[str]:
    """What builds the program; `architecture` such as native or sm_90."""
    include = [f"-I{ROOT / folder}" for folder in ("cuda", "csrc")]
    options = ["-std=c++17", "-O3", f"-arch={architecture}", *include]
    return [find_nvcc() or "nvcc", *options, str(SOURCE), "-o", str(target)]


def run(program: Path, seconds: float) -> list[Measured]:
    """What the program measures.

    Raises:
        TaskError: it is not there, fails or takes too long.
    """
    try:
        done = subprocess.run([str(program)], capture_output=True, text=True, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TaskError(f"{type(error).__name__}: {error}"[:200]) from error
    if done.returncode != 0:
        raise TaskError(done.stderr.strip()[:200])
    return [json.loads(line) for line in done.stdout.splitlines()]


def cycles_of_a_round(row: Measured) -> float:
    """Cycles of a multiprocessor for one round of all its warps."""
    return row["cycles"] / row["rounds"]


def operations_per_cycle(row: Measured) -> float | None:
    """Of a multiprocessor; None where there are no products, or other instructions beside."""
    if row["kernel"] not in OPERATIONS:
        return None
    operations = OPERATIONS[row["kernel"]] * row["products"] * row["warps"]
    return operations / cycles_of_a_round(row)


def clock_ghz(row: Measured) -> float:
    """The clock that the GPU held."""
    return row["cycles"] / row["milliseconds"] / 1e6


def sparse_factor(rows: Sequence[Measured]) -> float | None:
    """How many times the rate of dense products sparse ones reach, both at their best."""
    best = {
        kind: max(
            (operations_per_cycle(row) or 0 for row in rows if row["kernel"] == kind), default=0
        )
        for kind in ("dense half", "sparse half")
    }
    return best["sparse half"] / best["dense half"] if all(best.values()) else None


def overlap(rows: Sequence[Measured], kind: str, warps: int) -> float | None:
    """Which part of the shorter work is hidden behind the longer: 1 all, 0 nothing."""
    cycles = {row["kernel"]: cycles_of_a_round(row) for row in rows if row["warps"] == warps}
    names = (kind, OTHERS, f"{kind} and others")
    if not all(name in cycles for name in names):
        return None
    products, others, both = (cycles[name] for name in names)
    return (products + others - both) / min(products, others)


def make_table(rows: Sequence[Measured]) -> tuple[str, list[str], list[list[str]]]:
    """Title, columns and cells."""
    columns = ["", "warps", "cycles a round", "operations a cycle", "clock, GHz", "overlap"]
    cells = []
    for row in rows:
        rate = operations_per_cycle(row)
        kind = row["kernel"].removesuffix(" and others")
        hidden = overlap(rows, kind, row["warps"]) if kind != row["kernel"] else None
        cells.append(
            [
                row["kernel"],
                str(row["warps"]),
                f"{cycles_of_a_round(row):.0f}",
                "" if rate is None else f"{rate:,.0f}",
                f"{clock_ghz(row):.2f}",
                "" if hidden is None else f"{hidden:.0%}",
            ]
        )
    factor = sparse_factor(rows)
    title = "tensor cores through mma.sync, of a multiprocessor"
    if factor is not None:
        title += f": sparse products have {factor:.2f} times the rate of dense ones"
    return title, columns, cells


def main() -> None:
    """Compiles, runs, prints."""
    from benchmarks.gpu.report import Table, print_tables

    arguments = parse_arguments()
    if find_nvcc() is None:
        sys.exit("nvcc is not here: name it in the environment variable NVCC")
    with tempfile.TemporaryDirectory(prefix="cisreg-") as folder:
        program = Path(folder) / "rates"
        subprocess.run(compile_command(program, arguments.architecture), check=True)
        try:
            rows = run(program, 60.0)
        except TaskError as error:
            sys.exit(str(error))
    print_tables([Table(*make_table(rows))])


if __name__ == "__main__":
    main()
