"""cisreg predict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from cisreg.cli import options
from cisreg.cli.old_commands import run_old_command
from cisreg.quiet import start_tensorflow

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


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
            metavar="FILE", help="Table to write, .tsv, .csv (also with .gz) or .parquet. Required."
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

    The output has the sequences as they came, in the same order. Numbers are in the unit of the
    table that the model was trained on; accessibility is between 0 and 1.
    """
    if like_cisregmodels is not None:
        run_old_command(context, like_cisregmodels, overwrite)
        return
    if model is None or table is None or output is None:
        raise typer.BadParameter(
            "expected MODEL, TABLE and --output, or --like-cisregmodels alone", ctx=context
        )
    if output.exists() and not overwrite:
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
    text, measured = _read(table, sequence_column, measured_column)
    codes = learned.encode(text)
    with open_table(output) as write:
        row = 0
        for batch in learned.predict_batches(
            codes,
            binding=binding,
            batch_size=batch_size,
            compute_dtype=compute_dtype,
            implementation=implementation,
        ):
            count = len(batch.expression)
            columns: dict[str, Any] = {"sequence": text.slice(row, count)}
            if measured is not None:
                columns["measured"] = measured[row : row + count]
            write({**columns, **batch.columns()})
            row += count
    Console(highlight=False).print(f"{row:,} predictions written to {output}", soft_wrap=True)


def _read(
    table: str, sequence: str | None, measured: str | None
) -> tuple[pa.Array, np.ndarray | None]:
    """(N sequences as they stand in the table, float32 [N] or None)."""
    import numpy as np
    import pyarrow as pa

    expression = () if measured is None else (options.column(measured),)
    asked = {**options.asked_columns(sequence, None, None), "expression": expression}
    files = options.open_files(table, {**asked, "weight": False}, strict=True)
    blocks = list(files.blocks())
    if not blocks:
        raise ValueError(files.unusable.none_left(table))
    text = pa.concat_arrays([rows.sequence for rows in blocks])
    if measured is None:
        return text, None
    return text, np.concatenate([rows.expression[:, 0] for rows in blocks])
