"""Reads small tab-separated text files; errors name the line."""

from __future__ import annotations

import os
from collections.abc import Iterator

from cisreg.names import split_fields
from cisreg.number_text import LARGEST_FLOAT32, parse_float, shown
from cisreg.streams import text_lines


def table_rows(path: str | os.PathLike[str]) -> Iterator[tuple[str, list[str]]]:
    """Yields ("file:line", fields) of a tab-separated file; skips blank lines and comments (#).

    Fields may have quotes around them, as `cisreg.names.join_fields` writes them.

    Bytes that are not UTF-8 become U+FFFD. So the parser of the line reports them, in an error that
    says what it expected.

    Raises:
        OSError: the file cannot be read.
        ValueError: a quotation mark that is not closed.
    """
    for number, line in enumerate(text_lines(path), start=1):
        line = line.rstrip()
        if line and not line.startswith("#"):
            place = f"{os.fspath(path)}:{number}"
            try:
                yield place, split_fields(line)
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from None


def parse_number(text: str, place: str, column: int) -> float:
    """Parses a finite number; `place` and `column` (counted from 1) are for the error.

    Blanks around it are dropped; everything else is as in `cisreg.number_text.parse_float`.

    Raises:
        ValueError: not a number, or one that is not finite as float32.
    """
    try:
        # Blanks beside the tabs, such as those that align columns, belong to no number.
        return parse_float(text.strip(" "), largest=LARGEST_FLOAT32)
    except ValueError:
        raise ValueError(
            f"{place}: expected a finite number in column {column}, got {shown(text)}; correct it"
        ) from None
