"""Merges overlapping read pairs into one sequence each, in the strand of read 1.

dnaio reads both files in batches of some thousand records, and compiled code merges them; memory
does not depend on the number of pairs.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from typing import Any, BinaryIO, Literal

from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from cisreg.file_checks import check_output
from cisreg.library import native_module
from cisreg.limits import check_range, thread_count
from cisreg.prepare.inputs import refuse_same_file
from cisreg.prepare.reading import input_name, without_blank_end
from cisreg.progress import SPINNER, progress_bar
from cisreg.streams import open_input, open_output

logger = logging.getLogger("cisreg.prepare")

Format = Literal["sequences", "table", "fasta", "fastq"]
_RECORDS = 16_384  # of each file in a batch; the first batch is surveyed
_RECORDS_AT_ONCE = 256
_BATCH_BYTES = 1 << 26  # a batch of long reads has fewer records
LONGEST_READ = 65_535
# Two reads cannot overlap further.
_MOST_OVERLAP = 2 * LONGEST_READ
_MOST_BASES = 1 << 40
_LINES = 4


@dataclass(frozen=True)
class MergeCounts:
    """Counts of pairs by result.

    Attributes:
        pairs: all pairs; the sum of the next five.
        merged: pairs that were merged and written.
        no_overlap: pairs without an overlap that is long and similar enough.
        too_short: pairs that merge to fewer than `minimum_length` bases.
        too_many_unknown: pairs that merge to more than `maximum_unknown` unknown bases.
        ambiguous: pairs with several possible overlaps, none of which is sure, as in repeats.
        read_through: merged pairs with a read that extends beyond the molecule into the adapter,
            which was cut off.
        compared_bases: positions in the overlaps of merged pairs where both reads have a base.
        different_bases: those of them where the bases differ. Half their share is about the error
            rate of the reads.
    """

    pairs: int = 0
    merged: int = 0
    no_overlap: int = 0
    too_short: int = 0
    too_many_unknown: int = 0
    ambiguous: int = 0
    read_through: int = 0
    compared_bases: int = 0
    different_bases: int = 0

    def __add__(self, other: MergeCounts) -> MergeCounts:
        """The counts of both together."""
        return MergeCounts(
            *(getattr(self, field.name) + getattr(other, field.name) for field in fields(self))
        )


@dataclass(frozen=True)
class _Batch:
    """The same number of complete records of both files.

    Attributes:
        texts: FASTQ, of forward and reverse reads.
        first: the index of the first record.
    """

    texts: tuple[bytes, bytes]
    first: int


def merge_pairs(
    forward: str | os.PathLike[str],
    reverse: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    overlap: int,
    slack: int = 5,
    minimum_overlap: int | None = None,
    minimum_identity: float = 0.75,
    minimum_length: int = 1,
    maximum_unknown: int | None = None,
    format: Format = "sequences",
    threads: int | None = None,
    progress: bool = False,
    overwrite: bool = False,
) -> MergeCounts:
    """Merges the pairs of two FASTQ files, and writes the merged sequences in file order.

    Read 2 is reverse-complemented. The overlap is the length of both reads together minus that of
    the molecule; if it is longer than a read, the other read extends beyond the molecule into the
    adapter, which is cut off. Overlaps from `overlap - slack` to `overlap + slack` are possible if
    enough bases can be compared and enough of them are equal. An unknown base (any letter except A,
    C, G and T) counts neither for nor against an overlap.

    Reads of repeats can have several possible overlaps. The probability of each then depends on its
    differences, with the error probabilities of the qualities (Phred, letters from "!" on), and on
    how frequent the overlap is among those of the first 16,384 pairs that have a single possible
    overlap; if there are none, the expected overlap is preferred. A pair whose best overlap has a
    probability below 0.999 is ambiguous: it is counted and left out. docs/explanation/overlaps.md
    has the formulas.

    At each position the base with the higher quality is used, that of read 2 if qualities are
    equal, and a known base instead of an unknown one. Its quality is the higher one if the reads
    agree, otherwise its own.

    Args:
        forward: FASTQ file of reads 1, plain or compressed (gzip, zstd, bzip2); "-" is standard
            input.
        reverse: FASTQ file of reads 2, in the same order.
        output: file to write, compressed where its name ends in .gz or .zst; "-" is standard
            output.
        overlap: expected overlap, bases, at most 131,070: reads have at most 65,535 bases.
        slack: how much longer or shorter it may be, bases.
        minimum_overlap: minimum number of positions where both reads have a known base; None: 10,
            or half of `overlap` if that is less.
        minimum_identity: minimum share of these positions where the bases are equal, 0 to 1.
        minimum_length: minimum bases of a merged pair.
        maximum_unknown: maximum unknown bases (N) in a merged pair; None: no limit.
        format: "sequences": a sequence per line; "table": name, sequence and overlap, separated by
            tabs; "fasta"; "fastq". The name is that of read 1 up to the first blank.
        threads: threads to use, including the one that reads; None: one per available core, which
            is also the most.
        progress: show the number of pairs if standard error is a terminal.
        overwrite: whether the output may replace a file that exists; never one that is read.

    Returns:
        Counts of pairs by result, the same for every number of threads.

    Raises:
        FileNotFoundError: a file does not exist.
        FileExistsError: the output exists, and `overwrite` is False.
        ValueError: an argument is out of range; or "file:line: ...": a record is damaged or
            truncated, names of a pair differ, or one file has more records than the other.
        OSError: the output cannot be written.
        LibraryError: cisreg's compiled module does not load.

    Example:
        >>> counts = merge_pairs(
        ...     "bin1_R1.fastq.gz", "bin1_R2.fastq.gz", "bin1.txt", overlap=40, slack=5
        ... )  # doctest: +SKIP
        >>> counts.merged / counts.pairs  # doctest: +SKIP
        0.98
    """
    check_output(output, inputs=[forward, reverse], overwrite=overwrite)
    if minimum_overlap is None:
        minimum_overlap = max(1, min(10, overlap // 2))
    options = {
        "overlap": overlap,
        "slack": slack,
        "minimum_overlap": minimum_overlap,
        "minimum_identity": minimum_identity,
        "minimum_length": minimum_length,
        # More than any read has.
        "maximum_unknown": _MOST_BASES if maximum_unknown is None else maximum_unknown,
        "format": format,
    }
    threads = _check(options, threads)
    names = input_name(forward), input_name(reverse)
    refuse_same_file(
        "reverse", (forward, reverse), "reads 1 and 2 must be in separate files, in the same order"
    )
    total = MergeCounts()
    with (
        open_input(forward, longest_line=LONGEST_READ) as first,
        open_input(reverse, longest_line=LONGEST_READ) as second,
        open_output(output, overwrite=overwrite) as sink,
        _pair_counter(progress) as show,
    ):
        batches = _errors_in_line(_read_batches((first, second), names))
        survey, batches = _survey(batches, options)

        def merge(batch: _Batch | ValueError) -> tuple[bytes, MergeCounts]:
            # Raised here, in order, so that the first error in the files is the one reported.
            if isinstance(batch, ValueError):
                raise batch
            text, counts, fault = native_module().merge_pairs(
                *batch.texts, **options, survey=survey
            )
            if fault is not None:
                _, _, record = fault
                raise ValueError(_describe_mates(names, batch, record))
            return text, MergeCounts(**counts)

        for text, counts in _in_order(merge, batches, threads):
            sink.write(text)
            total += counts
            show(total.pairs)
    _say_nothing_merged(total)
    return total


def _survey(
    batches: Iterator[_Batch | ValueError], options: dict[str, Any]
) -> tuple[Any, Iterator[_Batch | ValueError]]:
    """The frequency of each overlap in the first batch, and an iterator over all batches."""
    first = next(batches, None)
    if first is None:
        return None, batches
    batches = itertools.chain([first], batches)
    if isinstance(first, ValueError):
        return None, batches
    names = "overlap", "slack", "minimum_overlap", "minimum_identity"
    survey = native_module().survey_pairs(*first.texts, **{name: options[name] for name in names})
    if survey.pairs:
        by_overlap = survey.pairs_by_overlap
        most = max(range(len(by_overlap)), key=by_overlap.__getitem__)
        logger.info(
            "%d of the first pairs have a single possible overlap, most often (%.1f %%) %d bases; "
            "%d bases are expected",
            *(survey.pairs, 100 * by_overlap[most] / survey.pairs),
            *(options["overlap"] - options["slack"] + most, options["overlap"]),
        )
    return survey, batches


def _check(options: dict[str, Any], threads: int | None) -> int:
    """The number of threads.

    Raises:
        ValueError: an option is out of its range.
    """
    check_range("overlap", options["overlap"], 1, _MOST_OVERLAP)
    check_range("slack", options["slack"], 0, _MOST_OVERLAP)
    check_range("minimum_overlap", options["minimum_overlap"], 1, _MOST_OVERLAP)
    check_range("minimum_length", options["minimum_length"], 0, _MOST_BASES)
    check_range("maximum_unknown", options["maximum_unknown"], 0, _MOST_BASES)
    # Without pairs the native code only checks the other options.
    native_module().merge_pairs(b"", b"", **options)
    longest = options["overlap"] + options["slack"]
    if options["minimum_overlap"] > longest:
        raise ValueError(
            f"minimum_overlap: expected at most {longest}, the largest overlap that overlap and "
            f"slack allow, got {options['minimum_overlap']}; lower it, or raise one of them"
        )
    return thread_count(threads)


def _say_nothing_merged(counts: MergeCounts) -> None:
    """Warns if there were pairs and none was merged, with the reasons."""
    if counts.merged or not counts.pairs:
        return
    reasons = {
        "without an overlap": counts.no_overlap,
        "with several possible overlaps": counts.ambiguous,
        "too short": counts.too_short,
        "with too many unknown bases": counts.too_many_unknown,
    }
    logger.warning(
        "none of %d pairs was merged (%s); check that reads 1 and 2 are of the same molecules, and "
        "the overlap, which is the length of both reads together minus that of the molecule",
        *(counts.pairs, ", ".join(f"{count} {what}" for what, count in reasons.items() if count)),
    )


def _read_batches(streams: tuple[BinaryIO, BinaryIO], names: tuple[str, str]) -> Iterator[_Batch]:
    """Reads both files in batches of the same number of records.

    Raises:
        ValueError: a record is damaged or truncated, or one file has fewer records.
    """
    import dnaio

    with ExitStack() as stack:
        readers = []
        for stream, name in zip(streams, names, strict=True):
            with _named_faults(name, dnaio.FileFormatError):
                reader = stack.enter_context(
                    dnaio.open(without_blank_end(stream), fileformat="fastq")
                )
            readers.append(iter(reader))
        first = 0
        while True:
            forward, reverse = list[bytes](), list[bytes]()
            size = 0
            while len(forward) < _RECORDS and size < _BATCH_BYTES:
                before = len(forward)
                for reader, name, records in zip(readers, names, (forward, reverse), strict=True):
                    with _named_faults(name, dnaio.FileFormatError):
                        some = itertools.islice(reader, _RECORDS_AT_ONCE)
                        records += [record.fastq_bytes() for record in some]
                if len(forward) != len(reverse):
                    raise ValueError(_describe_lengths(names, first, len(forward), len(reverse)))
                if len(forward) == before:
                    break
                size += sum(map(len, forward[before:])) + sum(map(len, reverse[before:]))
            if not forward:
                return
            yield _Batch((b"".join(forward), b"".join(reverse)), first)
            first += len(forward)


@contextmanager
def _named_faults(name: str, fault: type[Exception]) -> Iterator[None]:
    """Turns dnaio's errors on damaged files into errors that name file, line and record."""
    try:
        yield
    except fault as error:
        line = error.line  # type: ignore[attr-defined]
        place, what = name, "one"
        if line is not None:  # counted from 0
            place, what = f"{name}:{line + 1}", f"record {line // _LINES + 1:,}"
        reason = str(error).partition(": ")[2].rstrip(".")
        raise ValueError(
            f"{place}: expected four lines for each record, got {what} damaged ({reason}); is this "
            "a FASTQ file, and complete?"
        ) from None


def _describe_lengths(names: tuple[str, str], first: int, forward: int, reverse: int) -> str:
    """The error message for files with different numbers of records."""
    short, long = names if forward < reverse else names[::-1]
    return (
        f"{short}: expected as many records as in {long}, got {first + min(forward, reverse):,} "
        "and no more, while the other file goes on; are these the files of one run, and complete?"
    )


def _describe_mates(names: tuple[str, str], batch: _Batch, record: int) -> str:
    """The error message for a pair with different names."""
    index = batch.first + record
    first, second = (
        _shorten(text.split(b"\n")[_LINES * record].decode("utf-8", "replace"))
        for text in batch.texts
    )
    return (
        f"{names[1]}:{index * _LINES + 1}: expected the mate of {first}, got {second} in record "
        f"{index + 1:,}; both files must have the same reads in the same order"
    )


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _errors_in_line(batches: Iterator[_Batch]) -> Iterator[_Batch | ValueError]:
    """The batches; an error in reading is yielded as the last item instead of raised."""
    try:
        yield from batches
    except ValueError as error:
        yield error


def _in_order(
    work: Callable[[_Batch | ValueError], tuple[bytes, MergeCounts]],
    batches: Iterator[_Batch | ValueError],
    threads: int,
) -> Iterator[tuple[bytes, MergeCounts]]:
    """Results of all batches in order, computed by the other threads."""
    if threads == 1:
        yield from map(work, batches)
        return
    waiting: deque[Future[tuple[bytes, MergeCounts]]] = deque()
    with ThreadPoolExecutor(threads - 1) as pool:
        try:
            for batch in batches:
                waiting.append(pool.submit(work, batch))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def _pair_counter(show: bool) -> Iterator[Callable[[int], None]]:
    """A function that shows the number of pairs done, or does nothing without a terminal."""
    with progress_bar(
        SpinnerColumn(SPINNER),
        TextColumn("pairs: {task.completed:,.0f}"),
        TimeElapsedColumn(),
        show=show,
    ) as bar:
        task = bar.add_task("pairs", total=None)
        yield lambda pairs: bar.update(task, completed=pairs)
