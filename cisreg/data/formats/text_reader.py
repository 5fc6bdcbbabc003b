"""Readers of text files of a dataset: tables or one-hot text. Each file is a part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cisreg.data.formats.columns import Key, Places
from cisreg.data.formats.one_hot import one_hot_length
from cisreg.data.formats.recognition import ONE_HOT, TABLE, Start
from cisreg.data.formats.rows import Columns
from cisreg.data.formats.sources import SourceFile, WholeFiles
from cisreg.data.formats.text import COMMENT, find_layout, iterate_one_hot_text, iterate_table
from cisreg.data.formats.usable import RawRows


class TableReader(WholeFiles):
    """TSV or CSV files.

    Args:
        starts: beginnings of the files, in the order of reading.
        asked: which columns to read; those found in the first file are read from all files.
        key: what identifies a row: its "sequence", or the "name" of a record that was measured.
        decimal_comma: whether numbers have a decimal comma.

    Attributes:
        kind: "table".
        files: the files, in the order of reading.
        columns: the columns that are read.
        places: their positions in the first file.
        described: all columns of the first file with a value of each, for errors.
        unread_parts: see `TableStart.unread_parts`.
    """

    kind = TABLE

    def __init__(
        self,
        starts: Sequence[Start],
        asked: Columns,
        *,
        key: Key = "sequence",
        decimal_comma: bool = False,
    ) -> None:
        super().__init__([start.file for start in starts])
        self._layouts = []
        for start in starts:
            layout = find_layout(
                start.file.name, start.head, asked, key=key, decimal_comma=decimal_comma
            )
            self._layouts.append(layout)
            asked = layout.columns
        first = self._layouts[0]
        self.columns, self.places = first.columns, first.places
        self.described = first.start.described()
        self.unread_parts = first.start.unread_parts(first.places)

    def read(self, part: int) -> Iterator[RawRows]:
        """The rows of a file, about 4 MB of its text at a time.

        Raises:
            FileNotFoundError, ValueError: the file was removed or is damaged; the message names it.
        """
        file = self.files[part]
        with file.open_text() as stream:
            yield from iterate_table(stream, file.name, self._layouts[part])


class OneHotReader(WholeFiles):
    """Files of one-hot text, which has a label and a sequence in each line.

    Args:
        starts: beginnings of the files, in the order of reading.
        asked: the label is the expression, or a further column "label", or not read.

    Attributes:
        kind: "one-hot text".
        files: the files, in the order of reading.
        columns: the columns that are read.
        places: their positions: 0 for the label, 1 for the sequence.
        described: the columns, for errors.
    """

    kind = ONE_HOT
    described = "a label and a sequence"

    def __init__(self, starts: Sequence[Start], asked: Columns) -> None:
        if asked.roles or asked.extra not in ((), True, ("label",)):
            raise ValueError(
                f"{starts[0].file.name}: expected no columns, since one-hot text has a label and a "
                f"sequence alone, got {asked}"
            )
        super().__init__([start.file for start in starts])
        expression = (0,) if asked.expression is None else ()
        extra = ("label",) if asked.extra else ()
        self.columns = Columns(1, expression, weight=False, extra=extra)
        names = ("expression",) * len(expression)
        self.places = Places(1, expression, None, None, (0,) * len(extra), names, extra)
        self._lengths = [_first_length(start.file, start.head) for start in starts]

    def read(self, part: int) -> Iterator[RawRows]:
        """The rows of a file, about 4 MB of its text at a time.

        Raises:
            FileNotFoundError, ValueError: the file was removed or is damaged; the message names it.
        """
        file = self.files[part]
        with file.open_text() as stream:
            yield from iterate_one_hot_text(stream, file.name, self._lengths[part], self.places)


def _first_length(file: SourceFile, head: bytes) -> int:
    for line in head.split(b"\n"):
        if line.strip() and not line.startswith(COMMENT):
            length = one_hot_length(line)
            if length is not None:
                return length
            break
    raise ValueError(f"{file.name}: expected a line of one-hot text before any other, got none")
