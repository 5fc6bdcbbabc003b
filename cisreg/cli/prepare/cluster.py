"""cisreg prepare cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

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
            help="Table to write (also .gz, .zst): sequences that stay and their summed counts, "
            "the largest first; - is standard output.",
        ),
    ],
    map_output: Annotated[
        Path | None,
        typer.Option(
            "--map",
            metavar="FILE",
            help="Table to write (also .gz, .zst) of every sequence and the one that it is merged "
            "into, itself where it stays.",
        ),
    ] = None,
    differences: Annotated[
        int,
        typer.Option(
            min=1,
            max=10,
            help="Most letters by which a sequence may differ from the more abundant one that it "
            "joins: substituted, inserted and deleted ones together.",
        ),
    ] = 3,
    minimum_ratio: Annotated[
        float,
        typer.Option(
            min=1, help="Least ratio of the count of the sequence that is joined to that of it."
        ),
    ] = 1,
    method: Annotated[
        Literal["embedded", "bowtie2"],
        typer.Option(
            metavar="NAME",
            help="embedded finds all near sequences; bowtie2 those that the program of that name "
            "aligns, where it is installed.",
        ),
    ] = "embedded",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads to use; by default, one per core.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the files that are there.")
    ] = False,
) -> None:
    """Merge sequencing errors: rare sequences into near, more abundant ones.

    Each sequence joins the nearest one with a higher count (or the same, but listed before) that is
    within the given differences; of equally near ones, that with the highest count. Chains end up
    in one sequence. Sequences must be listed once each; several count columns are ranked by their
    total, and summed one by one.
    """
    _check_outputs(output, map_output, overwrite)
    from cisreg.prepare.cluster import cluster_file

    summary = cluster_file(
        *(counts, output, map_output),
        differences=differences,
        minimum_ratio=minimum_ratio,
        method=method,
        threads=threads,
    )
    console = new_console(stderr=STANDARD in (str(output), str(map_output)))
    console.print(summary.columns, soft_wrap=True)
    console.print(
        f"{summary.clusters:,} of {summary.sequences:,} sequences stay; {summary.merged_reads:,} "
        f"of {summary.reads:,} reads were merged into them, written to {output}",
        soft_wrap=True,
    )


def _check_outputs(output: Path, map_output: Path | None, overwrite: bool) -> None:
    if map_output == output:
        raise ValueError(f"{output}: expected two files, got the same as --output and --map")
    for path in (output, map_output):
        if path is not None and str(path) != STANDARD and path.exists() and not overwrite:
            raise ValueError(
                f"{path}: expected a new file, but it exists; give --overwrite to replace it, or "
                "another name"
            )
