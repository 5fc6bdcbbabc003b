"""cisreg predict."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer

from cisreg.cli import options
from cisreg.cli.old_commands import run_old_command
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
            "tab-separated text. Required.",
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
    name_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column with the names of the sequences, its name or its number; otherwise the "
            "one called name or id, if there is one. Of FASTA it is the header's first word.",
        ),
    ] = None,
    keep_columns: Annotated[
        bool,
        typer.Option(
            "--keep-columns", help="Take over all other columns of the table as they are."
        ),
    ] = False,
    measured_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Take over this column, its name or its number, as the column measured.",
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Sequences that are in memory with their binding.")
    ] = 1024,
    compute_dtype: options.ComputeDtype = "float32",
    threads: options.Threads = None,
    implementation: options.Implementation = "auto",
    like_cisregmodels: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="Run an old command line of CisRegModels, quoted, as it stands, and say what it "
            "means in the options here.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file that is there.")
    ] = False,
) -> None:
    """Predict expression, accessibility and binding of sequences.

    The output has the names of the sequences, where they have some, and the sequences as they came,
    in the same order. Numbers are in the unit of the table that the model was trained on;
    accessibility is between 0 and 1. TABLE and FILE may be - for standard input and output.
    """
    if like_cisregmodels is not None:
        run_old_command(context, like_cisregmodels, overwrite)
        return
    if model is None or table is None or output is None:
        raise typer.BadParameter(
            "expected MODEL, TABLE and --output, or --like-cisregmodels alone", ctx=context
        )
    to_standard_output = str(output) == "-"
    if not to_standard_output and output.exists() and not overwrite:
        raise ValueError(
            f"{output}: expected a new file, but it exists; give --overwrite to replace it, or "
            "another --output"
        )
    start_tensorflow()
    options.set_threads(threads)
    from cisreg.storage import load_model
    from cisreg.writing import check_ending, open_table

    check_ending(output)
    learned = load_model(model)
    kept = _read(table, sequence_column, name_column, measured_column, keep_columns)
    codes = learned.encode(kept["sequence"])
    with open_table(output) as write:
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
    console.print(f"{row:,} predictions written to {where}", soft_wrap=True)


def _read(
    table: str, sequence: str | None, name: str | None, measured: str | None, keep: bool
) -> dict[str, Any]:
    """Columns of N rows by the names that they have in the output."""
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
    """Columns of the table by their names, with table_ in front of those that are taken."""
    renamed: dict[str, Any] = {}
    for original, column in columns.items():
        name = original
        while name in taken or name in renamed or (name != original and name in columns):
            name = f"table_{name}"
        renamed[name] = column
    return renamed
