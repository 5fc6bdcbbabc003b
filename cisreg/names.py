"""Converts names of motifs and columns to fields of tables and to file names, and back.

A name may contain any printable character; HOMER has motif names such as
`Pitx1:Ebox(Homeobox,bHLH)`. Characters that act instead of being shown, such as those of line ends
and colours, are refused where names enter. All code that writes or reads names as text uses these
functions, so that names are read back unchanged.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence

from cisreg.limits import MOST_FIELDS

# Characters that act on terminals and in tables instead of being shown: control characters, marks
# that change the direction of text, ends of lines and paragraphs, the byte order mark, and halves
# of characters, which stand for bytes of file names that are not UTF-8.
ACTING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_CODES = "[01][0-9A-F]|7F|2F|2E|23|25|7E"
# Escaped in file names: control characters, the path separator, a leading dot (hidden files) or #
# (comments), a trailing ~ (backups), and text that looks like an escape.
_ESCAPE = re.compile(rf"[\x00-\x1f\x7f/]|^[.#~]|~$|%(?={_CODES})")
_ESCAPED = re.compile(f"%({_CODES})")
# Most bytes of a file name without extension that is not cut; systems take 255 with all endings.
_LONGEST_STEM = 180
_DIGEST = 16
_LINE_END = "\r\n"
_CUT = re.compile(f".*~[0-9a-f]{{{_DIGEST}}}", re.DOTALL)


def check_names(argument: str, names: Sequence[str]) -> None:
    """Checks names by which motifs are told apart.

    Raises:
        ValueError: a name that is not text, empty, given twice, or has characters that act instead
            of being shown; tabs are allowed, and quoted in tables. The message begins with
            `argument`.

    Example:
        >>> check_names("names", ["Abf1", "Pitx1:Ebox(Homeobox,bHLH)"])
    """
    for name in names:
        if not isinstance(name, str) or not name:
            raise ValueError(
                f"{argument}: expected non-empty strings, got {name!r}; give each a name"
            )
    check_shown(argument, names)
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(
                f"{argument}: expected distinct names, got {name!r} twice; rename or drop one"
            )
        seen.add(name)


def check_shown(argument: str, names: Iterable[str], advice: str = "rename it") -> None:
    """Checks that names, such as those of columns, have only characters that are shown, and tabs.

    Args:
        argument: whose names they are, for the error.
        names: the names.
        advice: what to do, for the error.

    Raises:
        ValueError: the first name with other characters; the message begins with `argument`.

    Example:
        >>> check_shown("columns", ["sequence", "log2 ratio"])
    """
    for name in names:
        if ACTING.search(name.replace("\t", "")):
            raise ValueError(
                f"{argument}: expected names without line ends, control characters and marks of "
                f"direction, got {name!r}; {advice}"
            )


def first_word(header: str) -> str:
    """The name in a header of FASTA, without > : its first word, empty where it has none.

    Example:
        >>> first_word("chrI Saccharomyces cerevisiae"), first_word(" ")
        ('chrI', '')
    """
    return header.split(None, 1)[0] if header.strip() else ""


def join_fields(fields: Iterable[str], delimiter: str = "\t") -> str:
    r"""A line of a table, without line end; fields are quoted if needed (RFC 4180).

    Example:
        >>> join_fields(["Reb1", "Pitx1:Ebox(Homeobox,bHLH)"], ",")
        'Reb1,"Pitx1:Ebox(Homeobox,bHLH)"'
    """
    text = io.StringIO()
    # Fields with characters of the line end are quoted.
    csv.writer(text, delimiter=delimiter, lineterminator=_LINE_END).writerow(fields)
    return text.getvalue().removesuffix(_LINE_END)


def split_fields(line: str, delimiter: str = "\t", *, strict: bool = True) -> list[str]:
    r"""The fields of a line that `join_fields` or a different program wrote.

    A field that begins with a quotation mark ends at the next one; two in a row mean one quotation
    mark. Fields may have any length; the `csv` module limits it. After 65,536 fields, the rest of
    the line is one field.

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
        return line.split(delimiter, MOST_FIELDS)
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
        if stop < 0 or len(fields) == MOST_FIELDS:
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


def file_stems(names: Iterable[str]) -> list[str]:
    """A file name, without extension, for each of several distinct names.

    It is that of `file_stem`, unless that is too long, or equal to an earlier one for a file system
    that ignores case. Then it ends in ~ and a part of the name's hash, and the file has to hold the
    name, see `is_cut`.

    Example:
        >>> file_stems(["Abf1", "ABF1"])
        ['Abf1', 'ABF1~39fc3bb97dd76128']
    """
    stems: list[str] = []
    taken: set[str] = set()
    for name in names:
        stem = file_stem(name)
        if len(stem.encode()) > _LONGEST_STEM or _folded(stem) in taken or _CUT.fullmatch(stem):
            digest = name_digest(name)
            stem = f"{stem.encode()[:_LONGEST_STEM].decode(errors='ignore')}~{digest}"
        taken.add(_folded(stem))
        stems.append(stem)
    return stems


def _folded(stem: str) -> str:
    """The same text for names that some file systems take for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", stem).casefold())


def name_digest(name: str) -> str:
    """The part of a name's hash with which its file name ends, if that is cut; 16 digits."""
    return hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]


def is_cut(stem: str) -> bool:
    """Whether a file name may be one of `file_stems` that ends in a hash.

    Example:
        >>> is_cut("ABF1~0123456789abcdef"), is_cut("ABF1")
        (True, False)
    """
    return _CUT.fullmatch(stem) is not None


def name_of_stem(stem: str) -> str:
    """The name from a file name that `file_stem` made.

    Example:
        >>> name_of_stem("Sox2%2FOct4")
        'Sox2/Oct4'
    """
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), stem)
