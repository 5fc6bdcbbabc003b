"""cisreg explain certainty."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cisreg.cli import options
from cisreg.cli.explain import tables
from cisreg.cli.outputs import check_files
from cisreg.cli.prepare.step_options import numbers as read_numbers
from cisreg.cli.terminal import new_console
from cisreg.display import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from cisreg.data import Dataset
    from cisreg.trained_model import Model
    from cisreg.uncertainty import Certainty, Ensemble

EXAMPLE = "cisreg explain certainty model train.tsv.gz --output intervals.tsv"


def certainty(
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
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Plot of a --profile to write, .png, .pdf or .svg (matplotlib)."
        ),
    ] = None,
    numbers: Annotated[
        Literal["all", "effects", "parameters"],
        typer.Option(
            metavar="NAME",
            help="**effects** of each factor's strongest site, **parameters**, or **all**.",
        ),
    ] = "all",
    level: options.Level = 0.9,
    robust: Annotated[
        bool,
        typer.Option(
            "--robust",
            help="Take the scatter from the residuals: where the noise is not the same everywhere, "
            "or equal sequences err together.",
        ),
    ] = False,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Instead: the squared error along this parameter, such as activity or "
            "log_concentration, with the others fitted anew at each of its values.",
        ),
    ] = None,
    factor: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose parameter --profile is.")
    ] = None,
    values: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS",
            help="Values of --profile, with commas; default: 13, up to 3 standard errors from the "
            "estimate.",
        ),
    ] = None,
    sequence_column: options.SequenceColumn = None,
    expression_column: options.ExpressionColumn = None,
    decimal_comma: options.DecimalComma = False,
    threads: options.Threads = None,
    model_output: options.ModelOutput = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Show how sure the parameters are, and what the data do not determine.

    Of a model, intervals are around the least squares, with the motifs and position weights as they
    are: where training changed the motifs, they are far too narrow, which the log says. What the
    data do not determine is said in sentences: factors that bind alike, saturated accessibility,
    concentration against activity. Of an ensemble, intervals are those of its members' scatter.

    With --profile, the table has the excess of the squared error at each value, in units of the
    noise variance.
    """
    if profile is None and any(each is not None for each in (factor, values, plot)):
        raise typer.BadParameter("--factor, --values, --plot: expected --profile too", ctx=context)
    check_files([output, plot], inputs=[model, table], overwrite=overwrite)
    from cisreg.quantiles import check_level
    from cisreg.uncertainty.member_training import is_ensemble

    tables.check_results(output, plot)
    check_level(level)
    if is_ensemble(model):
        of_table = table or sequence_column or expression_column or decimal_comma
        if of_table or robust or profile is not None:
            raise typer.BadParameter(
                "expected no TABLE, none of its columns, no --robust and no --profile with an "
                "ensemble, whose members say all; they are of a single model, such as that of "
                "member_0",
                ctx=context,
            )
        found = options.read_ensemble(model, model_output)
        tables.write_result([_intervals(found, numbers, level)], output, None, overwrite)
        return
    if table is None:
        raise typer.BadParameter("expected the TABLE that the model was trained on", ctx=context)
    learned = options.read_model(model, model_output)
    along = None
    if profile is not None:
        from cisreg.uncertainty.coordinates import Coordinates

        along = (profile, factor, read_numbers("--values", values))
        # Before the data are read.
        Coordinates.of(learned, None).index(profile, factor)
    data = _read(learned, table, sequence_column, expression_column, decimal_comma)
    if along is not None:
        _profile(learned, data, along, level, threads, output, plot, overwrite)
        return
    _certainty(learned, data, numbers, level, robust, threads, output, overwrite)


def _read(
    model: Model,
    table: str,
    sequence: str | None,
    expression: Sequence[str] | None,
    decimal_comma: bool,
) -> Dataset:
    return options.open_files(
        table,
        options.with_own_columns(options.asked_columns(sequence, expression, None), model),
        decimal_comma=decimal_comma,
        partly_measured=True,
        length=model.spec.sequence_length,
        side=model.padding_side,
    ).load()


def _intervals(found: Certainty | Ensemble, numbers: str, level: float) -> pa.Table:
    import pyarrow as pa

    parts = []
    if numbers != "parameters":
        parts.append(found.effects(level).to_table())
    if numbers != "effects":
        parts.append(found.parameters(level).to_table())
    return pa.concat_tables(parts)


def _certainty(
    model: Model,
    data: Dataset,
    numbers: str,
    level: float,
    robust: bool,
    threads: int | None,
    output: Path | None,
    overwrite: bool,
) -> None:
    from cisreg.uncertainty import estimate_certainty, undetermined

    found = estimate_certainty(model, data, robust=robust, threads=threads, progress=True)
    tables.write_result([_intervals(found, numbers, level)], output, None, overwrite)
    tell = new_console(stderr=output is None or str(output) == "-")
    tell.print(f"Measurements scatter around the model by {found.noise:.4g} (standard deviation).")
    for each in undetermined(found.model, data, certainty=found, threads=threads):
        tell.print(f"- {each.sentence}")


def _profile(
    model: Model,
    data: Dataset,
    along: tuple[str, str | None, list[float] | None],
    level: float,
    threads: int | None,
    output: Path | None,
    plot: Path | None,
    overwrite: bool,
) -> None:
    from cisreg.uncertainty import profile

    found = profile(model, data, *along, threads=threads, progress=True)
    if plot is not None:
        from cisreg.report import plot_profile

        plot_profile(plot, found, level=level, overwrite=overwrite)
    tables.write_result([found.to_table()], output, plot, overwrite)
    name = found.parameter if found.factor is None else f"{found.parameter} of {found.factor}"
    begin, end = found.interval(level)
    tell = new_console(stderr=output is None or str(output) == "-")
    tell.print(
        f"{printable(name)}: {found.estimate:.4g} at the least squares, {100 * level:g} % interval "
        f"{begin:.4g} to {end:.4g}"
    )
