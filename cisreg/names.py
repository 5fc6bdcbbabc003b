"""Converts names of motifs and columns to fields of tables and to file names, and back.

A name may contain any printable character; HOMER has motif names such as
`Pitx1:Ebox(Homeobox,bHLH)`. All code that writes or reads names as text uses these functions, so
that names are read back unchanged.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

_CODES = "[01][0-9A-F]|7F|2F|2E|23|25|7E"
# Escaped in file names: control characters, the path separator, a leading dot (hidden files) or #
# (comments), a trailing ~ (backups), and text that looks like an escape.
_ESCAPE = re.compile(rf"[\x00-\x1f\x7f/]|^[.#~]|~$|%(?={_CODES})")
_ESCAPED = re.compile(f"%({_CODES})")


def join_fields(fields: Iterable[str], delimiter: str = "\t") -> str:
    r"""A line of a table, without line end; fields are quoted if needed (RFC 4180).

    Example:
        >>> join_fields(["Reb1", "Pitx1:Ebox(Homeobox,bHLH)"], ",")
        'Reb1,"Pitx1:Ebox(Homeobox,bHLH)"'
    """
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="").writerow(fields)
    return text.getvalue()


def split_fields(line: str, delimiter: str = "\t", *, strict: bool = True) -> list[str]:
    r"""The fields of a line that `join_fields` or a different program wrote.

    A field that begins with a quotation mark ends at the next one; two in a row mean one quotation
    mark. Fields may have any length; the `csv` module limits it.

    Args:
        line: the line, without line end.
        delimiter: between the fields.
        strict: whether a missing closing quotation mark, or text after it, is an error. If not, the
            end of the line closes the field, and the text belongs to it, as in the `csv` module.

    Raises:
        ValueError: with `strict`, if quotation marks do not enclose a complete field.

    Example:
        >>> split_fields('Reb1,"a,b"', ",")
        ['Reb1', 'a,b']
    """
    if '"' not in line:
        return line.split(delimiter)
    fields: list[str] = []
    position = 0
    while True:
        quoted = ""
        if line.startswith('"', position):
            quoted, position, closed = _quoted(line, position + 1)
            at_end = position == len(line) or line.startswith(delimiter, position)
            if strict and not (closed and at_end):
                raise ValueError(f"expected quotes around whole fields, got {line[:80]!r}")
        stop = line.find(delimiter, position)
        if stop < 0:
            return [*fields, quoted + line[position:]]
        fields.append(quoted + line[position:stop])
        position = stop + 1


def _quoted(line: str, position: int) -> tuple[str, int, bool]:
    """The text after an opening quotation mark, its end, and whether it was closed."""
    text = ""
    while True:
        stop = line.find('"', position)
        if stop < 0:
            return text + line[position:], len(line), False
        text += line[position:stop]
        position = stop + 1
        if not line.startswith('"', position):
            return text, position, True
        text += '"'
        position += 1


def file_stem(name: str) -> str:
    """A file name, without extension, for a name; `name_of_stem` is the inverse.

    Only characters that a file name cannot contain are percent-encoded: a slash becomes %2F.

    Example:
        >>> file_stem("Sox2/Oct4"), file_stem("Pitx1:Ebox(Homeobox,bHLH)")
        ('Sox2%2FOct4', 'Pitx1:Ebox(Homeobox,bHLH)')
    """
    return _ESCAPE.sub(lambda found: f"%{ord(found[0]):02X}", name)


def name_of_stem(stem: str) -> str:
    """The name from a file name that `file_stem` made.

    Example:
        >>> name_of_stem("Sox2%2FOct4")
        'Sox2/Oct4'
    """
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), stem)
