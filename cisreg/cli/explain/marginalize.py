"""cisreg explain marginalize."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from cisreg.cli.explain import experiment_options as shared
from cisreg.cli.explain import tables
from cisreg.cli.option_groups import spread

EXAMPLE = "cisreg explain marginalize model --random 100 --motif Reb1 --position all"

_STRANDS = {"forward": "+", "reverse": "-", "both": "both"}


@spread
def marginalize(
    *,
    context: typer.Context,
    motif: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A factor of the model, for its strongest site, or bases, where N leaves what is "
            "there. Can be given several times; default: each factor.",
        ),
    ] = None,
    position: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLACE",
            help="First base of the site, counted from 0; FROM:TO (both included), or **all** "
            "between the constant ends. Can be given several times; default: the middle.",
        ),
    ] = None,
    strand: Annotated[
        Literal["forward", "reverse", "both"],
        typer.Option(metavar="KIND", help="forward, reverse (the reverse complement), or both."),
    ] = "forward",
    by_sequence: Annotated[
        bool, typer.Option("--by-sequence", help="A row for each sequence instead of means.")
    ] = False,
    plot: shared.Plot = None,
    experiment: shared.Experiment,
) -> None:
    """Write sites into sequences, and predict what this does to expression.

    The table has a row for each motif, strand and position: mean expression before and after, and
    the mean effect with its standard error over the sequences. Every combination is predicted for
    every sequence; a hundred sequences are enough for most questions.
    """
    experiment.check(context, plot)
    places = None
    if position:
        places = "all" if position == ["all"] else shared.whole_numbers("--position", position)
    model, backgrounds = experiment.read()
    from cisreg.interpret import marginalize as run

    found = run(
        *(model, backgrounds, motif or None, places),
        strand=_STRANDS[strand],
        **experiment.how(),
    )
    if plot is not None:
        from cisreg.report.experiments import plot_marginalization

        plot_marginalization(plot, found, overwrite=experiment.overwrite)
    table = found.by_sequence() if by_sequence else found.to_table()
    tables.write_result([table], experiment.output, plot, experiment.overwrite)
