"""Plain motif scanning, both strands, against lightmotif: hits above a threshold, and best sites.

    python -m benchmarks.operation.scan_vs_lightmotif --plot docs/images/scan_vs_lightmotif.png

Hits are sought in one random sequence, as long as a small genome, with a threshold per motif that a
site passes with the probability --p-value (where the strongest site is likelier, only that passes);
best sites in the first 2 Mb of it cut into sequences of 10,000. lightmotif scans one motif and
strand at a time; its motifs are spread over as many threads. Encoding is done before, by both. Both
must find the same hits before anything is timed; sites within rounding of the threshold may differ.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

import cisreg
from benchmarks.shared.problem import make_motifs
from benchmarks.shared.suite import (
    FUSED_COLOUR,
    RIVAL_COLOURS,
    Row,
    add_data_option,
    describe_motifs,
    machine,
    make_parser,
    median,
    motif_source,
    number,
    parse,
    print_machine,
    print_table,
    quartiles,
    save,
    subplots,
    thread_count,
    version,
    write_json,
)

HITS, BEST = "hits", "best sites"
CISREG, LIGHTMOTIF = "cisreg", "lightmotif"
BEST_BASES = 2_000_000
# Share of hits that may differ: sites whose sums are rounded to the other side of the threshold.
TOLERANCE = 1e-4


class Genome(NamedTuple):
    """What is scanned.

    Attributes:
        codes: uint8 [1, L], the whole.
        pieces: uint8 [N, piece], the first of these bases cut into sequences.
        motifs: the motifs.
        threshold: float32 [M], largest log Kd of a hit.
    """

    codes: np.ndarray
    pieces: np.ndarray
    motifs: cisreg.MotifSet
    threshold: np.ndarray


class Scanner(NamedTuple):
    """One library: functions of the number of threads.

    Attributes:
        hits: counts of hits, int64 [2, M].
        best: log Kd of the best sites, float32 [N, M].
    """

    hits: Callable[[int], np.ndarray]
    best: Callable[[int], np.ndarray]


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = make_parser(__doc__, seconds=0.0, rounds=3)
    add_data_option(parser)
    parser.add_argument("--bases", type=int, default=12_000_000, help="(default %(default)s)")
    parser.add_argument(
        "--piece", type=int, default=10_000, help="bases per sequence of best sites"
    )
    parser.add_argument("--motifs", type=int, default=245, help="M (default %(default)s)")
    parser.add_argument("--p-value", type=float, default=1e-4, help="(default %(default)s)")
    arguments = parse(parser)
    if arguments.quick:
        arguments.bases, arguments.piece, arguments.motifs = 20_000, 1_000, 12
    return arguments


def make_genome(arguments: argparse.Namespace) -> Genome:
    """Random bases, each as likely, and the motifs."""
    codes = np.random.default_rng(0).integers(0, 4, arguments.bases).astype(np.uint8)
    motifs = make_motifs(motif_source(arguments), arguments.motifs, 30)
    threshold = cisreg.p_value_threshold(motifs, arguments.p_value)
    # A little higher: rounding must not decide whether a strongest site is a hit.
    threshold = np.maximum(threshold, motifs.lowest_log_kd() + np.float32(1e-3))
    whole = min(arguments.bases, BEST_BASES) // arguments.piece * arguments.piece
    return Genome(
        codes[np.newaxis],
        codes[:whole].reshape(-1, arguments.piece),
        motifs,
        threshold,
    )


def make_cisreg(genome: Genome) -> Scanner:
    """This library."""

    def hits(threads: int) -> np.ndarray:
        found = cisreg.scan(genome.codes, genome.motifs, genome.threshold, threads=threads)
        motif_count = len(genome.motifs)
        index = found.strand * np.int64(motif_count) + found.motif
        return np.bincount(index, minlength=2 * motif_count).reshape(2, -1)

    def best(threads: int) -> np.ndarray:
        return cisreg.best_site(genome.pieces, genome.motifs, threads=threads).log_kd

    return Scanner(hits, best)


def make_lightmotif(genome: Genome) -> Scanner:
    """lightmotif, whose scores are -log Kd, forward and reverse complement."""
    import lightmotif

    sequence = lightmotif.stripe(cisreg.decode(genome.codes)[0])
    pieces = [lightmotif.stripe(text) for text in cisreg.decode(genome.pieces)]
    matrices = _scoring_matrices(lightmotif, genome.motifs, unknown=0.0)
    # Its maximum counts windows of padding behind the sequence, which must not win.
    strict_matrices = _scoring_matrices(lightmotif, genome.motifs, unknown=-1e4)

    def hits(threads: int) -> np.ndarray:
        counts = np.zeros((2, len(genome.motifs)), np.int64)

        def count(part: int) -> None:
            own = sequence.copy()
            for motif, strand, matrix in matrices[part::threads]:
                score = -float(genome.threshold[motif])
                found = lightmotif.scan(matrix, own, threshold=score)
                counts[strand, motif] = sum(1 for _ in found)

        _spread(count, threads)
        return counts

    def best(threads: int) -> np.ndarray:
        scores = np.empty((2, len(pieces), len(genome.motifs)), np.float32)

        def score(part: int) -> None:
            own = [piece.copy() for piece in pieces]
            for motif, strand, matrix in strict_matrices[part::threads]:
                for index, piece in enumerate(own):
                    scores[strand, index, motif] = matrix.calculate(piece).max()

        _spread(score, threads)
        return -scores.max(axis=0)

    return Scanner(hits, best)


def _scoring_matrices(
    lightmotif: Any, motifs: cisreg.MotifSet, *, unknown: float
) -> list[tuple[int, int, Any]]:
    """Index, strand and matrix of each motif's own columns; unknown bases score `unknown`."""
    matrices = []
    for motif, (first, end) in enumerate(motifs.column_range().T):
        score = -motifs.log_kd[first:end, :, motif]
        columns = {base: score[:, code].tolist() for code, base in enumerate("ACGT")}
        forward = lightmotif.ScoringMatrix({**columns, "N": [unknown] * len(score)})
        matrices += [(motif, 0, forward), (motif, 1, forward.reverse_complement())]
    return matrices


def _spread(work: Callable[[int], None], threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))


def check_agreement(scanners: dict[str, Scanner], threads: int) -> Row:
    """What both find.

    Raises:
        RuntimeError: they find different sites.
    """
    hits = {name: scanner.hits(threads) for name, scanner in scanners.items()}
    best = {name: scanner.best(threads) for name, scanner in scanners.items()}
    found = {name: int(counts.sum()) for name, counts in hits.items()}
    row: Row = {"task": "agreement", "hits": found}
    if LIGHTMOTIF not in scanners:
        return row
    different = int(np.abs(hits[CISREG] - hits[LIGHTMOTIF]).sum())
    if different > max(1, TOLERANCE * found[CISREG]):
        raise RuntimeError(
            f"hits: expected as many from both, got {found}, {different} of them off"
        )
    # lightmotif's best score is never below 0, which the unused ends of its tables hold.
    np.testing.assert_allclose(
        np.minimum(best[CISREG], 0), np.minimum(best[LIGHTMOTIF], 0), rtol=1e-4, atol=1e-4
    )
    return {**row, "hits_that_differ": different}


def measure_all(
    scanners: dict[str, Scanner], genome: Genome, arguments: argparse.Namespace
) -> list[Row]:
    """Libraries in turn, several rounds."""
    sites = {
        HITS: 2 * genome.codes.size * len(genome.motifs),
        BEST: 2 * genome.pieces.size * len(genome.motifs),
    }
    rows = []
    for task in (HITS, BEST):
        for threads in sorted({1, arguments.threads}):
            times: dict[str, list[float]] = {name: [] for name in scanners}
            for _ in range(arguments.rounds):
                for name, scanner in scanners.items():
                    before = time.perf_counter()
                    (scanner.hits if task == HITS else scanner.best)(threads)
                    times[name].append(time.perf_counter() - before)
            for name, seconds in times.items():
                row = {"task": task, "library": name, "threads": threads}
                row |= {"median_seconds": median(seconds), "quartiles_seconds": quartiles(seconds)}
                rows.append({**row, "sites_per_second": sites[task] / median(seconds)})
            if LIGHTMOTIF not in scanners:
                missing = {"task": task, "library": LIGHTMOTIF, "threads": threads}
                rows.append({**missing, "missing": "not installed"})
    return rows


def print_rows(rows: list[Row], title: str) -> None:
    """Seconds and sites per second, and how much faster."""
    lines = []
    for row in rows:
        heading = f"{row['task']}, {row['library']}, {thread_count(row['threads'])}"
        if "missing" in row:
            lines.append([heading, row["missing"], "", "", ""])
            continue
        low, high = row["quartiles_seconds"]
        fused = next(
            other
            for other in rows
            if (other["task"], other["threads"]) == (row["task"], row["threads"])
        )
        lines.append(
            [
                heading,
                number(row["median_seconds"]),
                f"{number(low)} to {number(high)}",
                f"{row['sites_per_second'] / 1e9:.2f}",
                f"{row['median_seconds'] / fused['median_seconds']:.2f}x",
            ]
        )
    print_table(title, ("", "seconds", "quartiles", "Gsites/s", "time"), lines)


def draw(rows: list[Row], title: str, facts: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Sites per second as bars."""
    figure, axes = subplots(1, 2, 8, 3, sharey=True)
    colours = {CISREG: FUSED_COLOUR, LIGHTMOTIF: RIVAL_COLOURS[0]}
    for axis, task in zip(axes[0], (HITS, BEST), strict=True):
        shown = [row for row in rows if row["task"] == task and "missing" not in row]
        names = [f"{row['library']}\n{thread_count(row['threads'])}" for row in shown]
        values = [row["sites_per_second"] / 1e9 for row in shown]
        bars = axis.bar(names, values, color=[colours[row["library"]] for row in shown])
        axis.bar_label(bars, [f"{value:.2f}" for value in values], padding=2, fontsize=8)
        axis.set_title(task)
    axes[0, 0].set_ylabel("billion sites per second")
    figure.suptitle(title, fontsize=10)
    save(figure, arguments.plot, facts, (LIGHTMOTIF,))


def main() -> None:
    """Checks, measures, prints, writes."""
    arguments = parse_arguments()
    facts = machine(arguments.clock)
    print_machine(facts)
    genome = make_genome(arguments)
    scanners = {CISREG: make_cisreg(genome)}
    if version(LIGHTMOTIF) != "not installed":
        scanners[LIGHTMOTIF] = make_lightmotif(genome)
    agreement = check_agreement(scanners, arguments.threads)
    print(", ".join(f"{key}: {value}" for key, value in agreement.items()))
    rows = measure_all(scanners, genome, arguments)
    title = (
        f"{arguments.motifs} {describe_motifs(motif_source(arguments))}, both strands, "
        f"{arguments.bases / 1e6:g} Mb of random bases, p-value {arguments.p_value:g}"
    )
    print_rows(rows, title)
    write_json(arguments.json, facts, [agreement, *rows])
    if arguments.plot:
        draw(rows, title, facts, arguments)


if __name__ == "__main__":
    main()
