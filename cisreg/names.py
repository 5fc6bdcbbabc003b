"""Names of motifs and columns as text: fields of tables, and names of files.

A name may hold anything printable: HOMER calls motifs such as `Pitx1:Ebox(Homeobox,bHLH)`. Every
place that writes or reads names as text uses these functions, so that a name comes back as it was.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

_CODES = "[01][0-9A-F]|7F|2F|2E|23|25|7E"
# What is no part of a file's name as it is: control characters, the separator of folders, the dot
# of hidden files and the # of comments in front, the ~ of backups, and what looks like an escape.
_ESCAPE = re.compile(rf"[\x00-\x1f\x7f/]|^[.#~]|~$|%(?={_CODES})")
_ESCAPED = re.compile(f"%({_CODES})")


def join_fields(fields: Iterable[str], delimiter: str = "\t") -> str:
    r"""A line of a table, without its end, with quotes where a field needs them (RFC 4180).

    Example:
        >>> join_fields(["Reb1", "Pitx1:Ebox(Homeobox,bHLH)"], ",")
        'Reb1,"Pitx1:Ebox(Homeobox,bHLH)"'
    """
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="").writerow(fields)
    return text.getvalue()


def split_fields(line: str, delimiter: str = "\t") -> list[str]:
    r"""The fields of a line that `join_fields` or another program wrote.

    Raises:
        ValueError: a quote without its end.

    Example:
        >>> split_fields('Reb1,"a,b"', ",")
        ['Reb1', 'a,b']
    """
    # The reader of the standard library takes no field of more than 128 kB.
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ValueError(
            f"expected quotes around whole fields, got {line[:80]!r} ({error})"
        ) from None


def file_stem(name: str) -> str:
    """The name of a file, without its ending, that stands for a name; `name_of_stem` reverts it.

    Only what no file name can hold is escaped, as in web addresses: a slash is %2F.

    Example:
        >>> file_stem("Sox2/Oct4"), file_stem("Pitx1:Ebox(Homeobox,bHLH)")
        ('Sox2%2FOct4', 'Pitx1:Ebox(Homeobox,bHLH)')
    """
    return _ESCAPE.sub(lambda found: f"%{ord(found[0]):02X}", name)


def name_of_stem(stem: str) -> str:
    """The name that a file's name stands for.

    Example:
        >>> name_of_stem("Sox2%2FOct4")
        'Sox2/Oct4'
    """
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), stem)
