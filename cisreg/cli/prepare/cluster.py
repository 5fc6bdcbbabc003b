"""cisreg prepare cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cisreg.cli import options
from cisreg.cli.outputs import check_files
from cisreg.cli.terminal import new_console
from cisreg.streams import STANDARD

EXAMPLE = "cisreg prepare cluster counts.txt.gz --output merged.txt.gz --map map.txt.gz"


def cluster(
    counts: Annotated[
        Path,
        typer.Argument(
            metavar="COUNTS",
            help="Table (.gz, .bz2, .zst) of a sequence and its count, or a count per bin, on each "
            "line, separated by tabs; - is standard input.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Table to write (also .gz, .zst): the remaining sequences and their summed "
            "counts, the largest first; - is standard output.",
        ),
    ],
    map_output: Annotated[
        Path | None,
        typer.Option(
            "--map",
            metavar="FILE",
            help="Table to write (also .gz, .zst): every sequence, and the sequence that it is "
            "merged into (itself if it remains).",
        ),
    ] = None,
    differences: Annotated[
        int,
        typer.Option(
            min=1,
            max=10,
            help="Maximum number of differences (substitutions, insertions and deletions) between "
            "a sequence and the more abundant one that it is merged into.",
        ),
    ] = 3,
    minimum_ratio: Annotated[
        float,
        typer.Option(
            min=1,
            help="Minimum ratio of the counts of the more abundant sequence and of the one that is "
            "merged into it.",
        ),
    ] = 1,
    method: Annotated[
        Literal["embedded", "bowtie2"],
        typer.Option(
            metavar="NAME",
            help="embedded finds all similar sequences; bowtie2 finds those that the program "
            "bowtie2 aligns, which must be installed.",
        ),
    ] = "embedded",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads to use; default: one per core.")
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Merge sequencing errors: rare sequences into similar, more abundant ones.

    Each sequence is merged into the most similar one with a higher count (or the same count, but
    listed before) within the given differences; among equally similar ones, into that with the
    highest count. Chains are merged into one sequence. Each sequence must be listed once. With
    several count columns, sequences are ranked by total, and each column is summed.
    """
    check_files([output, map_output], inputs=[counts], overwrite=overwrite, together=True)
    from cisreg.prepare.cluster import cluster_file

    summary = cluster_file(
        *(counts, output, map_output),
        differences=differences,
        minimum_ratio=minimum_ratio,
        method=method,
        threads=threads,
        overwrite=overwrite,
    )
    console = new_console(stderr=STANDARD in (str(output), str(map_output)))
    console.print(summary.columns)
    console.print(
        f"{summary.clusters:,} of {summary.sequences:,} sequences remain; {summary.merged_reads:,} "
        f"of {summary.reads:,} reads were merged into them, written to {output}",
    )
