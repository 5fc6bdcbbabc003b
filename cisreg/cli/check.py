"""cisreg check."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cisreg.cli import options
from cisreg.cli import train_options as choose
from cisreg.cli.completion import motif_sources
from cisreg.cli.outputs import check_files
from cisreg.cli.prepare.step_options import destination, tell
from cisreg.cli.terminal import TextTable, new_console

if TYPE_CHECKING:
    from cisreg.checks import DatasetCheck
    from cisreg.data import HoldOut

EXAMPLE = "cisreg check train.tsv.gz --plot train.png"
_SHARE = 0.1


def check(
    table: Annotated[
        list[str],
        typer.Argument(
            metavar="TABLE...",
            help="What **cisreg train** would read: TSV or CSV (.gz, .bz2, .zst) or Parquet, FASTA "
            "with --measurements, a folder of **cisreg convert**, a pattern such as '*.parquet', a "
            "URL, or - for standard input.",
        ),
    ],
    motifs: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            autocompletion=motif_sources,
            help="The motifs that are to be trained, for the number of parameters: as of "
            "**cisreg train**.",
        ),
    ] = None,
    output: options.FindingsTable = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw distributions of expression, length and GC content, and bases by position, "
            "as .png, .pdf or .svg (needs matplotlib).",
        ),
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Share that training would hold out, chosen as **cisreg train** does; "
            f"default: {_SHARE}.",
        ),
    ] = None,
    split_column: choose.SplitColumn = None,
    fold: choose.Fold = None,
    group_column: choose.GroupColumn = None,
    families: Annotated[
        bool,
        typer.Option(
            "--families/--no-families", help="Look for sequences that are similar but not equal."
        ),
    ] = True,
    sequence_column: options.SequenceColumn = None,
    expression_column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column with the expression, by name or number; default: as **cisreg train** "
            "finds it. Given several times for replicates, which are compared.",
        ),
    ] = None,
    outputs: options.Outputs = None,
    measurements: choose.Measurements = None,
    name_column: choose.NameColumn = None,
    decimal_comma: options.DecimalComma = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Say what is odd about a data set before anyone trains on it, in seconds.

    Which columns are read and why, rows left out, lengths, constant ends, base composition, repeats
    and similar sequences across the split, the scale of expression, saturation, outliers,
    replicates (the highest r that any model can reach), the split, and the number of
    parameters. Each finding says what to do. The exit status is 1 if one of them is an error.
    """
    from cisreg.cli.train_validation import asked_split

    column = asked_split(
        {
            "split_column": split_column,
            "fold": fold,
            "group_column": group_column,
            "validation": None if validation is None else str(validation),
        }
    )
    inputs = [*table, measurements, options.motif_source(motifs)]
    check_files([output, plot], inputs=inputs, overwrite=overwrite)
    from cisreg.checks import check_dataset
    from cisreg.cli.explain.tables import check_results
    from cisreg.data import Columns

    check_results(output, plot)
    options.measured(outputs, expression_column)
    asked = options.asked_columns(sequence_column, expression_column, None, name_column)
    found = check_dataset(
        table,
        columns=Columns(**asked),
        outputs=[options.column(each) for each in outputs or ()],
        measurements=measurements,
        decimal_comma=decimal_comma,
        validation=_hold_out(column, fold, group_column is not None, validation),
        motifs=None if motifs is None else options.load_motifs(motifs, None),
        families=families,
        progress=True,
    )
    _write(found, output, plot, overwrite)
    if found.errors:
        raise typer.Exit(1)


def _hold_out(
    column: str | None, fold: str | None, grouped: bool, share: float | None
) -> float | HoldOut:
    from cisreg.data import HoldOut

    share = _SHARE if share is None else share
    if not 0 < share < 1:
        raise ValueError(f"--validation: expected a share between 0 and 1, got {share:g}")
    if column is None:
        return share
    by = options.column(column)
    return HoldOut(share, groups=by) if grouped else HoldOut(folds=by, fold=fold)


def _write(found: DatasetCheck, output: Path | None, plot: Path | None, overwrite: bool) -> None:
    """The findings, shown or as a table, and the plot where there is something to draw."""
    if output is None:
        columns = ("state", "check", "finding", "number", "advice")
        shown = TextTable(found.title, columns, False, "findings", wraps=True)
        for each in found.findings:
            number = "" if isnan(each.number) else f"{each.number:.4g}"
            shown.add_row(
                *(each.state, each.check, each.sentence, number, each.advice),
                record={
                    "check": each.check,
                    "state": each.state,
                    "finding": each.sentence,
                    "number": each.number,
                    "advice": each.advice,
                },
            )
        new_console(results=True).print(shown)
    else:
        from cisreg.writing import open_table

        with open_table(output, overwrite=overwrite) as write:
            write(found.columns())
        tell(output, f"{found.title}; written to {destination(output)}")
    if plot is not None and found.survey is not None and found.count:
        from cisreg.report import plot_dataset

        plot_dataset(plot, found, overwrite=overwrite)
        new_console(stderr=output is None).print(f"Plot written to {plot}")
