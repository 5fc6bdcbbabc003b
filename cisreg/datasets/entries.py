"""What a registry lists: data sets and models, their files, and where these come from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

from cisreg.data import Columns

Kind = Literal["dataset", "model"]

TRAIN = "train"


@dataclass(frozen=True)
class RemoteFile:
    """A file of an entry.

    Attributes:
        name: its name in the folder of the entry, without folders.
        urls: where it is; the first that works is taken.
        size: bytes.
        sha256: checksum, 64 hexadecimal digits.
        part: of a data set, such as "train" or "test"; "" if it has no parts.
    """

    name: str
    urls: tuple[str, ...]
    size: int
    sha256: str
    part: str = ""


@dataclass(frozen=True)
class Entry:
    """A data set or a model by its name.

    Attributes:
        name: lower-case letters, digits, dots, hyphens and underscores.
        kind: "dataset" or "model".
        version: as its publisher counts.
        description: what it is, in a sentence or some.
        licence: such as "CC-BY-4.0".
        citation: what to cite.
        unit: of the expression, such as "log2 RNA / DNA".
        columns: of a data set: the column of each role, by name.
        files: its files; () for those that come with cisreg.
        source: where the entry is from: "cisreg", or the place of a registry.
    """

    name: str
    kind: Kind
    version: str
    description: str
    licence: str
    citation: str = ""
    unit: str = ""
    columns: Columns | None = None
    files: tuple[RemoteFile, ...] = ()
    source: str = "cisreg"

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of a data set, in the order of the files."""
        return tuple(dict.fromkeys(file.part for file in self.files))

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def digest(self) -> str:
        """A checksum of names and content of all files, 16 hexadecimal digits."""
        lines = sorted(f"{file.name}\t{file.sha256}" for file in self.files)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def files_of(self, part: str | None) -> tuple[RemoteFile, ...]:
        """The files of a part.

        Args:
            part: its name; None: "train", or the only part.

        Raises:
            ValueError: there is no such part, or several and none is "train".
        """
        return tuple(file for file in self.files if file.part == chosen_part(self, part))

    def to_dict(self) -> dict[str, Any]:
        """What describes the entry, as JSON values, without the files."""
        told = {
            "name": self.name,
            "kind": self.kind,
            "version": self.version,
            "description": self.description,
            "licence": self.licence,
            "citation": self.citation,
            "unit": self.unit,
            "columns": None if self.columns is None else self.columns.described,
            "source": self.source,
        }
        return {name: value for name, value in told.items() if value}


def chosen_part(entry: Entry, part: str | None) -> str:
    """The part that is read where `part` is asked for; see `Entry.files_of`."""
    parts = entry.parts
    if part is None:
        if len(parts) == 1:
            return parts[0]
        part = TRAIN
    if part not in parts:
        raise ValueError(f"part: expected one of {entry.name}: {', '.join(parts)}, got {part!r}")
    return part
