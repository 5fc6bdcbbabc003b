"""Tables of counts: a sequence and one count per bin in each line, with or without names."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv

from cisreg.prepare.reading import first_foreign, has_foreign, input_name, read_blocks
from cisreg.streams import open_input

SEQUENCE, TOTAL = "sequence", "total"
_LARGEST = 2**63 - 1
_COUNT = re.compile(r" *-?\d+ *", re.ASCII)


@dataclass(frozen=True, eq=False)
class CountTable:
    """A table whose first lines were read.

    Attributes:
        names: of the columns of counts, or None where the first line has none.
        bins: how many of the columns are bins: all but a last one named "total".
        batches: the rows, once: columns sequence (string) and count_0, count_1, ... (int64).
        schema: of the batches.
    """

    names: tuple[str, ...] | None
    bins: int
    batches: Iterator[pa.RecordBatch]
    schema: pa.Schema


def count_column(index: int) -> str:
    """The name of a column of counts in batches and queries, which no user's name can break.

    Example:
        >>> count_column(2)
        'count_2'
    """
    return f"count_{index}"


def read_count_table(path: str | os.PathLike[str]) -> CountTable:
    """Opens a table of tab-separated lines, sequence and counts, as `collapse` writes them.

    The first line names the columns where its first field is no sequence.

    Args:
        path: the file, plain or compressed; "-" is standard input.

    Returns:
        The table, whose batches are read as they are asked for.

    Raises:
        FileNotFoundError: no such file.
        ValueError: "file:line: reason" for another number of columns than in the first line, an
            empty sequence or one with a letter that is no nucleotide code, and a count that is no
            whole number from 0 to 2^63 - 1 (the batches raise it for later lines); "file: reason"
            for a file without rows.

    Example:
        >>> table = read_count_table("counts.tsv.gz")  # doctest: +SKIP
        >>> table.names  # doctest: +SKIP
        ('bin0', 'bin1', 'total')
    """
    name = input_name(path)
    blocks = _blocks(path)
    first = next(blocks, None)
    if first is None:
        raise ValueError(f"{name}: expected lines with a sequence and counts, got an empty file")
    line, text = first
    header, _, rows = text.partition(b"\n")
    fields = header.decode(errors="replace").split("\t")
    if len(fields) < 2:
        raise ValueError(
            f"{name}:1: expected a sequence and one count or more, separated by tabs, got "
            f"{fields[0]!r}"
        )
    names = None
    if has_foreign(fields[0].encode()):
        names = tuple(fields[1:])
        line, text = line + 1, rows
    columns = len(fields) - 1
    types = {SEQUENCE: pa.string(), **{count_column(each): pa.int64() for each in range(columns)}}
    total_is_last = names is not None and columns > 1 and names[-1].lower() == TOTAL
    return CountTable(
        names,
        columns - total_is_last,
        _counts(name, itertools.chain([(line, text)], blocks), types),
        pa.schema(types),
    )


def parse_columns(lines: bytes, types: dict[str, pa.DataType]) -> pa.RecordBatch | None:
    """Lines of tab-separated fields as columns, or None where a line does not fit the types.

    Args:
        lines: whole lines that end in LF.
        types: names and types of the columns.

    Returns:
        A batch with a row for each line.
    """
    # Arrow takes a CR alone for the end of a line, and 0x10 for a number.
    if b"\r" in lines or b"\t0x" in lines or b"\t0X" in lines:
        return None
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(lines),
            pyarrow.csv.ReadOptions(
                use_threads=False, block_size=len(lines) + 1, column_names=list(types)
            ),
            pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(
                column_types=types, null_values=[], strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return None
    return table.combine_chunks().to_batches()[0]


def write_counts(
    stream: BinaryIO, header: Sequence[str] | None, batches: Iterable[pa.RecordBatch]
) -> int:
    """Writes tab-separated lines.

    Args:
        stream: of bytes, as `open_output` yields.
        header: names of the columns for the first line, or None for no such line. Without any
            row, nothing is written.
        batches: the rows, of text without tabs and of numbers; numbers have as many digits as it
            takes to read them back.

    Returns:
        The number of rows.
    """
    options = pyarrow.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    writer: Any = None
    rows = 0
    for batch in batches:
        if writer is None:
            # Not before there is a row: computing the first one may end in an error.
            if header is not None:
                stream.write(("\t".join(header) + "\n").encode())
            writer = pyarrow.csv.CSVWriter(stream, batch.schema, write_options=options)
        writer.write_batch(batch)
        rows += batch.num_rows
    if writer is not None:
        writer.close()
    return rows


def _blocks(path: str | os.PathLike[str]) -> Iterator[tuple[int, bytes]]:
    with open_input(path) as stream:
        yield from read_blocks(stream)


def _counts(
    name: str, blocks: Iterable[tuple[int, bytes]], types: dict[str, pa.DataType]
) -> Iterator[pa.RecordBatch]:
    rows = 0
    for line, lines in blocks:
        # The names of the columns may be all that the first block has.
        if not lines:
            continue
        batch = parse_columns(lines, types)
        if batch is None or not _in_order(batch):
            raise _fault(name, line, lines, len(types) - 1)
        rows += batch.num_rows
        yield batch
    if not rows:
        raise ValueError(f"{name}: expected rows after the names of the columns, got none")


def _in_order(batch: pa.RecordBatch) -> bool:
    sequence = batch.column(0)
    return (
        not has_foreign(_letters(sequence))
        and compute.min(compute.binary_length(sequence)).as_py() > 0
        and all(compute.min(column).as_py() >= 0 for column in batch.columns[1:])
    )


def _letters(strings: pa.Array) -> bytes:
    """The text of all strings."""
    _, offsets, text = strings.buffers()
    ends = np.frombuffer(offsets, np.int32)[strings.offset :][: len(strings) + 1]
    return b"" if text is None else text.slice(ends[0], ends[-1] - ends[0]).to_pybytes()


def _fault(name: str, first: int, lines: bytes, columns: int) -> ValueError:
    """Finds the first line that is not in order, one by one."""
    for line, text in enumerate(lines.split(b"\n")[:-1], first):
        if problem := _problem(text, columns):
            return ValueError(f"{name}:{line}: {problem}; correct or remove the line")
    raise AssertionError(f"{name}: a line from {first} on was refused, but every one is in order")


def _problem(line: bytes, columns: int) -> str | None:
    sequence, *counts = line.split(b"\t")
    if len(counts) != columns:
        return f"expected {columns + 1} columns as in line 1, got {len(counts) + 1}"
    if not sequence:
        return "expected a sequence, got an empty field"
    if foreign := first_foreign(sequence):
        return f"expected a sequence of nucleotide letters, got {foreign}"
    for column, count in enumerate(counts, 2):
        text = count.decode(errors="replace")
        if not (_COUNT.fullmatch(text) and 0 <= int(text) <= _LARGEST):
            return f"expected a count, 0 or more, in column {column}, got {text!r}"
    return None
