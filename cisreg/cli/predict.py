"""cisreg predict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cisreg.cli import options
from cisreg.quiet import start_tensorflow

if TYPE_CHECKING:
    from cisreg.prediction import BatchPrediction
    from cisreg.writing import Columns

EXAMPLE = "cisreg predict model sequences.tsv.gz --output predictions.tsv.gz"


def predict(
    model: options.ModelFolder,
    table: Annotated[
        Path,
        typer.Argument(metavar="TABLE", help="TSV or CSV (.gz, .bz2, .zst) with sequences."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Table to write, .tsv, .csv (also with .gz) or .parquet."
        ),
    ],
    binding: Annotated[
        bool,
        typer.Option(
            "--binding",
            help="Add two columns per motif, forward_NAME and reverse_NAME: the accessible "
            "binding to each strand.",
        ),
    ] = False,
    sequence_column: options.SequenceColumn = "1",
    batch_size: Annotated[
        int, typer.Option(min=1, help="Sequences that are in memory with their binding.")
    ] = 1024,
    compute_dtype: options.ComputeDtype = "float32",
    implementation: options.Implementation = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file that is there.")
    ] = False,
) -> None:
    """Predict expression, accessibility and binding of sequences.

    The output has the sequences as they came, in the same order. Numbers are in the unit of the
    table that the model was trained on; accessibility is between 0 and 1.
    """
    if output.exists() and not overwrite:
        raise ValueError(
            f"{output}: expected a new file, but it exists; give --overwrite to replace it, or "
            "another --output"
        )
    start_tensorflow()
    from cisreg.data import read_table
    from cisreg.prediction import predict_batches
    from cisreg.sequences import encode
    from cisreg.storage import load_model
    from cisreg.writing import check_ending, open_table

    check_ending(output)
    learned = load_model(model)
    text = read_table(
        table, sequence_column=options.column(sequence_column), expression_column=None
    ).sequence
    codes = encode(text, learned.spec.sequence_length, side=options.padding_side(learned))
    with open_table(output) as write:
        row = 0
        for batch in predict_batches(
            *(learned, codes),
            binding=binding,
            batch_size=batch_size,
            compute_dtype=compute_dtype,
            implementation=implementation,
        ):
            count = len(batch.expression)
            write({"sequence": text.slice(row, count), **_columns(batch, learned.motif_names)})
            row += count
    Console(highlight=False).print(f"{row:,} predictions written to {output}", soft_wrap=True)


def _columns(batch: BatchPrediction, motif_names: tuple[str, ...]) -> Columns:
    columns = {"expression": batch.expression}
    if batch.accessibility is not None:
        columns["accessibility"] = batch.accessibility
    if batch.binding is not None:
        for index, name in enumerate(motif_names):
            columns[f"forward_{name}"] = batch.binding[:, 0, index]
            columns[f"reverse_{name}"] = batch.binding[:, 1, index]
    return columns
