"""cisreg explain dose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cisreg.cli import options
from cisreg.cli.explain import tables
from cisreg.cli.outputs import check_files
from cisreg.cli.prepare.step_options import numbers

EXAMPLE = "cisreg explain dose model test.tsv.gz --factor Reb1 --plot Reb1.png"


def dose(
    model: options.ModelFolder,
    table: Annotated[
        str,
        typer.Argument(metavar="SEQUENCES", help="A table, FASTA, or - for standard input."),
    ],
    factor: Annotated[str, typer.Option(metavar="NAME", help="The factor. Required.")],
    times: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS",
            help="What the learned concentration is multiplied by, with commas; 0 is a knock-out. "
            "Default: 17 numbers from 0.01 to 100.",
        ),
    ] = None,
    output: tables.Output = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Plot of the curves to write, .png, .pdf or .svg (needs matplotlib).",
        ),
    ] = None,
    sequence_column: options.SequenceColumn = None,
    name_column: options.NameColumn = None,
    threads: options.Threads = None,
    model_output: options.ModelOutput = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Predict expression at other concentrations of a factor: knock-out, depletion, overexpression.

    A row for each sequence and concentration, with expression and accessibility.
    """
    check_files([output, plot], inputs=[model, table], overwrite=overwrite)
    from cisreg.cli.explain.sequences import read_sequences
    from cisreg.interpret.batches import factor_places
    from cisreg.interpret.doses import TIMES, dose_response

    tables.check_results(output, plot)
    asked = numbers("--times", times) or TIMES
    learned = options.read_model(model, model_output)
    factor_places(learned, [factor])
    data = read_sequences(learned, table, sequence_column, name_column)
    found = dose_response(learned, data, factor, asked, threads=threads, progress=True)
    if plot is not None:
        from cisreg.report.factors import plot_doses

        plot_doses(plot, found, overwrite=overwrite)
    tables.write_result([found.to_table()], output, plot, overwrite)
