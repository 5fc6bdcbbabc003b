"""cisreg prepare collapse."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cisreg.cli import options
from cisreg.cli.outputs import check_files
from cisreg.cli.prepare import step_options

EXAMPLE = "cisreg prepare collapse bin0.txt bin1.txt --output counts.tsv"


def collapse(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="READS...",
            help="Files of one sequence per line, FASTA or FASTQ (also gzip, zstd, bzip2), one for "
            "each bin or sample; **-** is standard input.",
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
    names: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME,...",
            help="Names of the count columns, one per file; default: the file names.",
        ),
    ] = None,
    keep_case: Annotated[
        bool, typer.Option("--keep-case", help="Do not convert lower case to upper case.")
    ] = False,
    drop_foreign: Annotated[
        bool,
        typer.Option(
            "--drop-foreign",
            help="Leave out sequences with letters that are not nucleotide codes, instead of "
            "stopping at the first.",
        ),
    ] = False,
    memory: step_options.Memory = "4GB",
    threads: step_options.Threads = None,
    temporary_folder: step_options.TemporaryFolder = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Count identical sequences, the most abundant first.

    One file gives lines of sequence and count. Several files, or one with **--names**, give a table
    with a header, a count column per file, and the total.
    """
    check_files([output], inputs=inputs, overwrite=overwrite)
    from cisreg.prepare.collapse import collapse as run_collapse
    from cisreg.prepare.database import Resources

    counts = run_collapse(
        inputs,
        output,
        names=step_options.split(names),
        keep_case=keep_case,
        drop_foreign=drop_foreign,
        resources=Resources(memory, threads, temporary_folder),
        progress=True,
        overwrite=overwrite,
    )
    step_options.tell(
        output,
        f"{sum(counts.reads):,} reads of {counts.unique:,} different sequences written to "
        f"{step_options.destination(output)}",
    )
