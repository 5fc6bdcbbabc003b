"""cisreg explain space."""

from __future__ import annotations

from typing import Annotated

import typer

from cisreg.cli.explain import experiment_options as shared
from cisreg.cli.explain import tables
from cisreg.cli.option_groups import spread

EXAMPLE = "cisreg explain space model --random 100 --motif Reb1 --motif Rap1 --distance 0:50"


@spread
def space(
    *,
    context: typer.Context,
    motif: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A factor of the model, for its strongest site, or bases; given twice: the left "
            "one and the right one.",
        ),
    ] = None,
    distance: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BASES",
            help="Bases between the two sites, or FROM:TO (both included). Can be given several "
            "times. Required.",
        ),
    ] = None,
    position: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="First base of the left site, counted from 0; default: both sites around the "
            "middle.",
        ),
    ] = None,
    plot: shared.Plot = None,
    experiment: shared.Experiment,
) -> None:
    """Write two sites at several distances into sequences, in all four orientations.

    The table has a row for each orientation and distance: the mean effect of both sites, of each
    one alone, and their interaction, which is the effect of both minus the sum of the others.
    """
    if motif is None or len(motif) != 2 or not distance:
        raise typer.BadParameter("expected --motif twice, and --distance", ctx=context)
    experiment.check(context, plot)
    distances = shared.whole_numbers("--distance", distance)
    model, backgrounds = experiment.read()
    from cisreg.interpret import space as run

    found = run(model, backgrounds, motif, distances, position, **experiment.how())
    if plot is not None:
        from cisreg.report.experiments import plot_spacing

        plot_spacing(plot, found, overwrite=experiment.overwrite)
    tables.write_result([found.to_table()], experiment.output, plot, experiment.overwrite)
