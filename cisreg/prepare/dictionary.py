"""Dictionaries of sequences, lines of `from<TAB>to`; their size is not limited by memory."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute

from cisreg.prepare.count_table import parse_columns
from cisreg.prepare.database import Database
from cisreg.prepare.progress import RowCounter
from cisreg.prepare.reading import input_name, read_blocks
from cisreg.streams import open_input

_TYPES = {"source": pa.string(), "target": pa.string()}
_SCHEMA = pa.schema({**_TYPES, "line": pa.int64()})


def load_dictionary(database: Database, path: str | os.PathLike[str], counter: RowCounter) -> None:
    """Reads a file of `from<TAB>to` into the table `dictionary` (source, target).

    Repeated lines and sequences that are translated to themselves are allowed and have no effect.
    If a target is itself translated, the end of the chain becomes the target.

    Args:
        database: gets the table.
        path: the file, plain or compressed; "-" is standard input.
        counter: shows the number of lines read.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: "file:line: reason" for a line without exactly two fields, a sequence with two
            translations, or a cycle; "file: reason" for an empty file.
    """
    name = input_name(path)
    database.register("entries", _SCHEMA, counter.count(f"lines of {name}", _entries(path)))
    database.run(
        "CREATE TABLE dictionary AS SELECT source, target, min(line) AS line FROM entries "
        "GROUP BY source, target"
    )
    if database.row("SELECT 1 FROM dictionary LIMIT 1") is None:
        raise ValueError(f"{name}: expected lines of from<TAB>to, got an empty file")
    _refuse_conflicts(database, name)
    # A sequence that is translated to itself ends a chain, like one without a translation.
    database.run("DELETE FROM dictionary WHERE source = target")
    _resolve_chains(database, name)


def _entries(path: str | os.PathLike[str]) -> Iterator[pa.RecordBatch]:
    with open_input(path) as stream:
        for first, lines in read_blocks(stream):
            batch = parse_columns(lines, _TYPES)
            if batch is None or any(_has_empty(column) for column in batch.columns):
                raise _fault(input_name(path), first, lines)
            line = pa.array(np.arange(first, first + batch.num_rows, dtype=np.int64))
            yield pa.record_batch([*batch.columns, line], schema=_SCHEMA)


def _has_empty(column: pa.Array) -> bool:
    return compute.min(compute.binary_length(column)).as_py() == 0


def _fault(name: str, first: int, lines: bytes) -> ValueError:
    """Checks the lines one by one and describes the first invalid one."""
    for line, text in enumerate(lines.split(b"\n")[:-1], first):
        fields = text.split(b"\t")
        if len(fields) != 2 or b"" in fields:
            return ValueError(
                f"{name}:{line}: expected from<TAB>to, got {text.decode(errors='replace')!r}; "
                "correct or remove the line"
            )
        if fault := text_fault(text):
            return ValueError(f"{name}:{line}: {fault}")
    raise AssertionError(f"{name}: a line from {first} on was refused, but every one is in order")


def text_fault(line: bytes) -> str | None:
    """Why a line is not valid text (CR alone, not UTF-8), or None if it is.

    Example:
        >>> text_fault(b"ACGT")
    """
    if b"\r" in line:
        return "expected lines that end in LF or CR LF, got a CR alone; convert the line ends"
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return (
            f"expected UTF-8 text, got the byte 0x{line[error.start]:02x}; save the file as UTF-8"
        )
    return None


def _refuse_conflicts(database: Database, name: str) -> None:
    conflict = database.row(
        "SELECT source, min(line), max(line) FROM dictionary GROUP BY source HAVING count(*) > 1 "
        "ORDER BY max(line) LIMIT 1"
    )
    if conflict is not None:
        source, first, last = conflict
        raise ValueError(
            f"{name}:{last}: expected one translation of {source!r}, got a different one in line "
            f"{first}; remove one of the lines"
        )


def _resolve_chains(database: Database, name: str) -> None:
    """Replaces every target by the end of its chain; each round doubles the steps taken."""
    unfinished = _count_unfinished(database)
    while unfinished:
        database.run(
            "CREATE OR REPLACE TABLE dictionary AS "
            "SELECT here.source, coalesce(further.target, here.target) AS target, here.line "
            "FROM dictionary AS here LEFT JOIN dictionary AS further "
            "ON here.target = further.source"
        )
        before, unfinished = unfinished, _count_unfinished(database)
        # While there are unfinished chains with an end, each round finishes some of them. If none
        # was finished, the rest are cycles.
        if unfinished == before:
            row = database.row(
                "SELECT line, source FROM dictionary WHERE target IN (SELECT source FROM "
                "dictionary) ORDER BY line LIMIT 1"
            )
            assert row is not None  # one of those that were counted
            raise ValueError(
                f"{name}:{row[0]}: expected chains of translations that end, got a cycle after "
                f"{row[1]!r}; remove one of its lines"
            )


def _count_unfinished(database: Database) -> int:
    row = database.row(
        "SELECT count(*) FROM dictionary WHERE target IN (SELECT source FROM dictionary)"
    )
    assert row is not None  # a count always has one
    return row[0]
