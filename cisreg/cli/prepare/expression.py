"""cisreg prepare expression."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cisreg.cli import options
from cisreg.cli.outputs import check_files
from cisreg.cli.prepare import step_options

EXAMPLE = "cisreg prepare expression roots.tsv --output train.tsv.gz"


def expression(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="COUNTS...",
            help="One table with a count column per bin (columns named total, sum, index or id are "
            "ignored), or one table per bin with a single count column; **-** is standard input.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Table to write, compressed where it ends in .gz or .zst; **-** is standard "
            "output.",
        ),
    ],
    bins: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME,...",
            help="Names of the bins in the order of their values; default: ordered by the numbers "
            "in their names (bin1, bin2, bin10).",
        ),
    ] = None,
    bin_values: Annotated[
        str | None,
        typer.Option(
            metavar="V,V,...",
            help="Expression of each bin, such as the log fluorescence at its middle; default: 0, "
            "1, 2, ...",
        ),
    ] = None,
    cells: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            help="Cells sorted into each bin: counts are scaled by cells per read of the bin.",
        ),
    ] = None,
    pseudocount: Annotated[
        str,
        typer.Option(
            metavar="READS",
            help="Reads to add to every count: one number, or one per bin, separated by commas.",
        ),
    ] = "0",
    minimum_reads: Annotated[
        int, typer.Option(min=1, help="Leave out sequences with fewer reads in total.")
    ] = 1,
    standard_deviation: Annotated[
        bool,
        typer.Option(
            "--standard-deviation", help="Add a column with the standard deviation over bin values."
        ),
    ] = False,
    keep_case: Annotated[
        bool, typer.Option("--keep-case", help="Do not convert lower case to upper case.")
    ] = False,
    memory: step_options.Memory = "4GB",
    threads: step_options.Threads = None,
    temporary_folder: step_options.TemporaryFolder = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Compute the mean expression of sequences from their counts in sorting bins.

    It is the mean of the bin values, weighted by the reads of the sequence in each bin; the value
    of each bin is printed. The output has the columns sequence, expression and reads, sorted by
    reads. **cisreg train** can read it directly.
    """
    check_files([output], inputs=inputs, overwrite=overwrite)
    from cisreg.prepare.database import Resources
    from cisreg.prepare.expression import Bins
    from cisreg.prepare.expression import expression as run_expression

    counts = run_expression(
        inputs,
        output,
        bins=Bins(
            values=step_options.numbers("--bin-values", bin_values),
            cells=step_options.numbers("--cells", cells),
            pseudocount=step_options.numbers("--pseudocount", pseudocount) or 0.0,
            names=step_options.split(bins),
        ),
        minimum_reads=minimum_reads,
        standard_deviation=standard_deviation,
        keep_case=keep_case,
        resources=Resources(memory, threads, temporary_folder),
        progress=True,
        overwrite=overwrite,
    )
    if counts.columns:
        step_options.tell(output, counts.columns)
    values = ", ".join(f"{name} → {value:g}" for name, value in counts.bin_values)
    step_options.tell(output, f"bin → value: {values}")
    dropped = (
        f"; {counts.dropped:,} with fewer than {minimum_reads} reads left out "
        f"({counts.dropped_reads:,} of {sum(counts.bin_reads):,} reads)"
    )
    step_options.tell(
        output,
        f"{counts.sequences:,} sequences written to {step_options.destination(output)}"
        f"{dropped if counts.dropped else ''}",
    )
