"""Opening of datasets in files: which files, of what kind, with which columns."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cisreg.data.files import DatasetFiles, Reader, Side
from cisreg.data.formats.fasta import FastaReader, read_measurements
from cisreg.data.formats.one_hot import starts_one_hot
from cisreg.data.formats.parquet import ParquetReader
from cisreg.data.formats.rows import Columns
from cisreg.data.formats.sources import PathLike, Source, SourceFile, find_files
from cisreg.data.formats.text_reader import OneHotReader, TableReader, text_start

_PARQUET_MAGIC = b"PAR1"
_ENCRYPTED_MAGIC = b"PARE"
_UTF8_MARK = b"\xef\xbb\xbf"
_PARQUET_ENDINGS = (".parquet", ".pq", ".parq")
_FASTA_ENDINGS = (".fa", ".fasta", ".fna", ".ffn", ".fas")
_COMPRESSED_ENDINGS = (".gz", ".zst", ".bz2")


def open_dataset(
    source: PathLike | Sequence[PathLike],
    *,
    length: int | None = None,
    side: Side = "left",
    columns: Columns | None = None,
    measurements: PathLike | None = None,
    strict: bool = False,
    lanes: int = 16,
    filesystem: Any = None,
) -> DatasetFiles:
    """Opens files of sequences and measurements of any number and size; none is read as a whole.

    The files are Parquet; TSV or CSV, plain or compressed (.gz, .zst, .bz2); one-hot text as
    CisRegModels wants it; or FASTA. Their content tells, and all are of one kind.

    Rows that cannot be used are left out, counted by reason, and reported in the log once a pass
    is over: those with an empty sequence, with letters that are no nucleotide code, with an
    expression that is no finite number in float32, with a weight that is not finite or negative,
    lines with another number of columns than the first; of FASTA with measurements, records
    without one, and those whose name is there twice.

    Args:
        source: a path; a glob (* ? [ ] and ** for any folders); a folder of Parquet files, or one
            that `cisreg convert` wrote; a URL (s3://, gs://, hdfs://, memory://, file://); or a
            list of these. Files are sorted by name.
        length: L, bases of every encoded sequence; None: as many as the longest has, which is
            known from the manifest or found by a pass over all files.
        side: where shorter sequences are padded and longer ones trimmed.
        columns: which hold what; None: the manifest's, else those named sequence, expression (or
            expression_1, expression_2 …) and weight in any case, else the first as the sequence
            and the second as the expression. A second column of Parquet that has no numbers is
            not taken: K is 0 then. Of FASTA they are those of `measurements`, and `sequence` is
            the name.
        measurements: of FASTA: a table (TSV, CSV, Parquet) with a column of names, those of the
            expression and a weight as above; a record's name is the first word of its header.
            None: K is 0.
        strict: whether a row that cannot be used is an error.
        lanes: row groups that training reads at a time where it streams them (see
            `cisreg.data.feeding.stream.FileFeed`), at least as many as there are workers.
        filesystem: of pyarrow or fsspec, in which the paths are; None: they tell.

    Raises:
        FileNotFoundError: no such file, or none of a glob.
        ValueError: a file that is damaged or of another kind than the first, columns that are not
            there; by name.
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
    kind = _common_kind(found)
    if measurements is not None and kind != FastaReader.kind:
        raise ValueError(f"measurements: expected FASTA with them, got {kind}")
    reader = _reader(kind, found, columns, measurements, strict, filesystem)
    return DatasetFiles(
        reader, length=length, side=side, strict=strict, manifest=found.manifest, lanes=lanes
    )


def _reader(
    kind: str,
    found: Source,
    columns: Columns | None,
    measurements: PathLike | None,
    strict: bool,
    filesystem: Any,
) -> Reader:
    files = found.files
    if kind == ParquetReader.kind:
        if columns is None and found.manifest is not None:
            columns = found.manifest.columns
        return ParquetReader(files, columns, found.manifest)
    if kind == TableReader.kind:
        return TableReader(files, columns)
    if kind == OneHotReader.kind:
        return OneHotReader(files, columns)
    if measurements is None:
        if columns is not None:
            raise ValueError("columns: expected measurements with them, got FASTA alone")
        return FastaReader(files, None)
    table = find_files(measurements, filesystem).files
    if len(table) != 1:
        raise ValueError(f"measurements: expected one file, got {len(table)} for {measurements}")
    is_parquet = kind_of(table[0]) == ParquetReader.kind
    return FastaReader(
        files, read_measurements(table[0], columns, is_parquet=is_parquet, strict=strict)
    )


def kind_of(file: SourceFile) -> str:
    """What a file is, by its content: "Parquet", "FASTA", "one-hot text" or "table".

    Raises:
        FileNotFoundError, ValueError: by name: it cannot be read, or is no Parquet file though
            its name says so.
    """
    with file.open_text() as stream:
        magic = stream.read(len(_PARQUET_MAGIC))
    if magic == _PARQUET_MAGIC:
        return ParquetReader.kind
    if magic == _ENCRYPTED_MAGIC:
        raise ValueError(
            f"{file.name}: expected a Parquet file that anyone can read, got an encrypted one; "
            "write it without encryption"
        )
    name = file.name.lower()
    if name.endswith(_PARQUET_ENDINGS):
        raise ValueError(f"{file.name}: expected a Parquet file, as its name says, got another")
    for ending in _COMPRESSED_ENDINGS:
        name = name.removesuffix(ending)
    start = text_start(file)
    if start.removeprefix(_UTF8_MARK).lstrip().startswith(b">") or name.endswith(_FASTA_ENDINGS):
        return FastaReader.kind
    return OneHotReader.kind if starts_one_hot(start) else TableReader.kind


def is_table(path: PathLike) -> bool:
    """Whether a path is what `read_table` reads, or nothing that anything reads.

    Raises:
        ValueError: by name: the file cannot be read.
    """
    if Path(path).is_dir() or "://" in os.fspath(path):
        return False
    if not Path(path).is_file():
        return True
    return kind_of(find_files(path).files[0]) in (TableReader.kind, OneHotReader.kind)


def _common_kind(found: Source) -> str:
    if found.manifest is not None:
        return ParquetReader.kind
    kinds = [kind_of(file) for file in found.files]
    for file, kind in zip(found.files, kinds, strict=True):
        if kind != kinds[0]:
            raise ValueError(
                f"{file.name}: expected {kinds[0]} as in {found.files[0].name}, got {kind}; open "
                "files of different kinds apart"
            )
    return kinds[0]
