"""cisreg ensemble: several models of the same data, whose differences say how sure they are."""

from __future__ import annotations

import typer

from cisreg.cli.commands import Command, CommandGroup
from cisreg.cli.ensemble import evaluate, predict, train

app = typer.Typer(
    name="ensemble",
    cls=CommandGroup,
    no_args_is_help=True,
    help="Train several models alike, each on other rows or from another seed; predict with "
    "intervals; compare with measurements.",
    epilog=f"**Example:** {train.EXAMPLE}",
)
# One (function, class, example) for each command.
COMMANDS: tuple[tuple[object, type[Command], str], ...] = (
    (train.train, train.EnsembleCommand, train.EXAMPLE),
    (predict.predict, Command, predict.EXAMPLE),
    (evaluate.evaluate, Command, evaluate.EXAMPLE),
)
for command, kind, example in COMMANDS:
    app.command(cls=kind, epilog=f"**Example:** {example}")(command)  # type: ignore[type-var]
