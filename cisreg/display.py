"""Display of names and numbers: tables for notebooks, and text that is safe to print."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from cisreg.names import ACTING

# Number of rows that are shown of a long table.
SHOWN_ROWS = 20


def html_table(title: str, columns: Mapping[str, Sequence[Any]], count: int) -> str:
    """The first rows of a table as HTML; all text is escaped.

    Args:
        title: a line above the table.
        columns: the values of each column, by name; at most `SHOWN_ROWS` rows are shown.
        count: number of rows of the whole table.

    Example:
        >>> html_table("1 motif", {"name": ["<b>"]}, 1)
        '<p>1 motif</p><table><tr><th>name</th></tr><tr><td>&lt;b&gt;</td></tr></table>'
    """
    head = "".join(f"<th>{_escaped(name)}</th>" for name in columns)
    rows = zip(*(values[:SHOWN_ROWS] for values in columns.values()), strict=True)
    body = "".join(
        "<tr>" + "".join(f"<td>{_escaped(value)}</td>" for value in row) + "</tr>" for row in rows
    )
    more = f"<p>and {count - SHOWN_ROWS:,} more</p>" if count > SHOWN_ROWS else ""
    return f"<p>{_escaped(title)}</p><table><tr>{head}</tr>{body}</table>{more}"


def printable(text: str) -> str:
    r"""Text on one line of a terminal or log, with all characters that act on it as escapes.

    So a name from a file neither colours nor turns the text, and begins no line of its own.

    Example:
        >>> print(printable("Reb1\x1b[31m\nerror: none"))
        Reb1\x1b[31m\nerror: none
    """
    return ACTING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def counted(count: int, noun: str) -> str:
    """A number with a noun in singular or plural.

    Example:
        >>> counted(1, "motif"), counted(1200, "site")
        ('1 motif', '1,200 sites')
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _escaped(value: Any) -> str:
    return html.escape(f"{value:.4g}" if isinstance(value, float) else printable(str(value)))
