"""cisreg prepare merge-pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cisreg.cli import options
from cisreg.cli.outputs import check_files
from cisreg.cli.prepare import step_options
from cisreg.cli.terminal import TextTable, new_console
from cisreg.streams import STANDARD

if TYPE_CHECKING:
    from cisreg.prepare.merge_pairs import MergeCounts

EXAMPLE = (
    "cisreg prepare merge-pairs bin1_R1.fastq.gz bin1_R2.fastq.gz --overlap 40 --output bin1.txt"
)


def merge_pairs(
    forward: Annotated[
        Path,
        typer.Argument(
            metavar="R1",
            help="FASTQ file of reads 1 (also gzip, zstd, bzip2); **-** is standard input.",
        ),
    ],
    reverse: Annotated[
        Path, typer.Argument(metavar="R2", help="FASTQ file of reads 2, in the same order.")
    ],
    overlap: Annotated[
        int,
        typer.Option(
            min=1,
            help="Expected overlap in bases: the length of both reads together minus that of the "
            "molecule.",
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
    slack: Annotated[
        int, typer.Option(min=0, help="Bases by which the overlap may be longer or shorter.")
    ] = 5,
    minimum_overlap: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Minimum number of positions where both reads have a known base; default: 10, or "
            "half of the expected overlap if that is less.",
        ),
    ] = None,
    minimum_identity: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Minimum share of these positions where the bases are equal."
        ),
    ] = 0.75,
    minimum_length: Annotated[
        int, typer.Option(min=0, help="Leave out merged sequences with fewer bases.")
    ] = 1,
    maximum_unknown: Annotated[
        int | None,
        typer.Option(
            min=0, help="Leave out sequences with more unknown bases (N); default: no limit."
        ),
    ] = None,
    format: Annotated[
        Literal["sequences", "table", "fasta", "fastq"],
        typer.Option(
            metavar="FORMAT",
            help="sequences: one per line; table: name, sequence and overlap; fasta; fastq.",
        ),
    ] = "sequences",
    threads: step_options.Threads = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Merge pairs of overlapping reads into one sequence each, in the strand of read 1.

    The most probable overlap within the slack is used; pairs with repeats whose overlap is
    ambiguous are counted and left out. Where the reads differ, the base with the higher quality is
    used. Reads that extend through a short molecule into the adapter are cut at its end.
    """
    check_files([output], inputs=[forward, reverse], overwrite=overwrite)
    from cisreg.prepare.merge_pairs import merge_pairs as run_merge_pairs

    counts = run_merge_pairs(
        *(forward, reverse, output),
        overlap=overlap,
        slack=slack,
        minimum_overlap=minimum_overlap,
        minimum_identity=minimum_identity,
        minimum_length=minimum_length,
        maximum_unknown=maximum_unknown,
        format=format,
        threads=threads,
        progress=True,
        overwrite=overwrite,
    )
    new_console(stderr=str(output) == STANDARD).print(_table(counts))
    differing = _share(counts.different_bases, counts.compared_bases)
    step_options.tell(output, f"{differing} of the bases in overlaps differ")
    step_options.tell(
        output, f"{counts.merged:,} sequences written to {step_options.destination(output)}"
    )


def _table(counts: MergeCounts) -> TextTable:
    table = TextTable("", ("pairs", "count", "share"), name="pairs")
    for label, count in (
        ("merged", counts.merged),
        ("  of these cut at an adapter", counts.read_through),
        ("no overlap found", counts.no_overlap),
        ("several overlaps possible (repeats)", counts.ambiguous),
        ("too short", counts.too_short),
        ("too many unknown bases", counts.too_many_unknown),
        ("all", counts.pairs),
    ):
        share = count / counts.pairs if counts.pairs else None
        table.add_row(
            *(label, f"{count:,}", _share(count, counts.pairs)),
            record={"pairs": label.strip(), "count": count, "share": share},
        )
    return table


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.2f} %" if total else "-"
