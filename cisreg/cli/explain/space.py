"""cisreg explain space."""

from __future__ import annotations

from typing import Annotated

import typer

from cisreg.cli import options
from cisreg.cli.explain import experiment_options as shared
from cisreg.cli.explain import tables
from cisreg.cli.outputs import check_files

EXAMPLE = "cisreg explain space model --random 100 --motif Reb1 --motif Rap1 --distance 0:50"


def space(
    context: typer.Context,
    model: options.ModelFolder,
    sequences: shared.Sequences = None,
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
    random: shared.Random = None,
    composition: shared.Composition = None,
    seed: shared.Seed = 0,
    change_ends: shared.ChangeEnds = False,
    output: tables.Output = None,
    plot: shared.Plot = None,
    sequence_column: options.SequenceColumn = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write two sites at several distances into sequences, in all four orientations.

    The table has a row for each orientation and distance: the mean effect of both sites, of each
    one alone, and their interaction, which is the effect of both minus the sum of the others.
    """
    shared.check_source(context, sequences, random, composition)
    if motif is None or len(motif) != 2 or not distance:
        raise typer.BadParameter("expected --motif twice, and --distance", ctx=context)
    check_files([output, plot], inputs=[model, sequences], overwrite=overwrite)
    tables.check_results(output, plot)
    distances = shared.whole_numbers("--distance", distance)
    learned, backgrounds = shared.read_backgrounds(
        *(model, sequences, random, composition, seed, sequence_column)
    )
    from cisreg.interpret import space as run

    found = run(
        *(learned, backgrounds, motif, distances, position),
        change_ends=change_ends,
        threads=threads,
        progress=True,
    )
    if plot is not None:
        from cisreg.report.experiments import plot_spacing

        plot_spacing(plot, found, overwrite=overwrite)
    tables.write_result([found.to_table()], output, plot, overwrite)
