"""cisreg explain mutations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cisreg.cli import options
from cisreg.cli.explain.sequences import read_sequences
from cisreg.cli.explain.tables import check_results
from cisreg.cli.outputs import check_files
from cisreg.cli.terminal import TextTable, new_console
from cisreg.display import counted, printable

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

EXAMPLE = "cisreg explain mutations model sequences.fasta --output mutations.tsv.gz"

# Mutations that are shown, and sequences that are drawn.
_SHOWN, _DRAWN = 20, 12


def mutations(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Folder that **cisreg train** wrote.")
    ],
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="Sequences: a table, FASTA or text, as for **cisreg predict**."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Table to write, .tsv or .csv (also with .gz) or .parquet; - is standard output, "
            "as tab-separated text; default: the strongest mutations are shown.",
        ),
    ] = None,
    by_factor: Annotated[
        bool,
        typer.Option("--by-factor", help="One row for each factor's part of each effect."),
    ] = False,
    deletions: Annotated[
        bool, typer.Option("--deletions", help="Also the deletion of each base.")
    ] = False,
    insertions: Annotated[
        bool, typer.Option("--insertions", help="Also the insertion of each base at each place.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw the first sequences, up to 12, as heat maps (.png .pdf .svg).",
        ),
    ] = None,
    sequence_column: options.SequenceColumn = None,
    name_column: options.NameColumn = None,
    threads: options.Threads = None,
    model_output: options.ModelOutput = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Find what every mutation of one base does to the expression of sequences.

    The effect of a mutation is the expression of the mutant minus that of the sequence, in the
    model's unit. Positions count from 0 in the sequence as the model sees it: padded or trimmed to
    its length. Unknown bases have no mutations.
    """
    if by_factor and (deletions or insertions):
        raise typer.BadParameter("--by-factor is of substitutions: leave out the other mutations")
    if by_factor and output is None:
        raise typer.BadParameter("--by-factor needs --output")
    check_files([output, plot], inputs=[table, model], overwrite=overwrite)

    check_results(output, plot)
    learned = options.read_model(model, model_output)
    codes, names = _read(learned, table, sequence_column, name_column)
    options_of_parts = {
        "names": names,
        "deletions": deletions,
        "insertions": insertions,
        "threads": threads,
        "progress": True,
    }
    if plot is not None:
        _plot(learned, codes, names, plot, overwrite)
    if output is None:
        _show(learned, codes, options_of_parts)
        return
    _write(learned, codes, output, by_factor, overwrite, options_of_parts)


def _read(
    learned: Any, table: str, sequence: str | None, name: str | None
) -> tuple[np.ndarray, pa.Array]:
    """The sequences, encoded, and their names, or their indices as names."""
    import numpy as np
    import pyarrow as pa

    data = read_sequences(learned, table, sequence, name)
    codes = np.asarray(data.sequence)
    indices = pa.array([str(index) for index in range(len(codes))], pa.string())
    named = indices if data.name is None else data.name
    return codes, named


def _write(
    learned: Any,
    codes: np.ndarray,
    output: Path,
    by_factor: bool,
    overwrite: bool,
    options_of_parts: dict[str, Any],
) -> None:
    from cisreg.interpret import mutagenesis_batches
    from cisreg.writing import open_table

    written = 0
    with open_table(output, overwrite=overwrite) as write:
        for part in mutagenesis_batches(learned, codes, by_factor=by_factor, **options_of_parts):
            rows = part.to_table(by_factor=by_factor)
            write({name: rows[name].combine_chunks() for name in rows.column_names})
            written += len(rows)
    standard = str(output) == "-"
    where = "standard output" if standard else str(output)
    console = new_console(stderr=standard)
    console.print(
        f"{counted(written, 'row')} of {counted(len(codes), 'sequence')} written to {where}"
    )


def _plot(learned: Any, codes: np.ndarray, names: pa.Array, plot: Path, overwrite: bool) -> None:
    import numpy as np

    from cisreg.interpret.mutagenesis import mutagenesis
    from cisreg.report.mutations import plot_mutations

    drawn = np.flatnonzero((codes != 4).any(axis=1))[:_DRAWN]
    if not len(drawn):
        raise ValueError("TABLE: expected a sequence with known bases, to draw it")
    found = mutagenesis(learned, codes[drawn], names=names.take(drawn))
    plot_mutations(plot, found, rows=range(len(drawn)), unit=learned.unit, overwrite=overwrite)


def _show(learned: Any, codes: np.ndarray, options_of_parts: dict[str, Any]) -> None:
    from cisreg.interpret import mutagenesis_batches

    best: pa.Table | None = None
    count = 0
    for part in mutagenesis_batches(learned, codes, **options_of_parts):
        rows = part.to_table()
        count += len(rows)
        best = _strongest(rows if best is None else _joined(best, rows))
    assert best is not None
    shown = TextTable("", tuple(best.column_names), False, "mutations")
    for record in best.to_pylist():
        row = dict(record)
        effect = row.pop("effect")
        cells = (printable(str(value)) for value in row.values())
        shown.add_row(*cells, f"{effect:+.4g}", record=record)
    new_console(results=True).print(shown)
    new_console(stderr=True).print(
        f"{counted(count, 'mutation')} of {counted(len(codes), 'sequence')}; the {len(best)} "
        "strongest are shown; --output writes all"
    )


def _joined(one: pa.Table, two: pa.Table) -> pa.Table:
    import pyarrow as pa

    return pa.concat_tables([one, two])


def _strongest(table: pa.Table) -> pa.Table:
    import numpy as np

    order = np.argsort(-np.abs(np.asarray(table["effect"])), kind="stable")[:_SHOWN]
    return table.take(order)
