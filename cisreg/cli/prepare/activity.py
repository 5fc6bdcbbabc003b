"""cisreg prepare activity."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cisreg.cli import options
from cisreg.cli.outputs import check_files
from cisreg.cli.prepare import step_options

if TYPE_CHECKING:
    from cisreg.prepare.activity import ActivityCounts

EXAMPLE = (
    "cisreg prepare activity barcodes.tsv.gz --sequences design.fa --minimum-barcodes 10 "
    "--output activity.tsv"
)


def activity(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="COUNTS...",
            help="A table with a row for each barcode (barcode, name, dna_count_1, rna_count_1, "
            "...) or for each sequence (name, dna_count, rna_count, ...), as MPRAflow and "
            "MPRAsnakeflow write them, or one for each replicate; **-** is standard input.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Table to write: .tsv, .csv (also .gz) or .parquet; **-** is standard output.",
        ),
    ],
    sequences: Annotated[
        Path | None,
        typer.Option(
            metavar="FASTA",
            help="Sequences of the design by their names: FASTA, or a table with the columns name "
            "and sequence. Default: those in COUNTS, if there are any.",
        ),
    ] = None,
    minimum_barcodes: Annotated[
        int, typer.Option(min=1, help="Leave out sequences with fewer barcodes in a replicate.")
    ] = 1,
    minimum_dna: Annotated[
        int, typer.Option(min=0, help="Reads of DNA that a barcode needs in a replicate.")
    ] = 1,
    minimum_rna: Annotated[
        int,
        typer.Option(
            min=0,
            help="Reads of RNA that a barcode needs in a replicate; above 0, weak sequences look "
            "stronger.",
        ),
    ] = 0,
    outliers: Annotated[
        float | None,
        typer.Option(
            metavar="TIMES",
            help="Leave out barcodes whose log ratio is this many standard deviations (from median "
            "distances) from the median of their sequence; default: none are.",
        ),
    ] = None,
    standard_error: Annotated[
        Literal["auto", "both", "barcodes", "replicates", "counts"],
        typer.Option(
            help="From differences between barcodes, between replicates or between both; or of "
            "counting alone, which is too small. auto: from all that differ."
        ),
    ] = "auto",
    pseudocount: Annotated[
        float, typer.Option(metavar="READS", help="Reads to add to every sum, above 0.")
    ] = 0.5,
    weights: Annotated[
        bool,
        typer.Option(
            "--weights",
            help="Add a column weight, 1 / standard error², with which training weighs.",
        ),
    ] = False,
    memory: step_options.Memory = "4GB",
    threads: step_options.Threads = None,
    temporary_folder: step_options.TemporaryFolder = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Compute the activity of sequences from counts of DNA and RNA, with standard errors.

    The activity is log2 of RNA over DNA, of the reads summed over the barcodes of a sequence and
    divided by those of the library, averaged over the replicates. The output has the columns name,
    sequence, expression, standard_error, replicates, barcodes, dna_count, rna_count and the
    activity in each replicate. **cisreg train** can read it directly.
    """
    check_files([output], inputs=[*inputs, sequences], overwrite=overwrite)
    from cisreg.prepare.activity import Barcodes
    from cisreg.prepare.activity import activity as run_activity
    from cisreg.prepare.database import Resources

    done = run_activity(
        inputs,
        output,
        sequences=sequences,
        barcodes=Barcodes(minimum_barcodes, minimum_dna, minimum_rna, outliers),
        standard_error=standard_error,
        pseudocount=pseudocount,
        weights=weights,
        resources=Resources(memory, threads, temporary_folder),
        progress=True,
        overwrite=overwrite,
    )
    for line in _summary(done, minimum_barcodes, output):
        step_options.tell(output, line)


_SOURCES = {
    "both": "differences between barcodes and between replicates",
    "barcodes": "differences between barcodes",
    "replicates": "differences between replicates",
    "counts": "counting alone, which are too small",
}


def _summary(done: ActivityCounts, minimum: int, output: Path) -> list[str]:
    """What was left out and written, a line each; the log has the columns."""
    lines = []
    left_out = [
        f"{count:,} {what}"
        for count, what in (
            (done.unassigned, "rows of no sequence"),
            (done.shared_barcodes, "barcodes of several sequences"),
            (done.outliers, "counts of outlying barcodes"),
            (done.too_few, f"sequences with fewer than {minimum} barcodes"),
            (done.without_sequence, "sequences whose names are not in the design"),
        )
        if count
    ]
    if left_out:
        lines.append(f"left out: {', '.join(left_out)}")
    how = f"standard errors from {_SOURCES[done.standard_error]}"
    for source, prior in done.priors.items():
        how += f"; by {source}, variances are {max(prior.variance, 1):.3g} times those of counting"
    lines.append(
        f"{done.sequences:,} sequences of {len(done.replicates)} replicates written to "
        f"{step_options.destination(output)}; {how}"
    )
    return lines
