"""cisreg prepare translate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cisreg.cli import options
from cisreg.cli.outputs import check_files
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
            help="File of two columns: a sequence and its replacement, as **cisreg prepare "
            "cluster --map** writes it.",
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
            "of rows that become equal.",
        ),
    ] = False,
    memory: step_options.Memory = "4GB",
    threads: step_options.Threads = None,
    temporary_folder: step_options.TemporaryFolder = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Replace sequences as a map says, for example by the roots of their clusters.

    Lines keep their order; sequences that are not in the map are unchanged. A table of counts is
    sorted by its new totals. If a replacement is itself replaced, the end of the chain is used.
    """
    check_files([output], inputs=[sequences, dictionary], overwrite=overwrite)
    from cisreg.prepare import translate as steps
    from cisreg.prepare.database import Resources

    run = steps.translate_counts if counts else steps.translate
    done = run(
        sequences,
        dictionary,
        output,
        resources=Resources(memory, threads, temporary_folder),
        progress=True,
        overwrite=overwrite,
    )
    if done.columns:
        step_options.tell(output, done.columns)
    step_options.tell(
        output,
        f"{done.translated:,} of {done.rows:,} sequences translated; {done.written:,} written "
        f"to {step_options.destination(output)}",
    )
