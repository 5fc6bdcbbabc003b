"""cisreg explain cooperativity."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cisreg.choices import PAIR_DISTANCE, PAIR_KNOTS
from cisreg.cli import options
from cisreg.cli.evaluate import read_measured
from cisreg.cli.explain import tables
from cisreg.cli.outputs import check_files
from cisreg.cli.terminal import new_console

if TYPE_CHECKING:
    import pyarrow as pa

    from cisreg.data import Dataset
    from cisreg.interpret.cooperativity import PairScreen
    from cisreg.trained_model import Model

EXAMPLE = "cisreg explain cooperativity model train.tsv.gz --held-out test.tsv.gz --recipe quick"


def cooperativity(
    context: typer.Context,
    model: options.ModelFolder,
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="Sequences and their measured expression, such as those that MODEL was trained "
            "on.",
        ),
    ],
    output: tables.Output = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Plot of the best pairs by distance to write, .png, .pdf or .svg (needs "
            "matplotlib).",
        ),
    ] = None,
    most: Annotated[int, typer.Option(min=1, metavar="COUNT", help="Pairs to list.")] = 20,
    factor: tables.Factors = None,
    pair_distance: Annotated[
        int, typer.Option(min=2, metavar="BASES", help="As of **cisreg train**.")
    ] = PAIR_DISTANCE,
    pair_knots: Annotated[
        int, typer.Option(min=1, metavar="KNOTS", help="As of **cisreg train**.")
    ] = PAIR_KNOTS,
    held_out: Annotated[
        str | None,
        typer.Option(
            metavar="TABLE",
            help="Also train with and without the best pairs, and accept those that make this "
            "table more likely. Neither MODEL nor TABLE may have its rows.",
        ),
    ] = None,
    candidates: Annotated[
        int, typer.Option(min=1, metavar="COUNT", help="With --held-out: pairs to train, at most.")
    ] = 10,
    q_value: Annotated[
        float,
        typer.Option(
            "--q-value",
            min=0,
            max=1,
            metavar="RATE",
            help="With --held-out: pairs to train, up to this false discovery rate.",
        ),
    ] = 0.1,
    recipe: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE", help="With --held-out: recipe whose last stage trains both."
        ),
    ] = "default",
    epochs: Annotated[
        int | None, typer.Option(min=1, metavar="EPOCHS", help="With --held-out: at most so many.")
    ] = None,
    sequence_column: options.SequenceColumn = None,
    expression_column: options.ExpressionColumn = None,
    decimal_comma: options.DecimalComma = False,
    threads: options.Threads = None,
    model_output: options.ModelOutput = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Find pairs of factors whose sites act together, from what a model does not explain.

    A row for each pair, the best first: z says how clearly the residuals speak for it (above 0:
    both do more together than the model says), q-value is the false discovery rate down to this
    row; orientation and distance say where it shows most. Pairs are candidates: with --held-out,
    the table says which of them to train, with the gain in nats per row and its standard error.
    Train them by **cisreg train** --start MODEL --pair A:B. Rows count by their weights, if the
    tables have a column of these.
    """
    if held_out is None:
        _check_not_given(context, "candidates", "q_value", "recipe", "epochs")
    check_files([output, plot], inputs=[model, table, held_out, recipe], overwrite=overwrite)
    tables.check_results(output, plot)
    from cisreg.interpret.batches import factor_places
    from cisreg.interpret.cooperativity import screen_pairs

    learned = options.read_model(model, model_output)
    if held_out is not None:
        # Before the screen, which takes long.
        from cisreg.recipes import read_recipe
        from cisreg.recipes.cooperativity import check_takes_pairs

        check_takes_pairs(learned, read_recipe(recipe), pair_distance, pair_knots)
    factor_places(learned, factor or None)
    columns = (sequence_column, expression_column, decimal_comma)
    data = read_measured(table, learned, *columns, weighted=True)
    others = None
    if held_out is not None:
        others = read_measured(held_out, learned, *columns, weighted=True)
    found = screen_pairs(
        *(learned, data),
        most=max(most, candidates),
        factors=factor or None,
        pair_distance=pair_distance,
        pair_knots=pair_knots,
        threads=threads,
        progress=True,
    )
    if plot is not None:
        from cisreg.report.pair_curves import plot_pair_screen

        plot_pair_screen(plot, found, overwrite=overwrite)
    shown = found.to_table()[:most]
    if others is not None:
        chosen = found.candidates(q_value, candidates)
        shown = _judged((learned, data, others), found, chosen, recipe, epochs)
    tables.write_result([shown], output, plot, overwrite)


def _check_not_given(context: typer.Context, *names: str) -> None:
    """Refuses options of --held-out where it is not given."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = name.replace("_", "-")
            raise typer.BadParameter(f"--{option}: expected --held-out too", ctx=context)


def _judged(
    training: tuple[Model, Dataset, Dataset],
    found: PairScreen,
    chosen: list[tuple[str, str]],
    recipe: str,
    epochs: int | None,
) -> pa.Table:
    """The rows of the candidates, with what training with and without them gave."""
    from cisreg.recipes.cooperativity import accept_pairs

    tell = new_console(stderr=True)
    if not chosen:
        tell.print("No pair is a candidate: none is accepted.")
        return found.to_table()[:0]
    judged = accept_pairs(
        *training,
        chosen,
        recipe=recipe,
        epochs=epochs,
        pair_distance=int(found.pair_distance),
        pair_knots=len(found.distance),
        progress=True,
    )
    for number, pair in enumerate(judged.accepted):
        lead = "Accepted: " if number == 0 else "          "
        tell.print(f"{lead}--pair {':'.join(pair)}")
    if judged.gain is None:
        tell.print("None is accepted.")
    else:
        tell.print(
            f"With these the held-out rows are more likely by {judged.gain.mean:.4f} ± "
            f"{judged.gain.standard_error:.4f} nats per row."
        )
    of_pair = {pair: number for number, pair in enumerate(found.factors)}
    shown = found.to_table().take([of_pair[pair] for pair in chosen])
    more = judged.to_table()
    for name in ("gain", "standard_error", "accepted"):
        shown = shown.append_column(name, more[name])
    return shown
