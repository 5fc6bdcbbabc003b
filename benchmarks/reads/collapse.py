"""Counting of identical sequences: cisreg against a Python dict and against sort and uniq.

    python -m benchmarks.reads.collapse --reads 20000000 --memory 1GB

Reads are drawn from --unique random sequences, each as likely, so that nearly all memory is for
different sequences, as in a library of random promoters. All read one file of lines and write one
of sequence and count, each run in a separate process; memory is the largest sum over the
processes of a run, looked at every 20 ms, and includes the interpreter. `cisreg` and the two `sort`
(which get --memory each, and LC_ALL=C) put the rest on the disk, beside the file; the dict cannot.
All must count the same before anything is reported.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shared.processes import run
from benchmarks.shared.suite import (
    FUSED_COLOUR,
    RIVAL_COLOURS,
    Row,
    machine,
    make_parser,
    median,
    number,
    parse,
    print_machine,
    print_table,
    quartiles,
    save,
    subplots,
    tell_progress,
    thread_count,
    write_json,
)

FOLDER = Path(__file__).parent
CISREG, PYTHON, SORT = "cisreg", "Python dict", "sort | uniq -c | sort -rn"
_BATCH = 500_000


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = make_parser(__doc__, seconds=0.0, rounds=3)
    parser.add_argument("--reads", type=int, default=5_000_000, help="(default %(default)s)")
    parser.add_argument("--unique", type=int, help="default: three quarters of the reads")
    parser.add_argument("--length", type=int, default=110, help="bases (default %(default)s)")
    parser.add_argument("--memory", default="1GB", help="(default %(default)s)")
    parser.add_argument("--folder", type=Path, help="for files; default: that of the system")
    arguments = parse(parser)
    if arguments.quick:
        arguments.reads = 2_000
    arguments.unique = arguments.unique or max(1, 3 * arguments.reads // 4)
    return arguments


def write_reads(path: Path, arguments: argparse.Namespace) -> None:
    """Random sequences computed from their number, so that none must be stored."""
    generator = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGT", np.uint8)
    place = np.arange(arguments.length, dtype=np.uint64)
    with path.open("wb") as file:
        for start in range(0, arguments.reads, _BATCH):
            count = min(_BATCH, arguments.reads - start)
            drawn = generator.integers(0, arguments.unique, count).astype(np.uint64)
            # The mixing function of SplitMix64: each bit of the input changes half of the result's.
            bits = drawn[:, np.newaxis] * np.uint64(arguments.length) + place + np.uint64(1)
            bits *= np.uint64(0x9E3779B97F4A7C15)
            bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            lines = np.full((count, len(place) + 1), ord("\n"), np.uint8)
            lines[:, :-1] = letters[((bits >> np.uint64(62)) & np.uint64(3)).astype(np.intp)]
            file.write(lines.tobytes())


def commands(arguments: argparse.Namespace, reads: Path, output: Path) -> dict[str, list[str]]:
    """What is run."""
    size = arguments.memory.removesuffix("B")
    sort = f"sort -S {size} --parallel={arguments.threads} -T '{reads.parent}'"
    options = ["--memory", arguments.memory, "--threads", str(arguments.threads), "--overwrite"]
    return {
        CISREG: [
            *(sys.executable, "-c", "from cisreg.cli import main; main()", "prepare", "collapse"),
            *(str(reads), "--output", str(output), *options),
        ],
        PYTHON: [sys.executable, str(FOLDER / "collapse_plain.py"), str(reads), str(output)],
        SORT: ["sh", "-c", f"{sort} '{reads}' | uniq -c | {sort} -rn > '{output}'"],
    }


def content(name: str, output: Path) -> list[tuple[str, str]]:
    """Rows of sequence and count, in one order."""
    rows = (line.split() for line in output.read_text().splitlines())
    return sorted((row[1], row[0]) if name == SORT else (row[0], row[1]) for row in rows)


def measure_all(arguments: argparse.Namespace, folder: Path) -> list[Row]:
    """Implementations in turn, several rounds.

    Raises:
        RuntimeError: they count differently.
    """
    reads, output = folder / "reads.txt", folder / "counts.tsv"
    write_reads(reads, arguments)
    found = commands(arguments, reads, output)
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in found}
    expected: list[tuple[str, str]] = []
    for turn in range(arguments.rounds):
        for index, (name, command) in enumerate(found.items()):
            tell_progress(turn * len(found) + index, arguments.rounds * len(found), name)
            measured[name].append(run(command))
            if turn == 0:
                expected = expected or content(name, output)
                if content(name, output) != expected:
                    raise RuntimeError(f"{name}: expected the counts of {CISREG}, got others")
    return [_row(name, each, arguments, len(expected)) for name, each in measured.items()]


def _row(
    name: str, measured: list[tuple[float, float]], arguments: argparse.Namespace, different: int
) -> Row:
    seconds = [each[0] for each in measured]
    return {
        "implementation": name,
        "reads": arguments.reads,
        "different_sequences": different,
        "length": arguments.length,
        "memory": arguments.memory,
        "threads": 1 if name == PYTHON else arguments.threads,
        "median_seconds": median(seconds),
        "quartiles_seconds": quartiles(seconds),
        "reads_per_second": arguments.reads / median(seconds),
        "peak_mebibytes": median([each[1] for each in measured]),
    }


def print_rows(rows: list[Row], title: str) -> None:
    """Seconds, reads per second and memory."""
    lines = []
    for row in rows:
        low, high = row["quartiles_seconds"]
        lines.append(
            [
                f"{row['implementation']}, {thread_count(row['threads'])}",
                number(row["median_seconds"]),
                f"{number(low)} to {number(high)}",
                f"{row['reads_per_second']:,.0f}",
                f"{row['peak_mebibytes']:,.0f}",
            ]
        )
    print_table(title, ("", "seconds", "quartiles", "reads/s", "peak MiB"), lines)


def draw(rows: list[Row], title: str, facts: dict[str, Any], path: Path) -> None:
    """Reads per second and memory as bars."""
    figure, axes = subplots(1, 2, 9, 3)
    names = [row["implementation"].replace(" | ", " |\n") for row in rows]
    colours = [FUSED_COLOUR, *RIVAL_COLOURS][: len(rows)]
    for axis, key, scale, label in (
        (axes[0, 0], "reads_per_second", 1e6, "million reads per second"),
        (axes[0, 1], "peak_mebibytes", 1024, "peak memory, GiB"),
    ):
        values = [row[key] / scale for row in rows]
        bars = axis.bar(names, values, color=colours)
        axis.bar_label(bars, [f"{value:.2f}" for value in values], padding=2, fontsize=8)
        axis.set_ylabel(label)
    figure.suptitle(title, fontsize=10)
    save(figure, path, facts, ())


def main() -> None:
    """Measures, prints, writes."""
    arguments = parse_arguments()
    facts = machine(arguments.clock)
    print_machine(facts)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        rows = measure_all(arguments, Path(folder))
    title = (
        f"{arguments.reads:,} reads of {rows[0]['different_sequences']:,} different sequences of "
        f"{arguments.length} bases, memory {arguments.memory}"
    )
    print_rows(rows, title)
    write_json(arguments.json, facts, rows)
    if arguments.plot:
        draw(rows, title, facts, arguments.plot)


if __name__ == "__main__":
    main()
