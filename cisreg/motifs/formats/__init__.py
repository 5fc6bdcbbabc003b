"""Formats of motif files, recognised by their content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from cisreg.motifs.formats.found import (
    FoundMotif,
    Line,
    MotifText,
    NotTextError,
    is_significant,
    motif_text,
)
from cisreg.motifs.formats.meme import is_meme, read_meme
from cisreg.motifs.formats.probound import is_json, read_probound
from cisreg.motifs.formats.records import format_of_records, is_records, read_records
from cisreg.motifs.formats.tables import format_of_table, is_table, read_tables
from cisreg.motifs.formats.transfac import is_transfac, read_transfac

__all__ = ["Format", "FoundMotif", "MotifText", "motif_text", "recognise_format"]


class Format(NamedTuple):
    """A format of motif files.

    Attributes:
        is_like: whether the first significant lines of a file are of this format.
        read: the motifs of a file.
        name: of the format of a whole file, for the log.
    """

    is_like: Callable[[Sequence[Line]], bool]
    read: Callable[[MotifText], Iterator[FoundMotif]]
    name: Callable[[MotifText], str]


# The first that is like a file reads it.
_FORMATS = (
    Format(is_json, read_probound, lambda text: "ProBound"),
    Format(is_meme, read_meme, lambda text: "MEME"),
    Format(is_transfac, read_transfac, lambda text: "TRANSFAC"),
    Format(is_records, read_records, format_of_records),
    Format(is_table, read_tables, format_of_table),
)


def recognise_format(name: str, head: str) -> Format | None:
    r"""The format of a file, from its beginning; None if it is none that holds motifs.

    Args:
        name: of the file, for errors.
        head: the first thousands of its letters.

    Raises:
        NotTextError: a page of the web, sequences, an archive, or a file that is no text; the
            message says so.

    Example:
        >>> lines = [">MA0271.1 ARG80", "A [ 1 2 ]"]
        >>> recognise_format("a", "\n".join(lines)).name(motif_text("a", lines))
        'JASPAR'
        >>> recognise_format("a", "motifs/Reb1.pkdm\n") is None
        True
    """
    if head.startswith("PK\x03\x04") or head[257:262] == "ustar":
        raise NotTextError(f"{name}: expected text, got an archive (zip or tar); unpack it first")
    if "\0" in head:
        raise NotTextError(
            f"{name}: expected text, got bytes of another kind of file; is it the right file? "
            "(Text in UTF-16 has to be saved as UTF-8.)"
        )
    lines = [
        line for line in motif_text(name, head.splitlines()).lines if is_significant(line.text)
    ]
    start = lines[0].text.lower() if lines else ""
    if start.startswith(("<!doctype", "<html", "<?xml")):
        raise NotTextError(
            f"{name}: expected motifs, got "
            f"{'XML' if start.startswith('<?xml') else 'a page of the web (HTML)'}; download the "
            "text file with the matrices itself"
        )
    found = next((each for each in _FORMATS if each.is_like(lines)), None)
    if found is None and start.startswith(">"):
        raise NotTextError(
            f"{name}:{lines[0].number}: expected motifs in one of the formats that are recognised, "
            f"got text after {lines[0].text[:40]!r} that is no row of numbers, such as sequences; "
            "count the bases of aligned sites in each column first"
        )
    return found
