"""cisreg convert."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cisreg.cli import options
from cisreg.cli.terminal import new_console

if TYPE_CHECKING:
    from cisreg.data.formats.manifest import Manifest

EXAMPLE = "cisreg convert 'library_*.tsv.gz' --output library"


def convert(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            help="Files, globs, folders or URLs of Parquet, TSV, CSV, one-hot text (.gz, .bz2, "
            ".zst) or FASTA; all of one kind.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="New folder to write the files into.")
    ] = None,
    order: Annotated[
        Literal["shuffled", "sorted", "kept"],
        typer.Option(
            metavar="NAME",
            help="shuffled, for training; sorted by sequence, then expression; kept as they are.",
        ),
    ] = "shuffled",
    seed: Annotated[int, typer.Option(min=0, help="Of the shuffle.")] = 0,
    rows_per_file: Annotated[
        int, typer.Option(min=1, metavar="COUNT", help="Rows of every file but the last.")
    ] = 1 << 20,
    rows_per_group: Annotated[
        int,
        typer.Option(
            min=1, metavar="COUNT", help="Rows of a row group, which training reads at once."
        ),
    ] = 1 << 16,
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="COUNT", help="Threads that write; otherwise 2 to 8."),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Stop at a row that cannot be used, with its file and line."),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a conversion that was interrupted.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace the dataset that is there, once the new one is whole."
        ),
    ] = False,
    sequence_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Name of the column with the sequence, or its number; otherwise the one with a "
            "usual name, such as sequence or seq, or of two columns the one with sequences.",
        ),
    ] = None,
    expression_column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Name of a column with a measurement, or its number; give it once for each.",
        ),
    ] = None,
    weight_column: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Name of the column with the weight, or its number."),
    ] = None,
    name_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Of --measurements: name of the column with the names of the records, or its "
            "number.",
        ),
    ] = None,
    decimal_comma: options.DecimalComma = False,
    measurements: Annotated[
        str | None,
        typer.Option(
            metavar="TABLE", help="Of FASTA: what was measured, by the names of its records."
        ),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Compare a folder's files with its manifest, and do nothing else."
        ),
    ] = None,
) -> None:
    """Write sequences and measurements of any number as Parquet files, shuffled for training.

    Memory stays below a gigabyte. What is interrupted goes on with **--resume**; the folder is
    no dataset before it is whole.
    """
    console = new_console(stderr=True)
    if check is not None:
        if sources or output is not None:
            raise typer.BadParameter("--check takes neither sources nor --output")
        from cisreg.data.formats.manifest import verify

        manifest = verify(check, progress=console.is_terminal)
        console.print(f"{_summary(manifest)} in {check} are as written")
        return
    if not sources or output is None:
        raise typer.BadParameter("expected a SOURCE and --output, or --check")
    from cisreg.data.conversion.convert import convert as convert_dataset

    manifest = convert_dataset(
        options.open_files(
            sources[0] if len(sources) == 1 else sources,
            options.asked_columns(sequence_column, expression_column, weight_column, name_column),
            measurements=measurements,
            decimal_comma=decimal_comma,
            strict=strict,
        ),
        output,
        order=order,
        seed=seed,
        rows_per_file=rows_per_file,
        rows_per_group=rows_per_group,
        threads=threads,
        resume=resume,
        overwrite=overwrite,
    )
    console.print(f"{_summary(manifest)} written to {output}{_left_out(manifest)}")


def _summary(manifest: Manifest) -> str:
    size = sum(file.bytes for file in manifest.files)
    return f"{manifest.rows:,} rows in {len(manifest.files):,} file(s), {size:,} bytes,"


def _left_out(manifest: Manifest) -> str:
    reasons = [f"{count:,} with {reason}" for reason, count in manifest.unusable.items()]
    return f"; left out: {', '.join(reasons)}" if reasons else "; none left out"
