"""What identifies the files of a dataset: checksums of their content, or what is known of them."""

from __future__ import annotations

import os
from collections.abc import Iterator

from cisreg.data.formats.fasta import FastaReader
from cisreg.data.formats.manifest import Manifest
from cisreg.data.formats.parquet import ParquetReader
from cisreg.data.formats.sources import SourceFile
from cisreg.data.formats.text_reader import OneHotReader, TableReader

Reader = ParquetReader | TableReader | OneHotReader | FastaReader


def all_files(reader: Reader) -> Iterator[SourceFile]:
    """The files that a reader reads, that of measurements too."""
    yield from reader.files
    if isinstance(reader, FastaReader) and reader.measurements is not None:
        yield reader.measurements.file


def identities(reader: Reader, manifest: Manifest | None) -> Iterator[str]:
    """What identifies each file; see `DatasetFiles.content_fingerprint`.

    Raises:
        FileNotFoundError, ValueError: a file was removed or cannot be read.
    """
    if manifest is not None:
        # Not the names: a dataset that was converted anew is the same with others.
        for stated in manifest.files:
            yield stated.sha256
        return
    for index, file in enumerate(all_files(reader)):
        name = os.path.basename(file.path)  # noqa: PTH119, of any filesystem
        if isinstance(reader, ParquetReader):
            yield f"{name} {file.size} {reader.file_identity(index)}"
        else:
            yield f"{name} {file.size} {file.modified}"
