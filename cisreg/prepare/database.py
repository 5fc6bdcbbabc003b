"""Counting, joining and sorting of more rows than the memory holds, on DuckDB."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from cisreg.prepare.packages import load_package
from cisreg.streams import STANDARD

_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([MGT]I?B)", re.IGNORECASE)
# What the process takes besides DuckDB's own buffers: Python, Arrow, the blocks of text that are
# read and written, and what the allocator cannot return at once.
_OUTSIDE_DUCKDB = 350 * 10**6
_LEAST_MEMORY = 500 * 10**6
# Rows that leave DuckDB at once.
_ROWS = 50_000


@dataclass(frozen=True)
class Resources:
    """What a step may take of the machine.

    Attributes:
        memory: about the most that the process holds, such as "4GB" or "512MiB", 500MB or more;
            the rest goes to the disk.
        threads: threads of DuckDB; None for one per available core.
        temporary_folder: where that goes, an existing folder; None for beside the output, or the
            system's folder for temporary files where the output is standard output.
    """

    memory: str = "4GB"
    threads: int | None = None
    temporary_folder: str | os.PathLike[str] | None = None


class Database:
    """A database of one run. Streams of Arrow batches go in, queries come out as such."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._failure: BaseException | None = None

    def register(self, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Makes batches a view that can be read once; they are made while a query reads it."""
        reader = pa.RecordBatchReader.from_batches(schema, self._watched(batches))
        self._connection.register(name, reader)

    def run(self, query: str) -> None:
        """Runs a statement to its end."""
        with self._translated_errors():
            self._connection.execute(query)

    def row(self, query: str) -> tuple[Any, ...] | None:
        """The only row of a query's result, or None."""
        with self._translated_errors():
            # All of it: the connection is free for other queries only after the end.
            rows = self._connection.execute(query).fetchall()
        return rows[0] if rows else None

    def stream(self, query: str) -> Iterator[pa.RecordBatch]:
        """The result of a query, batch after batch, as it is computed."""
        with self._translated_errors():
            yield from self._connection.sql(query).to_arrow_reader(_ROWS)

    def _watched(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # DuckDB would make a message with a traceback in it of what the reading of a file raises.
        try:
            yield from batches
        except BaseException as error:
            self._failure = error
            raise

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        duckdb = load_package("duckdb")
        try:
            yield
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            if self._failure is not None:
                raise self._failure from None
            text = str(error).partition("\n")[0]
            if isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory" in text:
                raise ValueError(
                    f"memory: expected enough for this many rows, got too little ({text}); give "
                    "more memory, fewer threads, or a temporary folder with more space"
                ) from None
            if isinstance(error, (duckdb.ConversionException, duckdb.OutOfRangeException)):
                raise ValueError(f"counts: expected sums below 2^63, got more ({text})") from None
            if isinstance(error, (duckdb.IOException, OSError)):
                raise OSError(f"temporary folder: cannot be written or read ({text})") from None
            raise


@contextmanager
def open_database(resources: Resources, output: str | os.PathLike[str]) -> Iterator[Database]:
    """Opens an empty database that is removed at the end, whatever happens in the block.

    Args:
        resources: memory, threads and folder.
        output: the file that the run writes; what does not fit the memory goes beside it.

    Yields:
        The database.

    Raises:
        ImportError: DuckDB is not installed.
        ValueError: resources that make no sense, or, in the block, too little memory.
        OSError: the temporary folder cannot be written, or its disk is full.
    """
    duckdb = load_package("duckdb")
    memory = _duckdb_memory(resources.memory)
    threads = _thread_count(resources.threads)
    with _temporary_folder(resources, output) as folder:
        connection = duckdb.connect(
            str(folder / "tables.duckdb"),
            config={
                "memory_limit": f"{memory}B",
                "threads": threads,
                "temp_directory": str(folder / "spill"),
                # Every query that is written says its order; to keep another takes memory.
                "preserve_insertion_order": False,
                # A stream, whose length is not known, is taken for short: joins would hold it in
                # memory, and not the table on their right, whose rows are fewer.
                "disabled_optimizers": "build_side_probe_side",
                # Nothing is fetched from elsewhere.
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        try:
            yield Database(connection)
        finally:
            connection.close()


def _duckdb_memory(text: str) -> int:
    """Bytes of DuckDB's share."""
    match = _SIZE.fullmatch(text.strip())
    size = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    if size < _LEAST_MEMORY:
        raise ValueError(
            f"memory: expected a size of 500MB or more, such as 4GB or 16GiB, got {text!r}"
        )
    return size - _OUTSIDE_DUCKDB


def _thread_count(threads: int | None) -> int:
    if threads is None:
        return len(os.sched_getaffinity(0))
    if threads < 1:
        raise ValueError(f"threads: expected 1 or more, or None, got {threads}")
    return threads


@contextmanager
def _temporary_folder(resources: Resources, output: str | os.PathLike[str]) -> Iterator[Path]:
    name, parent = "cisreg", resources.temporary_folder
    if os.fspath(output) != STANDARD:
        name, parent = Path(output).name, parent or Path(output).parent
    if parent is not None and not Path(parent).is_dir():
        what = "temporary folder" if resources.temporary_folder else "output"
        raise FileNotFoundError(f"{what}: expected an existing folder, got {parent}; make it")
    with tempfile.TemporaryDirectory(prefix=f"{name}.temporary-", dir=parent) as folder:
        yield Path(folder)
