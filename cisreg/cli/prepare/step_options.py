"""Options that the steps on tables share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cisreg.cli.terminal import new_console
from cisreg.names import split_fields
from cisreg.streams import STANDARD

Memory = Annotated[
    str,
    typer.Option(
        metavar="SIZE",
        help="About the most to hold in memory, 500MB or more; the rest goes to the disk.",
    ),
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads to use; default: one per available core.")
]
TemporaryFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where that goes, until the end of the run; default: beside the output.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file that is there.")]


def refuse_existing(output: Path, overwrite: bool) -> None:
    """Raises ValueError where `output` is a file that must not be replaced."""
    if str(output) != STANDARD and output.exists() and not overwrite:
        raise ValueError(
            f"{output}: expected a new file, but it exists; give --overwrite to replace it, or "
            "another --output"
        )


def tell(output: Path, text: str) -> None:
    """Prints a summary where it does not get among the results."""
    console = new_console(stderr=str(output) == STANDARD)
    console.print(text, soft_wrap=True)


def destination(output: Path) -> str:
    """What summaries call the output."""
    return "standard output" if str(output) == STANDARD else str(output)


def split(text: str | None) -> list[str] | None:
    """The parts of a list with commas; None where there is no list.

    Example:
        >>> split('bin1, "low, or dark"')
        ['bin1', 'low, or dark']
    """
    if text is None:
        return None
    return [part.strip() for part in split_fields(text.replace(', "', ',"'), ",")]


def numbers(option: str, text: str | None) -> list[float] | None:
    """The numbers of a list with commas; None where there is no list.

    Raises:
        ValueError: a part is no number.

    Example:
        >>> numbers("--cells", "10, 2.5")
        [10.0, 2.5]
    """
    parts = split(text)
    try:
        return None if parts is None else [float(part) for part in parts]
    except ValueError:
        raise ValueError(
            f"{option}: expected numbers with commas between them, got {text!r}"
        ) from None
