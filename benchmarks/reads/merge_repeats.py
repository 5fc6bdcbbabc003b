"""Merging of read pairs of repeats, with the truth known: how many are kept, how many are wrong.

    python -m benchmarks.reads.merge_repeats --pairs 10000 --rounds 3

Molecules are promoters between constant ends whose middle is a repeat (tandem sites of 8, 10 and 12
bases, CA, poly-T) or random, read from both ends with errors at a rate of 0.5 % per base. Qualities
either tell of the errors (wrong bases are mostly of low quality) or are all the same. Libraries are
of one length, or a tenth of their molecules lack up to 12 bases; "among others" mixes one repeat in
ten with random promoters, as a library would, where "alone" has nothing but repeats.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.reads.sequencing_run import BACK, FRONT, LENGTH, READ_LENGTH
from benchmarks.shared.suite import (
    Row,
    machine,
    make_parser,
    parse,
    print_machine,
    print_table,
    tell_progress,
    write_json,
)
from cisreg.prepare.merge_pairs import merge_pairs

OVERLAP, SLACK = 2 * READ_LENGTH - LENGTH, 14
ERRORS = 0.005
REPEATS = {"tandem 8": 8, "tandem 10": 10, "tandem 12": 12, "CA": 2, "poly-T": 1, "random": 0}
COMPLEMENT = bytes.maketrans(b"ACGT", b"TGCA")
LETTERS = np.frombuffer(b"ACGT", np.uint8)


class Case(NamedTuple):
    """One library.

    Attributes:
        period: bases of the repeated unit; 0 for random promoters.
        are_informative: whether qualities tell of the errors.
        share: of the molecules that are repeats; the others are random.
        shorter: share of the molecules that lack 1 to 12 bases.
    """

    period: int
    are_informative: bool
    share: float
    shorter: float


class Outcome(NamedTuple):
    """Results for the pairs of repeats, or for the random pairs if there are no repeats.

    Attributes:
        pairs: how many there are.
        kept: those that were merged.
        wrong: of the kept, those that have another length than their molecule.
    """

    pairs: int
    kept: int
    wrong: int


def unit(period: int, random: np.random.Generator) -> bytes:
    """A unit to be repeated that is not a repeat itself."""
    if period <= 2:
        return b"CA" if period == 2 else b"T"
    while True:
        text = LETTERS[random.integers(0, 4, period)].tobytes()
        if (text + text).find(text, 1) == period:
            return text


def molecules(case: Case, pairs: int, random: np.random.Generator) -> list[tuple[bytes, bool]]:
    """Molecules, and whether each is a repeat."""
    front, back = FRONT.encode(), BACK.encode()
    found = []
    for _ in range(pairs):
        lacking = random.integers(1, 13) if random.random() < case.shorter else 0
        size = LENGTH - lacking - len(front) - len(back)
        is_repeat = random.random() < case.share
        if is_repeat and case.period:
            middle = (unit(case.period, random) * size)[:size]
        else:
            middle = LETTERS[random.integers(0, 4, size)].tobytes()
        found.append((front + middle + back, is_repeat))
    return found


def read(bases: bytes, are_informative: bool, random: np.random.Generator) -> tuple[bytes, bytes]:
    """Bases with errors, and qualities."""
    codes = np.frombuffer(bases, np.uint8).copy()
    wrong = random.random(len(codes)) < ERRORS
    if wrong.any():
        index = np.searchsorted(LETTERS, codes[wrong])
        codes[wrong] = LETTERS[(index + random.integers(1, 4, len(index))) % 4]
    quality = np.full(len(codes), 37)
    if are_informative:
        # 90 % of the wrong bases have low quality, and 1 % of the right ones.
        low = random.random(len(codes)) < np.where(wrong, 0.9, 0.01)
        quality = np.where(low, random.integers(2, 16, len(codes)), quality)
    return codes.tobytes(), (quality + 33).astype(np.uint8).tobytes()


def write(case: Case, pairs: int, seed: int, folder: Path) -> list[tuple[bytes, bool]]:
    """Writes R1.fastq and R2.fastq; the truth, in their order."""
    random = np.random.default_rng([seed, case.period, case.are_informative])
    truth = molecules(case, pairs, random)
    with (folder / "R1.fastq").open("wb") as first, (folder / "R2.fastq").open("wb") as second:
        for number, (molecule, _) in enumerate(truth):
            ends = molecule[:READ_LENGTH], molecule.translate(COMPLEMENT)[::-1][:READ_LENGTH]
            for stream, bases in zip((first, second), ends, strict=True):
                text, quality = read(bases, case.are_informative, random)
                stream.write(b"@%d\n%b\n+\n%b\n" % (number, text, quality))
    return truth


def measure(case: Case, pairs: int, seed: int) -> Outcome:
    """Merges one library, and compares with the truth."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = write(case, pairs, seed, folder)
        merge_pairs(
            *(folder / "R1.fastq", folder / "R2.fastq", folder / "merged.tsv"),
            overlap=OVERLAP,
            slack=SLACK,
            format="table",
        )
        lines = (folder / "merged.tsv").read_text().splitlines()
    kept = wrong = 0
    for line in lines:
        number, text, _ = line.split("\t")
        molecule, is_repeat = truth[int(number)]
        kept += is_repeat
        wrong += is_repeat and len(text) != len(molecule)
    return Outcome(sum(is_repeat for _, is_repeat in truth), kept, wrong)


def cases() -> Iterator[tuple[str, Case]]:
    """All libraries, by the name of their repeat."""
    for name, period in REPEATS.items():
        for are_informative in (True, False):
            for share, shorter in ((1.0, 0.0), (0.1, 0.0), (0.1, 0.1)):
                if period or share == 1:
                    yield name, Case(period, are_informative, share, shorter)


def measure_all(arguments: argparse.Namespace) -> list[Row]:
    """Each library, with several seeds."""
    rows: list[Row] = []
    libraries = list(cases())
    for index, (name, case) in enumerate(libraries):
        tell_progress(index, len(libraries), name)
        found = [measure(case, arguments.pairs, seed) for seed in range(arguments.rounds)]
        kept = sum(each.kept for each in found)
        rows.append(
            {
                "repeat": name,
                "qualities": "tell of errors" if case.are_informative else "all equal",
                "library": "alone" if case.share == 1 else "among others",
                "molecules": "shorter ones too" if case.shorter else "of one length",
                "pairs": sum(each.pairs for each in found),
                "kept_share": kept / sum(each.pairs for each in found),
                "wrong_by_seed": [each.wrong for each in found],
                "wrong_share_of_kept": sum(each.wrong for each in found) / max(1, kept),
            }
        )
    return rows


def print_rows(rows: list[Row], title: str) -> None:
    """Shares in percent."""
    lines = [
        [
            *(row[key] for key in ("repeat", "qualities", "library", "molecules")),
            f"{row['pairs']:,}",
            f"{100 * row['kept_share']:.2f} %",
            f"{100 * row['wrong_share_of_kept']:.3f} %",
            " ".join(map(str, row["wrong_by_seed"])),
        ]
        for row in rows
    ]
    heads = ("qualities", "", "molecules", "pairs", "kept", "wrong length", "by seed")
    print_table(title, ("", *heads), lines)


def main() -> None:
    """Simulates, merges, prints, writes."""
    parser = make_parser(__doc__, seconds=0.0, rounds=3)
    parser.add_argument("--pairs", type=int, default=10_000, help="(default %(default)s)")
    arguments = parse(parser)
    if arguments.quick:
        arguments.pairs = 200
    facts = machine(arguments.clock)
    print_machine(facts)
    rows = measure_all(arguments)
    print_rows(rows, f"{arguments.pairs:,} pairs with {100 * ERRORS} % errors, several seeds")
    write_json(arguments.json, facts, rows)


if __name__ == "__main__":
    main()
