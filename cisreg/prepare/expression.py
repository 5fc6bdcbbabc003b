"""Mean expression of sequences from their read counts in sorting bins."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as compute

from cisreg.file_checks import check_output
from cisreg.number_text import LARGEST_FLOAT32
from cisreg.prepare.bins import BinOrder, order_bins
from cisreg.prepare.count_table import (
    SEQUENCE,
    CountTable,
    ReadTotal,
    count_column,
    read_count_table,
    write_counts,
)
from cisreg.prepare.database import Resources, open_database
from cisreg.prepare.inputs import refuse_same_file
from cisreg.prepare.progress import count_rows
from cisreg.prepare.reading import input_name, name_of_file
from cisreg.streams import open_output

logger = logging.getLogger("cisreg.prepare")


@dataclass(frozen=True)
class Bins:
    """The bins that cells were sorted into by their fluorescence.

    Values, cells and pseudocounts are listed in the order of the bins: by the numbers in their
    names (bin1, bin2, bin10), or as in `names`.

    Attributes:
        values: expression of each bin, such as the log fluorescence at its middle; None: 0, 1, 2,
            ...
        cells: number of cells sorted into each bin; None: reads of all bins have equal weight.
        pseudocount: reads to add to every count, one number or one per bin.
        names: names of the bins in order; bins that are not listed are left out. None: order by
            the numbers in the names.
    """

    values: Sequence[float] | None = None
    cells: Sequence[float] | None = None
    pseudocount: float | Sequence[float] = 0.0
    names: Sequence[str] | None = None


@dataclass(frozen=True)
class ExpressionCounts:
    """The numbers that `expression` counted, and the values of the bins.

    Attributes:
        sequences: number of sequences written.
        dropped: number of sequences left out because they have too few reads.
        dropped_reads: reads of the sequences left out.
        bin_reads: reads of each bin in order, including reads of sequences left out.
        bin_values: name and value of each bin in order.
        columns: how the columns of the table were used, as text; empty with one table per bin.
    """

    sequences: int
    dropped: int
    dropped_reads: int
    bin_reads: tuple[int, ...]
    bin_values: tuple[tuple[str, float], ...] = ()
    columns: str = ""


def bin_expression(
    counts: npt.ArrayLike,
    bins: Bins | None = None,
    *,
    bin_reads: npt.ArrayLike | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Mean and standard deviation of the expression of sequences over sorting bins.

    With n_b reads of a sequence in bin b, the pseudocount p_b, c_b cells sorted into the bin, and
    R_b reads of all sequences in the bin, the weight of the bin is

        w_b = (n_b + p_b) c_b / R_b        (c_b / R_b is 1 if no cells are given)

    which is about the number of cells with the sequence in the bin. With the values v_b of the
    bins,

        mean = sum_b v_b w_b / sum_b w_b
        standard deviation = sqrt(sum_b w_b (v_b - mean)^2 / sum_b w_b)

    The mean is the one of de Boer et al. (2020, Nat. Biotechnol. 38:56), with v_b = 0, 1,
    2, ... The standard deviation describes how far the cells of one sequence spread over the bins.
    It is not a standard error of the mean and does not include the width of the bins; it is 0 for a
    sequence in a single bin.

    Args:
        counts: [N, B], reads of N sequences in B bins.
        bins: values, cells and pseudocount.
        bin_reads: [B], R_b; None: the sums of `counts`. Used only if `bins.cells` is given.

    Returns:
        Mean and standard deviation, float64 [N] each, in the unit of the bin values; NaN for a
        sequence whose weights are all 0.

    Raises:
        ValueError: an argument has the wrong shape or values; the message says which.

    Example:
        >>> mean, deviation = bin_expression([[0, 1, 3], [2, 0, 2]])
        >>> mean.tolist(), deviation.round(3).tolist()
        ([1.75, 1.0], [0.433, 1.0])
    """
    numbers = np.asarray(counts, np.float64)
    if numbers.ndim != 2 or not numbers.shape[1]:
        raise ValueError(f"counts: expected shape [N, B], got {list(numbers.shape)}")
    if not (np.isfinite(numbers) & (numbers >= 0)).all():
        raise ValueError("counts: expected finite numbers of 0 or more")
    count = numbers.shape[1]
    bins = bins or Bins()
    values = _bin_values(bins, count)
    scale = np.ones(count)
    if bins.cells is not None:
        reads = numbers.sum(axis=0) if bin_reads is None else np.asarray(bin_reads, np.float64)
        scale = _cells_per_read(bins.cells, reads, count)
    weight = (numbers + _pseudocount(bins, count)) * scale
    with np.errstate(invalid="ignore"):
        share = weight / weight.sum(axis=1, keepdims=True)
    mean = (share * values).sum(axis=1)
    variance = (share * (values - mean[:, np.newaxis]) ** 2).sum(axis=1)
    return mean, np.sqrt(variance)


def expression(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    bins: Bins | None = None,
    minimum_reads: int = 1,
    standard_deviation: bool = False,
    keep_case: bool = False,
    resources: Resources | None = None,
    progress: bool = False,
    overwrite: bool = False,
) -> ExpressionCounts:
    """Writes a table of the mean expression of sequences, computed from their counts in bins.

    See `bin_expression` for the formula. `cisreg train` can read the table directly. Rows are
    sorted by reads, the largest number first, and rows of equal reads by sequence.

    Args:
        inputs: one table with a count column per bin, as `collapse` and `translate_counts` write it
            (see `read_count_table` for the columns that are not counts); or one table per bin with
            a single count column, where each bin is named after its file. "-" is standard input.
            Counts of repeated sequences are added; a sequence that is missing in a table has count
            0. Bins are ordered by `order_bins`; columns without names keep the order of the file.
        output: table with a header and the columns sequence, expression, reads (and
            standard_deviation); compressed if its name ends in .gz or .zst; "-" is standard output.
        bins: values, cells and pseudocount.
        minimum_reads: leave out sequences with fewer reads in total, 1 or more.
        standard_deviation: also write that column.
        keep_case: whether acgt and ACGT are different sequences; if not, all become upper case.
        resources: memory, threads and temporary folder; data beyond the memory limit goes to disk.
        progress: show the number of rows read if standard error is a terminal.
        overwrite: whether the output may replace a file that exists; never one that is read.

    Returns:
        The numbers of sequences written and left out, and the values of the bins.

    Raises:
        FileNotFoundError: a file does not exist.
        FileExistsError: the output exists, and `overwrite` is False.
        ImportError: DuckDB is not installed.
        ValueError: "file:line: reason" for a row with a different number of columns than the first
            line, a letter that is not a nucleotide code, or a count that is not an integer of 0 or
            more; fewer than two bins, or names that do not determine their order; too few, too many
            or invalid numbers per bin; no sequence with enough reads.
        OSError: the output or the temporary folder cannot be written.

    Example:
        >>> counts = expression(["roots.tsv"], "train.tsv.gz", minimum_reads=10)  # doctest: +SKIP
        >>> counts.sequences, counts.dropped  # doctest: +SKIP
        (9982, 310)
    """
    if minimum_reads < 1:
        raise ValueError(f"minimum_reads: expected 1 or more, got {minimum_reads}")
    check_output(output, inputs=inputs, overwrite=overwrite)
    tables = _open_tables(inputs)
    bins = bins or Bins()
    names = _bin_names(inputs, tables)
    has_names = len(tables) > 1 or tables[0].names is not None
    order = order_bins(names, bins.names) if has_names or bins.names else _as_it_is(names)
    count = len(order.index)
    _check_bins(bins, count)
    ordered = tuple(names[each] for each in order.index)
    values = tuple(zip(ordered, _bin_values(bins, count).tolist(), strict=True))
    _tell_bins(values, order, bins)
    tally = _Tally(np.zeros(count, np.int64))
    with (
        count_rows(progress) as counter,
        open_database(resources or Resources(), output) as database,
    ):
        schema = _schema(count)
        batches = _all_bins(tables, order.index, schema, keep_case)
        database.register("counts", schema, counter.count("rows read", tally.watch(batches)))
        rows = tally.compute(database.stream(_query(count)), bins, minimum_reads)
        columns = [SEQUENCE, "expression", "reads"]
        columns += ["standard_deviation"] if standard_deviation else []
        with open_output(output, overwrite=overwrite) as stream:
            selected = (row.select(columns) for row in rows if row.num_rows)
            written = write_counts(stream, columns, counter.count("sequences written", selected))
            if not written:
                raise ValueError(
                    f"minimum_reads: expected some sequence with {minimum_reads} reads or more, "
                    f"got {tally.dropped} with fewer"
                )
    tally.tell(minimum_reads, ordered)
    return ExpressionCounts(
        sequences=written,
        dropped=tally.dropped,
        dropped_reads=tally.dropped_reads,
        bin_reads=tuple(tally.bin_reads.tolist()),
        bin_values=values,
        columns=tables[0].columns if len(tables) == 1 else "",
    )


def _bin_names(
    inputs: Sequence[str | os.PathLike[str]], tables: Sequence[CountTable]
) -> tuple[str, ...]:
    """Names of the columns; with several tables the file names, or full paths if some are equal."""
    if len(tables) == 1:
        return tables[0].bin_names
    names = tuple(map(name_of_file, inputs))
    return names if len({*names}) == len(names) else tuple(os.fspath(path) for path in inputs)


def _as_it_is(names: Sequence[str]) -> BinOrder:
    return BinOrder(tuple(range(len(names))))


def _tell_bins(values: Sequence[tuple[str, float]], order: BinOrder, bins: Bins) -> None:
    logger.info("bins: %s", ", ".join(f"{name} -> {value:g}" for name, value in values))
    if order.missing is not None and bins.values is None:
        logger.warning(
            "the numbers of the bins have gaps (there is no %s, for one): the %d bins have the "
            "values 0, 1, 2, ... in their order; give bin values if that is not so",
            *(order.missing, len(values)),
        )


@dataclass
class _Tally:
    """Sums over the batches that pass through it."""

    bin_reads: np.ndarray
    dropped: int = field(default=0)
    dropped_reads: int = field(default=0)
    _total: ReadTotal = field(default_factory=lambda: ReadTotal("counts"))

    def watch(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yields the batches unchanged and adds up the reads of the bins."""
        for batch in batches:
            self._total.add(batch.columns[1:])
            self.bin_reads += _matrix(batch, len(self.bin_reads)).sum(axis=0)
            yield batch

    def compute(
        self, batches: Iterable[pa.RecordBatch], bins: Bins, minimum_reads: int
    ) -> Iterator[pa.RecordBatch]:
        """Computes, batch by batch, the expression of the sequences that have enough reads."""
        for batch in batches:
            counts = _matrix(batch, len(self.bin_reads))
            reads = counts.sum(axis=1)
            enough = reads >= minimum_reads
            self.dropped += int((~enough).sum())
            self.dropped_reads += int(reads[~enough].sum())
            # The rows are sorted, so all input has been read and `bin_reads` is complete.
            mean, deviation = bin_expression(counts[enough], bins, bin_reads=self.bin_reads)
            yield pa.RecordBatch.from_pydict(
                {
                    SEQUENCE: batch[SEQUENCE].filter(pa.array(enough)),
                    "expression": mean,
                    "reads": reads[enough],
                    "standard_deviation": deviation,
                }
            )

    def tell(self, minimum_reads: int, names: Sequence[str]) -> None:
        """Logs what was left out, and which bins are empty."""
        if self.dropped:
            logger.info(
                "%d sequences with %d reads were dropped: fewer than %d reads each",
                *(self.dropped, self.dropped_reads, minimum_reads),
            )
        for index in np.flatnonzero(self.bin_reads == 0):
            logger.warning(
                "bin %d of %d (%s) has no reads", index + 1, len(self.bin_reads), names[int(index)]
            )


def _open_tables(inputs: Sequence[str | os.PathLike[str]]) -> list[CountTable]:
    if not inputs:
        raise ValueError("inputs: expected one table or more, got none")
    refuse_same_file("inputs", inputs, "give one table per bin")
    tables = [read_count_table(path) for path in inputs]
    for path, table in zip(inputs, tables, strict=True):
        if len(tables) > 1 and table.bins != 1:
            raise ValueError(
                f"{input_name(path)}: expected one column of counts, since each of the "
                f"{len(tables)} tables is a bin, got {table.bins}"
            )
        if len(tables) == 1 and table.bins < 2:
            raise ValueError(
                f"{input_name(path)}: expected a column of counts for each bin, two or more, got "
                f"{table.bins}; give one table per bin, or one with all bins"
            )
    return tables


def _schema(count: int) -> pa.Schema:
    return pa.schema(
        {SEQUENCE: pa.string(), **{count_column(each): pa.int64() for each in range(count)}}
    )


def _all_bins(
    tables: Sequence[CountTable], order: Sequence[int], schema: pa.Schema, keep_case: bool
) -> Iterator[pa.RecordBatch]:
    """Rows with a column per bin, in order. From one table per bin, the other bins get 0."""

    def sequences(batch: pa.RecordBatch) -> pa.Array:
        return batch.column(0) if keep_case else compute.ascii_upper(batch.column(0))

    if len(tables) == 1:
        for batch in tables[0].batches:
            columns = [sequences(batch), *(batch.column(1 + each) for each in order)]
            yield pa.record_batch(columns, schema=schema)
        return
    for place, index in enumerate(order):
        for batch in tables[index].batches:
            columns = [pa.array(np.zeros(batch.num_rows, np.int64))] * len(order)
            columns[place] = batch.column(1)
            yield pa.record_batch([sequences(batch), *columns], schema=schema)


def _query(count: int) -> str:
    names = [count_column(index) for index in range(count)]
    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in names)
    return (
        f"SELECT {SEQUENCE}, {sums} FROM counts GROUP BY {SEQUENCE} "
        f"ORDER BY {' + '.join(f'sum({name})' for name in names)} DESC, {SEQUENCE}"
    )


def _matrix(batch: pa.RecordBatch, count: int) -> np.ndarray:
    """int64 [rows, B]."""
    return np.stack([batch[count_column(each)].to_numpy() for each in range(count)], axis=1)


def _check_bins(bins: Bins, count: int) -> None:
    """Checks the bins before the first row is read."""
    _bin_values(bins, count)
    _pseudocount(bins, count)
    if bins.cells is not None:
        _cells_per_read(bins.cells, np.ones(count), count)


def _bin_values(bins: Bins, count: int) -> np.ndarray:
    if bins.values is None:
        return np.arange(count, dtype=np.float64)
    values = np.asarray(bins.values, np.float64)
    if values.shape != (count,):
        raise ValueError(f"bin values: expected {count}, one per bin, got {values.size}")
    if not (np.abs(values) <= LARGEST_FLOAT32).all():
        raise ValueError(
            f"bin values: expected finite numbers, {LARGEST_FLOAT32:.2g} at most, got "
            f"{values.tolist()}"
        )
    return values


def _pseudocount(bins: Bins, count: int) -> np.ndarray:
    pseudocount = np.asarray(bins.pseudocount, np.float64)
    if pseudocount.shape not in ((), (1,), (count,)):
        raise ValueError(
            f"pseudocount: expected one number or {count}, one per bin, got {pseudocount.size}"
        )
    if not ((pseudocount <= LARGEST_FLOAT32) & (pseudocount >= 0)).all():
        raise ValueError(
            f"pseudocount: expected numbers of 0 or more, {LARGEST_FLOAT32:.2g} at most, got "
            f"{pseudocount.tolist()}"
        )
    return pseudocount


def _cells_per_read(cells: Sequence[float], reads: np.ndarray, count: int) -> np.ndarray:
    numbers = np.asarray(cells, np.float64)
    if numbers.shape != (count,):
        raise ValueError(f"cells: expected {count} numbers, one per bin, got {numbers.size}")
    if not ((numbers <= LARGEST_FLOAT32) & (numbers >= 1 / LARGEST_FLOAT32)).all():
        raise ValueError(
            f"cells: expected numbers above 0, {LARGEST_FLOAT32:.2g} at most, got "
            f"{numbers.tolist()}"
        )
    if reads.shape != (count,):
        raise ValueError(f"bin_reads: expected {count} numbers, one per bin, got {reads.size}")
    if not (reads > 0).all():
        empty = int(np.flatnonzero(~(reads > 0))[0]) + 1
        raise ValueError(
            f"cells: expected reads of every bin to compare its cells with, got none of bin "
            f"{empty} of {count}; leave that bin out, or the cells"
        )
    return numbers / reads
