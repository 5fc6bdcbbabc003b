"""cisreg motifs info."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cisreg.cli import options
from cisreg.cli.motifs import reading
from cisreg.cli.outputs import check_files
from cisreg.cli.prepare.step_options import destination, tell
from cisreg.cli.terminal import TextTable, new_console
from cisreg.display import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from cisreg.motifs import MotifSet

EXAMPLE = "cisreg motifs info demo"


def info(
    motifs: reading.Source,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Table to write, .tsv or .csv (.gz) or .parquet; default: shown on standard "
            "output.",
        ),
    ] = None,
    name: reading.Names = None,
    kind: reading.Kind = None,
    convention: reading.Convention = None,
    pseudocount: reading.Pseudocount = 0.001,
    background: reading.Background = None,
    overwrite: options.Overwrite = False,
) -> None:
    """List motifs: their width, information, consensus, strongest site and its log Kd.

    Information is in bits, relative to equal frequencies of the bases; log Kd in nats; sites is
    the number of sites that a motif was made from, where its file says it.
    """
    check_files([output], inputs=[options.motif_source(motifs)], overwrite=overwrite)
    how = reading.Reading(kind, convention, pseudocount, background)
    found = reading.read_chosen(motifs, name, how)
    columns = _columns(found)
    if output is None:
        new_console(results=True).print(_shown(columns))
        return
    from cisreg.writing import open_table

    with open_table(output, overwrite=overwrite) as write:
        write(columns)
    tell(output, f"{counted(len(found), 'motif')} written to {destination(output)}")


def _columns(motifs: MotifSet) -> dict[str, pa.Array]:
    import numpy as np
    import pyarrow as pa

    from cisreg.motifs import information_content

    information = [information_content(each).sum() for each in motifs.probabilities()]
    return {
        "name": pa.array(motifs.names),
        "accession": pa.array([each.accession for each in motifs.details], pa.string()),
        "width": pa.array(motifs.widths),
        "information": pa.array(np.round(information, 4)),
        "consensus": pa.array(motifs.consensus()),
        "strongest_site": pa.array(motifs.strongest_site()),
        "lowest_log_kd": pa.array(motifs.lowest_log_kd()),
        "sites": pa.array([each.site_count for each in motifs.details], pa.float64()),
    }


def _shown(columns: dict[str, pa.Array]) -> TextTable:
    """The table for a terminal, without the columns that no motif has."""
    titles = {"information": "bits", "lowest_log_kd": "lowest log Kd"}
    formats = {"information": ".2f", "lowest_log_kd": ".2f", "sites": "g"}
    kept = {name: values for name, values in columns.items() if values.null_count < len(values)}
    shown = tuple(titles.get(name, name.replace("_", " ")) for name in kept)
    table = TextTable("", shown, numbers=False, name="motifs")
    for row in zip(*(values.to_pylist() for values in kept.values()), strict=True):
        cells = zip(kept, row, strict=True)
        table.add_row(
            *("" if v is None else format(v, formats.get(name, "")) for name, v in cells),
            record=dict(zip(kept, row, strict=True)),
        )
    return table
