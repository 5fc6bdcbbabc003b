"""Where the rows of a dataset come from: lines or rows of files, or rows of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

import numpy as np

Unit = Literal["line", "row"]


@dataclass(frozen=True, eq=False)
class RowPlaces:
    """The places of N rows, which stay with them when rows are left out, chosen or put in order.

    Nothing is kept of each row as long as they are consecutive rows of one file or array.

    Attributes:
        count: N.
        unit: "line" of text, counted from 1, or "row" of Parquet or of arrays, counted from 0, as
            errors say them.
        files: names of the files; () for arrays.
        first: number of the first row.
        number: int32 or int64 [N], the line or row of each; None: consecutive, from `first` on.
        file: int32 [N], the index of the file of each; None: the first for all.

    Example:
        >>> places = RowPlaces(3, "line", ("train.tsv",), first=2)
        >>> places.take(np.array([2, 0])).of(0)
        'train.tsv:4'
    """

    count: int
    unit: Unit = "row"
    files: tuple[str, ...] = ()
    first: int = 0
    number: np.ndarray | None = None
    file: np.ndarray | None = None

    @classmethod
    def numbered(cls, number: np.ndarray, unit: Unit, file: str) -> RowPlaces:
        """Rows of one file by their numbers, int64 [N]."""
        count = len(number)
        first = int(number[0]) if count else 0
        if not count or (np.diff(number) == 1).all():
            return cls(count, unit, (file,), first)
        return cls(count, unit, (file,), first, _small(number))

    @property
    def numbers(self) -> np.ndarray:
        """The line or row of each, int [N]."""
        return (
            np.arange(self.first, self.first + self.count) if self.number is None else self.number
        )

    def of(self, row: int) -> str:
        """The place of a row as errors say it: "file:line", "file, row N" or "row N".

        Example:
            >>> RowPlaces(2).of(1)
            'row 1'
        """
        number = self.first + row if self.number is None else int(self.number[row])
        if not self.files:
            return f"{self.unit} {number}"
        name = self.files[0 if self.file is None else int(self.file[row])]
        return f"{name}:{number}" if self.unit == "line" else f"{name}, row {number}"

    def said(self, row: int) -> str:
        """The place of a row in words, with the name of the file alone, not its folder.

        Example:
            >>> RowPlaces(1, "line", ("data/train.tsv",), first=2).said(0)
            'line 2 of train.tsv'
        """
        number = self.first + row if self.number is None else int(self.number[row])
        if not self.files:
            return f"{self.unit} {number}"
        name = self.files[0 if self.file is None else int(self.file[row])]
        return f"{self.unit} {number} of {PurePath(name).name}"

    def along(self) -> np.ndarray:
        """int64 [N], places that rise from file to file, to draw rows in the order of the files."""
        numbers = self.numbers.astype(np.int64)
        if self.file is None or not self.count:
            return numbers
        last = np.zeros(len(self.files), np.int64)
        np.maximum.at(last, self.file, numbers)
        return numbers + np.concatenate([[0], np.cumsum(last)[:-1]])[self.file]

    def take(self, rows: np.ndarray) -> RowPlaces:
        """The places of these rows, int64 [K], in this order."""
        if len(rows) == self.count and (rows == np.arange(self.count)).all():
            return self
        number = self.first + rows if self.number is None else self.number[rows]
        file = None if self.file is None else self.file[rows]
        return RowPlaces(len(rows), self.unit, self.files, self.first, _small(number), file)

    def slice(self, rows: slice) -> RowPlaces:
        """The places of the rows of a slice; consecutive ones stay so."""
        begin, end, step = rows.indices(self.count)
        chosen = range(begin, end, step)
        if step != 1 or self.number is not None or self.file is not None:
            return self.take(np.arange(self.count)[rows])
        return RowPlaces(len(chosen), self.unit, self.files, self.first + begin)


def joined_places(parts: Sequence[RowPlaces | None]) -> RowPlaces | None:
    """The places of the rows of several parts together; None where those of one are not known.

    Example:
        >>> whole = RowPlaces(4)
        >>> joined_places([whole.slice(slice(0, 1)), whole.slice(slice(1, 4))]).number is None
        True
    """
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or len({part.unit for part in known}) != 1:
        return None
    filled = [part for part in known if part.count] or known[:1]
    unit, count = filled[0].unit, sum(part.count for part in filled)
    ends = [part.first + part.count for part in filled]
    follow = all(part.first == end for part, end in zip(filled[1:], ends, strict=False))
    plain = all(part.number is None and part.file is None for part in filled)
    if plain and follow and len({part.files[:1] for part in filled}) == 1:
        return RowPlaces(count, unit, filled[0].files[:1], filled[0].first)
    if len({bool(part.files) for part in filled}) != 1:
        return None
    files = tuple(dict.fromkeys(name for part in filled for name in part.files))
    index = {name: at for at, name in enumerate(files)}
    file = None if len(files) < 2 else np.concatenate([_files_of(part, index) for part in filled])
    number = np.concatenate([part.numbers for part in filled])
    return RowPlaces(count, unit, files, 0, _small(number), file)


def _files_of(part: RowPlaces, index: dict[str, int]) -> np.ndarray:
    own = np.array([index[name] for name in part.files], np.int32)
    return np.full(part.count, own[0]) if part.file is None else own[part.file]


def _small(number: Any) -> np.ndarray:
    number = np.asarray(number)
    fits = not number.size or number.max() <= np.iinfo(np.int32).max
    return number.astype(np.int32 if fits else np.int64, copy=False)
