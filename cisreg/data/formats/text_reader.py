"""Text files of one dataset: tables, or one-hot text; a part is a file."""

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
        starts: of the files, sorted as they are read.
        asked: which columns are wanted; what is found in the first file is read from all of them.
        key: what the rows are about: "sequence", or the "name" of a record that was measured.
        decimal_comma: whether numbers are written with one.

    Attributes:
        kind: "table".
        files: sorted as they are read.
        columns: that are read.
        places: where they are in the first file.
        described: all columns of the first file with a value of each, for errors.
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

    def read(self, part: int) -> Iterator[RawRows]:
        """The rows of a file, about 4 MB of its text at once.

        Raises:
            FileNotFoundError, ValueError: the file vanished or is damaged; by name.
        """
        file = self.files[part]
        with file.open_text() as stream:
            yield from iterate_table(stream, file.name, self._layouts[part])


class OneHotReader(WholeFiles):
    """Files of one-hot text, which has a label and a sequence in each line.

    Args:
        starts: of the files, sorted as they are read.
        asked: the label is the expression, or a further column "label", or not read.

    Attributes:
        kind: "one-hot text".
        files: sorted as they are read.
        columns: that are read.
        places: position 0 of the label and 1 of the sequence.
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
        """The rows of a file, about 4 MB of its text at once.

        Raises:
            FileNotFoundError, ValueError: the file vanished or is damaged; by name.
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
