"""cisreg explain differences."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cisreg.cli import options
from cisreg.cli.explain import tables
from cisreg.cli.outputs import check_files
from cisreg.cli.terminal import new_console
from cisreg.display import printable

if TYPE_CHECKING:
    from cisreg.uncertainty.differences import Differences

EXAMPLE = "cisreg explain differences model train.tsv.gz --output differences.tsv"


def differences(
    context: typer.Context,
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="Folder that **cisreg train** or **cisreg ensemble train** wrote.",
        ),
    ],
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="[TABLE]",
            help="What the model was trained on: a table, a folder of **cisreg convert** or a "
            "pattern, as for **cisreg train**, which left out the same rows. Not for an ensemble, "
            "whose members show it.",
        ),
    ] = None,
    output: tables.Output = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Output that the others are compared with; default: the first."
        ),
    ] = None,
    level: options.Level = 0.9,
    robust: Annotated[
        bool,
        typer.Option(
            "--robust",
            help="Take the scatter from the residuals, sequence by sequence, for noise that is not "
            "the same everywhere, or that the outputs of a sequence share.",
        ),
    ] = False,
    sequence_column: options.SequenceColumn = None,
    expression_column: options.ExpressionColumn = None,
    decimal_comma: options.DecimalComma = False,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Show what differs between the outputs of a model, with intervals.

    A row for each output but the reference, and each number that differs: of factors, and biases.
    Intervals are around the least squares of all outputs together, with the motifs and position
    weights as they are: where training changed the motifs, they tell which factors differ, but are
    too narrow to say by how much, which the log says. Of many intervals some leave 0 out by chance:
    one in ten at a level of 0.9. Of an ensemble, intervals are those of its members' scatter.
    """
    check_files([output], inputs=[model, table], overwrite=overwrite)
    from cisreg.quantiles import check_level
    from cisreg.uncertainty import difference_intervals
    from cisreg.uncertainty.differences import check_outputs
    from cisreg.uncertainty.member_training import is_ensemble

    tables.check_results(output, None)
    check_level(level)
    if is_ensemble(model):
        if table or robust or sequence_column or expression_column or decimal_comma:
            raise typer.BadParameter(
                "expected no TABLE, none of its columns and no --robust with an ensemble, whose "
                "members say all",
                ctx=context,
            )
        found = options.read_ensemble(model, None).differences(level, reference)
        _write(found, output, overwrite)
        return
    if table is None:
        raise typer.BadParameter("expected the TABLE that the model was trained on", ctx=context)
    learned = options.read_model(model, None, several=True)
    check_outputs(learned, reference)
    asked = options.asked_columns(sequence_column, expression_column, None)
    data = options.open_files(
        table,
        options.with_own_columns(asked, learned),
        decimal_comma=decimal_comma,
        length=learned.spec.sequence_length,
        side=learned.padding_side,
        partly_measured=True,
    ).load()
    found = difference_intervals(
        *(learned, data),
        level=level,
        reference=reference,
        robust=robust,
        threads=threads,
        progress=True,
    )
    _write(found, output, overwrite)


def _write(found: Differences, output: Path | None, overwrite: bool) -> None:
    tables.write_result([found.to_table()], output, None, overwrite)
    tell = new_console(stderr=output is None or str(output) == "-")
    tell.print(
        f"{int(found.clear.sum()):,} of {len(found):,} intervals leave 0 out; differences are from "
        f"{printable(found.reference)}."
    )
    unknown = int((found.standard_error == math.inf).sum())
    if unknown:
        tell.print(
            f"{unknown:,} of {len(found):,} differences are not determined by these data: they "
            "have no interval, and their estimates mean nothing."
        )
