"""cisreg explain factors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cisreg.cli import options
from cisreg.cli.explain import tables
from cisreg.cli.outputs import check_files

EXAMPLE = "cisreg explain factors model test.tsv.gz --plot factors.png"


def factors(
    model: options.ModelFolder,
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="[SEQUENCES]",
            help="Sequences over which effects are averaged: a table, FASTA, or - for standard "
            "input. Default: only what needs no sequences.",
        ),
    ] = None,
    output: tables.Output = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Plot of the 20 most important factors to write, .png, .pdf or .svg (needs "
            "matplotlib).",
        ),
    ] = None,
    factor: tables.Factors = None,
    measured_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column with measured expression, by name or number: adds how much of Pearson's "
            "r is lost without each factor.",
        ),
    ] = None,
    sequence_column: options.SequenceColumn = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Show what each factor does, in the unit of expression, the most important first.

    Effect is that of one strongest site in accessible chromatin, at the learned concentration.
    With SEQUENCES: the mean effect of all sites of the factor, that is expression minus expression
    with the factor knocked out; importance, the mean of its absolute value; and how much the factor
    is bound (quantiles). Compare factors by these, not by activity: where binding is weak, half the
    activity at twice the concentration predicts the same.
    """
    if measured_column is not None and table is None:
        raise typer.BadParameter("expected SEQUENCES with --measured-column, got none")
    check_files([output, plot], inputs=[model, table], overwrite=overwrite)
    from cisreg.cli.explain.sequences import read_sequences
    from cisreg.interpret.factors import factor_effects
    from cisreg.storage import load_model

    tables.check_results(output, plot)
    learned = load_model(model)
    sequences = None
    if table is not None:
        sequences = read_sequences(learned, table, sequence_column, measured_column=measured_column)
    found = factor_effects(
        learned, sequences, factors=factor or None, threads=threads, progress=True
    )
    if plot is not None:
        from cisreg.report.factors import plot_factors

        plot_factors(plot, found, overwrite=overwrite)
    tables.write_result([found.to_table()], output, plot, overwrite)
