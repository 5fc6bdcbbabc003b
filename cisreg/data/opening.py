"""Opening of datasets in files: which files, of what kind, with which columns."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cisreg.data.dataset import Dataset
from cisreg.data.files import DatasetFiles, Reader, Side
from cisreg.data.formats.fasta import FastaReader, read_measurements
from cisreg.data.formats.parquet import ParquetReader
from cisreg.data.formats.recognition import FASTA, ONE_HOT, PARQUET, TABLE, Start, look
from cisreg.data.formats.rows import Columns
from cisreg.data.formats.sources import PathLike, Source, find_files
from cisreg.data.formats.text_reader import OneHotReader, TableReader

logger = logging.getLogger("cisreg.data")

_OPEN_AT_ONCE = 16


def open_dataset(
    source: PathLike | Sequence[PathLike],
    *,
    length: int | None = None,
    side: Side = "left",
    columns: Columns | None = None,
    measurements: PathLike | None = None,
    decimal_comma: bool = False,
    strict: bool = False,
    lanes: int = 16,
    filesystem: Any = None,
) -> DatasetFiles:
    """Opens files of sequences and measurements of any number and size; none is read as a whole.

    The files are Parquet; TSV or CSV, plain or compressed (.gz, .zst, .bz2); one-hot text as
    CisRegModels wants it; or FASTA. Their content tells, and all are of one kind. Lines of text
    that begin with # are comments.

    Rows that cannot be used are left out, counted by reason, and reported in the log once a pass
    is over: an empty sequence, letters that are not nucleotide codes, an expression that is not a
    finite float32 number, a weight that is negative or not finite, a line with another number of
    columns than the first; of FASTA with measurements, a record without a measurement, or a name
    that occurs twice.

    Args:
        source: a path; a glob (* ? [ ] and ** for any folders); a folder of Parquet files, or one
            that `cisreg convert` wrote; a URL (s3://, gs://, hdfs://, memory://, file://); "-" for
            standard input; or a list of these. Files are sorted by name.
        length: L, bases of every encoded sequence; None: as many as the longest has, which is
            known from the manifest or found by a pass over all files.
        side: where shorter sequences are padded and longer ones trimmed.
        columns: which hold what; what is not said, or None: the manifest's, else those with usual
            names, else of two columns the one with sequences and the other one. A table without
            numbers has no measurement: K is 0. Of FASTA they are those of `measurements`.
        measurements: of FASTA: a table (TSV, CSV, Parquet) with a column of names, those of the
            expression and a weight as above; a record's name is the first word of its header.
            None: K is 0.
        decimal_comma: whether numbers in text have a decimal comma ("5,1").
        strict: whether a row that cannot be used is an error.
        lanes: row groups that training reads at a time where it streams them (see
            `cisreg.data.feeding.stream.FileFeed`), at least as many as there are workers.
        filesystem: of pyarrow or fsspec, in which the paths are; None: they tell.

    Raises:
        FileNotFoundError: no such file, or none of a glob.
        ValueError: a file that is damaged, of a format that is not read here or of a different kind
            than the first; columns that are not there, or not clear; by name.
        ImportError: a URL that wants fsspec, which is not installed.

    Example:
        >>> data = open_dataset("train/*.parquet", length=110)  # doctest: +SKIP
        >>> data.load().sequence.shape  # doctest: +SKIP
        (1000000, 110)
    """
    if side not in ("left", "right"):
        raise ValueError(f'side: expected "left" or "right", got {side!r}')
    if length is not None and length < 1:
        raise ValueError(f"length: expected 1 or more bases, or None, got {length}")
    if lanes < 1:
        raise ValueError(f"lanes: expected 1 or more, got {lanes}")
    found = find_files(source, filesystem)
    starts = _looked_at(found)
    if measurements is not None and starts[0].kind != FASTA:
        raise ValueError(f"measurements: expected FASTA with them, got {starts[0].kind}")
    asked = columns or Columns()
    if starts[0].kind == FASTA:
        reader = _fasta(starts, asked, measurements, strict, decimal_comma, filesystem)
    else:
        reader = _table(starts, asked, found, decimal_comma)
    data = DatasetFiles(
        reader,
        length=length,
        side=side,
        strict=strict,
        manifest=found.manifest,
        lanes=lanes,
        without_expression=asked.expression == (),
    )
    logger.info("%s: %s", data.files[0], data.columns.described)
    return data


def read_dataset(
    source: PathLike | Sequence[PathLike],
    length: int | None = None,
    *,
    side: Side = "left",
    columns: Columns | None = None,
    measurements: PathLike | None = None,
    decimal_comma: bool = False,
    filesystem: Any = None,
) -> Dataset:
    """Reads files into memory, of which every row must be in order, and encodes their sequences.

    It is `open_dataset` under strict, and `load`; names of the sequences are read where a column
    with a usual name has them, or headers of FASTA.

    Args:
        source: see `open_dataset`, as for all arguments.
        length: L, bases per sequence; None: those of the longest.
        side: where shorter sequences are padded and longer ones trimmed.
        columns: which hold what; None: found by their usual names.
        measurements: of FASTA, a table with the columns name and expression.
        decimal_comma: whether numbers in text have a decimal comma.
        filesystem: of pyarrow or fsspec, in which the paths are.

    Raises:
        FileNotFoundError, ValueError: as `open_dataset` and `DatasetFiles.load`.

    Example:
        >>> read_dataset("train.tsv.gz", 110).sequence.shape  # doctest: +SKIP
        (8982, 110)
    """
    return open_dataset(
        source,
        length=length,
        side=side,
        columns=columns or Columns(name=True),
        measurements=measurements,
        decimal_comma=decimal_comma,
        strict=True,
        filesystem=filesystem,
    ).load()


def _looked_at(found: Source) -> list[Start]:
    """What each file is; all are of one kind."""
    with ThreadPoolExecutor(_OPEN_AT_ONCE) as threads:
        starts = list(threads.map(look, found.files))
    for start in starts:
        if start.kind != starts[0].kind:
            raise ValueError(
                f"{start.file.name}: expected {starts[0].kind} as in {starts[0].file.name}, got "
                f"{start.kind}; open files of different kinds apart"
            )
    return starts


def _table(starts: list[Start], asked: Columns, found: Source, decimal_comma: bool) -> Reader:
    kind = starts[0].kind
    if decimal_comma and kind != TABLE:
        raise ValueError(f"decimal_comma: expected tables of text with it, got {kind}")
    if kind == ONE_HOT:
        return OneHotReader(starts, asked)
    if kind == TABLE:
        return TableReader(starts, asked, decimal_comma=decimal_comma)
    assert kind == PARQUET  # there is no other one
    if found.manifest is not None:
        asked = asked.or_else(found.manifest.columns)
    return ParquetReader(starts, asked, found.manifest)


def _fasta(
    starts: list[Start],
    asked: Columns,
    measurements: PathLike | None,
    strict: bool,
    decimal_comma: bool,
    filesystem: Any,
) -> Reader:
    files = [start.file for start in starts]
    named = asked.name is not False
    if measurements is None:
        if (
            asked.sequence is not None
            or asked.expression
            or asked.extra
            or asked.name
            not in (
                True,
                False,
            )
        ):
            raise ValueError(
                "columns: expected measurements with them, got FASTA alone; --measurements, in "
                "Python measurements, gives the table"
            )
        return FastaReader(files, None, named=named)
    table = find_files(measurements, filesystem).files
    if len(table) != 1:
        raise ValueError(f"measurements: expected one file, got {len(table)} for {measurements}")
    measured = read_measurements(look(table[0]), asked, strict=strict, decimal_comma=decimal_comma)
    return FastaReader(files, measured, named=named)
