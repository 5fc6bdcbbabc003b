"""cisreg explain factors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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
    times: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            help="Instead: what it does if the concentration of each factor alone is multiplied by "
            "this number: 2 is overexpression, 0 a knock-out.",
        ),
    ] = None,
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
    model_output: options.ModelOutput = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Show what each factor does, in the unit of expression, the most important first.

    Effect is that of one strongest site in accessible chromatin, at the learned concentration.
    With SEQUENCES: the mean effect of all sites of the factor, that is expression minus expression
    with the factor knocked out; importance, the mean of its absolute value; and how much the factor
    is bound (quantiles). Compare factors by these, not by activity: where binding is weak, half the
    activity at twice the concentration predicts the same.
    """
    for name, given in (("--measured-column", measured_column), ("--times", times)):
        if given is not None and table is None:
            raise typer.BadParameter(f"expected SEQUENCES with {name}, got none")
    if times is not None and plot is not None:
        raise typer.BadParameter("expected no --plot with --times, which has none")
    check_files([output, plot], inputs=[model, table], overwrite=overwrite)
    from cisreg.cli.explain.sequences import read_sequences
    from cisreg.interpret.batches import factor_places
    from cisreg.interpret.concentrations import check_times
    from cisreg.interpret.factors import factor_effects

    tables.check_results(output, plot)
    learned = options.read_model(model, model_output)
    factor_places(learned, factor or None)
    if times is not None:
        check_times(times)
    sequences = None
    if table is not None:
        sequences = read_sequences(learned, table, sequence_column, measured_column=measured_column)
    how: dict[str, Any] = {"factors": factor or None, "threads": threads, "progress": True}
    if times is not None:
        from cisreg.interpret import change_each_concentration

        changed = change_each_concentration(learned, sequences, times, **how)
        tables.write_result([changed.to_table()], output, None, overwrite)
        return
    found = factor_effects(learned, sequences, **how)
    if plot is not None:
        from cisreg.report.factors import plot_factors

        plot_factors(plot, found, overwrite=overwrite)
    tables.write_result([found.to_table()], output, plot, overwrite)
