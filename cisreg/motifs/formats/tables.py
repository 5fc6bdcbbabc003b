"""Tables of numbers with bases as rows or columns: CIS-BP, UniPROBE, .pfm and the like."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from cisreg.motifs.details import MotifDetails
from cisreg.motifs.formats.blocks import Block, common_orientation, split_blocks
from cisreg.motifs.formats.found import FoundMotif, Line, MotifText, named
from cisreg.motifs.formats.rows import header_bases, is_number, parse_row, read_matrix
from cisreg.number_text import is_float

logger = logging.getLogger("cisreg.motifs")

# Lines such as "TF Name<tab>ABF1" (CIS-BP), "Gene: Cbf1<tab>Motif: GTCACGTG" (UniPROBE) and
# "DE<tab>ABF1" (STAMP).
_KEY = re.compile(r"(TF Name|TF|Gene|Motif|Family|Species|Protein|DBID|DE)(?:\s*:\s*|\s+|$)(.*)")
_UNIPROBE = re.compile(r"[ACGTUacgtu]\s*:")
_POSITION = re.compile(r"pos(ition)?\s", re.IGNORECASE)
# Of the matrices of one UniPROBE file, the one of probabilities; titles of the others.
_PROBABILITIES = "probability matrix"
# Comments of programs such as RSAT, or ends of motifs.
_REMARKS = (";", "%", "//")
_OTHER_TITLES = ("enrichment score matrix", "energy matrix", "reverse complement matrix")


def is_table(lines: Sequence[Line]) -> bool:
    """Whether rows of a matrix are among the first significant lines.

    Example:
        >>> is_table([Line(1, "Gene: Cbf1"), Line(2, "A: 0.1 0.2")])
        True
        >>> is_table([Line(1, "motifs/Reb1.pkdm")]), is_table([Line(1, "1. See the paper")])
        (False, False)
    """
    for line in lines[:12]:
        row = parse_row(line)
        if header_bases(line.text) is not None:
            return True
        if row is not None and (row.label or len(row.fields) >= 3):
            # One field may be a mistake or a letter; a text that begins with a number has more.
            return sum(not is_number(field) for field in row.fields) <= 1
    return False


def format_of_table(text: MotifText) -> str:
    """CIS-BP where the bases head the columns beside a position, UniPROBE for 'A:', or table."""
    for line in text.significant():
        if header_bases(line.text) is not None and _POSITION.match(line.text):
            return "CIS-BP"
        if _UNIPROBE.match(line.text):
            return "UniPROBE"
    return "table"


def read_tables(text: MotifText) -> Iterator[FoundMotif]:
    """The motifs of a file of tables.

    Lines of text before a matrix name it: `TF Name`, `Motif`, `Family` and `Species` of CIS-BP,
    `Protein` or `Gene` of UniPROBE, or the first word of the line just before it. Of several
    matrices of one motif that UniPROBE gives, the one of probabilities is read.

    Raises:
        ValueError: see `read_matrix`; or a line of text that interrupts a matrix.
    """
    blocks = split_blocks(text)
    titles = [_title(block) for block in blocks]
    if _PROBABILITIES in titles:
        notes = [line for block in blocks for line in block.notes]
        chosen = [
            block for block, title in zip(blocks, titles, strict=True) if title == _PROBABILITIES
        ]
        blocks = [Block(notes, block.rows) for block in chosen]
    blocks = _with_numbers(text, blocks)
    orientation = common_orientation(text, [block.rows for block in blocks])
    for block in blocks:
        name, details = _named(block)
        yield FoundMotif(
            read_matrix(text, block.rows, orientation),
            text.place(block.rows[0]),
            name,
            details=details,
        )


def _with_numbers(text: MotifText, blocks: Sequence[Block]) -> list[Block]:
    """The blocks that are more than a head, of which CIS-BP has some; the log names the others.

    If there are none, the first is given, whose error says so.
    """
    whole = [block for block in blocks if not _is_bare(block)]
    if whole and len(whole) < len(blocks):
        places = ", ".join(str(block.rows[0].number) for block in blocks if _is_bare(block))
        logger.warning("%s: motifs without numbers are left out, in lines %s", text.name, places)
    return whole or list(blocks[:1])


def _is_bare(block: Block) -> bool:
    return len(block.rows) == 1 and header_bases(block.rows[0].text) is not None


def _is_numbered(text: str) -> bool:
    """Whether numbers follow the first word, as in the head of columns that are numbered."""
    return len(fields := text.split()) > 1 and all(map(is_float, fields[1:]))


def _title(block: Block) -> str:
    for line in reversed(block.notes):
        title = line.text.lower()
        if title.startswith((_PROBABILITIES, *_OTHER_TITLES)):
            return _PROBABILITIES if title.startswith(_PROBABILITIES) else title
    return ""


def _named(block: Block) -> tuple[str | None, MotifDetails]:
    """The name and the details that lines before a matrix state."""
    found: dict[str, str] = {}
    for line in block.notes:
        for part in line.text.split("\t") if ":" in line.text else [line.text]:
            key = _KEY.fullmatch(part.strip())
            if key is not None and key[2].strip():
                found.setdefault(key[1], key[2].strip())
    if not found:
        plain = [
            line.text.removeprefix(">").strip().replace("\t", " ")
            for line in block.notes
            if not line.text.lower().startswith((_PROBABILITIES, *_OTHER_TITLES, *_REMARKS))
            and not _is_numbered(line.text)
        ]
        identifier, _, rest = (plain[-1] if plain else "").partition(" ")
        return named(identifier, rest)
    if "DE" in found:
        stated, *described = found["DE"].split(maxsplit=1)
        return stated, MotifDetails(description=described[0] if described else None)
    name = found.get("TF Name") or found.get("Protein") or found.get("Gene") or found.get("Motif")
    others = [found[key] for key in ("Gene", "TF", "DBID") if key in found]
    details = MotifDetails(
        accession=found.get("Motif") if found.get("Motif") != name else None,
        alternate_names=tuple(other for other in dict.fromkeys(others) if other != name),
        family=found.get("Family"),
    )
    return name, replace(details, description=found.get("Species"))
