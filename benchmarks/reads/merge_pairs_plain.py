"""Merging of read pairs as a script would do it, for merge_pairs.py: loops over bases.

python -m benchmarks.reads.merge_pairs_plain R1.fastq.gz R2.fastq.gz output.tsv 40 14
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path

COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
FEWEST_BASES, LEAST_IDENTITY = 10, 0.75


def records(path: str) -> Iterator[tuple[str, str, str]]:
    """Name, bases and qualities."""
    with gzip.open(path, "rt") as lines:
        while name := lines.readline():
            bases = lines.readline().rstrip()
            lines.readline()
            yield name[1:].split()[0], bases, lines.readline().rstrip()


def identity(first: str, second: str, start: int) -> float:
    """Share of equal bases where `second` begins at `start` of `first`; 0 for few bases."""
    compared = equal = 0
    for i in range(max(0, start), min(len(first), start + len(second))):
        a, b = first[i], second[i - start]
        if a != "N" and b != "N":
            compared += 1
            equal += a == b
    return equal / compared if compared >= FEWEST_BASES else 0.0


def best_overlap(first: str, second: str, overlap: int, slack: int) -> int | None:
    """The most similar one; of several the nearest, and of two of them the longer."""
    best, found = LEAST_IDENTITY, None
    for away in range(slack + 1):
        for size in (overlap + away, overlap - away):
            share = identity(first, second, len(first) - size)
            if share > best or (found is None and share == best):
                best, found = share, size
    return found


def consensus(first: tuple[str, str], second: tuple[str, str], start: int) -> str:
    """Base by base, of the higher quality."""
    merged = []
    for i in range(start + len(second[0])):
        j = i - start
        if j < 0:
            merged.append(first[0][i])
        elif i >= len(first[0]):
            merged.append(second[0][j])
        elif second[0][j] == "N" or (first[0][i] != "N" and first[1][i] > second[1][j]):
            merged.append(first[0][i])
        else:
            merged.append(second[0][j])
    return "".join(merged)


def main() -> None:
    """Writes name, sequence and overlap of each pair that merges."""
    forward, reverse, target = sys.argv[1:4]
    overlap, slack = map(int, sys.argv[4:])
    with Path(target).open("w") as file:
        for (name, *first), (_, bases, quality) in zip(
            records(forward), records(reverse), strict=True
        ):
            second = bases[::-1].translate(COMPLEMENT), quality[::-1]
            size = best_overlap(first[0], second[0], overlap, slack)
            if size is not None:
                merged = consensus((first[0], first[1]), second, len(first[0]) - size)
                file.write(f"{name}\t{merged}\t{size}\n")


if __name__ == "__main__":
    main()
