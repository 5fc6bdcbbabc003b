"""What the readers of all formats give: motifs as a file has them, not converted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from cisreg.motifs.conversion import LogKdConvention, LogOddsUnit
from cisreg.motifs.details import MotifDetails
from cisreg.motifs.kinds import MatrixKind

# Identifiers that databases give to matrices, such as MA0271.1 of JASPAR.
ACCESSION = re.compile(r"[A-Z]{2,8}[0-9]{3,}\.[0-9]+")


class NoMotifError(ValueError):
    """A file is empty, or has the head of a motif and no numbers."""


class NotTextError(ValueError):
    """A file holds something else than motifs: bytes, a page of the web, sequences, other JSON."""


class Line(NamedTuple):
    """A line of a file without blanks at its ends, and its number counted from 1."""

    number: int
    text: str


@dataclass(frozen=True)
class MotifText:
    """The lines of a file.

    Attributes:
        name: of the file, for errors.
        lines: all lines, blank ones and comments too.
    """

    name: str
    lines: list[Line]

    def place(self, line: Line | int) -> str:
        """The file and the number of a line, for errors.

        Example:
            >>> MotifText("a.meme", []).place(3)
            'a.meme:3'
        """
        return f"{self.name}:{line.number if isinstance(line, Line) else line}"

    def significant(self) -> list[Line]:
        """Lines that are neither blank nor comments (#)."""
        return [line for line in self.lines if is_significant(line.text)]


@dataclass(frozen=True, eq=False)
class FoundMotif:
    """A motif as its file has it.

    Attributes:
        matrix: float64 [own width, 4], bases in the order A C G T.
        place: file and line where it begins.
        name: its name; None where the file has none.
        kind: what the format says that the numbers are; None: the numbers tell.
        unit: of log odds, where the format says it.
        background: the probabilities of A, C, G and T that the file states.
        score_threshold: the lowest log odds of a hit, nats, for a uniform background.
        details: accession, alternate names, family, number of sites and description.
    """

    matrix: np.ndarray
    place: str
    name: str | None = None
    kind: MatrixKind | None = None
    unit: LogOddsUnit | None = None
    background: tuple[float, float, float, float] | None = None
    score_threshold: float | None = None
    details: MotifDetails = field(default_factory=MotifDetails)


class MotifFile(NamedTuple):
    """The motifs of one file.

    Attributes:
        name: of the file.
        format: its name, for the log.
        motifs: as the file has them.
        convention: of matrices that are no log Kd in a file of this format.
    """

    name: str
    format: str
    motifs: list[FoundMotif]
    convention: LogKdConvention = "natural"


def is_significant(text: str) -> bool:
    """Whether a line is neither blank nor a comment.

    Example:
        >>> is_significant("# a comment"), is_significant("A 1 2")
        (False, True)
    """
    return bool(text) and not text.startswith("#")


def motif_text(name: str, lines: Iterable[str]) -> MotifText:
    r"""The lines of a file, numbered.

    Example:
        >>> motif_text("a", ["A 1\n"]).lines
        [Line(number=1, text='A 1')]
    """
    return MotifText(name, [Line(number, text.strip()) for number, text in enumerate(lines, 1)])


def named(identifier: str, rest: str = "") -> tuple[str | None, MotifDetails]:
    """Name and details of a motif that a line names by an identifier and further text.

    If the identifier is an accession of a database and more text follows, this text is the name;
    otherwise the identifier is.

    Example:
        >>> named("MA0271.1", "ARG80")[0], named("MA0271.1", "ARG80")[1].accession
        ('ARG80', 'MA0271.1')
        >>> named("KRP", "MEME-1")[0], named("KRP", "MEME-1")[1].alternate_names
        ('KRP', ('MEME-1',))
    """
    rest = rest.strip()
    if ACCESSION.fullmatch(identifier):
        return rest or identifier, MotifDetails(accession=identifier)
    return identifier or None, MotifDetails(alternate_names=(rest,) if rest else ())
