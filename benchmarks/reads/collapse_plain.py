"""Counting of identical lines as a script would do it, for collapse.py: a dict, then a sort.

python -m benchmarks.reads.collapse_plain reads.txt counts.tsv
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path


def main() -> None:
    """Counts the lines of the first argument into the second."""
    source, target = map(Path, sys.argv[1:])
    with source.open() as lines:
        counts = Counter(line.rstrip("\n").upper() for line in lines)
    with target.open("w") as file:
        for sequence, count in sorted(counts.items(), key=lambda row: (-row[1], row[0])):
            file.write(f"{sequence}\t{count}\n")


if __name__ == "__main__":
    main()
