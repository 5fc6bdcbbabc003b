"""What a file or a database says about a motif besides its matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from cisreg.motifs.conversion import LogKdConvention
from cisreg.motifs.kinds import MatrixKind

__all__ = ["MotifDetails"]


@dataclass(frozen=True)
class MotifDetails:
    """What is known of a motif besides its name and its log Kd; None where nothing says it.

    Attributes:
        accession: of the matrix in its database, such as "MA0271.1".
        alternate_names: other names, such as that of the transcription factor.
        source: the file (and line) or the release of a database that it was read from.
        family: of the DNA-binding domain.
        site_count: number of sites that the matrix was made from.
        threshold: the largest log Kd of a hit, nats, where the file states one.
        description: further text, such as the species or a comment.
        matrix: the numbers as the file has them, one row of A, C, G and T per column of the motif.
        kind: what `matrix` holds.
        convention: the convention of the motif's log Kd, see `cisreg.motifs.conversion`.
        background: the probabilities of A, C, G and T that its log Kd is relative to.

    Example:
        >>> MotifDetails(accession="MA0271.1", alternate_names=("ARG80",)).accession
        'MA0271.1'
    """

    accession: str | None = None
    alternate_names: tuple[str, ...] = ()
    source: str | None = None
    family: str | None = None
    site_count: float | None = None
    threshold: float | None = None
    description: str | None = None
    matrix: tuple[tuple[float, ...], ...] | None = None
    kind: MatrixKind | None = None
    convention: LogKdConvention | None = None
    background: tuple[float, float, float, float] | None = None

    def reverse_complement(self) -> MotifDetails:
        """The details of the other strand's matrix.

        Example:
            >>> MotifDetails(matrix=((9, 1, 0, 0), (0, 5, 5, 0))).reverse_complement().matrix
            ((0, 5, 5, 0), (0, 0, 1, 9))
        """
        matrix = self.matrix and tuple(column[::-1] for column in self.matrix[::-1])
        background = self.background
        if background is not None:
            adenine, cytosine, guanine, thymine = background
            background = (thymine, guanine, cytosine, adenine)
        return replace(self, matrix=matrix, background=background)

    def to_dict(self) -> dict[str, Any]:
        """What is known, as JSON holds it; nothing of what is not known.

        Example:
            >>> MotifDetails(accession="MA0271.1").to_dict()
            {'accession': 'MA0271.1'}
        """
        unknown = (None, ())
        return {name: value for name, value in asdict(self).items() if value not in unknown}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> MotifDetails:
        """The details that `to_dict` gave, also through JSON.

        Raises:
            ValueError: a name that is no attribute.

        Example:
            >>> MotifDetails.from_dict({"matrix": [[1, 2, 3, 4]]}).matrix
            ((1, 2, 3, 4),)
        """
        unknown = sorted(set(content) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"motif_details: expected attributes of MotifDetails, got {unknown}")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in content.items()
        }
        if "matrix" in values:
            values["matrix"] = tuple(map(tuple, values["matrix"]))
        return cls(**values)

    def of_other_numbers(self) -> MotifDetails:
        """What stays true of the motif if its numbers change, as in training.

        Example:
            >>> MotifDetails("MA0271.1", site_count=100, threshold=-3).of_other_numbers().to_dict()
            {'accession': 'MA0271.1'}
        """
        return replace(self, site_count=None, threshold=None, matrix=None, kind=None, source=None)

    def trimmed(self, first: int, end: int) -> MotifDetails:
        """The details of a motif of which only the columns from `first` to `end` are kept.

        A threshold holds for the whole motif, and is dropped.

        Example:
            >>> MotifDetails(threshold=-3, matrix=((9, 1, 0, 0), (0, 5, 5, 0))).trimmed(0, 1)
            MotifDetails(accession=None, alternate_names=(), source=None, family=None, \
site_count=None, threshold=None, description=None, matrix=((9, 1, 0, 0),), kind=None, \
convention=None, background=None)
        """
        return replace(self, matrix=self.matrix and self.matrix[first:end], threshold=None)
