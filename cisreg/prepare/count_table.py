"""Tables of counts: a sequence and one count per bin in each line, with or without a header.

Columns are found by name, see `COLUMN_NAMES`; in a table without a header the sequence is first.
They are separated by tabs, or by commas where the first line has no tab.
"""

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

from cisreg.data.formats.recognition import refuse_foreign
from cisreg.limits import check_columns
from cisreg.names import check_shown, join_fields, split_fields
from cisreg.number_text import is_integer, parse_integer, shown
from cisreg.prepare.reading import NUCLEOTIDES, has_foreign, input_name, read_blocks
from cisreg.streams import open_input

SEQUENCE, TOTAL = "sequence", "total"
# Names of columns by role, in upper or lower case. All other columns are counts.
COLUMN_NAMES = {
    SEQUENCE: ("sequence", "sequences", "seq"),
    TOTAL: ("total", "totals", "sum"),
    "index": ("", "index", "unnamed: 0", "row", "rownames", "row_names", "id", "ids", "name"),
}
# Beside counts of bins, MAVE-NN has the sequence in x, and in set which rows are for training.
_MAVE_NN = ("set", "x")
_LARGEST = 2**63 - 1
_COMMENTS = re.compile(rb"(?:#[^\n]*\n)*")
_ANY_CASE = (NUCLEOTIDES + NUCLEOTIDES.lower()).decode()


@dataclass(frozen=True)
class _Columns:
    """The roles of the columns of a file, as indices of columns.

    Attributes:
        names: of all columns; None without a header.
        sequence: the column of sequences.
        bins: columns of counts.
        totals: columns of sums of counts.
        left_out: all other columns.
        delimiter: between the columns.
    """

    names: tuple[str, ...] | None
    sequence: int
    bins: tuple[int, ...]
    totals: tuple[int, ...] = ()
    left_out: tuple[int, ...] = ()
    delimiter: str = "\t"

    @property
    def count(self) -> int:
        """Number of columns."""
        return 1 + len(self.bins) + len(self.totals) + len(self.left_out)

    def label(self, index: int) -> str:
        """The text for a column in messages."""
        if self.names is None:
            return f"column {index + 1}"
        return f"column {index + 1} ({self.names[index]!r})"

    def named(self, indices: Sequence[int]) -> tuple[str, ...]:
        """Names of columns, or their numbers if they have no names."""
        return tuple(self.names[each] if self.names else f"column {each + 1}" for each in indices)


@dataclass(frozen=True, eq=False)
class CountTable:
    """An opened table; its first lines have been read.

    Attributes:
        sequence_name: name of the column of sequences; None without a header.
        names: names of the columns of counts, first bins, then totals; None without a header.
        bins: number of columns of counts that are bins.
        bin_names: names of the bins; without a header "column 2" and so on.
        columns: text for users that says how each column is used.
        first_row: line number of the first row, from 1.
        batches: the rows, for one pass: columns sequence (string), count_0, count_1, ... (int64).
        schema: of the batches.
    """

    sequence_name: str | None
    names: tuple[str, ...] | None
    bins: int
    bin_names: tuple[str, ...]
    columns: str
    first_row: int
    batches: Iterator[pa.RecordBatch]
    schema: pa.Schema


class ReadTotal:
    """The sum of all counts so far, which must stay below 2^63: then every sum of some does.

    Args:
        name: of the file or argument, for the error.

    Example:
        >>> ReadTotal("counts").add([pa.array([2**62, 2**62])])
        Traceback (most recent call last):
        ValueError: counts: expected sums below 2^63, got a total of 9223372036854775808
    """

    def __init__(self, name: str) -> None:
        self._name, self._total = name, 0

    def add(self, columns: Iterable[pa.Array]) -> None:
        """Adds columns of int64, 0 or more.

        Raises:
            ValueError: the total is 2^63 or more.
        """
        for column in columns:
            counts = column.to_numpy()
            # In two halves, which do not overflow.
            high, low = counts >> 32, counts & 0xFFFFFFFF
            self._total += (int(high.sum()) << 32) + int(low.sum())
        if self._total > _LARGEST:
            raise ValueError(
                f"{self._name}: expected sums below 2^63, got a total of {self._total}"
            )


def count_column(index: int) -> str:
    """The internal name of a column of counts, in batches and queries; independent of user names.

    Example:
        >>> count_column(2)
        'count_2'
    """
    return f"count_{index}"


def read_count_table(path: str | os.PathLike[str], *, letters: str = _ANY_CASE) -> CountTable:
    """Opens a table of sequences and counts, such as `collapse` writes.

    Columns are separated by tabs, or by commas if the first line has no tab. Lines at the top that
    begin with # are comments. The first line is a header if it contains a usual name of the
    sequence column, or if it neither begins with a sequence nor has a number. With a header,
    columns are found by name, in upper or lower case. The column sequence, sequences or seq has the
    sequences, otherwise the only column with a sequence in its first row. Columns named total,
    totals or sum, and a last column without a name, are sums and not bins. Any other column without
    a name, and columns named index, row, id or name, are left out; so is the column set of MAVE-NN,
    which has the sequence in x. It is an error if the last bin is the sum of all other bins in
    every row.

    Args:
        path: the file, plain or compressed; "-" is standard input.
        letters: the letters that sequences may contain.

    Returns:
        The table; its batches are read when they are iterated over.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: "file:line: reason" for columns whose roles are not clear, a number of columns
            that differs from the first line, an empty sequence or one with a letter that is not in
            `letters`, and a count that is not an integer from 0 to 2^63 - 1 (for later lines the
            batches raise it); "file: reason" for a file without rows.

    Example:
        >>> table = read_count_table("counts.tsv.gz")  # doctest: +SKIP
        >>> table.names, table.bins  # doctest: +SKIP
        (('bin0', 'bin1', 'total'), 2)
    """
    name = input_name(path)
    blocks = _blocks(path)
    line, text = _without_comments(name, blocks)
    header, _, rows = text.partition(b"\n")
    if not rows and (second := next(blocks, None)) is not None:
        rows = second[1]
        text += rows
    delimiter = "," if b"\t" not in header and b"," in header else "\t"
    fields = _fields(name, line, header, delimiter)
    columns = _find_columns(name, line, fields, rows.partition(b"\n")[0], delimiter)
    if columns.names is not None:
        check_shown(f"{name}:{line}", columns.names)
        line, text = line + 1, rows
    counts = (*columns.bins, *columns.totals)
    schema = pa.schema(
        {SEQUENCE: pa.string(), **{count_column(each): pa.int64() for each in range(len(counts))}}
    )
    reader = _Reader(name, columns, letters.encode(), schema)
    return CountTable(
        sequence_name=columns.names[columns.sequence] if columns.names else None,
        names=columns.named(counts) if columns.names else None,
        bins=len(columns.bins),
        bin_names=columns.named(columns.bins),
        columns=_describe(columns),
        first_row=line,
        batches=reader.read(itertools.chain([(line, text)], blocks)),
        schema=schema,
    )


def parse_columns(
    lines: bytes, types: dict[str, pa.DataType], *, quoted: bool = False, delimiter: str = "\t"
) -> pa.RecordBatch | None:
    """Lines of fields as columns, or None if a line does not fit the types.

    Args:
        lines: complete lines that end in LF.
        types: names and types of the columns.
        quoted: whether to remove quotes around a field.
        delimiter: between the fields.

    Returns:
        A batch with one row per line.
    """
    # Arrow reads a single CR as the end of a line, and 0x10 as a number.
    between = delimiter.encode()
    if b"\r" in lines or between + b"0x" in lines or between + b"0X" in lines:
        return None
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(lines),
            pyarrow.csv.ReadOptions(
                use_threads=False, block_size=len(lines) + 1, column_names=list(types)
            ),
            pyarrow.csv.ParseOptions(
                delimiter=delimiter,
                quote_char='"' if quoted else False,
                ignore_empty_lines=False,
            ),
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
        stream: binary stream, such as from `open_output`.
        header: names of the columns, written with quotes if needed; None: no header. If there are
            no rows, nothing is written.
        batches: the rows, with columns of text without tabs and of numbers. Numbers have enough
            digits to be read back exactly.

    Returns:
        The number of rows.
    """
    options = pyarrow.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    writer: Any = None
    rows = 0
    for batch in batches:
        if writer is None:
            # Only once there is a row: computing the first one may raise an error.
            if header is not None:
                stream.write((join_fields(header) + "\n").encode())
            writer = pyarrow.csv.CSVWriter(stream, batch.schema, write_options=options)
        writer.write_batch(batch)
        rows += batch.num_rows
    if writer is not None:
        writer.close()
    return rows


def _blocks(path: str | os.PathLike[str]) -> Iterator[tuple[int, bytes]]:
    with open_input(path) as stream:
        yield from read_blocks(stream)


def _without_comments(name: str, blocks: Iterator[tuple[int, bytes]]) -> tuple[int, bytes]:
    """The number of the first line that is not a comment, and the rest of its block."""
    is_first = True
    for line, text in blocks:
        if is_first:
            refuse_foreign(name, text, "a table of sequences and counts")
            is_first = False
        end = _COMMENTS.match(text).end()  # type: ignore[union-attr]
        if end < len(text):
            return line + text.count(b"\n", 0, end), text[end:]
    raise ValueError(f"{name}: expected lines with a sequence and counts, got an empty file")


def _fields(name: str, line: int, text: bytes, delimiter: str) -> list[str]:
    try:
        fields = split_fields(text.decode(), delimiter)
    except UnicodeDecodeError:
        raise ValueError(f"{name}:{line}: expected UTF-8 text; save the file as UTF-8") from None
    except ValueError as error:
        raise ValueError(f"{name}:{line}: {error}") from None
    check_columns(f"{name}:{line}", len(fields))
    if len(fields) < 2:
        raise ValueError(
            f"{name}:{line}: expected a sequence and one count or more, separated by tabs or "
            f"commas, got {fields[0][:40]!r}; write it with tabs"
        )
    return fields


def _find_columns(name: str, line: int, fields: list[str], row: bytes, delimiter: str) -> _Columns:
    """The roles of the columns, by name or, without a header, by position."""
    plain = [field.strip().lower() for field in fields]
    called = [index for index, each in enumerate(plain) if each in COLUMN_NAMES[SEQUENCE]]
    if not called and (_is_sequence(fields[0]) or any(map(_is_count, fields))):
        return _Columns(None, 0, tuple(range(1, len(fields))), delimiter=delimiter)
    if not row:
        raise ValueError(f"{name}: expected rows after the names of the columns, got none")
    values = _fields(name, line + 1, row, delimiter)
    if len(values) == len(fields) + 1:
        raise ValueError(
            f"{name}:{line + 1}: expected {len(fields)} columns as in line {line}, got "
            f"{len(values)}; if these are row names of R, write the table without them (row.names "
            "= FALSE)"
        )
    if len(called) != 1 and len(values) == len(fields):
        called = [each for each in called or range(len(fields)) if _is_sequence(values[each])]
    if len(called) != 1:
        raise ValueError(
            f"{name}:{line}: expected one column of sequences, named {SEQUENCE}, got "
            f"{_show(fields, values)}; rename it, or the others"
        )
    bins, totals, left_out = [], [], []
    for index in range(len(fields)):
        is_last_unnamed = index == len(fields) - 1 and not plain[index]
        if index == called[0]:
            continue
        if plain[index] in COLUMN_NAMES[TOTAL] or is_last_unnamed:
            totals.append(index)
        elif plain[index] in COLUMN_NAMES["index"] or (plain[index], plain[called[0]]) == _MAVE_NN:
            left_out.append(index)
        else:
            bins.append(index)
    if not bins and len(totals) == 1:
        bins, totals = totals, []
    if not bins:
        raise ValueError(
            f"{name}:{line}: expected columns of counts besides {SEQUENCE}, got "
            f"{_show(fields, values)}; rename them"
        )
    roles = called[0], tuple(bins), tuple(totals), tuple(left_out)
    return _Columns(tuple(fields), *roles, delimiter)


def _show(fields: Sequence[str], values: Sequence[str]) -> str:
    """Text with all columns and a value of each."""
    shown = itertools.zip_longest(fields, values, fillvalue="")
    return ", ".join(f"{field!r} (as {value[:20]!r})" for field, value in shown)


def _describe(columns: _Columns) -> str:
    def several(indices: Sequence[int]) -> str:
        names = zip(columns.named(indices), indices, strict=True)
        return ", ".join(name or f"column {index + 1}" for name, index in names)

    parts = [f"sequences in {several([columns.sequence])}", f"counts in {several(columns.bins)}"]
    if columns.totals:
        parts.append(f"total, no bin: {several(columns.totals)}")
    if columns.left_out:
        parts.append(f"left out: {several(columns.left_out)}")
    return "; ".join(parts)


def _is_sequence(text: str) -> bool:
    return bool(text) and not has_foreign(text.encode())


def _is_count(text: str) -> bool:
    digits = text.strip(" ")
    return is_integer(digits) and not digits.startswith("+")


class _Reader:
    """Reads the rows of a table in blocks."""

    def __init__(self, name: str, columns: _Columns, letters: bytes, schema: pa.Schema) -> None:
        self._name, self._columns, self._letters, self._schema = name, columns, letters, schema
        counts = {*columns.bins, *columns.totals}
        self._types = {
            str(index): pa.int64()
            if index in counts
            else pa.string()
            if index == columns.sequence
            else pa.binary()
            for index in range(columns.count)
        }

    def read(self, blocks: Iterable[tuple[int, bytes]]) -> Iterator[pa.RecordBatch]:
        rows, total = 0, ReadTotal(self._name)
        for line, lines in blocks:
            # The first block may contain only the header.
            if not lines:
                continue
            batch = self._parse(lines)
            if batch is None or not self._in_order(batch):
                raise self._fault(line, lines)
            if not rows:
                self._refuse_unnamed_total(batch)
            rows += batch.num_rows
            total.add(batch.columns[1:])
            yield batch
        if not rows:
            raise ValueError(
                f"{self._name}: expected rows after the names of the columns, got none"
            )

    def _parse(self, lines: bytes) -> pa.RecordBatch | None:
        columns = self._columns
        batch = parse_columns(lines, self._types, quoted=b'"' in lines, delimiter=columns.delimiter)
        if batch is None:
            return None
        order = columns.sequence, *columns.bins, *columns.totals
        return pa.record_batch([batch.column(each) for each in order], schema=self._schema)

    def _in_order(self, batch: pa.RecordBatch) -> bool:
        sequence = batch.column(0)
        return (
            not _letters(sequence).translate(None, self._letters)
            and compute.min(compute.binary_length(sequence)).as_py() > 0
            and all(compute.min(column).as_py() >= 0 for column in batch.columns[1:])
        )

    def _refuse_unnamed_total(self, batch: pa.RecordBatch) -> None:
        """Raises ValueError if the last bin is the sum of the others: it must be a total."""
        *bins, last = self._columns.bins
        if len(bins) < 2 or batch.num_rows < 2:
            return
        counts = np.stack([column.to_numpy() for column in batch.columns[1 : len(bins) + 2]])
        if (counts[-1] == counts[:-1].sum(axis=0)).all() and counts.any():
            raise ValueError(
                f"{self._name}: expected counts of a bin in {self._columns.label(last)}, got the "
                "sum of the others in every row; name the columns in the first line, and that one "
                f"{TOTAL}"
            )

    def _fault(self, first: int, lines: bytes) -> ValueError:
        """Checks the lines one by one; returns the error for the first invalid line."""
        for line, text in enumerate(lines.split(b"\n")[:-1], first):
            if problem := self._problem(text):
                remedy = "correct or remove the line"
                if line == 1:
                    remedy += f", or name the column of sequences {SEQUENCE!r} if these are names"
                return ValueError(f"{self._name}:{line}: {problem}; {remedy}")
        raise AssertionError(
            f"{self._name}: a line from {first} on was refused, but every one is in order"
        )

    def _problem(self, line: bytes) -> str | None:
        columns = self._columns
        try:
            fields = split_fields(line.decode(errors="replace"), columns.delimiter)
        except ValueError as error:
            return str(error)
        if len(fields) != columns.count:
            return f"expected {columns.count} columns as in line 1, got {len(fields)}"
        sequence = fields[columns.sequence]
        if not sequence:
            return "expected a sequence, got an empty field"
        for base, letter in enumerate(sequence, 1):
            if letter not in self._letters.decode():
                kind = (
                    "nucleotide letters"
                    if self._letters == _ANY_CASE.encode()
                    else (f"the letters {self._letters.decode()}")
                )
                return f"expected a sequence of {kind}, got {letter!r} at base {base}"
        for column in (*columns.bins, *columns.totals):
            text = fields[column]
            if not (_is_count(text) and 0 <= parse_integer(text.strip(" ")) <= _LARGEST):
                return f"expected a count, 0 or more, in {columns.label(column)}, got {shown(text)}"
        return None


def _letters(strings: pa.Array) -> bytes:
    """The text of all strings, concatenated."""
    _, offsets, text = strings.buffers()
    ends = np.frombuffer(offsets, np.int32)[strings.offset :][: len(strings) + 1]
    return b"" if text is None else text.slice(ends[0], ends[-1] - ends[0]).to_pybytes()
