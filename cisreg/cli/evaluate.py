"""cisreg evaluate."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cisreg.cli import options
from cisreg.cli.outputs import check_files
from cisreg.cli.tables import metrics_table, noise_table
from cisreg.cli.terminal import TextTable, new_console
from cisreg.quiet import start_tensorflow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cisreg.data import Dataset
    from cisreg.metrics import Metrics
    from cisreg.report import ParameterComparison
    from cisreg.trained_model import Model

EXAMPLE = "cisreg evaluate model test.tsv.gz --plot test.png"


def evaluate(
    model: options.ModelFolder,
    table: options.MeasuredTable,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Also compare with the true model of a simulation, the folder truth that "
            "**cisreg simulate** writes.",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Plot the comparisons as .png, .pdf or .svg (needs matplotlib)."
        ),
    ] = None,
    sequence_column: options.SequenceColumn = None,
    expression_column: options.ExpressionColumn = None,
    decimal_comma: options.DecimalComma = False,
    compute_dtype: options.ComputeDtype = "float32",
    implementation: options.Implementation = "auto",
    model_output: options.ModelOutput = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Compare predicted with measured expression: r, R², mean squared error, Spearman's r.

    Of several measurements of a sequence, the mean of those that are there counts, as in training.
    Where replicates or repeated sequences tell the noise, the highest r that any model can reach
    stands beside r. A model with a noise model (train --loss) also gets the log likelihood of the
    measurements and their information.
    With --truth, also compare the parameters of each factor with the true ones. A model of several
    outputs is compared with the measurements of each; --expression-column names their columns in
    the order of the outputs.
    """
    check_files([plot], inputs=[table, model, truth], overwrite=overwrite)
    import numpy as np

    from cisreg.data.ends import warn_of_ends
    from cisreg.data.replicates import highest_r
    from cisreg.losses.judged import judge_noise
    from cisreg.metrics import agreement
    from cisreg.outputs import data_of_outputs
    from cisreg.report import check_plot, compare_parameters, plot_evaluation

    if plot is not None:
        check_plot(plot)
    learned = options.read_model(model, model_output, several=True)
    several = learned.spec.output_count > 1
    if several and (truth is not None or plot is not None):
        # A truth and a plot are of one output.
        learned = options.read_model(model, model_output)
    true_model = None if truth is None else _true_model(truth, model_output)
    dataset = read_measured(table, learned, sequence_column, expression_column, decimal_comma)
    if learned.spec.ends_unsaid:
        warn_of_ends(dataset.sequence)
    start_tensorflow()
    expression: dict[str, Metrics] = {}
    highest, counts, noise = [], [], []
    for name, one, rows in data_of_outputs(learned, dataset):
        levels = one.with_levels(rows)
        measured = levels.expression
        predicted = one.predict(
            levels, compute_dtype=compute_dtype, implementation=implementation
        ).expression
        expression[name or "measured"] = agreement(predicted, measured)
        highest.append(highest_r(rows.sequence, one.levels(rows)))
        counts.append(len(levels))
        if one.noise is not None:
            counted = rows.take(np.isfinite(one.noise.mean_level(rows.expression)))
            judged = judge_noise(one.noise, predicted, counted.expression)
            noise.append(noise_table(judged, one.noise, name))
    comparisons: list[ParameterComparison] = []
    if true_model is not None:
        noiseless = true_model.predict(levels, implementation=implementation).expression
        expression["without noise"] = agreement(predicted, noiseless)
        highest.append(math.nan)
        counts.append(len(levels))
        comparisons = compare_parameters(learned, true_model)
    if plot is not None:
        plot_evaluation(plot, predicted, measured, comparisons, overwrite=overwrite)
    _show(
        len(dataset) if several else counts[0],
        expression,
        highest,
        counts,
        noise,
        comparisons,
        plot,
    )


def _true_model(folder: Path, output: str | None) -> Model:
    """The true model of a simulation, of the same output as the learned one."""
    true = options.read_model(folder, None, several=True)
    return true if true.spec.output_count == 1 else options.read_model(folder, output)


def read_measured(
    table: str,
    model: Model,
    sequence: str | None,
    expression: Sequence[str] | None,
    decimal_comma: bool,
    *,
    weighted: bool = False,
) -> Dataset:
    """The sequences of a table, encoded for a model, and their measurements.

    Rows that cannot be used are left out, which the log says. One of several measurements is
    enough.

    Args:
        table: see `cisreg.open_dataset`.
        model: the model.
        sequence: column of the sequences; None: found by its name.
        expression: columns of the measurements; the same.
        decimal_comma: whether numbers have a decimal comma.
        weighted: whether to read the weights of the rows; metrics count all rows alike.

    Raises:
        ValueError: fewer than 2 rows that can be used.
        OSError: the table cannot be read.
    """
    asked = options.asked_columns(sequence, expression, None)
    if model.noise is not None and model.noise.counts and expression is None:
        # Counts are in the columns that those of training were in: no usual name says them.
        asked["expression"] = tuple(model.table_columns.get("expression") or ())
    asked = options.with_own_columns(asked, model)
    if not weighted:
        asked["weight"] = False
    files = options.open_files(
        table,
        {**asked, "counted": options.counted_by(model)},
        length=model.spec.sequence_length,
        side=model.padding_side,
        partly_measured=True,
        decimal_comma=decimal_comma,
    )
    dataset = files.load()
    model.warn_of_trimmed(files.trimmed)
    if len(dataset) < 2:
        raise ValueError(f"{table}: expected at least 2 rows to compare, got {len(dataset)}")
    return dataset


def _show(
    count: int,
    expression: dict[str, Metrics],
    highest: list[float],
    counts: list[int],
    noise: list[TextTable],
    comparisons: list[ParameterComparison],
    plot: Path | None,
) -> None:
    console = new_console(results=True)
    title = f"Predicted expression of {count:,} sequences against"
    records = [
        {"against": name.replace(" ", "_"), "count": own}
        for name, own in zip(expression, counts, strict=True)
    ]
    console.print(metrics_table(title, expression, records=records, highest=highest))
    for judged in noise:
        console.print(judged)
    if comparisons:
        columns = ("effect", "r", "factors")
        table = TextTable("Effects, learned against true", columns, name="effects")
        for each in comparisons:
            name = each.name.replace("_", " ")
            table.add_row(
                *(name, f"{each.pearson:.4f}", str(len(each.true))),
                record={"effect": each.name, "pearson": each.pearson, "factors": len(each.true)},
            )
        console.print(table)
    if plot is not None:
        console.print(f"Plot written to {plot}")
