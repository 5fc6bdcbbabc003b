"""One measurement of scanning, in a process of its own: time, hits and the process's peak memory.

    python -m benchmarks.shared.scan_worker REQUEST

REQUEST is JSON: the keys of one of the functions below, "task" being its name, and "problem", the
file of a `ScanProblem`. Results are printed as lines of JSON, one as soon as it is there.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

import cisreg
from benchmarks.shared.genomes import Genome
from benchmarks.shared.scan_problem import MadeSource, ScanProblem
from benchmarks.shared.scanners import (
    LIGHTMOTIF,
    MEMELITE,
    MOODS,
    lightmotif_matrix,
    moods_matrix,
    reverse_complement,
    scoring_matrices,
    spread,
    to_text,
)

Result = dict[str, Any]
MEBIBYTE = 2**20


def peak_mebibytes() -> float:
    """The most memory that this process has held at a time, the interpreter included."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status: no VmHWM; this benchmark needs Linux")


def genome(
    problem: ScanProblem,
    *,
    kind: str,
    chromosomes: dict[str, int],
    threads: int,
    output: str | None = None,
) -> Iterator[Result]:
    """A whole genome by cisreg: hits counted, or written to a file; a result per chromosome."""
    writer: Any = nullcontext()
    if output:
        from cisreg.genome.hit_files import open_hit_writer

        writer = open_hit_writer(output, motifs=problem.motifs, threads=threads, overwrite=True)
    before, cpu_before = time.perf_counter(), time.process_time()
    with writer as opened:
        for name, bases in chromosomes.items():
            source = MadeSource(Genome(kind, {name: bases}))
            hits = 0
            for table in cisreg.scan_portions(
                source, problem.motifs, problem.threshold, threads=threads
            ):
                hits += len(table)
                if opened is not None:
                    opened.write(table)
            now, cpu_now = time.perf_counter(), time.process_time()
            yield {
                **{"chromosome": name, "bases": bases, "hits": hits},
                **{"seconds": now - before, "cpu_seconds": cpu_now - cpu_before},
                **{"making_seconds": source.seconds, "peak_mebibytes": peak_mebibytes()},
            }
            before, cpu_before = now, cpu_now
    if output:
        size = Path(output).stat().st_size
        # The last hits are written, and the file gets its name, behind the last chromosome.
        yield {
            **{"chromosome": "", "bases": 0, "hits": 0, "making_seconds": 0.0},
            **{"seconds": time.perf_counter() - before, "peak_mebibytes": peak_mebibytes()},
            "cpu_seconds": time.process_time() - cpu_before,
            "file_mebibytes": size / MEBIBYTE,
        }


def hits(
    problem: ScanProblem, *, library: str, kind: str, bases: int, threads: int
) -> Iterator[Result]:
    """One library on one sequence without N that is in memory; hits counted.

    What other libraries prepare before (tables of the motifs, their form of the sequence) is not
    timed. What cisreg prepares is.
    """
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    codes = Genome(kind, {"chr1": bases}, gaps=False).codes("chr1", 0, bases)
    make = {"cisreg": _cisreg, LIGHTMOTIF: _lightmotif, MOODS: _moods, MEMELITE: _memelite}
    count = make[library](problem, codes, threads)
    before = time.perf_counter()
    found, elsewhere = count()
    seconds = time.perf_counter() - before
    yield {"hits": found, "seconds": seconds, "peak_mebibytes": peak_mebibytes() + elsewhere}


def read(problem: ScanProblem, *, path: str, threads: int) -> Iterator[Result]:
    """A file of sequences, read to its end in portions; nothing is scanned."""
    from cisreg.genome import open_genome

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    before = time.perf_counter()
    bases = 0
    with open_genome(path) as source:
        for portion in source.portions(overlap=problem.overlap):
            bases += portion.own
    seconds = time.perf_counter() - before
    yield {"bases": bases, "seconds": seconds, "peak_mebibytes": peak_mebibytes()}


# Each gives a call that counts hits, and says how much memory it took in other processes.
Count = Callable[[], tuple[int, float]]


def _oriented(problem: ScanProblem) -> tuple[list[np.ndarray], list[float]]:
    """Scoring matrices of both strands whose threshold can be reached, and thresholds."""
    matrices = scoring_matrices(problem.motifs)
    both = [*matrices, *map(reverse_complement, matrices)]
    limits = np.tile(-problem.threshold.astype(np.float64), 2)
    kept = np.flatnonzero(np.isfinite(limits))
    return [both[index] for index in kept], limits[kept].tolist()


def _cisreg(problem: ScanProblem, codes: np.ndarray, threads: int) -> Count:
    def count() -> tuple[int, float]:
        return len(cisreg.scan(codes, problem.motifs, problem.threshold, threads=threads)), 0.0

    return count


def _lightmotif(problem: ScanProblem, codes: np.ndarray, threads: int) -> Count:
    """Motifs are spread over the threads."""
    import lightmotif

    striped = lightmotif.stripe(to_text(codes))
    matrices, limits = _oriented(problem)
    prepared = list(zip(map(lightmotif_matrix, matrices), limits, strict=True))

    def count() -> tuple[int, float]:
        found = [0] * threads

        def part(thread: int) -> None:
            own = striped.copy()
            for matrix, limit in prepared[thread::threads]:
                found[thread] += sum(1 for _ in lightmotif.scan(matrix, own, threshold=limit))

        spread(part, threads)
        return sum(found), 0.0

    return count


def _moods(problem: ScanProblem, codes: np.ndarray, threads: int) -> Count:
    """The sequence is spread over processes: MOODS holds Python's lock."""
    import MOODS.scan

    matrices, limits = _oriented(problem)
    scanner = MOODS.scan.Scanner(7)
    scanner.set_motifs([moods_matrix(each) for each in matrices], [0.25] * 4, limits)
    edges = np.linspace(0, len(codes), threads + 1).astype(int).tolist()
    texts = [
        to_text(codes[first : end + problem.overlap]) for first, end in itertools.pairwise(edges)
    ]

    def part(index: int, sending: Any) -> None:
        # Sites that begin behind the end belong to the next process.
        end = len(texts[index]) if index == threads - 1 else edges[index + 1] - edges[index]
        found = sum(int(hit.pos < end) for each in scanner.scan(texts[index]) for hit in each)
        sending.send((found, peak_mebibytes()))

    def count() -> tuple[int, float]:
        if threads == 1:
            return sum(map(len, scanner.scan(texts[0]))), 0.0
        context = multiprocessing.get_context("fork")
        pipes = [context.Pipe(duplex=False) for _ in range(threads)]
        processes = [
            context.Process(target=part, args=(index, sending))
            for index, (_, sending) in enumerate(pipes)
        ]
        for process in processes:
            process.start()
        results = [receiving.recv() for receiving, _ in pipes]
        for process in processes:
            process.join()
        return sum(found for found, _ in results), sum(memory for _, memory in results)

    return count


def _memelite(problem: ScanProblem, codes: np.ndarray, threads: int) -> Count:
    """FIMO by its own definition: other pseudocounts, thresholds rounded to bins of 0.1 bits."""
    import memelite
    import numba

    numba.set_num_threads(threads)
    one_hot = (codes == np.arange(4, dtype=np.uint8)[:, np.newaxis]).astype(np.int8)[np.newaxis]
    profiles = {str(index): each.T for index, each in enumerate(problem.probabilities)}
    few = dict(list(profiles.items())[:2])
    # Compiles.
    memelite.fimo(few, one_hot[:, :, :1000], threshold=problem.p_value, return_counts=True)

    def count() -> tuple[int, float]:
        found = memelite.fimo(profiles, one_hot, threshold=problem.p_value, return_counts=True)
        return int(found.sum()), 0.0

    return count


def main() -> None:
    """Does what the first argument asks for."""
    request = json.loads(sys.argv[1])
    task = {"genome": genome, "hits": hits, "read": read}[request.pop("task")]
    problem = ScanProblem.load(Path(request.pop("problem")))
    # Output of a library must not be mixed with the results.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for result in task(problem, **request):
        print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main()
