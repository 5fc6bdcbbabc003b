"""Merging of sequencing errors, with known truth, against vsearch and bowtie2.

    python -m benchmarks.reads.cluster --plot docs/images/cluster.png

Promoters of 80 random bases between the constant ends of a published library are read with errors
at a rate of --error-rate per base, 8 in 10 of them substitutions, the others inserted or deleted
bases, until there are --sequences different ones. A sequence is erroneous where it is none of the
promoters; it is assigned rightly where it ends up in the promoter that it was read from, wrongly
where in another one. All read the same file and write what they found; a fresh process each, times
with starting and files. bowtie2 and plain Python take a time that grows with the square of the
number of sequences, since all share their ends, and get fewer of them.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.shared.suite import (
    FUSED_COLOUR,
    RIVAL_COLOURS,
    Row,
    log_scale,
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

FRONT, BACK = b"TGCATTTTTTTCACATC", b"GGTTACGGCTGTT"
BASES = 80
READS_PER_PROMOTER = 40
CISREG, VSEARCH, BOWTIE2, PYTHON = "cisreg", "vsearch", "bowtie2 method", "plain Python"
_LETTERS = np.frombuffer(b"ACGT", np.uint8)


class Library(NamedTuple):
    """What was read.

    Attributes:
        sequences: the different sequences, by falling count.
        counts: how often each was read.
        truth: for each, the promoter that most of its reads come from.
    """

    sequences: list[bytes]
    counts: list[int]
    truth: list[bytes]


class Case(NamedTuple):
    """A program on a number of sequences."""

    program: str
    sequences: int
    threads: int


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = make_parser(__doc__, seconds=0.0, rounds=3)
    parser.add_argument("--sequences", type=int, default=200_000, help="(default %(default)s)")
    parser.add_argument("--few", type=int, default=300, help="for slow ones (%(default)s)")
    parser.add_argument("--error-rate", type=float, default=0.005, help="(default %(default)s)")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    arguments = parse(parser)
    if arguments.quick:
        arguments.sequences, arguments.few = 600, 60
    return arguments


def make_library(count: int, error_rate: float) -> Library:
    """Reads promoters, of which some are more frequent, until there are `count` sequences."""
    random = np.random.default_rng(0)
    reads: dict[bytes, int] = {}
    truth: dict[bytes, bytes] = {}
    while len(reads) < count:
        promoter = FRONT + _LETTERS[random.integers(0, 4, BASES)].tobytes() + BACK
        for _ in range(1 + random.poisson(random.gamma(1, READS_PER_PROMOTER))):
            read = with_errors(promoter, error_rate, random)
            reads[read] = reads.get(read, 0) + 1
            truth.setdefault(read, promoter)
    # Stable, so that of equal counts the one that was read first comes first.
    order = sorted(reads, key=lambda read: -reads[read])[:count]
    return Library(order, [reads[read] for read in order], [truth[read] for read in order])


def with_errors(promoter: bytes, rate: float, random: np.random.Generator) -> bytes:
    """One read."""
    letters = bytearray(promoter)
    # From the right, so that places stay where they are.
    for place in sorted(random.integers(0, len(letters), random.poisson(rate * len(letters))))[
        ::-1
    ]:
        kind, letter = random.random(), int(_LETTERS[random.integers(4)])
        if kind < 0.8:
            letters[place] = letter
        elif kind < 0.9:
            del letters[place]
        else:
            letters.insert(place, letter)
    return bytes(letters)


def write_library(folder: Path, library: Library) -> None:
    """As a table, and as the FASTA with sizes that vsearch reads."""
    with (folder / "counts.txt").open("wb") as table, (folder / "sized.fa").open("wb") as fasta:
        for row, (text, count) in enumerate(zip(library.sequences, library.counts, strict=True)):
            table.write(b"%s\t%d\n" % (text, count))
            fasta.write(b">%d;size=%d\n%s\n" % (row, count, text))


def run_case(case: Case, folder: Path) -> tuple[float, float]:
    """Seconds and peak MiB of a separate process, children included."""
    command = [sys.executable, "-m", "benchmarks.reads.cluster", "--worker", case.program]
    command += [str(case.threads), str(folder), str(folder / "peak")]
    before = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - before
    return seconds, float((folder / "peak").read_text())


def work(program: str, threads: int, folder: Path, peak: Path) -> None:
    """In the process that is measured: reads counts.txt or sized.fa and writes the map."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    if program == VSEARCH:
        # Sizes order the sequences, as in ours; 0.97 of 110 bases are 3 differences.
        subprocess.run(
            [
                *("vsearch", "--cluster_size", str(folder / "sized.fa"), "--id", "0.97"),
                *("--sizein", "--strand", "plus", "--threads", str(threads), "--quiet"),
                *("--qmask", "none", "--uc", str(folder / "clusters.uc")),
            ],
            check=True,
        )
    elif program == PYTHON:
        write_map_in_python(folder)
    else:
        from cisreg.prepare.cluster import cluster_file

        method = "bowtie2" if program == BOWTIE2 else "embedded"
        files = folder / "counts.txt", folder / "merged.txt", folder / "map.txt"
        cluster_file(*files, method=method, threads=threads, overwrite=True)
    peak.write_text(str(peak_kibibytes() / 1024))


def peak_kibibytes() -> int:
    """Of this process or the largest of its children."""
    # The peak that the system reports for a forked process includes the memory of its parent.
    status = Path("/proc/self/status").read_text()
    own = int(status.partition("VmHWM:")[2].split()[0])
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


def write_map_in_python(folder: Path) -> None:
    """All pairs, by the rows of the edit distance, which end where a row is beyond 3."""
    texts = [line.split("\t")[0] for line in (folder / "counts.txt").read_text().splitlines()]
    roots: list[int] = []
    for row, text in enumerate(texts):
        near = [(bounded_distance(text, texts[other]), other) for other in range(row)]
        distance, parent = min(near, default=(4, row))
        roots.append(roots[parent] if distance <= 3 else row)
    lines = (f"{text}\t{texts[root]}\n" for text, root in zip(texts, roots, strict=True))
    (folder / "map.txt").write_text("".join(lines))


def bounded_distance(a: str, b: str, most: int = 3) -> int:
    """Edit distance, `most + 1` where it is more."""
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        above, row = row, [i]
        for j, other in enumerate(b, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (letter != other)))
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


def read_map(program: str, folder: Path, library: Library) -> list[bytes]:
    """The root of each sequence."""
    if program != VSEARCH:
        lines = (folder / "map.txt").read_bytes().splitlines()
        return [line.split(b"\t")[1] for line in lines]
    roots = list(library.sequences)
    for line in (folder / "clusters.uc").read_text().splitlines():
        fields = line.split("\t")
        if fields[0] == "H":
            member, centroid = (int(field.split(";")[0]) for field in fields[8:10])
            roots[member] = library.sequences[centroid]
    return roots


def score(roots: list[bytes], library: Library) -> Row:
    """Shares of the erroneous sequences, and promoters that were taken for errors."""
    promoters = set(library.truth)
    right = wrong = erroneous = lost = 0
    for text, root, truth in zip(library.sequences, roots, library.truth, strict=True):
        if text in promoters:
            lost += root != text
            continue
        erroneous += 1
        right += root == truth
        wrong += root != truth and root in promoters
    return {
        "erroneous": erroneous,
        "share_right": right / max(erroneous, 1),
        "wrong_merges": wrong,
        "promoters_merged": lost,
    }


def make_cases(arguments: argparse.Namespace) -> list[Case]:
    """All programs, those installed or not."""
    threads = sorted({1, arguments.threads})
    many = [Case(name, arguments.sequences, n) for name in (CISREG, VSEARCH) for n in threads]
    few = [Case(name, arguments.few, max(threads)) for name in (CISREG, VSEARCH, BOWTIE2)]
    return [*many, *few, Case(PYTHON, arguments.few, 1)]


def installed(program: str) -> bool:
    """Whether a program can be run."""
    needs = {VSEARCH: "vsearch", BOWTIE2: "bowtie2"}
    return program not in needs or shutil.which(needs[program]) is not None


def measure_all(arguments: argparse.Namespace) -> list[Row]:
    """Programs in turn, several rounds."""
    cases = [case for case in make_cases(arguments) if installed(case.program)]
    missing = [case for case in make_cases(arguments) if not installed(case.program)]
    sizes = {case.sequences for case in cases}
    libraries = {size: make_library(size, arguments.error_rate) for size in sizes}
    found: dict[Case, list[tuple[float, float]]] = {case: [] for case in cases}
    scores: dict[Case, Row] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for turn in range(arguments.rounds):
            for index, case in enumerate(cases):
                tell_progress(turn * len(cases) + index, arguments.rounds * len(cases), str(case))
                write_library(folder, libraries[case.sequences])
                found[case].append(run_case(case, folder))
                library = libraries[case.sequences]
                scores[case] = score(read_map(case.program, folder, library), library)
    rows = [{**case._asdict(), "missing": "not installed"} for case in missing]
    return [make_row(case, found[case], scores[case]) for case in cases] + rows


def make_row(case: Case, found: list[tuple[float, float]], scored: Row) -> Row:
    """Medians."""
    seconds = [one for one, _ in found]
    return {
        **case._asdict(),
        "median_seconds": median(seconds),
        "quartiles_seconds": quartiles(seconds),
        "sequences_per_second": case.sequences / median(seconds),
        "peak_mebibytes": median([peak for _, peak in found]),
        **scored,
    }


def print_rows(rows: list[Row]) -> None:
    """Time, memory and truth."""
    lines = []
    for row in rows:
        name = f"{row['program']}, {row['sequences']:,}, {thread_count(row['threads'])}"
        if "missing" in row:
            lines.append([name, row["missing"], *[""] * 6])
            continue
        low, high = row["quartiles_seconds"]
        lines.append(
            [
                *(name, number(row["median_seconds"]), f"{number(low)} to {number(high)}"),
                *(f"{row['sequences_per_second']:,.0f}", f"{row['peak_mebibytes']:,.0f}"),
                f"{100 * row['share_right']:.2f}%",
                *(f"{row['wrong_merges']:,}", f"{row['promoters_merged']:,}"),
            ]
        )
    columns = "seconds", "quartiles", "sequences/s", "MiB", "right", "wrong", "promoters merged"
    print_table("sequencing errors merged, at most 3 differences", ("", *columns), lines)


def draw(rows: list[Row], facts: dict[str, Any], path: Path) -> None:
    """Sequences per second as bars."""
    figure, axes = subplots(1, 1, 7, 3)
    shown = [row for row in rows if "missing" not in row]
    names = [
        f"{row['program']}\n{row['sequences']:,}\n{thread_count(row['threads'])}" for row in shown
    ]
    values = [row["sequences_per_second"] for row in shown]
    colours = [FUSED_COLOUR if row["program"] == CISREG else RIVAL_COLOURS[0] for row in shown]
    bars = axes[0, 0].bar(names, values, color=colours)
    axes[0, 0].bar_label(bars, [f"{value:,.0f}" for value in values], padding=2, fontsize=7)
    axes[0, 0].tick_params("x", labelsize=6)
    axes[0, 0].set_yscale("log")
    log_scale(axes[0, 0].yaxis)
    axes[0, 0].set_ylabel("sequences per second")
    save(figure, path, facts)


def main() -> None:
    """Checks, measures, prints, writes."""
    arguments = parse_arguments()
    if arguments.worker:
        program, threads, *paths = arguments.worker
        work(program, int(threads), *map(Path, paths))
        return
    facts = machine(arguments.clock)
    print_machine(facts)
    rows = measure_all(arguments)
    print_rows(rows)
    write_json(arguments.json, facts, rows)
    if arguments.plot:
        draw(rows, facts, arguments.plot)


if __name__ == "__main__":
    main()
