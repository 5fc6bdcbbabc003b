"""cisreg motifs compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cisreg.cli import options
from cisreg.cli.motifs import reading
from cisreg.cli.outputs import check_files
from cisreg.cli.prepare.step_options import destination, tell
from cisreg.cli.terminal import TextTable, new_console
from cisreg.display import counted

if TYPE_CHECKING:
    import pyarrow as pa

EXAMPLE = "cisreg motifs compare demo demo --best 3"

_FORMATS = {"p_value": ".3g", "e_value": ".3g", "q_value": ".3g"}


def compare(
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="Motifs to look up: a file, a folder, demo, ...")
    ],
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="Motifs to compare them with, for example **jaspar:fungi**."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Table to write, .tsv or .csv (.gz) or .parquet; default: shown on standard "
            "output.",
        ),
    ] = None,
    name: reading.Names = None,
    best: Annotated[
        int | None, typer.Option(min=1, metavar="COUNT", help="At most so many for each query.")
    ] = None,
    p_value: Annotated[float, typer.Option("--p-value", help="Largest p-value of a target.")] = 1.0,
    q_value: Annotated[
        float, typer.Option("--q-value", help="Largest q-value (false discovery rate).")
    ] = 0.5,
    minimum_overlap: Annotated[
        int, typer.Option(min=1, metavar="COLUMNS", help="Smallest overlap of two motifs.")
    ] = 1,
    strands: Annotated[
        Literal["both", "forward"],
        typer.Option(metavar="KIND", help="both: also reverse complements of the targets."),
    ] = "both",
    kind: reading.Kind = None,
    convention: reading.Convention = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Find the motifs that are like those of QUERY among those of TARGET, as Tomtom does.

    Each pair has the p-value of its best alignment, E-value and q-value; offset is the column of
    the query, from 0, at which the target begins, or with orientation - its reverse complement.
    """
    inputs = [options.motif_source(query), options.motif_source(target)]
    check_files([output], inputs=inputs, overwrite=overwrite)
    from cisreg.motifs import compare as compare_motifs

    how = reading.Reading(kind, convention)
    queries = reading.read_chosen(query, name, how)
    targets = queries if target == query and not name else reading.read_chosen(target, None, how)
    table = compare_motifs(
        *(queries, targets),
        strands=strands,
        minimum_overlap=minimum_overlap,
        p_value=p_value,
        q_value=q_value,
        best=best,
        progress=True,
    )
    found = len(table["query"].unique())
    summary = (
        f"{counted(len(table), 'pair')}: {found:,} of {counted(len(queries), 'motif')} are like "
        f"one of {len(targets):,}"
    )
    if output is None:
        new_console(results=True).print(_shown(table))
        new_console(stderr=True).print(summary)
        return
    from cisreg.writing import open_table

    with open_table(output, overwrite=overwrite) as write:
        write({name: table[name].combine_chunks() for name in table.column_names})
    tell(output, f"{summary}; written to {destination(output)}")


def _shown(table: pa.Table) -> TextTable:
    shown = TextTable("", tuple(map(_title, table.column_names)), False, "pairs")
    for row in table.to_pylist():
        cells = (format(value, _FORMATS.get(key, "")) for key, value in row.items())
        shown.add_row(*cells, record=row)
    return shown


def _title(column: str) -> str:
    return {"p_value": "p-value", "e_value": "E-value", "q_value": "q-value"}.get(column, column)
