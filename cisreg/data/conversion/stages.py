"""The steps of a conversion: read into sorted runs, write files, move them into place."""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.parquet as pq
from rich.progress import Progress, TaskID

from cisreg.data.conversion.journal import Journal
from cisreg.data.conversion.spill import (
    SEQUENCE,
    WEIGHT,
    Spill,
    sorted_table,
    summed,
    without_key,
    write_run,
)
from cisreg.data.conversion.state import (
    SPILL,
    ConversionOptions,
    ConversionState,
    has_size,
    remove_parts,
    remove_work,
)
from cisreg.data.feeding.lengths import Lengths
from cisreg.data.formats.manifest import (
    MANIFEST,
    WORK_FOLDER,
    Manifest,
    ManifestFile,
    files_of_dataset,
    write_manifest,
)
from cisreg.data.formats.rows import Columns, Rows
from cisreg.files import give_new_name, remove_leftovers, replace_file
from cisreg.limits import MOST_FILES, check_memory
from cisreg.locks import check_locks

if TYPE_CHECKING:
    from cisreg.data.files import DatasetFiles

logger = logging.getLogger("cisreg.data")

# Bytes of rows that are sorted in memory at a time, and that each thread gathers at a time.
_RUN_BYTES = 1 << 25
_UNIT_BYTES = 1 << 24
# Measured on 2^20 rows of 80 to 110 random bases: DELTA_LENGTH_BYTE_ARRAY takes 4 to 5 % less space
# than PLAIN (39.7 and 41.5 MB) and is read as fast (0.15 s). zstd level 3 saves 1 % more but costs
# a fifth of the speed. BYTE_STREAM_SPLIT for the expression saves nothing.
_WRITING: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": False,
    "column_encoding": {SEQUENCE: "DELTA_LENGTH_BYTE_ARRAY"},
    "write_page_checksum": True,
    "store_schema": True,
}


class Conversion:
    """The steps of one conversion; each step continues from the saved state."""

    def __init__(
        self,
        source: DatasetFiles,
        folder: Path,
        options: ConversionOptions,
        state: ConversionState,
        journal: Journal,
        bar: Progress,
    ) -> None:
        self._source, self._folder, self._options = source, folder, options
        self._work = folder / WORK_FOLDER
        self._state, self._journal, self._bar = state, journal, bar
        self._names: list[str] = state.request["names"]

    def run(self, threads: int) -> Manifest:
        """Does the remaining steps."""
        if self._state.moving is None:
            if self._state.read is None:
                self._read()
            self._write(threads)
        return self._move()

    def _read(self) -> None:
        """Reads the source into sorted runs. A run is sorted and written while the next is read."""
        state = self._state
        rows = self._unread(sum(run.rows for run in state.runs))
        waiting: Future[None] | None = None
        with ThreadPoolExecutor(1) as thread:
            for parts in _portions(rows, _RUN_BYTES):
                if waiting is not None:
                    waiting.result()
                waiting = thread.submit(self._spill, parts)
            if waiting is not None:
                waiting.result()
        unusable = self._source.unusable
        if not state.runs:
            raise ValueError(unusable.none_left(self._source.files[0]))
        state.read = dict(unusable.reasons)
        self._journal.append({"read": state.read})

    def _unread(self, skip: int) -> Iterator[Rows]:
        """The rows of the source that are in no run yet."""
        task = self._bar.add_task("reading", total=None)
        lengths = Lengths()
        for rows in self._source.blocks():
            lengths.add(rows)
            self._bar.advance(task, len(rows))
            if skip < len(rows):
                yield rows if not skip else rows.slice(skip)
            skip = max(skip - len(rows), 0)
        lengths.warn()
        if skip:
            raise ValueError(
                f"source: expected the rows of the interrupted conversion, got {skip} fewer; "
                "overwrite it to start anew"
            )

    def _spill(self, parts: Sequence[Rows]) -> None:
        state, options = self._state, self._options
        first = sum(run.rows for run in state.runs)
        start = state.runs[-1].stop if state.runs else 0
        table = sorted_table(parts, options.order, options.seed, first)
        run = write_run(self._work / SPILL, start, table)
        state.runs.append(run)
        self._journal.append({"run": run})

    def _write(self, threads: int) -> None:
        """Writes the missing files, several at a time."""
        self._check_sizes()
        spill = Spill(self._work / SPILL, self._state.runs, self._options.order)
        per_file = self._options.rows_per_file
        missing = [
            number
            for number in range(-(-spill.rows // per_file))
            if number not in self._state.parts
        ]
        task = self._bar.add_task(f"writing {spill.rows:,}", total=spill.rows)
        self._bar.advance(task, sum(file.rows for file in self._state.parts.values()))
        waiting: list[Future[None]] = []
        lower = None
        pool = ThreadPoolExecutor(threads)
        try:
            for number in missing:
                bounds = self._bounds(spill, number, lower)
                lower = bounds[-1]
                waiting.append(pool.submit(self._write_part, spill, number, bounds, task))
                # Wait before searching the bounds of further files.
                if len(waiting) > threads:
                    waiting.pop(0).result()
            for done in waiting:
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _check_sizes(self) -> None:
        """Raises ValueError for row groups beyond the memory, or for far too many files."""
        runs, options = self._state.runs, self._options
        rows = sum(run.rows for run in runs)
        files = -(-rows // options.rows_per_file)
        if files > MOST_FILES:
            raise ValueError(
                f"rows_per_file: expected enough for {MOST_FILES:,} files at most, got "
                f"{options.rows_per_file:,}, which makes {files:,} of {rows:,} rows"
            )
        group = min(options.rows_per_group, options.rows_per_file, rows)
        check_memory(
            f"rows_per_group: {group:,} rows at a time",
            # The rows of the runs, sorted, and as Parquet.
            int(4 * group * self._row_bytes()),
            "give a smaller number",
        )

    def _row_bytes(self) -> float:
        """Bytes of a row in memory, in the run that has the longest on average."""
        numbers = 4 * (len(self._names) + 1) + 16
        return max(run.bases / run.rows for run in self._state.runs) + numbers

    def _bounds(self, spill: Spill, number: int, lower: np.ndarray | None) -> list[np.ndarray]:
        """Positions that divide a file's rows into portions of some row groups each."""
        options = self._options
        groups = max(int(_UNIT_BYTES / self._row_bytes()) // options.rows_per_group, 1)
        first = number * options.rows_per_file
        last = min(first + options.rows_per_file, spill.rows)
        bounds = []
        for rank in [*range(first, last, groups * options.rows_per_group), last]:
            lower = spill.positions(rank, lower)
            bounds.append(lower)
        return bounds

    def _write_part(
        self, spill: Spill, number: int, bounds: Sequence[np.ndarray], task: TaskID
    ) -> None:
        name, digest, rows = f"part-{number:05d}.parquet", hashlib.sha256(), 0
        schema = self._schema()
        with replace_file(self._work / name) as file:
            sink = summed(file, digest.update)
            with pq.ParquetWriter(sink, schema, **_WRITING) as writer:
                for start, stop in itertools.pairwise(bounds):
                    table = self._output_table(spill.gather(start, stop), schema)
                    writer.write_table(table, self._options.rows_per_group)
                    rows += table.num_rows
                    self._bar.advance(task, table.num_rows)
            size = sink.tell()
        part = ManifestFile(name, rows, size, digest.hexdigest())
        self._state.parts[number] = part
        self._journal.append({"part": number, "file": vars(part)})

    def _schema(self) -> pa.Schema:
        numbers = [*self._names, *([WEIGHT] if self._source.weighted else [])]
        return pa.schema([(SEQUENCE, pa.string()), *((name, pa.float32()) for name in numbers)])

    def _output_table(self, table: pa.Table, schema: pa.Schema) -> pa.Table:
        try:
            return _with_missing(without_key(table)).rename_columns(schema.names).cast(schema)
        except pa.ArrowInvalid:
            raise ValueError(
                "rows_per_group: expected row groups of less than 2^31 bases, got "
                f"{self._options.rows_per_group} rows that have more; make them smaller"
            ) from None

    def _manifest(self) -> Manifest:
        state = self._state
        assert state.read is not None  # the whole source was read
        assert state.moving is not None  # the files have their names
        parts = [state.parts[number] for number in range(len(state.parts))]
        return Manifest(
            rows=sum(run.rows for run in state.runs),
            order=self._options.order,
            longest=max(run.longest for run in state.runs),
            shortest=min(run.shortest for run in state.runs),
            columns=Columns(
                SEQUENCE, tuple(self._names), WEIGHT if self._source.weighted else False
            ),
            files=tuple(
                replace(part, name=name) for part, name in zip(parts, state.moving, strict=True)
            ),
            unusable=state.read,
        )

    def _begin_moving(self) -> None:
        """Chooses names for the files that nothing in the folder has, and records them."""
        state = self._state
        if state.moving is not None:
            return
        state.replaced = files_of_dataset(self._folder) or {}
        state.moving = [
            _free_name(self._folder, state.parts[number]) for number in range(len(state.parts))
        ]
        self._journal.append(state.moving_entry())

    def _move(self) -> Manifest:
        """Moves the files into the folder, then replaces the manifest, then deletes older files.

        An older dataset can be read until the manifest is replaced, and the new one from then on.
        """
        self._begin_moving()
        manifest, state = self._manifest(), self._state
        for number, file in enumerate(manifest.files):
            check_locks(self._folder)
            made = self._work / state.parts[number].name
            if os.path.lexists(made):
                _give_name(made, self._folder / file.name)
            elif not has_size(self._folder / file.name, file.bytes):
                raise ValueError(
                    f"{self._folder / file.name}: expected the file that was moved there, got none "
                    "or another; overwrite the conversion to start anew"
                )
        write_manifest(self._folder, manifest)
        remove_leftovers(self._folder, re.compile(re.escape(MANIFEST)))
        names = {file.name for file in manifest.files}
        remove_parts(
            self._folder,
            {name: size for name, size in state.replaced.items() if name not in names},
        )
        remove_work(self._work)
        _warn_of_others(self._folder, names)
        return manifest


def _with_missing(table: pa.Table) -> pa.Table:
    """The table with NaN, of measurements that a row lacks, as missing values of Arrow."""
    for index, column in enumerate(table.columns):
        if not pa.types.is_floating(column.type):
            continue
        lacking = compute.is_nan(column)
        if compute.any(lacking).as_py():
            whole = compute.if_else(lacking, pa.scalar(None, column.type), column)
            table = table.set_column(index, table.column_names[index], whole)
    return table


def _free_name(folder: Path, part: ManifestFile) -> str:
    """The name of a part in its folder: its own or, where that is taken, one with its checksum."""
    stem, end = os.path.splitext(part.name)  # noqa: PTH122
    for digits in (0, 12, 24, 64):
        name = f"{stem}-{part.sha256[:digits]}{end}" if digits else part.name
        if not os.path.lexists(folder / name):
            return name
    raise ValueError(f"{folder / name}: expected no such file; move it away, and go on with resume")


def _give_name(made: Path, target: Path) -> None:
    """Moves a file to a name that nothing has; if the process died in between, it is done anew."""
    if not give_new_name(made, target):
        raise ValueError(
            f"{target}: expected no such file, but it was made meanwhile; move it away, and go on "
            "with resume"
        )


def _warn_of_others(folder: Path, names: set[str]) -> None:
    """Says which Parquet files in the folder do not belong to the dataset."""
    others = sorted({path.name for path in folder.glob("*.parquet")} - names)
    if others:
        logger.warning(
            "%s: kept what is no part of the dataset: %s%s",
            *(folder, ", ".join(others[:3]), " and more" if len(others) > 3 else ""),
        )


def _portions(blocks: Iterator[Rows], size: int) -> Iterator[list[Rows]]:
    """Collects blocks into lists of about `size` bytes."""
    portion: list[Rows] = []
    held = 0
    for rows in blocks:
        portion.append(rows)
        held += rows.sequence.nbytes + rows.expression.nbytes + len(rows) * 12
        if held >= size:
            yield portion
            portion, held = [], 0
    if portion:
        yield portion
