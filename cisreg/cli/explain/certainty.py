"""cisreg explain certainty."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from cisreg.cli import options
from cisreg.cli.explain import tables
from cisreg.cli.outputs import check_files
from cisreg.cli.terminal import new_console

EXAMPLE = "cisreg explain certainty model train.tsv.gz --output intervals.tsv"


def certainty(
    model: options.ModelFolder,
    table: options.MeasuredTable,
    output: tables.Output = None,
    numbers: Annotated[
        Literal["all", "effects", "parameters"],
        typer.Option(
            metavar="NAME",
            help="**effects** of each factor's strongest site, **parameters**, or **all**.",
        ),
    ] = "all",
    level: Annotated[
        float, typer.Option(help="Share of the intervals that are meant to hold the truth.")
    ] = 0.9,
    robust: Annotated[
        bool,
        typer.Option(
            "--robust",
            help="Take the scatter from the residuals: where the noise is not the same everywhere, "
            "or equal sequences err together.",
        ),
    ] = False,
    sequence_column: options.SequenceColumn = None,
    expression_column: options.ExpressionColumn = None,
    decimal_comma: options.DecimalComma = False,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Show how sure the parameters are, and what the data do not determine.

    TABLE is what the model was trained on. Intervals are around the least squares, with the motifs
    and position weights as they are: where training changed the motifs, they are far too narrow,
    which the log says. What the data do not determine is said in sentences: factors
    that bind alike, saturated accessibility, concentration against activity.
    """
    check_files([output], inputs=[model, table], overwrite=overwrite)
    import pyarrow as pa

    from cisreg.storage import load_model
    from cisreg.uncertainty import estimate_certainty, undetermined
    from cisreg.uncertainty.quantiles import check_level

    tables.check_results(output, None)
    check_level(level)
    learned = load_model(model)
    measured = None if expression_column is None else [expression_column]
    dataset = options.open_files(
        table,
        options.asked_columns(sequence_column, measured, None),
        decimal_comma=decimal_comma,
        length=learned.spec.sequence_length,
        side=learned.padding_side,
        strict=True,
    ).load()
    found = estimate_certainty(learned, dataset, robust=robust, threads=threads, progress=True)
    parts = []
    if numbers != "parameters":
        parts.append(found.effects(level).to_table())
    if numbers != "effects":
        parts.append(found.parameters(level).to_table())
    tables.write_result([pa.concat_tables(parts)], output, None, overwrite)
    tell = new_console(stderr=output is None or str(output) == "-")
    tell.print(f"Measurements scatter around the model by {found.noise:.4g} (standard deviation).")
    for each in undetermined(found.model, dataset, certainty=found, threads=threads):
        tell.print(f"- {each.text}")
