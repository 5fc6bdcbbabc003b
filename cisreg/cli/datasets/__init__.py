"""cisreg datasets: data sets and models by name."""

from __future__ import annotations

import typer

from cisreg.cli.commands import Command, CommandGroup
from cisreg.cli.datasets import describe, fetch, listing

app = typer.Typer(
    name="datasets",
    cls=CommandGroup,
    no_args_is_help=True,
    help="List, describe and download data sets and models that have a name.",
    epilog="**Example:** cisreg datasets list",
)
# One (name, function, example) for each command.
COMMANDS: tuple[tuple[str, object, str], ...] = (
    ("list", listing.listing, listing.EXAMPLE),
    ("describe", describe.describe, describe.EXAMPLE),
    ("fetch", fetch.fetch, fetch.EXAMPLE),
)
for name, command, example in COMMANDS:
    app.command(name, cls=Command, epilog=f"**Example:** {example}")(command)  # type: ignore[type-var]
