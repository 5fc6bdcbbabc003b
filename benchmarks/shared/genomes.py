"""Genomes made on the fly, a portion at a time: random or rich in repeats, with gaps of N.

The sequence at a position depends only on the kind, the chromosome and the position, whatever
portions are asked for, so nothing needs to be stored.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

Kind = Literal["random", "repeats"]
KINDS: tuple[Kind, ...] = ("random", "repeats")
UNKNOWN = 4
# Lengths of the chromosomes of the human reference genome GRCh38, in bases.
HUMAN = {
    **{"chr1": 248_956_422, "chr2": 242_193_529, "chr3": 198_295_559, "chr4": 190_214_555},
    **{"chr5": 181_538_259, "chr6": 170_805_979, "chr7": 159_345_973, "chr8": 145_138_636},
    **{"chr9": 138_394_717, "chr10": 133_797_422, "chr11": 135_086_622, "chr12": 133_275_309},
    **{"chr13": 114_364_328, "chr14": 107_043_718, "chr15": 101_991_189, "chr16": 90_338_345},
    **{"chr17": 83_257_441, "chr18": 80_373_285, "chr19": 58_617_616, "chr20": 64_444_167},
    **{"chr21": 46_709_983, "chr22": 50_818_468, "chrX": 156_040_895, "chrY": 57_227_415},
    "chrM": 16_569,
}
# Bases are made in blocks of this many; each has its own random numbers.
_BLOCK = 2**20
# A byte becomes a base: 76, 52, 52 and 76 of 256, so that 41% are G or C, as in the human genome.
_BASES = np.repeat(np.arange(4, dtype=np.uint8), [76, 52, 52, 76])
# Alu-like repeats: length, share of the sequence, share of bases that differ from the consensus.
_ALU_BASES, _ALU_SHARE, _ALU_CHANGED = 300, 0.10, 0.12
# Repeats of one to six bases, poly-A among them: mean length, and share of the sequence.
_SHORT_BASES, _SHORT_SHARE = 40, 0.03
# Runs of N: at both ends of a chromosome, in its middle (bases), and single ones (a block has so
# many); shorter in small chromosomes.
_END_GAP, _MIDDLE_GAP, _SINGLE_N = 10_000, 3_000_000, 20


class Genome(NamedTuple):
    """Chromosomes and how their bases are made.

    Attributes:
        kind: "random", independent bases; "repeats", the same with Alu-like copies, repeats of
            short units and poly-A in it.
        chromosomes: names and lengths in bases.
        gaps: is there any N?
    """

    kind: Kind
    chromosomes: dict[str, int]
    gaps: bool = True

    @property
    def base_count(self) -> int:
        """Of all chromosomes."""
        return sum(self.chromosomes.values())

    def codes(self, name: str, start: int, end: int) -> np.ndarray:
        """Base codes of a stretch of a chromosome, uint8 [end - start]; 4 is N."""
        length = self.chromosomes[name]
        if not 0 <= start <= end <= length:
            raise ValueError(f"expected a stretch within {length} bases, got {start} to {end}")
        blocks = [
            _block(self.kind, zlib.crc32(name.encode()), block, self.gaps)[
                max(start - block * _BLOCK, 0) : end - block * _BLOCK
            ]
            for block in range(start // _BLOCK, -(-end // _BLOCK))
        ]
        codes = np.concatenate([np.zeros(0, np.uint8), *blocks])
        if self.gaps:
            _put_gaps(codes, start, length)
        return codes

    def portions(self, overlap: int, own: int) -> Iterator[tuple[str, int, np.ndarray, int]]:
        """The whole genome: chromosome, start, codes [own + overlap], and how many are its own.

        The last portion of a chromosome is shorter. Windows that begin in the overlap belong to the
        next portion, which begins with the same bases.
        """
        for name, length in self.chromosomes.items():
            for start in range(0, length, own):
                end = min(start + own, length)
                yield name, start, self.codes(name, start, min(end + overlap, length)), end - start


def human_like(kind: Kind, base_count: int, *, gaps: bool = True) -> Genome:
    """The human chromosomes, each shortened by the same factor so that they have `base_count`."""
    share = min(1.0, base_count / sum(HUMAN.values()))
    return Genome(kind, {name: max(1, round(n * share)) for name, n in HUMAN.items()}, gaps)


# The blocks at the ends of a portion are asked for again by the next one.
@functools.lru_cache(maxsize=4)
def _block(kind: Kind, chromosome: int, index: int, gaps: bool) -> np.ndarray:
    """Uint8 [_BLOCK], without runs of N; `chromosome` stands for its name."""
    random = np.random.default_rng([KINDS.index(kind), chromosome, index])
    codes = _BASES[np.frombuffer(random.bytes(_BLOCK), np.uint8)]
    if kind == "repeats":
        _put_copies(codes, random)
        _put_short_repeats(codes, random)
    if gaps:
        codes[random.integers(0, _BLOCK, _SINGLE_N)] = UNKNOWN
    codes.setflags(write=False)
    return codes


@functools.cache
def _consensus() -> np.ndarray:
    """An Alu-like unit: random, rich in G and C, and a tail of A."""
    unit = np.random.default_rng(7).choice(4, _ALU_BASES, p=[0.22, 0.28, 0.30, 0.20])
    unit[-25:] = 0
    return unit.astype(np.uint8)


def _put_copies(codes: np.ndarray, random: np.random.Generator) -> None:
    """Mutated copies of the consensus, half of them on the reverse strand, in place."""
    count = round(len(codes) * _ALU_SHARE / _ALU_BASES)
    copies = np.tile(_consensus(), (count, 1))
    changed = random.random(copies.shape) < _ALU_CHANGED
    copies[changed] = random.integers(0, 4, int(changed.sum()))
    copies[::2] = 3 - copies[::2, ::-1]
    start = random.integers(0, len(codes) - _ALU_BASES, count)
    codes[start[:, np.newaxis] + np.arange(_ALU_BASES)] = copies


def _put_short_repeats(codes: np.ndarray, random: np.random.Generator) -> None:
    """Runs of a unit of one to six bases: poly-A or poly-T, dinucleotides and so on, in place."""
    count = round(len(codes) * _SHORT_SHARE / _SHORT_BASES)
    length = np.minimum(random.geometric(1 / _SHORT_BASES, count) + 10, len(codes) // 4)
    start = random.integers(0, len(codes) - length)
    width = random.choice(np.arange(1, 7), count, p=[0.35, 0.35, 0.08, 0.12, 0.05, 0.05])
    unit = random.integers(0, 4, (count, 6)).astype(np.uint8)
    unit[width == 1] = random.choice(np.array([0, 3], np.uint8), ((width == 1).sum(), 1))
    run = np.repeat(np.arange(count), length)
    offset = np.arange(len(run)) - np.repeat(np.cumsum(length) - length, length)
    codes[start[run] + offset] = unit[run, offset % width[run]]


def _put_gaps(codes: np.ndarray, start: int, length: int) -> None:
    """N at both ends and in the middle of a chromosome, in place; `codes` begins at `start`."""
    end_gap, middle = min(_END_GAP, length // 100), min(_MIDDLE_GAP, length // 50)
    for first, end in (
        (0, end_gap),
        (length // 2, length // 2 + middle),
        (length - end_gap, length),
    ):
        codes[max(first - start, 0) : max(end - start, 0)] = UNKNOWN
