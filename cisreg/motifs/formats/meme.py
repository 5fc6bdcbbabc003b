"""The text formats of MEME: minimal, and the full output."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from cisreg.motifs.bases import BASES
from cisreg.motifs.formats.found import FoundMotif, Line, MotifText, named
from cisreg.motifs.formats.rows import base_letters, numbers, parse_row
from cisreg.number_text import is_float, is_integer

_MATRIX = "letter-probability matrix"
_MOTIF = re.compile(r"MOTIF\s+(\S+)(?:\s+(\S+))?.*")
_VALUE = re.compile(r"(\w+)\s*=\s*(\S+)")
_ALPHABET = re.compile(r"ALPHABET\s*=\s*(\S+)")
_LENGTH = re.compile(r"\balength\s*=\s*(\d+)")
_BACKGROUND = "Background letter frequencies"

Background = tuple[float, float, float, float]


def is_meme(lines: Sequence[Line]) -> bool:
    """Whether significant lines are of a text file of MEME.

    Example:
        >>> is_meme([Line(1, "MEME version 4")]), is_meme([Line(1, "MEME finds motifs")])
        (True, False)
    """
    texts = [line.text for line in lines]
    has_matrix = any(text.startswith(_MATRIX) for text in texts)
    return any(
        text.startswith("MEME version") or (has_matrix and _MOTIF.fullmatch(text)) for text in texts
    )


def read_meme(text: MotifText) -> Iterator[FoundMotif]:
    """The motifs of a file of MEME: their matrices of probabilities.

    Lines before the first motif may be missing, as may w=, nsites= and E=. In the full output,
    matrices of log odds stand beside those of probabilities, and are not read.

    Raises:
        ValueError: another alphabet, a motif without a matrix, rows that are not of four numbers,
            or another number of them than w= says; the message names file and line.
    """
    lines = text.significant()
    _check_alphabet(text, lines)
    background = _background(lines)
    head: Line | None = None
    for index, line in enumerate(lines):
        if _MOTIF.fullmatch(line.text):
            if head is not None:
                raise _no_matrix(text, head)
            head = line
        elif line.text.startswith(_MATRIX):
            if head is None:
                raise ValueError(
                    f"{text.place(line)}: expected a line 'MOTIF name' before the matrix, got "
                    "none; name the motif"
                )
            yield replace(_motif(text, head, lines[index:]), background=background)
            head = None
    if head is not None:
        raise _no_matrix(text, head)


def _no_matrix(text: MotifText, line: Line) -> ValueError:
    return ValueError(
        f"{text.place(line)}: expected a line '{_MATRIX}:' after {line.text[:60]!r}, got none; is "
        "the file complete?"
    )


def _check_alphabet(text: MotifText, lines: Sequence[Line]) -> None:
    for line in lines:
        found = _ALPHABET.fullmatch(line.text)
        size = _LENGTH.search(line.text) if line.text.startswith(_MATRIX) else None
        if found is not None and base_letters(found[1]) != BASES:
            got = repr(found[1][:40])
        elif size is not None and size[1] != "4":
            got = f"one of {size[1]} letters"
        else:
            continue
        raise ValueError(
            f"{text.place(line)}: expected the alphabet ACGT or ACGU, got {got}; motifs of "
            "proteins and of other alphabets cannot be read"
        )


def _background(lines: Sequence[Line]) -> Background | None:
    """The frequencies after the line that announces them; None where there are none."""
    start = next((i for i, line in enumerate(lines) if line.text.startswith(_BACKGROUND)), None)
    if start is None:
        return None
    fields = " ".join(line.text for line in lines[start + 1 : start + 5]).split()
    pairs = dict(zip(fields[:8:2], fields[1:8:2], strict=False))
    order = base_letters(list(pairs))
    if order is None or not all(map(is_float, pairs.values())):
        return None
    values = dict(zip(order, map(float, pairs.values()), strict=True))
    return values["A"], values["C"], values["G"], values["T"]


def _motif(text: MotifText, head: Line, lines: Sequence[Line]) -> FoundMotif:
    """The motif whose matrix is announced by the first of these lines."""
    values = dict(_VALUE.findall(lines[0].text))
    stated = values.get("w", "")
    width = int(stated) if is_integer(stated) else None
    rows: list[list[float]] = []
    for line in lines[1:]:
        row = parse_row(line)
        if row is None or row.label:
            break
        if len(row.fields) != 4:
            raise ValueError(
                f"{text.place(line)}: expected 4 probabilities, of A, C, G and T, got "
                f"{len(row.fields)} fields; correct the line"
            )
        rows.append(numbers(text, row))
    if not rows or len(rows) != (width or len(rows)):
        raise ValueError(
            f"{text.place(lines[0])}: expected {width or '1 or more'} rows of probabilities, got "
            f"{len(rows)}; is the file complete, and w= right?"
        )
    words = head.text.split()[1:3]
    # In the full output, numbers of the motif follow its name.
    name, details = named(words[0], "" if words[1:] in (["width"], ["w"]) else " ".join(words[1:]))
    sites = values.get("nsites", "")
    details = replace(details, site_count=float(sites) if is_float(sites) else None)
    return FoundMotif(
        *(np.array(rows), text.place(head), name),
        kind="probabilities",
        details=details,
    )
