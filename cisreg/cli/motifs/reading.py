"""Options that the `cisreg motifs` commands share, and the motifs that they name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from cisreg.cli.completion import motif_sources
from cisreg.cli.prepare.step_options import numbers, split

if TYPE_CHECKING:
    from cisreg.motifs import MotifSet

_FORMATS = (
    "JASPAR, MEME, TRANSFAC, HOMER, HOCOMOCO, CIS-BP, UniPROBE, .pkdm and others (also gzip), a "
    "folder, a file that lists files, **jaspar:fungi**, **jaspar:MA0271.1**, or **demo**"
)
Source = Annotated[
    str,
    typer.Argument(
        metavar="MOTIFS", autocompletion=motif_sources, help=f"A motif file: {_FORMATS}."
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Option(
        "--name",
        metavar="NAME",
        help="Only motifs with this name or accession; * stands for any letters, ? for one. May "
        "be repeated, and be a list with commas.",
    ),
]
Kind = Annotated[
    Literal["log_kd", "log_odds", "probabilities", "counts"] | None,
    typer.Option(
        metavar="KIND", help="What the numbers are, where format and numbers do not tell it."
    ),
]
Convention = Annotated[
    Literal["natural", "pkdm"] | None,
    typer.Option(
        metavar="NAME",
        help="Log Kd from probabilities: natural, ln(background / p), or pkdm, log2(background / "
        "p); default: pkdm for .pkdm files, otherwise natural.",
    ),
]
Pseudocount = Annotated[
    float, typer.Option(min=0, help="Added to each probability before its logarithm.")
]
Background = Annotated[
    str | None,
    typer.Option(
        metavar="A,C,G,T",
        help="Probabilities of the bases that log Kd is relative to, or **file**: those that a "
        "MEME file states; default: 0.25 each.",
    ),
]


class Reading(NamedTuple):
    """How numbers become log Kd; see `cisreg.motifs.read_motifs`."""

    kind: Any = None
    convention: Any = None
    pseudocount: float = 0.001
    background: str | None = None


def read_chosen(source: str, names: Sequence[str] | None, reading: Reading) -> MotifSet:
    """The motifs of a source that have one of the names, in the order of the source.

    Raises:
        ValueError: no motif has one of the names, or the source cannot be read.
        OSError: the source cannot be read.
    """
    from cisreg.motifs import demo_motifs, read_motifs

    if source == "demo":
        motifs = demo_motifs()
    else:
        motifs = read_motifs(
            source,
            kind=reading.kind,
            convention=reading.convention,
            pseudocount=reading.pseudocount,
            background=_background(reading.background),
        )
    wanted = [each for text in names or () for each in split(text) or ()]
    return choose(motifs, source, wanted) if wanted else motifs


def _background(text: str | None) -> Any:
    return text if text == "file" else numbers("--background", text)


def choose(motifs: MotifSet, source: str, wanted: Sequence[str]) -> MotifSet:
    """The motifs whose name or accession is one of `wanted` or fits its * and ?.

    Raises:
        ValueError: one of them fits no motif.
    """
    chosen: set[int] = set()
    known = [
        (name, details.accession or name)
        for name, details in zip(motifs.names, motifs.details, strict=True)
    ]
    for each in wanted:
        parts = re.split(r"([*?])", each)
        pattern = re.compile("".join({"*": ".*", "?": "."}.get(p, re.escape(p)) for p in parts))
        exact = {number for number, both in enumerate(known) if each in both}
        found = exact or {n for n, both in enumerate(known) if any(map(pattern.fullmatch, both))}
        if not found:
            some = ", ".join(motifs.names[:3])
            raise ValueError(
                f"--name: expected a name or accession of one of {len(motifs)} motifs of {source}, "
                f"such as {some}, got {each!r}; cisreg motifs info {source} lists them"
            )
        chosen |= found
    return motifs[sorted(chosen)]
