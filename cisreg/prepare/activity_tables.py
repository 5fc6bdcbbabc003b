"""What `cisreg.prepare.activity` reads: counts and the sequences of the design, into tables."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pyarrow as pa

from cisreg.data.formats.rows import Columns
from cisreg.data.opening import open_dataset
from cisreg.prepare.database import Database
from cisreg.prepare.progress import RowCounter
from cisreg.prepare.reporter_counts import SCHEMA, ReporterCounts

PathLike = str | os.PathLike[str]

_DESIGN = pa.schema({"name": pa.string(), "sequence": pa.string()})
_MOST_REPLICATES = 100
_DIGITS = re.compile("([0-9]+)")


def load_counts(database: Database, table: ReporterCounts, counter: RowCounter) -> tuple[str, ...]:
    """Reads tables of counts into the tables `raw` and `labels` (replicate, number).

    Args:
        database: gets the tables.
        table: the counts; they are read.
        counter: shows the number of rows read.

    Returns:
        The names of the replicates, in the order of the numbers in them.

    Raises:
        ValueError: no rows; several conditions; a replicate without a name; a name with two
            sequences, or with several rows of whole sequences in a replicate.
    """
    database.register("counts", SCHEMA, counter.count("counts read", table.batches))
    database.run("CREATE TABLE raw AS SELECT * FROM counts")
    several = database.row("SELECT min(condition), max(condition) FROM raw")
    if several is not None and several[0] != several[1]:
        raise ValueError(
            f"inputs: expected rows of one condition, got {several[0]!r} and {several[1]!r}; write "
            "a table for each"
        )
    distinct = database.stream("SELECT DISTINCT replicate FROM raw")
    rows = [row for batch in distinct for row in batch.column(0).to_pylist()]
    if not rows:
        raise ValueError("inputs: expected rows with counts of DNA or RNA, got none")
    if None in rows or "" in rows or len(rows) > _MOST_REPLICATES:
        raise ValueError(
            f"inputs: expected 1 to {_MOST_REPLICATES} replicates, each with a name, got "
            f"{len(rows)}, or one without a name; correct the column replicate"
        )
    labels = tuple(sorted(rows, key=_natural))
    numbered = pa.record_batch(
        [pa.array(labels), pa.array(range(len(labels)), pa.int32())], ["replicate", "number"]
    )
    database.register("numbered", numbered.schema, [numbered])
    database.run("CREATE TABLE labels AS SELECT * FROM numbered")
    _refuse_contradictions(database, table)
    return labels


def _natural(label: str) -> list[tuple[int, str]]:
    """A key that sorts numbers in a text by their value."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(label)]


def _refuse_contradictions(database: Database, table: ReporterCounts) -> None:
    if table.has_sequences and (
        row := database.row(
            "SELECT name FROM raw GROUP BY name HAVING count(sequence) = 0 OR "
            "min(upper(sequence)) <> max(upper(sequence)) ORDER BY name LIMIT 1"
        )
    ):
        raise ValueError(
            f"inputs: expected one sequence for {row[0]!r}, got two, or none; correct its rows"
        )
    if not table.has_barcodes and (
        row := database.row(
            "SELECT name, replicate FROM raw GROUP BY name, replicate HAVING count(*) > 1 "
            "ORDER BY name LIMIT 1"
        )
    ):
        raise ValueError(
            f"inputs: expected one row for {row[0]!r} in replicate {row[1]}, got several; where a "
            "row is a barcode, name its column barcode, and where it is a replicate, replicate"
        )


def load_design(database: Database, path: PathLike, counter: RowCounter) -> None:
    """Reads names and sequences into the table `design` (name, sequence).

    Args:
        database: gets the table.
        path: FASTA, or a table with the columns name and sequence.
        counter: shows the number of sequences read.

    Raises:
        FileNotFoundError: no such file.
        ValueError: sequences without names, a name that is there twice, or a sequence with letters
            that are no nucleotide codes.
    """
    data = open_dataset(path, columns=Columns(expression=(), weight=False, name=True), strict=True)
    if data.columns.name is False:
        raise ValueError(
            f"{data.files[0]}: expected names beside the sequences, got {data.all_columns}; give "
            "FASTA, or a table with the columns name and sequence"
        )

    def batches() -> Iterator[pa.RecordBatch]:
        for rows in data.blocks():
            assert rows.name is not None  # asked for, and found
            yield pa.record_batch(
                [rows.name.cast(pa.string()), rows.sequence.cast(pa.string())], schema=_DESIGN
            )

    database.register("records", _DESIGN, counter.count("sequences read", batches()))
    database.run(
        "CREATE TABLE design AS SELECT name, min(upper(sequence)) AS sequence, count(*) AS uses "
        "FROM records GROUP BY name"
    )
    if row := database.row("SELECT name FROM design WHERE uses > 1 ORDER BY name LIMIT 1"):
        raise ValueError(
            f"{data.files[0]}: expected every name once, got {row[0]!r} again; correct or remove it"
        )
