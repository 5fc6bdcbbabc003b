"""TRANSFAC files: lines of two letters, then a row per column of the motif."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from cisreg.motifs.bases import BASES
from cisreg.motifs.details import MotifDetails
from cisreg.motifs.formats.found import FoundMotif, Line, MotifText
from cisreg.motifs.formats.rows import base_letters
from cisreg.motifs.text import parse_number
from cisreg.number_text import is_integer

_FIELD = re.compile(r"([A-Z][A-Z0-9])(?:\s+(.*))?")
_HEAD = re.compile(r"P[0O]((?:\s+[ACGTUacgtu]){4})(\s.*)?")
_FAMILY = re.compile(r"tf_family\s*:\s*(.+)")
_SITES = re.compile(r"([0-9]+(?:\.[0-9]+)?)\b.*", re.DOTALL)


@dataclass
class _Record:
    """What was read of one motif; `others` is how many columns the head names after the bases."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    head: Line | None = None
    order: str = BASES
    others: int = 0
    first_number: int = 1
    rows: list[list[float]] = field(default_factory=list)

    def first(self, key: str) -> str | None:
        """The first text of a field; None where there is none."""
        return next(iter(self.fields.get(key, [])), None) or None


def is_transfac(lines: Sequence[Line]) -> bool:
    """Whether one of the significant lines is the head of a matrix, such as P0 A C G T.

    Example:
        >>> is_transfac([Line(1, "PO  A C G T")]), is_transfac([Line(1, "Pos A C G T")])
        (True, False)
    """
    return any(_HEAD.fullmatch(line.text) for line in lines)


def read_transfac(text: MotifText) -> Iterator[FoundMotif]:
    """The motifs of a TRANSFAC file.

    The letter of the consensus after the four numbers may be missing, as may the line // at the
    end. Further columns that the head names, such as those of SwissRegulon, are left out. Rows are
    numbered from 0 or 1.

    Raises:
        ValueError: a row that is not of four numbers, or not the next one; a motif without rows;
            the message names file and line.
    """
    record = _Record()
    for line in text.significant():
        if line.text.startswith("//"):
            yield from _finished(text, record)
            record = _Record()
            continue
        head, named = _HEAD.fullmatch(line.text), _FIELD.fullmatch(line.text)
        if head is not None:
            if record.head is not None:
                raise ValueError(
                    f"{text.place(line)}: expected // before the next matrix, got {line.text!r}; "
                    "end each motif with a line //"
                )
            record.head, record.order = line, base_letters(head[1].split()) or ""
            record.others = len((head[2] or "").split())
            if not record.order:
                raise ValueError(
                    f"{text.place(line)}: expected A, C, G and T, each once, got {line.text!r}"
                )
        elif is_integer(line.text.split()[0]):
            record.rows.append(_row(text, line, record))
        elif named is not None:
            if named[1] == "AC" and record.head is not None:
                yield from _finished(text, record)
                record = _Record()
            record.fields.setdefault(named[1], []).append((named[2] or "").strip())
        else:
            raise ValueError(
                f"{text.place(line)}: expected a key of two letters, a numbered row or //, got "
                f"{line.text[:60]!r}; correct or remove the line"
            )
    yield from _finished(text, record)


def _row(text: MotifText, line: Line, record: _Record) -> list[float]:
    """The numbers of a numbered row, in the order of the file."""
    number, *fields = line.text.split()
    if record.head is None:
        raise ValueError(
            f"{text.place(line)}: expected a line such as 'P0 A C G T' before the rows, got "
            f"{line.text[:60]!r}"
        )
    if len(fields) not in (4, 5, 4 + record.others):
        raise ValueError(
            f"{text.place(line)}: expected four numbers, and the letter of the consensus or "
            f"nothing, after the number of the row, got {len(fields)} fields; correct the line"
        )
    if not record.rows:
        record.first_number = int(number)
    expected = record.first_number + len(record.rows)
    if int(number) != expected or record.first_number not in (0, 1):
        raise ValueError(
            f"{text.place(line)}: expected row {expected if record.rows else '0 or 1'}, got row "
            f"{int(number)}; is the motif complete?"
        )
    place = text.place(line)
    return [parse_number(each, place, column) for column, each in enumerate(fields[:4], 2)]


def _finished(text: MotifText, record: _Record) -> Iterator[FoundMotif]:
    """The motif of a record; none for one that holds no matrix, such as the version."""
    if record.head is None:
        return
    if not record.rows:
        raise ValueError(
            f"{text.place(record.head)}: expected numbered rows after {record.head.text!r}, got "
            "none; is the file complete?"
        )
    matrix = np.array(record.rows)[:, [record.order.index(base) for base in BASES]]
    accession, identifier = record.first("AC"), record.first("ID")
    name = record.first("NA") or identifier or accession
    family = next(filter(None, map(_FAMILY.match, record.fields.get("CC", []))), None)
    sites = _SITES.fullmatch(record.first("BA") or "")
    factors = [each.split(";")[1 if ";" in each else 0] for each in record.fields.get("BF", [])]
    others = [identifier, *(factor.strip().rstrip(".") for factor in factors)]
    details = MotifDetails(
        accession=accession if accession != name else None,
        alternate_names=tuple(dict.fromkeys(each for each in others if each and each != name)),
        family=family[1].strip() if family else None,
        site_count=float(sites[1]) if sites else None,
        description=record.first("DE"),
    )
    yield FoundMotif(matrix, text.place(record.head), name, details=details)
