"""A simulated sequencing run of a sorted promoter library, with the truth behind it.

Promoters of known expression are sorted into bins by what single cells express, and sequenced as
pairs of reads from both ends. Reads have errors by their quality, unknown bases and unequal
lengths; molecules have substitutions, and some a base more or less; short inserts are read through
into the adapter; a few pairs are of two molecules. The same seed gives the same run.

    python -m benchmarks.reads.sequencing_run folder --pairs 1000000

writes binNN_R1.fastq.gz, binNN_R2.fastq.gz and binNN_truth.tsv.gz (of each pair: name, number of
the promoter, molecule) for each bin, and promoters.tsv.gz (sequence, expression, true pairs in each
bin).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cisreg.model import ModelSpec
from cisreg.motifs import demo_motifs
from cisreg.sequences import decode, encode
from cisreg.simulate import simulate
from cisreg.streams import open_output
from cisreg.trained_model import Model

LENGTH, READ_LENGTH, BINS = 110, 75, 18
FRONT, BACK = "TGCATTTTTTTCACATC", "GGTTACGGCTGTT"
ADAPTERS = ("AGATCGGAAGAGCACACGTCTGAACTCCAGTCA" * 3, "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT" * 3)
MEAN_EXPRESSION, EXPRESSION_DEVIATION = 8.0, 2.2  # in bins
SHORT_PROMOTERS = 0.1  # promoters that lack up to 12 bases
SUBSTITUTIONS = 3e-4  # per base of a molecule, before it is read
INDELS = 5e-3  # molecules with a base more or less
SHORT_INSERTS = 0.01  # molecules of 40 to 70 bases
JUNK = 5e-3  # pairs of two molecules
SHORT_READS = 0.05  # reads that lack up to 5 bases at their end
UNKNOWN = 5e-4  # bases that are not called
_CHUNK = 100_000
_LETTERS = np.frombuffer(b"ACGTN", np.uint8)


@dataclass(frozen=True, eq=False)
class Library:
    """Promoters and their true properties.

    Attributes:
        sequences: K texts.
        expression: float64 [K], what a cell expresses on average.
    """

    sequences: list[str]
    expression: np.ndarray


@dataclass(frozen=True, eq=False)
class Run:
    """What was sequenced.

    Attributes:
        library: the promoters.
        pairs: all pairs of reads.
        good_counts: int64 [K, bins], pairs of one whole molecule of each promoter.
        exact_counts: int64 [K, bins], of these, those whose molecule has no error.
        short_inserts: pairs whose molecule is shorter than any promoter.
        junk: pairs of two molecules.
    """

    library: Library
    pairs: int
    good_counts: np.ndarray
    exact_counts: np.ndarray
    short_inserts: int
    junk: int


def make_library(count: int, seed: int) -> Library:
    """Promoters with constant ends, expressed as a model of sixteen factors says."""
    drawn = simulate(demo_motifs(width=20), sequence_count=count, seed=seed)
    random = np.random.default_rng([seed, 1])
    lacking = np.where(random.random(count) < SHORT_PROMOTERS, random.integers(1, 13, count), 0)
    sequences = [
        FRONT + text[len(FRONT) : LENGTH - len(BACK) - missing] + BACK
        for text, missing in zip(decode(drawn.sequence), lacking.tolist(), strict=True)
    ]
    spec = ModelSpec.from_dict(drawn.spec.to_dict())
    model = Model(spec, drawn.parameters, drawn.motif_names)
    predicted = model.predict(encode(sequences, LENGTH)).expression.astype(np.float64)
    spread = (predicted - predicted.mean()) / predicted.std()
    return Library(sequences, MEAN_EXPRESSION + EXPRESSION_DEVIATION * spread)


def sequence(
    library: Library, pairs: int, folder: Path, seed: int, *, with_truth: bool = False
) -> Run:
    """Sorts and sequences a library; writes binNN_R1.fastq.gz and binNN_R2.fastq.gz.

    Args:
        library: the promoters.
        pairs: of reads, of all bins together.
        folder: to write to.
        seed: of all that is random.
        with_truth: write binNN_truth.tsv.gz too: of each pair its name, the number of its promoter
            and the molecule that was read, which is empty where the reads are of two.

    Returns:
        What is true of the run.
    """
    random = np.random.default_rng([seed, 2])
    count = len(library.sequences)
    abundance = random.lognormal(0, 1, count)
    promoter = random.choice(count, pairs, p=abundance / abundance.sum())
    cells = library.expression[promoter] + random.normal(size=pairs)
    sorted_into = np.clip(np.rint(cells), 0, BINS - 1).astype(int)
    # One bin after the other, so that each file is written in one go.
    order = np.argsort(sorted_into, kind="stable")
    promoter, sorted_into = promoter[order], sorted_into[order]
    good, exact = (np.zeros((count, BINS), np.int64) for _ in range(2))
    codes = encode(library.sequences, LENGTH + 1, side="right")
    lengths = np.array([len(text) for text in library.sequences])
    short = junk = 0
    for index in range(BINS):
        rows = np.flatnonzero(sorted_into == index)
        names = [folder / f"bin{index:02d}_R{read}.fastq.gz" for read in (1, 2)]
        if with_truth:
            names.append(folder / f"bin{index:02d}_truth.tsv.gz")
        with ExitStack() as stack:
            streams = [stack.enter_context(open_output(name, overwrite=True)) for name in names]
            for start in range(0, len(rows), _CHUNK):
                chunk = rows[start : start + _CHUNK]
                of = promoter[chunk]
                molecules = _molecules(codes[of], lengths[of], random)
                np.add.at(good, (of[molecules.good], index), 1)
                np.add.at(exact, (of[molecules.good & molecules.exact], index), 1)
                short += int(molecules.short.sum())
                junk += int(molecules.junk.sum())
                reads = _reads(molecules, chunk, random)
                for stream, lines in zip(streams[:2], reads, strict=True):
                    stream.write(lines)
                if with_truth:
                    streams[2].write(_truth(molecules, chunk, of))
    return Run(library, pairs, good, exact, short, junk)


@dataclass(frozen=True, eq=False)
class _Molecules:
    """uint8 [n, LENGTH + 1] codes, their lengths, and what each is."""

    codes: np.ndarray
    lengths: np.ndarray
    exact: np.ndarray
    short: np.ndarray
    junk: np.ndarray

    @property
    def good(self) -> np.ndarray:
        return ~self.short & ~self.junk


def _molecules(codes: np.ndarray, lengths: np.ndarray, random: np.random.Generator) -> _Molecules:
    count, width = codes.shape
    column = np.arange(width)
    base = column < lengths[:, None]
    substituted = base & (random.random(codes.shape, np.float32) < SUBSTITUTIONS)
    codes = np.where(substituted, (codes + random.integers(1, 4, codes.shape)) % 4, codes)
    # An insertion or deletion: from a position on, each column comes from its neighbour.
    place = random.integers(len(FRONT), lengths - len(BACK))
    kind = np.where(random.random(count) < INDELS, random.choice([-1, 1], count), 0)
    source = column + np.where(column > place[:, None], kind[:, None], 0)
    codes = np.take_along_axis(codes, np.clip(source, 0, width - 1), axis=1)
    lengths = lengths - kind
    short = random.random(count) < SHORT_INSERTS
    lengths = np.where(short, random.integers(40, 71, count), lengths)
    exact = ~substituted.any(axis=1) & (kind == 0)
    junk = ~short & (random.random(count) < JUNK)
    return _Molecules(codes.astype(np.uint8), lengths, exact, short, junk)


def _reads(
    molecules: _Molecules, numbers: np.ndarray, random: np.random.Generator
) -> Iterator[bytes]:
    """FASTQ records of both reads."""
    column = np.arange(READ_LENGTH)
    rows = np.arange(len(numbers))
    for read, adapter in enumerate(ADAPTERS):
        of = rows
        if read == 1:
            of = np.where(molecules.junk, np.roll(rows, len(rows) // 2), rows)
        lengths = molecules.lengths[of][:, None]
        inside = column < lengths
        place = column if read == 0 else lengths - 1 - column
        place = np.clip(np.broadcast_to(place, inside.shape), 0, LENGTH)
        bases = np.take_along_axis(molecules.codes[of], place, axis=1)
        after = encode([adapter])[0][np.clip(column - lengths, 0, len(adapter) - 1)]
        bases = np.where(inside, bases if read == 0 else 3 - bases, after)
        yield _records(bases, numbers, read + 1, random)


def _truth(molecules: _Molecules, numbers: np.ndarray, promoters: np.ndarray) -> bytes:
    """Lines of name, number of the promoter and molecule."""
    lengths = np.where(molecules.junk, 0, molecules.lengths)
    return "".join(
        f"run:{number}\t{promoter}\t{text[:length]}\n"
        for number, promoter, text, length in zip(
            *(numbers.tolist(), promoters.tolist(), decode(molecules.codes), lengths.tolist()),
            strict=True,
        )
    ).encode()


def _records(
    bases: np.ndarray, numbers: np.ndarray, read: int, random: np.random.Generator
) -> bytes:
    """FASTQ text of bases read with errors."""
    fall = 17 * (np.arange(READ_LENGTH) / READ_LENGTH) ** 3
    quality = 37 - fall - np.abs(random.normal(0, 3, bases.shape))
    quality = np.clip(np.rint(quality), 3, 40).astype(np.uint8)
    wrong = random.random(bases.shape) < 10.0 ** (quality / -10)
    bases = np.where(wrong, (bases + random.integers(1, 4, bases.shape)) % 4, bases)
    unknown = random.random(bases.shape) < UNKNOWN
    letters = _LETTERS[np.where(unknown, 4, bases)]
    marks = np.where(unknown, 2, quality).astype(np.uint8) + 33
    lacking = np.where(
        random.random(len(bases)) < SHORT_READS, random.integers(1, 6, len(bases)), 0
    )
    text, scores = letters.tobytes().decode(), marks.tobytes().decode()
    record = "@run:{} {}:N:0\n{}\n+\n{}\n".format
    return "".join(
        record(number, read, text[start : start + size], scores[start : start + size])
        for number, start, size in zip(
            numbers.tolist(),
            range(0, len(text), READ_LENGTH),
            (READ_LENGTH - lacking).tolist(),
            strict=True,
        )
    ).encode()


def write_promoters(run: Run, path: Path) -> None:
    """A table of sequence, expression and true pairs in each bin."""
    header = ("sequence", "expression", *(f"bin{index:02d}" for index in range(BINS)))
    with open_output(path, overwrite=True) as stream:
        stream.write(("\t".join(header) + "\n").encode())
        for text, expression, counts in zip(
            *(run.library.sequences, run.library.expression, run.good_counts.tolist()), strict=True
        ):
            stream.write(
                ("\t".join((text, f"{expression:.6g}", *map(str, counts))) + "\n").encode()
            )


def main() -> None:
    """Writes a run and its truth."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="to write to; made where it is missing")
    parser.add_argument("--pairs", type=int, default=1_000_000, help="of reads (%(default)s)")
    parser.add_argument(
        "--promoters", type=int, default=20_000, help="in the library (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    library = make_library(arguments.promoters, arguments.seed)
    run = sequence(library, arguments.pairs, arguments.folder, arguments.seed, with_truth=True)
    write_promoters(run, arguments.folder / "promoters.tsv.gz")
    print(
        f"{run.pairs:,} pairs in {BINS} bins written to {arguments.folder}: "
        f"{run.short_inserts:,} of short inserts, {run.junk:,} of two molecules"
    )


if __name__ == "__main__":
    main()
