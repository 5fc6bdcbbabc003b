"""Counts, joins and sorts more rows than fit in memory, with DuckDB."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from cisreg.delayed_signals import temporary_folder
from cisreg.limits import thread_count
from cisreg.number_text import parse_float, shown
from cisreg.prepare.packages import load_package
from cisreg.streams import STANDARD

_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_SIZE = re.compile("(.+?) ?([MGT]I?B)", re.IGNORECASE | re.ASCII)
# Memory of the process besides DuckDB's buffers: Python, Arrow, blocks of text, and memory that the
# allocator has not yet returned.
_OUTSIDE_DUCKDB = 350 * 10**6
_LEAST_MEMORY = 500 * 10**6
_MOST_MEMORY = 2**62
# Rows per batch of a query's result.
_ROWS = 50_000


@dataclass(frozen=True)
class Resources:
    """Limits of memory and threads, and the folder for temporary files.

    Attributes:
        memory: approximate memory limit of the process, such as "4GB" or "512MiB", 500MB or more;
            data beyond it goes to temporary files.
        threads: threads of DuckDB; None: one per available core.
        temporary_folder: existing folder for temporary files; None: beside the output, or the
            system's temporary folder if the output is standard output.
    """

    memory: str = "4GB"
    threads: int | None = None
    temporary_folder: str | os.PathLike[str] | None = None


class Database:
    """A temporary database; inputs and query results are streams of Arrow batches."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._failure: BaseException | None = None

    def register(self, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Registers a stream of batches as a view, which one query can read once."""
        reader = pa.RecordBatchReader.from_batches(schema, self._watched(batches))
        self._connection.register(name, reader)

    def run(self, query: str) -> None:
        """Runs a statement to its end."""
        with self._translated_errors():
            self._connection.execute(query)

    def row(self, query: str) -> tuple[Any, ...] | None:
        """The only row of a query's result, or None."""
        with self._translated_errors():
            # Fetches all rows: the connection is free for other queries only after the last one.
            rows = self._connection.execute(query).fetchall()
        return rows[0] if rows else None

    def stream(self, query: str) -> Iterator[pa.RecordBatch]:
        """Streams the result of a query in batches."""
        with self._translated_errors():
            yield from self._connection.sql(query).to_arrow_reader(_ROWS)

    def _watched(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # Keeps errors from reading files, which DuckDB would turn into text with a traceback.
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
    """Opens an empty database, which is always deleted at the end of the block.

    Args:
        resources: memory, threads and folder.
        output: the output file; temporary files are written beside it.

    Yields:
        The database.

    Raises:
        ImportError: DuckDB is not installed.
        ValueError: memory or threads are invalid; in the block: too little memory.
        OSError: the temporary folder cannot be written, or its disk is full.
    """
    duckdb = load_package("duckdb")
    memory = _duckdb_memory(resources.memory)
    threads = thread_count(resources.threads)
    with _temporary_folder(resources, output) as folder:
        connection = duckdb.connect(
            str(folder / "tables.duckdb"),
            config={
                "memory_limit": f"{memory}B",
                "threads": threads,
                "temp_directory": str(folder / "spill"),
                # Keeping the order of insertion takes memory; queries sort explicitly.
                "preserve_insertion_order": False,
                # DuckDB assumes that a stream of unknown length is short, so that joins would build
                # their hash table from it instead of from the smaller table on the right.
                "disabled_optimizers": "build_side_probe_side",
                # Never downloads anything.
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
    match = _SIZE.fullmatch(text)
    size = 0
    if match:
        with suppress(ValueError):
            size = int(min(parse_float(match[1]) * _UNITS[match[2].upper()], _MOST_MEMORY))
    if size < _LEAST_MEMORY:
        raise ValueError(
            f"memory: expected a size of 500MB or more, such as 4GB or 16GiB, got {shown(text)}"
        )
    return size - _OUTSIDE_DUCKDB


@contextmanager
def _temporary_folder(resources: Resources, output: str | os.PathLike[str]) -> Iterator[Path]:
    parent = resources.temporary_folder
    if parent is None and os.fspath(output) != STANDARD:
        parent = Path(output).parent
    if parent is not None and not Path(parent).is_dir():
        what = "temporary folder" if resources.temporary_folder else "output"
        raise FileNotFoundError(f"{what}: expected an existing folder, got {parent}; make it")
    with temporary_folder("cisreg-temporary-", parent) as folder:
        # DuckDB takes a path such as md:x/tables or :memory:x for a connection; never one that
        # begins at the root.
        yield Path(folder).absolute()
