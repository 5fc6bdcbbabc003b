"""Merging of read pairs: cisreg against plain Python, fastp and vsearch, with the truth known.

    python -m benchmarks.reads.merge_pairs --pairs 1000000

All read the same two gzip files of a simulated run (`sequencing_run.py`), each run in a
process of its own; memory is the largest sum over the processes of a run, looked at every 20 ms,
and includes the interpreter. cisreg tries overlaps within --slack of the expected one; "any
overlap" is a slack that takes in every molecule of the run, as the other programs always do. Plain
Python gets a twentieth of the pairs. What is written is compared with the molecules: those of
promoters, those of short inserts, which reads run through, and pairs of two molecules, which none
should merge.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.reads.sequencing_run import BINS, LENGTH, READ_LENGTH, make_library, sequence
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
from cisreg.streams import open_input, open_output

FOLDER = Path(__file__).parent
OVERLAP = 2 * READ_LENGTH - LENGTH
# The shortest promoters lack 12 bases, the shortest inserts are of 40.
SLACK, ANY_SLACK = 14, LENGTH - 40
CISREG, ANY, PYTHON, FASTP, VSEARCH = "cisreg", "cisreg, any overlap", "Python", "fastp", "vsearch"
PLAIN_SHARE = 20
_LINES = 4


class Files(NamedTuple):
    """What is merged, and the truth.

    Attributes:
        reads: files of reads 1 and reads 2.
        molecules: of each pair what was read, by name; empty where reads are of two molecules.
        pairs: how many.
    """

    reads: tuple[Path, Path]
    molecules: dict[str, str]
    pairs: int


class Program(NamedTuple):
    """A way to merge the pairs.

    Attributes:
        name: of the program.
        threads: it is given.
        command: that writes to `output`.
        output: a table or FASTQ.
        files: what it merges.
    """

    name: str
    threads: int
    command: list[str]
    output: Path
    files: Files


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = make_parser(__doc__, seconds=0.0, rounds=3)
    parser.add_argument("--pairs", type=int, default=1_000_000, help="(default %(default)s)")
    parser.add_argument("--promoters", type=int, default=20_000, help="(default %(default)s)")
    parser.add_argument("--folder", type=Path, help="for files; default: that of the system")
    arguments = parse(parser)
    if arguments.quick:
        arguments.pairs, arguments.promoters = 2_000, 100
    return arguments


def make_files(arguments: argparse.Namespace, folder: Path) -> Files:
    """A run, all bins in one file."""
    library = make_library(arguments.promoters, 0)
    sequence(library, arguments.pairs, folder, 0, with_truth=True)
    reads = folder / "R1.fastq.gz", folder / "R2.fastq.gz"
    molecules = {}
    for index in range(BINS):
        for read, path in enumerate(reads, 1):
            part = folder / f"bin{index:02d}_R{read}.fastq.gz"
            # Members of gzip, one after the other, are gzip.
            with path.open("ab") as whole, part.open("rb") as source:
                shutil.copyfileobj(source, whole)
            part.unlink()
        with open_input(folder / f"bin{index:02d}_truth.tsv.gz") as lines:
            for line in lines:
                name, _, molecule = line.decode().rstrip("\n").split("\t")
                molecules[name] = molecule
    return Files(reads, molecules, arguments.pairs)


def first_pairs(files: Files, pairs: int, folder: Path) -> Files:
    """Writes the first pairs to files of their own."""
    reads = folder / "few_R1.fastq.gz", folder / "few_R2.fastq.gz"
    for source, target in zip(files.reads, reads, strict=True):
        with open_input(source) as lines, open_output(target, overwrite=True) as file:
            file.writelines(islice(lines, _LINES * pairs))
    return Files(reads, dict(islice(files.molecules.items(), pairs)), pairs)


def programs(files: Files, folder: Path, threads: int) -> Iterator[Program]:
    """All that are installed."""
    table, records = folder / "merged.tsv", folder / "merged.fastq"
    cisreg = [sys.executable, "-c", "from cisreg.cli import main; main()", "prepare", "merge-pairs"]
    for name, slack in ((CISREG, SLACK), (ANY, ANY_SLACK)):
        for count in sorted({1, threads}):
            options = {"overlap": OVERLAP, "slack": slack, "threads": count, "format": "table"}
            words = [f"--{key}={value}" for key, value in options.items()]
            command = [*cisreg, *map(str, files.reads), f"--output={table}", "--overwrite", *words]
            yield Program(name, count, command, table, files)
    few = first_pairs(files, max(1, files.pairs // PLAIN_SHARE), folder)
    plain = [sys.executable, str(FOLDER / "merge_pairs_plain.py"), *map(str, few.reads), str(table)]
    yield Program(PYTHON, 1, [*plain, str(OVERLAP), str(SLACK)], table, few)
    for name, make in ((FASTP, fastp), (VSEARCH, vsearch)):
        if shutil.which(name) is not None:
            for count in sorted({1, threads}):
                yield Program(name, count, make(files.reads, records, count), records, files)


def fastp(reads: tuple[Path, Path], output: Path, threads: int) -> list[str]:
    """The command of fastp, only for merging, with the limits of cisreg."""
    return [
        *("fastp", "--in1", str(reads[0]), "--in2", str(reads[1])),
        *("--merge", "--merged_out", str(output), "--correction", "--thread", str(threads)),
        *("--overlap_len_require", "10", "--overlap_diff_limit", "100"),
        *("--overlap_diff_percent_limit", "25", "--disable_quality_filtering"),
        *("--disable_length_filtering", "--disable_trim_poly_g", "--dont_eval_duplication"),
        *("--json", "/dev/null", "--html", "/dev/null"),
    ]


def vsearch(reads: tuple[Path, Path], output: Path, threads: int) -> list[str]:
    """The command of vsearch with the limits of cisreg."""
    return [
        *("vsearch", "--fastq_mergepairs", str(reads[0]), "--reverse", str(reads[1])),
        *("--fastqout", str(output), "--threads", str(threads), "--fastq_allowmergestagger"),
        *("--fastq_minovlen", "10", "--fastq_maxdiffs", "100", "--fastq_maxdiffpct", "25"),
    ]


def merged(path: Path) -> Iterator[tuple[str, str]]:
    """Name and sequence of a table or FASTQ."""
    with path.open() as lines:
        for line in lines:
            if path.suffix == ".tsv":
                name, sequence_, _ = line.split("\t")
            else:
                name, sequence_ = line[1:].split()[0], next(lines).rstrip()
                next(lines), next(lines)
            yield name, sequence_


def compare(program: Program) -> Row:
    """Shares of the pairs of each kind: exact molecules, and others that were written."""
    kinds = {"promoter": 0, "short_insert": 0, "junk": 0}
    exact, written = dict(kinds), dict(kinds)
    for molecule in program.files.molecules.values():
        kinds[_kind(molecule)] += 1
    for name, text in merged(program.output):
        molecule = program.files.molecules[name]
        written[_kind(molecule)] += 1
        exact[_kind(molecule)] += text == molecule
    return {
        "exact_promoters": exact["promoter"] / max(1, kinds["promoter"]),
        "wrong_promoters": (written["promoter"] - exact["promoter"]) / max(1, kinds["promoter"]),
        "exact_short_inserts": exact["short_insert"] / max(1, kinds["short_insert"]),
        "merged_junk": written["junk"] / max(1, kinds["junk"]),
    }


def _kind(molecule: str) -> str:
    if not molecule:
        return "junk"
    return "promoter" if len(molecule) > READ_LENGTH else "short_insert"


def measure_all(arguments: argparse.Namespace, folder: Path) -> list[Row]:
    """Programs in turn, several rounds."""
    files = make_files(arguments, folder)
    found = list(programs(files, folder, arguments.threads))
    measured: list[list[tuple[float, float]]] = [[] for _ in found]
    truth: list[Row] = []
    for turn in range(arguments.rounds):
        for index, program in enumerate(found):
            count = arguments.rounds * len(found)
            tell_progress(turn * len(found) + index, count, program.name)
            measured[index].append(run(program.command))
            if turn == 0:
                truth.append(compare(program))
    return [_row(*each) for each in zip(found, measured, truth, strict=True)]


def _row(program: Program, measured: list[tuple[float, float]], truth: Row) -> Row:
    seconds = [each[0] for each in measured]
    return {
        "implementation": program.name,
        "threads": program.threads,
        "pairs": program.files.pairs,
        "median_seconds": median(seconds),
        "quartiles_seconds": quartiles(seconds),
        "pairs_per_second": program.files.pairs / median(seconds),
        "peak_mebibytes": median([each[1] for each in measured]),
        **truth,
    }


def print_rows(rows: list[Row], title: str) -> None:
    """Time, memory and truth."""
    columns = ("", "pairs", "seconds", "pairs/s", "peak MiB")
    shares = ("exact_promoters", "wrong_promoters", "exact_short_inserts", "merged_junk")
    lines = [
        [
            f"{row['implementation']}, {thread_count(row['threads'])}",
            f"{row['pairs']:,}",
            number(row["median_seconds"]),
            f"{row['pairs_per_second']:,.0f}",
            f"{row['peak_mebibytes']:,.0f}",
            *(f"{100 * row[share]:.2f} %" for share in shares),
        ]
        for row in rows
    ]
    heads = ("promoters exact", "promoters wrong", "short inserts exact", "junk merged")
    print_table(title, (*columns, *heads), lines)


def draw(rows: list[Row], title: str, facts: dict[str, Any], path: Path) -> None:
    """Pairs per second and exact promoters as bars."""
    figure, axes = subplots(1, 2, 12, 3.5)
    names = [f"{row['implementation']}\n{thread_count(row['threads'])}" for row in rows]
    ours = [row["implementation"].startswith(CISREG) for row in rows]
    colours = [FUSED_COLOUR if own else RIVAL_COLOURS[0] for own in ours]
    for axis, key, scale, label in (
        (axes[0, 0], "pairs_per_second", 1e6, "million pairs per second"),
        (axes[0, 1], "exact_promoters", 0.01, "% of promoters' pairs that are exact"),
    ):
        values = [row[key] / scale for row in rows]
        bars = axis.barh(names, values, color=colours)
        axis.bar_label(bars, [f"{value:.2f}" for value in values], padding=2, fontsize=8)
        axis.invert_yaxis()
        axis.set_xlabel(label)
    figure.suptitle(title, fontsize=10)
    save(figure, path, facts, ())


def main() -> None:
    """Simulates, measures, prints, writes."""
    arguments = parse_arguments()
    facts = machine(arguments.clock)
    print_machine(facts)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        rows = measure_all(arguments, Path(folder))
    title = (
        f"{arguments.pairs:,} pairs of {READ_LENGTH} bases, molecules of {LENGTH} bases and "
        f"shorter, slack {SLACK}"
    )
    print_rows(rows, title)
    write_json(arguments.json, facts, rows)
    if arguments.plot:
        draw(rows, title, facts, arguments.plot)


if __name__ == "__main__":
    main()
