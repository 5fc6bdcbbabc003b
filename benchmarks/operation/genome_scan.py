"""Motifs of JASPAR's size class on genomes of any size: rates, memory, files, and other scanners.

    python -m benchmarks.operation.genome_scan --plot docs/images/genome_scan.png

Four parts, each left out where its number of bases is 0:

--bases: a whole genome, hits counted. The human chromosomes, all shortened where fewer bases are
  asked for. A line of progress per chromosome. --resume FILE keeps finished chromosomes, so that
  the same command goes on behind them.
--output-bases: hits counted, and written as Parquet and BED.
--rival-bases: the same hits against lightmotif, MOODS and memelite's FIMO, in turn, several rounds.
  Hits of lightmotif and MOODS must be as many as cisreg's, but for sites within rounding of the
  threshold. memelite has another definition of a hit. What rivals prepare is not timed.
--read-bases: files read to their end, nothing scanned.

Sequence is made on the fly and never stored whole, random and rich in repeats. The time of making
it is part of the time of a scan, and shown as well. CPU seconds are those of all threads. Every
measurement is a new process, and its memory is all that the process held, Python included. Motifs
are the 1,404 of JASPAR 2018 CORE where pyjaspar is installed, else random ones like them; sites are
windows times motifs times two strands.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.shared.genomes import KINDS, Genome, human_like
from benchmarks.shared.jaspar import Profiles, jaspar_profiles
from benchmarks.shared.scan_plot import draw
from benchmarks.shared.scan_problem import ScanProblem
from benchmarks.shared.scanners import LIGHTMOTIF, MEMELITE, MOODS, PACKAGES
from benchmarks.shared.sequence_files import FORMS, write_sequence
from benchmarks.shared.suite import (
    Row,
    machine,
    make_parser,
    median,
    number,
    parse,
    print_machine,
    print_table,
    quartiles,
    tell_progress,
    thread_count,
    version,
    write_json,
)

ROOT = Path(__file__).parents[2]
CISREG = "cisreg"
OUTPUTS = {"counted": None, "Parquet": "hits.parquet", "BED": "hits.bed"}
# Share of hits that may differ: sites whose sums are rounded to the other side of the threshold.
TOLERANCE = 1e-4


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = make_parser(__doc__, seconds=0.0, rounds=3)
    parser.add_argument("--bases", type=float, default=3_088_286_401, help="(default: human)")
    for part, bases in (("output", 20e6), ("rival", 2e6), ("read", 200e6)):
        parser.add_argument(
            f"--{part}-bases", type=float, default=bases, help="(default %(default)g)"
        )
    parser.add_argument("--motifs", type=int, default=1404, help="(default %(default)s)")
    parser.add_argument("--p-value", type=float, default=1e-4, help="(default %(default)s)")
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="of sequence (default: both)"
    )
    parser.add_argument(
        "--rivals", nargs="*", choices=list(PACKAGES), default=list(PACKAGES), help="(default: all)"
    )
    parser.add_argument("--resume", type=Path, help="keep the genome's finished chromosomes here")
    arguments = parse(parser)
    if arguments.quick:
        arguments.motifs = min(arguments.motifs, 12)
        for part in ("bases", "output_bases", "rival_bases", "read_bases"):
            setattr(arguments, part, min(getattr(arguments, part), 50_000))
    return arguments


class Measurements:
    """Starts the processes that measure.

    Args:
        problem: file of the `ScanProblem`.
    """

    def __init__(self, problem: Path) -> None:
        self._problem = problem

    def results(self, task: str, **request: Any) -> Iterator[Row]:
        """Results of a new process, as they come.

        Raises:
            RuntimeError: it failed; it has said why on standard error.
        """
        words = json.dumps({"task": task, "problem": str(self._problem), **request})
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.shared.scan_worker", words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            yield from map(json.loads, process.stdout)
        finally:
            if process.poll() is None:
                process.stdout.close()
            status = process.wait()
        if status:
            raise RuntimeError(f"the process that measures {task} {request} ended with {status}")

    def result(self, task: str, **request: Any) -> Row:
        """The only result of a new process."""
        (row,) = self.results(task, **request)
        return row


def rates(row: Row, motif_count: int) -> Row:
    """Adds what follows from bases, hits and seconds."""
    sites = 2 * row["bases"] * motif_count
    return {
        **row,
        "sites_per_second": sites / row["seconds"],
        "hits_per_second": row["hits"] / row["seconds"],
    }


def total(rows: list[Row]) -> Row:
    """Sum of a run's parts; memory is the highest."""
    keys = ("bases", "hits", "seconds", "cpu_seconds", "making_seconds")
    summed = {key: sum(row[key] for row in rows) for key in keys}
    summed["peak_mebibytes"] = max(row["peak_mebibytes"] for row in rows)
    files = [row["file_mebibytes"] for row in rows if "file_mebibytes" in row]
    return {**summed, **({"file_mebibytes": files[-1]} if files else {})}


class Finished:
    """Chromosomes that an earlier run of the same command has scanned.

    Args:
        path: a file of JSON lines; None keeps nothing.
        settings: what must be the same for a result to be taken over.
    """

    def __init__(self, path: Path | None, settings: Row) -> None:
        self._path, self._settings = path, settings
        lines = path.read_text().splitlines() if path is not None and path.exists() else []
        # The last line is cut where the run was killed while it wrote.
        self._rows = [json.loads(line) for line in lines if line.endswith("}}")]

    def rows(self, kind: str) -> list[Row]:
        """Results for this kind of sequence."""
        settings = {**self._settings, "kind": kind}
        return [row["result"] for row in self._rows if row["settings"] == settings]

    def add(self, kind: str, result: Row) -> None:
        """Keeps a result."""
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as file:
                line = {"settings": {**self._settings, "kind": kind}, "result": result}
                file.write(json.dumps(line) + "\n")


def measure_genome(
    measurements: Measurements, arguments: argparse.Namespace, source: str
) -> list[Row]:
    """Whole genomes, chromosome by chromosome, all threads."""
    rows = []
    settings = {key: getattr(arguments, key) for key in ("bases", "motifs", "p_value", "threads")}
    finished = Finished(arguments.resume, {**settings, "source": source})
    for kind in arguments.kinds if arguments.bases else ():
        chromosomes = human_like(kind, round(arguments.bases)).chromosomes
        done = {row["chromosome"]: row for row in finished.rows(kind)}
        left = {name: bases for name, bases in chromosomes.items() if name not in done}
        request = {"kind": kind, "chromosomes": left, "threads": arguments.threads}
        for result in measurements.results("genome", **request) if left else ():
            done[result["chromosome"]] = result
            finished.add(kind, result)
            tell_genome(kind, list(done.values()), sum(chromosomes.values()), arguments.motifs)
        parts = [rates(row, arguments.motifs) for row in done.values()]
        row = {"task": "genome", "kind": kind, "threads": arguments.threads}
        rows.append({**row, **rates(total(parts), arguments.motifs), "chromosomes": parts})
    return rows


def tell_genome(kind: str, done: list[Row], bases: int, motif_count: int) -> None:
    """A line of progress on standard error."""
    now = rates(total(done), motif_count)
    left = now["seconds"] * (bases / now["bases"] - 1)
    print(
        f"genome, {kind}: {done[-1]['chromosome']} done, {now['bases'] / bases:.0%}, "
        f"{now['sites_per_second'] / 1e9:.2f} Gsites/s, {now['hits']:,} hits, "
        f"{now['peak_mebibytes']:.0f} MiB, {left / 60:.1f} minutes left",
        file=sys.stderr,
    )


def measure_outputs(
    measurements: Measurements, arguments: argparse.Namespace, folder: Path
) -> list[Row]:
    """Hits counted and written; the median of several rounds by time."""
    rows = []
    threads = sorted({1, arguments.threads})
    points = (
        list(itertools.product(arguments.kinds, OUTPUTS, threads)) if arguments.output_bases else []
    )
    for index, (kind, output, count) in enumerate(points):
        tell_progress(index, len(points), f"{kind}, {output}, {thread_count(count)}")
        chromosomes = human_like(kind, round(arguments.output_bases)).chromosomes
        name = OUTPUTS[output]
        request = {"kind": kind, "chromosomes": chromosomes, "threads": count}
        request["output"] = str(folder / name) if name else None
        runs = [
            total(list(measurements.results("genome", **request))) for _ in range(arguments.rounds)
        ]
        row = {"task": "output", "kind": kind, "output": output, "threads": count}
        rows.append({**row, **rates(middle(runs), arguments.motifs)})
    return rows


def middle(runs: list[Row]) -> Row:
    """One of the runs with median and quartiles of all; the highest memory of any."""
    seconds = [run["seconds"] for run in runs]
    return {
        **runs[0],
        "seconds": median(seconds),
        "quartiles_seconds": quartiles(seconds),
        "peak_mebibytes": max(run["peak_mebibytes"] for run in runs),
    }


def measure_rivals(measurements: Measurements, arguments: argparse.Namespace) -> list[Row]:
    """All libraries in turn, several rounds.

    Raises:
        RuntimeError: lightmotif or MOODS found another number of hits.
    """
    rows: list[Row] = []
    installed = [each for each in arguments.rivals if version(PACKAGES[each]) != "not installed"]
    threads = sorted({1, arguments.threads})
    bases = round(arguments.rival_bases)
    for kind, count in itertools.product(arguments.kinds, threads) if arguments.rival_bases else ():
        runs: dict[str, list[Row]] = {library: [] for library in (CISREG, *installed)}
        for index, library in itertools.product(range(arguments.rounds), runs):
            what = f"{kind}, {thread_count(count)}, {library}"
            tell_progress(index, arguments.rounds, what)
            request = {"library": library, "kind": kind, "bases": bases, "threads": count}
            runs[library].append({"bases": bases, **measurements.result("hits", **request)})
        ours = middle(runs[CISREG])
        for library, of_library in runs.items():
            row = rates(middle(of_library), arguments.motifs)
            check_hits(library, row["hits"], ours["hits"])
            row["times_as_long"] = row["seconds"] / ours["seconds"]
            rows.append(
                {"task": "rivals", "kind": kind, "library": library, "threads": count} | row
            )
        for library in arguments.rivals:
            if library not in installed:
                missing = {"task": "rivals", "kind": kind, "library": library, "threads": count}
                rows.append({**missing, "missing": "not installed"})
    return rows


def check_hits(library: str, theirs: int, ours: int) -> None:
    """The same number of hits, but for rounding, of libraries that define a hit as cisreg does."""
    if library in (LIGHTMOTIF, MOODS) and abs(theirs - ours) > max(1, TOLERANCE * ours):
        raise RuntimeError(f"hits of {library}: expected {ours} as of cisreg, got {theirs}")


def measure_reading(
    measurements: Measurements, arguments: argparse.Namespace, folder: Path
) -> list[Row]:
    """Forms of files, read in portions on one thread and on all."""
    if not arguments.read_bases:
        return []
    rows = []
    genome = Genome("repeats", human_like("repeats", round(arguments.read_bases)).chromosomes)
    for form in FORMS:
        path = folder / f"genome{form}"
        write_sequence(path, genome)
        for threads in sorted({1, arguments.threads}):
            runs = [
                measurements.result("read", path=str(path), threads=threads)
                for _ in range(arguments.rounds)
            ]
            row = {"task": "read", "form": form, "threads": threads, **middle(runs)}
            if row["bases"] != genome.base_count:
                raise RuntimeError(
                    f"{form}: expected {genome.base_count} bases, got {row['bases']}"
                )
            rows.append({**row, "bases_per_second": row["bases"] / row["seconds"]})
        path.unlink()
    return rows


def print_rows(rows: list[Row], source: str, arguments: argparse.Namespace) -> None:
    """A table for each part."""
    what = f"{arguments.motifs} {source}, both strands, p-value {arguments.p_value:g}"
    columns = ("Mb", "seconds", "CPU seconds", "making", "Gsites/s", "Mhits", "Mhits/s", "peak MiB")
    for task, names in (("genome", ("kind",)), ("output", ("kind", "output"))):
        lines = [
            [
                ", ".join([*(row[name] for name in names), thread_count(row["threads"])]),
                number(row["bases"] / 1e6),
                number(row["seconds"]),
                number(row["cpu_seconds"]),
                number(row["making_seconds"]),
                number(row["sites_per_second"] / 1e9),
                number(row["hits"] / 1e6),
                number(row["hits_per_second"] / 1e6),
                number(row["peak_mebibytes"], 4),
            ]
            for row in rows
            if row["task"] == task
        ]
        if lines:
            print_table(f"{task}: {what}", ("", *columns), lines)
    print_rivals([row for row in rows if row["task"] == "rivals"], what)
    print_reading([row for row in rows if row["task"] == "read"])


def print_rivals(rows: list[Row], what: str) -> None:
    """Other libraries, and how much longer they take."""
    lines = []
    for row in rows:
        heading = f"{row['kind']}, {row['library']}, {thread_count(row['threads'])}"
        if "missing" in row:
            lines.append([heading, row["missing"], *[""] * 6])
            continue
        low, high = row["quartiles_seconds"]
        cells = [number(row["bases"] / 1e6), number(row["seconds"])]
        cells += [f"{number(low)} to {number(high)}", number(row["sites_per_second"] / 1e9)]
        cells += [f"{row['hits']:,}", number(row["peak_mebibytes"], 4)]
        lines.append([heading, *cells, f"{row['times_as_long']:.2f}x"])
    if lines:
        columns = ("", "Mb", "seconds", "quartiles", "Gsites/s", "hits", "peak MiB", "time")
        print_table(f"rivals: {what}", columns, lines)


def print_reading(rows: list[Row]) -> None:
    """Mb a second of each form of file."""
    lines = [
        [
            f"{row['form']}, {thread_count(row['threads'])}",
            number(row["seconds"]),
            number(row["bases_per_second"] / 1e6),
            number(row["peak_mebibytes"], 4),
        ]
        for row in rows
    ]
    if lines:
        columns = ("", "seconds", "Mb/s", "peak MiB")
        print_table(f"reading alone: {number(rows[0]['bases'] / 1e6)} Mb", columns, lines)


def make_problem(arguments: argparse.Namespace, path: Path) -> Profiles:
    """Writes motifs and thresholds for the processes that measure."""
    profiles = jaspar_profiles(arguments.motifs)
    ScanProblem.make(profiles, arguments.p_value).save(path)
    return profiles


def main() -> None:
    """Measures, prints, writes."""
    arguments = parse_arguments()
    facts = machine(arguments.clock)
    facts |= {library: version(PACKAGES[library]) for library in (LIGHTMOTIF, MOODS, MEMELITE)}
    print_machine(facts)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="genome_scan_") as name:
        folder = Path(name)
        source = make_problem(arguments, folder / "problem.npz").source
        measurements = Measurements(folder / "problem.npz")
        rows = measure_rivals(measurements, arguments)
        rows += measure_reading(measurements, arguments, folder)
        rows += measure_outputs(measurements, arguments, folder)
        rows += measure_genome(measurements, arguments, source)
    print_rows(rows, source, arguments)
    print(f"{(time.perf_counter() - start) / 60:.1f} minutes in all")
    write_json(arguments.json, {**facts, "motifs": source}, rows)
    if arguments.plot:
        title = f"{arguments.motifs} {source}, both strands, p-value {arguments.p_value:g}"
        draw(rows, title, facts, arguments.plot)


if __name__ == "__main__":
    main()
