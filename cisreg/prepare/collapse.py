"""Counts identical sequences; the number of reads is not limited by memory."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from cisreg.file_checks import check_output
from cisreg.names import check_shown
from cisreg.prepare.count_table import (
    COLUMN_NAMES,
    SEQUENCE,
    TOTAL,
    count_column,
    write_counts,
)
from cisreg.prepare.database import Resources, open_database
from cisreg.prepare.inputs import refuse_same_file
from cisreg.prepare.progress import RowCounter, count_rows
from cisreg.prepare.reading import ReadCounts, input_name, name_of_file, read_sequences
from cisreg.streams import open_output

logger = logging.getLogger("cisreg.prepare")

_SCHEMA = pa.schema([(SEQUENCE, pa.string()), ("input", pa.uint16())])
_MOST_INPUTS = 1000
# Names of columns that are not counts of a bin; also the empty name.
_RESERVED = (*filter(None, itertools.chain(*COLUMN_NAMES.values())), "")


@dataclass(frozen=True)
class CollapseCounts:
    """The numbers that `collapse` counted.

    Attributes:
        names: names of the inputs.
        reads: number of sequences counted, per input.
        dropped: number of sequences left out because of a letter that is not a nucleotide code, per
            input.
        unique: number of distinct sequences, which is the number of rows written.
    """

    names: tuple[str, ...]
    reads: tuple[int, ...]
    dropped: tuple[int, ...]
    unique: int


def collapse(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    names: Sequence[str] | None = None,
    keep_case: bool = False,
    drop_foreign: bool = False,
    resources: Resources | None = None,
    progress: bool = False,
    overwrite: bool = False,
) -> CollapseCounts:
    """Counts identical sequences; the most abundant come first.

    Rows are sorted by count (with several inputs by total), the largest first; rows of equal count
    by sequence, so that the output does not depend on the number of threads. A sequence and its
    reverse complement are different sequences.

    Args:
        inputs: files with one sequence per line, FASTA or FASTQ, plain or compressed; the format is
            recognised by content; "-" is standard input. Empty lines and comments (#) are skipped.
        output: for one input and no names, lines of `sequence<TAB>count`. Otherwise a table with a
            header and the columns sequence, one per input, and total. Compressed if its name ends
            in .gz or .zst; "-" is standard output.
        names: names of the inputs, such as those of sorting bins; None: the file names without
            folder and extensions.
        keep_case: whether acgt and ACGT are different sequences; if not, all become upper case.
        drop_foreign: leave out, and count, sequences with a letter that is not a nucleotide code
            (IUPAC), instead of stopping at the first.
        resources: memory, threads and temporary folder; data beyond the memory limit goes to disk.
        progress: show the number of reads if standard error is a terminal.
        overwrite: whether the output may replace a file that exists; never one that is read.

    Returns:
        The reads of each input, and the number of distinct sequences.

    Raises:
        FileNotFoundError: a file does not exist.
        FileExistsError: the output exists, and `overwrite` is False.
        ImportError: DuckDB is not installed.
        ValueError: "file:line: reason" for a letter that is not a nucleotide code or a damaged
            file; no sequences; too few, equal or invalid names; too little memory.
        OSError: the output or the temporary folder cannot be written.

    Example:
        >>> counts = collapse(["bin0.txt", "bin1.txt"], "counts.tsv.gz")  # doctest: +SKIP
        >>> counts.reads, counts.unique  # doctest: +SKIP
        ((1000, 2000), 1234)
    """
    check_output(output, inputs=inputs, overwrite=overwrite)
    resolved = _names(inputs, names)
    is_table = names is not None or len(inputs) > 1
    read_counts = [ReadCounts() for _ in inputs]

    def batches(counter: RowCounter) -> Iterator[pa.RecordBatch]:
        for index, (path, counts) in enumerate(zip(inputs, read_counts, strict=True)):
            sequences = read_sequences(path, counts, keep_case=keep_case, drop_foreign=drop_foreign)
            yield from counter.count(
                f"reads of {resolved[index]}", (_batch(each, index) for each in sequences)
            )

    with (
        count_rows(progress) as counter,
        open_database(resources or Resources(), output) as database,
    ):
        database.register("reads", _SCHEMA, batches(counter))
        rows = database.stream(_query(len(inputs), is_table))
        with open_output(output, overwrite=overwrite) as stream:
            unique = write_counts(
                stream,
                (SEQUENCE, *resolved, TOTAL) if is_table else None,
                counter.count("sequences written", rows),
            )
            if not unique:
                raise ValueError(
                    f"{', '.join(map(input_name, inputs))}: expected sequences, got none"
                )
    _tell_what_is_missing(resolved, read_counts)
    return CollapseCounts(
        tuple(resolved),
        tuple(counts.reads for counts in read_counts),
        tuple(counts.dropped for counts in read_counts),
        unique,
    )


def _names(
    inputs: Sequence[str | os.PathLike[str]], names: Sequence[str] | None
) -> tuple[str, ...]:
    if not 1 <= len(inputs) <= _MOST_INPUTS:
        raise ValueError(f"inputs: expected 1 to {_MOST_INPUTS} files, got {len(inputs)}")
    refuse_same_file("inputs", inputs, "its reads would be counted twice")
    advice = "give other names" if names is not None else "give names"
    resolved = tuple(names) if names is not None else tuple(map(name_of_file, inputs))
    if len(resolved) != len(inputs):
        raise ValueError(f"names: expected {len(inputs)}, one per input, got {len(resolved)}")
    if names is None and len(inputs) == 1:
        return resolved
    check_shown("names", resolved, advice)
    for name in resolved:
        if name.strip().lower() in _RESERVED:
            raise ValueError(
                f"names: expected text other than {', '.join(_RESERVED[:-1])}, got {name!r}; "
                f"{advice}"
            )
        if resolved.count(name) > 1:
            raise ValueError(
                f"names: expected different ones, got {name!r} for two inputs; {advice}"
            )
    return resolved


def _batch(sequences: pa.Array, index: int) -> pa.RecordBatch:
    return pa.record_batch(
        [sequences, pa.array(np.full(len(sequences), index, np.uint16))], schema=_SCHEMA
    )


def _query(inputs: int, is_table: bool) -> str:
    # Counts have a fixed size, so that DuckDB can spill its groups to disk.
    counts = "".join(
        f"count(*) FILTER (WHERE input = {index}) AS {count_column(index)}, "
        for index in range(inputs if is_table else 0)
    )
    return (
        f"SELECT sequence, {counts}count(*) AS total FROM reads GROUP BY sequence "
        "ORDER BY total DESC, sequence"
    )


def _tell_what_is_missing(names: Sequence[str], read_counts: Sequence[ReadCounts]) -> None:
    for name, counts in zip(names, read_counts, strict=True):
        if counts.dropped:
            logger.warning(
                "%s: %d sequences were dropped for letters that are no nucleotide codes",
                *(name, counts.dropped),
            )
        if counts.empty:
            logger.warning("%s: %d records without a base were dropped", name, counts.empty)
        if not counts.reads:
            logger.warning("%s: has no sequence", name)
