"""Options of `cisreg scan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cisreg.cli.completion import motif_sources

_HITS, _STATISTICS = "Which sites are hits (one of them)", "Statistics"
_TRACKS = "Tracks of occupancy"

Genome = Annotated[
    str,
    typer.Argument(
        metavar="GENOME",
        help="FASTA (.gz, .bz2, .zst) or 2bit, of any size; - is standard input, as FASTA.",
    ),
]
Motifs = Annotated[
    str | None,
    typer.Option(
        "--motifs",
        metavar="SOURCE",
        autocompletion=motif_sources,
        help="A file of motifs (JASPAR, MEME, TRANSFAC, HOMER, .pkdm and others), a folder of "
        "them, a file that lists them, jaspar: with a group or an accession, or **demo**.",
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="File of hits: .bed, .tsv, .gff3 (also with .gz, by bgzip) or .parquet; - is standard "
        "output.",
    ),
]
Format = Annotated[
    Literal["bed", "tsv", "gff3", "parquet"] | None,
    typer.Option(
        metavar="NAME",
        help="Format of the output: bed, tsv, gff3 or parquet; default: as its ending says, bed "
        "for standard output.",
    ),
]
Tabix = Annotated[
    bool,
    typer.Option("--tabix", help="Write an index beside .bed.gz or .gff3.gz (needs pysam)."),
]
Intervals = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Scan only these intervals, a BED file; sites lie wholly within one. Their names "
        "become the column region.",
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="A model that **cisreg train** wrote, for its motifs and concentrations, instead of "
        "--motifs and --concentrations.",
    ),
]
Track = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        rich_help_panel=_TRACKS,
        help="Also write how much of the time each base is bound at --concentrations: a file .bw "
        "or .bedgraph (also with .gz) for one motif, or a folder for a file of each.",
    ),
]
TrackTotal = Annotated[
    bool,
    typer.Option(
        "--track-total",
        rich_help_panel=_TRACKS,
        help="One track of all motifs together; --track is a file.",
    ),
]
TrackPosition = Annotated[
    Literal["covered", "centre", "start"],
    typer.Option(
        rich_help_panel=_TRACKS,
        help="Bases at which a site counts: all that it covers, its centre, or its leftmost base.",
    ),
]
TrackReduction = Annotated[
    Literal["probability", "expected"],
    typer.Option(
        rich_help_panel=_TRACKS,
        help="Value of a base: probability that a site there is bound, or expected number of "
        "bound sites.",
    ),
]
TrackFloor = Annotated[
    float,
    typer.Option(
        metavar="SHARE",
        rich_help_panel=_TRACKS,
        help="Sites that are bound less of the time count as unbound; 0: every site counts.",
    ),
]
PValue = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        rich_help_panel=_HITS,
        help="Largest p-value: probability that a random window on one strand is as strong. "
        "Without any of these options: 1e-4.",
    ),
]
LogKd = Annotated[
    float | None,
    typer.Option(metavar="NATS", rich_help_panel=_HITS, help="Largest log Kd, in nats."),
]
ShareOfBest = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        rich_help_panel=_HITS,
        help="Least score, -log Kd, as a share of the strongest site's (80% of TFBS tools: 0.8).",
    ),
]
RelativeScore = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        rich_help_panel=_HITS,
        help="Least score between the weakest site's, 0, and the strongest's, 1 (JASPAR's "
        "relative score).",
    ),
]
Occupancy = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        rich_help_panel=_HITS,
        help="Least share of the time that a site is bound, with --concentrations.",
    ),
]
FileThresholds = Annotated[
    bool,
    typer.Option(
        "--use-file-thresholds",
        rich_help_panel=_HITS,
        help="The thresholds that the motifs' file states, as those of HOMER do.",
    ),
]
Concentrations = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Log concentrations in nats, a motif and a number per line, for --occupancy and "
        "--track.",
    ),
]
Background = Annotated[
    str,
    typer.Option(
        metavar="BASES",
        rich_help_panel=_STATISTICS,
        help="Bases that p-values expect: **uniform**; **sequences**, as often as in GENOME, "
        "which is read twice; four numbers for A,C,G,T; or a file of MEME.",
    ),
]
PValues = Annotated[
    bool,
    typer.Option(
        "--p-values/--no-p-values",
        rich_help_panel=_STATISTICS,
        help="Whether each hit has its p-value.",
    ),
]
QValues = Annotated[
    bool,
    typer.Option(
        "--q-values",
        rich_help_panel=_STATISTICS,
        help="Add q-values (Benjamini and Hochberg, for each motif over all windows that were "
        "scanned); hits wait in a temporary file beside the output.",
    ),
]
MaxQ = Annotated[
    float | None,
    typer.Option(
        "--max-q",
        min=0,
        max=1,
        metavar="Q",
        rich_help_panel=_STATISTICS,
        help="Keep only hits with a q-value of at most this; implies --q-values.",
    ),
]
Best = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        rich_help_panel=_HITS,
        help="Only the N strongest hits, see --per; alone or with one of the others.",
    ),
]
Per = Annotated[
    Literal["sequence", "motif"],
    typer.Option(
        rich_help_panel=_HITS,
        help="What --best counts for: each motif on each sequence (or interval), or each motif.",
    ),
]
Strand = Annotated[
    Literal["both", "forward", "reverse"], typer.Option(help="Strands that are scanned.")
]
UnknownBases = Annotated[
    Literal["skip", "neutral", "worst"],
    typer.Option(
        help="Windows with N: skip them; let N add 0 to log Kd; or as much as the weakest base."
    ),
]
SoftMasked = Annotated[
    Literal["keep", "unknown"],
    typer.Option(help="Lower-case bases: keep them as bases, or treat them as unknown."),
]
