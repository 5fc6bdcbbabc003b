"""Replaces sequences by those of a dictionary, such as the map that clustering writes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute

from cisreg.file_checks import check_output
from cisreg.prepare.count_table import (
    SEQUENCE,
    CountTable,
    read_count_table,
    write_counts,
)
from cisreg.prepare.database import Resources, open_database
from cisreg.prepare.dictionary import load_dictionary, text_fault
from cisreg.prepare.inputs import refuse_same_file
from cisreg.prepare.progress import count_rows
from cisreg.prepare.reading import input_name, line_array, read_blocks
from cisreg.streams import open_input, open_output

_ANOTHER = "the dictionary must be a file of its own"
_LINES = pa.schema([("text", pa.string()), ("row", pa.int64())])


@dataclass(frozen=True)
class TranslationCounts:
    """What `translate` and `translate_counts` did.

    Attributes:
        rows: number of lines, or rows of the table, read.
        translated: how many of them were replaced.
        written: number of lines, or rows of the table, written.
        columns: how the columns of the table were used, as text; empty if there is no table.
    """

    rows: int
    translated: int
    written: int
    columns: str = ""


def translate(
    lines: str | os.PathLike[str],
    dictionary: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    resources: Resources | None = None,
    progress: bool = False,
    overwrite: bool = False,
) -> TranslationCounts:
    """Replaces every line that is in the dictionary by its translation; keeps the order.

    Whole lines are compared, and upper and lower case differ. Lines that are not in the dictionary
    are unchanged, also empty ones, so that the number of lines stays the same.

    Args:
        lines: file with one sequence per line, plain or compressed; "-" is standard input.
        dictionary: file with lines of `from<TAB>to`, such as the map of `cisreg prepare cluster`.
            Lines may be repeated. If a translation is itself translated, the end of the chain is
            used.
        output: file to write, compressed where its name ends in .gz or .zst; "-" is standard
            output.
        resources: memory, threads and temporary folder; data beyond the memory limit, also of the
            dictionary, goes to disk.
        progress: show the number of lines read if standard error is a terminal.
        overwrite: whether the output may replace a file that exists; never one that is read.

    Returns:
        How many lines there are, and how many were translated.

    Raises:
        FileNotFoundError: no such file.
        FileExistsError: the output exists, and `overwrite` is False.
        ImportError: DuckDB is not installed.
        ValueError: "file:line: reason" for a line of the dictionary without exactly two fields, a
            sequence with two translations, a cycle, and text that is not UTF-8;
            "file: reason" for an empty file; too little memory.
        OSError: the output or the temporary folder cannot be written.

    Example:
        >>> translate("reads.txt", "map.txt.gz", "roots.txt").translated  # doctest: +SKIP
        1234
    """
    check_output(output, inputs=[lines, dictionary], overwrite=overwrite)
    refuse_same_file("dictionary", (lines, dictionary), _ANOTHER)
    with (
        count_rows(progress) as counter,
        open_database(resources or Resources(), output) as database,
    ):
        load_dictionary(database, dictionary, counter)
        database.register("lines", _LINES, counter.count("lines read", _read_lines(lines)))
        # A separate query from the sorting, since each of them uses the whole memory limit.
        database.run(
            "CREATE TABLE translation AS SELECT coalesce(target, text) AS text, "
            "target IS NOT NULL AS is_translated, row "
            "FROM lines LEFT JOIN dictionary ON text = source"
        )
        rows = database.stream("SELECT text, is_translated FROM translation ORDER BY row")
        with open_output(output, overwrite=overwrite) as stream:
            written, translated = _write_lines(stream, counter.count("lines written", rows))
            if not written:
                raise ValueError(f"{input_name(lines)}: expected lines, got an empty file")
    return TranslationCounts(written, translated, written)


def translate_counts(
    table: str | os.PathLike[str],
    dictionary: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    resources: Resources | None = None,
    progress: bool = False,
    overwrite: bool = False,
) -> TranslationCounts:
    """Translates the sequences of a table of counts, and adds the counts of equal results.

    Used after clustering, for counts per bin of the roots. Rows are sorted as by `collapse`: by
    total (the first column of totals, or the sum if there is none), the largest first, and equal
    ones by sequence. Columns of totals come last; columns that are not counts are left out
    (`read_count_table`).

    Args:
        table: tab-separated sequence and counts, with or without names in the first line, as
            `collapse` writes them; "-" is standard input. A sequence may come several times.
        dictionary: as of `translate`.
        output: table to write with the columns of `table`, compressed where its name ends in .gz
            or .zst; "-" is standard output.
        resources: memory, threads and temporary folder.
        progress: show the number of rows read if standard error is a terminal.
        overwrite: whether the output may replace a file that exists; never one that is read.

    Returns:
        How many rows were read, translated and written.

    Raises:
        FileNotFoundError: no such file.
        FileExistsError: the output exists, and `overwrite` is False.
        ImportError: DuckDB is not installed.
        ValueError: as `translate`, and "file:line: reason" for a row of the table with a different
            number of columns than the first line, a letter that is not a nucleotide code, or a
            count that is not a whole number of 0 or more.
        OSError: the output or the temporary folder cannot be written.

    Example:
        >>> translate_counts("counts.tsv", "map.txt.gz", "roots.tsv").written  # doctest: +SKIP
        1234
    """
    check_output(output, inputs=[table, dictionary], overwrite=overwrite)
    refuse_same_file("dictionary", (table, dictionary), _ANOTHER)
    with (
        count_rows(progress) as counter,
        open_database(resources or Resources(), output) as database,
    ):
        load_dictionary(database, dictionary, counter)
        counts = read_count_table(table)
        database.register("counts", counts.schema, counter.count("rows read", counts.batches))
        # A separate query from the sums, since each of them uses the whole memory limit.
        database.run(
            f"CREATE TABLE translation AS SELECT coalesce(target, {SEQUENCE}) AS {SEQUENCE}, "
            f"{', '.join(counts.schema.names[1:])}, target IS NOT NULL AS is_translated "
            f"FROM counts LEFT JOIN dictionary ON {SEQUENCE} = source"
        )
        tally = database.row("SELECT count(*), count_if(is_translated) FROM translation")
        assert tally is not None  # a count always has a row
        rows = database.stream(_sums(counts))
        with open_output(output, overwrite=overwrite) as stream:
            header = None
            if counts.names is not None:
                header = (counts.sequence_name or SEQUENCE, *counts.names)
            written = write_counts(stream, header, counter.count("rows written", rows))
    read, translated = tally
    return TranslationCounts(read, translated, written, counts.columns)


def _sums(table: CountTable) -> str:
    columns = table.schema.names[1:]
    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in columns)
    has_total = table.bins < len(columns)
    ranked = [columns[table.bins]] if has_total else columns
    total = " + ".join(f"sum({name})" for name in ranked)
    return (
        f"SELECT {SEQUENCE}, {sums} FROM translation GROUP BY {SEQUENCE} "
        f"ORDER BY {total} DESC, {SEQUENCE}"
    )


def _read_lines(path: str | os.PathLike[str]) -> Iterator[pa.RecordBatch]:
    with open_input(path) as stream:
        for first, lines in read_blocks(stream):
            if not lines.isascii():
                _check_text(input_name(path), first, lines)
            array = line_array(lines)
            row = pa.array(np.arange(first, first + len(array), dtype=np.int64))
            yield pa.record_batch([array, row], schema=_LINES)


def _check_text(name: str, first: int, lines: bytes) -> None:
    for line, text in enumerate(lines.split(b"\n")[:-1], first):
        if fault := text_fault(text):
            raise ValueError(f"{name}:{line}: {fault}")


def _write_lines(stream: BinaryIO, rows: Iterable[pa.RecordBatch]) -> tuple[int, int]:
    """Writes the lines; returns how many there are, and how many of them are translated."""
    written = translated = 0
    for batch in rows:
        line = batch["text"]
        whole = pa.ListArray.from_arrays([0, len(line)], line)
        stream.write(compute.binary_join(whole, "\n")[0].as_buffer())
        stream.write(b"\n")
        written += len(line)
        translated += compute.sum(batch["is_translated"]).as_py()
    return written, translated
