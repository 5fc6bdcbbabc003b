"""Datasets of any kind and size to Parquet files whose rows are shuffled, sorted or kept in order.

Nothing in the target folder looks like a dataset before all of it is whole: the work is done in a
hidden folder in it, whose journal says what is finished, so that it can go on after any end.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import logging
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from cisreg.data.journal import Journal, read_journal
from cisreg.data.loading import core_count
from cisreg.data.manifest import (
    MANIFEST,
    WORK_FOLDER,
    Manifest,
    ManifestFile,
    Order,
    write_manifest,
)
from cisreg.data.rows import Columns, Rows
from cisreg.data.spill import (
    SEQUENCE,
    Run,
    Spill,
    sorted_table,
    sound_runs,
    summed,
    without_key,
    write_run,
)
from cisreg.files import replace_file

if TYPE_CHECKING:
    from cisreg.data.files import DatasetFiles

logger = logging.getLogger("cisreg.data")

_JOURNAL, _LOCK, _SPILL = "journal", "lock", "rows.arrow"
# Of what the journal and the spill file hold; another one cannot go on with them.
_WORK_VERSION = 1
_PART = re.compile(r"part-[0-9]{5,}\.parquet")
# Rows that are sorted in memory at once, and those that each thread gathers at once, in bytes.
_RUN_BYTES = 1 << 25
_UNIT_BYTES = 1 << 24
_WEIGHT = "weight"
# Of 2^20 rows of 80 to 110 random bases, DELTA_LENGTH_BYTE_ARRAY takes 4 to 5 % less than PLAIN
# (39.7 to 41.5 MB) and is read as fast (0.15 s); zstd level 3 saves 1 % more at the cost of a fifth
# of the speed, and BYTE_STREAM_SPLIT of the expression nothing.
_WRITING: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": False,
    "column_encoding": {SEQUENCE: "DELTA_LENGTH_BYTE_ARRAY"},
    "write_page_checksum": True,
    "store_schema": True,
}


class _Options(NamedTuple):
    order: Order
    seed: int
    rows_per_file: int
    rows_per_group: int


def convert(
    source: DatasetFiles,
    directory: str | os.PathLike[str],
    *,
    order: Order = "shuffled",
    seed: int = 0,
    rows_per_file: int = 1 << 20,
    rows_per_group: int = 1 << 16,
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> Manifest:
    """Writes all usable rows of a dataset as Parquet files with a manifest.

    The files are a function of the rows, `order`, `seed` and the two sizes alone. Their columns
    are sequence (string), expression (float32; several keep their names where these are usable,
    else they are expression_1, expression_2 …) and weight (float32) where there is one.

    It takes free disk space, in the folder, of about the source's text without compression, and
    memory of some 300 MB and 60 MB for each thread, whatever the number of rows; more only where
    `rows_per_group` rows have more than 16 MB.

    Args:
        source: of `open_dataset`; its files lie outside of `directory`.
        directory: a new or empty folder.
        order: "shuffled"; "sorted" by sequence, then expression; "kept" as in the source.
        seed: of the shuffle.
        rows_per_file: of every file but the last.
        rows_per_group: rows of a row group, from which a streaming shuffle draws.
        threads: that write files; None: one for each core, 2 to 8.
        resume: whether to go on with a conversion of the same source and options that was
            interrupted; where there is none, it begins.
        overwrite: whether to replace a dataset that `convert` wrote, once the new one is whole, or
            to throw away an interrupted conversion.
        progress: whether to show how far it is on standard error, where that is a terminal.

    Returns:
        What was written.

    Raises:
        ValueError: a wrong option; a folder that holds something; on resuming, another source or
            other options, or a damaged journal; no usable rows; and as `DatasetFiles.blocks`.
        OSError: a file that cannot be written, by name, such as on a full disk: give `resume` once
            there is space.

    Example:
        >>> data = open_dataset("train_*.tsv.gz")  # doctest: +SKIP
        >>> convert(data, "train").rows  # doctest: +SKIP
        100000000
    """
    options = _Options(order, seed, rows_per_file, rows_per_group)
    _check_options(options, threads)
    folder = Path(directory)
    _check_source(source, folder)
    _check_folder(folder, resume=resume, overwrite=overwrite)
    work = folder / WORK_FOLDER
    work.mkdir(parents=True, exist_ok=True)
    with _only_process(work):
        state = _State(_request(source, options))
        if resume and (work / _JOURNAL).exists():
            state.take_over(work)
        else:
            _empty(work)
        with Journal(work / _JOURNAL, state.entries()) as journal, _bar(progress) as bar:
            conversion = _Conversion(source, folder, options, state, journal, bar)
            try:
                return conversion.run(threads or core_count())
            except BaseException:
                # With nothing done yet, there is nothing to go on with.
                if not state.runs:
                    _empty(work)
                    work.rmdir()
                raise


def _check_options(options: _Options, threads: int | None) -> None:
    if options.order not in get_args(Order):
        raise ValueError(f"order: expected one of {get_args(Order)}, got {options.order!r}")
    if options.seed < 0:
        raise ValueError(f"seed: expected 0 or more, got {options.seed}")
    for name in ("rows_per_file", "rows_per_group"):
        if getattr(options, name) < 1:
            raise ValueError(f"{name}: expected 1 or more, got {getattr(options, name)}")
    if threads is not None and threads < 1:
        raise ValueError(f"threads: expected 1 or more, or None, got {threads}")


def _check_source(source: DatasetFiles, folder: Path) -> None:
    for name in source.files:
        if Path(name).resolve().parent == folder.resolve():
            raise ValueError(
                f"directory: expected another folder than that of the source, got {folder} with "
                f"{name}"
            )


def _check_folder(folder: Path, *, resume: bool, overwrite: bool) -> None:
    """Raises ValueError where there is something that nobody said could be lost."""
    if (folder / WORK_FOLDER / _JOURNAL).exists():
        if not (resume or overwrite):
            raise ValueError(
                f"{folder}: expected a new folder, but it holds an interrupted conversion; resume "
                "it, or overwrite it to start anew"
            )
        return
    if (folder / MANIFEST).exists():
        if not overwrite:
            raise ValueError(
                f"{folder}: expected a new folder, but it holds a dataset, and nothing to resume; "
                "overwrite it, or name another folder"
            )
        return
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if others := sorted(names - {WORK_FOLDER}):
        raise ValueError(
            f"{folder}: expected a new or empty folder, but it holds {others[0]}; name another one"
        )


@contextmanager
def _only_process(work: Path) -> Iterator[None]:
    """Keeps other processes out of the folder; the lock ends with this process."""
    with (work / _LOCK).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"{work.parent}: another process is converting into it; wait for its end"
            ) from None
        yield


@contextmanager
def _bar(show: bool) -> Iterator[Progress]:
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}: {task.completed:,.0f} rows"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not (show and console.is_terminal)) as bar:
        yield bar


def _empty(work: Path) -> None:
    """Deletes the files of the work, the journal last."""
    for path in work.iterdir():
        if path.name not in (_JOURNAL, _LOCK):
            path.unlink()
    for name in (_JOURNAL, _LOCK):
        (work / name).unlink(missing_ok=True)


def _request(source: DatasetFiles, options: _Options) -> dict[str, Any]:
    """What two conversions have in common whose files are the same."""
    columns = source.columns
    return {
        "version": _WORK_VERSION,
        "source": source.fingerprint(),
        "columns": None if columns is None else [columns.sequence, columns.expression],
        "weight": None if columns is None else columns.weight,
        "names": _names(source),
        **options._asdict(),
    }


def _names(source: DatasetFiles) -> list[str]:
    """Names for the columns of the expression."""
    names = source.expression_names
    if len(names) == 1:
        return ["expression"]
    lower = {name.lower() for name in names}
    if len(lower) == len(names) and not lower & {SEQUENCE, _WEIGHT, ""}:
        return list(names)
    return [f"expression_{number}" for number in range(1, len(names) + 1)]


class _State:
    """What is done of a conversion, as its journal has it.

    Attributes:
        request: what was asked for.
        runs: in the spill file.
        read: rows that were left out by reason, once the source is read.
        parts: files that are whole, by number.
        moving: whether they are all whole, and on their way to their folder.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        # As JSON has it: lists for tuples.
        self.request = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in request.items()
        }
        self.runs: list[Run] = []
        self.read: dict[str, int] | None = None
        self.parts: dict[int, ManifestFile] = {}
        self.moving = False

    def entries(self) -> list[dict[str, Any]]:
        """The lines of a journal that says all this."""
        lines: list[dict[str, Any]] = [{"request": self.request}]
        lines += [{"run": run} for run in self.runs]
        lines += [] if self.read is None else [{"read": self.read}]
        lines += [{"part": number, "file": vars(file)} for number, file in self.parts.items()]
        return lines + ([{"moving": True}] if self.moving else [])

    def take_over(self, work: Path) -> None:
        """Goes on from what is in the folder.

        Raises:
            ValueError: something else was asked for there, or its journal is damaged.
        """
        entries = read_journal(work / _JOURNAL)
        if entries:
            self._check_request(work, entries[0].get("request", {}))
        for entry in entries[1:]:
            if "run" in entry:
                self.runs.append(Run(*entry["run"]))
            elif "read" in entry:
                self.read = entry["read"]
            elif "part" in entry:
                self.parts[entry["part"]] = ManifestFile(**entry["file"])
            else:
                self.moving = True
        if self.moving:
            return
        self.parts = {
            number: file
            for number, file in self.parts.items()
            if _has_size(work / file.name, file.bytes)
        }
        sound = sound_runs(work / _SPILL, self.runs)
        if len(sound) < len(self.runs):
            self.runs, self.read = sound, None

    def _check_request(self, work: Path, there: dict[str, Any]) -> None:
        for name, value in self.request.items():
            if there.get(name) != value:
                raise ValueError(
                    f"{name}: expected {there.get(name)!r} as in the interrupted conversion in "
                    f"{work.parent}, got {value!r}; ask for the same to resume, or overwrite it to "
                    "start anew"
                )


def _has_size(path: Path, size: int) -> bool:
    return path.exists() and path.stat().st_size == size


class _Conversion:
    """The steps of one conversion, each of which goes on from where the state is."""

    def __init__(
        self,
        source: DatasetFiles,
        folder: Path,
        options: _Options,
        state: _State,
        journal: Journal,
        bar: Progress,
    ) -> None:
        self._source, self._folder, self._options = source, folder, options
        self._work = folder / WORK_FOLDER
        self._state, self._journal, self._bar = state, journal, bar
        self._names: list[str] = state.request["names"]

    def run(self, threads: int) -> Manifest:
        """Does what is left to do."""
        if not self._state.moving:
            if self._state.read is None:
                self._read()
            self._write(threads)
        manifest = self._manifest()
        self._move(manifest)
        return manifest

    def _read(self) -> None:
        """Reads the source into sorted runs; one is sorted and written while the next is read."""
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
            raise ValueError(
                f"{self._source.files[0]}: expected rows that can be used, got none; "
                f"{unusable if unusable.count else 'there are no rows'}"
            )
        state.read = dict(unusable.reasons)
        self._journal.append({"read": state.read})

    def _unread(self, skip: int) -> Iterator[Rows]:
        """The rows of the source that are in no run yet."""
        task = self._bar.add_task("reading", total=None)
        for rows in self._source.blocks():
            self._bar.advance(task, rows.count)
            if skip < rows.count:
                yield rows if not skip else _from_row(rows, skip)
            skip = max(skip - rows.count, 0)
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
        run = write_run(self._work / _SPILL, start, table)
        state.runs.append(run)
        self._journal.append({"run": run})

    def _write(self, threads: int) -> None:
        """Writes the files that are not there, several at a time."""
        spill = Spill(self._work / _SPILL, self._state.runs, self._options.order)
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
                # What comes next is not wanted yet.
                if len(waiting) > threads:
                    waiting.pop(0).result()
            for done in waiting:
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _bounds(self, spill: Spill, number: int, lower: np.ndarray | None) -> list[np.ndarray]:
        """Positions between which a file's rows are gathered, some row groups at a time."""
        options, runs = self._options, self._state.runs
        numbers = 4 * (len(self._names) + 1) + 16
        row_bytes = max(run.bases / run.rows for run in runs) + numbers
        groups = max(int(_UNIT_BYTES / row_bytes) // options.rows_per_group, 1)
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
        numbers = [*self._names, *([_WEIGHT] if self._source.weighted else [])]
        return pa.schema([(SEQUENCE, pa.string()), *((name, pa.float32()) for name in numbers)])

    def _output_table(self, table: pa.Table, schema: pa.Schema) -> pa.Table:
        try:
            return without_key(table).rename_columns(schema.names).cast(schema)
        except pa.ArrowInvalid:
            raise ValueError(
                "rows_per_group: expected row groups of less than 2^31 bases, got "
                f"{self._options.rows_per_group} rows that have more; make them smaller"
            ) from None

    def _manifest(self) -> Manifest:
        state = self._state
        assert state.read is not None  # as all of it was
        return Manifest(
            rows=sum(run.rows for run in state.runs),
            order=self._options.order,
            longest=max(run.longest for run in state.runs),
            shortest=min(run.shortest for run in state.runs),
            columns=Columns(
                SEQUENCE, tuple(self._names), _WEIGHT if self._source.weighted else None
            ),
            files=tuple(state.parts[number] for number in range(len(state.parts))),
            unusable=state.read,
        )

    def _move(self, manifest: Manifest) -> None:
        """Puts the files into the place of those that are there; the manifest makes it a dataset.

        A folder with this one's work and no manifest is refused by those who read datasets.
        """
        if not self._state.moving:
            self._journal.append({"moving": True})
            self._state.moving = True
        (self._folder / MANIFEST).unlink(missing_ok=True)
        for file in manifest.files:
            made = self._work / file.name
            if made.exists():
                made.replace(self._folder / file.name)
            elif not _has_size(self._folder / file.name, file.bytes):
                raise ValueError(
                    f"{self._folder / file.name}: expected the file that was moved there, got none "
                    "or another; overwrite the conversion to start anew"
                )
        names = {file.name for file in manifest.files}
        for path in self._folder.iterdir():
            if _PART.fullmatch(path.name) and path.name not in names:
                path.unlink()
        write_manifest(self._folder, manifest)
        _empty(self._work)
        self._work.rmdir()


def _portions(blocks: Iterator[Rows], size: int) -> Iterator[list[Rows]]:
    """Blocks in lists of about so many bytes."""
    portion: list[Rows] = []
    held = 0
    for rows in blocks:
        portion.append(rows)
        held += rows.sequence.nbytes + rows.expression.nbytes + rows.count * 12
        if held >= size:
            yield portion
            portion, held = [], 0
    if portion:
        yield portion


def _from_row(rows: Rows, first: int) -> Rows:
    weight = None if rows.weight is None else rows.weight[first:]
    return Rows(rows.sequence.slice(first), rows.expression[first:], weight)
