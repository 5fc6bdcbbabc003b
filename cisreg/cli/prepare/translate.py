"""cisreg prepare translate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cisreg.cli.prepare import step_options

EXAMPLE = "cisreg prepare translate --counts bins.tsv map.txt --output roots.tsv"


def translate(
    sequences: Annotated[
        Path,
        typer.Argument(
            metavar="SEQUENCES",
            help="File of one sequence per line, or with **--counts** a table of counts (also "
            "gzip, zstd, bzip2); **-** is standard input.",
        ),
    ],
    dictionary: Annotated[
        Path,
        typer.Argument(
            metavar="MAP",
            help="File of two columns: a sequence, and what it becomes, as **cisreg prepare "
            "cluster** writes it.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="File to write, compressed where it ends in .gz or .zst; **-** is standard "
            "output.",
        ),
    ],
    counts: Annotated[
        bool,
        typer.Option(
            "--counts",
            help="SEQUENCES is a table of counts: translate its first column, and add the counts "
            "of what becomes equal.",
        ),
    ] = False,
    memory: step_options.Memory = "4GB",
    threads: step_options.Threads = None,
    temporary_folder: step_options.TemporaryFolder = None,
    overwrite: step_options.Overwrite = False,
) -> None:
    """Replace sequences by those that a map says, such as the roots of clusters.

    Lines keep their order, and those that the map does not have stay as they are. A table is sorted
    by its total again. Where a translation is itself translated, the end of the chain counts.
    """
    step_options.refuse_existing(output, overwrite)
    from cisreg.prepare import translate as steps
    from cisreg.prepare.database import Resources

    run = steps.translate_counts if counts else steps.translate
    done = run(
        sequences,
        dictionary,
        output,
        resources=Resources(memory, threads, temporary_folder),
        progress=True,
    )
    if done.columns:
        step_options.tell(output, done.columns)
    step_options.tell(
        output,
        f"{done.translated:,} of {done.rows:,} sequences translated; {done.written:,} written "
        f"to {step_options.destination(output)}",
    )
