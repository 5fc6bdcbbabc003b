"""Text files of one dataset: tables, or one-hot text; a part is a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cisreg.data.formats.columns import Places
from cisreg.data.formats.one_hot import one_hot_length
from cisreg.data.formats.rows import Columns
from cisreg.data.formats.sources import SourceFile, WholeFiles
from cisreg.data.formats.text import find_layout, iterate_one_hot_text, iterate_table
from cisreg.data.formats.usable import RawRows

_START = 1 << 20
_LONGEST_LINE = 1 << 28


def text_start(file: SourceFile) -> bytes:
    """The first megabyte of a file, decompressed, up to the end of its last line.

    Raises:
        FileNotFoundError, ValueError: by name: it is not there or cannot be read.
    """
    with file.open_text() as stream:
        start = stream.read(_START)
        return start if start.endswith(b"\n") else start + stream.readline(_LONGEST_LINE)


class TableReader(WholeFiles):
    """TSV or CSV files.

    Attributes:
        kind: "table".
        files: sorted as they are read.
        columns: that are read.
        places: where they are in the first file.
        names: of all columns of the first file, or None where it does not name them.
    """

    kind = "table"

    def __init__(
        self, files: Sequence[SourceFile], columns: Columns | None = None, *, key: str = "sequence"
    ) -> None:
        super().__init__(files)
        first = find_layout(files[0].name, text_start(files[0]), columns, key=key)
        self.columns, self.places, self.names = first.columns, first.places, first.names
        self._layouts = [first] + [
            find_layout(file.name, text_start(file), self.columns, key=key) for file in files[1:]
        ]

    def read(self, part: int) -> Iterator[RawRows]:
        """The rows of a file, about 4 MB of its text at once.

        Raises:
            FileNotFoundError, ValueError: the file vanished or is damaged; by name.
        """
        file = self.files[part]
        with file.open_text() as stream:
            yield from iterate_table(stream, file.name, self._layouts[part])


class OneHotReader(WholeFiles):
    """Files of one-hot text.

    Attributes:
        kind: "one-hot text".
        files: sorted as they are read.
        columns: position 0 of the sequence, and 1 of the label where it is read as expression.
        places: the same.
        names: None; the columns have none.
    """

    kind = "one-hot text"
    names: tuple[str, ...] | None = None

    def __init__(self, files: Sequence[SourceFile], columns: Columns | None) -> None:
        columns = columns or Columns()
        if columns not in (Columns(), Columns(expression=())):
            raise ValueError(
                f"{files[0].name}: expected no columns, since one-hot text has a label and a "
                f"sequence alone, got {columns}"
            )
        super().__init__(files)
        self.columns = columns
        names = ("expression",) if columns.expression else ()
        self.places = Places(0, (1,) if columns.expression else (), None, names)
        self._lengths = [_first_length(file) for file in files]

    def read(self, part: int) -> Iterator[RawRows]:
        """The rows of a file, about 4 MB of its text at once.

        Raises:
            FileNotFoundError, ValueError: the file vanished or is damaged; by name.
        """
        file, labels = self.files[part], bool(self.columns.expression)
        with file.open_text() as stream:
            yield from iterate_one_hot_text(stream, file.name, self._lengths[part], labels=labels)


def _first_length(file: SourceFile) -> int:
    for line in text_start(file).split(b"\n"):
        if line.strip() and not line.startswith(b"#"):
            length = one_hot_length(line)
            if length is not None:
                return length
            break
    raise ValueError(f"{file.name}: expected a line of one-hot text before any other, got none")
