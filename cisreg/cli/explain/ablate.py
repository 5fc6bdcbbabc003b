"""cisreg explain ablate."""

from __future__ import annotations

from typing import Annotated

import typer

from cisreg.cli.explain import experiment_options as shared
from cisreg.cli.explain import tables
from cisreg.cli.option_groups import spread

EXAMPLE = "cisreg explain ablate model promoters.fa --factor Reb1"


@spread
def ablate(
    *,
    context: typer.Context,
    start: Annotated[
        int | None, typer.Option(min=0, help="First base to shuffle, counted from 0.")
    ] = None,
    end: Annotated[int | None, typer.Option(min=1, help="The base behind the last one.")] = None,
    factor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Shuffle the sites of this factor, instead of --start and --end."
        ),
    ] = None,
    occupancy: Annotated[
        float, typer.Option(help="Least occupancy of a site, above 0 and below 1.")
    ] = 0.1,
    shuffles: Annotated[int, typer.Option(min=1, help="Shuffles of each sequence.")] = 20,
    dinucleotides: Annotated[
        bool, typer.Option("--dinucleotides", help="Keep the dinucleotides of what is shuffled.")
    ] = False,
    experiment: shared.Experiment,
) -> None:
    """Shuffle a part of sequences, or the sites of a factor, and predict what this does.

    The table has a row for each sequence: expression before, the mean after the shuffles, and the
    mean effect with its standard error over the shuffles.
    """
    experiment.check(context)
    model, backgrounds = experiment.read(*([] if factor is None else [factor]))
    from cisreg.interpret import ablate as run
    from cisreg.interpret import dinucleotide_shuffle, shuffle

    found = run(
        *(model, backgrounds, start, end, shuffles),
        factor=factor,
        occupancy=occupancy,
        shuffle_fn=dinucleotide_shuffle if dinucleotides else shuffle,
        seed=experiment.seed,
        **experiment.how(),
    )
    tables.write_result([found.to_table()], experiment.output, None, experiment.overwrite)
