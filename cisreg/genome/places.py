"""Places in a genome that are read: windows along it, or intervals on their strands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Places:
    """Stretches of named sequences.

    Attributes:
        sequence: names of their sequences, [N].
        start: int64 [N], first base, from 0, on the forward strand.
        end: int64 [N], the base after the last.
        name: names, [N], or None.
        strand: "+", "-" or None, [N]; "-" is read as reverse complement. None: all forward.

    Example:
        >>> places = Places(["chr1"], np.array([100]), np.array([180]))
        >>> places.columns()["end"].tolist()
        [180]
    """

    sequence: list[str]
    start: np.ndarray
    end: np.ndarray
    name: list[str] | None = None
    strand: list[str | None] | None = None

    def columns(self) -> dict[str, Any]:
        """The places as columns of a table."""
        columns: dict[str, Any] = {
            "sequence": pa.array(self.sequence, pa.string()),
            "start": np.asarray(self.start, np.int64),
            "end": np.asarray(self.end, np.int64),
        }
        for field in ("name", "strand"):
            if getattr(self, field) is not None:
                columns[field] = pa.array(getattr(self, field), pa.string())
        return columns


def taken(places: Places, index: np.ndarray) -> Places:
    """Some of the places, by their numbers.

    Example:
        >>> places = Places(["a", "b"], np.array([5, 7]), np.array([6, 8]))
        >>> taken(places, np.array([1])).start.tolist()
        [7]
    """

    def of(column: list[Any] | None) -> Any:
        return None if column is None else [column[number] for number in index.tolist()]

    return Places(
        *(of(places.sequence), places.start[index], places.end[index]),
        *(of(places.name), of(places.strand)),
    )
