"""Merges sequencing errors into the sequences that they come from.

Sequences are ranked by count, equal counts in input order. The parent of a sequence is the most
similar one ranked before it within a given number of differences, the first of several. Following
parents leads to the root of a cluster, into which all its sequences are merged.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cisreg.file_checks import check_outputs
from cisreg.files import publish_together
from cisreg.library import native_module
from cisreg.limits import thread_count
from cisreg.prepare.bowtie2 import bowtie2_parents
from cisreg.prepare.ranked_table import RankedTable, open_text_table, read_ranked_table
from cisreg.progress import progress_bar

logger = logging.getLogger("cisreg.prepare")

Method = Literal["embedded", "bowtie2"]
MOST_DIFFERENCES = 10
_MOST_COUNT = np.iinfo(np.int64).max


@dataclass(frozen=True)
class ClusterSummary:
    """Result of clustering a file.

    Attributes:
        sequences: number of input sequences.
        clusters: number of remaining sequences.
        merged_reads: total count of the sequences that were merged into others.
        reads: total count of all sequences.
        columns: how the columns of the table were used, as text.
    """

    sequences: int
    clusters: int
    merged_reads: int
    reads: int
    columns: str = field(default="", compare=False)


class DuplicateError(ValueError):
    """A sequence occurs twice.

    Attributes:
        rows: the first row that repeats a sequence, and the earlier row, from 0.
    """

    rows: tuple[int, int]

    @classmethod
    def of_rows(cls, row: int, earlier: int) -> DuplicateError:
        """The error for two rows with the same sequence.

        Example:
            >>> DuplicateError.of_rows(3, 1).rows
            (3, 1)
        """
        error = cls(
            f"sequences: expected each once, got the one of row {earlier} in row {row} again; sum "
            "their counts first"
        )
        error.rows = row, earlier
        return error


def cluster_sequences(
    sequences: Sequence[str] | pa.Array | pa.ChunkedArray,
    counts: npt.ArrayLike,
    *,
    differences: int = 3,
    minimum_ratio: float = 1,
    method: Method = "embedded",
    threads: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Finds, for each sequence, the more abundant one of which it is probably an erroneous copy.

    Sequences are ranked by decreasing count, equal counts in the given order. The parent of a
    sequence is the one at the smallest edit distance (substitutions, insertions and deletions
    between whole sequences on the same strand) among those ranked before it that are within
    `differences` and have at least `minimum_ratio` times its count; the first in rank of several.
    Following parents leads to the root. N is a letter like others, equal only to N.

    The embedded method is exact, and the same for every number of threads. It takes up to 46 bytes
    of memory per sequence besides sequences and counts, and a copy of the sequences if they are not
    sorted by decreasing count or are an Arrow array. For libraries of random sequences, with or
    without common flanks, its time is linear in the number of sequences; it is quadratic if very
    many sequences share a quarter (at 3 differences) of their variable letters. Ctrl-C interrupts
    it.

    The method bowtie2 considers only alignments that bowtie2 finds on the forward strand, and may
    therefore miss similar sequences; everything else is the same.

    Args:
        sequences: N distinct strings of at most 65,535 letters, or an Arrow array of them.
        counts: whole numbers [N] of 0 or more.
        differences: maximum edits between a sequence and its parent, 1 to 10.
        minimum_ratio: minimum ratio of the parent's count to the sequence's, 1 or more.
        method: "embedded", or "bowtie2", which must be installed.
        threads: threads to use; None: one per available core.
        progress: called about five times a second with the share of the work that is done
            (embedded method only).

    Returns:
        int64 [N], index of the root of each sequence, in the given order; its own index if it
        remains.

    Raises:
        DuplicateError: a sequence occurs twice (a ValueError).
        ValueError: an argument has the wrong shape or values; the message says which.
        TypeError: sequences are not text, or counts are not whole numbers.
        FileNotFoundError: method bowtie2 is not installed.
        OSError: bowtie2 failed.
        LibraryError: cisreg's compiled module does not load.

    Example:
        >>> cluster_sequences(["ACGTACGT", "ACGTACCT", "TTTTGGGG"], [90, 2, 40]).tolist()
        [0, 0, 2]
    """
    return _cluster(
        *(_arrow_text(sequences), counts, threads, progress),
        # It may lie in memory that the caller can change, also from `progress`.
        shared=isinstance(sequences, (pa.Array, pa.ChunkedArray)),
        differences=differences,
        minimum_ratio=minimum_ratio,
        method=method,
    )


def _cluster(
    text: pa.Array,
    counts: npt.ArrayLike,
    threads: int | None,
    progress: Callable[[float], None] | None,
    *,
    shared: bool = False,
    differences: int,
    minimum_ratio: float,
    method: Method,
) -> np.ndarray:
    """As `cluster_sequences`, of text with 64-bit offsets; it is copied if others may change it."""
    numbers = _checked_counts(counts, len(text))
    threads = thread_count(threads)
    _check_options(differences, minimum_ratio, method)
    rank_order = np.argsort(-numbers, kind="stable")
    if shared or (np.diff(rank_order) < 0).any():
        text = text.take(pa.array(rank_order))
    candidates = _candidates(numbers[rank_order], minimum_ratio)
    if method == "bowtie2":
        parents = bowtie2_parents(text, candidates, differences=differences, threads=threads)
    else:
        parents, duplicate, original = native_module().cluster_parents(
            *_buffers(text),
            candidates,
            differences=differences,
            threads=threads,
            progress=progress,
        )
        if duplicate >= 0:
            earlier, row = sorted(rank_order[[duplicate, original]].tolist())
            raise DuplicateError.of_rows(row, earlier)
    roots = np.empty(len(text), np.int64)
    roots[rank_order] = rank_order[_roots(parents)]
    return roots


def cluster_file(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    map_output: str | os.PathLike[str] | None = None,
    *,
    differences: int = 3,
    minimum_ratio: float = 1,
    method: Method = "embedded",
    threads: int | None = None,
    progress: bool = True,
    overwrite: bool = False,
) -> ClusterSummary:
    """Merges sequencing errors in a table of sequences and counts, by `cluster_sequences`.

    Sequences are ranked by their total count (the column of totals if there is one), and every
    column is summed. Columns that are not counts are left out (`read_count_table`).

    Args:
        path: tab-separated table of a sequence and one or more counts per line, with or without a
            header; plain or compressed; "-" is standard input.
        output: table to write, with the remaining sequences and the summed counts of their
            clusters, by decreasing sum, and the header of the input. Compressed if it ends in .gz
            or .zst; "-" is standard output.
        map_output: table to write with two columns and no header: each input sequence, and the one
            that it is merged into (itself if it remains); None: not written.
        differences: maximum edits between a sequence and its parent, 1 to 10.
        minimum_ratio: minimum ratio of the parent's count to the sequence's, 1 or more.
        method: "embedded", or "bowtie2", which must be installed.
        threads: threads to use; None: one per available core.
        progress: whether to draw a progress bar if standard error is a terminal.
        overwrite: whether the outputs may replace files that exist; never one that is read.

    Returns:
        How many sequences and reads were merged.

    Raises:
        FileNotFoundError: the file does not exist, or method bowtie2 is not installed.
        FileExistsError: an output exists, and `overwrite` is False.
        ValueError: "file:line: reason" for a line that is not a sequence with counts, or for a
            sequence that occurs twice; or an argument is out of range.
        OSError: a file cannot be written, or bowtie2 failed.

    Example:
        >>> cluster_file("counts.txt.gz", "merged.txt.gz", "map.txt.gz")  # doctest: +SKIP
        ClusterSummary(sequences=812, clusters=96, merged_reads=1033, reads=53012)
    """
    outputs = [output] if map_output is None else [output, map_output]
    check_outputs(outputs, inputs=[path], overwrite=overwrite)
    table = read_ranked_table(path)
    # bowtie2 does not report progress.
    with _progress_bar(progress and method == "embedded") as show:
        try:
            roots = _cluster(
                *(table.sequence, table.totals(), threads, show),
                differences=differences,
                minimum_ratio=minimum_ratio,
                method=method,
            )
        except DuplicateError as error:
            row, earlier = map(table.line, error.rows)
            raise ValueError(
                f"{os.fspath(path)}:{row}: expected each sequence once, got that of line {earlier} "
                "again; sum their counts first"
            ) from None
    with publish_together():
        if map_output is not None:
            _write_map(map_output, table, roots, overwrite)
        clusters = _write_counts(output, table, roots, overwrite)
    merged = roots != np.arange(len(roots))
    summary = ClusterSummary(
        *(len(table), clusters, int(table.totals()[merged].sum()), int(table.totals().sum())),
        table.columns,
    )
    logger.info(
        "%d of %d sequences were merged into others, with %d of %d reads",
        *(summary.sequences - clusters, summary.sequences, summary.merged_reads, summary.reads),
    )
    return summary


def _check_options(differences: int, minimum_ratio: float, method: str) -> None:
    if not 1 <= differences <= MOST_DIFFERENCES:
        raise ValueError(f"differences: expected 1 to {MOST_DIFFERENCES}, got {differences}")
    if not 1 <= minimum_ratio < np.inf:
        raise ValueError(f"minimum_ratio: expected a number of 1 or more, got {minimum_ratio}")
    if method not in get_args(Method):
        raise ValueError(f'method: expected "embedded" or "bowtie2", got {method!r}')


def _arrow_text(sequences: Sequence[str] | pa.Array | pa.ChunkedArray) -> pa.Array:
    """One Arrow array with 64-bit offsets."""
    if isinstance(sequences, str):
        raise TypeError("sequences: expected a list of strings, got one string; put it in a list")
    if not isinstance(sequences, (pa.Array, pa.ChunkedArray)):
        try:
            sequences = pa.array(sequences, pa.large_string())
        except pa.ArrowTypeError as error:
            raise TypeError(f"sequences: expected strings ({error})") from None
    kind = sequences.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise TypeError(f"sequences: expected an Arrow array of strings, got one of {kind}")
    if sequences.null_count:
        row = int(np.flatnonzero(sequences.is_null().to_numpy(zero_copy_only=False))[0])
        raise ValueError(f"sequences: expected text in every row, got none in row {row}")
    sequences = sequences.cast(pa.large_string())
    if isinstance(sequences, pa.ChunkedArray):
        sequences = sequences.combine_chunks()
    return sequences


def _buffers(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Letters, uint8, and offsets into them, int64 [N + 1]: both without a copy, and read-only."""
    if not len(text):
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    _, offsets, letters = text.buffers()
    data = np.empty(0, np.uint8) if letters is None else np.frombuffer(letters, np.uint8)
    # The native code copies what can be written.
    data.flags.writeable = False
    return data, np.frombuffer(offsets, np.int64)[text.offset :][: len(text) + 1]


def _checked_counts(counts: npt.ArrayLike, length: int) -> np.ndarray:
    numbers = np.asarray(counts)
    if numbers.shape != (length,):
        raise ValueError(
            f"counts: expected shape [{length}], one per sequence, got {list(numbers.shape)}"
        )
    if length and not np.issubdtype(numbers.dtype, np.integer):
        raise TypeError(f"counts: expected whole numbers, got {numbers.dtype}")
    if (numbers < 0).any() or (numbers > _MOST_COUNT).any():
        row = int(np.flatnonzero((numbers < 0) | (numbers > _MOST_COUNT))[0])
        raise ValueError(f"counts: expected 0 to 2^63 - 1, got {numbers[row]} in row {row}")
    return numbers.astype(np.int64)


def _candidates(counts: np.ndarray, minimum_ratio: float) -> np.ndarray:
    """For each sequence, how many sequences before it have a count high enough for a parent.

    Args:
        counts: int64 [N], decreasing.
        minimum_ratio: minimum ratio of the parent's count to the sequence's.

    Returns:
        uint32 [N], increasing.
    """
    before = np.arange(len(counts), dtype=np.uint32)
    if minimum_ratio == 1:
        return before
    # Exact decimal arithmetic: 1.1 times 10 is 11, not a little more. Distinct counts are few.
    ratio = Fraction(str(minimum_ratio))
    values, which = np.unique(counts, return_inverse=True)
    least = [min(-(-ratio * int(value) // 1), _MOST_COUNT) for value in values]
    enough = len(counts) - np.searchsorted(counts[::-1], np.array(least, np.int64), side="left")
    return np.minimum(before, enough.astype(np.uint32)[which])


def _roots(parents: np.ndarray) -> np.ndarray:
    """The roots that parents lead to, int64 [N]; each round doubles the number of steps."""
    roots = parents
    while not np.array_equal(further := roots[roots], roots):
        roots = further
    return roots


@contextmanager
def _progress_bar(wanted: bool) -> Iterator[Callable[[float], None] | None]:
    with progress_bar(show=wanted, transient=True) as bar:
        task = bar.add_task("clustering", total=1.0)
        yield None if bar.disable else lambda share: bar.update(task, completed=share)


def _write_map(
    path: str | os.PathLike[str], table: RankedTable, roots: np.ndarray, overwrite: bool
) -> None:
    with open_text_table(path, None, 2, overwrite=overwrite) as write:
        write(
            len(table),
            lambda start, stop: [
                table.sequence[start:stop],
                table.sequence.take(pa.array(roots[start:stop])),
            ],
        )


def _write_counts(
    path: str | os.PathLike[str], table: RankedTable, roots: np.ndarray, overwrite: bool
) -> int:
    """Writes the clusters; returns their number."""
    sums = np.zeros_like(table.counts)
    np.add.at(sums, roots, table.counts)
    kept = np.flatnonzero(roots == np.arange(len(roots)))
    kept = kept[np.argsort(-sums[kept].sum(axis=1), kind="stable")]
    columns = 1 + sums.shape[1]
    with open_text_table(path, table.names, columns, overwrite=overwrite) as write:
        write(
            len(kept),
            lambda start, stop: [
                table.sequence.take(pa.array(kept[start:stop])),
                *map(pa.array, sums[kept[start:stop]].T),
            ],
        )
    return len(kept)
