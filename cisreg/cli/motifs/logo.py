"""cisreg motifs logo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cisreg.cli import options
from cisreg.cli.motifs import reading
from cisreg.cli.outputs import check_files
from cisreg.cli.terminal import new_console
from cisreg.display import counted

EXAMPLE = "cisreg motifs logo demo --output logos.svg"


def logo(
    motifs: reading.Source,
    output: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Picture to write: .svg or .png of one page, or .pdf of one page or more.",
        ),
    ],
    name: reading.Names = None,
    both_strands: Annotated[
        bool, typer.Option("--both-strands", help="Draw the reverse complement beside each motif.")
    ] = False,
    columns: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="COUNT", help="Motifs in a row; default: as many as fit into 11 inches."
        ),
    ] = None,
    kind: reading.Kind = None,
    convention: reading.Convention = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Draw the sequence logos of motifs on one page, in bits.

    A column is as high as its information, relative to equal frequencies of the bases.
    """
    check_files([output], inputs=[options.motif_source(motifs)], overwrite=overwrite)
    from cisreg.report import check_plot, plot_logos

    check_plot(output)
    found = reading.read_chosen(motifs, name, reading.Reading(kind, convention))
    pages = plot_logos(
        *(output, found),
        both_strands=both_strands,
        columns=columns,
        overwrite=overwrite,
        progress=True,
    )
    new_console().print(
        f"Logos of {counted(len(found), 'motif')} written to {output} ({counted(pages, 'page')})"
    )
