"""Activity of sequences from the counts of their barcodes in DNA and RNA."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from cisreg.file_checks import check_output
from cisreg.prepare import activity_queries as queries
from cisreg.prepare.activity_tables import load_counts, load_design
from cisreg.prepare.database import Database, Resources, open_database
from cisreg.prepare.moderation import LogVariances, Prior, fit_prior
from cisreg.prepare.progress import count_rows
from cisreg.prepare.reading import input_name
from cisreg.prepare.reporter_counts import ReporterCounts, read_reporter_counts
from cisreg.writing import check_ending, open_table

logger = logging.getLogger("cisreg.prepare")

PathLike = str | os.PathLike[str]
StandardError = Literal["auto", "both", "barcodes", "replicates", "counts"]

_MOST_PSEUDOCOUNT = 1e6
# The differences from which each kind of standard error is taken, beside counting.
_METHODS = {
    "both": ["barcodes", "replicates"],
    "barcodes": ["barcodes"],
    "replicates": ["replicates"],
    "counts": [],
}


@dataclass(frozen=True)
class Barcodes:
    """Which barcodes count.

    Attributes:
        minimum: sequences with fewer barcodes in a replicate have no activity there.
        minimum_dna: reads of DNA that a barcode needs in a replicate.
        minimum_rna: reads of RNA that it needs there; above 0, weak sequences look stronger, since
            their silent barcodes are left out.
        outliers: leave out barcodes whose log ratio is farther from the median of their sequence
            than this many standard deviations (see `activity`); None: none are.
    """

    minimum: int = 1
    minimum_dna: int = 1
    minimum_rna: int = 0
    outliers: float | None = None


@dataclass(frozen=True)
class ActivityCounts:
    """What `activity` has counted, and how it computed the standard errors.

    Attributes:
        sequences: sequences written.
        replicates: names of the replicates, in the order of their columns.
        standard_error: what they came from: "both", "barcodes", "replicates" or "counts", also
            where more was asked for, but there are no differences to take it from.
        priors: for "barcodes" and "replicates", where their differences count: the usual ratio of
            that variance of an activity to the one by counting alone, and the degrees of freedom
            that it counts as.
        too_few: sequences without a replicate with enough barcodes.
        without_sequence: sequences with an activity whose name is not among `sequences`.
        unassigned: rows of no sequence: no_BC of MPRAflow, or without a name.
        shared_barcodes: barcodes left out because several sequences have them.
        outliers: counts of a barcode in a replicate that were left out as outliers.
        columns: how the columns of the tables were used, as text.
    """

    sequences: int
    replicates: tuple[str, ...]
    standard_error: str
    priors: Mapping[str, Prior]
    too_few: int
    without_sequence: int
    unassigned: int
    shared_barcodes: int
    outliers: int
    columns: str


def activity(
    inputs: Sequence[PathLike],
    output: PathLike,
    *,
    sequences: PathLike | None = None,
    barcodes: Barcodes | None = None,
    standard_error: StandardError = "auto",
    pseudocount: float = 0.5,
    weights: bool = False,
    resources: Resources | None = None,
    progress: bool = False,
    overwrite: bool = False,
) -> ActivityCounts:
    r"""Writes a table of the activity of sequences: log2 of RNA over DNA, with its standard error.

    With D_br and R_br reads of barcode b in DNA and RNA of replicate r, D_r and R_r their sums over
    the n barcodes of a sequence, T those over all barcodes, and the pseudocount p,

        activity_r = log2((R_r + p) / (T^R_r + 2p)) - log2((D_r + p) / (T^D_r + 2p))

    and the expression is the mean of activity_r over the K replicates. It is the aggregate estimate
    of Myint et al. (2019, BMC Genomics 20:209), with the log counts per million of voom (Law et al.
    2014, Genome Biol. 15:R29; p = 0.5). A constant added to all activities has no meaning.

    The variance of the expression is (1 + e_barcodes + e_replicates) · V. V is that of counting
    alone, by the delta method:

        V = sum_r (1 / (R_r + p) + 1 / (D_r + p)) / (K log 2)^2

    The excess e = phi - 1 of a source is by how much more its parts differ than by counting, with
    phi, 1 or more, an observed variance over V. The one by how barcodes differ is that of a ratio
    of sums (Cochran 1977, Sampling Techniques, section 6.3; a barcode counts once, with all its
    replicates; divided by 1 - h as in HC2 of MacKinnon & White 1985, J. Econometrics 29:305),

        sum_b u_b^2 / (1 - h_b) / (K log 2)^2,     h_b = sum_r D_br / (D_r + p) / K
        u_b = sum_r (R_br / (R_r + p) - D_br / (D_r + p))

    and the one by how replicates differ is sum_r (activity_r - expression)^2 / (K (K - 1)). Few
    barcodes or replicates tell little of phi, so that it is drawn to the usual phi of all
    sequences, as Smyth (2004) does with variances and Lund et al. (2012, Stat. Appl. Genet. Mol.
    Biol. 11:8) with ratios of this kind (`cisreg.prepare.moderation`).

    Outliers are judged by the distance of log2((R_br + p) / (D_br + p)) from the median of the
    sequence in the replicate, in units of 1.4826 times the median distance of all barcodes with
    about the same noise by counting (20 groups), much as MPRAsnakeflow does.

    Args:
        inputs: a table with a row for each barcode, such as MPRAflow and MPRAsnakeflow write
            (Barcode, name, dna_count_1, rna_count_1, ...), or for each sequence (name, dna_counts,
            rna_counts, n_obs_bc); or one such table for each replicate. TSV, CSV or Parquet, plain
            or compressed; "-" is standard input. A single column of DNA goes with all columns of
            RNA. Without names, rows belong to the sequence in the column sequence.
        output: table with the columns name and sequence (as far as they are known), expression,
            standard_error, weight (if asked for), replicates (their number), barcodes (if known),
            dna_count, rna_count, and activity_... for each replicate. Its ending decides the
            format: .tsv, .csv (also .gz) or .parquet; "-" is standard output.
        sequences: FASTA of the design, or a table with names and sequences. None: the tables have
            them, or the output has names alone, for FASTA with `measurements`.
        barcodes: which barcodes count.
        standard_error: from differences between "barcodes", between "replicates" or between
            "both"; or from "counts" alone, which is too small. "auto": from all that differ.
        pseudocount: p, reads; above 0.
        weights: write the inverse of the squared standard error, divided by its mean, as `weight`,
            which training multiplies the loss with.
        resources: memory, threads and temporary folder; data beyond the memory limit goes to disk.
        progress: show the number of rows read if standard error is a terminal.
        overwrite: whether the output may replace a file that exists; never one that is read.

    Returns:
        What was written and left out.

    Raises:
        FileNotFoundError: a file does not exist.
        FileExistsError: the output exists, and `overwrite` is False.
        ImportError: DuckDB is not installed.
        ValueError: "file:line: reason" for a count that is not a whole number; columns that are
            missing or not clear; several conditions; a replicate without reads; a name with two
            sequences; a number out of its range; no sequence with enough barcodes.
        OSError: the output or the temporary folder cannot be written.

    Example:
        >>> counts = activity(["barcodes.tsv.gz"], "activity.tsv", sequences="design.fa",
        ...                   barcodes=Barcodes(minimum=10))  # doctest: +SKIP
        >>> counts.replicates, counts.standard_error  # doctest: +SKIP
        (('1', '2', '3'), 'both')
    """
    which = barcodes or Barcodes()
    _check_numbers(which, pseudocount)
    read = [*inputs] if sequences is None else [*inputs, sequences]
    check_output(output, inputs=read, overwrite=overwrite)
    check_ending(output)
    table = read_reporter_counts(inputs)
    logger.info("columns: %s", table.columns)
    if sequences is not None and table.has_sequences:
        raise ValueError(
            f"sequences: expected none beside {input_name(inputs[0])}, whose rows have sequences; "
            "leave them out, or remove that column"
        )
    with (
        count_rows(progress) as counter,
        open_database(resources or Resources(), output) as database,
    ):
        labels = load_counts(database, table, counter)
        found = _compute(database, table, which, len(labels), pseudocount, labels)
        method, priors = _errors(database, table, standard_error, len(labels), pseudocount)
        where = "raw" if table.has_sequences else ""
        if sequences is not None:
            load_design(database, sequences, counter)
            where = "design"
        names = tuple(f"activity_{label}" for label in labels)
        query = queries.results(
            len(labels),
            priors,
            sequence=where,
            weights=weights,
            barcodes=table.has_barcodes or table.counts_barcodes,
        )
        rows = counter.count("sequences written", database.stream(query))
        written = _write(output, rows, names, has_names=table.has_names, overwrite=overwrite)
        active = _number(database, "SELECT count(*) FROM summary")
        if not written:
            raise ValueError(_nothing(found.too_few, active, which, sequences))
    done = ActivityCounts(
        sequences=written,
        replicates=labels,
        standard_error=method,
        priors=priors,
        too_few=found.too_few,
        without_sequence=active - written,
        unassigned=table.left_out.unassigned,
        shared_barcodes=found.shared,
        outliers=found.outliers,
        columns=table.columns,
    )
    _tell(done, table, which)
    return done


@dataclass(frozen=True)
class _Found:
    """How many sequences, barcodes and counts were left out."""

    too_few: int
    shared: int
    outliers: int


def _check_numbers(which: Barcodes, pseudocount: float) -> None:
    for name, value, least in (
        ("minimum", which.minimum, 1),
        ("minimum_dna", which.minimum_dna, 0),
        ("minimum_rna", which.minimum_rna, 0),
    ):
        if not least <= value < 2**53:
            raise ValueError(f"barcodes: expected a {name} of {least} or more, got {value}")
    if which.outliers is not None and not 0 < which.outliers < math.inf:
        raise ValueError(f"barcodes: expected outliers above 0, got {which.outliers}")
    if not 0 < pseudocount <= _MOST_PSEUDOCOUNT:
        raise ValueError(
            f"pseudocount: expected a number above 0, {_MOST_PSEUDOCOUNT:g} at most, got "
            f"{pseudocount}"
        )


def _number(database: Database, query: str) -> int:
    row = database.row(query)
    assert row is not None  # a count always has one
    return int(row[0] or 0)


def _compute(
    database: Database,
    table: ReporterCounts,
    which: Barcodes,
    replicates: int,
    pseudocount: float,
    labels: Sequence[str],
) -> _Found:
    """Makes the tables `used`, `activities` and `summary`."""
    several = "HAVING min(name) <> max(name)" if table.has_barcodes else "HAVING false"
    database.run(f"CREATE TABLE shared AS SELECT unit FROM raw GROUP BY unit {several}")
    database.run(queries.add_up(which.minimum_dna, which.minimum_rna))
    _refuse_empty_replicates(database, labels)
    before = _number(database, "SELECT count(*) FROM used")
    if which.outliers is not None:
        if not table.has_barcodes:
            raise ValueError(
                "barcodes: expected a table of barcodes with outliers, got one of whole sequences; "
                "leave outliers out"
            )
        database.run(queries.without_outliers(which.outliers, pseudocount))
    outliers = before - _number(database, "SELECT count(*) FROM used")
    if which.minimum > 1 and not (table.has_barcodes or table.counts_barcodes):
        raise ValueError(
            "barcodes: expected a column of barcodes, or of their number (n_obs_bc, n_bc), with a "
            "minimum, got neither; leave the minimum out"
        )
    number = "count(*)" if table.has_barcodes else "max(barcodes)"
    database.run(queries.activities(number, which.minimum, pseudocount))
    database.run(queries.summary(replicates, pseudocount, shares_dna=table.shares_dna))
    names = _number(database, "SELECT count(DISTINCT name) FROM raw")
    return _Found(
        too_few=names - _number(database, "SELECT count(*) FROM summary"),
        shared=_number(database, "SELECT count(*) FROM shared"),
        outliers=outliers,
    )


def _refuse_empty_replicates(database: Database, labels: Sequence[str]) -> None:
    row = database.row(
        "SELECT number, coalesce(sum(dna), 0), coalesce(sum(rna), 0) FROM labels LEFT JOIN used "
        "USING (number) GROUP BY number HAVING coalesce(sum(dna), 0) = 0 OR "
        "coalesce(sum(rna), 0) = 0 ORDER BY number LIMIT 1"
    )
    if row is not None:
        raise ValueError(
            f"inputs: expected reads of DNA and RNA in every replicate, got {row[1]} and {row[2]} "
            f"in replicate {labels[row[0]]!r} of barcodes with enough reads; leave that replicate "
            "out"
        )


def _errors(
    database: Database,
    table: ReporterCounts,
    asked: StandardError,
    replicates: int,
    pseudocount: float,
) -> tuple[str, dict[str, Prior]]:
    """How the standard errors are computed, and the priors of phi."""
    sources = ["barcodes"] if table.has_barcodes else []
    sources += ["replicates"] if replicates > 1 else []
    possible = {name: each for name, each in _METHODS.items() if set(each) <= set(sources)}
    method = next(iter(possible)) if asked == "auto" else asked
    if method not in possible:
        raise ValueError(
            f"standard_error: expected {', '.join(possible)} or auto for these tables, got {asked}"
        )
    if table.has_barcodes:
        database.run(queries.spread_of_barcodes(pseudocount))
    found = {source: _prior(database, source) for source in possible[method]}
    priors = {source: prior for source, prior in found.items() if prior is not None}
    # With one barcode for each sequence, for example, there are no differences to take it from.
    used = next(name for name, sources in _METHODS.items() if sources == [*priors])
    return used, priors


def _prior(database: Database, source: str) -> Prior | None:
    rows = [
        row
        for batch in database.stream(queries.log_ratios(source))
        for row in zip(*batch.to_pydict().values(), strict=True)
    ]
    return fit_prior([LogVariances(*row) for row in rows])


def _write(
    output: PathLike,
    rows: Iterable[pa.RecordBatch],
    activities: Sequence[str],
    *,
    has_names: bool,
    overwrite: bool,
) -> int:
    """Writes the rows; returns their number. Nothing is written where there are none."""
    written = 0
    filled = (each for each in rows if each.num_rows)
    first = next(filled, None)
    if first is None:
        return 0
    with open_table(output, overwrite=overwrite) as write:
        for batch in _chain(first, filled):
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            if not has_names:
                del columns["name"]
            named = {
                activities[int(name.removeprefix("activity_"))]
                if name.startswith("activity_")
                else name: column
                for name, column in columns.items()
            }
            write(named)
            written += batch.num_rows
    return written


def _chain(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest


def _nothing(too_few: int, active: int, which: Barcodes, sequences: PathLike | None) -> str:
    if active:
        return (
            f"sequences: expected the names of the counts among those of {sequences}, got none of "
            f"{active}; are they of the same library?"
        )
    return (
        f"barcodes: expected some sequence with {which.minimum} barcodes or more, got {too_few} "
        "with fewer; ask for fewer"
    )


def _tell(done: ActivityCounts, table: ReporterCounts, which: Barcodes) -> None:
    """Logs what was left out, and how sure the standard errors are."""
    for count, what in (
        (done.unassigned, "rows of no sequence were left out"),
        (table.left_out.without_barcode, "rows without a barcode were left out"),
        (done.shared_barcodes, "barcodes of several sequences were left out"),
        (done.outliers, "counts of outlying barcodes were left out"),
        (done.too_few, f"sequences were left out: fewer than {which.minimum} barcodes"),
        (done.without_sequence, "sequences were left out: their names are not in the design"),
    ):
        if count:
            logger.info("%d %s", count, what)
    if not done.priors:
        logger.warning(
            "the standard errors are those of counting alone, which are too small; barcodes and "
            "replicates show how much more counts differ"
        )
