"""Old command lines of CisRegModels: what they mean, and running that."""

from __future__ import annotations

import logging

import typer
from rich.console import Console

from cisreg.quiet import start_tensorflow

logger = logging.getLogger("cisreg.cli")


def run_old_command(text: str, overwrite: bool) -> None:
    """Says what an old command line means in new commands, and runs these.

    Args:
        text: the old command line.
        overwrite: let the new commands replace what is there.

    Raises:
        ValueError: not a command line of CisRegModels, or options that make no sense together.
        OSError: a file cannot be read or written.
    """
    start_tensorflow()
    from cisreg.legacy.arguments import parse_command
    from cisreg.legacy.translation import describe, translate, write_files

    new = translate(parse_command(text), overwrite=overwrite)
    console = Console(highlight=False)
    console.print("In the commands of cisreg:", style="bold")
    for arguments in new.commands:
        console.print(describe(arguments), markup=False, soft_wrap=True)
    for note in new.notes:
        logger.warning("%s", note)
    write_files(new, overwrite=overwrite)
    app = typer.main.get_command(_app())
    for arguments in new.commands:
        status = app.main(arguments, prog_name="cisreg", standalone_mode=False)
        if status:
            raise typer.Exit(status)


def _app() -> typer.Typer:
    # The commands are put together in a module that imports this one.
    from cisreg.cli.app import app

    return app
