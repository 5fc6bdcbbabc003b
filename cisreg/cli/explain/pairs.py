"""cisreg explain pairs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cisreg.cli import options
from cisreg.cli.explain import tables
from cisreg.cli.outputs import check_files
from cisreg.cli.terminal import new_console
from cisreg.display import counted

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from cisreg.data import Dataset
    from cisreg.trained_model import Model

EXAMPLE = "cisreg explain pairs model promoters.fa --output pairs.tsv.gz --plot pairs.png"

# Pairs that are shown, and sequences that are drawn.
_SHOWN, _DRAWN = 20, 6


def pairs(
    model: options.ModelFolder,
    table: Annotated[
        str,
        typer.Argument(
            metavar="SEQUENCES",
            help="A table, FASTA, or - for standard input; each takes as long as the mutations of "
            "3 L others.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Table to write, .tsv or .csv (.gz) or .parquet; default: the 20 of the largest "
            "epistasis are shown.",
        ),
    ] = None,
    positions: Annotated[
        bool,
        typer.Option(
            "--positions",
            help="A row for each two positions, with the largest epistasis of any two bases there "
            "(a dependency map), instead of each two bases.",
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw the dependency maps of the first sequences, up to 6 (.png .pdf .svg).",
        ),
    ] = None,
    sequence_column: options.SequenceColumn = None,
    name_column: options.NameColumn = None,
    threads: options.Threads = None,
    model_output: options.ModelOutput = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Find what every two mutations together do to expression, beyond what each does alone.

    Effect is the expression of the double mutant minus that of the sequence; epistasis is the
    effect of both minus the effects of each alone. Positions count from 0 in the model's input,
    padding included.
    """
    check_files([output, plot], inputs=[model, table], overwrite=overwrite)
    from cisreg.cli.explain.sequences import read_sequences

    tables.check_results(output, plot)
    learned = options.read_model(model, model_output)
    data = read_sequences(learned, table, sequence_column, name_column)
    maps: list[np.ndarray] = []
    rows = _tables(learned, data, positions, threads, maps if plot is not None else None)
    if output is not None:
        tables.write_result(rows, output, None, overwrite)
    else:
        _show(rows, len(data))
    if plot is not None:
        from cisreg.report import plot_dependency

        names = None if data.name is None else data.name.to_pylist()
        plot_dependency(plot, maps, names=names, unit=learned.unit, overwrite=overwrite)
        tables.write_result([], None, plot, overwrite)


def _tables(
    model: Model,
    data: Dataset,
    positions: bool,
    threads: int | None,
    maps: list[np.ndarray] | None,
) -> Iterator[pa.Table]:
    """The rows of one sequence after the other; keeps the first maps."""
    import numpy as np

    from cisreg.interpret.batches import sequence_column
    from cisreg.interpret.mutation_pairs import mutation_pairs
    from cisreg.progress import progress_bar

    with progress_bar(show=True, transient=True) as bar:
        for index in bar.track(range(len(data)), description="mutating pairs"):
            found = mutation_pairs(model, data.sequence[index : index + 1], threads=threads)
            if maps is not None and len(maps) < _DRAWN:
                maps.append(found.dependency())
            rows: Any = found.position_table() if positions else found.to_table()
            named = sequence_column(data.name, np.full(len(rows), index))
            yield rows.add_column(0, "sequence", named)


def _show(parts: Iterator[pa.Table], count: int) -> None:
    import numpy as np
    import pyarrow as pa

    best, rows = None, 0
    for part in parts:
        rows += len(part)
        best = part if best is None else pa.concat_tables([best, part])
        size = np.abs(np.asarray(best["epistasis"]))
        best = best.take(np.argsort(-size, kind="stable")[:_SHOWN])
    assert best is not None
    tables.write_result([best], None, None, False)
    new_console(stderr=True).print(
        f"{counted(rows, 'pair')} of {counted(count, 'sequence')}; the {len(best)} of the largest "
        "epistasis are shown; --output writes all"
    )
