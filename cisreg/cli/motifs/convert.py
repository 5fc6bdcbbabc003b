"""cisreg motifs convert."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cisreg.cli import options
from cisreg.cli.motifs import reading
from cisreg.cli.outputs import check_files
from cisreg.cli.prepare.step_options import destination, tell
from cisreg.display import counted

if TYPE_CHECKING:
    from cisreg.motifs import MotifSet

logger = logging.getLogger("cisreg.motifs")

EXAMPLE = "cisreg motifs convert demo motifs.meme"

Format = Literal["meme", "jaspar", "transfac", "homer", "pkdm", "folder"]


def convert(
    motifs: reading.Source,
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUTPUT",
            help="File to write, .meme, .jaspar, .transfac, .homer or .pkdm, compressed where .gz "
            "or .zst follows; **-** is standard output. With **--format folder** a new folder of "
            ".pkdm files.",
        ),
    ],
    format: Annotated[
        Format | None,
        typer.Option(
            metavar="FORMAT",
            help="meme, jaspar, transfac, homer, pkdm (one motif) or folder; default: as the "
            "ending of OUTPUT says.",
        ),
    ] = None,
    name: reading.Names = None,
    reverse_complement: Annotated[
        bool, typer.Option("--reverse-complement", help="Write the other strand's motifs.")
    ] = False,
    trim: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="BITS", help="Drop columns at both ends that have less information."
        ),
    ] = None,
    sites: Annotated[
        float,
        typer.Option(
            metavar="COUNT",
            help="JASPAR and TRANSFAC: number of sites of motifs of which only probabilities are "
            "known.",
        ),
    ] = 100,
    p_value: Annotated[
        float,
        typer.Option(
            "--p-value", help="HOMER: of the weakest hit of motifs that state no threshold."
        ),
    ] = 1e-4,
    kind: reading.Kind = None,
    convention: reading.Convention = None,
    pseudocount: reading.Pseudocount = 0.001,
    background: reading.Background = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Convert motifs of any usual format to another one.

    Counts and probabilities keep their digits. What a conversion assumes is said in the log and,
    where the format has comments, in the file.
    """
    from cisreg.motifs import motif_format, trim_motifs, write_motif_file, write_motifs

    target: Format = format or motif_format(output)
    if target != "folder":
        check_files([output], inputs=[options.motif_source(motifs)], overwrite=overwrite)
    if target in ("pkdm", "folder"):
        convention = convention or "pkdm"
    how = reading.Reading(kind, convention, pseudocount, background)
    found = reading.read_chosen(motifs, name, how)
    if reverse_complement:
        found = found.reverse_complement()
    if trim is not None:
        found = trim_motifs(found, trim)
    if target == "folder":
        write_motifs(output, found)
    else:
        write_motif_file(
            *(output, found),
            format=target,
            site_count=sites,
            threshold=_thresholds(found, p_value) if target == "homer" else None,
            comments=_comments(found, how),
            overwrite=overwrite,
        )
    tell(output, f"{counted(len(found), 'motif')} written to {destination(output)} ({target})")


def _comments(motifs: MotifSet, how: reading.Reading) -> list[str]:
    """What reading assumed for motifs whose log Kd is made from counts or probabilities."""
    made = any(each.kind in ("counts", "probabilities") for each in motifs.details)
    used = f"log Kd was computed with pseudocount {how.pseudocount:g}, background "
    return [used + (how.background or "0.25 each")] if made and how.convention == "pkdm" else []


def _thresholds(motifs: MotifSet, p_value: float) -> Any:
    """The weakest hit's log Kd of each motif: its own, or that of the p-value."""
    import numpy as np

    from cisreg import p_value_threshold

    own = np.array(
        [np.nan if each.threshold is None else each.threshold for each in motifs.details]
    )
    if not np.isnan(own).any():
        return own
    logger.info(
        "%s without a threshold: that of p-value %g, background 0.25 each",
        *(counted(int(np.isnan(own).sum()), "motif"), p_value),
    )
    computed = np.asarray(p_value_threshold(motifs, p_value), np.float64)
    # The strongest site, where even that is more probable than the p-value.
    computed = np.maximum(computed, motifs.lowest_log_kd())
    return np.where(np.isnan(own), computed, own)
