"""cisreg explain ablate."""

from __future__ import annotations

from typing import Annotated

import typer

from cisreg.cli import options
from cisreg.cli.explain import experiment_options as shared
from cisreg.cli.explain import tables
from cisreg.cli.outputs import check_files

EXAMPLE = "cisreg explain ablate model promoters.fa --factor Reb1"


def ablate(
    context: typer.Context,
    model: options.ModelFolder,
    sequences: shared.Sequences = None,
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
    random: shared.Random = None,
    composition: shared.Composition = None,
    seed: shared.Seed = 0,
    change_ends: shared.ChangeEnds = False,
    output: tables.Output = None,
    sequence_column: options.SequenceColumn = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Shuffle a part of sequences, or the sites of a factor, and predict what this does.

    The table has a row for each sequence: expression before, the mean after the shuffles, and the
    mean effect with its standard error over the shuffles.
    """
    shared.check_source(context, sequences, random, composition)
    check_files([output], inputs=[model, sequences], overwrite=overwrite)
    tables.check_results(output, None)
    learned, backgrounds = shared.read_backgrounds(
        *(model, sequences, random, composition, seed, sequence_column)
    )
    from cisreg.interpret import ablate as run
    from cisreg.interpret import dinucleotide_shuffle, shuffle

    found = run(
        *(learned, backgrounds, start, end, shuffles),
        factor=factor,
        occupancy=occupancy,
        shuffle_fn=dinucleotide_shuffle if dinucleotides else shuffle,
        seed=seed,
        change_ends=change_ends,
        threads=threads,
        progress=True,
    )
    tables.write_result([found.to_table()], output, None, overwrite)
