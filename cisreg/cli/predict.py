"""cisreg predict."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cisreg.cli import options
from cisreg.cli.old_commands import run_old_command
from cisreg.cli.outputs import check_files
from cisreg.cli.predict_genome import Places, predict_places
from cisreg.cli.terminal import new_console
from cisreg.quiet import start_tensorflow

EXAMPLE = "cisreg predict model sequences.tsv.gz --output predictions.tsv.gz"


def predict(
    context: typer.Context,
    model: Annotated[
        Path | None, typer.Argument(metavar="MODEL", help="Folder that **cisreg train** wrote.")
    ] = None,
    table: options.SequenceTable = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Table to write, .tsv, .csv (also with .gz) or .parquet; - is standard output, as "
            "tab-separated text; along a genome also .bw (bigWig) or .bedgraph. Required.",
        ),
    ] = None,
    binding: Annotated[
        bool,
        typer.Option(
            "--binding",
            help="Add two columns per motif, forward_NAME and reverse_NAME: the accessible "
            "binding to each strand.",
        ),
    ] = False,
    sequence_column: options.SequenceColumn = None,
    name_column: options.NameColumn = None,
    keep_columns: Annotated[
        bool,
        typer.Option("--keep-columns", help="Copy all other columns of the table to the output."),
    ] = False,
    measured_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Copy this column, by name or number, to the output as the column measured.",
        ),
    ] = None,
    intervals: Annotated[
        Path | None,
        typer.Option(
            metavar="BED",
            help="TABLE is a genome (FASTA): predict these intervals of it, each on its strand.",
        ),
    ] = None,
    windows: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="LENGTH",
            help="TABLE is a genome: predict windows of so many bases along it; the model's own "
            "length, or what lies between the constant ends of its training sequences (the "
            "default with --step).",
        ),
    ] = None,
    step: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="COUNT",
            help="Bases from the beginning of a window to that of the next; default: the length "
            "of a window.",
        ),
    ] = None,
    fit: Annotated[
        Literal["exact", "centre", "pad"],
        typer.Option(
            metavar="NAME",
            help="How intervals fit the model: **exact**, all have its length; **centre**, the "
            "bases around the centre of each; **pad**, shorter ones are padded as in training.",
        ),
    ] = "exact",
    most_unknown: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="Leave out windows and intervals with a larger share of unknown bases.",
        ),
    ] = 0.0,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Sequences that are computed at a time.")
    ] = 1024,
    compute_dtype: options.ComputeDtype = "float32",
    threads: options.Threads = None,
    implementation: options.Implementation = "auto",
    like_cisregmodels: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="Run a command line of CisRegModels (in quotes, unchanged), and print the "
            "equivalent commands of cisreg.",
        ),
    ] = None,
    model_output: options.ModelOutput = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Predict expression, accessibility and binding of sequences.

    The output has the names of the sequences, if there are any, and the sequences, in the order of
    the input. Expression is in the unit of the table that the model was trained on; accessibility
    is between 0 and 1. A model of several outputs gives expression_NAME and so on of each. TABLE
    and FILE may be - for standard input and output.

    With --intervals, --windows or --step, TABLE is a genome. The output then has the sequence (its
    name), start (from 0) and end of each window. In a track, a window has its value at the bases
    around its centre, as many as the step.
    """
    if like_cisregmodels is not None:
        run_old_command(context, like_cisregmodels, overwrite)
        return
    if model is None or table is None or output is None:
        raise typer.BadParameter(
            "expected MODEL, TABLE and --output, or --like-cisregmodels alone", ctx=context
        )
    check_files([output], inputs=[table, model, intervals], overwrite=overwrite)
    if not (intervals is windows is step is None):
        of_tables = (sequence_column, name_column, measured_column, keep_columns or None)
        _check_genome_options(context, intervals, windows, step, of_tables)
        predict_places(
            *(options.read_model(model, model_output, several=True), table, output),
            Places(intervals, windows, step, fit, most_unknown),
            binding=binding,
            batch_size=batch_size,
            compute_dtype=compute_dtype,
            implementation=implementation,
            threads=threads,
            overwrite=overwrite,
        )
        return
    to_standard_output = str(output) == "-"
    from cisreg.writing import check_ending, open_table

    check_ending(output)
    learned = options.read_model(model, model_output, several=True)
    kept = read_columns(table, sequence_column, name_column, measured_column, keep_columns)
    codes = learned.encode(kept["sequence"])
    start_tensorflow()
    options.set_threads(threads)
    with open_table(output, overwrite=overwrite) as write:
        row = 0
        for batch in learned.predict_batches(
            codes,
            binding=binding,
            batch_size=batch_size,
            compute_dtype=compute_dtype,
            implementation=implementation,
        ):
            columns = batch.columns()
            own = {name: column[row : row + len(batch)] for name, column in kept.items()}
            write({**_renamed(own, columns), **columns})
            row += len(batch)
    console = new_console(stderr=to_standard_output)
    where = "standard output" if to_standard_output else str(output)
    console.print(f"{row:,} predictions written to {where}")


def _check_genome_options(
    context: typer.Context,
    intervals: Path | None,
    windows: int | None,
    step: int | None,
    of_tables: tuple[Any, ...],
) -> None:
    """Refuses options that do not go together."""
    if intervals is not None and not (windows is step is None):
        raise typer.BadParameter(
            "expected --intervals, or --windows and --step, got both", ctx=context
        )
    if any(each is not None for each in of_tables):
        raise typer.BadParameter(
            "expected no options for columns of a table, since TABLE is a genome", ctx=context
        )


def read_columns(
    table: str,
    sequence: str | None,
    name: str | None,
    measured: str | None = None,
    keep: bool = False,
) -> dict[str, Any]:
    """The columns of a table to copy to predictions, by their names in the output.

    Args:
        table: see `cisreg.open_dataset`.
        sequence: column of the sequences; None: found by its name.
        name: column of their names; the same.
        measured: column that is copied as `measured`, or None.
        keep: whether to copy all others too.

    Raises:
        ValueError: no sequences, or columns that are not there.
        OSError: the table cannot be read.
    """
    import numpy as np
    import pyarrow as pa

    expression = () if measured is None else (options.column(measured),)
    asked = {
        "name": True,
        **options.asked_columns(sequence, None, None, name),
        "expression": expression,
        "weight": False,
        "extra": True if keep else (),
    }
    files = options.open_files(table, asked, strict=True)
    blocks = list(files.blocks())
    if not blocks:
        raise ValueError(files.unusable.none_left(table))
    columns: dict[str, Any] = {}
    names = [rows.name for rows in blocks if rows.name is not None]
    if names:
        columns["name"] = pa.concat_arrays(names)
    columns["sequence"] = pa.concat_arrays([rows.sequence for rows in blocks])
    if measured is not None:
        columns["measured"] = np.concatenate([rows.expression[:, 0] for rows in blocks])
    extra = {
        column: pa.concat_arrays([rows.extra[column] for rows in blocks])
        for column in files.extra_names
    }
    return {**columns, **_renamed(extra, columns)}


def _renamed(columns: dict[str, Any], taken: Collection[str]) -> dict[str, Any]:
    """Columns of the table by name; names that are already used get the prefix table_."""
    renamed: dict[str, Any] = {}
    for original, column in columns.items():
        name = original
        while name in taken or name in renamed or (name != original and name in columns):
            name = f"table_{name}"
        renamed[name] = column
    return renamed
