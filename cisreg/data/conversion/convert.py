"""Writes datasets of any kind and size as Parquet files; shuffles, sorts or keeps their rows.

The work is done in a hidden folder inside the target folder, so nothing there looks like a dataset
before it is complete. A journal in the hidden folder records what is finished, so that a conversion
can resume after any interruption.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cisreg.data.conversion.journal import Journal
from cisreg.data.conversion.stages import Conversion
from cisreg.data.conversion.state import (
    JOURNAL,
    PART,
    ConversionOptions,
    ConversionState,
    empty_work,
    moved_files,
    remove_parts,
    remove_work,
    request_of,
)
from cisreg.data.feeding.loading import core_count
from cisreg.data.formats.manifest import (
    MANIFEST,
    WORK_FOLDER,
    Manifest,
    Order,
    files_of_dataset,
)
from cisreg.file_checks import check_own_file, check_own_folder
from cisreg.files import remove_leftovers
from cisreg.limits import check_range, thread_count
from cisreg.locks import LOCK_FILE, hold_result_folder
from cisreg.progress import SPINNER, progress_bar

if TYPE_CHECKING:
    from cisreg.data.files import DatasetFiles

_MOST_ROWS = 2**62


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

    The files depend only on the rows, `order`, `seed` and the two sizes. Their columns are sequence
    (string), expression (float32; several keep their names if these are usable, else they are
    expression_1, expression_2 …) and weight (float32) if there is one. Of a dataset that was opened
    with `partly_measured`, rows that lack some measurements are written too, with missing values.

    The folder needs free disk space of about the size of the source as uncompressed text. Memory is
    about 350 MB plus 50 MB per thread for any number of rows; more only if `rows_per_group` rows
    take more than 16 MB.

    Args:
        source: a dataset of `open_dataset`; its files must be outside of `directory`.
        directory: a new or empty folder.
        order: "shuffled"; "sorted" by sequence, then expression; "kept" as in the source.
        seed: seed of the shuffle.
        rows_per_file: rows of every file except the last.
        rows_per_group: rows of a row group, from which a streaming shuffle draws.
        threads: number of threads that write files; None: one for each core, 2 to 8.
        resume: whether to continue an interrupted conversion of the same source and options; if
            there is none, a new one begins.
        overwrite: whether to replace a dataset that `convert` wrote, once the new one is complete,
            or to discard an interrupted conversion.
        progress: whether to show progress on standard error, if that is a terminal.

    Returns:
        The manifest of the new dataset.

    Raises:
        ValueError: a wrong option; a folder that is not empty; on resuming, a different source or
            different options, or a damaged journal; no usable rows; and as `DatasetFiles.blocks`.
        OSError: a file cannot be written, for example because the disk is full; the error names it.
            Use `resume` once there is space.

    Example:
        >>> data = open_dataset("train_*.tsv.gz")  # doctest: +SKIP
        >>> convert(data, "train").rows  # doctest: +SKIP
        100000000
    """
    options = ConversionOptions(order, seed, rows_per_file, rows_per_group)
    threads = core_count() if threads is None else thread_count(threads)
    _check_options(options)
    folder = Path(directory)
    _check_source(source, folder)
    _check_folder(folder, resume=resume, overwrite=overwrite)
    state = ConversionState(request_of(source, options))
    work = folder / WORK_FOLDER
    with hold_result_folder(folder):
        # Again, since another conversion may have ended here meanwhile.
        _check_folder(folder, resume=resume, overwrite=overwrite)
        if resume and os.path.lexists(work / JOURNAL):
            state.take_over(work)
            remove_leftovers(work, PART)
        else:
            _start_anew(folder, work)
        work.mkdir(exist_ok=True)
        journal = Journal(work / JOURNAL, state.entries())
        with _bar(progress) as bar:
            conversion = Conversion(source, folder, options, state, journal, bar)
            try:
                return conversion.run(threads)
            except BaseException:
                # Nothing is done yet, so there is nothing to resume.
                if not (state.runs or state.parts):
                    remove_work(work)
                raise


def _check_options(options: ConversionOptions) -> None:
    if options.order not in get_args(Order):
        raise ValueError(f"order: expected one of {get_args(Order)}, got {options.order!r}")
    if options.seed < 0:
        raise ValueError(f"seed: expected 0 or more, got {options.seed}")
    for name in ("rows_per_file", "rows_per_group"):
        check_range(name, getattr(options, name), 1, _MOST_ROWS)


def _check_source(source: DatasetFiles, folder: Path) -> None:
    used = (folder.resolve(), (folder / WORK_FOLDER).resolve())
    for path in source.local_paths:
        if Path(path).resolve().parent in used:
            raise ValueError(
                f"directory: expected another folder than that of the source, got {folder} with "
                f"{path}"
            )


def _check_folder(folder: Path, *, resume: bool, overwrite: bool) -> None:
    """Raises ValueError if the folder holds files that the caller did not allow to replace."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: expected a folder, or a new name for one, got a file")
    check_own_folder(folder / WORK_FOLDER)
    for path in (folder / MANIFEST, folder / WORK_FOLDER / JOURNAL):
        check_own_file(path)
    if os.path.lexists(folder / WORK_FOLDER / JOURNAL):
        if not (resume or overwrite):
            raise ValueError(
                f"{folder}: expected a new folder, but it holds an interrupted conversion; resume "
                "it, or overwrite it to start anew"
            )
        return
    if os.path.lexists(folder / MANIFEST):
        if not overwrite:
            raise ValueError(
                f"{folder}: expected a new folder, but it holds a dataset, and nothing to resume; "
                "overwrite it, or name another folder"
            )
        return
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if others := sorted(names - {WORK_FOLDER, LOCK_FILE}):
        raise ValueError(
            f"{folder}: expected a new or empty folder, but it holds {others[0]}; name another one"
        )


def _start_anew(folder: Path, work: Path) -> None:
    """Discards an interrupted conversion, and the files that it had already moved into place."""
    if not work.exists():
        return
    moved, replaced = moved_files(work)
    dataset = files_of_dataset(folder) if moved else None
    # If that is the new dataset, the conversion was to delete the files of the older one.
    sizes = moved | replaced if dataset else moved
    if dataset is not None:
        remove_parts(folder, {name: sizes[name] for name in sizes if name not in dataset})
    empty_work(work)


def _bar(show: bool) -> Progress:
    return progress_bar(
        SpinnerColumn(SPINNER),
        TextColumn("{task.description}: {task.completed:,.0f} rows"),
        TimeElapsedColumn(),
        show=show,
    )
