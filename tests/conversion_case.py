"""Helpers for tests of conversion; as a program it converts: conversion_case.py SOURCE DIR."""

from __future__ import annotations

import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cisreg.data import open_dataset
from cisreg.data.conversion import stages
from cisreg.data.conversion.convert import convert
from cisreg.data.conversion.journal import Journal
from cisreg.data.files import DatasetFiles

# Small limits, so that little data gives many runs, files and row groups.
RUN_BYTES, UNIT_BYTES, BLOCK_ROWS = 1 << 14, 5000, 199
SIZES = {"rows_per_file": 700, "rows_per_group": 100}


def make_small(patch):
    """Sets small limits at every step; `patch` sets an attribute, as pytest's monkeypatch does."""
    patch(stages, "_RUN_BYTES", RUN_BYTES)
    patch(stages, "_UNIT_BYTES", UNIT_BYTES)
    patch(DatasetFiles, "blocks", in_blocks(BLOCK_ROWS, DatasetFiles.blocks))


def in_blocks(count, blocks):
    """A method that gives the rows of `blocks` in slices of `count` rows."""

    def slices(self):
        for rows in blocks(self):
            for first in range(0, len(rows), count):
                yield rows.slice(first, first + count)

    return slices


def sequences(count, generator, length=30):
    letters = np.frombuffer(b"ACGT", np.uint8)
    return [
        bytes(letters[generator.integers(0, 4, generator.integers(1, length + 1))]).decode()
        for _ in range(count)
    ]


def numbered(path, count=5000):
    """A table whose expression is the row number; sequences occur several times."""
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


def dataset_of(folder):
    """The manifest without the names of the files, and the files in its order."""
    fields = json.loads((folder / "manifest.json").read_bytes())
    names = [file.pop("name") for file in fields["files"]]
    return fields, [(folder / name).read_bytes() for name in names]


class Died(BaseException):
    """Stands for the death of the process."""


def converted(source, folder, **options):
    return convert(open_dataset(source), folder, threads=1, **{**SIZES, **options})


def dies_at(monkeypatch, step, *, after):
    """Ends the conversion before or after it writes line `step` of its journal."""
    append, lines = Journal.append, 0

    def counted(self, entry):
        nonlocal lines
        lines += 1
        if lines == step and not after:
            raise Died
        append(self, entry)
        if lines == step:
            raise Died

    monkeypatch.setattr(Journal, "append", counted)


def interrupted(source, folder, monkeypatch, step, *, after=True, **options):
    with monkeypatch.context() as patch:
        dies_at(patch, step, after=after)
        try:
            converted(source, folder, **options)
        except Died:
            return
    raise AssertionError("the conversion ended before")


if __name__ == "__main__":
    make_small(setattr)
    convert(open_dataset(sys.argv[1]), sys.argv[2], **SIZES, threads=2, resume=True)
