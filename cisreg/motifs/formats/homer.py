"""HOMER's motif files: a line of > with tab-separated fields, then a row per column."""

from __future__ import annotations

import re

import numpy as np

from cisreg.motifs.consensus import IUPAC
from cisreg.motifs.details import MotifDetails
from cisreg.motifs.formats.found import ACCESSION, FoundMotif, Line, MotifText
from cisreg.number_text import is_float

_SITES = re.compile(r"T:([0-9.]+)")
_FAMILY = re.compile(r"[^/(]*\(([^)]+)\)")


def _fields(head: str) -> list[str]:
    text = head[1:]
    return [field.strip() for field in (text.split("\t") if "\t" in text else text.split())]


def is_homer_head(head: str, width: int | None) -> bool:
    r"""Whether a line of > has the fields of HOMER: consensus, name and threshold.

    HOMER does not use the consensus, so it may be any text that is no accession. Without a
    threshold it must be one: as long as the motif, in letters of the IUPAC code.

    Args:
        head: the line.
        width: of the motif; None where the rows are not its columns.

    Example:
        >>> is_homer_head(">TGACTCA\tAP-1(bZIP)/Homer\t6.05", 7)
        True
        >>> is_homer_head(">MA0271.1 ARG80", 8)
        False
        >>> is_homer_head(">TGACTCA\tAP-1(bZIP)/Homer", 7)
        True
    """
    fields = _fields(head)
    if len(fields) < 2:
        return False
    is_consensus = len(fields[0]) == width and set(fields[0].upper()) <= set(IUPAC)
    if len(fields) > 2 and is_float(fields[2]):
        is_name = "\t" in head and ACCESSION.fullmatch(fields[0]) is None
        return is_name or fields[0].isalpha()
    return is_consensus and "\t" in head


def homer_motif(text: MotifText, head: Line, matrix: np.ndarray) -> FoundMotif:
    r"""The motif of a record of HOMER.

    The fields of its head are the consensus, the name, the log-odds threshold of a hit (natural
    logarithm, uniform background), the logarithm of a p-value, a number that is not used, and
    numbers of sequences. In the name, the family is in brackets: `AP-1(bZIP)/...`.

    Example:
        >>> head = Line(1, ">TGA\tAP-1(bZIP)/Homer\t6.05\t-10\t0\tT:17.0(4.4%),B:2.0(0.1%)")
        >>> found = homer_motif(MotifText("a", []), head, np.ones((3, 4)))
        >>> found.name, found.score_threshold, found.details.family, found.details.site_count
        ('AP-1(bZIP)/Homer', 6.05, 'bZIP', 17.0)
    """
    consensus, name, threshold, *rest = [*_fields(head.text), "", ""][:6]
    if threshold and not is_float(threshold):
        raise ValueError(
            f"{text.place(head)}: expected the log-odds threshold, a number, in the third field, "
            f"got {threshold[:40]!r}; correct it"
        )
    sites = _SITES.search(rest[2]) if len(rest) > 2 else None
    family = _FAMILY.match(name)
    details = MotifDetails(
        family=family[1] if family and family[1] != "?" else None,
        site_count=float(sites[1]) if sites and is_float(sites[1]) else None,
        description=consensus or None,
    )
    return FoundMotif(
        *(matrix, text.place(head), name or consensus or None),
        score_threshold=float(threshold) if threshold else None,
        details=details,
    )
