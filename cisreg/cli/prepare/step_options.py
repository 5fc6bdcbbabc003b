"""Options that the `cisreg prepare` commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cisreg.cli.terminal import new_console
from cisreg.names import split_fields
from cisreg.number_text import parse_float
from cisreg.streams import STANDARD

Memory = Annotated[
    str,
    typer.Option(
        metavar="SIZE",
        help="Approximate memory limit, 500MB or more; further data goes to temporary files.",
    ),
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads to use; default: one per available core.")
]
TemporaryFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder for temporary files; default: beside the output.",
    ),
]


def tell(output: Path, text: str) -> None:
    """Prints a summary; to standard error if standard output has the results."""
    console = new_console(stderr=str(output) == STANDARD)
    console.print(text)


def destination(output: Path) -> str:
    """The output as named in summaries."""
    return "standard output" if str(output) == STANDARD else str(output)


def split(text: str | None) -> list[str] | None:
    """The parts of a comma-separated list; None if there is no list.

    Example:
        >>> split('bin1, "low, or dark"')
        ['bin1', 'low, or dark']
    """
    if text is None:
        return None
    return [part.strip(" ") for part in split_fields(text.replace(', "', ',"'), ",")]


def numbers(option: str, text: str | None) -> list[float] | None:
    """The numbers of a comma-separated list; None if there is no list.

    Raises:
        ValueError: a part is not a number.

    Example:
        >>> numbers("--cells", "10, 2.5")
        [10.0, 2.5]
    """
    parts = split(text)
    try:
        return None if parts is None else [parse_float(part) for part in parts]
    except ValueError:
        raise ValueError(f"{option}: expected numbers separated by commas, got {text!r}") from None
