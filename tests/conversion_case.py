"""What tests of converting share; as a process, it converts: conversion_case.py SOURCE DIR."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cisreg.data import conversion, open_dataset
from cisreg.data.convert import convert

# Small, so that little data makes many runs, files and row groups.
RUN_BYTES = 1 << 14
SIZES = {"rows_per_file": 700, "rows_per_group": 100}


def sequences(count, generator, length=30):
    letters = np.frombuffer(b"ACGT", np.uint8)
    return [
        bytes(letters[generator.integers(0, 4, generator.integers(1, length + 1))]).decode()
        for _ in range(count)
    ]


def numbered(path, count=5000):
    """A table whose expression is the number of the row; sequences come several times."""
    text = sequences(count, np.random.default_rng(0), 8)
    path.write_text("".join(f"{each}\t{row}\n" for row, each in enumerate(text)))
    return text


def rows_of(folder):
    """The rows of all files in order, and the files' names."""
    paths = sorted(folder.glob("*.parquet"))
    table = pa.concat_tables([pq.read_table(path) for path in paths])
    return table, [path.name for path in paths]


def contents(folder):
    """Bytes of every file, by path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


if __name__ == "__main__":
    conversion._RUN_BYTES = RUN_BYTES
    convert(open_dataset(sys.argv[1]), sys.argv[2], **SIZES, threads=2, resume=True)
