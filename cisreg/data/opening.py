"""Opening of datasets in files: finds the files, their kind and their columns."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cisreg.data.dataset import Dataset
from cisreg.data.files import DatasetFiles
from cisreg.data.formats.fasta import FastaReader, read_measurements
from cisreg.data.formats.parquet import ParquetReader
from cisreg.data.formats.recognition import FASTA, ONE_HOT, PARQUET, TABLE, Start, look
from cisreg.data.formats.rows import Columns
from cisreg.data.formats.sources import PathLike, Source, find_files
from cisreg.data.formats.text_reader import OneHotReader, TableReader
from cisreg.data.identity import Reader
from cisreg.limits import LONGEST_RECORD, MOST_LANES, check_range
from cisreg.sequences import Side

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
    partly_measured: bool = False,
    lanes: int = 16,
    filesystem: Any = None,
) -> DatasetFiles:
    """Opens any number of files of sequences and measurements, of any size, without reading them.

    The files are Parquet; TSV or CSV, plain or compressed (.gz, .zst, .bz2); one-hot text, the
    input of CisRegModels; or FASTA. The kind is recognised by the content and is the same for all
    files. Lines of text that begin with # are comments.

    Rows that cannot be used are left out, counted by reason, and reported in the log at the end of
    a pass. Reasons are: an empty sequence, letters that are not nucleotide codes, an expression
    that is not a finite float32 number, a weight that is negative or not finite, a line with a
    different number of columns than the first. For FASTA with measurements also: a record without a
    measurement, or a name that occurs twice.

    Args:
        source: a path; a glob (* ? [ ] and ** for any folders); a folder of Parquet files, or one
            that `cisreg convert` wrote; a URL (s3://, gs://, hdfs://, memory://, file://); "-" for
            standard input; or a list of these. Files are sorted by name.
        length: L, bases of every encoded sequence; None: the length of the longest, which is known
            from the manifest or found by a pass over all files.
        side: where shorter sequences are padded and longer ones trimmed.
        columns: the column of each role. Roles that are not given are found: by the manifest, else
            by usual names, else, in a table of two columns, by which one holds sequences. A table
            without numbers has no measurement: K is 0. For FASTA these are columns of
            `measurements`.
        measurements: for FASTA: a table (TSV, CSV, Parquet) with a column of names and columns of
            expression and weight as above. The name of a record is the first word of its header.
            None: K is 0.
        decimal_comma: whether numbers in text have a decimal comma ("5,1").
        strict: whether a row that cannot be used is an error.
        partly_measured: whether a row that lacks some of several measurements, replicates or those
            of several outputs, is kept, with NaN for them; `mean_expression` is the mean of the
            others. Counts of sorting bins (`columns.counted`) belong together: a row has all of
            them, or is left out; and counts with an exposure need that.
        lanes: number of row groups that training reads at a time when it streams (see
            `cisreg.data.feeding.stream.FileFeed`), at least the number of workers.
        filesystem: the pyarrow or fsspec filesystem of the paths; None: found from the paths.

    Raises:
        FileNotFoundError: a file does not exist, or a glob matches no file.
        ValueError: a file that is damaged, of a format that is not read here or of a different kind
            than the first; columns that are missing or not clear. The message names the file.
        ImportError: a URL that needs fsspec, which is not installed.

    Example:
        >>> data = open_dataset("train/*.parquet", length=110)  # doctest: +SKIP
        >>> data.load().sequence.shape  # doctest: +SKIP
        (1000000, 110)
    """
    if side not in ("left", "right"):
        raise ValueError(f'side: expected "left" or "right", got {side!r}')
    if length is not None:
        check_range("length", length, 1, LONGEST_RECORD)
    check_range("lanes", lanes, 1, MOST_LANES)
    found = find_files(source, filesystem)
    starts = _looked_at(found)
    if measurements is not None and starts[0].kind != FASTA:
        raise ValueError(f"measurements: expected FASTA with them, got {starts[0].kind}")
    asked = columns or Columns()
    if starts[0].kind == FASTA:
        how = {
            "strict": strict,
            "decimal_comma": decimal_comma,
            "partly_measured": partly_measured and asked.counted != "bins",
            "exposure": asked.counted == "exposure",
        }
        reader = _fasta(starts, asked, measurements, filesystem, how)
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
        partly_measured=partly_measured and asked.counted != "bins",
        exposure=asked.counted == "exposure",
    )
    logger.info("%s: %s", data.files[0], data.columns.described)
    if isinstance(reader, (TableReader, ParquetReader)) and data.expression_names:
        _tell_parts(reader)
    return data


def _tell_parts(reader: TableReader | ParquetReader) -> None:
    if reader.unread_parts is not None:
        logger.warning(
            "%s: the column %r says which rows are for training, validation and test; all of them "
            "are read alike, unless it is given as --split-column, in Python HoldOut(folds=%r)",
            *(reader.files[0].name, reader.unread_parts, reader.unread_parts),
        )


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
    """Reads files into memory and encodes their sequences. Every row must be usable.

    The same as `open_dataset` with `strict`, then `load`. Names of the sequences are read from a
    column with a usual name, or from the headers of FASTA, if there are any.

    Args:
        source: see `open_dataset`, also for all other arguments.
        length: L, bases per sequence; None: the length of the longest.
        side: where shorter sequences are padded and longer ones trimmed.
        columns: the column of each role; None: found by their usual names.
        measurements: for FASTA, a table with the columns name and expression.
        decimal_comma: whether numbers in text have a decimal comma.
        filesystem: the pyarrow or fsspec filesystem of the paths.

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
    """Looks at the beginning of each file, and checks that all are of one kind."""
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
    assert kind == PARQUET  # the only kind left
    if found.manifest is not None:
        asked = asked.or_else(found.manifest.columns)
    return ParquetReader(starts, asked, found.manifest)


def _fasta(
    starts: list[Start],
    asked: Columns,
    measurements: PathLike | None,
    filesystem: Any,
    how: dict[str, bool],
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
    measured = read_measurements(look(table[0]), asked, **how)
    return FastaReader(files, measured, named=named)
