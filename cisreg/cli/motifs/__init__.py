"""cisreg motifs: motif files converted, listed, drawn and compared."""

from __future__ import annotations

import typer

from cisreg.cli.commands import Command, CommandGroup
from cisreg.cli.motifs import compare, convert, info, logo

app = typer.Typer(
    name="motifs",
    cls=CommandGroup,
    no_args_is_help=True,
    help="Convert, list, draw and compare motifs of any usual format.",
    epilog="**Example:** cisreg motifs convert JASPAR.meme motifs.jaspar",
)
# One (function, example) for each command.
COMMANDS: tuple[tuple[object, str], ...] = (
    (convert.convert, convert.EXAMPLE),
    (info.info, info.EXAMPLE),
    (logo.logo, logo.EXAMPLE),
    (compare.compare, compare.EXAMPLE),
)
for command, example in COMMANDS:
    app.command(cls=Command, epilog=f"**Example:** {example}")(command)  # type: ignore[type-var]
