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
            ".zst) or FASTA; all of the same format.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="New folder to write the files into.")
    ] = None,
    order: Annotated[
        Literal["shuffled", "sorted", "kept"],
        typer.Option(
            metavar="NAME",
            help="Order of the rows: shuffled, for training; sorted, by sequence, then expression; "
            "kept, as in the sources.",
        ),
    ] = "shuffled",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the shuffle.")] = 0,
    rows_per_file: Annotated[int, typer.Option(min=1, metavar="COUNT", help="Rows per file.")] = 1
    << 20,
    rows_per_group: Annotated[
        int,
        typer.Option(
            min=1, metavar="COUNT", help="Rows per row group; training reads whole row groups."
        ),
    ] = 1 << 16,
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="COUNT", help="Threads that write; default: 2 to 8."),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Stop at the first unusable row, with its file and line, instead of leaving such "
            "rows out.",
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a conversion that was interrupted.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace an existing dataset when the new one is complete."
        ),
    ] = False,
    sequence_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column with the sequence, by name or number; default: the one with a usual name, "
            "such as sequence or seq, or of two columns the one with sequences.",
        ),
    ] = None,
    expression_column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column with a measurement, by name or number; can be given several times.",
        ),
    ] = None,
    outputs: options.Outputs = None,
    weight_column: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column with the weight, by name or number."),
    ] = None,
    name_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of --measurements with the record names, by name or number.",
        ),
    ] = None,
    decimal_comma: options.DecimalComma = False,
    measurements: Annotated[
        str | None,
        typer.Option(metavar="TABLE", help="For FASTA: table of measurements, by record name."),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Only compare the files of a folder with its manifest."),
    ] = None,
) -> None:
    """Convert tables of any size to Parquet files, shuffled for training.

    Memory stays below a gigabyte. An interrupted conversion continues with **--resume**; the folder
    cannot be used as a dataset before the conversion is complete.
    """
    console = new_console(stderr=True)
    if check is not None:
        if sources or output is not None:
            raise typer.BadParameter("--check takes neither sources nor --output")
        from cisreg.data.formats.manifest import verify

        manifest = verify(check, progress=True)
        console.print(f"{_summary(manifest)} in {check} are as written")
        return
    if not sources or output is None:
        raise typer.BadParameter("expected a SOURCE and --output, or --check")
    from cisreg.data.conversion.convert import convert as convert_dataset

    manifest = convert_dataset(
        options.open_files(
            sources[0] if len(sources) == 1 else sources,
            options.asked_columns(
                *(sequence_column, options.measured(outputs, expression_column)),
                *(weight_column, name_column),
            ),
            measurements=measurements,
            decimal_comma=decimal_comma,
            strict=strict,
            partly_measured=True,
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
