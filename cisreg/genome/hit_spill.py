"""Hits that wait on disk until all are known, as q-values need it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pyarrow as pa

from cisreg.delayed_signals import temporary_folder
from cisreg.file_checks import STANDARD, PathLike
from cisreg.files import open_own_file

_NAME = "hits.arrow"


class SpilledHits:
    """Tables of hits in a temporary file; `spill_hits` makes it.

    Attributes:
        count: number of hits.
    """

    def __init__(self, path: Path) -> None:
        self.count = 0
        self._path = path
        self._file = io.BufferedWriter(cast(io.RawIOBase, open_own_file(path)))
        self._writer: pa.RecordBatchStreamWriter | None = None

    def write(self, hits: pa.Table) -> None:
        """Puts a table behind those before.

        Args:
            hits: columns of the same types in every table.

        Raises:
            OSError: the disk is full.
        """
        try:
            if self._writer is None:
                # The numbers of a scan hardly get smaller by better compression.
                options = pa.ipc.IpcWriteOptions(compression="lz4")
                self._writer = pa.ipc.new_stream(self._file, hits.schema, options=options)
            self._writer.write_table(hits)
        except OSError as error:
            error.filename = error.filename or str(self._path)
            raise
        self.count += len(hits)

    def tables(self) -> Iterator[pa.Table]:
        """All tables, in their order; nothing can be written any more."""
        if self._writer is None:
            return
        self._writer.close()
        self._file.flush()
        with pa.OSFile(str(self._path), "rb") as file, pa.ipc.open_stream(file) as stream:
            for batch in stream:
                yield pa.Table.from_batches([batch])

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


@contextmanager
def spill_hits(beside: PathLike) -> Iterator[SpilledHits]:
    """A temporary file for hits, in a folder beside a file, which goes with the block.

    Args:
        beside: the file that the hits will be written to; "-", standard output: the file lies in
            the system's folder for temporary files.

    Raises:
        OSError: the folder is not writable.

    Example:
        >>> with spill_hits("hits.bed") as spilled:
        ...     spilled.write(pa.table({"start": [3]}))
        ...     [table["start"].to_pylist() for table in spilled.tables()]
        [[3]]
    """
    parent = None if os.fspath(beside) == STANDARD else Path(beside).parent
    with temporary_folder("cisreg-", parent) as folder:
        spilled = SpilledHits(Path(folder) / _NAME)
        try:
            yield spilled
        finally:
            spilled.close()
